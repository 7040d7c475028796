// The search field: type-ahead over the keys of every label; a pasted text with several words is read as a list.
import { ask } from "./api.js";
import { el, fill, shortened, tell } from "./dom.js";
import { idOf } from "./model.js";
import { sign } from "./palette.js";

const MOST_SAID = 6; // nodes that are found by what analysts said of them

export function setUpFind(app) {
  const { actions, triage, picture, model, editing, layout } = app;
  const input = /** @type {HTMLInputElement} */ (document.getElementById("find"));
  const list = document.getElementById("found");
  let nodes = [];
  let at = -1;
  let timer = null;
  let latest = 0;

  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    at = -1;
  };
  const mark = (next) => {
    at = next;
    [...list.querySelectorAll("[role=option]")].forEach((option, i) => {
      option.setAttribute("aria-selected", String(i === at));
      if (i === at) {
        input.setAttribute("aria-activedescendant", option.id);
        option.scrollIntoView({ block: "nearest" });
      }
    });
  };
  const take = async (node) => {
    close();
    input.value = "";
    if (node.query) return app.cypher.open(node.query);
    const there = model.graph.hasNode(idOf(node));
    await actions.bring([node]).catch(tell);
    document.getElementById("picture").focus();
    if (there)
      picture.look(idOf(node)); // what is there already is found by the eye
    else if (model.graph.order > 1) layout.addEventListener("ended", () => picture.look(idOf(node)), { once: true });
  };
  const paste = (text) => {
    close();
    input.value = "";
    return triage.paste(text);
  };
  // Nodes by their notes, tags and verdicts.
  const saidAbout = async (text) => {
    const wanted = text.toLowerCase();
    if (wanted.length < 3) return [];
    const found = new Map();
    for (const { undone, what, body } of await editing.entries().catch(() => [])) {
      const words = body.text ?? body.tag ?? body.verdict ?? "";
      if (!undone && body.about && words.toLowerCase().includes(wanted))
        found.set(idOf(body.about), { ...body.about, why: `${what}: ${words}` });
      if (found.size >= MOST_SAID) break;
    }
    return [...found.values()];
  };
  const search = async () => {
    const text = input.value.trim();
    const mine = ++latest;
    if (!text) return close();
    let answer;
    try {
      answer = await ask("complete", { text });
    } catch (wrong) {
      return tell(wrong);
    }
    const said = await saidAbout(text);
    if (mine !== latest) return;
    const keys = new Set(answer.nodes.map(idOf));
    const queries = app.schema.queries
      .filter((each) => text.length > 2 && `${each.name} ${each.doc}`.toLowerCase().includes(text.toLowerCase()))
      .slice(0, 3)
      .map((query) => ({ label: "", key: query.name, why: query.doc, query: query.name }));
    nodes = [...answer.nodes, ...said.filter((node) => !keys.has(idOf(node))), ...queries];
    fill(
      list,
      nodes.map((node, i) =>
        el(
          "div",
          {
            role: "option",
            id: `found-${i}`,
            "aria-selected": "false",
            onpointerdown: (event) => {
              event.preventDefault();
              take(node);
            },
          },
          node.query ? null : sign(node.label),
          el("span", { class: "key" }, shortened(node.key, 70)),
          node.why ? el("span", { class: "soft" }, shortened(node.why, 50)) : null,
          el("span", { class: "kind" }, node.query ? "saved query" : node.label),
        ),
      ),
      nodes.length
        ? null
        : el(
            "div",
            { class: "hint" },
            "Not in the graph. Enter looks at what you typed as indicators, and can ask sources about them.",
          ),
    );
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(nodes.length ? 0 : -1);
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, 120);
  });
  input.addEventListener("paste", (event) => {
    const text = event.clipboardData.getData("text");
    if (/\S\s+\S/.test(text.trim())) {
      event.preventDefault();
      paste(text);
    }
  });
  input.addEventListener("keydown", (event) => {
    const options = list.hidden ? 0 : nodes.length;
    if (event.key === "ArrowDown" && options) {
      mark((at + 1) % options);
      event.preventDefault();
    } else if (event.key === "ArrowUp" && options) {
      mark((at + options - 1) % options);
      event.preventDefault();
    } else if (event.key === "Escape") close();
    else if (event.key === "Enter") {
      event.preventDefault();
      if (options && at >= 0) take(nodes[at]);
      else if (input.value.trim()) paste(input.value);
    }
  });
  input.addEventListener("blur", () => setTimeout(close, 150));
  return { paste };
}

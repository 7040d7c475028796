// The search field: type-ahead over the keys of every label; a pasted text with several words is read as a list.
import { ask } from "./api.js";
import { el, fill, number, plural, shortened, tell, toast } from "./dom.js";
import { idOf } from "./model.js";
import { sign } from "./palette.js";

const MOST_SAID = 6; // nodes that are found by what analysts said of them
const MOST_NAMED = 4; // properties and saved queries that are offered by their names
const LEAST = 3; // characters from which on more than keys is searched

export function setUpFind(app) {
  const { actions, triage, picture, model, editing, layout } = app;
  const input = /** @type {HTMLInputElement} */ (document.getElementById("find"));
  const list = document.getElementById("found");
  let nodes = [];
  let at = -1;
  let timer = null;
  let latest = 0;
  let drawn = ""; // what was typed when the options were found

  const close = () => {
    latest += 1; // what is still being looked for opens nothing any more
    drawn = "";
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
    if (node.property) {
      input.value = `${node.property}: `;
      return search();
    }
    close();
    input.value = "";
    if (node.query) return app.cypher.open(node.query, node.first);
    if (node.value) return takeValue(node.value);
    const there = model.graph.hasNode(idOf(node));
    await actions.bring([node]).catch(tell);
    document.getElementById("picture").focus();
    if (there)
      picture.look(idOf(node)); // what is there already is found by the eye
    else if (model.graph.order > 1) layout.addEventListener("ended", () => picture.look(idOf(node)), { once: true });
    return null;
  };
  // All nodes that have a value for a property, selected.
  const takeValue = async ({ property, value }) => {
    try {
      const { nodes: having, cut } = await ask("having", { property, value });
      const { found } = await actions.bring(having, { select: false });
      const ids = having.map(idOf).filter((id) => model.graph.hasNode(id));
      model.selectAll(ids);
      if (!found) picture.frame(ids);
      if (cut) toast(`The first ${number(having.length)} nodes with ${property}: ${value}.`);
    } catch (wrong) {
      tell(wrong);
    }
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
  // Saved queries and properties by their names. What follows a query's name is its first parameter.
  const named = (text) => {
    const wanted = text.toLowerCase();
    const [first, ...rest] = text.split(/\s+/);
    const queries = app.schema.queries
      .filter((each) => each.name === first || `${each.name} ${each.doc}`.toLowerCase().includes(wanted))
      .slice(0, MOST_NAMED)
      .map((query) => ({
        key: query.name,
        why: query.doc,
        kind: "saved query",
        query: query.name,
        first: query.name === first ? rest.join(" ") : "",
      }));
    const properties = app.schema.searched
      .filter((name) => name.startsWith(wanted))
      .slice(0, MOST_NAMED)
      .map((name) => ({ key: `${name}: …`, why: "", kind: "property", property: name }));
    return [...queries, ...properties];
  };
  const found = async (text) => {
    const [answer, said] = await Promise.all([ask("complete", { text }), saidAbout(text)]);
    const keys = new Set(answer.nodes.map(idOf));
    const others = said.filter((node) => !keys.has(idOf(node)));
    return [...answer.nodes, ...others].map((node) => ({ ...node, kind: node.label }));
  };
  const byValue = async (text) => {
    if (text.length < LEAST) return [];
    const answer = await ask("search", { text }, { quiet: true }).catch(() => ({ values: [] }));
    return answer.values.map((value) => ({
      key: `${value.property}: ${around(String(value.value), text)}`,
      kind: plural(value.count, "node"),
      value,
    }));
  };
  // What is found by key is shown at once, and this ends; the values of properties follow.
  const search = async () => {
    const text = input.value.trim();
    if (!text) return close();
    const mine = ++latest;
    try {
      const some = [...(await found(text)), ...(text.length < LEAST ? [] : named(text))];
      if (mine !== latest) return null;
      if (some.length) draw(some, text);
      const values = byValue(text).then((more) => {
        if (mine === latest && (more.length || !some.length)) draw([...some, ...more], text);
      });
      if (!some.length) await values;
    } catch (wrong) {
      tell(wrong);
    }
    return null;
  };
  const draw = (options, text) => {
    drawn = text;
    const kept = nodes.length && !list.hidden && options.length > nodes.length ? at : 0;
    nodes = options;
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
          node.label ? sign(node.label) : null,
          el("span", { class: "key" }, shortened(node.key, 70)),
          node.why ? el("span", { class: "soft" }, shortened(node.why, 50)) : null,
          el("span", { class: "kind" }, node.kind),
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
    // Where only values have what was typed, Enter takes it as indicators, unless a property was named.
    const whole = nodes.every((node) => node.value) && !app.schema.searched.includes(input.value.split(/\s*[:=]/)[0]);
    mark(whole ? -1 : Math.max(0, kept));
  };
  // Enter is about what is typed: a person may be quicker than the options.
  const enter = async () => {
    const text = input.value.trim();
    if (!text) return null;
    if (drawn !== text) {
      clearTimeout(timer);
      await search();
      if (drawn !== text || input.value.trim() !== text) return null; // typed on, left the field, or it failed
    }
    return list.hidden || !nodes[at] ? paste(input.value) : take(nodes[at]);
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
    } else if (event.key === "Escape") {
      close();
      drawn = input.value.trim(); // Enter takes none of the options then, but reads what was typed as indicators
    }
    else if (event.key === "Enter") {
      event.preventDefault();
      enter();
    }
  });
  input.addEventListener("blur", () => setTimeout(close, 150));
  return { paste };
}

// A long text around the place where it has what was typed.
function around(text, typed) {
  const at = text.toLowerCase().indexOf(typed.replace(/^\w+\s*[:=]\s*/, "").toLowerCase());
  return at > 30 ? `…${text.slice(at - 20)}` : text;
}

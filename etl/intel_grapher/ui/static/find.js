// The search field: type-ahead over the keys of every label; a pasted text with several words is read as a list.
import { ask } from "./api.js";
import { el, fill, plural, shortened, toast } from "./dom.js";
import { sign } from "./palette.js";

export function setUpFind({ actions, enrich }) {
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
    await actions.bring([node]).catch(tell);
    document.getElementById("picture").focus();
  };
  const paste = async (text) => {
    close();
    input.value = "";
    try {
      const { found, missing, bad } = await ask("paste", { text });
      if (found.length) await actions.bring(found);
      const rest = [
        missing.length && `${plural(missing.length, "indicator")} not in the graph`,
        bad.length &&
          `${plural(bad.length, "word")} no indicator (${bad
            .slice(0, 3)
            .map((each) => shortened(each.text, 24))
            .join(", ")})`,
      ]
        .filter(Boolean)
        .join("; ");
      toast(
        `${plural(found.length, "node")} found${rest ? `; ${rest}` : ""}.`,
        missing.length ? { action: { text: "Ask sources…", run: () => enrich(missing) } } : {},
      );
    } catch (wrong) {
      tell(wrong);
    }
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
    if (mine !== latest) return;
    nodes = answer.nodes;
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
          sign(node.label),
          el("span", { class: "key" }, shortened(node.key, 70)),
          el("span", { class: "kind" }, node.label),
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

const tell = (wrong) => toast(wrong.message, { wrong: true });

// Style rules of the workspace: which nodes have which colour, size and badge. Of several the first counts.
import { ask } from "./api.js";
import { button, dialog, el, number, tell } from "./dom.js";
import { ageInDays } from "./palette.js";

const FIELDS = {
  label: (node) => [node.label],
  key: (node) => [node.key],
  verdict: (_, said) => [said.verdict],
  tag: (node, said) => [...said.tags, ...(node.properties?.tags ?? [])],
  source: (node) => node.properties?.sources ?? [],
  age: (node) => [ageInDays(node)].filter((days) => days !== null),
  neighbours: (node) => [node.degree ?? 0],
  "warning list": (_, said) => said.warned ?? [],
};
const COMPARISONS = {
  is: (value, wanted) => String(value).toLowerCase() === wanted.toLowerCase(),
  contains: (value, wanted) => String(value).toLowerCase().includes(wanted.toLowerCase()),
  over: (value, wanted) => later(value, wanted),
  under: (value, wanted) => later(wanted, value),
};
const NAMED = { is: "is", contains: "contains", over: "is over", under: "is under" };
const SIZES = { 1: "as it is", 0.7: "smaller", 1.4: "larger", 2: "twice as large" };
const PLAIN = Object.freeze({ colour: "", size: 1, badge: "" });

// Numbers as numbers, dates and other texts by their order.
function later(one, other) {
  const [a, b] = [Number(one), Number(other)];
  return Number.isNaN(a) || Number.isNaN(b) ? String(one) > String(other) : a > b;
}

/** Returns what a rule is about, as a text. */
export const ruleText = ({ field, comparison, value }) => `${field} ${NAMED[comparison]} ${value}`;

export class Styles {
  rules = [];
  #version = ""; // of the rules, as the server knows them

  constructor(app) {
    this.app = app;
  }

  async begin() {
    this.#take(await ask("styles", {}, { quiet: true }));
  }

  #take({ rules, version }) {
    this.rules = rules ?? [];
    this.#version = version ?? "";
    this.app.model.tell("remarks");
  }

  /** Whether a rule is about a node. */
  fits(rule, node, said) {
    const values = FIELDS[rule.field]?.(node, said) ?? [node.properties?.[rule.field] ?? []].flat();
    return !node.more && values.some((value) => COMPARISONS[rule.comparison](value, rule.value));
  }

  /** The colour, size and badge of a node. */
  of(node, said) {
    if (!this.rules.length || node.more) return PLAIN;
    const mine = this.rules.filter((rule) => this.fits(rule, node, said));
    return {
      colour: mine.find((rule) => rule.colour)?.colour ?? "",
      size: mine.find((rule) => (rule.size ?? 1) !== 1)?.size ?? 1,
      badge: mine.find((rule) => rule.badge)?.badge ?? "",
    };
  }

  async #keep(rules) {
    try {
      this.#take(await ask("style", { rules, version: this.#version }));
    } catch (wrong) {
      await this.begin(); // another tab may have changed them
      throw wrong;
    }
  }

  // The rules as a part of the legend: each selects what it is about, and can be moved up or removed.
  part() {
    const { model, remarks, selection } = this.app;
    const drop = (rule) => this.#keep(this.rules.filter((each) => each !== rule)).catch(tell);
    const up = (at) => {
      const rules = [...this.rules];
      rules.splice(at - 1, 0, ...rules.splice(at, 1));
      this.#keep(rules).catch(tell);
    };
    const line = (rule, at) => {
      const mine = () => selection.seen().filter((id) => this.fits(rule, model.node(id), remarks.of(id)));
      const text = ruleText(rule);
      const swatch = el("span", { class: "swatch" }, rule.badge ?? "");
      if (rule.colour) swatch.style.background = rule.colour;
      return el(
        "div",
        { class: "choice rule" },
        swatch,
        button(text, () => model.selectAll(mine()), { class: "quiet name", title: `Select what it is about: ${text}` }),
        at ? button("↑", () => up(at), { class: "quiet", "aria-label": `${text}: before the rule above` }) : null,
        button("×", () => drop(rule), { class: "quiet", "aria-label": `remove the rule ${text}` }),
        el("span", { class: "count" }, number(mine().length)),
      );
    };
    return [
      el("h2", {}, "Style rules"),
      this.rules.map(line),
      button("Add a rule", () => this.#add(), { class: "quiet", title: "Colour, size or badge by what nodes are" }),
    ];
  }

  async #add() {
    const { labels } = this.app.schema;
    const properties = [...new Set(Object.values(labels).flatMap((each) => Object.keys(each.properties)))].sort();
    await dialog(
      "Add a style rule",
      {
        field: { text: "What of a node", value: "label", suggestions: [...Object.keys(FIELDS), ...properties] },
        comparison: { text: "How", options: Object.entries(NAMED).map(([value, text]) => ({ value, text })) },
        value: { text: "Value", hint: "malicious, 365, …" },
        coloured: { text: "Colour", options: ["none", "this one"], value: "this one" },
        colour: { text: "This one", type: "color", value: "#d55e00" },
        size: { text: "Size", options: Object.entries(SIZES).map(([value, text]) => ({ value, text })), value: "1" },
        badge: { text: "Badge (two characters at most)", hint: "!" },
      },
      {
        ok: "Add",
        content: [el("p", { class: "soft" }, "The rules are kept with the workspace. Of several the first counts.")],
        submit: async ({ field, comparison, value, coloured, colour, size, badge }) => {
          const given = { field: field.trim(), value: value.trim(), badge: badge.trim() };
          const rule = { ...given, comparison, size: Number(size) };
          if (!rule.field || !rule.value) throw new Error("Say which nodes: what of a node, and its value.");
          if (!FIELDS[rule.field] && !properties.includes(rule.field))
            throw new Error(`No node has “${rule.field}”: choose one of the list.`);
          if (coloured === "none" && rule.size === 1 && !rule.badge)
            throw new Error("Give a colour, another size, or a badge.");
          await this.#keep([...this.rules, { ...rule, colour: coloured === "none" ? "" : colour }]);
        },
      },
    );
  }
}

// The Cypher box, with the saved queries; what it finds can go into the picture.
import { ask } from "./api.js";
import { button, el, fill, number, plural, tell, toast } from "./dom.js";
import { written } from "./panel.js";

export class Cypher {
  constructor(app) {
    this.app = app;
    this.saved = el(
      "select",
      { "aria-label": "Saved queries", onchange: () => this.#choose() },
      el("option", { value: "" }, "Saved queries…"),
      app.schema.queries.map((each) => el("option", { value: each.name }, each.name)),
    );
    this.doc = el("p", { class: "soft" });
    this.parameters = el("div", { class: "row" });
    this.text = el("textarea", {
      class: "cypher",
      rows: 4,
      spellcheck: "false",
      "aria-label": "Cypher that only reads",
      placeholder: "MATCH (d:Domain)-[:RESOLVES]->(a:IPAddress) RETURN d, a LIMIT 25",
      oninput: () => {
        if (this.saved.value) {
          this.saved.value = "";
          fill(this.parameters);
        }
      },
      onkeydown: (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.run();
      },
    });
    this.answer = el("div", { tabindex: "0", "aria-label": "Answer", "aria-live": "polite" });
    this.element = el(
      "div",
      { class: "ask" },
      el(
        "div",
        {},
        el(
          "div",
          { class: "row" },
          this.saved,
          button("Run", () => this.run(), { class: "main", title: "Ctrl+Enter" }),
        ),
        this.doc,
        this.parameters,
        this.text,
      ),
      this.answer,
    );
  }

  #choose() {
    const query = this.app.schema.queries.find((each) => each.name === this.saved.value);
    const node = this.app.model.node(this.app.model.selected ?? "");
    fill(
      this.parameters,
      query?.parameters.map((each) =>
        el(
          "label",
          { title: each.doc },
          `${each.name} `,
          el("input", {
            name: each.name,
            placeholder: each.doc,
            size: 22,
            value: each.default ?? (each.name === "name" && node && !node.more ? node.key : ""),
          }),
        ),
      ) ?? [],
    );
    this.doc.textContent = query?.doc ?? "";
    this.text.value = query?.cypher ?? "";
  }

  // A saved query, with its form.
  open(name) {
    this.app.drawer("cypher", { keep: true });
    this.saved.value = name;
    this.#choose();
    const first = this.parameters.querySelector("input");
    if (first) first.focus();
    else this.run();
  }

  async run() {
    const parameters = Object.fromEntries(
      [...this.parameters.querySelectorAll("input")]
        .filter((each) => each.value)
        .map((each) => [each.name, each.value]),
    );
    const question = this.saved.value ? { saved: this.saved.value, parameters } : { cypher: this.text.value };
    const started = performance.now();
    fill(this.answer, el("p", { class: "soft" }, "Asking…"));
    try {
      const { columns, rows, cut, nodes } = await ask("query", question);
      const known = new Map(nodes.map((node) => [node.key, node]));
      const took = number(Math.round(performance.now() - started));
      fill(
        this.answer,
        el(
          "div",
          { class: "row" },
          el("span", { class: "soft" }, `${plural(rows.length, "row")}${cut ? " (there are more)" : ""}, ${took} ms`),
          nodes.length ? button(`Show ${plural(nodes.length, "node")} in the picture`, () => this.#show(nodes)) : null,
        ),
        el(
          "table",
          {},
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              columns.map((each) => el("th", { scope: "col" }, each)),
            ),
          ),
          el(
            "tbody",
            {},
            rows.slice(0, 500).map((row) =>
              el(
                "tr",
                {},
                row.map((value) => this.#cell(value, known)),
              ),
            ),
          ),
        ),
        rows.length > 500
          ? el("p", { class: "soft" }, "The first 500 rows are listed; the command `query` prints all.")
          : null,
      );
    } catch (wrong) {
      fill(this.answer, el("p", { class: "bad", role: "alert" }, wrong.message));
    }
  }

  // What names a node leads to it.
  #cell(value, known) {
    const node = typeof value === "string" && known.get(value);
    const text = value === null ? "" : written(value);
    return el(
      "td",
      {},
      node ? button(text, () => this.app.actions.bring([node]).catch(tell), { class: "quiet key" }) : text,
    );
  }

  async #show(nodes) {
    try {
      const { found, missing } = await this.app.actions.bring(nodes.slice(0, 500));
      if (missing) toast(`${plural(found, "node")} shown, ${missing} not in the graph.`);
    } catch (wrong) {
      toast(wrong.message, { wrong: true });
    }
  }
}

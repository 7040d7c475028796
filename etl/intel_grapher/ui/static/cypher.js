// The Cypher box, with the saved queries; what it finds can go into the picture.
import { ask } from "./api.js";
import { button, el, fill, number, plural, tell, toast } from "./dom.js";
import { idOf } from "./model.js";
import { written } from "./panel.js";

const DRAWS = "intel-grapher draws";
const MOST_DRAWN = 200; // nodes of an answer that are drawn without a further click
const MOST_ROWS = 500;

export class Cypher {
  #asked = 0;

  constructor(app) {
    this.app = app;
    this.saved = el(
      "select",
      { "aria-label": "Saved queries", onchange: () => this.#choose() },
      el("option", { value: "" }, "Saved queries…"),
      app.schema.queries.map((each) => el("option", { value: each.name }, each.name)),
    );
    this.draws = el("input", {
      type: "checkbox",
      checked: localStorage.getItem(DRAWS) !== "no",
      onchange: () => localStorage.setItem(DRAWS, this.draws.checked ? "yes" : "no"),
    });
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
          el("label", { title: `Up to ${MOST_DRAWN} nodes at once; Undo takes them out again` }, this.draws, " draw"),
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

  // A saved query, with its form; `first` is the value of its first parameter.
  open(name, first = "") {
    this.app.drawer("cypher", { keep: true });
    this.saved.value = name;
    this.#choose();
    const fields = [...this.parameters.querySelectorAll("input")];
    if (first && fields.length) fields[0].value = first;
    const open = fields.find((each) => !each.value);
    if (open) open.focus();
    else if (first || !fields.length) this.run();
    else fields[0].focus();
  }

  async run() {
    const parameters = Object.fromEntries(
      [...this.parameters.querySelectorAll("input")]
        .filter((each) => each.value)
        .map((each) => [each.name, each.value]),
    );
    const question = this.saved.value ? { saved: this.saved.value, parameters } : { cypher: this.text.value };
    const started = performance.now();
    const mine = ++this.#asked;
    fill(this.answer, el("p", { class: "soft" }, "Asking…"));
    try {
      const answer = await ask("query", question);
      if (mine !== this.#asked) return; // another one was asked meanwhile
      this.#tell(answer, number(Math.round(performance.now() - started)));
      const many = answer.nodes.length;
      if (this.draws.checked && many && many <= MOST_DRAWN) await this.#draw(answer.nodes);
    } catch (wrong) {
      if (mine === this.#asked) fill(this.answer, el("p", { class: "bad" }, wrong.message));
    }
  }

  #tell({ columns, rows, cut, nodes, more_nodes: more, by_row: byRow, lines_alone: linesAlone }, took) {
    const known = new Map(nodes.map((node) => [node.key, node]));
    const head = columns.map((each) => el("th", { scope: "col" }, each));
    const line = (row, i) => {
      const own = byRow[i].map((place) => nodes[place]);
      const cells = row.map((value) => this.#cell(value, known));
      if (!own.length) return el("tr", {}, cells);
      const show = () => this.#draw(own, element);
      const element = el(
        "tr",
        {
          class: "leads",
          tabindex: "0",
          title: "Select what this row names",
          onclick: (event) => event.target.closest("button") || show(),
          onkeydown: (event) => event.key === "Enter" && event.target === element && show(),
        },
        cells,
      );
      return element;
    };
    const all = more ? `the first ${number(nodes.length)} nodes` : plural(nodes.length, "node");
    fill(
      this.answer,
      el(
        "div",
        { class: "row" },
        el("span", { class: "soft" }, `${plural(rows.length, "row")}${cut ? " (there are more)" : ""}, ${took} ms`),
        nodes.length ? button(`Show ${all} in the picture`, () => this.#draw(nodes)) : null,
      ),
      linesAlone
        ? el("p", { class: "soft" }, "To draw relationships, return the nodes at their ends, too: RETURN a, r, b.")
        : null,
      el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows.slice(0, MOST_ROWS).map(line))),
      rows.length > MOST_ROWS
        ? el("p", { class: "soft" }, `The first ${MOST_ROWS} rows are listed; the command \`query\` prints all.`)
        : null,
    );
  }

  // What names a node leads to it; a node is shown by its key.
  #cell(value, known) {
    const lead = (node) => button(node.key, () => this.#draw([node]), { class: "quiet key" });
    const one = (each) => {
      const texts = typeof each === "string" ? [each] : each && !Array.isArray(each) ? Object.values(each) : [];
      const node = texts.map((text) => known.get(text)).find(Boolean);
      return node ? lead(node) : written(each ?? "");
    };
    const many = Array.isArray(value) && value.some((each) => known.has(each));
    return el("td", {}, many ? value.flatMap((each, i) => [i ? ", " : "", one(each)]) : one(value));
  }

  // Nodes of the answer are drawn with all relationships among them, and selected; those of a row, which is marked.
  async #draw(nodes, row = null) {
    const { actions, model, picture } = this.app;
    this.answer.querySelector("tr.chosen")?.classList.remove("chosen");
    row?.classList.add("chosen");
    try {
      const { found, missing } = await actions.bring(nodes, { select: false });
      const ids = nodes.map(idOf).filter((id) => model.graph.hasNode(id));
      model.selectAll(ids);
      if (!found) picture.frame(ids);
      if (missing) toast(`${plural(ids.length, "node")} shown, ${number(missing)} not in the graph.`);
    } catch (wrong) {
      tell(wrong);
    }
  }
}

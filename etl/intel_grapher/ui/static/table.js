// The table of what the picture shows. Only the lines in view are elements.
import { day, el, fill, number, released } from "./dom.js";
import { foldText } from "./folds.js";
import { ageInDays } from "./palette.js";

const LINE = 25;
/** @type {[string, string, (node: any) => any][]} */
const NODES = [
  ["label", "Label", (node) => node.label],
  ["key", "Key", (node) => node.key],
  ["degree", "Neighbours", (node) => node.degree ?? 0],
  ["first", "First seen", (node) => day(node.properties?.first_seen)],
  ["last", "Last seen", (node) => day(node.properties?.last_seen)],
  ["sources", "Said by", (node) => (node.properties?.sources ?? []).join(", ")],
  ["age", "Age, days", (node) => ageInDays(node) ?? ""],
  ["verdict", "Verdict", (node) => node.said.verdict],
  ["tags", "Tags", (node) => [...node.said.tags, ...(node.properties?.tags ?? [])].join(", ")],
  ["notes", "Notes", (node) => node.said.notes || ""],
  ["warned", "Warning lists", (node) => node.said.warned.join(", ")],
];
/** @type {[string, string, (edge: any) => any][]} */
const EDGES = [
  ["start", "From", (edge) => edge.start.key],
  ["type", "Type", (edge) => edge.type],
  ["end", "To", (edge) => edge.end.key],
  ["first", "First seen", (edge) => day(edge.properties?.first_seen)],
  ["last", "Last seen", (edge) => day(edge.properties?.last_seen)],
  ["sources", "Said by", (edge) => (edge.properties?.sources ?? []).join(", ")],
];
const WIDE = {
  nodes:
    "110px minmax(200px, 2fr) 90px 82px 82px minmax(100px, 1fr) 74px 78px minmax(100px, 1fr) 50px minmax(90px, 0.6fr)",
  edges: "minmax(200px, 1.4fr) 140px minmax(200px, 1.4fr) 92px 92px minmax(120px, 1fr)",
};

export class Table {
  sort = { by: "key", down: false };
  text = "";

  constructor({ model, remarks }, sheet) {
    this.model = model;
    this.remarks = remarks;
    this.sheet = sheet;
    sheet.addEventListener("scroll", () => this.#draw());
    for (const what of ["change", "filter", "remarks"]) model.addEventListener(what, () => this.#later());
    model.addEventListener("select", () => {
      this.#draw();
      this.#follow();
    });
  }

  open(kind) {
    this.kind = kind;
    this.sort = { by: kind === "nodes" ? "key" : "start", down: false };
    this.#make();
  }
  close() {
    this.kind = null;
  }
  get columns() {
    return this.kind === "nodes" ? NODES : EDGES;
  }

  #later() {
    if (!this.kind || this.waiting) return;
    this.waiting = setTimeout(async () => {
      await released(this.body);
      this.waiting = null;
      if (this.kind) this.#fill();
    }, 80);
  }

  #make() {
    this.head = el("div", { class: "line top", role: "row" });
    this.body = el("div", { class: "body", role: "rowgroup" });
    fill(
      this.sheet,
      el(
        "div",
        {
          class: "grid",
          role: "table",
          "aria-label": this.kind === "nodes" ? "Nodes in the picture" : "Relationships in the picture",
        },
        this.head,
        this.body,
      ),
    );
    this.#fill();
  }

  rows() {
    const { model, kind } = this;
    const wanted = this.text.toLowerCase();
    const rows =
      kind === "nodes"
        ? model
            .nodes()
            .filter((id) => model.seesNode(id))
            .map((id) => ({ id, ...model.node(id), said: this.remarks.of(id) }))
        : model.graph
            .edges()
            .filter((id) => !model.graph.getEdgeAttribute(id, "more") && model.seesEdge(id))
            .map((id) => ({ id, ...model.graph.getEdgeAttributes(id) }));
    const found = wanted
      ? rows.filter((row) => this.columns.some(([, , value]) => String(value(row)).toLowerCase().includes(wanted)))
      : rows;
    const [, , value] = this.columns.find(([name]) => name === this.sort.by);
    const compared = new Intl.Collator("en", { numeric: true });
    found.sort((a, b) => compared.compare(value(a), value(b)));
    if (this.sort.down) found.reverse();
    return found;
  }

  #fill() {
    this.lines = this.rows();
    fill(
      this.head,
      this.columns.map(([name, title]) => {
        const mine = this.sort.by === name;
        return el(
          "span",
          { role: "columnheader", "aria-sort": mine ? (this.sort.down ? "descending" : "ascending") : "none" },
          el(
            "button",
            {
              type: "button",
              onclick: () => {
                this.sort = { by: name, down: mine && !this.sort.down };
                this.sheet.scrollTop = 0;
                this.#fill();
              },
            },
            title + (mine ? (this.sort.down ? " ↓" : " ↑") : ""),
          ),
        );
      }),
    );
    this.head.style.gridTemplateColumns = WIDE[this.kind];
    this.body.style.height = `${this.lines.length * LINE}px`;
    this.#draw();
    document.getElementById("shown-rows").textContent = `${number(this.lines.length)} shown`;
  }

  #draw() {
    if (!this.kind) return;
    const { model } = this;
    const first = Math.max(0, Math.floor(this.sheet.scrollTop / LINE) - 8);
    const last = Math.min(this.lines.length, first + Math.ceil(this.sheet.clientHeight / LINE) + 16);
    const focused = this.body.contains(document.activeElement)
      ? document.activeElement.getAttribute("aria-rowindex")
      : null;
    fill(
      this.body,
      this.lines.slice(first, last).map((row, i) => {
        const line = el(
          "div",
          {
            class: `line${model.chosen.has(row.id) || model.fact === row.id ? " selected" : ""}`,
            role: "row",
            tabindex: "0",
            "aria-rowindex": first + i + 2,
            onmousedown: (event) => event.shiftKey && event.preventDefault(), // no text is selected
            onclick: (event) => this.#choose(first + i, event),
            onkeydown: (event) => this.#key(event, first + i),
          },
          this.columns.map(([, , value]) => el("span", { role: "cell" }, String(value(row)))),
        );
        line.style.top = `${(first + i) * LINE}px`;
        line.style.gridTemplateColumns = WIDE[this.kind];
        return line;
      }),
    );
    if (focused) this.#focus(focused); // whoever walks through the table by keys stays where they are
  }

  #focus(index) {
    [...this.body.children]
      .find((line) => line.getAttribute("aria-rowindex") === index)
      ?.focus({ preventScroll: true });
  }

  // A row; with Ctrl one more; with Shift all from the last one that was chosen to this one.
  #choose(at, { shiftKey, ctrlKey, metaKey }) {
    const { model, lines } = this;
    if (this.kind === "edges") return model.selectFact(lines[at].id);
    if (!shiftKey) {
      this.#anchor = lines[at].id;
      return model.select(lines[at].id, { more: ctrlKey || metaKey });
    }
    const from = Math.max(
      0,
      lines.findIndex((row) => row.id === this.#anchor),
    );
    const [first, last] = [Math.min(from, at), Math.max(from, at)];
    return model.selectAll(lines.slice(first, last + 1).map((row) => row.id));
  }
  #anchor = null;

  #key(event, at) {
    if (event.key === "Enter" || event.key === " ") {
      this.#choose(at, event);
      event.preventDefault();
    }
    const next = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
    if (next === undefined || next < 0 || next >= this.lines.length) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.shiftKey) this.#choose(next, event);
    this.#reveal(next);
    this.#focus(String(next + 2));
  }

  #follow() {
    if (this.kind !== "nodes" || document.activeElement?.closest(".grid")) return;
    const at = this.lines.findIndex((row) => row.id === this.model.selected);
    if (at >= 0) this.#reveal(at);
  }

  #reveal(at) {
    const top = at * LINE;
    if (top < this.sheet.scrollTop || top > this.sheet.scrollTop + this.sheet.clientHeight - 3 * LINE) {
      this.sheet.scrollTop = Math.max(0, top - this.sheet.clientHeight / 3);
    }
    this.#draw();
  }

  // What the picture shows, with every property, for a spreadsheet: a cell that one would take for a formula is told to
  // be text.
  csv() {
    const { model } = this;
    const cell = (value) => {
      const text = Array.isArray(value) ? value.join("; ") : String(value ?? "");
      return `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
    };
    const table = (first, rows) => {
      const names = [...new Set(rows.flatMap(([, properties]) => Object.keys(properties)))].sort();
      return [
        [...first, ...names],
        ...rows.map(([own, properties]) => [...own, ...names.map((name) => properties[name])]),
      ]
        .map((line) => line.map(cell).join(","))
        .join("\r\n");
    };
    const held = model.held();
    const nodes = held.nodes.map((id) => ({ ...model.node(id), group: model.node(model.foldOf(id) ?? "") }));
    const edges = held.edges.map((id) => model.graph.getEdgeAttributes(id));
    const folded = model.folds().length ? ["Folded in"] : [];
    return {
      nodes: table(
        ["Label", "Key", "Relationships", ...folded],
        nodes.map(({ label, key, degree, properties, group }) => [
          [label, key, degree, ...folded.map(() => (group ? foldText(group) : ""))],
          properties ?? {},
        ]),
      ),
      relationships: table(
        ["From label", "From", "Type", "To label", "To"],
        edges.map(({ start, type, end, properties }) => [
          [start.label, start.key, type, end.label, end.key],
          properties ?? {},
        ]),
      ),
    };
  }
}

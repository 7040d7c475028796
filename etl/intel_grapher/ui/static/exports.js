// What is shown, for others: pictures with a legend, tables, and files for other programs.
import { askFile } from "./api.js";
import { button, dialog, el, number, plural, shortened } from "./dom.js";
import { foldText } from "./folds.js";
import { Taken, beside } from "./labels.js";
import { ruleText } from "./styles.js";
import { RINGS, corners, css, colourOf, mark, shapeOf } from "./palette.js";

const NAMES_FROM = 600; // with more nodes, a drawn picture has no names but the selected ones'
const MARKINGS = ["", "TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"];
const LEGEND_LINE = 18;
const LEGEND_WIDE = 170;
const FONT = "11px system-ui, DejaVu Sans, sans-serif";
const SVG = "http://www.w3.org/2000/svg";

export class Exports {
  #marking = "";
  #scale = 2;

  constructor(app) {
    this.app = app;
  }

  // What is shown, for others.
  async show() {
    const { investigation, table, model } = this.app;
    const name = investigation.name || "intel-grapher";
    const save = (ending, parts, type) => download(`${name}${ending}`, new Blob(parts, { type }));
    const csv = () => table.csv();
    const rows = [
      ["Picture, PNG", () => this.png().toBlob((blob) => download(`${name}.png`, blob))],
      ["Picture, SVG", () => save(".svg", [this.svg()], "image/svg+xml")],
      ["Nodes, CSV", () => save("-nodes.csv", ["\ufeff", csv().nodes], "text/csv")],
      ["Relationships, CSV", () => save("-relationships.csv", ["\ufeff", csv().relationships], "text/csv")],
      ["Graph, GraphML", () => save(".graphml", [this.graphml()], "application/xml")],
      ["Graph, GEXF", () => save(".gexf", [this.gexf()], "application/xml")],
      ["Investigation, JSON", () => save(".json", [JSON.stringify(investigation.content())], "application/json")],
    ];
    const choice = (text, values, value, take) =>
      el(
        "label",
        {},
        `${text} `,
        el(
          "select",
          { onchange: (event) => take(event.target.value) },
          values.map(([each, shown]) => el("option", { value: each, selected: each === value }, shown)),
        ),
      );
    await dialog(
      "Export what is shown",
      {},
      {
        ok: null,
        content: [
          el(
            "div",
            { class: "row" },
            choice(
              "PNG at",
              [
                ["1", "1×"],
                ["2", "2×"],
                ["3", "3×"],
              ],
              "2",
              (value) => (this.#scale = Number(value)),
            ),
            choice(
              "Marking",
              MARKINGS.map((each) => [each, each || "none"]),
              "",
              (value) => (this.#marking = value),
            ),
          ),
          el(
            "div",
            { class: "actions" },
            rows.map(([text, run]) => button(text, run)),
          ),
          this.#formats(name, () => model.refs(model.held().nodes)),
          el(
            "label",
            { class: "field" },
            el("span", {}, "A link that opens these nodes again"),
            el("input", { readonly: true, value: investigation.link(), onfocus: (event) => event.target.select() }),
          ),
          el(
            "p",
            { class: "soft" },
            this.#folded() ? `${this.#folded()}: pictures show groups, tables and files their members. ` : "",
            "Pictures have a legend, the date and the marking. CSV is for spreadsheets: a cell that one takes for a " +
              "formula is marked as text. For programs: intel-grapher query --csv.",
          ),
        ],
      },
    );
  }

  // A case in a format of other tools.
  async ofCase(name, nodes) {
    const content = [this.#formats(name, () => nodes)];
    await dialog(`Export the case ${shortened(name)}`, {}, { ok: null, content });
  }

  // The formats of the command `export`: whatever it can write can be handed over from here.
  #formats(name, nodes) {
    const { formats } = this.app.schema;
    const told = el("p", { class: "soft", role: "status" });
    const doc = el("span", { class: "soft" });
    const format = el(
      "select",
      { "aria-label": "Format", onchange: () => (doc.textContent = chosen().doc) },
      formats.map((each) => el("option", { value: each.name }, each.title)),
    );
    const chosen = () => formats.find((each) => each.name === format.value);
    const most = el(
      "select",
      { "aria-label": "Marked at most" },
      MARKINGS.map((each) => el("option", { value: each }, each || "any marking")),
    );
    const write = async () => {
      const wanted = nodes();
      told.classList.remove("bad");
      told.textContent = "Writing…";
      try {
        if (!wanted.length) throw new Error("There is nothing to write.");
        const question = { format: format.value, nodes: wanted, title: name, most: most.value };
        const { blob, told: made } = await askFile("export", question);
        download(`${name.replace(/[^\w.() -]+/g, "-")}${chosen().suffix}`, blob);
        told.textContent = madeText(made);
      } catch (wrong) {
        told.classList.add("bad");
        told.textContent = wrong.message;
      }
    };
    doc.textContent = chosen()?.doc ?? "";
    return el(
      "fieldset",
      {},
      el("legend", {}, "For other tools, out of the flat files"),
      el("div", { class: "row" }, format, most, button("Write", write)),
      doc,
      told,
    );
  }

  // --- pictures ---

  #legend(nodes) {
    const { model } = this.app;
    const labels = [...new Set(nodes.map(({ id }) => model.node(id).label))].filter(Boolean).sort(); // a group may mix
    const verdicts = [...new Set(nodes.map(({ said }) => said.verdict).filter(Boolean))].sort();
    const date = new Date().toISOString().slice(0, 16).replace("T", " ");
    const title = this.app.investigation.name;
    const folded = this.#folded();
    return {
      legend: [
        ...labels.map((label) => ({ label, verdict: "" })),
        ...verdicts.map((verdict) => ({ label: "", verdict })),
        ...this.app.styles.rules.filter(({ colour }) => colour).map((rule) => ({ label: "", verdict: "", rule })),
      ],
      foot: [title, this.#marking, folded, `${date} UTC`, "intel-grapher"].filter(Boolean).join("  ·  "),
    };
  }

  // Where the names of nodes stand: beside them and off each other, as far as there is room; none is left out.
  #names({ width, height, nodes, legend }) {
    const taken = new Taken({ width, height });
    for (const node of nodes) taken.addNode(node, node.radius);
    taken.add([0, height - LEGEND_LINE * legend.length - 8, LEGEND_WIDE, height]);
    const context = document.createElement("canvas").getContext("2d");
    context.font = FONT;
    return named(nodes, this.app.model).map((node) => {
      const size = { gap: node.radius + 4, width: context.measureText(node.text).width, half: 7, forced: true };
      const [x, y] = beside(taken, node, size);
      return { text: node.text, x, y };
    });
  }

  // Drawn anew and not copied from the screen, so that it is sharp at any scale.
  png() {
    const { width, height, nodes, edges } = this.app.picture.seen();
    const { legend, foot } = this.#legend(nodes);
    const canvas = document.createElement("canvas");
    canvas.width = width * this.#scale;
    canvas.height = (height + 24) * this.#scale;
    const context = canvas.getContext("2d");
    context.scale(this.#scale, this.#scale);
    context.fillStyle = css("--canvas");
    context.fillRect(0, 0, width, height + 24);
    const text = (words, x, y, colour = css("--text")) => {
      context.fillStyle = colour;
      context.fillText(words, x, y);
    };
    const shape = (name, colour, x, y, radius) => {
      const points = corners(name);
      context.beginPath();
      if (points) points.forEach(([px, py]) => context.lineTo(x + radius * px, y + radius * py));
      else context.arc(x, y, radius, 0, 2 * Math.PI);
      context.closePath();
      context.fillStyle = colour;
      context.fill();
    };
    const ring = (verdict, x, y, radius) => {
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.strokeStyle = css(RINGS[verdict]);
      context.lineWidth = 2.5;
      context.stroke();
    };
    context.font = FONT;
    for (const edge of edges) {
      const { from, to, head } = arrow(edge);
      context.strokeStyle = css("--edge");
      context.lineWidth = edge.width;
      context.beginPath();
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
      context.stroke();
      if (!head) continue;
      context.fillStyle = css("--edge");
      context.beginPath();
      head.forEach(({ x, y }) => context.lineTo(x, y));
      context.fill();
    }
    for (const node of nodes) shape(node.shape, node.colour, node.x, node.y, node.radius);
    for (const { said, x, y, radius } of nodes) if (said.verdict) ring(said.verdict, x, y, radius + 2.5);
    for (const name of this.#names({ width, height, nodes, legend })) text(name.text, name.x, name.y + 4);
    legend.forEach(({ label, verdict, rule }, i) => {
      const y = height - LEGEND_LINE * (legend.length - i) + 4;
      if (rule) shape("circle", rule.colour, 18, y, 5);
      else if (label) shape(shapeOf(label), colourOf(label), 18, y, 6);
      else ring(verdict, 18, y, 5);
      text(label || verdict || ruleText(rule), 30, y + 4);
    });
    text(foot, 12, height + 16, css("--soft"));
    return canvas;
  }

  svg() {
    const { width, height, nodes, edges } = this.app.picture.seen();
    const { legend, foot } = this.#legend(nodes);
    const file = document.implementation.createDocument(SVG, "svg");
    const make = (tag, attributes, text = null) => {
      const element = file.createElementNS(SVG, tag);
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
      if (text !== null) element.textContent = printable(text);
      file.documentElement.append(element);
    };
    const tall = height + 24;
    const own = { viewBox: `0 0 ${width} ${tall}`, width, height: tall, "font-family": "sans-serif", "font-size": 11 };
    for (const [name, value] of Object.entries(own)) file.documentElement.setAttribute(name, String(value));
    make("rect", { width, height: tall, fill: css("--canvas") });
    const at = ({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`;
    for (const edge of edges) {
      const { from, to, head } = arrow(edge);
      const [x1, y1, x2, y2] = [from.x, from.y, to.x, to.y].map((each) => each.toFixed(1));
      make("line", { x1, y1, x2, y2, stroke: css("--edge"), "stroke-width": edge.width.toFixed(1) });
      if (head) make("polygon", { points: head.map(at).join(" "), fill: css("--edge") });
    }
    const ring = (verdict, cx, cy, r) =>
      make("circle", { cx, cy, r, fill: "none", stroke: css(RINGS[verdict]), "stroke-width": 2.5 });
    for (const node of nodes) file.documentElement.append(mark(node.shape, node.colour, node.x, node.y, node.radius));
    for (const { said, x, y, radius } of nodes)
      if (said.verdict) ring(said.verdict, x.toFixed(1), y.toFixed(1), (radius + 2.5).toFixed(1));
    const write = (text, x, y, fill_ = css("--text")) =>
      make("text", { x: x.toFixed(1), y: y.toFixed(1), fill: fill_ }, text);
    for (const name of this.#names({ width, height, nodes, legend })) write(name.text, name.x, name.y + 4);
    legend.forEach(({ label, verdict, rule }, i) => {
      const y = height - LEGEND_LINE * (legend.length - i) + 4;
      if (rule) file.documentElement.append(mark("circle", rule.colour, 18, y, 5));
      else if (label) file.documentElement.append(mark(shapeOf(label), colourOf(label), 18, y, 6));
      else ring(verdict, 18, y, 5);
      write(label || verdict || ruleText(rule), 30, y + 4);
    });
    write(foot, 12, height + 16, css("--soft"));
    return new XMLSerializer().serializeToString(file);
  }

  // --- files for other programs, made by the browser's own XML writer: no text of an attacker's becomes markup ---

  #folded() {
    const { model } = this.app;
    const groups = model.folds().filter((id) => model.seesNode(id));
    return groups.length ? `${plural(model.members(groups).length, "node")} folded into ${groups.length}` : "";
  }

  // Members of folded groups too: each stands where it would if its group were unfolded.
  #shown() {
    const { model, picture } = this.app;
    const seen = new Map(picture.seen().nodes.map((node) => [node.id, node]));
    for (const group of model.folds()) {
      const { x, y, fold } = model.node(group);
      for (const { id, dx, dy } of fold.members)
        if (model.graph.hasNode(id)) seen.set(id, picture.asMember(id, { x: x + dx, y: y + dy }));
    }
    const { nodes, edges } = model.held();
    return {
      nodes: nodes.map((id) => {
        const { label, key, properties } = model.node(id);
        const { colour, radius, said, at } = seen.get(id);
        const { x, y } = at ?? model.node(id);
        const group = model.node(model.foldOf(id) ?? "");
        const remarks = {
          verdict: said.verdict || undefined,
          analyst_tags: said.tags.length ? said.tags : undefined,
          folded_in: group ? foldText(group) : undefined,
        };
        return { id, colour, radius, x, y, values: { label, key, ...properties, ...remarks } };
      }),
      edges: edges.map((id) => {
        const [source, target] = model.graph.extremities(id);
        const { type, properties } = model.graph.getEdgeAttributes(id);
        return { id, source, target, type, values: { type, ...properties } };
      }),
    };
  }

  graphml() {
    const { file, make } = xml("http://graphml.graphdrawing.org/xmlns", "graphml");
    const { nodes, edges } = this.#shown();
    const drawn = { x: "double", y: "double", color: "string", size: "double" };
    const names = { node: namesOf(nodes), edge: namesOf(edges) };
    const key = (kind, name, type) =>
      make("key", { id: `${kind}.${name}`, for: kind, "attr.name": name, "attr.type": type }, file.documentElement);
    for (const kind of ["node", "edge"]) for (const name of names[kind]) key(kind, name, "string");
    for (const [name, type] of Object.entries(drawn)) key("node", name, type);
    const graph = make("graph", { edgedefault: "directed" }, file.documentElement);
    const data = (kind, values, parent) => {
      for (const [name, value] of Object.entries(values))
        if (value !== undefined) make("data", { key: `${kind}.${name}` }, parent, [value].flat().join("; "));
    };
    for (const { id, colour, radius, x, y, values } of nodes)
      data("node", { ...values, x, y, color: colour, size: radius }, make("node", { id }, graph));
    for (const { id, source, target, values } of edges)
      data("edge", values, make("edge", { id, source, target }, graph));
    return written(file);
  }

  gexf() {
    const { file, make } = xml("http://gexf.net/1.3", "gexf");
    const { nodes, edges } = this.#shown();
    file.documentElement.setAttribute("version", "1.3");
    const graph = make("graph", { defaultedgetype: "directed" }, file.documentElement);
    const declare = (kind, names) => {
      const box = make("attributes", { class: kind }, graph);
      for (const name of names) make("attribute", { id: name, title: name, type: "string" }, box);
    };
    declare("node", namesOf(nodes));
    declare("edge", namesOf(edges));
    const values = (all, parent) => {
      const box = make("attvalues", {}, parent);
      for (const [name, value] of Object.entries(all))
        if (value !== undefined) make("attvalue", { for: name, value: [value].flat().join("; ") }, box);
    };
    const some = make("nodes", {}, graph);
    for (const node of nodes) {
      const element = make("node", { id: node.id, label: node.values.key }, some);
      values(node.values, element);
      const [r, g, b] = [1, 3, 5].map((at) => parseInt(node.colour.slice(at, at + 2), 16) || 0);
      make("viz:color", { r, g, b }, element);
      make("viz:position", { x: node.x, y: node.y, z: 0 }, element);
      make("viz:size", { value: node.radius }, element);
    }
    const lines = make("edges", {}, graph);
    for (const { id, source, target, type, values: all } of edges)
      values(all, make("edge", { id, source, target, kind: type, label: type }, lines));
    return written(file);
  }
}

const namesOf = (rows) => [...new Set(rows.flatMap(({ values }) => Object.keys(values)))];
const printable = (value) => String(value).replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "");
const written = (file) => `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(file)}`;

function xml(space, root) {
  const file = document.implementation.createDocument(space, root);
  const make = (tag, attributes, parent, text = null) => {
    const element = file.createElementNS(tag.startsWith("viz:") ? `${space}/viz` : space, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, printable(value));
    if (text !== null) element.textContent = printable(text);
    parent.append(element);
    return element;
  };
  return { file, make };
}

const named = (nodes, model) => (nodes.length < NAMES_FROM ? nodes : nodes.filter(({ id }) => model.chosen.has(id)));

// A line from the edge of one node to that of the other, with the corners of its head, if it has one.
function arrow({ start, end, arrow: pointed, width }) {
  const [dx, dy] = [end.x - start.x, end.y - start.y];
  const length = Math.hypot(dx, dy) || 1;
  const [ux, uy] = [dx / length, dy / length];
  const along = (far, aside = 0) => ({ x: end.x - ux * far - uy * aside, y: end.y - uy * far + ux * aside });
  const tip = end.radius + 1;
  if (!pointed) return { from: start, to: end, head: null };
  const long = 5 + width;
  return {
    from: start,
    to: along(tip + long),
    head: [along(tip), along(tip + long, 2 + width), along(tip + long, -2 - width)],
  };
}

// What a file has, and what it has not.
function madeText({ nodes, relationships, left_out: left = {}, missing = 0 }) {
  const out = Object.entries(left).map(([kind, count]) => `${number(count)} ${kind}`);
  return [
    `${plural(nodes, "node")} and ${plural(relationships, "relationship")}.`,
    out.length ? `The format has no place for ${out.slice(0, 6).join(", ")}.` : "",
    missing ? `${plural(missing, "node")} not in the flat files yet.` : "",
  ].join(" ");
}

function download(name, blob) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

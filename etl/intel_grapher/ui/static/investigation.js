// Saving and opening investigations, links to them, and exports.
import { ask } from "./api.js";
import { button, dialog, el, fill, toast } from "./dom.js";
import { css, mark } from "./palette.js";

export class Investigation {
  name = "";

  constructor(app) {
    this.app = app;
  }

  content() {
    const { model, picture } = this.app;
    const node = (id) => {
      const { x, y, label, key, degree, properties, pinned, more, of, group, count } = model.node(id);
      return { id, x, y, label, key, degree, properties, pinned, more, of, group, count };
    };
    return {
      version: 1,
      nodes: model.graph.nodes().map(node),
      edges: model.graph.edges().map((id) => {
        const { start, type, end, properties, more } = model.graph.getEdgeAttributes(id);
        return { start, type, end, properties, more };
      }),
      hidden: Object.fromEntries(Object.entries(model.hidden).map(([kind, names]) => [kind, [...names]])),
      hub: model.hub,
      window: model.window,
      chosen: [...model.chosen],
      camera: picture.sigma.getCamera().getState(),
    };
  }

  restore(content) {
    const { model, picture, time, filters, layout } = this.app;
    layout.stop();
    model.clear();
    model.add({ nodes: content.nodes ?? [], edges: content.edges ?? [] }, { quiet: true });
    for (const [kind, names] of Object.entries(content.hidden ?? {})) model.hidden[kind] = new Set(names);
    model.hub = content.hub ?? null;
    time.draw();
    time.restore(content.window ?? null);
    filters.draw();
    model.filter();
    for (const id of content.chosen ?? []) model.select(id, { more: true });
    if (content.camera) picture.sigma.getCamera().setState(content.camera);
  }

  async save() {
    const given = await dialog(
      "Save the investigation",
      { name: { text: "Name", value: this.name || new Date().toISOString().slice(0, 10) } },
      { ok: "Save" },
    );
    if (!given) return;
    try {
      await ask("save", { name: given.name.trim(), content: this.content() });
      this.name = given.name.trim();
      history.replaceState(null, "", `#open=${encodeURIComponent(this.name)}`);
      toast(`Saved. The address of this page opens “${this.name}” again.`, {
        action: { text: "Copy link", run: () => this.copyLink() },
      });
    } catch (wrong) {
      toast(wrong.message, { wrong: true });
    }
  }

  async copyLink() {
    try {
      await navigator.clipboard.writeText(location.href);
    } catch {
      toast(`The link is ${location.href}`);
    }
  }

  async open() {
    const list = el("div");
    let box;
    const draw = async () => {
      const { investigations } = await ask("investigations");
      fill(
        list,
        investigations.length
          ? el(
              "table",
              {},
              el(
                "tbody",
                {},
                investigations.map(({ name, saved_at: at }) =>
                  el(
                    "tr",
                    {},
                    el(
                      "td",
                      {},
                      button(
                        name,
                        () => {
                          list.closest("dialog").close();
                          this.load(name);
                        },
                        { class: "quiet" },
                      ),
                    ),
                    el("td", { class: "soft" }, at.replace("T", " ").slice(0, 16)),
                    el(
                      "td",
                      {},
                      button(
                        "remove",
                        async () => {
                          await ask("remove", { name });
                          draw();
                        },
                        { class: "quiet danger", "aria-label": `remove ${name}` },
                      ),
                    ),
                  ),
                ),
              ),
            )
          : el("p", { class: "soft" }, "None is saved yet. Save keeps what is in the picture, where, and the filters."),
      );
    };
    try {
      await draw();
    } catch (wrong) {
      return toast(wrong.message, { wrong: true });
    }
    box = dialog(
      "Open an investigation",
      {},
      {
        ok: null,
        content: [
          list,
          el(
            "p",
            {},
            button("New, empty picture", () => {
              list.closest("dialog").close();
              this.fresh();
            }),
          ),
        ],
      },
    );
    return box;
  }

  fresh() {
    this.name = "";
    history.replaceState(null, "", location.pathname);
    this.app.model.clear();
    this.app.empty();
  }

  async load(name) {
    try {
      this.restore(await ask("open", { name }));
      this.name = name;
      history.replaceState(null, "", `#open=${encodeURIComponent(name)}`);
      this.app.actions.refresh().catch(() => {});
    } catch (wrong) {
      toast(wrong.message, { wrong: true });
    }
  }

  // A link without a name holds the view itself, as long as it is small.
  async fromLink() {
    const told = new URLSearchParams(location.hash.slice(1));
    if (told.get("open")) return this.load(told.get("open"));
    const nodes = told
      .getAll("node")
      .slice(0, 100)
      .map((each) => {
        const at = each.indexOf(":");
        return { label: each.slice(0, at), key: each.slice(at + 1) };
      });
    if (nodes.length) await this.app.actions.bring(nodes).catch((wrong) => toast(wrong.message, { wrong: true }));
    return null;
  }

  link() {
    const told = new URLSearchParams();
    for (const { label, key } of this.app.model.refs().slice(0, 100)) told.append("node", `${label}:${key}`);
    return `${location.origin}/#${this.name ? `open=${encodeURIComponent(this.name)}` : told}`;
  }

  async exports() {
    const { picture, table } = this.app;
    const save = (name, parts, type) => download(`${this.name || "intel-grapher"}${name}`, new Blob(parts, { type }));
    const csv = () => table.csv();
    const rows = [
      ["Picture, PNG", () => picture.canvas().toBlob((blob) => download(`${this.name || "intel-grapher"}.png`, blob))],
      ["Picture, SVG", () => save(".svg", [svg(picture.seen())], "image/svg+xml")],
      ["Nodes, CSV", () => save("-nodes.csv", ["\ufeff", csv().nodes], "text/csv")],
      ["Relationships, CSV", () => save("-relationships.csv", ["\ufeff", csv().relationships], "text/csv")],
      ["Graph, GraphML", () => save(".graphml", [this.graphml()], "application/xml")],
      ["Investigation, JSON", () => save(".json", [JSON.stringify(this.content())], "application/json")],
    ];
    await dialog(
      "Export what is shown",
      {},
      {
        ok: null,
        content: [
          el(
            "div",
            { class: "actions" },
            rows.map(([text, run]) => button(text, run)),
          ),
          el(
            "label",
            { class: "field" },
            el("span", {}, "A link that opens these nodes again"),
            el("input", { readonly: true, value: this.link(), onfocus: (event) => event.target.select() }),
          ),
          el(
            "p",
            { class: "soft" },
            "CSV is for spreadsheets: a cell that one would take for a formula is marked as text. " +
              "For programs: intel-grapher query --csv.",
          ),
        ],
      },
    );
  }

  // Made by the browser's own XML writer, so that no text of an attacker's becomes markup.
  graphml() {
    const { model } = this.app;
    const XML = "http://graphml.graphdrawing.org/xmlns";
    const file = document.implementation.createDocument(XML, "graphml");
    const make = (tag, attributes, parent, text = null) => {
      const element = file.createElementNS(XML, tag);
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, printable(value));
      if (text !== null) element.textContent = printable(text);
      parent.append(element);
      return element;
    };
    const nodes = model.nodes().filter((id) => model.seesNode(id));
    const edges = model.graph.edges().filter((id) => !model.graph.getEdgeAttribute(id, "more") && model.seesEdge(id));
    const named = (each, ids) => [
      ...new Set(
        ids.flatMap((id) =>
          Object.keys((each === "node" ? model.node(id) : model.graph.getEdgeAttributes(id)).properties ?? {}),
        ),
      ),
    ];
    const names = { node: ["label", "key", ...named("node", nodes)], edge: ["type", ...named("edge", edges)] };
    for (const each of ["node", "edge"])
      names[each].forEach((name) =>
        make(
          "key",
          { id: `${each}.${name}`, for: each, "attr.name": name, "attr.type": "string" },
          file.documentElement,
        ),
      );
    const graph = make("graph", { edgedefault: "directed" }, file.documentElement);
    const data = (kind, values, parent) =>
      names[kind].forEach((name) => {
        if (values[name] !== undefined)
          make("data", { key: `${kind}.${name}` }, parent, [values[name]].flat().join("; "));
      });
    for (const id of nodes) {
      const { label, key, properties } = model.node(id);
      data("node", { label, key, ...properties }, make("node", { id }, graph));
    }
    for (const id of edges) {
      const edge = model.graph.getEdgeAttributes(id);
      const [source, target] = model.graph.extremities(id);
      data("edge", { type: edge.type, ...edge.properties }, make("edge", { id, source, target }, graph));
    }
    return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(file)}`;
  }
}

const printable = (value) => String(value).replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "");

function svg({ width, height, nodes, edges }) {
  const SVG = "http://www.w3.org/2000/svg";
  const file = document.implementation.createDocument(SVG, "svg");
  const make = (tag, attributes, text = null) => {
    const element = file.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== null) element.textContent = printable(text);
    file.documentElement.append(element);
  };
  for (const [name, value] of Object.entries({
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    "font-family": "sans-serif",
    "font-size": 11,
  }))
    file.documentElement.setAttribute(name, value);
  make("rect", { width, height, fill: css("--canvas") });
  for (const { start, end } of edges)
    make("line", {
      x1: start.x.toFixed(1),
      y1: start.y.toFixed(1),
      x2: end.x.toFixed(1),
      y2: end.y.toFixed(1),
      stroke: css("--edge"),
    });
  for (const node of nodes) file.documentElement.append(mark(node.shape, node.colour, node.x, node.y, node.radius));
  if (nodes.length < 400)
    for (const node of nodes)
      make(
        "text",
        { x: (node.x + node.radius + 4).toFixed(1), y: (node.y + 4).toFixed(1), fill: css("--text") },
        node.text,
      );
  return new XMLSerializer().serializeToString(file);
}

function download(name, blob) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

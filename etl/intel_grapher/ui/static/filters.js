// The legend, which is also the filter: labels, relationship types, sources, hubs.
import { button, el, fill, number } from "./dom.js";
import { sign } from "./palette.js";

export class Filters {
  parts = el("div");
  all = el("p");

  constructor(model, schema) {
    this.model = model;
    this.schema = schema;
    // The field outlives each drawing, so that typing goes on: only the parts and the button are made anew.
    this.limit = el("input", {
      type: "number",
      min: "1",
      placeholder: "no limit",
      "aria-label": "hide nodes with more neighbours than",
      onchange: (event) => {
        model.hub = event.target.value ? Number(event.target.value) : null;
        model.filter();
        this.draw();
      },
    });
    fill(
      document.getElementById("filters"),
      this.parts,
      el("h2", {}, "Hubs"),
      el("label", {}, el("span", { class: "name" }, "hide above"), this.limit),
      this.all,
    );
    model.addEventListener("change", () => this.#later());
    this.draw();
  }

  #later() {
    if (this.waiting) return;
    this.waiting = setTimeout(() => {
      this.waiting = null;
      this.draw();
    }, 120);
  }

  draw() {
    const { model } = this;
    const [labels, types, sources] = [new Map(), new Map(), new Map()];
    const count = (map, name) => map.set(name, (map.get(name) ?? 0) + 1);
    model.graph.forEachNode((_, node) => {
      if (!node.more) {
        count(labels, node.label);
        node.properties?.sources?.forEach((each) => count(sources, each));
      }
    });
    model.graph.forEachEdge((_, edge) => {
      if (!edge.more) {
        count(types, edge.type);
        edge.properties?.sources?.forEach((each) => count(sources, each));
      }
    });
    const active = /** @type {HTMLInputElement | null} */ (document.activeElement);
    const focus = this.parts.contains(active) ? active.name : null;
    fill(
      this.parts,
      this.#part(
        "Labels",
        "label",
        labels,
        (name) => sign(name),
        (name) => this.schema.labels[name]?.doc,
      ),
      this.#part(
        "Relationships",
        "type",
        types,
        () => null,
        (name) => this.schema.types[name]?.doc,
      ),
      this.#part(
        "Said by",
        "source",
        sources,
        () => null,
        (name) => this.schema.sources[name],
      ),
    );
    if (focus) this.parts.querySelector(`[name="${CSS.escape(focus)}"]`)?.focus();
    if (document.activeElement !== this.limit) this.limit.value = model.hub ?? "";
    fill(
      this.all,
      this.#any()
        ? button("Show all", () => {
            for (const each of Object.values(model.hidden)) each.clear();
            model.hub = null;
            model.filter();
            this.draw();
          })
        : null,
    );
  }

  #any() {
    return Object.values(this.model.hidden).some((each) => each.size) || this.model.hub !== null;
  }

  #part(title, kind, counts, icon, doc) {
    const { model } = this;
    const hidden = model.hidden[kind];
    const names = [...new Set([...counts.keys(), ...hidden])].sort();
    return [
      el("h2", {}, title),
      names.length
        ? names.map((name) =>
            el(
              "label",
              { class: hidden.has(name) ? "off" : "", title: doc(name) },
              el("input", {
                type: "checkbox",
                name: `${kind} ${name}`,
                checked: !hidden.has(name),
                onchange: (event) => {
                  if (event.target.checked) hidden.delete(name);
                  else hidden.add(name);
                  model.filter();
                  this.draw();
                },
              }),
              icon(name),
              el("span", { class: "name" }, name),
              el("span", { class: "count" }, number(counts.get(name) ?? 0)),
            ),
          )
        : el("p", { class: "soft" }, "none yet"),
    ];
  }
}

// The legend, which is also the filter: labels, relationship types, sources, hubs.
import { button, el, fill, number, refill, released } from "./dom.js";
import { NO_VERDICT, NOT_WARNED } from "./model.js";
import { AGE_GROUPS, COLOURED, RINGS, UNDATED, ageGroup, colourBy, css, mark, sign } from "./palette.js";

export class Filters {
  parts = el("div");
  all = el("p");

  constructor(app) {
    const { model } = app;
    this.app = app;
    this.model = model;
    this.schema = app.schema;
    this.coloured = el(
      "select",
      {
        "aria-label": "colours mean",
        onchange: (event) => {
          colourBy(event.target.value);
          model.tell("select");
        },
      },
      Object.entries(COLOURED).map(([value, text]) => el("option", { value }, text)),
    );
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
      el("label", { class: "first" }, el("span", { class: "name" }, "Colour by"), this.coloured),
      this.parts,
      el("h2", {}, "Hubs"),
      el("label", {}, el("span", { class: "name" }, "hide above"), this.limit),
      this.all,
    );
    for (const what of ["change", "remarks"]) model.addEventListener(what, () => this.#later());
    this.draw();
  }

  #later() {
    if (this.waiting) return;
    this.waiting = setTimeout(async () => {
      await released(this.parts);
      this.waiting = null;
      this.draw();
    }, 120);
  }

  draw() {
    const { model } = this;
    const [labels, types, sources, verdicts, tags, ages, warnings] = Array.from({ length: 7 }, () => new Map());
    const count = (map, name) => map.set(name, (map.get(name) ?? 0) + 1);
    model.graph.forEachNode((id, node) => {
      if (!node.more) {
        const said = this.app.remarks.of(id);
        count(verdicts, said.verdict || NO_VERDICT);
        said.tags.forEach((tag) => count(tags, tag));
        count(ages, ageGroup(node));
        (said.warned.length ? said.warned : [NOT_WARNED]).forEach((name) => count(warnings, name));
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
    refill(
      this.parts,
      this.app.styles.rules.length ? this.app.styles.part() : null,
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
      // As long as nothing is judged or tagged, there is nothing to choose by.
      verdicts.size > Number(verdicts.has(NO_VERDICT)) || model.hidden.verdict.size
        ? this.#part(
            "Verdict",
            "verdict",
            verdicts,
            (name) => ring(name),
            () => "of analysts; where they differ, the graver",
          )
        : null,
      ages.size
        ? this.#part(
            "Age",
            "age",
            ages,
            () => null,
            (name) => (name === UNDATED ? "no source tells a date" : "since it was seen last"),
            [...Object.keys(AGE_GROUPS).reverse(), UNDATED],
          )
        : null,
      this.app.remarks.lists.length
        ? this.#part(
            "Warning lists",
            "warning",
            warnings,
            () => null,
            (name) => this.app.remarks.lists.find((each) => each.name === name)?.doc,
          )
        : null,
      tags.size ? [el("h2", {}, "Tags"), [...tags].sort().map(([tag, many]) => this.#tag(tag, many))] : null,
      this.app.styles.rules.length ? null : el("div", {}, this.app.styles.part()),
    );
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

  #tag(tag, many) {
    const { selection, remarks, model } = this.app;
    const all = () => model.selectAll(selection.seen().filter((id) => remarks.of(id).tags.includes(tag)));
    return el(
      "div",
      { class: "choice" },
      button(tag, all, { class: "quiet name", title: "Select what has this tag" }),
      el("span", { class: "count" }, number(many)),
    );
  }

  #part(title, kind, counts, icon, doc, order = null) {
    const { model } = this;
    const hidden = model.hidden[kind];
    const known = [...new Set([...counts.keys(), ...hidden])];
    const names = order ? order.filter((name) => known.includes(name)) : known.sort();
    return [
      el("h2", {}, title),
      names.length
        ? names.map((name) =>
            el(
              "div",
              { class: hidden.has(name) ? "choice off" : "choice" },
              el(
                "label",
                { title: doc(name) },
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
              ),
              kind === "label" && counts.get(name)
                ? button("all", () => this.app.selection.ofLabel(name), {
                    class: "quiet all",
                    "aria-label": `select all ${name}`,
                    title: "Select all of them",
                  })
                : null,
              el("span", { class: "count" }, number(counts.get(name) ?? 0)),
            ),
          )
        : el("p", { class: "soft" }, "none yet"),
    ];
  }
}

function ring(verdict) {
  const svg = sign("");
  if (verdict === NO_VERDICT) return el("span", { class: "sign" });
  const circle = mark("circle", "none", 8, 8, 5);
  circle.setAttribute("stroke", css(RINGS[verdict]));
  circle.setAttribute("stroke-width", "3");
  svg.replaceChildren(circle);
  return svg;
}

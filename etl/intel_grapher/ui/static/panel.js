// The panel: the properties, neighbours, notes and raw replies of what is selected, with sources and dates.
import { ask, asked } from "./api.js";
import { deedsOn, perform } from "./deeds.js";
import { ARROW, button, el, fill, keepFocus, number, plural, refill, released, shortened, tell } from "./dom.js";
import { foldText } from "./folds.js";
import { idOf } from "./model.js";
import { seenText } from "./edge-card.js";
import { sign } from "./palette.js";
import { rawReplies } from "./raw.js";
import { remarksOf } from "./remark-list.js";
import { whatStandsOut } from "./standing-out.js";
import { STEP } from "./actions.js";

const MOST_NAMED = 60;
const PASSED_OVER = new Set(["sources", "precision"]);

export class Panel {
  #showing = 0;
  #shown = Promise.resolve();
  #about = ""; // what is shown
  #cypher = [];

  constructor(app) {
    this.app = app;
    this.element = document.getElementById("panel");
    app.model.addEventListener("select", () => (this.#shown = this.show()));
    asked.addEventListener("cypher", (event) => {
      this.#cypher = [/** @type {CustomEvent} */ (event).detail, ...this.#cypher].slice(0, 12);
      this.#writeCypher();
    });
    this.show();
  }

  async show() {
    const { model } = this.app;
    const mine = ++this.#showing;
    if (this.element.matches(":active")) {
      await released(this.element);
      if (mine !== this.#showing) return;
    }
    const ids = [...model.chosen].filter((id) => model.graph.hasNode(id));
    if (model.fact && model.graph.hasEdge(model.fact)) return this.#fill(this.#fact(model.fact));
    if (!ids.length) return this.#fill(this.#nothing());
    const node = model.node(ids[0]);
    if (ids.length === 1 && node.fold) return this.#fill(this.#foldedGroup(ids, node));
    if (ids.length > 1) return this.#fill(this.#several(ids));
    if (node.more) return this.#fill(this.#rest(ids[0], node));
    let told;
    try {
      told = await ask("read", { label: node.label, key: node.key });
    } catch (wrong) {
      told = { error: wrong.message, properties: node.properties ?? {}, groups: [] };
    }
    if (mine !== this.#showing || !model.graph.hasNode(ids[0])) return;
    this.#fill(this.#one(ids[0], node, told));
  }

  #opened() {
    return /** @type {HTMLElement[]} */ ([...this.element.querySelectorAll(":scope > details[open]")]);
  }

  // What is shown of the same thing anew keeps what a person has opened, and the focus.
  #fill(...content) {
    const { fact, chosen } = this.app.model;
    const about = JSON.stringify([fact, ...chosen]);
    const opened = about === this.#about ? this.#opened() : [];
    this.#about = about;
    const hadFocus = this.element.contains(document.activeElement);
    this.box = el("details", { class: "asked" });
    this.#writeCypher();
    const hasFocus = keepFocus(this.element, () => {
      fill(this.element, whatStandsOut(this.app.model), content, this.box);
      for (const before of opened) {
        /** @type {HTMLDetailsElement | null} */
        const now = this.element.querySelector(`:scope > details.${before.className}`);
        const isSame = now?.matches(".raw") && now.dataset.of === before.dataset.of;
        if (isSame) now.replaceWith(before); // with the replies that it shows
        else if (now) now.open = true;
      }
    });
    if (hadFocus && !hasFocus) this.element.focus({ preventScroll: true });
  }

  #writeCypher() {
    if (!this.box) return;
    refill(
      this.box,
      el("summary", {}, "Cypher of the last clicks"),
      this.#cypher.map(({ name, questions }) =>
        el(
          "div",
          {},
          el("h2", {}, name),
          questions.slice(0, 6).map(({ cypher, parameters }) =>
            el(
              "pre",
              {},
              cypher +
                Object.entries(parameters)
                  .map(([key, value]) => `\n  $${key} = ${JSON.stringify(value)}`)
                  .join(""),
            ),
          ),
          questions.length > 6 ? el("p", { class: "soft" }, `and ${questions.length - 6} more`) : null,
        ),
      ),
    );
  }

  #nothing() {
    return [
      el("h2", {}, "Nothing is selected"),
      el(
        "p",
        { class: "soft" },
        "Click a node, or walk to one with the arrow keys. Shift-click, Shift and drag (a box), " +
          "Alt and drag (a lasso), or Ctrl+A select several: for a path, for what ties them, for one verdict on all. " +
          "A click on a line tells who says so.",
      ),
    ];
  }

  #rest(id, node) {
    const { actions } = this.app;
    const grow = (limit) => actions.grow(node.of, node.group, limit).catch(tell);
    return [
      el(
        "div",
        { class: "head" },
        sign(node.group.label),
        el(
          "div",
          {},
          el("div", { class: "key" }, `${number(node.count)} more`),
          el("div", { class: "kind" }, `${node.group.type} ${ARROW[node.group.direction]} ${node.group.label}`),
        ),
      ),
      el(
        "p",
        { class: "soft" },
        `They stand together here, because there are so many: ${plural(node.group.count, "neighbour")} of this kind.`,
      ),
      el(
        "div",
        { class: "actions" },
        [STEP, 100, 500].map((limit) => button(`Show ${Math.min(limit, node.count)} more`, () => grow(limit))),
        button("Hide", () => this.app.model.remove([id])),
      ),
    ];
  }

  #foldedGroup(ids, node) {
    return [
      el(
        "div",
        { class: "head" },
        sign(node.label),
        el(
          "div",
          {},
          el("div", { class: "key", id: "folded" }, foldText(node)),
          el("div", { class: "kind" }, "folded into one"),
        ),
      ),
      ...this.#several(ids).slice(1),
    ];
  }

  #several(ids) {
    const { model } = this.app;
    const nodes = model
      .members(ids)
      .map((id) => model.node(id))
      .filter((node) => !node.more);
    const labels = new Map();
    for (const { label } of nodes) labels.set(label, (labels.get(label) ?? 0) + 1);
    return [
      el("h2", { class: "title" }, `${number(nodes.length)} nodes are selected`),
      this.#deeds(ids),
      el(
        "div",
        { class: "row" },
        [...labels].map(([label, count]) => el("span", { class: "chip" }, sign(label), ` ${number(count)} ${label}`)),
      ),
      el("div", { id: "ties" }),
      el(
        "div",
        {},
        nodes.slice(0, MOST_NAMED).map((node) =>
          el(
            "div",
            { class: "line" },
            sign(node.label),
            button(shortened(node.key, 44), () => model.select(idOf(node)), { class: "quiet key" }),
          ),
        ),
        nodes.length > MOST_NAMED ? el("p", { class: "soft" }, `and ${number(nodes.length - MOST_NAMED)} more`) : null,
      ),
    ];
  }

  #deeds(ids) {
    return el(
      "div",
      { class: "deeds" },
      deedsOn(this.app, ids).map((group) =>
        el(
          "div",
          { class: "actions" },
          group.map((deed) =>
            button(deed.text, () => perform(deed), {
              class: deed.main ? "main" : deed.danger ? "danger" : "",
              title: [deed.title, deed.key && `(${deed.key})`].filter(Boolean).join(" "),
            }),
          ),
        ),
      ),
    );
  }

  // One relationship: what it says, who says so, since when, and what they sent.
  #fact(id) {
    const { model, editing, schema } = this.app;
    const edge = model.graph.getEdgeAttributes(id);
    const { sources = [], ...properties } = edge.properties ?? {};
    const end = (ref) =>
      el(
        "div",
        { class: "line" },
        sign(ref.label),
        button(ref.key, () => model.select(idOf(ref)), { class: "quiet key" }),
      );
    const keys = [edge.start.key, edge.end.key];
    return [
      el("h2", { class: "title", id: "fact" }, edge.type),
      el("p", { class: "soft" }, schema.types[edge.type]?.doc),
      end(edge.start),
      el("div", { class: "soft" }, model.bothWays?.(edge.type) ? "↕" : "↓"),
      end(edge.end),
      el("p", {}, seenText(edge.properties)),
      el(
        "dl",
        {},
        Object.entries(properties)
          .filter(([name]) => !PASSED_OVER.has(name))
          .flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, written(value))]),
        el("dt", {}, "said by"),
        el("dd", {}, sources.map((each) => schema.sources[each] ?? each).join(", ")),
      ),
      rawReplies(keys, keys, sources),
      el(
        "div",
        { class: "actions" },
        button("Take out", () => editing.takeOut(edge), { class: "danger" }),
      ),
    ];
  }

  // What ties the selected nodes together, in the panel.
  async tie() {
    await this.#shown;
    const place = this.element.querySelector("#ties");
    if (!place) return;
    fill(place, el("p", { class: "soft" }, "Looking…"));
    try {
      this.#ties(place, await this.app.actions.rank([...this.app.model.chosen]));
    } catch (wrong) {
      fill(place, el("p", { class: "bad" }, wrong.message));
    }
  }

  #ties(place, answer) {
    fill(
      place,
      el("h2", {}, "What ties them together"),
      answer.ties.length
        ? answer.ties.map((tie) =>
            el(
              "div",
              { class: "piece" },
              el(
                "div",
                { class: "row" },
                sign(tie.label),
                el("span", { class: "key" }, tie.key),
                el("span", { class: "soft" }, tie.score.toFixed(2)),
              ),
              el(
                "div",
                { class: "soft" },
                `${plural(tie.ways.length, "seed")}, ${plural(tie.relationships, "relationship")}: ` +
                  tie.ways.map(wayText).join("; "),
              ),
            ),
          )
        : el("p", { class: "soft" }, "Nothing within two steps."),
      answer.ties.length
        ? button("Show them", () =>
            this.app.actions.show({ nodes: answer.nodes, edges: answer.edges }, { near: this.app.model.selected }),
          )
        : null,
      answer.hubs.length
        ? el(
            "p",
            { class: "soft" },
            `Not entered, for they have so many neighbours: ${answer.hubs.map((each) => each.key).join(", ")}`,
          )
        : null,
    );
  }

  #one(id, node, told) {
    const properties = told.properties ?? {};
    const names = Object.keys(properties).filter((name) => !PASSED_OVER.has(name));
    return [
      el(
        "div",
        { class: "head" },
        sign(node.label),
        el(
          "div",
          {},
          el("div", { class: "key", id: "selected" }, node.key),
          el("div", { class: "kind", title: this.app.schema.labels[node.label]?.doc }, node.label),
        ),
      ),
      told.missing
        ? el(
            "p",
            { class: "soft" },
            node.pending ? "New: it is being taken into the graph." : "It is not in the graph (any more).",
          )
        : null,
      told.error ? el("p", { class: "bad" }, told.error) : null,
      this.#deeds([id]),
      el("div", { id: "notes" }),
      el("h2", {}, "Neighbours"),
      told.groups?.length ? told.groups.map((group) => this.#group(id, group)) : el("p", { class: "soft" }, "None."),
      el("h2", {}, "Properties"),
      el(
        "dl",
        {},
        names.flatMap((name) => [
          el("dt", { title: this.app.schema.labels[node.label]?.properties[name] }, name),
          el("dd", {}, written(properties[name])),
        ]),
        properties.sources
          ? [
              el("dt", {}, "said by"),
              el("dd", {}, properties.sources.map((each) => this.app.schema.sources[each] ?? each).join(", ")),
            ]
          : [],
      ),
      this.#relationships(id),
      rawReplies([node.key], this.#nearKeys(id, node), properties.sources ?? []),
      this.#notes(node),
    ].filter((each) => each);
  }

  #group(id, group) {
    const { actions } = this.app;
    const { there, hidden } = actions.shownOf(id, group);
    const left = Math.max(0, group.count - there);
    return el(
      "div",
      { class: "group" },
      el("span", { class: "what" }, `${group.type} ${ARROW[group.direction]} ${group.label}`),
      el(
        "span",
        { class: "of" },
        `${number(there - hidden)} of ${number(group.count)} shown`,
        hidden ? `, ${number(hidden)} filtered` : "",
      ),
      left
        ? button(left <= STEP ? "show" : `+${STEP}`, () => actions.grow(id, group, STEP).catch(tell), {
            "aria-label": `show more ${group.type} ${group.label}`,
          })
        : el("span"),
    );
  }

  #relationships(id) {
    const { model, editing } = this.app;
    const list = el(
      "details",
      {
        class: "facts",
        ontoggle: () => {
          if (!list.open || list.children.length > 1) return;
          const edges = model.graph
            .edges(id)
            .filter((each) => !model.graph.getEdgeAttribute(each, "more"))
            .slice(0, 200);
          list.append(
            ...edges.map((each) => {
              const edge = model.graph.getEdgeAttributes(each);
              const out = idOf(edge.start) === id;
              const other = out ? edge.end : edge.start;
              const { sources = [] } = edge.properties ?? {};
              return el(
                "div",
                { class: "piece" },
                el(
                  "div",
                  {},
                  `${edge.type} ${out ? "→" : "←"} `,
                  button(shortened(other.key, 40), () => model.select(idOf(other)), { class: "quiet key" }),
                ),
                el(
                  "div",
                  { class: "soft" },
                  [seenText(edge.properties), sources.join(", ")].filter(Boolean).join(" · "),
                ),
                rawReplies([edge.start.key, edge.end.key], [edge.start.key, edge.end.key], sources),
                button("Take out", () => editing.takeOut(edge), { class: "quiet danger" }),
              );
            }),
          );
        },
      },
      el("summary", {}, "Relationships in the picture: who says so, since when"),
    );
    return list;
  }

  #nearKeys(id, node) {
    const near = this.app.model.graph
      .neighbors(id)
      .slice(0, 40)
      .map((other) => this.app.model.node(other))
      .filter((other) => !other.more);
    return [node.key, ...near.map((other) => other.key)];
  }

  #notes(node) {
    const { editing } = this.app;
    const mine = this.#showing;
    editing
      .about(node)
      .then((entries) => {
        const place = this.element.querySelector("#notes");
        if (place && mine === this.#showing) refill(place, remarksOf(editing, entries));
      })
      .catch(() => {});
    return null;
  }
}

export function written(value) {
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value))
    return value.replace("T", " ").replace(/( 00:00:00)?Z$/, "");
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

/**
 * Returns a way from a seed as text: its start and the types of its steps.
 * @param {any[]} way
 */
const wayText = (way) => `${way[0].from.key} ${way.map((step) => step.type).join(" · ")}`;

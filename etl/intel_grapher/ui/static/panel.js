// The panel: the properties, neighbours, notes and raw replies of what is selected, with sources and dates.
import { ask, asked } from "./api.js";
import { button, day, defanged, el, fill, number, plural, shortened, toast } from "./dom.js";
import { idOf } from "./model.js";
import { sign } from "./palette.js";
import { STEP } from "./actions.js";

const ARROW = { "->": "→", "<-": "←", "--": "—" };
const PASSED_OVER = new Set(["sources", "precision"]);

export class Panel {
  #showing = 0;
  #cypher = [];

  constructor(app) {
    this.app = app;
    this.element = document.getElementById("panel");
    app.model.addEventListener("select", () => this.show());
    asked.addEventListener("cypher", (event) => {
      this.#cypher = [/** @type {CustomEvent} */ (event).detail, ...this.#cypher].slice(0, 12);
      this.#writeCypher();
    });
    this.show();
  }

  async show() {
    const { model } = this.app;
    const mine = ++this.#showing;
    const ids = [...model.chosen].filter((id) => model.graph.hasNode(id));
    if (!ids.length) return this.#fill(this.#nothing());
    if (ids.length > 1) return this.#fill(this.#several(ids));
    const node = model.node(ids[0]);
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

  #fill(...content) {
    fill(this.element, content, (this.box = el("details", { class: "asked" })));
    this.#writeCypher();
  }

  #writeCypher() {
    if (!this.box) return;
    fill(
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
        "Click a node, or walk to one with the arrow keys. Shift-click selects several: for a path between two, " +
          "or for what ties them together.",
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

  #several(ids) {
    const { model, actions, editing, enrich } = this.app;
    const nodes = ids.map((id) => model.node(id)).filter((node) => !node.more);
    const ties = el("div");
    const same = nodes.length === 2 && nodes[0].label === nodes[1].label;
    return [
      el("h2", {}, `${nodes.length} nodes are selected`),
      el(
        "div",
        {},
        nodes
          .slice(0, 30)
          .map((node) =>
            el("div", { class: "row" }, sign(node.label), el("span", { class: "key" }, shortened(node.key, 44))),
          ),
      ),
      el(
        "div",
        { class: "actions" },
        nodes.length === 2 && button("Path between", () => actions.path(ids[0], ids[1]).catch(tell), { class: "main" }),
        button("What ties them", async () => {
          fill(ties, el("p", { class: "soft" }, "Looking…"));
          try {
            this.#ties(ties, await actions.rank(ids));
          } catch (wrong) {
            tell(wrong);
          }
        }),
        button("Ask sources", () => enrich(nodes)),
        nodes.length === 2 && button("Relate", () => editing.relate(nodes[0], nodes[1])),
        same && button("They are one", () => editing.same(nodes[0], nodes[1])),
        button("Hide", () => model.remove(ids)),
      ),
      ties,
    ];
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
    const { model, actions, editing, enrich } = this.app;
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
      el(
        "div",
        { class: "actions" },
        button("Expand", () => actions.grow(id).catch(tell), {
          class: "main",
          title: "Some of each kind of neighbour (e)",
        }),
        button("Collapse", () => actions.collapse(id), { title: "Take out what hangs on this node alone (c)" }),
        button("Hide", () => model.remove([id]), { title: "x" }),
        button("Ask sources", () => enrich([node])),
        button("Copy", () => copy(node.key)),
        button("Copy defanged", () => copy(defanged(node.key))),
      ),
      el(
        "div",
        { class: "actions" },
        button("Note", () => editing.note(node)),
        button("Tag", () => editing.tag(node)),
        button("Verdict", () => editing.verdict(node)),
        button("Relate", () => editing.relate(node)),
        button("Take out", () => editing.takeOutNode(node), { class: "danger" }),
      ),
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
      this.#raw([node.key], this.#nearKeys(id, node), properties.sources ?? []),
      this.#notes(node),
    ].filter((each) => each);
  }

  #group(id, group) {
    const { actions } = this.app;
    const shown = Math.min(actions.shownOf(id, group), group.count);
    const left = group.count - shown;
    return el(
      "div",
      { class: "group" },
      el("span", { class: "what" }, `${group.type} ${ARROW[group.direction]} ${group.label}`),
      el("span", { class: "of" }, `${number(shown)} of ${number(group.count)} shown`),
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
              const { first_seen: first, last_seen: last, sources = [] } = edge.properties ?? {};
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
                  [
                    first && last
                      ? `${day(first)} – ${day(last)}`
                      : first
                        ? `first seen ${day(first)}`
                        : last && `last seen ${day(last)}`,
                    sources.join(", "),
                  ]
                    .filter(Boolean)
                    .join(" · "),
                ),
                this.#raw([edge.start.key, edge.end.key], [edge.start.key, edge.end.key], sources),
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

  // The replies behind a fact; each opens as it came.
  #raw(keys, near, sources) {
    const box = el(
      "details",
      {
        class: "raw",
        ontoggle: async () => {
          if (!box.open || box.children.length > 1) return;
          try {
            const { pieces } = await ask("raw", {
              keys,
              asked: near,
              sources: sources.filter((each) => each !== "analyst"),
            });
            box.append(
              pieces.length
                ? el(
                    "div",
                    {},
                    pieces.map((piece) => this.#piece(piece)),
                  )
                : el(
                    "p",
                    { class: "soft" },
                    sources.includes("analyst")
                      ? "An analyst's own entry: see Edits."
                      : "No reply to a question about it or its neighbours is kept here.",
                  ),
            );
            const first = box.querySelector("details.piece");
            if (first) first.open = true; // one click, and what a source sent is there
          } catch (wrong) {
            box.append(el("p", { class: "bad" }, wrong.message));
          }
        },
      },
      el("summary", {}, "Raw replies"),
    );
    return box;
  }

  #piece(piece) {
    const box = el(
      "details",
      {
        class: "piece",
        ontoggle: async () => {
          if (!box.open || box.children.length > 1) return;
          try {
            const reply = await ask("raw", { key: piece.key, digest: piece.digest });
            let { text } = reply;
            try {
              text = JSON.stringify(JSON.parse(text), null, 2);
            } catch {
              /* it is shown as it came */
            }
            box.append(
              el("pre", { tabindex: "0" }, text),
              reply.cut
                ? el(
                    "p",
                    { class: "soft" },
                    `The beginning of ${number(reply.bytes)} bytes; intel-grapher cache show has all.`,
                  )
                : "",
            );
          } catch (wrong) {
            box.append(el("p", { class: "bad" }, wrong.message));
          }
        },
      },
      el(
        "summary",
        {},
        `${piece.source} ${piece.endpoint}, asked for ${shortened(piece.key, 40)}, ${day(piece.fetched_at)}`,
      ),
      piece.names_it ? "" : el("span", { class: "soft" }, "does not spell all the keys"),
    );
    return box;
  }

  #notes(node) {
    const { editing } = this.app;
    const place = () => this.element.querySelector("#notes");
    editing
      .about(node)
      .then((entries) => {
        if (!place()) return;
        const chips = entries.filter((entry) => entry.what !== "note");
        const notes = entries.filter((entry) => entry.what === "note");
        const by = (entry) => `${entry.author}, ${day(entry.at)}`;
        fill(
          place(),
          chips.length
            ? el(
                "div",
                { class: "row" },
                chips.map((entry) =>
                  el(
                    "span",
                    { class: `chip ${entry.body.verdict ?? ""}`, title: by(entry) },
                    entry.body.verdict ?? entry.body.tag ?? entry.what.replace("_", " "),
                    " ",
                    button("×", () => editing.undo(entry), { class: "quiet", "aria-label": `undo ${entry.what}` }),
                  ),
                ),
              )
            : null,
          notes.map((entry) =>
            el(
              "div",
              { class: "note" },
              entry.body.text,
              el(
                "div",
                { class: "by" },
                by(entry),
                button("undo", () => editing.undo(entry), { class: "quiet" }),
              ),
            ),
          ),
        );
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

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`Copied ${shortened(text)}`);
  } catch {
    toast("The browser does not let the page copy; select the text instead.", { wrong: true });
  }
}

const tell = (wrong) => toast(wrong.message, { wrong: true });

/**
 * Returns a way from a seed as text: its start and the types of its steps.
 * @param {any[]} way
 */
const wayText = (way) => `${way[0].from.key} ${way.map((step) => step.type).join(" · ")}`;

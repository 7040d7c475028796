// The analyst's entries: each goes to the raw cache, the picture shows it at once, and a job takes it into the graph.
import { ask } from "./api.js";
import { button, day, dialog, el, fill, number, shortened, tell, toast } from "./dom.js";
import { idOf } from "./model.js";

const AUTHOR = "intel-grapher author";
export const CASE = "case: ";

export class Editing {
  #entries = null; // a promise of them
  #told = new Set(); // ids of entries that the picture has followed

  constructor(app) {
    this.app = app;
  }

  get author() {
    return localStorage.getItem(AUTHOR) ?? this.app.schema.author;
  }

  set author(name) {
    if (name.trim()) localStorage.setItem(AUTHOR, name.trim());
  }

  /**
   * Keeps one entry or several. They are durable then, even while another process writes to the cache.
   *
   * `turn` of what is returned undoes and redoes them; with `undoable` it is the next step that Undo takes back.
   * @param {Record<string, any> | Record<string, any>[]} said
   * @param {{undoable?: boolean}} options
   */
  async say(said, { undoable = true } = {}) {
    const entries = [said].flat().map((each) => ({ author: this.author, ...each }));
    return this.#taken(await ask("edits", { entries }), undoable);
  }

  /**
   * Keeps what is decided of a report's mentions, as one entry.
   * @param {string} report
   * @param {{accepted?: string[], rejected?: string[], left?: string[]}} decisions
   */
  async decide(report, decisions) {
    return this.#taken(await ask("decide", { author: this.author, report, ...decisions }), true);
  }

  #taken(answer, undoable) {
    this.#entries = null;
    if (answer.job) this.app.jobs.watch(answer.job).catch(tell);
    else if (answer.waiting) toast("Kept. It is added when the cache is free, as after a fetch.");
    else toast(`Kept. It will be in the graph of today: this is the graph as of ${this.app.schema.as_of}.`);
    let ids = answer.entries.map((entry) => entry.id);
    const turn = async () => {
      const undone = await this.say(
        ids.map((id) => ({ what: "undo", undoes: id })),
        { undoable: false },
      );
      ids = undone.entries.map((entry) => entry.id);
    };
    const also = { undo: turn, redo: turn };
    if (undoable) this.app.model.did(also);
    this.app.model.tell("select");
    return { ...answer, also };
  }

  async entries() {
    this.#entries ??= this.#asked();
    return this.#entries;
  }

  #asked() {
    const mine = ask("entries", {}, { quiet: true }).then(
      ({ entries }) => {
        if (mine === this.#entries) this.app.remarks.read(entries); // else there are newer ones
        return entries;
      },
      (wrong) => {
        if (mine === this.#entries) this.#entries = null;
        throw wrong;
      },
    );
    return mine;
  }

  // Another tab or person has said something, or what waited was added.
  async renew() {
    this.#entries = null;
    await this.entries();
  }

  // The nodes that entries name which the picture has not followed yet; `all` says that no other job is under way.
  // Null for every node of the picture: a review changes more than the report that it names.
  async touched(all) {
    await this.renew();
    const entries = await this.entries();
    const byId = new Map(entries.map((entry) => [entry.id, entry]));
    const found = [];
    let whole = false;
    for (const entry of entries) {
      if (this.#told.has(entry.id) || entry.waiting) continue;
      if (all) this.#told.add(entry.id);
      let of = entry;
      while (of?.what === "undo") of = byId.get(of.body.undoes);
      if (of?.what === "review") whole = true;
      found.push(...(of?.touched ?? []));
    }
    if (whole) return null;
    return [...new Set(found.map(idOf))];
  }

  async about(node) {
    const id = idOf(node);
    return (await this.entries()).filter(
      (entry) =>
        !entry.undone &&
        entry.what !== "undo" &&
        entry.touched.some((each) => idOf(each) === id) &&
        ["note", "tag", "verdict", "same_as"].includes(entry.what),
    );
  }

  async undo(entry) {
    await this.#try(async () => {
      await this.say({ what: "undo", undoes: entry.id });
      toast("Undone.");
    });
  }

  // Each takes one node or several.
  note(nodes) {
    return this.#remark("note", nodes, (about) => ({ text: { text: `Note on ${named(about)}`, long: true } }));
  }
  tag(nodes) {
    return this.#remark("tag", nodes, (about) => ({ tag: { text: `Tag ${named(about)} with` } }));
  }
  verdict(nodes) {
    const options = this.app.schema.verdicts;
    const text = (about) => `${named(about)} ${about.length === 1 ? "is" : "are"}`;
    return this.#remark("verdict", nodes, (about) => ({ verdict: { text: text(about), options } }));
  }

  // A case is what has its tag: so it is attributed, shared, and in the graph as any tag is.
  async addToCase(nodes) {
    const cases = await this.cases();
    const field = { text: "Case", suggestions: [...cases.keys()], hint: "a name; one that is known, or a new one" };
    return this.#remark("tag", nodes, () => ({ tag: field }), (name) => `${CASE}${name.trim()}`);
  }

  // The cases by name, each with its nodes.
  async cases() {
    const found = new Map();
    for (const entry of await this.entries()) {
      if (entry.undone || entry.what !== "tag" || !entry.body.tag?.startsWith(CASE)) continue;
      const name = entry.body.tag.slice(CASE.length);
      if (!found.has(name)) found.set(name, new Map());
      found.get(name).set(idOf(entry.body.about), entry.body.about);
    }
    return new Map([...found].map(([name, nodes]) => [name, [...nodes.values()]]));
  }

  // Notes and mentions stand for entries themselves: nothing can be said about them, and they are left out.
  async #remark(what, nodes, fieldsOf, as = (value) => value) {
    const many = [nodes].flat().filter((node) => this.app.schema.labels[node.label]?.can_be_added);
    const fields = fieldsOf(many);
    const [field] = Object.keys(fields);
    if (!many.length) return toast("Nothing can be said about a note or a mention.", { wrong: true });
    const title = { note: "Add a note", tag: "Add a tag", verdict: "Give a verdict" }[what];
    await dialog(
      fields.tag?.suggestions ? `Add ${named(many)} to a case` : title,
      { ...fields, ...this.#who() },
      {
        ok: "Add",
        submit: (given) => {
          const said = many.map((node) => ({ what, about: ref(node), [field]: as(given[field]) }));
          return this.#keep(given, said);
        },
      },
    );
  }

  async add() {
    const { labels } = this.app.schema;
    await dialog(
      "Add a node",
      {
        label: { text: "Label", options: Object.keys(labels).filter((name) => labels[name].can_be_added) },
        key: { text: "Key", hint: "example.com, 192.0.2.1, …; defanged or not" },
        ...this.#who(),
      },
      {
        ok: "Add",
        submit: async (given) => {
          const said = { what: "node", label: given.label, key: given.key };
          const { entries, also } = await this.#keep(given, said, { undoable: false });
          this.#pending(also, entries[0].touched);
        },
      },
    );
  }

  async relate(node, other = null) {
    const { offered } = await ask("offered", ref(node));
    const possible = other ? offered.filter((each) => each.label === other.label) : offered;
    if (!possible.length) return toast(`The schema joins ${node.label} and ${other.label} in no way.`, { wrong: true });
    const text = (each) =>
      each.direction === "<-" ? `${each.label} ${each.type} this` : `this ${each.type} ${each.label}`;
    await dialog(
      `Relate ${shortened(node.key)}`,
      {
        which: {
          text: "What the schema allows",
          options: possible.map((each, i) => ({ value: String(i), text: text(each) })),
        },
        key: { text: "The other node's key", value: other?.key },
        first_seen: { text: "First seen (if known)", hint: "2026-01-31" },
        last_seen: { text: "Last seen (if known)", hint: "2026-01-31" },
        ...this.#who(),
      },
      {
        ok: "Add",
        submit: async (given) => {
          const { type, direction, label } = possible[Number(given.which)];
          const [mine, its] = [ref(node), { label, key: given.key }];
          const [start, end] = direction === "<-" ? [its, mine] : [mine, its];
          const { first_seen, last_seen } = given;
          const said = { what: "relationship", start, type, end, first_seen, last_seen };
          const { entries, also } = await this.#keep(given, said, { undoable: false });
          const ends = { start: entries[0].body.start, type, end: entries[0].body.end };
          this.#pending(
            also,
            [ends.start, ends.end],
            [{ ...ends, properties: { sources: ["analyst"] }, pending: true }],
            idOf(node),
          );
        },
      },
    );
  }

  async same(one, other) {
    await dialog(
      "They are one",
      {
        keep: {
          text: "The name that stays",
          options: [
            { value: "0", text: one.key },
            { value: "1", text: other.key },
          ],
        },
        ...this.#who(),
      },
      {
        ok: "Join",
        submit: async (given) => {
          const [stays, goes] = given.keep === "0" ? [one, other] : [other, one];
          const said = { what: "same_as", one: ref(stays), other: ref(goes) };
          const { also } = await this.#keep(given, said, { undoable: false });
          this.app.model.remove([idOf(goes)], { also });
          this.app.model.select(idOf(stays));
        },
        content: [
          el(
            "p",
            { class: "soft" },
            "All that is told of the other will be told of the one that stays. Undo parts them again.",
          ),
        ],
      },
    );
  }

  async takeOutNode(node) {
    await dialog(`Take out ${shortened(node.key)}`, this.#who(), {
      ok: "Take out",
      submit: async (given) => {
        const { also } = await this.#keep(given, { what: "take_out", node: ref(node) }, { undoable: false });
        this.app.model.remove([idOf(node)], { also });
      },
      danger: true,
      content: [
        el(
          "p",
          { class: "soft" },
          "The node and its relationships leave the graph, whatever sources say of it, until this is undone. " +
            "The raw replies stay.",
        ),
      ],
    });
  }

  async takeOut(edge) {
    await dialog("Take out a relationship", this.#who(), {
      ok: "Take out",
      submit: async (given) => {
        const { type } = edge;
        const said = { what: "take_out", start: ref(edge.start), type, end: ref(edge.end) };
        const { also } = await this.#keep(given, said, { undoable: false });
        this.app.model.removeEdge(`${idOf(edge.start)} ${type} ${idOf(edge.end)}`, also);
      },
      danger: true,
      content: [
        el("p", {}, `${edge.start.key} ${edge.type} ${edge.end.key}`),
        el("p", { class: "soft" }, "It leaves the graph, whatever sources say, until this is undone."),
      ],
    });
  }

  async log() {
    const list = el("div");
    const draw = async () => {
      const entries = await this.entries();
      fill(
        list,
        entries.length
          ? el(
              "table",
              {},
              el(
                "thead",
                {},
                el(
                  "tr",
                  {},
                  ["When", "Who", "What", "Undo"].map((each) => el("th", { scope: "col" }, each)),
                ),
              ),
              el(
                "tbody",
                {},
                entries.map((entry) =>
                  el(
                    "tr",
                    {},
                    el("td", {}, day(entry.at)),
                    el("td", {}, entry.author),
                    el("td", { class: entry.undone ? "soft" : "" }, `${entry.undone ? "(undone) " : ""}${said(entry)}`),
                    el(
                      "td",
                      {},
                      entry.undone
                        ? null
                        : button(
                            entry.what === "undo" ? "redo" : "undo",
                            async () => {
                              await this.undo(entry);
                              draw();
                            },
                            { class: "quiet" },
                          ),
                    ),
                  ),
                ),
              ),
            )
          : el(
              "p",
              { class: "soft" },
              "Nothing yet. Notes, tags, verdicts, and what is added or taken out are listed here.",
            ),
      );
    };
    await this.#try(draw);
    await dialog("What analysts said", {}, { ok: null, content: [list] });
  }

  #who() {
    return { author: { text: "Author", value: this.author } };
  }

  async #keep(given, said, options = {}) {
    this.author = given.author;
    return this.say(said, options);
  }

  #pending(also, nodes, edges = [], near = null) {
    const fresh = this.app.model.add(
      {
        nodes: nodes
          .filter((each) => !this.app.model.graph.hasNode(idOf(each)))
          .map((each) => ({ ...each, degree: 0, properties: { sources: ["analyst"] }, pending: true })),
        edges,
      },
      { near, also },
    );
    if (fresh.length) this.app.model.select(fresh[0]);
    this.app.layout.settle(fresh);
  }

  async #try(work) {
    try {
      await work();
    } catch (wrong) {
      tell(wrong);
    }
  }
}

const ref = ({ label, key }) => ({ label, key });
const named = (nodes) => {
  const many = [nodes].flat();
  return many.length === 1 ? shortened(many[0].key) : `${many.length} nodes`;
};

function said({ what, body, fault }) {
  if (fault) return `${what.replace("_", " ")}, which is passed over: ${fault}`;
  switch (what) {
    case "node":
      return `added ${body.label} ${body.key}`;
    case "relationship":
      return `added ${body.start.key} ${body.type} ${body.end.key}`;
    case "take_out":
      return body.node
        ? `took out ${body.node.label} ${body.node.key}`
        : `took out ${body.start.key} ${body.type} ${body.end.key}`;
    case "same_as":
      return `${body.other.key} is ${body.one.key}`;
    case "review": {
      const count = (state) => number(body.decisions.filter((each) => each.state === state).length);
      const counts = `${count("accepted")} accepted, ${count("rejected")} rejected, ${count("left")} left`;
      return `review of ${shortened(body.report, 20)}: ${counts}`;
    }
    case "undo":
      return `undid ${body.undoes.slice(0, 8)}`;
    default:
      return `${what} on ${body.about.key}: ${shortened(body.text ?? body.tag ?? body.verdict ?? "", 120)}`;
  }
}

// The analyst's entries: each goes to the raw cache, the picture shows it at once, and a job takes it into the graph.
import { ask } from "./api.js";
import { button, day, dialog, el, fill, shortened, toast } from "./dom.js";
import { idOf } from "./model.js";

const AUTHOR = "intel-grapher author";
const RETRY = 700; // milliseconds

export class Editing {
  #entries = null;

  constructor(app) {
    this.app = app;
  }

  get author() {
    return localStorage.getItem(AUTHOR) ?? this.app.schema.author;
  }

  /**
   * Keeps an entry, as soon as no other process writes to the cache; a fetch may take minutes.
   * @param {Record<string, any>} said
   * @param {{undoable?: boolean, waiting?: (text: string) => void}} options
   */
  async say(said, { undoable = true, waiting = toast } = {}) {
    const answer = await this.#patiently({ author: this.author, ...said }, waiting);
    this.#entries = null;
    if (answer.job) this.app.jobs.watch(answer.job);
    else toast(`Kept. It will be in the graph of today: this is the graph as of ${this.app.schema.as_of}.`);
    if (undoable) {
      let { id } = answer.entry;
      const undo = async () => {
        const undone = await this.say({ what: "undo", undoes: id }, { undoable: false });
        id = undone.entry.id;
      };
      this.app.model.did(undo, undo);
    }
    this.app.model.tell("select");
    return answer;
  }

  async #patiently(entry, waiting) {
    for (let told = false; ; told = true) {
      try {
        return await ask("edit", entry);
      } catch (wrong) {
        if (!wrong.details?.busy) throw wrong;
        if (!told) waiting("The cache is in use, as while sources are asked: this is kept as soon as that ends.");
      }
      await new Promise((done) => {
        setTimeout(done, RETRY);
      });
    }
  }

  async entries() {
    this.#entries ??= (await ask("entries")).entries;
    return this.#entries;
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

  note(node) {
    return this.#remark("note", node, { text: { text: `Note on ${shortened(node.key)}`, long: true } });
  }
  tag(node) {
    return this.#remark("tag", node, { tag: { text: `Tag ${shortened(node.key)} with` } });
  }
  verdict(node) {
    return this.#remark("verdict", node, {
      verdict: { text: `${shortened(node.key)} is`, options: this.app.schema.verdicts },
    });
  }

  async #remark(what, node, fields) {
    await dialog(
      { note: "Add a note", tag: "Add a tag", verdict: "Give a verdict" }[what],
      { ...fields, ...this.#who() },
      {
        ok: "Add",
        submit: (given, waiting) => {
          const members = Object.fromEntries(Object.keys(fields).map((name) => [name, given[name]]));
          return this.#keep(given, { what, about: ref(node), ...members }, waiting);
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
        submit: async (given, waiting) => {
          const { entry } = await this.#keep(given, { what: "node", label: given.label, key: given.key }, waiting);
          this.#pending(entry.touched);
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
        submit: async (given, waiting) => {
          const { type, direction, label } = possible[Number(given.which)];
          const [mine, its] = [ref(node), { label, key: given.key }];
          const [start, end] = direction === "<-" ? [its, mine] : [mine, its];
          const { first_seen, last_seen } = given;
          const { entry } = await this.#keep(
            given,
            { what: "relationship", start, type, end, first_seen, last_seen },
            waiting,
          );
          const ends = { start: entry.body.start, type, end: entry.body.end };
          this.#pending(
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
        submit: async (given, waiting) => {
          const [stays, goes] = given.keep === "0" ? [one, other] : [other, one];
          await this.#keep(given, { what: "same_as", one: ref(stays), other: ref(goes) }, waiting);
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
      submit: async (given, waiting) => {
        await this.#keep(given, { what: "take_out", node: ref(node) }, waiting);
        this.app.model.remove([idOf(node)]);
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
      submit: async (given, waiting) => {
        const { type } = edge;
        await this.#keep(given, { what: "take_out", start: ref(edge.start), type, end: ref(edge.end) }, waiting);
        this.app.model.removeEdge(`${idOf(edge.start)} ${type} ${idOf(edge.end)}`);
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
                  ["When", "Who", "What", ""].map((each) => el("th", { scope: "col" }, each)),
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

  async #keep(given, said, waiting) {
    if (given.author.trim()) localStorage.setItem(AUTHOR, given.author.trim());
    return this.say(said, { waiting });
  }

  #pending(nodes, edges = [], near = null) {
    const fresh = this.app.model.add(
      {
        nodes: nodes
          .filter((each) => !this.app.model.graph.hasNode(idOf(each)))
          .map((each) => ({ ...each, degree: 0, properties: { sources: ["analyst"] }, pending: true })),
        edges,
      },
      { near, quiet: true },
    );
    if (fresh.length) this.app.model.select(fresh[0]);
    this.app.layout.start();
  }

  async #try(work) {
    try {
      await work();
    } catch (wrong) {
      toast(wrong.message, { wrong: true });
    }
  }
}

const ref = ({ label, key }) => ({ label, key });

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
    case "undo":
      return `undid ${body.undoes.slice(0, 8)}`;
    default:
      return `${what} on ${body.about.key}: ${shortened(body.text ?? body.tag ?? body.verdict ?? "", 120)}`;
  }
}

// What analysts say of nodes: verdicts, tags, notes, from the entries; and the warning lists that they are on.
import { ask } from "./api.js";
import { toast } from "./dom.js";
import { idOf } from "./model.js";

const VISIT = "intel-grapher visit";
const SEVERITY = ["malicious", "suspicious", "unknown", "benign"];
const NOTHING = Object.freeze({ verdict: "", verdicts: new Map(), tags: [], notes: 0, warned: [] });
const PART = 2000; // nodes that are asked about at once

export class Remarks {
  #byNode = new Map();
  #warned = new Map(); // node → the warning lists that it is on
  lists = []; // of the workspace: name and doc
  warns = false; // whether the workspace has warning lists
  since = localStorage.getItem(VISIT) ?? ""; // when this page was open last

  constructor(model) {
    this.model = model;
    const leave = () => localStorage.setItem(VISIT, `${new Date().toISOString().slice(0, 19)}Z`);
    addEventListener("pagehide", leave);
  }

  /** Take the entries over, the newest first. Of an author's verdicts on a node, the newest counts. */
  read(entries) {
    const found = new Map();
    const of = (ref) => entryOf(found, idOf(ref));
    for (const { what, body, author, undone, fault } of entries) {
      if (undone || fault || !body.about) continue;
      const mine = of(body.about);
      if (what === "note") mine.notes += 1;
      else if (what === "tag" && !mine.tags.includes(body.tag)) mine.tags.push(body.tag);
      else if (what === "verdict" && !mine.verdicts.has(author)) mine.verdicts.set(author, body.verdict);
    }
    // Where authors differ, the graver verdict is the one that is shown.
    for (const each of found.values())
      each.verdict = SEVERITY.find((one) => [...each.verdicts.values()].includes(one)) ?? "";
    this.#byNode = found;
    for (const [id, warned] of this.#warned) entryOf(found, id).warned = warned;
    this.model.tell("remarks");
  }

  /** Ask which nodes of the picture are on a warning list. Lists are few, and nodes are asked about once. */
  async warn(ids) {
    for (let at = 0; at < ids.length; at += PART) {
      const some = ids.slice(at, at + PART).filter((id) => this.model.graph.hasNode(id));
      const { lists, warned, faults } = await ask("warned", { nodes: this.model.refs(some) }, { quiet: true });
      if (faults.length && !this.lists.length) toast(`Warning lists that can't be read: ${faults.join("; ")}`);
      this.lists = lists;
      for (const { node, lists: on } of warned) {
        const names = on.map((place) => lists[place].name);
        this.#warned.set(some[node], names);
        entryOf(this.#byNode, some[node]).warned = names;
      }
      if (warned.length) this.model.tell("remarks");
      if (!lists.length) return;
    }
  }

  /** Take over warning lists that came, changed or went. */
  async renew() {
    for (const id of this.#warned.keys()) entryOf(this.#byNode, id).warned = [];
    this.#warned.clear();
    this.lists = [];
    this.warns = true;
    await this.warn(this.model.nodes());
    this.model.tell("remarks");
  }

  of(id) {
    return this.#byNode.get(id) ?? NOTHING;
  }

  /** What is said of some nodes together: the gravest verdict, all tags. */
  among(ids) {
    const all = ids.map((id) => this.of(id));
    const verdicts = all.map((each) => each.verdict);
    return {
      verdict: SEVERITY.find((one) => verdicts.includes(one)) ?? "",
      tags: [...new Set(all.flatMap((each) => each.tags))],
      warned: [...new Set(all.flatMap((each) => each.warned))],
      notes: all.reduce((sum, each) => sum + each.notes, 0),
    };
  }

  /** The nodes of which something is said, with what. */
  all() {
    return this.#byNode.entries();
  }

  /** Whether what is known of a node came in since the page was open last. */
  fresh(node) {
    return Boolean(this.since && (node.properties?.fetched_at ?? "") > this.since);
  }
}

function entryOf(found, id) {
  if (!found.has(id)) found.set(id, { verdict: "", verdicts: new Map(), tags: [], notes: 0, warned: [] });
  return found.get(id);
}

// What analysts say of nodes: verdicts, tags, notes; by node, from the entries.
import { idOf } from "./model.js";

const VISIT = "intel-grapher visit";
const SEVERITY = ["malicious", "suspicious", "unknown", "benign"];
const NOTHING = Object.freeze({ verdict: "", verdicts: new Map(), tags: [], notes: 0 });

export class Remarks {
  #byNode = new Map();
  since = localStorage.getItem(VISIT) ?? ""; // when this page was open last

  constructor(model) {
    this.model = model;
    const leave = () => localStorage.setItem(VISIT, `${new Date().toISOString().slice(0, 19)}Z`);
    addEventListener("pagehide", leave);
  }

  /** Take the entries over, the newest first. Of an author's verdicts on a node, the newest counts. */
  read(entries) {
    const found = new Map();
    const of = (ref) => {
      const id = idOf(ref);
      if (!found.has(id)) found.set(id, { verdict: "", verdicts: new Map(), tags: [], notes: 0 });
      return found.get(id);
    };
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
    this.model.tell("remarks");
  }

  of(id) {
    return this.#byNode.get(id) ?? NOTHING;
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

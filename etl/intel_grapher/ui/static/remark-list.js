// What analysts said of one node, in the panel: each with its author and date, and a button that undoes it.
import { button, day, el } from "./dom.js";

const by = (entry) => `${entry.author}, ${day(entry.at)}`;
const waits = (entry) => (entry.waiting ? " (waiting)" : "");

/**
 * Returns the elements that show entries, the newest first; of an author's verdicts, the newest counts.
 * @param {any} editing
 * @param {any[]} entries
 */
export function remarksOf(editing, entries) {
  const judged = new Set();
  const current = ({ what, author }) => what !== "verdict" || (!judged.has(author) && judged.add(author));
  const chips = entries.filter((entry) => entry.what !== "note" && current(entry));
  const chip = (entry) =>
    el(
      "span",
      { class: `chip ${entry.body.verdict ?? ""}`, title: by(entry) },
      entry.body.verdict ?? entry.body.tag ?? entry.what.replace("_", " "),
      waits(entry),
      " ",
      button("×", () => editing.undo(entry), { class: "quiet", "aria-label": `undo ${entry.what}` }),
    );
  const note = (entry) =>
    el(
      "div",
      { class: "note" },
      entry.body.text,
      el(
        "div",
        { class: "by" },
        by(entry),
        waits(entry),
        button("undo", () => editing.undo(entry), { class: "quiet" }),
      ),
    );
  return [
    chips.length ? el("div", { class: "row" }, chips.map(chip)) : null,
    entries.filter((entry) => entry.what === "note").map(note),
  ];
}

// What an answer is about, at the top of the panel: all else in the picture is dim.
import { onPaths } from "./actions.js";
import { ARROW, button, el, shortened } from "./dom.js";

const MOST = 60; // paths that are listed

/**
 * Returns the part of the panel that tells what stands out: each path by itself, or all of them; null for nothing.
 * @param {any} model
 */
export function whatStandsOut(model) {
  if (!model.lit) return null;
  const { title, paths, only } = model.lit;
  const light = (some) => model.light({ title, paths, only: some, ...onPaths(model, some ? [some] : paths) });
  const line = (path) =>
    button(
      [path[0].from.key, ...path.flatMap(({ type, direction, to }) => [`${ARROW[direction]} ${type}`, to.key])]
        .map((text) => shortened(text, 28))
        .join("  "),
      () => light(path === only ? null : path),
      { class: "quiet way", "aria-pressed": String(path === only) },
    );
  return el(
    "div",
    { id: "lit" },
    el("h2", { class: "title" }, title),
    el("div", { class: "ways" }, paths.slice(0, MOST).map(line)),
    el(
      "div",
      { class: "actions" },
      button("Select them", () => model.selectAll([...model.lit.nodes])),
      button("Show all again", () => model.light(null), { title: "Nothing stands out (Escape)" }),
    ),
  );
}

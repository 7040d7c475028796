// The keyboard: everything the mouse does, and where the keys lead.
import { deedsOn, deedsOnPicture, perform } from "./deeds.js";
import { dialog, el } from "./dom.js";

const KEYS = [
  ["/", "find a node"],
  ["arrow keys", "in the picture: to the neighbour that lies that way; with Shift, select it too"],
  ["Menu, Shift+F10, right click", "what can be done with what is selected"],
  ["Ctrl+A, i, j", "select all, the others, the neighbours"],
  ["Shift+drag, Alt+drag", "select with a box, with a lasso"],
  ["Enter, e", "expand"],
  ["c", "collapse"],
  ["x, Delete", "hide"],
  ["k", "keep only what is selected"],
  ["p", "pin or unpin"],
  ["o", "fold into one, or unfold"],
  ["b", "the path between two"],
  ["a", "ask sources"],
  ["m, g, v, r", "note, tag, verdict, relate"],
  ["f", "show all"],
  ["l", "lay out anew"],
  ["n", "add a node"],
  ["t", "table"],
  ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"],
  ["Alt+←", "back"],
  ["Ctrl+S", "save"],
  ["Escape", "let nothing stand out, select nothing"],
  ["?", "these keys"],
];

const inPicture = (event) => event.target.closest("#picture, body > main") !== null || event.target === document.body;
const inSheet = (event) => event.target.closest(".ask, .triage, pre") !== null;

export function setUpKeys(app) {
  const { model, picture, layout } = app;
  const click = (id) => document.getElementById(id).click();
  const deedByKey = (key) => {
    const groups = [...deedsOn(app, [...model.chosen]), ...deedsOnPicture(app)];
    const deed = groups.flat().find((each) => each.key === key);
    return deed ? perform(deed) : null;
  };
  document.addEventListener("keydown", (event) => {
    const typing = /** @type {Element} */ (event.target).closest("input, textarea, select, dialog");
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key.toLowerCase() === "z" && !typing) {
      event.preventDefault();
      return click(event.shiftKey ? "redo" : "undo");
    }
    if (command && event.key.toLowerCase() === "y" && !typing) {
      event.preventDefault();
      return click("redo");
    }
    if (command && event.key.toLowerCase() === "s") {
      event.preventDefault();
      return click("save");
    }
    if (command && event.key.toLowerCase() === "a" && !typing && !inSheet(event)) {
      event.preventDefault();
      return app.selection.all();
    }
    if (!typing && (event.key === "ContextMenu" || (event.shiftKey && event.key === "F10")) && inPicture(event)) {
      event.preventDefault();
      const box = document.getElementById("picture").getBoundingClientRect();
      const at = model.selected && model.node(model.selected) ? picture.place(model.selected) : { x: 40, y: 40 };
      return app.menu({ x: box.x + at.x + 8, y: box.y + at.y + 8 });
    }
    if (event.altKey && event.key === "ArrowLeft") {
      event.preventDefault();
      return model.back();
    }
    if (typing || command || event.altKey) return null;
    // A key that opens a dialog is not typed into its first field, too.
    if (event.key.length === 1 && event.key !== " ") event.preventDefault();
    switch (event.key) {
      case "/":
        return document.getElementById("find").focus();
      case "?":
        return help();
      case "f":
        return picture.fit();
      case "l":
        return layout.start();
      case "n":
        return app.editing.add();
      case "t":
        return app.drawer("nodes");
      case "Escape":
        return model.lit ? model.light(null) : model.select(null);
      case "e":
        if (!model.node(model.selected ?? "")?.more) return deedByKey("e");
        return app.open(model.selected); // one that stands for many
      case "x":
      case "Delete":
        return deedByKey("x") ?? (model.chosen.size && model.remove([...model.chosen]));
      default:
        return deedByKey(event.key);
    }
  });
  document.getElementById("picture").addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.key === "Enter" && model.selected) {
      event.preventDefault();
      app.open(model.selected);
    }
    if (!way || event.altKey) return;
    event.preventDefault();
    const next = toward(model, way);
    if (next) {
      model.select(next, { more: event.shiftKey && !model.chosen.has(next) });
      picture.look(next);
    }
  });
}

// The neighbour that lies most in a direction; from nowhere, any node.
function toward(model, [dx, dy]) {
  const { graph } = model;
  const id = model.selected;
  if (!id) return graph.nodes().find((each) => model.seesNode(each)) ?? null;
  const from = model.node(id);
  const score = (other) => {
    const [x, y] = [model.node(other).x - from.x, model.node(other).y - from.y];
    return (x * dx + y * dy) / (Math.hypot(x, y) || 1);
  };
  const near = graph
    .neighbors(id)
    .filter((each) => each !== id && model.seesNode(each))
    .sort((a, b) => score(b) - score(a));
  return near.length && score(near[0]) > 0.1 ? near[0] : null;
}

export const help = () =>
  dialog(
    "Keys",
    {},
    {
      ok: null,
      content: [
        el(
          "table",
          {},
          el(
            "tbody",
            {},
            KEYS.map(([keys, text]) =>
              el(
                "tr",
                {},
                el(
                  "td",
                  {},
                  keys.split(", ").flatMap((key, i) => [i ? " " : "", el("kbd", {}, key)]),
                ),
                el("td", {}, text),
              ),
            ),
          ),
        ),
      ],
    },
  );

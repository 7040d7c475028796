// What can be done with the nodes that are selected: the panel's buttons, the menu and the keys all come from here.
import { defanged, plural, shortened, tell, toast } from "./dom.js";
import { idOf } from "./model.js";
import { ofChoice, ofDomains, ofLeaves, ofNetworks } from "./folds.js";

const MOST_GROWN = 50;
const LEAVES = "node with three leaves of one label";

/**
 * @typedef {{text: string, run: () => unknown, key?: string, title?: string, main?: boolean, danger?: boolean}} Deed
 */

/**
 * Returns what can be done, in groups.
 * @param {any} app
 * @param {string[]} ids
 * @returns {Deed[][]}
 */
export function deedsOn(app, ids) {
  const { model, actions, editing, enrich, panel } = app;
  const folded = ids.filter((id) => model.node(id)?.fold);
  const nodes = model
    .members(ids)
    .map((id) => model.node(id))
    .filter((node) => node && !node.more);
  const mine = nodes.map((node) => `${node.label}:${node.key}`);
  const [one, two] = nodes;
  const single = nodes.length === 1;
  const pair = nodes.length === 2;
  const pinned = nodes.length > 0 && nodes.every((node) => node.pinned);
  const kept = () => new Set([...ids, ...model.members(ids)]);
  const rest = () => model.graph.filterNodes((id) => !kept().has(id));
  const groups = [
    [
      { text: "Expand", key: "e", main: !pair, title: "Some of each kind of neighbour", run: () => growAll(app, mine) },
      {
        text: "Collapse",
        key: "c",
        title: "Take out what hangs on them alone",
        run: () => mine.map((id) => actions.collapse(id)),
      },
      { text: "Hide", key: "x", run: () => model.remove([...ids, ...model.members(ids)]) },
      !single && { text: "Keep only these", key: "k", run: () => model.remove(rest()) },
      {
        text: pinned ? "Unpin" : "Pin",
        key: "p",
        title: "Layouts leave a pinned node where it is",
        run: () => model.pin(mine, !pinned),
      },
    ],
    [
      ...foldDeeds(model, ids, folded, nodes),
      pair && { text: "Path between", key: "b", main: true, run: () => actions.path(ids[0], ids[1]) },
      !single && { text: "What ties them", run: () => panel.tie() },
      { text: "Ask sources", key: "a", run: () => enrich(nodes) },
    ],
    [
      { text: `Note`, key: "m", run: () => editing.note(nodes) },
      { text: "Tag", key: "g", run: () => editing.tag(nodes) },
      { text: "Verdict", key: "v", run: () => editing.verdict(nodes) },
      { text: "Add to case", run: () => editing.addToCase(nodes) },
      (single || pair) && { text: "Relate", key: "r", run: () => editing.relate(one, two ?? null) },
      pair && one.label === two.label && { text: "They are one", run: () => editing.same(one, two) },
      single && {
        text: "Take out",
        danger: true,
        title: "Out of the graph, whatever sources say",
        run: () => editing.takeOutNode(one),
      },
    ],
    [
      { text: "Copy", run: () => copy(nodes.map((node) => node.key).join("\n")) },
      { text: "Copy defanged", run: () => copy(nodes.map((node) => defanged(node.key)).join("\n")) },
    ],
  ];
  if (!nodes.length) return [];
  return groups.map((group) => group.filter(Boolean));
}

// What folds and unfolds: groups that are chosen, what hangs on one node, or any nodes.
function foldDeeds(model, ids, folded, nodes) {
  const unfold = { text: "Unfold", key: "o", main: true, run: () => model.unfold(folded) };
  if (folded.length) return [unfold];
  const all = nodes.map((node) => idOf(node));
  if (nodes.length > 1) return [{ text: "Fold into one", key: "o", run: () => model.fold([ofChoice(model, all)]) }];
  const groups = [...ofDomains(model, ids), ...ofLeaves(model, ids)];
  const apart = disjoint(groups);
  const what = apart.map((group) => plural(group.ids.length, group.label)).join(", ");
  return apart.length
    ? [{ text: "Fold around", key: "o", title: `Into one node each: ${what}`, run: () => model.fold(apart) }]
    : [];
}

/** Returns what can be done with the picture as a whole. */
export const deedsOnPicture = (app) => [
  [
    { text: "Select all", key: "Ctrl+A", run: () => app.selection.all() },
    { text: "Select the others", key: "i", run: () => app.selection.invert() },
    { text: "Select neighbours", key: "j", run: () => app.selection.neighbours() },
  ],
  [
    { text: "Show all", key: "f", run: () => app.picture.fit() },
    { text: "Lay out anew", key: "l", run: () => app.layout.start() },
    { text: "Fold sub-domains", run: () => foldAll(app.model, ofDomains(app.model), "domain with two sub-domains") },
    { text: "Fold networks", run: () => foldAll(app.model, ofNetworks(app.model), "network with two addresses") },
    {
      text: "Fold leaves",
      title: "What hangs on one node alone",
      run: () => foldAll(app.model, ofLeaves(app.model), LEAVES),
    },
    { text: "Unfold all", run: () => app.model.unfold(app.model.folds()) },
  ],
  [
    { text: "Unpin all", run: () => app.model.pin(app.model.nodes(), false) },
  ],
  [
    { text: "Add a node", key: "n", run: () => app.editing.add() },
    { text: "Review reports", run: () => app.review.open() },
    { text: "Export", run: () => app.exports().show() },
  ],
];

// Of groups that share a node the first.
function disjoint(groups) {
  const taken = new Set();
  return groups.filter(({ ids }) => {
    if (ids.some((id) => taken.has(id))) return false;
    ids.forEach((id) => taken.add(id));
    return true;
  });
}

function foldAll(model, groups, what) {
  if (!groups.length) return toast(`There is no ${what} in the picture.`);
  const count = model.fold(disjoint(groups));
  return toast(`${plural(count, "group")} folded. A double click, or “Unfold”, shows one again.`);
}

export const perform = (deed) => Promise.resolve(deed.run()).catch(tell);

async function growAll({ actions, model }, ids) {
  if (ids.length > MOST_GROWN) toast(`The first ${MOST_GROWN} are expanded: select fewer for the others.`);
  for (const id of ids.slice(0, MOST_GROWN))
    if (model.graph.hasNode(id)) await actions.grow(id, {}, ids.length > 1 ? 10 : undefined);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`Copied ${shortened(text.replaceAll("\n", ", "))}`);
  } catch {
    toast("The browser does not let the page copy; select the text instead.", { wrong: true });
  }
}

// Groups that are folded into one node: sub-domains of a domain, addresses of a network, what hangs on one node.
//
// A folded group is a node of the picture alone, with `fold`: its title, and its members with where they stand from it.
// The members stay in the picture, unseen; relationships with them are drawn with the group, one line for each type.
import { plural } from "./dom.js";

const LEAST = 2; // members of a group
const LEAVES = 3; // nodes of one label that hang on one node alone, before they are worth a group

/** @typedef {{title: string, label: string, ids: string[]}} Group */

/**
 * Returns a node that stands for a group. Its place is that of the member which is nearest to the middle of all: the
 * middle itself may be another node's, as of the one that all of them surround.
 * @param {any} model
 * @param {Group} group
 */
export function foldNode(model, { title, label, ids }) {
  const nodes = ids.map((id) => model.node(id));
  const [left, low] = ["x", "y"].map((axis) => nodes.reduce((sum, node) => sum + node[axis], 0) / nodes.length);
  const far = (node) => Math.hypot(node.x - left, node.y - low);
  const { x, y } = nodes.reduce((best, node) => (far(node) < far(best) ? node : best));
  const members = ids.map((id, i) => ({ id, dx: nodes[i].x - x, dy: nodes[i].y - y }));
  let key = `${label} ${title}`;
  while (model.graph.hasNode(`fold:${key}`)) key += " and";
  return { id: `fold:${key}`, more: true, label, key, count: ids.length, x, y, fold: { title, members } };
}

/** Returns what a folded group is called. */
export const foldText = (node) => `${plural(node.count, node.label || "node")} of ${node.fold.title}`;

const seen = (model) => model.nodes().filter((id) => model.seesNode(id));

/**
 * Returns the sub-domains of each domain that is shown, or of one.
 * @param {any} model
 * @param {string[]} domains
 * @returns {Group[]}
 */
export function ofDomains(model, domains = seen(model)) {
  const subs = seen(model).filter((id) => model.node(id).label === model.folding.beneath);
  const roots = domains.map((id) => model.node(id)).filter((node) => node?.label === model.folding.domain);
  const byDomain = new Map(roots.map(({ key }) => [key, []]));
  for (const id of subs) {
    const parts = model.node(id).key.split(".");
    const parent = parts.map((_, i) => parts.slice(i).join(".")).find((name) => byDomain.has(name));
    if (parent) byDomain.get(parent).push(id);
  }
  return [...byDomain]
    .filter(([, ids]) => ids.length >= LEAST)
    .map(([title, ids]) => ({ title, label: model.folding.beneath, ids }));
}

/**
 * Returns the addresses that are shown by network: the first 24 bits of an IPv4 address, the first 48 of an IPv6 one.
 * @param {any} model
 * @returns {Group[]}
 */
export function ofNetworks(model) {
  const networks = new Map();
  for (const id of seen(model)) {
    const { label, key } = model.node(id);
    const network = label === model.folding.address && networkOf(key);
    if (network) networks.set(network, [...(networks.get(network) ?? []), id]);
  }
  return [...networks]
    .filter(([, ids]) => ids.length >= LEAST)
    .map(([title, ids]) => ({ title, label: model.folding.address, ids }));
}

/** Returns the network of an address in its canonical form; empty for what is none. */
export function networkOf(key) {
  const four = /^(\d+\.\d+\.\d+)\.\d+$/.exec(key);
  if (four) return `${four[1]}.0/24`;
  if (!key.includes(":") || key.includes(".")) return "";
  const [head, tail = null] = key.split("::");
  const left = head ? head.split(":") : [];
  const right = tail ? tail.split(":") : [];
  const gap = tail === null ? [] : Array.from({ length: 8 - left.length - right.length }, () => "0");
  const parts = [...left, ...gap, ...right].slice(0, 3);
  while (parts.length && parts.at(-1) === "0") parts.pop();
  return `${parts.join(":")}::/48`;
}

/**
 * Returns what hangs on one node alone, by label: of each node that is shown, or of one.
 * @param {any} model
 * @param {string[]} roots
 * @returns {Group[]}
 */
export function ofLeaves(model, roots = seen(model)) {
  const { graph } = model;
  const groups = [];
  for (const root of roots) {
    const byLabel = new Map();
    for (const id of graph.hasNode(root) ? graph.neighbors(root) : []) {
      const node = model.node(id);
      if (node.more || !model.seesNode(id) || graph.neighbors(id).some((each) => each !== root)) continue;
      byLabel.set(node.label, [...(byLabel.get(node.label) ?? []), id]);
    }
    for (const [label, ids] of byLabel)
      if (ids.length >= LEAVES) groups.push({ title: model.node(root).key, label, ids });
  }
  return groups;
}

/**
 * Returns the group of nodes that a person chose.
 * @param {any} model
 * @param {string[]} ids
 * @returns {Group}
 */
export function ofChoice(model, ids) {
  const labels = new Set(ids.map((id) => model.node(id).label));
  return { title: `a choice with ${model.node(ids[0]).key}`, label: labels.size === 1 ? [...labels][0] : "", ids };
}

/**
 * Returns the lines of folded groups: for each two ends and each type one, with how many it stands for, their sources
 * and the times of all. `ends` gives what an end is drawn as.
 * @param {any} graph
 * @param {Map<string, string>} foldOf
 */
export function linesOf(graph, foldOf) {
  const lines = new Map();
  graph.forEachEdge((_, edge, start, end) => {
    if (edge.more) return;
    const [from, to] = [foldOf.get(start) ?? start, foldOf.get(end) ?? end];
    if ((from === start && to === end) || from === to) return;
    const id = `fold ${from} ${edge.type} ${to}`;
    if (!lines.has(id)) lines.set(id, { id, from, to, type: edge.type, count: 0, all: [] });
    const line = lines.get(id);
    line.count += 1;
    line.all.push(edge.properties ?? {});
  });
  return [...lines.values()].map(({ all, ...line }) => ({ ...line, properties: together(all) }));
}

function together(all) {
  const times = (name) => all.map((each) => each[name]).filter(Boolean).sort();
  const [first, last] = [times("first_seen")[0], times("last_seen").at(-1)];
  const sources = [...new Set(all.flatMap((each) => each.sources ?? []))].sort();
  return { first_seen: first, last_seen: last, sources };
}

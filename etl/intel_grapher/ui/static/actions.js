// What a person does to the picture: bring nodes in, grow, collapse, find paths.
import { ask } from "./api.js";
import { plural, tell, toast } from "./dom.js";
import { edgeId, idOf } from "./model.js";

export const STEP = 25;

export class Actions {
  unjoined = new Set(); // nodes whose relationships with the rest of the picture are not all looked up

  constructor(model, layout) {
    this.model = model;
    this.layout = layout;
  }

  // Nodes that are in the graph, with their relationships to what is there.
  async bring(nodes, { near = null, select = true } = {}) {
    const wanted = nodes.filter((node) => !this.model.graph.hasNode(idOf(node)));
    const found = [];
    for (const some of inParts(wanted, PART)) {
      const answer = await ask("nodes", { nodes: some.map(ref) });
      found.push(...answer.nodes);
    }
    this.model.lit = null; // what comes is not to be dim
    const fresh = this.model.add({ nodes: found }, { near });
    if (select && nodes.length) this.model.select(idOf(nodes[0]));
    await this.join(fresh);
    this.layout.settle(fresh);
    return { found: found.length, missing: wanted.length - found.length };
  }

  show(answer, { near = null } = {}) {
    const fresh = this.model.add(answer, { near });
    this.layout.settle(fresh);
    this.join(fresh).catch(tell);
    return fresh;
  }

  // One kind of neighbours, the next few; or some of every kind.
  async grow(id, group = {}, limit = STEP) {
    const { label, key } = this.model.node(id);
    const answer = await ask("grow", {
      label,
      key,
      limit,
      have: this.#have(id),
      ...(group.type ? { type: group.type, direction: group.direction, other: group.label } : {}),
    });
    if (!this.model.graph.hasNode(id)) return 0; // it was hidden meanwhile
    this.model.lit = null; // what comes is not to be dim
    const rest = this.#rest(id, answer.groups);
    const stale = answer.groups.map((each) => moreId(id, each)).filter((each) => this.model.graph.hasNode(each));
    const fresh = this.model.add(
      { nodes: [...answer.nodes, ...rest.nodes], edges: [...answer.edges, ...rest.edges] },
      { near: id, replace: stale },
    );
    this.layout.settle(fresh);
    this.model.tell("select");
    this.join(fresh).then(() => this.model.tell("select"), tell);
    return fresh.length;
  }

  // How many relationships of a kind are in the picture, and how many of these the filters hide.
  shownOf(id, group) {
    const edges = this.#ofKind(id).get(kindOf(group)) ?? [];
    return { there: edges.length, hidden: edges.filter((edge) => !this.model.seesEdge(edge)).length };
  }

  // The node's relationships in the picture, by kind as the server names it.
  #ofKind(id) {
    const { graph } = this.model;
    const kinds = new Map();
    graph.forEachEdge(id, (edge, attributes, start, end) => {
      if (attributes.more) return;
      const other = start === id ? end : start;
      const direction = this.model.bothWays?.(attributes.type) ? "--" : start === id ? "->" : "<-";
      const kind = kindOf({ type: attributes.type, direction, label: this.model.node(other).label });
      if (!kinds.has(kind)) kinds.set(kind, []);
      kinds.get(kind).push(edge);
    });
    return kinds;
  }

  #have(id) {
    const other = (edge) => this.model.node(this.model.graph.opposite(id, edge)).key;
    return Object.fromEntries([...this.#ofKind(id)].map(([kind, edges]) => [kind, edges.map(other)]));
  }

  // What a hub has more than is shown is one node that stands for all of it.
  #rest(id, groups) {
    const nodes = [];
    const edges = [];
    for (const group of groups.filter((each) => each.count > each.shown)) {
      const more = moreId(id, group);
      nodes.push({
        id: more,
        more: true,
        of: id,
        group,
        count: group.count - group.shown,
        label: group.label,
        key: more,
      });
      const { label, key } = this.model.node(id);
      edges.push({ start: { label, key }, type: group.type, end: { label: "more", key: more, id: more }, more: true });
    }
    return { nodes, edges };
  }

  // Neighbours that hang on this node alone go.
  collapse(id) {
    const { graph } = this.model;
    const alone = graph.filterNeighbors(
      id,
      (other) => graph.neighbors(other).every((each) => each === id) && !this.model.node(other).pinned,
    );
    this.model.remove(alone);
    return alone.length;
  }

  // The shortest paths between two nodes: they stand out, side by side, a column a step.
  async path(start, end, options = {}) {
    const { model } = this;
    const answer = await ask("path", {
      start: ref(model.node(start)),
      end: ref(model.node(end)),
      ...options,
    });
    const around = answer.hubs.length
      ? ` Hubs not entered: ${answer.hubs
          .slice(0, 3)
          .map((each) => each.key)
          .join(", ")}.`
      : "";
    if (!answer.paths.length) {
      toast(`No path of at most ${options.longest ?? 6} steps.${around}`, { wrong: false });
      return answer;
    }
    const places = columns(model, answer.paths);
    const fresh = model.add(
      { nodes: answer.nodes.map((node) => ({ ...node, ...places.get(idOf(node)) })), edges: answer.edges },
      { places },
    );
    this.layout.stop();
    const title = `${plural(answer.paths.length, "path")} of ${plural(answer.paths[0].length, "step")}`;
    model.light({ title, paths: answer.paths, ...onPaths(model, answer.paths) });
    model.tell("framed", [...places.keys()]);
    this.join(fresh).catch(tell);
    toast(`${title}.${around}`, { wrong: false });
    return answer;
  }

  async rank(ids) {
    return ask("rank", { seeds: this.model.refs(ids) });
  }

  // Ask anew about nodes of the picture, all if none are named: after a load, or when an investigation is opened.
  async refresh(ids = this.model.nodes()) {
    const { model } = this;
    for (const some of inParts(ids, PART)) {
      const there = some.filter((id) => model.graph.hasNode(id));
      const { nodes } = await ask("nodes", { nodes: model.refs(there) });
      const found = new Set(nodes.map(idOf));
      const kept = nodes.filter((node) => model.graph.hasNode(idOf(node)));
      model.add({ nodes: kept.map((node) => ({ ...node, pending: false })) }, { quiet: true });
      const gone = there.filter((id) => !found.has(id) && model.node(id) && !model.node(id).pending);
      if (gone.length) model.remove(gone, { quiet: true });
    }
    await this.join(ids, { anew: true });
    model.tell("select");
  }

  // All relationships among nodes of the picture and the rest of it. `anew`: those that are no longer there go.
  // What could not be looked up, as when the server was away, is `unjoined`, which the page says.
  async join(ids, { anew = false } = {}) {
    const { model } = this;
    ids.forEach((id) => this.unjoined.add(id));
    try {
      for (const some of inParts(ids, JOINED)) await this.#joined(some, anew);
    } finally {
      for (const id of this.unjoined) if (!model.graph.hasNode(id)) this.unjoined.delete(id);
      model.tell("joined");
    }
  }

  async #joined(ids, anew) {
    const { model } = this;
    const some = ids.filter((id) => model.graph.hasNode(id) && !model.node(id).more);
    if (some.length && model.graph.order > 1) {
      const { edges, cut } = await ask("between", { nodes: model.refs(), new: model.refs(some) });
      if (cut && some.length > 1) {
        for (const half of inParts(some, Math.ceil(some.length / 2))) await this.#joined(half, anew);
        return;
      }
      model.add({ edges: edges.map((edge) => ({ ...edge, pending: false })) }, { quiet: true });
      if (cut) return; // more relationships of one node than an answer may have: they stay unjoined
      const there = new Set(edges.map(edgeId));
      const gone = (id) => {
        const edge = model.graph.getEdgeAttributes(id);
        return !there.has(id) && !edge.more && !edge.pending;
      };
      if (anew)
        for (const id of some)
          model.graph
            .edges(id)
            .filter(gone)
            .forEach((each) => model.graph.dropEdge(each));
    }
    ids.forEach((id) => this.unjoined.delete(id));
    if (this.unjoined.size > JOINED) model.tell("joined");
  }
}

/**
 * Returns the ids of the nodes and relationships that paths consist of.
 * @param {any} model
 * @param {any[][]} paths
 */
export function onPaths(model, paths) {
  const [nodes, edges] = [new Set(), new Set()];
  for (const { from, type, direction, to } of paths.flat()) {
    nodes.add(idOf(from)).add(idOf(to));
    const ways = direction === "<-" ? [[to, from]] : [[from, to], ...(direction === "--" ? [[to, from]] : [])];
    for (const [start, end] of ways) edges.add(edgeId({ start, type, end }));
  }
  return { nodes, edges: new Set([...edges].filter((id) => model.graph.hasEdge(id))) };
}

// Where the nodes of paths go: a column a step, from left to right, below what else is in the picture.
function columns(model, paths) {
  const steps = new Map();
  for (const path of paths)
    [path[0].from, ...path.map(({ to }) => to)].forEach((node, at) => {
      if (!steps.has(idOf(node))) steps.set(idOf(node), at);
    });
  const others = model.graph.nodes().filter((id) => !steps.has(id));
  const bounds = others.reduce(
    ([left, right, low], id) => {
      const { x, y } = model.node(id);
      return [Math.min(left, x), Math.max(right, x), Math.min(low, y)];
    },
    [Infinity, -Infinity, Infinity],
  );
  const wide = paths[0].length * COLUMN;
  const groups = new Map();
  for (const [id, at] of steps) groups.set(at, [...(groups.get(at) ?? []), id]);
  const tall = Math.max(...[...groups.values()].map((ids) => ids.length)) * ROW;
  const [middle, top] = others.length ? [(bounds[0] + bounds[1]) / 2, bounds[2] - tall / 2 - 2 * ROW] : [0, 0];
  const places = new Map();
  for (const [at, ids] of groups)
    ids.forEach((id, i) => {
      places.set(id, { x: middle - wide / 2 + at * COLUMN, y: top + ((ids.length - 1) / 2 - i) * ROW });
    });
  return places;
}

const COLUMN = 240; // units between two steps of a path: a label has room
const ROW = 62;
const PART = 400;
const JOINED = 100;
const ref = ({ label, key }) => ({ label, key });
const kindOf = ({ type, direction, label }) => `${type} ${direction} ${label}`;
const moreId = (id, group) => `more:${id} ${kindOf(group)}`;

/**
 * Returns a list in parts of at most so many.
 * @template T
 * @param {T[]} list
 * @param {number} most
 */
const inParts = (list, most) =>
  Array.from({ length: Math.ceil(list.length / most) }, (_, i) => list.slice(i * most, (i + 1) * most));

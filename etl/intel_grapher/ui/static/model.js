// What is in the picture: nodes and relationships, what is hidden, what is selected, and how to take steps back.

import { foldNode, linesOf } from "./folds.js";
import { ageGroup } from "./palette.js";

const { MultiDirectedGraph } = globalThis.graphology;

export const idOf = ({ label, key }) => `${label}:${key}`;
export const edgeId = (edge) => `${idOf(edge.start)} ${edge.type} ${idOf(edge.end)}`;
export const NO_VERDICT = "none";
export const NOT_WARNED = "on none";
const HIDING = ["label", "type", "source", "verdict", "age", "warning"]; // what the filters go by
const LARGE = 2000;
const BULK = 1500; // so many at once are drawn when all are there

/**
 * Returns from when to when something was seen, in ISO 8601; of `first` only when it was first seen.
 * @param {any} properties
 * @param {string} by
 */
export function stay({ first_seen: first, last_seen: last } = {}, by = "seen") {
  return by === "first" ? [first ?? last, first ?? last] : [first ?? last, last ?? first];
}

/** @typedef {{undo?: () => Promise<void>, redo?: () => Promise<void>}} Also */

export class Model extends EventTarget {
  graph = new MultiDirectedGraph();
  hidden = Object.fromEntries(HIDING.map((kind) => [kind, new Set()]));
  verdictOf = (_id) => "";
  warningsOf = (_id) => [];
  folding = /** @type {any} */ ({}); // labels: of a domain, of a name beneath it, of an address
  hideUndated = false;
  timeBy = "seen"; // what falls into the window: a stay from first to last seen, or the moment it was first seen
  window = null; // [from, to] in ISO 8601, or null for all time
  hub = null; // nodes with more relationships than these are hidden
  chosen = new Set();
  fact = null; // the id of the relationship that is selected
  lit = null; // what an answer is about, such as paths: ids of `nodes` and `edges`; all else is dim
  #foldOf = new Map(); // node → the folded group that it is in
  #lined = false; // whether groups have lines
  #done = [];
  #undone = [];
  #visited = [];
  #stepping = false;
  #corner = { x: 0, y: 0 };

  constructor() {
    super();
    this.graph.on("nodeAdded", ({ key, attributes }) => {
      for (const { id } of attributes.fold?.members ?? []) this.#foldOf.set(id, key);
    });
    this.graph.on("nodeDropped", ({ attributes }) => {
      for (const { id } of attributes.fold?.members ?? []) this.#foldOf.delete(id);
    });
    this.graph.on("cleared", () => this.#foldOf.clear());
  }

  get large() {
    return this.graph.order > LARGE;
  }
  get canUndo() {
    return this.#done.length > 0;
  }
  get canRedo() {
    return this.#undone.length > 0;
  }
  get canGoBack() {
    return this.#visited.length > 1;
  }
  get selected() {
    return [...this.chosen].at(-1) ?? null;
  }

  tell(what, detail) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }
  node(id) {
    return this.graph.hasNode(id) ? this.graph.getNodeAttributes(id) : null;
  }
  nodes() {
    return this.graph.filterNodes((_, node) => !node.more);
  }
  folds() {
    return [...new Set(this.#foldOf.values())];
  }
  foldOf(id) {
    return this.#foldOf.get(id) ?? null;
  }
  get facts() {
    return this.graph.reduceEdges((sum, _, edge) => sum + (edge.more ? 0 : 1), 0);
  }
  refs(ids = this.nodes()) {
    return ids.map((id) => this.node(id)).map(({ label, key }) => ({ label, key }));
  }
  missing(id) {
    const node = this.node(id);
    return node.more ? 0 : Math.max(0, (node.degree ?? 0) - this.#shown(id));
  }
  #shown(id) {
    return this.graph.reduceEdges(id, (sum, edge, attributes) => sum + (attributes.more ? 0 : 1), 0);
  }

  /**
   * Add what is not there yet; update what is. Returns the ids of new nodes.
   *
   * `near` is where they come from, `also` undoes and redoes the part of this step that is beyond the picture, `places`
   * are where nodes that are there already go.
   * @param {{nodes?: any[], edges?: any[]}} what
   * @param {{near?: string | null, quiet?: boolean, replace?: string[], also?: Also,
   *   places?: Map<string, {x: number, y: number}>}} options
   */
  add({ nodes = [], edges = [] }, options = {}) {
    const { near = null, quiet = false, replace = [], also = {}, places = new Map() } = options;
    const removed = this.#take(replace);
    const step = { added: { nodes: [], edges: [] }, removed, places: this.#move(places), ...also };
    const fresh = [];
    const bulk = nodes.length + edges.length > BULK;
    if (bulk) this.tell("bulk", "begin");
    for (const node of nodes) {
      const id = node.id ?? idOf(node);
      if (this.graph.hasNode(id)) {
        this.graph.mergeNodeAttributes(id, { ...node, x: this.node(id).x, y: this.node(id).y });
      } else {
        const place = node.x === undefined ? this.#place(near, step.added.nodes.length, nodes.length) : {};
        this.graph.addNode(id, { ...node, ...place });
        step.added.nodes.push(id);
        if (!node.more) fresh.push(id);
      }
    }
    for (const edge of edges) {
      const [id, start, end] = [edgeId(edge), idOf(edge.start), edge.more ? edge.end.id : idOf(edge.end)];
      if (!this.graph.hasNode(start) || !this.graph.hasNode(end)) continue;
      if (this.graph.hasEdge(id)) this.graph.mergeEdgeAttributes(id, edge);
      else {
        this.graph.addDirectedEdgeWithKey(id, start, end, { ...edge, kind: edge.type });
        step.added.edges.push(id);
      }
    }
    if (bulk) this.tell("bulk", "end");
    this.#attach();
    const changed =
      step.added.nodes.length || step.added.edges.length || step.removed.nodes.length || places.size || also.undo;
    if (changed && !quiet) this.#did(step);
    else if (changed && this.#done.length) this.#join(step);
    this.tell("change", { fresh });
    return fresh;
  }

  /**
   * Take nodes out. `quiet`: no step to be undone, for what is gone from the graph itself. `also`: as in `add`.
   * @param {string[]} ids
   * @param {{quiet?: boolean, also?: Also}} options
   */
  remove(ids, { quiet = false, also = {} } = {}) {
    const step = { added: { nodes: [], edges: [] }, removed: this.#take(ids), ...also };
    if (!step.removed.nodes.length && !step.removed.edges.length && !also.undo) return;
    this.#attach();
    if (!quiet) this.#did(step);
    this.tell("change", {});
    this.tell("select"); // what was selected may be gone
  }

  removeEdge(id, also = {}) {
    this.#did({ added: { nodes: [], edges: [] }, removed: this.#take([], [id]), ...also });
    this.#attach();
    this.tell("change", {});
  }

  // --- groups that are folded into one node ---

  fold(groups) {
    const nodes = groups.map((group) => foldNode(this, group));
    const places = new Map();
    for (const { x, y, fold } of nodes) for (const { id } of fold.members) places.set(id, { x, y });
    this.add({ nodes }, { places });
    this.chosen.clear();
    for (const { id } of nodes) this.chosen.add(id);
    this.tell("select");
    return nodes.length;
  }

  // Members stand around where the group was drawn, as they did around its middle.
  unfold(ids) {
    const places = new Map();
    const members = [];
    for (const id of ids) {
      const { x, y, fold } = this.node(id) ?? {};
      for (const each of fold?.members ?? []) {
        places.set(each.id, { x: x + each.dx, y: y + each.dy });
        members.push(each.id);
      }
    }
    this.add({}, { replace: ids, places });
    this.selectAll(members);
  }

  // What members of folded groups have to do with others is drawn with the group; a group without members goes.
  #attach() {
    const { graph } = this;
    if (!this.#foldOf.size && !this.#lined) return;
    this.#lined = this.#foldOf.size > 0;
    graph.filterEdges((_, edge) => edge.fold).forEach((id) => graph.dropEdge(id));
    for (const id of this.folds()) {
      const count = this.node(id).fold.members.filter((each) => graph.hasNode(each.id)).length;
      if (count) graph.setNodeAttribute(id, "count", count);
      else graph.dropNode(id);
    }
    if (!this.#foldOf.size) return;
    const ref = (id) => ({ label: this.node(id).label, key: this.node(id).key, id });
    for (const { id, from, to, ...line } of linesOf(graph, this.#foldOf))
      graph.addDirectedEdgeWithKey(id, from, to, { ...line, start: ref(from), end: ref(to), more: true, fold: true });
    this.follow();
  }

  // Unseen members are where their group is drawn, so that the whole is as large as it looks.
  follow() {
    for (const group of this.folds()) {
      const { x, y, fold } = this.node(group);
      for (const { id } of fold.members) if (this.graph.hasNode(id)) this.graph.mergeNodeAttributes(id, { x, y });
    }
  }

  // Nodes, and the members of groups among them.
  members(ids) {
    return ids.flatMap((id) => {
      const members = this.node(id)?.fold?.members.map((each) => each.id) ?? [id];
      return members.filter((each) => this.graph.hasNode(each));
    });
  }

  // A step that reaches beyond the picture: entries of the analyst's, which the server takes back.
  did(also) {
    this.#did({ added: { nodes: [], edges: [] }, removed: { nodes: [], edges: [] }, ...also });
    this.tell("change", {});
  }

  async undo() {
    await this.#step(this.#done, this.#undone, "undo");
  }
  async redo() {
    await this.#step(this.#undone, this.#done, "redo");
  }

  clear() {
    this.graph.clear();
    this.#done = [];
    this.#undone = [];
    this.#visited = [];
    this.lit = null;
    this.chosen.clear();
    this.tell("change", {});
    this.tell("select");
  }

  select(id, { more = false, quiet = false } = {}) {
    this.fact = null;
    if (!more) this.chosen.clear();
    const group = this.foldOf(id);
    if (group !== null && this.graph.hasNode(id)) this.unfold([group]); // whoever names it wants to see it
    if (group !== null && !more) this.chosen.clear();
    if (id !== null && this.graph.hasNode(id)) {
      if (more && this.chosen.has(id)) this.chosen.delete(id);
      else this.chosen.add(id);
      if (!quiet && this.#visited.at(-1) !== id) this.#visited.push(id);
    }
    this.tell("select");
  }

  pin(ids, on) {
    for (const id of ids) if (this.graph.hasNode(id)) this.graph.setNodeAttribute(id, "pinned", on);
    this.tell("moved");
    this.tell("select");
  }

  // What an answer is about stands out from all else; null for nothing.
  light(lit) {
    this.lit = lit;
    this.tell("select");
  }

  // A relationship: the panel tells who says so.
  selectFact(id) {
    this.chosen.clear();
    this.fact = id;
    this.tell("select");
  }

  selectAll(ids) {
    this.fact = null;
    this.chosen.clear();
    for (const id of ids) if (this.graph.hasNode(id)) this.chosen.add(id);
    this.tell("select");
  }

  back() {
    this.#visited.pop();
    while (this.#visited.length && !this.graph.hasNode(this.#visited.at(-1))) this.#visited.pop();
    if (this.#visited.length) this.select(this.#visited.at(-1), { quiet: true });
  }

  // --- what is seen ---

  filter() {
    this.tell("filter");
  }
  inWindow(properties) {
    if (!this.window) return true;
    const [from, to] = stay(properties, this.timeBy);
    return from ? from <= this.window[1] && to >= this.window[0] : !this.hideUndated;
  }
  #toldBy(properties) {
    const sources = properties?.sources;
    return !this.hidden.source.size || !sources?.length || sources.some((each) => !this.hidden.source.has(each));
  }
  seesNode(id) {
    const { fold } = this.node(id) ?? {};
    return fold ? fold.members.some((each) => this.passes(each.id)) : this.foldOf(id) === null && this.passes(id);
  }
  // Whether the filters let a node pass, folded or not.
  passes(id) {
    const node = this.node(id);
    if (!node || this.hidden.label.has(node.label)) return false;
    if (this.hidden.verdict.size && !node.more && this.hidden.verdict.has(this.verdictOf(id) || NO_VERDICT))
      return false;
    if (!node.more && this.#isAside(id, node)) return false;
    if (this.hub !== null && node.degree > this.hub && !this.chosen.has(id)) return false;
    if (!this.#toldBy(node.properties)) return false;
    if (this.#dated(node) && !this.inWindow(node.properties)) return false;
    if (!this.window || this.chosen.has(id)) return true;
    if (this.graph.degree(id) === 0) return this.#dated(node) || !this.hideUndated;
    return this.graph.someEdge(id, (_, edge) => !edge.fold && this.seesFact(edge));
  }
  // By its age, or by the warning lists that it is on: hidden where all of them are.
  #isAside(id, node) {
    if (this.hidden.age.size && this.hidden.age.has(ageGroup(node))) return true;
    if (!this.hidden.warning.size) return false;
    const lists = this.warningsOf(id);
    return (lists.length ? lists : [NOT_WARNED]).every((name) => this.hidden.warning.has(name));
  }
  // A node without a date of its own is as old as its relationships.
  #dated(node) {
    return Boolean(node.properties?.first_seen ?? node.properties?.last_seen);
  }
  seesFact(edge) {
    return !this.hidden.type.has(edge.type) && this.#toldBy(edge.properties) && this.inWindow(edge.properties);
  }
  seesEdge(id) {
    const [start, end] = this.graph.extremities(id);
    return this.seesFact(this.graph.getEdgeAttributes(id)) && this.seesNode(start) && this.seesNode(end);
  }

  // What the filters let pass, members of folded groups too: what tables and files for others hold.
  held() {
    return {
      nodes: this.nodes().filter((id) => this.passes(id)),
      edges: this.graph.filterEdges(
        (_, edge, start, end) => !edge.more && this.seesFact(edge) && this.passes(start) && this.passes(end),
      ),
    };
  }

  // --- steps ---

  #did(step) {
    this.#done.push(step);
    if (this.#done.length > 200) this.#done.shift();
    this.#undone = [];
  }
  #join(step) {
    const last = this.#done.at(-1);
    last.added.nodes.push(...step.added.nodes);
    last.added.edges.push(...step.added.edges);
  }
  async #step(from, to, which) {
    const step = from.at(-1);
    if (!step || this.#stepping) return;
    this.#stepping = true;
    try {
      await step[which]?.(); // where the server refuses, the step stays to be taken
    } finally {
      this.#stepping = false;
    }
    from.splice(from.lastIndexOf(step), 1);
    this.lit = null;
    const taken = this.#take(step.added.nodes, step.added.edges);
    const back = { nodes: [], edges: [] };
    for (const { id, ...attributes } of step.removed.nodes) {
      if (!this.graph.hasNode(id)) {
        this.graph.addNode(id, step.undo ? { ...attributes, pending: true } : attributes);
        back.nodes.push(id);
      }
    }
    for (const { id, ...attributes } of step.removed.edges.filter((edge) => !edge.fold)) {
      const [start, end] = [idOf(attributes.start), attributes.more ? attributes.end.id : idOf(attributes.end)];
      if (this.graph.hasNode(start) && this.graph.hasNode(end) && !this.graph.hasEdge(id)) {
        this.graph.addDirectedEdgeWithKey(id, start, end, attributes);
        back.edges.push(id);
      }
    }
    step.added = back;
    step.removed = taken;
    this.#attach();
    step.places = this.#move(step.places ?? new Map());
    to.push(step);
    this.tell("change", {});
    this.tell("select");
  }
  // Puts nodes elsewhere; returns where they were.
  #move(places) {
    const before = new Map();
    for (const [id, { x, y }] of places) {
      if (!this.graph.hasNode(id)) continue;
      const node = this.node(id);
      before.set(id, { x: node.x, y: node.y });
      this.graph.mergeNodeAttributes(id, { x, y });
    }
    return before;
  }
  // Take nodes (with their relationships) and relationships out; return them as they were.
  #take(ids, edgeIds = []) {
    const removed = { nodes: [], edges: [] };
    const drop = (id) => {
      if (!this.graph.hasEdge(id)) return;
      removed.edges.push({ id, ...this.graph.getEdgeAttributes(id) });
      this.graph.dropEdge(id);
    };
    edgeIds.forEach(drop);
    for (const id of ids) {
      if (!this.graph.hasNode(id)) continue;
      this.graph.edges(id).forEach(drop);
      removed.nodes.push({ id, ...this.node(id) });
      this.graph.dropNode(id);
      this.chosen.delete(id);
    }
    return removed;
  }
  // Around where they come from, as a sunflower's seeds; without an origin, below what is there. None lies on another.
  #place(near, index, count) {
    const origin = near && this.graph.hasNode(near) ? this.node(near) : null;
    const spread = (origin ? 40 : 50) * Math.sqrt(Math.max(1, count));
    const angle = index * 2.39996 + (origin ? Math.atan2(origin.y, origin.x) : 0);
    const radius = spread * Math.sqrt((index + 1) / Math.max(1, count)) + (origin ? 30 : 0);
    if (!index && !origin) this.#corner = this.#below(spread);
    const from = origin ?? this.#corner;
    return { x: from.x + radius * Math.cos(angle), y: from.y + radius * Math.sin(angle) };
  }
  #below(spread) {
    if (!this.graph.order) return { x: 0, y: 0 };
    let [left, right, low] = [Infinity, -Infinity, Infinity];
    this.graph.forEachNode((_, { x, y }) => {
      [left, right, low] = [Math.min(left, x), Math.max(right, x), Math.min(low, y)];
    });
    return { x: (left + right) / 2, y: low - spread - 60 };
  }
}

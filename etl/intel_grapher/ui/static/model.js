// What is in the picture: nodes and relationships, what is hidden, what is selected, and how to take steps back.

const { MultiDirectedGraph } = globalThis.graphology;

export const idOf = ({ label, key }) => `${label}:${key}`;
export const edgeId = (edge) => `${idOf(edge.start)} ${edge.type} ${idOf(edge.end)}`;
const LARGE = 2000;
const BULK = 1500; // so many at once are drawn when all are there

export class Model extends EventTarget {
  graph = new MultiDirectedGraph();
  hidden = { label: new Set(), type: new Set(), source: new Set() };
  window = null; // [from, to] in ISO 8601, or null for all time
  hub = null; // nodes with more relationships than these are hidden
  chosen = new Set();
  #done = [];
  #undone = [];
  #visited = [];

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

  // Add what is not there yet; update what is. Returns the ids of new nodes. `near` is where they come from.
  add({ nodes = [], edges = [] }, { near = null, quiet = false, replace = [] } = {}) {
    const step = { added: { nodes: [], edges: [] }, removed: this.#take(replace) };
    const fresh = [];
    const bulk = nodes.length + edges.length > BULK;
    if (bulk) this.tell("bulk", "begin");
    for (const node of nodes) {
      const id = node.id ?? idOf(node);
      if (this.graph.hasNode(id)) {
        this.graph.mergeNodeAttributes(id, { ...node, x: this.node(id).x, y: this.node(id).y });
      } else {
        const place = node.x === undefined ? this.#place(near, fresh.length, nodes.length) : {};
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
    const changed = step.added.nodes.length || step.added.edges.length || step.removed.nodes.length;
    if (changed && !quiet) this.#did(step);
    else if (changed && this.#done.length) this.#join(step);
    this.tell("change", { fresh });
    return fresh;
  }

  // `quiet`: no step to be undone, for what is gone from the graph itself.
  remove(ids, { quiet = false } = {}) {
    const step = { added: { nodes: [], edges: [] }, removed: this.#take(ids) };
    if (!step.removed.nodes.length && !step.removed.edges.length) return;
    if (!quiet) this.#did(step);
    this.tell("change", {});
    this.tell("select"); // what was selected may be gone
  }

  removeEdge(id) {
    if (!this.graph.hasEdge(id)) return;
    const edge = { id, ...this.graph.getEdgeAttributes(id) };
    this.graph.dropEdge(id);
    this.#did({ added: { nodes: [], edges: [] }, removed: { nodes: [], edges: [edge] } });
    this.tell("change", {});
  }

  // A step that reaches beyond the picture: an entry of the analyst's, which the server takes back.
  did(undo, redo) {
    this.#did({ undo, redo });
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
    this.chosen.clear();
    this.tell("change", {});
    this.tell("select");
  }

  select(id, { more = false, quiet = false } = {}) {
    if (!more) this.chosen.clear();
    if (id !== null && this.graph.hasNode(id)) {
      if (more && this.chosen.has(id)) this.chosen.delete(id);
      else this.chosen.add(id);
      if (!quiet && this.#visited.at(-1) !== id) this.#visited.push(id);
    }
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
    const from = properties?.first_seen ?? properties?.last_seen;
    const to = properties?.last_seen ?? properties?.first_seen;
    return !from || (from <= this.window[1] && to >= this.window[0]);
  }
  #toldBy(properties) {
    const sources = properties?.sources;
    return !this.hidden.source.size || !sources?.length || sources.some((each) => !this.hidden.source.has(each));
  }
  seesNode(id) {
    const node = this.node(id);
    if (!node || this.hidden.label.has(node.label)) return false;
    if (this.hub !== null && node.degree > this.hub && !this.chosen.has(id)) return false;
    if (!this.#toldBy(node.properties) || !this.inWindow(node.properties)) return false;
    if (!this.window || this.chosen.has(id) || this.graph.degree(id) === 0) return true;
    return this.graph.someEdge(id, (edge, attributes) => this.seesFact(attributes));
  }
  seesFact(edge) {
    return !this.hidden.type.has(edge.type) && this.#toldBy(edge.properties) && this.inWindow(edge.properties);
  }
  seesEdge(id) {
    const [start, end] = this.graph.extremities(id);
    return this.seesFact(this.graph.getEdgeAttributes(id)) && this.seesNode(start) && this.seesNode(end);
  }

  // --- steps ---

  #did(step) {
    this.#done.push(step);
    if (this.#done.length > 200) this.#done.shift();
    this.#undone = [];
  }
  #join(step) {
    const last = this.#done.at(-1);
    if (!last.added) return;
    last.added.nodes.push(...step.added.nodes);
    last.added.edges.push(...step.added.edges);
  }
  async #step(from, to, which) {
    const step = from.pop();
    if (!step) return;
    if (step[which]) await step[which]();
    else {
      const taken = this.#take(step.added.nodes, step.added.edges);
      const back = { nodes: [], edges: [] };
      for (const { id, ...attributes } of step.removed.nodes) {
        if (!this.graph.hasNode(id)) {
          this.graph.addNode(id, attributes);
          back.nodes.push(id);
        }
      }
      for (const { id, ...attributes } of step.removed.edges) {
        const [start, end] = [idOf(attributes.start), attributes.more ? attributes.end.id : idOf(attributes.end)];
        if (this.graph.hasNode(start) && this.graph.hasNode(end) && !this.graph.hasEdge(id)) {
          this.graph.addDirectedEdgeWithKey(id, start, end, attributes);
          back.edges.push(id);
        }
      }
      step.added = back;
      step.removed = taken;
    }
    to.push(step);
    this.tell("change", {});
    this.tell("select");
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
  // Around where they come from, as a sunflower's seeds, so that none lies upon another.
  #place(near, index, count) {
    const origin = near && this.graph.hasNode(near) ? this.node(near) : null;
    const spread = origin ? 8 : 12 * Math.sqrt(Math.max(1, count));
    const angle = index * 2.39996 + (origin ? Math.atan2(origin.y, origin.x) : 0);
    const radius = spread * Math.sqrt((index + 1) / Math.max(1, count)) + (origin ? 6 : 0);
    return { x: (origin?.x ?? 0) + radius * Math.cos(angle), y: (origin?.y ?? 0) + radius * Math.sin(angle) };
  }
}

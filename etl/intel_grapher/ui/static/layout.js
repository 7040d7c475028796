// Hands the graph to the layouts' worker, and its places back to the graph.

// Trusted Types: the one script address that may become a worker.
const policy = globalThis.trustedTypes?.createPolicy("our-worker", {
  createScriptURL: (url) => (url === "/static/layout-worker.js" ? url : ""),
});
const address = "/static/layout-worker.js";

export const KINDS = {
  force: "Force",
  tree: "Tree",
  radial: "Radial",
  label: "By label",
  time: "By time",
};

/** The size of a node relative to others, by its relationships: layouts leave room for it, the picture draws it. */
export const weightOf = (node) =>
  node.fold
    ? Math.min(2.6, 1.5 + 0.15 * Math.log2(node.count))
    : Math.min(2, 1 + 0.13 * Math.log2(1 + (node.more ? 8 : (node.degree ?? 0))));
export const RADIUS = 8; // of a node without relationships, in units of the layouts

export class Layout extends EventTarget {
  #worker = new Worker(policy ? policy.createScriptURL(address) : address);
  #ids = [];
  #run = 0;
  #whole = false;
  running = false;
  kind = "force";
  pace = 1; // of the usual time that a large picture is laid out for

  constructor(model) {
    super();
    this.model = model;
    this.#worker.onmessage = ({ data }) => this.#take(data);
    this.#worker.onerror = () => (this.running = false); // the browser's console has it; nodes stay where they were
  }

  /** Lay all nodes out anew, but those that are pinned. */
  start(kind = this.kind) {
    this.kind = kind;
    this.#send(kind, (_, node) => node.pinned);
  }

  /** Find places for new nodes: all others stay where they are. */
  settle(fresh) {
    const some = new Set(fresh);
    const { graph } = this.model;
    graph.forEachNode((id, node) => node.more && !node.fold && some.add(id));
    const old = graph.order - some.size;
    if (!some.size) return;
    if (!old) this.start(graph.size ? "force" : this.kind);
    else this.#send("force", (id, node) => node.pinned || !some.has(id));
  }

  stop() {
    this.running = false;
    this.#worker.postMessage({ run: ++this.#run });
  }

  #send(kind, fixed) {
    const { graph } = this.model;
    if (graph.order < 2) return;
    this.#ids = graph.nodes().filter((id) => this.model.foldOf(id) === null);
    const order = this.#ids.length;
    const place = new Map(this.#ids.map((id, i) => [id, i * 10]));
    const nodes = new Float32Array(10 * order);
    const lines = graph.filterEdges((_, edge, start, end) => place.has(start) && place.has(end));
    const edges = new Float32Array(3 * lines.length);
    const radii = new Float32Array(order);
    const labels = [...new Set(this.#ids.map((id) => graph.getNodeAttribute(id, "label")))].sort();
    const dates = new Float64Array(order);
    let kept = 0;
    this.#ids.forEach((id, i) => {
      const node = graph.getNodeAttributes(id);
      const stays = fixed(id, node) ? 1 : 0;
      kept += stays;
      radii[i] = RADIUS * weightOf(node);
      dates[i] = Date.parse(node.properties?.first_seen ?? node.properties?.last_seen ?? this.#edgeDate(id));
      nodes.set([node.x, node.y, 0, 0, 0, 0, 1 + graph.degree(id), 1, radii[i], stays], 10 * i);
    });
    let at = 0;
    for (const id of lines) {
      const [start, end] = graph.extremities(id);
      edges.set([place.get(start), place.get(end), 1], at);
      at += 3;
    }
    const settings = {
      linLogMode: false,
      outboundAttractionDistribution: false,
      adjustSizes: false,
      edgeWeightInfluence: 1,
      scalingRatio: 10, // two neighbours come to be some 60 units apart
      strongGravityMode: true,
      gravity: 0.05,
      slowDown: 1 + Math.log(order),
      barnesHutOptimize: order > 600,
      barnesHutTheta: 0.7,
    };
    // Whoever wants no motion gets the places once, and does not wait for what would only be looked at.
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const seconds = order > 300 ? this.pace * (order > 2000 ? 10 : 4) : calm ? 0.25 : 1.2;
    this.running = true;
    this.#whole = kept < order / 2;
    this.#worker.postMessage(
      {
        run: ++this.#run,
        kind,
        keep: kept > 0,
        nodes,
        edges,
        radii,
        groups: Int32Array.from(this.#ids, (id) => labels.indexOf(graph.getNodeAttribute(id, "label"))),
        dates,
        roots: this.#ids.flatMap((id, i) => (this.model.chosen.has(id) ? [i] : [])),
        settings,
        calm,
        seconds: kept > order / 2 ? Math.min(seconds, 1) : seconds,
      },
      [nodes.buffer, edges.buffer, radii.buffer, dates.buffer],
    );
  }

  // A node is as old as its oldest relationship in the picture, if it has no date of its own.
  #edgeDate(id) {
    return this.model.graph.reduceEdges(
      id,
      (least, _, { properties }) => {
        const date = properties?.first_seen ?? properties?.last_seen;
        return date && (!least || date < least) ? date : least;
      },
      "",
    );
  }

  #take({ run, places, ended }) {
    if (run !== this.#run) return; // of an earlier run, whose nodes were others
    const { graph } = this.model;
    const at = new Map(this.#ids.map((id, i) => [id, 2 * i]));
    graph.updateEachNodeAttributes(
      (id, node) => {
        const i = at.get(id);
        if (i !== undefined && !node.pinned && !Number.isNaN(places[i])) {
          node.x = places[i];
          node.y = places[i + 1];
        }
        return node;
      },
      { attributes: ["x", "y"] },
    );
    this.model.follow();
    if (ended) {
      this.running = false;
      this.dispatchEvent(new CustomEvent("ended", { detail: { whole: this.#whole } }));
    }
  }
}

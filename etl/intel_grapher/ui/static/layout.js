// Hands the graph to the layout's worker, and its places back to the graph.

// Trusted Types: the one script address that may become a worker.
const policy = globalThis.trustedTypes?.createPolicy("our-worker", {
  createScriptURL: (url) => (url === "/static/layout-worker.js" ? url : ""),
});
const address = "/static/layout-worker.js";

export class Layout extends EventTarget {
  #worker = new Worker(policy ? policy.createScriptURL(address) : address);
  #ids = [];
  #run = 0;
  running = false;

  constructor(model) {
    super();
    this.model = model;
    this.#worker.onmessage = ({ data }) => this.#take(data);
  }

  start(seconds = null) {
    const { graph } = this.model;
    if (graph.order < 2) return;
    this.#ids = graph.nodes();
    const place = new Map(this.#ids.map((id, i) => [id, i * 10]));
    const nodes = new Float32Array(10 * this.#ids.length);
    const edges = new Float32Array(3 * graph.size);
    this.#ids.forEach((id, i) => {
      const node = graph.getNodeAttributes(id);
      nodes.set([node.x, node.y, 0, 0, 0, 0, 1 + graph.degree(id), 1, node.size ?? 5, node.pinned ? 1 : 0], 10 * i);
    });
    let at = 0;
    graph.forEachEdge((_, edge, start, end) => {
      edges.set([place.get(start), place.get(end), 1], at);
      at += 3;
    });
    const order = this.#ids.length;
    const settings = {
      linLogMode: false,
      outboundAttractionDistribution: false,
      adjustSizes: false,
      edgeWeightInfluence: 1,
      scalingRatio: 10,
      strongGravityMode: true,
      gravity: 0.05,
      slowDown: 1 + Math.log(order),
      barnesHutOptimize: order > 600,
      barnesHutTheta: 0.7,
    };
    // Whoever wants no motion gets the places once, and does not wait for what would only be looked at.
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.running = true;
    this.#worker.postMessage(
      {
        run: ++this.#run,
        nodes,
        edges,
        settings,
        calm,
        seconds: seconds ?? (order > 2000 ? 12 : order > 300 ? 4 : calm ? 0.2 : 1.6),
      },
      [nodes.buffer, edges.buffer],
    );
  }

  stop() {
    this.running = false;
    this.#worker.postMessage({ run: ++this.#run });
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
    if (ended) {
      this.running = false;
      this.dispatchEvent(new Event("ended"));
    }
  }
}

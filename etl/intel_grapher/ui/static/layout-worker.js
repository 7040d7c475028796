// The layout, in a worker: iterates ForceAtlas2 on the matrices that it is sent, and posts the positions back.
const steps = "/static/vendor/forceatlas2-iterate.js";
// Trusted Types: the one script that this worker may load.
const scope = /** @type {any} */ (self); // a worker's scope, which the types of a page do not have
const policy = scope.trustedTypes?.createPolicy("our-worker", { createScriptURL: (url) => (url === steps ? url : "") });
scope.module = {};
scope.importScripts(policy ? policy.createScriptURL(steps) : steps);
const iterate = scope.module.exports;
const NODE = 10; // numbers a node has in the matrix: x, y, …
let run = 0;

scope.onmessage = ({ data }) => {
  ({ run } = data);
  if (data.nodes) work(run, data);
};

function work(mine, { nodes, edges, settings, calm, seconds }) {
  const until = performance.now() + seconds * 1000;
  const count = nodes.length / NODE;
  const step = () => {
    if (mine !== run) return null;
    const slice = performance.now() + 45;
    do iterate(settings, nodes, edges);
    while (performance.now() < slice);
    if (calm && performance.now() < until) return setTimeout(step, 0);
    const places = new Float32Array(2 * count);
    let moved = 0;
    for (let i = 0; i < count; i += 1) {
      places[2 * i] = nodes[NODE * i];
      places[2 * i + 1] = nodes[NODE * i + 1];
      moved += Math.abs(nodes[NODE * i + 2]) + Math.abs(nodes[NODE * i + 3]);
    }
    const ended = performance.now() > until || Number.isNaN(moved);
    scope.postMessage({ run, places, ended }, [places.buffer]);
    return ended ? null : setTimeout(step, 12);
  };
  step();
}

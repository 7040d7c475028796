// The layouts, in a worker. Each takes the matrices that it is sent, and posts places back.
//
//   force   ForceAtlas2, then noverlap; components are packed beside each other (d3-hierarchy's circles)
//   tree    left to right, a spanning tree of each component (d3-hierarchy)
//   radial  the same around its root
//   label   one circle for each label (d3-hierarchy's pack)
//   time    along the dates, a lane for each label
//
// A unit is a pixel of a picture at its natural size. Nodes that are fixed stay, whatever the layout, and others make
// room for them.
const scope = /** @type {any} */ (self); // a worker's scope, which the types of a page do not have
const STEPS = ["forceatlas2-iterate", "noverlap-iterate", "d3-hierarchy.min"].map(
  (name) => `/static/vendor/${name}.js`,
);
// Trusted Types: the scripts that this worker may load, and no other.
const policy = scope.trustedTypes?.createPolicy("our-worker", {
  createScriptURL: (url) => (STEPS.includes(url) ? url : ""),
});
const [forces, overlaps] = STEPS.map((url) => {
  scope.module = {};
  scope.importScripts(policy ? policy.createScriptURL(url) : url);
  return scope.module.exports;
});
// Both are scripts and not modules, so that their constants are this worker's globals, and two have one name in both:
// each is given its own back for as long as it runs.
const CONSTANTS = [
  { PPN: 10, NODE_SIZE: 8 },
  { PPN: 3, NODE_SIZE: 2 },
];
const iterate = (...given) => (Object.assign(scope, CONSTANTS[0]), forces(...given));
const noverlap = (...given) => (Object.assign(scope, CONSTANTS[1]), overlaps(...given));
const { d3 } = scope;

const NODE = 10; // numbers a node has in ForceAtlas2's matrix: x, y, …, size, fixed
const FIXED = 9;
const FORCE = 10; // units in one of ForceAtlas2's, whose speed is made for small distances
const MARGIN = 5; // units around a node
const ROW = 38; // units between two leaves of a tree
const COLUMN = 260; // units between two of its levels: a label has room
const LONG = 1800; // units of the time axis
const SMALL = 1000; // nodes: so many are laid out to the end, however busy the machine is
const LEAST = 50; // turns of ForceAtlas2 that a small picture has, likewise
const AROUND = 2.5; // of its radius that a fixed node keeps free of the others
const OVERLAP = { ratio: 1, expansion: 1.05, gridSize: 40, margin: MARGIN, speed: 2 };
let run = 0;

scope.onmessage = ({ data }) => {
  ({ run } = data);
  if (data.nodes) work(run, data);
};

function work(mine, task) {
  const places = { tree, radial, label, time }[task.kind]?.(task);
  if (places) return post(mine, aroundFixed(task, keepFixed(task, places)), true);
  return force(mine, task);
}

function post(mine, places, ended) {
  scope.postMessage({ run: mine, places, ended }, [places.buffer]);
}

function force(mine, task) {
  const { nodes, edges, settings, calm, seconds } = task;
  task = { ...task, nodes: nodes.slice() }; // where the fixed ones are, in units
  for (let i = 0; i < nodes.length; i += NODE) [nodes[i], nodes[i + 1]] = [nodes[i] / FORCE, nodes[i + 1] / FORCE];
  const until = performance.now() + seconds * 1000;
  let left = nodes.length / NODE > SMALL ? 0 : LEAST;
  const step = () => {
    if (mine !== run) return null;
    const slice = performance.now() + 45;
    do {
      iterate(settings, nodes, edges);
      left -= 1;
    } while (performance.now() < slice);
    let moved = 0;
    for (let i = 0; i < nodes.length; i += NODE) moved += Math.abs(nodes[i + 2]) + Math.abs(nodes[i + 3]);
    const ended = (performance.now() > until && left <= 0) || Number.isNaN(moved);
    if (!ended) {
      if (!calm) post(mine, taken(nodes), false);
      return setTimeout(step, calm ? 0 : 12);
    }
    const places = keepFixed(task, taken(nodes));
    const parts = task.keep ? [] : components(task.radii.length, edges);
    if (parts.length > 1) {
      const joined = parts.filter((some) => some.length > 1);
      const single = parts.filter((some) => some.length === 1).flat();
      for (const some of joined) alone(task, places, some);
      grid(task, places, single);
      pack(task, places, single.length ? [...joined, single] : joined);
    } else part(task, places);
    return post(mine, places, true);
  };
  step();
}

function taken(nodes) {
  const places = new Float32Array((2 * nodes.length) / NODE);
  for (let i = 0; i < places.length / 2; i += 1)
    [places[2 * i], places[2 * i + 1]] = [FORCE * nodes[NODE * i], FORCE * nodes[NODE * i + 1]];
  return places;
}

function keepFixed({ nodes }, places) {
  for (let i = 0; i < places.length / 2; i += 1)
    if (nodes[NODE * i + FIXED]) [places[2 * i], places[2 * i + 1]] = [nodes[NODE * i], nodes[NODE * i + 1]];
  return places;
}

// Of a small graph the whole is seen with room to spare: its clusters are wider, so that its nodes can be larger.
const wideOf = (count) => (count < 60 ? 2.5 : count < 600 ? 3.5 : count < 3000 ? 2 : 1);

// Moves nodes off those that are fixed: others have room enough from the layout, and move only if they are pushed.
function aroundFixed({ nodes, radii }, places) {
  const isFixed = (i) => nodes[NODE * i + FIXED] !== 0;
  if (radii.some((_, i) => isFixed(i))) part({ nodes, radii, wide: (i) => (isFixed(i) ? AROUND : 1) }, places);
  return places;
}

// Moves nodes apart that lie upon each other; those that are fixed are in the others' way, and stay.
function part({ nodes, radii, wide = (_i) => wideOf(radii.length) }, places) {
  const until = radii.length > SMALL ? performance.now() + 2500 : Infinity;
  const matrix = new Float32Array(3 * radii.length);
  radii.forEach((radius, i) => matrix.set([places[2 * i], places[2 * i + 1], wide(i) * radius], 3 * i));
  for (let turn = 0; turn < 400 && performance.now() < until; turn += 1) {
    const { converged } = noverlap(OVERLAP, matrix);
    radii.forEach((_, i) => {
      if (nodes[NODE * i + FIXED]) [matrix[3 * i], matrix[3 * i + 1]] = [nodes[NODE * i], nodes[NODE * i + 1]];
    });
    if (converged) break;
  }
  radii.forEach((_, i) => ([places[2 * i], places[2 * i + 1]] = [matrix[3 * i], matrix[3 * i + 1]]));
}

// Draws one component together, for in the whole the others kept its nodes apart; then moves them off each other.
function alone({ nodes, edges, radii, settings }, places, some) {
  if (some.length < 2) return;
  const number = new Map(some.map((i, own) => [i, own]));
  const matrix = new Float32Array(NODE * some.length);
  const lines = [];
  for (let at = 0; at < edges.length; at += 3) {
    const [a, b] = [number.get(edges[at] / NODE), number.get(edges[at + 1] / NODE)];
    if (a !== undefined) lines.push(NODE * a, NODE * b, 1);
  }
  some.forEach((i, own) => {
    matrix.set(nodes.subarray(NODE * i, NODE * (i + 1)), NODE * own);
    matrix.set([places[2 * i] / FORCE, places[2 * i + 1] / FORCE, 0, 0, 0, 0], NODE * own);
    matrix[NODE * own + 7] = 1; // free to move as in the beginning
  });
  const how = { ...settings, slowDown: 1 + Math.log(some.length), barnesHutOptimize: some.length > 600 };
  const until = performance.now() + Math.max(4, (1500 * some.length) / radii.length);
  const line = Float32Array.from(lines);
  const least = some.length < 300 ? 60 : 0;
  for (let turn = 0; turn < 300 && (turn < least || performance.now() < until); turn += 1) iterate(how, matrix, line);
  const apart = taken(matrix);
  const own = {
    nodes: new Float32Array(matrix.length),
    radii: Float32Array.from(some, (i) => radii[i]),
    wide: () => wideOf(radii.length),
  };
  part(own, apart);
  some.forEach((i, at) => ([places[2 * i], places[2 * i + 1]] = [apart[2 * at], apart[2 * at + 1]]));
}

// What has no relationship is a square of its own, label by label.
function grid({ radii, groups }, places, single) {
  const wide = Math.ceil(Math.sqrt(single.length));
  const step = single.reduce((most, i) => Math.max(most, radii[i]), 0) * 3 * wideOf(radii.length) + MARGIN;
  single.sort((a, b) => groups[a] - groups[b] || a - b);
  single.forEach((i, at) => {
    [places[2 * i], places[2 * i + 1]] = [(at % wide) * step, -Math.floor(at / wide) * step];
  });
}

// Puts components side by side: each is a circle, the largest in the middle. Those with a fixed node stay.
function pack({ nodes, radii }, places, parts) {
  if (parts.some((some) => some.some((i) => nodes[NODE * i + FIXED]))) return;
  const circles = parts.map((some) => {
    const x = some.reduce((sum, i) => sum + places[2 * i], 0) / some.length;
    const y = some.reduce((sum, i) => sum + places[2 * i + 1], 0) / some.length;
    const reach = (i) => Math.hypot(places[2 * i] - x, places[2 * i + 1] - y) + wideOf(radii.length) * radii[i];
    const r = some.reduce((most, i) => Math.max(most, reach(i)), 0) + 3 * MARGIN;
    return { some, from: [x, y], r, x: 0, y: 0 };
  });
  circles.sort((a, b) => b.r - a.r);
  d3.packSiblings(circles);
  for (const { some, from, x, y } of circles)
    for (const i of some) {
      places[2 * i] += x - from[0];
      places[2 * i + 1] += y - from[1];
    }
}

// The components, the largest first, each as the numbers of its nodes.
function components(count, edges) {
  const near = neighbours(count, edges);
  const seen = new Uint8Array(count);
  const found = [];
  for (let first = 0; first < count; first += 1) {
    if (seen[first]) continue;
    seen[first] = 1;
    const some = [first];
    for (const i of some)
      for (const other of near[i])
        if (!seen[other]) {
          seen[other] = 1;
          some.push(other);
        }
    found.push(some);
  }
  return found.sort((a, b) => b.length - a.length);
}

function neighbours(count, edges) {
  const near = Array.from({ length: count }, () => []);
  for (let at = 0; at < edges.length; at += 3) {
    const [a, b] = [edges[at] / NODE, edges[at + 1] / NODE];
    near[a].push(b);
    near[b].push(a);
  }
  return near;
}

// A spanning tree of each component: from its root, which is the node that is selected or has most neighbours.
function trees({ radii, edges, roots }) {
  const near = neighbours(radii.length, edges);
  const seen = new Uint8Array(radii.length);
  return components(radii.length, edges).map((some) => {
    const first = roots.find((i) => some.includes(i));
    const root = first ?? some.reduce((best, i) => (near[i].length > near[best].length ? i : best), some[0]);
    const branches = new Map();
    seen[root] = 1;
    const queue = [root];
    for (const i of queue) {
      const next = [...new Set(near[i])].filter((other) => !seen[other]);
      next.forEach((other) => (seen[other] = 1));
      branches.set(i, next);
      queue.push(...next);
    }
    return d3.hierarchy(root, (i) => branches.get(i)).sort((a, b) => b.height - a.height || a.data - b.data);
  });
}

function tree(task) {
  const places = new Float32Array(2 * task.radii.length);
  let [bottom, alone] = [0, 0];
  for (const root of trees(task)) {
    if (!root.children) {
      // What has no relationship is a row of its own below, so many beside each other.
      [places[2 * root.data], places[2 * root.data + 1]] = [
        (alone % 6) * COLUMN,
        -bottom - Math.floor(alone / 6) * ROW,
      ];
      alone += 1;
      continue;
    }
    d3
      .tree()
      .nodeSize([ROW, COLUMN])
      .separation(() => 1)(root);
    let [low, high] = [Infinity, -Infinity];
    root.each((node) => ([low, high] = [Math.min(low, node.x), Math.max(high, node.x)]));
    root.each((node) => ([places[2 * node.data], places[2 * node.data + 1]] = [node.y, -(bottom + node.x - low)]));
    bottom += high - low + 3 * ROW;
  }
  return places;
}

function radial(task) {
  const { radii } = task;
  const places = new Float32Array(2 * radii.length);
  const discs = trees(task).map((root) => {
    const leaves = root.leaves().length;
    const ring = Math.max(110, (leaves * ROW) / (2 * Math.PI * Math.max(1, root.height)));
    d3
      .tree()
      .size([2 * Math.PI, Math.max(1, root.height) * ring])
      .separation((a, b) => (a.parent === b.parent ? 1 : 1.5) / Math.max(1, a.depth))(root);
    return { root, r: root.height ? root.height * ring + 60 : 2 * ROW, x: 0, y: 0 };
  });
  discs.sort((a, b) => b.r - a.r);
  d3.packSiblings(discs);
  for (const { root, x, y } of discs)
    root.each((node) => {
      const far = root.height ? node.y : 0;
      places[2 * node.data] = x + far * Math.cos(node.x);
      places[2 * node.data + 1] = y + far * Math.sin(node.x);
    });
  return places;
}

function label({ radii, groups }) {
  const places = new Float32Array(2 * radii.length);
  const members = new Map();
  groups.forEach((group, i) => members.set(group, [...(members.get(group) ?? []), i]));
  const data = { children: [...members.values()].map((some) => ({ children: some.map((i) => ({ i })) })) };
  const root = d3.hierarchy(data).sum((each) => (each.i === undefined ? 0 : 1));
  root.sort((a, b) => b.value - a.value);
  d3
    .pack()
    .radius((node) => radii[node.data.i] + 2 * MARGIN)
    .padding(3 * MARGIN)(root);
  for (const leaf of root.leaves()) [places[2 * leaf.data.i], places[2 * leaf.data.i + 1]] = [leaf.x, leaf.y];
  return places;
}

// Undated nodes are a column of their own at the left.
function time({ radii, groups, dates }) {
  const places = new Float32Array(2 * radii.length);
  const dated = [...dates].filter((date) => !Number.isNaN(date));
  const [least, most] = [
    dated.reduce((a, b) => Math.min(a, b), Infinity),
    dated.reduce((a, b) => Math.max(a, b), -Infinity),
  ];
  const columns = Math.round(LONG / ROW);
  const column = (i) =>
    Number.isNaN(dates[i]) ? -4 : Math.round(((dates[i] - least) / (most - least || 1)) * columns);
  // The lanes, each with the nodes of its columns.
  const lanes = new Map();
  groups.forEach((group, i) => {
    if (!lanes.has(group)) lanes.set(group, new Map());
    const lane = lanes.get(group);
    const at = column(i);
    if (!lane.has(at)) lane.set(at, []);
    lane.get(at).push(i);
  });
  const tall = (lane) => Math.max(...[...lane.values()].map((some) => some.length));
  // Many nodes of a column stand so many beside each other that the whole is no taller than it is wide.
  const rows = [...lanes.values()].reduce((sum, lane) => sum + tall(lane), 0);
  const beside = Math.max(1, Math.floor(Math.sqrt(rows / columns)));
  const step = beside === 1 ? ROW : (beside + 1) * ROW;
  let base = 0;
  for (const [, lane] of [...lanes].sort(([a], [b]) => a - b)) {
    for (const [at, some] of lane)
      some.forEach((i, high) => {
        const [x, y] = [at * step + (high % beside) * ROW, -(base + Math.floor(high / beside) * ROW)];
        [places[2 * i], places[2 * i + 1]] = [x, y];
      });
    base += Math.ceil(tall(lane) / beside) * ROW + 2 * ROW;
  }
  return places;
}

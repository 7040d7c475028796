"use strict";
const { nodes, edges, colours } = JSON.parse(document.getElementById("data").textContent);
const canvas = document.querySelector("canvas");
const draw = canvas.getContext("2d");
const view = { x: 0, y: 0, scale: 1 };
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
let chosen = null;
let found = "";

// Where nodes begin depends on their order alone, so that one file always gives one picture.
nodes.forEach((node, place) => {
  const turn = place * 2.399963;
  const far = 12 * Math.sqrt(place + 1);
  Object.assign(node, { x: far * Math.cos(turn), y: far * Math.sin(turn), dx: 0, dy: 0, degree: 0, near: [] });
});
for (const [start, type, end] of edges) {
  nodes[start].degree++;
  nodes[end].degree++;
  nodes[start].near.push([type, end, "→"]);
  nodes[end].near.push([type, start, "←"]);
}

// Forces: neighbours attract, and all nodes repel each other. Of very many, those in neighbouring cells of a grid do.
const CELL = nodes.length > 1200 ? 200 : Infinity;
const named = new Set([...nodes].sort((one, other) => other.degree - one.degree).slice(0, 40));
function step(heat) {
  const cells = new Map();
  for (const node of nodes) {
    const name = `${Math.floor(node.x / CELL)},${Math.floor(node.y / CELL)}`;
    if (!cells.has(name)) cells.set(name, []);
    cells.get(name).push(node);
    node.dx = -node.x * 0.002;
    node.dy = -node.y * 0.002;
  }
  for (const node of nodes) {
    const column = Math.floor(node.x / CELL);
    const row = Math.floor(node.y / CELL);
    for (let i = column - 1; i <= column + 1; i++)
      for (let j = row - 1; j <= row + 1; j++)
        for (const other of cells.get(`${i},${j}`) ?? []) {
          if (other === node) continue;
          const x = node.x - other.x || 0.01;
          const y = node.y - other.y || 0.01;
          const force = 400 / (x * x + y * y + 20);
          node.dx += x * force;
          node.dy += y * force;
        }
  }
  for (const [start, , end] of edges) {
    const one = nodes[start];
    const other = nodes[end];
    const pull = 0.05 / Math.sqrt(Math.max(1, Math.min(one.degree, other.degree)));
    const x = (other.x - one.x) * pull;
    const y = (other.y - one.y) * pull;
    one.dx += x;
    one.dy += y;
    other.dx -= x;
    other.dy -= y;
  }
  for (const node of nodes) {
    const length = Math.hypot(node.dx, node.dy) || 1;
    const most = Math.min(length, 30 * heat) / length;
    node.x += node.dx * most;
    node.y += node.dy * most;
  }
}

const radius = (node) => (4 + Math.min(12, 1.5 * Math.sqrt(node.degree))) / Math.min(1, view.scale);

function paint() {
  const wide = (canvas.width = canvas.clientWidth * devicePixelRatio);
  const high = (canvas.height = canvas.clientHeight * devicePixelRatio);
  const scale = view.scale * devicePixelRatio;
  draw.clearRect(0, 0, wide, high);
  draw.setTransform(scale, 0, 0, scale, wide / 2 + view.x * scale, high / 2 + view.y * scale);
  draw.lineWidth = 0.6 / view.scale;
  for (const [start, , end] of edges) {
    const near = chosen === null || start === chosen || end === chosen;
    draw.strokeStyle = dark ? `rgba(200,200,200,${near ? 0.5 : 0.08})` : `rgba(90,90,90,${near ? 0.5 : 0.08})`;
    draw.beginPath();
    draw.moveTo(nodes[start].x, nodes[start].y);
    draw.lineTo(nodes[end].x, nodes[end].y);
    draw.stroke();
  }
  nodes.forEach((node, place) => {
    const seen = !found || node.key.toLowerCase().includes(found);
    draw.globalAlpha = seen ? 1 : 0.15;
    draw.fillStyle = colours[node.label];
    draw.beginPath();
    draw.arc(node.x, node.y, radius(node), 0, 2 * Math.PI);
    draw.fill();
    if (place === chosen || (seen && (found || named.has(node) || view.scale > 2.5))) {
      draw.fillStyle = dark ? "#ddd" : "#222";
      draw.font = `${11 / view.scale}px system-ui, sans-serif`;
      draw.fillText(node.key.slice(0, 40), node.x + radius(node) + 2, node.y + 4 / view.scale);
    }
  });
  draw.globalAlpha = 1;
}

// Every text is set as text.
function element(tag, text, parent) {
  const made = document.createElement(tag);
  made.textContent = text;
  parent.append(made);
  return made;
}

function tell() {
  const place = document.getElementById("details");
  place.replaceChildren();
  if (chosen === null) return;
  const node = nodes[chosen];
  element("h1", `${node.label} ${node.key}`, place);
  const list = element("dl", "", place);
  for (const [name, value] of Object.entries(node.properties)) {
    element("dt", name, list);
    element("dd", [value].flat().join(", "), list);
  }
  for (const [type, other, arrow] of node.near.slice(0, 200)) {
    element("dt", `${arrow} ${type}`, list);
    element("dd", `${nodes[other].label} ${nodes[other].key}`, list);
  }
}

const legend = document.getElementById("legend");
for (const [label, colour] of Object.entries(colours)) {
  const line = element("li", "", legend);
  element("span", "", line).style.background = colour;
  line.append(`${label} (${nodes.filter((node) => node.label === label).length})`);
}
document.querySelector("input").addEventListener("input", (event) => {
  found = event.target.value.toLowerCase();
  paint();
});
let held = null;
canvas.addEventListener("pointerdown", (event) => {
  held = { x: event.clientX, y: event.clientY, moved: false };
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointermove", (event) => {
  if (!held) return;
  const x = event.clientX - held.x;
  const y = event.clientY - held.y;
  if (Math.hypot(x, y) < 3 && !held.moved) return;
  held = { x: event.clientX, y: event.clientY, moved: true };
  view.x += x / view.scale;
  view.y += y / view.scale;
  paint();
});
canvas.addEventListener("pointerup", (event) => {
  const box = canvas.getBoundingClientRect();
  if (held && !held.moved) {
    const x = (event.clientX - box.left - box.width / 2) / view.scale - view.x;
    const y = (event.clientY - box.top - box.height / 2) / view.scale - view.y;
    const at = nodes.findIndex((node) => Math.hypot(node.x - x, node.y - y) <= radius(node) + 3 / view.scale);
    chosen = at < 0 ? null : at;
    tell();
    paint();
  }
  held = null;
});
canvas.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    view.scale = Math.min(8, Math.max(0.05, view.scale * Math.exp(-event.deltaY / 500)));
    paint();
  },
  { passive: false },
);
addEventListener("resize", paint);

function fit() {
  const far = nodes.reduce((most, node) => Math.max(most, Math.abs(node.x), Math.abs(node.y)), 1);
  view.scale = Math.min(2, Math.min(canvas.clientWidth, canvas.clientHeight) / (2.2 * far));
}

let round = 0;
const ROUNDS = nodes.length > 1500 ? 150 : 300;
(function run() {
  for (let i = 0; i < 5 && round < ROUNDS; i++) step(1 - round++ / ROUNDS);
  fit();
  paint();
  if (round < ROUNDS) requestAnimationFrame(run);
})();

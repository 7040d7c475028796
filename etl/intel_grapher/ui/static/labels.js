// Labels of nodes and relationships: each takes a free place beside its node, or gives way.
import { RINGS, css } from "./palette.js";

const CELL = 40; // pixels
const NODE = 1; // what a rectangle is of; 0: of a label
const MOST_NODES = 3000; // with more, labels keep off each other alone

/** What is taken of the screen in one drawing: rectangles, found by the cells that they touch. */
export class Taken {
  #cells = new Map();
  width = 0;
  height = 0;

  constructor({ width, height }) {
    [this.width, this.height] = [width, height];
  }

  /** Returns what the nodes of a picture take. */
  static byNodes(sigma) {
    const taken = new Taken(sigma.getDimensions());
    const all = sigma.nodeDataCache;
    const ids = Object.keys(all);
    if (ids.length > MOST_NODES) return taken;
    for (const id of ids) {
      const node = all[id];
      if (!node.hidden)
        taken.addNode(sigma.framedGraphToViewport(node), sigma.scaleSize(node.size) * (node.ring ? 1.4 : 1));
    }
    return taken;
  }

  addNode({ x, y }, r) {
    const { width, height } = this;
    if (x + r > 0 && y + r > 0 && x - r < width && y - r < height) this.add([x - r, y - r, x + r, y + r, NODE]);
  }

  *#around([left, top, right, bottom]) {
    for (let i = Math.floor(left / CELL); i <= Math.floor(right / CELL); i += 1)
      for (let j = Math.floor(top / CELL); j <= Math.floor(bottom / CELL); j += 1) yield i * 65536 + j;
  }

  add(box) {
    for (const cell of this.#around(box)) {
      if (!this.#cells.has(cell)) this.#cells.set(cell, []);
      this.#cells.get(cell).push(box);
    }
  }

  /** Whether a place is on the screen, and nothing is there; `of`: no node, though there may be labels. */
  free([left, top, right, bottom], of = 0) {
    if (left < 0 || top < 0 || right > this.width || bottom > this.height) return false;
    for (const cell of this.#around([left, top, right, bottom]))
      for (const [l, t, r, b, what = 0] of this.#cells.get(cell) ?? [])
        if (what >= of && left < r && right > l && top < b && bottom > t) return false;
    return true;
  }
}

/**
 * Returns the place beside a node that a text takes: the text's left end, and its middle. It is the first of four that
 * is free; if none is, null, or with `forced` one where it covers no node, if there is one.
 * @param {Taken} taken
 * @param {{x: number, y: number}} node
 * @param {{gap: number, width: number, half: number, forced?: boolean}} text
 */
export function beside(taken, { x, y }, { gap, width, half, forced = false }) {
  const middle = Math.max(2, Math.min(taken.width - width - 2, x - width / 2));
  const places = [
    [x + gap, y],
    [x - gap - width, y],
    [middle, y + gap + half - 2],
    [middle, y - gap - half + 2],
  ];
  /** @type {(at: number[]) => [number, number, number, number]} */
  const box = ([left, mid]) => [left - 1, mid - half, left + width + 1, mid + half];
  const free = (of = 0) => places.find((each) => taken.free(box(each), of));
  const place = free() ?? (forced ? (free(NODE) ?? places[0]) : null);
  if (place) taken.add(box(place));
  return place;
}

/** Draw a node's key, and how many of its relationships are not shown. `forced`: even where it covers something. */
export function drawLabel(context, node, settings, taken, { forced = false, strong = false } = {}) {
  if (!node.label) return;
  const size = settings.labelSize;
  const badge = node.missing ? `+${node.missing > 999 ? `${Math.round(node.missing / 1000)}k` : node.missing}` : "";
  context.font = `${strong ? "600 " : ""}${size}px ${settings.labelFont}`;
  const wide = context.measureText(node.label).width;
  context.font = `${size - 2}px ${settings.labelFont}`;
  const badgeWide = badge ? context.measureText(badge).width + 11 : 0;
  const half = size * 0.72;
  const gap = node.size * (node.ring ? 1.45 : 1) + 4;
  const place = beside(taken, node, { gap, width: wide + badgeWide, half, forced });
  if (!place) return;
  const [x, y] = place;
  context.fillStyle = css("--canvas");
  context.globalAlpha = strong ? 0.95 : 0.72;
  context.fillRect(x - 2, y - half, wide + 4, 2 * half);
  context.globalAlpha = 1;
  context.fillStyle = css("--text");
  context.font = `${strong ? "600 " : ""}${size}px ${settings.labelFont}`;
  context.fillText(node.label, x, y + size / 3);
  if (!badge) return;
  const left = x + wide + 4;
  context.beginPath();
  context.roundRect(left, y - 7, badgeWide - 3, 14, 7);
  context.fillStyle = css("--soft");
  context.fill();
  context.fillStyle = css("--raised");
  context.font = `${size - 2}px ${settings.labelFont}`;
  context.fillText(badge, left + 4, y + 3.2);
}

/** Draw the type of a relationship on its line, where there is room for it. */
export function drawEdgeLabel(context, text, source, target, settings, taken) {
  const [dx, dy] = [target.x - source.x, target.y - source.y];
  const length = Math.hypot(dx, dy);
  context.font = `${settings.labelSize - 2}px ${settings.labelFont}`;
  const width = context.measureText(text).width;
  if (width + source.size + target.size + 26 > length) return;
  const angle = Math.atan2(dy, dx);
  const at = (along) => [source.x + along * dx, source.y + along * dy];
  // A text that stands askew is some small squares along its line.
  const squares = (along) =>
    Array.from({ length: Math.ceil(width / 10) + 1 }, (_, i) => {
      const [x, y] = at(along + (i * 10 - width / 2) / length);
      return [x - 5, y - 5, x + 5, y + 5];
    });
  const place = [0.5, 0.4, 0.6].find((along) => squares(along).every((square) => taken.free(square)));
  if (place === undefined) return;
  squares(place).forEach((square) => taken.add(square));
  context.save();
  const [x, y] = at(place);
  context.translate(x, y);
  context.rotate(Math.abs(angle) > Math.PI / 2 ? angle + Math.PI : angle);
  context.fillStyle = css("--canvas");
  context.globalAlpha = 0.85;
  context.fillRect(-width / 2 - 2, -6, width + 4, 12);
  context.globalAlpha = 1;
  context.fillStyle = css("--soft");
  context.fillText(text, -width / 2, 3.2);
  context.restore();
}

/**
 * Draw on a node what is said about it: a ring for the verdict; badges for notes, tags, warning lists, style rules; a
 * dot if it is new, the face of a clock if it is old, the number of members of a folded group.
 */
export function drawMarks(context, { x, y, size }, said) {
  const { verdict, notes, tags, fresh, count, warned, badge, old } = said;
  if (verdict) {
    context.beginPath();
    context.arc(x, y, size + 2.6, 0, 2 * Math.PI);
    context.lineWidth = Math.min(3, 1 + size / 4);
    context.strokeStyle = css(RINGS[verdict]);
    context.stroke();
  }
  if (size < 3) return;
  if (count) {
    // Two lines above it, as of a pile; the number stands in the middle.
    context.strokeStyle = css("--soft");
    context.lineWidth = 1.2;
    for (const more of [4, 7]) {
      context.beginPath();
      context.arc(x, y, size + more, -2.1, -1);
      context.stroke();
    }
    context.font = `600 ${Math.max(8, Math.min(13, size))}px system-ui, DejaVu Sans, sans-serif`;
    context.textAlign = "center";
    context.lineWidth = 3;
    context.strokeStyle = css("--canvas");
    context.strokeText(String(count), x, y + size * 0.35);
    context.fillStyle = css("--text");
    context.fillText(String(count), x, y + size * 0.35);
    context.textAlign = "start";
  }
  const dot = (dx, dy, colour, text) => {
    context.beginPath();
    context.arc(x + dx * size * 0.95, y + dy * size * 0.95, text ? 4 + 1.8 * text.length : 3.2, 0, 2 * Math.PI);
    context.fillStyle = css(colour);
    context.fill();
    context.lineWidth = 1;
    context.strokeStyle = css("--canvas");
    context.stroke();
    if (!text) return;
    context.fillStyle = css("--accent-text");
    context.font = "600 8px system-ui, DejaVu Sans, sans-serif";
    context.textAlign = "center";
    context.fillText(text, x + dx * size * 0.95, y + dy * size * 0.95 + 2.9);
    context.textAlign = "start";
  };
  if (notes) dot(0.75, -0.75, "--accent", String(Math.min(9, notes)));
  if (tags?.length) dot(0.75, 0.75, "--good");
  if (fresh) dot(-0.75, -0.75, "--accent");
  if (badge || warned?.length) dot(-0.75, 0.75, badge ? "--soft" : "--warn", badge || "!");
  if (old) hand(context, x, y + size * 1.1);
}

// The face of a clock: not seen for long.
function hand(context, x, y) {
  context.beginPath();
  context.arc(x, y, 4, 0, 2 * Math.PI);
  context.fillStyle = css("--raised");
  context.fill();
  context.moveTo(x, y - 2.6);
  context.lineTo(x, y);
  context.lineTo(x + 2, y + 1);
  context.lineWidth = 1;
  context.strokeStyle = css("--soft");
  context.stroke();
}

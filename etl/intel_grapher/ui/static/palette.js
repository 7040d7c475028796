// Colours and shapes of the schema's labels, in the picture, the legend, and the exports.

export const SHAPES = ["circle", "square", "diamond", "triangle", "hexagon", "star", "cross"];
let labels = {};

/**
 * Takes over the schema's labels, as the server states them.
 * @param {Record<string, any>} schema
 */
export const learn = (schema) => {
  labels = schema;
};

/**
 * Returns the text by which a person knows a node: the label's title property, or the key.
 * @param {{label: string, key: string, properties?: Record<string, any>}} node
 */
export function titleOf({ label, key, properties = {} }) {
  const { title = [], title_with_key: withKey = false } = labels[label] ?? {};
  const text = title.map((name) => properties[name]).find(Boolean);
  if (!text) return key;
  return withKey ? `${key} ${text}` : text;
}

export const isDark = () => document.documentElement.dataset.theme === "dark";

// The style's own colours; asked for each node and line, so kept until the theme changes.
const kept = new Map();
export function css(name) {
  const key = `${document.documentElement.dataset.theme} ${name}`;
  if (!kept.has(key)) kept.set(key, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return kept.get(key);
}

export function colourOf(label) {
  const colour = labels[label]?.colour ?? "#999999";
  if (label === undefined) return colour;
  // What is nearly the background's colour is drawn in the other: black in the dark, light yellow in the light.
  if (isDark()) return luminance(colour) < 0.05 ? "#d5d9dd" : colour;
  return luminance(colour) > 0.7 ? "#b8a600" : colour;
}

/** What colours mean: a node's label, its verdict, or its age. */
export const COLOURED = { label: "Label", verdict: "Verdict", age: "Age" };
let coloured = "label";
export const colourBy = (what) => {
  coloured = Object.hasOwn(COLOURED, what) ? what : "label";
};

const DAY = 86_400_000;
const YEAR = 365 * DAY;

/** Returns for how many days a node has not been seen, null where that is not known. */
export function ageInDays({ properties }) {
  const seen = Date.parse(properties?.last_seen ?? properties?.first_seen);
  return Number.isNaN(seen) ? null : Math.max(0, Math.floor((Date.now() - seen) / DAY));
}

/** What ages are told apart, each with the days from which on it holds; a node without a date is undated. */
export const AGE_GROUPS = { "over a year": 365, "over 30 days": 30, "30 days or less": 0 };
export const UNDATED = "undated";
export const ageGroup = (node) => {
  const days = ageInDays(node);
  if (days === null) return UNDATED;
  return Object.keys(AGE_GROUPS).find((name) => days > AGE_GROUPS[name] || !AGE_GROUPS[name]);
};

/** The style's names of the colours of verdicts. */
export const RINGS = { malicious: "--bad", suspicious: "--warn", benign: "--good", unknown: "--soft" };

/** Returns the colour of a node, by what colours mean now. */
export function colourFor(node, { verdict }) {
  if (coloured === "label" || node.more) return colourOf(node.label);
  if (coloured === "verdict") return css(RINGS[verdict] ?? "--faint");
  const days = ageInDays(node);
  if (days === null) return css("--faint");
  const old = Math.min(1, (days * DAY) / (2 * YEAR));
  return `#${[0, 1, 2]
    .map((i) =>
      Math.round(AGES[0][i] + old * (AGES[1][i] - AGES[0][i]))
        .toString(16)
        .padStart(2, "0"),
    )
    .join("")}`;
}
const AGES = [
  [214, 69, 20],
  [70, 110, 170],
]; // of today, and of two years ago and more

export const shapeOf = (label) => labels[label]?.shape ?? "circle";

function luminance(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => (parseInt(colour.slice(at, at + 2), 16) / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// Corners of each shape in the unit circle; the circle has none.
export function corners(shape) {
  const around = (count, turn, radius = (_i) => 1) =>
    Array.from({ length: count }, (_, i) => {
      const angle = turn + (2 * Math.PI * i) / count;
      return [radius(i) * Math.cos(angle), radius(i) * Math.sin(angle)];
    });
  const up = -Math.PI / 2;
  switch (shape) {
    case "square":
      return around(4, Math.PI / 4);
    case "diamond":
      return around(4, 0);
    case "triangle":
      return around(3, up);
    case "hexagon":
      return around(6, 0);
    case "star":
      return around(10, up, (i) => (i % 2 ? 0.45 : 1));
    case "cross":
      return [
        [-0.3, -0.95],
        [0.3, -0.95],
        [0.3, -0.3],
        [0.95, -0.3],
        [0.95, 0.3],
        [0.3, 0.3],
        [0.3, 0.95],
        [-0.3, 0.95],
        [-0.3, 0.3],
        [-0.95, 0.3],
        [-0.95, -0.3],
        [-0.3, -0.3],
      ];
    default:
      return null;
  }
}

const SVG = "http://www.w3.org/2000/svg";

export function mark(shape, colour, x, y, radius) {
  const points = corners(shape);
  const element = document.createElementNS(SVG, points ? "polygon" : "circle");
  if (points)
    element.setAttribute(
      "points",
      points.map(([px, py]) => `${(x + radius * px).toFixed(1)},${(y + radius * py).toFixed(1)}`).join(" "),
    );
  else
    for (const [name, value] of [
      ["cx", x],
      ["cy", y],
      ["r", radius],
    ])
      element.setAttribute(name, value.toFixed(1));
  element.setAttribute("fill", colour);
  return element;
}

export function sign(label) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "sign");
  svg.setAttribute("aria-hidden", "true");
  svg.append(mark(shapeOf(label), colourOf(label), 8, 8, 7));
  return svg;
}

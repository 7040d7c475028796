// Relationships under the pointer: found by their distance to it, told on a card, and opened in the panel by a click.
import { day, el, fill, shortened } from "./dom.js";

const NEAR = 5; // pixels

export class EdgeCard {
  hovered = null;
  #at = null;

  constructor(picture, onchange) {
    this.picture = picture;
    this.onchange = onchange;
    this.box = el("div", { id: "card", role: "tooltip", hidden: true });
    picture.container.parentElement.append(this.box);
    picture.container.addEventListener("mousemove", (event) => {
      const before = this.#at;
      this.#at = event;
      if (before) return;
      requestAnimationFrame(() => this.#look(this.#at));
    });
    picture.container.addEventListener("mouseleave", () => this.#show(null));
  }

  /** The relationship at a place on the screen, if a node is not there. */
  at({ x, y }) {
    const { sigma, model } = this.picture;
    if (model.graph.size > 4000 || this.picture.at({ x, y })) return null;
    const places = new Map();
    const place = (id) => {
      if (!places.has(id)) places.set(id, sigma.framedGraphToViewport(sigma.nodeDataCache[id]));
      return places.get(id);
    };
    let [found, least] = [null, NEAR];
    model.graph.forEachEdge((id, edge, start, end) => {
      if (sigma.edgeDataCache[id]?.hidden ?? true) return;
      const [a, b] = [place(start), place(end)];
      const [dx, dy] = [b.x - a.x, b.y - a.y];
      const along = Math.max(0, Math.min(1, ((x - a.x) * dx + (y - a.y) * dy) / (dx * dx + dy * dy || 1)));
      const far = Math.hypot(a.x + along * dx - x, a.y + along * dy - y);
      if (far < least) [found, least] = [id, far];
    });
    return found;
  }

  #look(event) {
    this.#at = null;
    if (event.buttons) return this.#show(null);
    const box = this.picture.container.getBoundingClientRect();
    const [x, y] = [event.clientX - box.x, event.clientY - box.y];
    return this.#show(this.at({ x, y }), x, y);
  }

  #show(id, x = 0, y = 0) {
    const edge = id && this.picture.model.graph.getEdgeAttributes(id);
    if (!edge || (edge.more && !edge.fold)) id = null;
    if (id === this.hovered) return;
    this.hovered = id;
    this.box.hidden = !id;
    if (id) {
      fill(this.box, cardOf(edge));
      const { clientWidth: wide } = this.picture.container;
      this.box.style.left = `${Math.min(x + 12, Math.max(0, wide - 300))}px`;
      this.box.style.top = `${y + 14}px`;
    }
    this.onchange();
  }
}

export function seenText({ first_seen: first, last_seen: last } = /** @type {any} */ ({})) {
  if (first && last) return `${day(first)} – ${day(last)}`;
  return first ? `first seen ${day(first)}` : last ? `last seen ${day(last)}` : "no dates";
}

const cardOf = (edge) => [
  el("strong", {}, edge.fold ? `${edge.type} ×${edge.count}` : edge.type),
  el("div", { class: "key" }, `${shortened(edge.start.key, 40)} → ${shortened(edge.end.key, 40)}`),
  el("div", {}, seenText(edge.properties)),
  el("div", { class: "soft" }, (edge.properties?.sources ?? []).join(", ") || "no source"),
];

// Choosing many nodes in the picture: a box (Shift and drag), a lasso (Alt and drag, or the tool), all, or others.
const SVG = "http://www.w3.org/2000/svg";
const MOVED = 4; // pixels, from which on a click is a drag

export class Selection {
  #points = null;
  #shape = null;
  tool = false; // a drag without a key is a lasso

  constructor(picture, model) {
    this.picture = picture;
    this.model = model;
    this.overlay = document.createElementNS(SVG, "svg");
    this.overlay.id = "lasso";
    this.overlay.setAttribute("aria-hidden", "true");
    this.polygon = document.createElementNS(SVG, "polygon");
    this.overlay.append(this.polygon);
    picture.container.parentElement.append(this.overlay);
    // In the capture phase: what selects does not move the picture.
    picture.container.addEventListener("mousedown", (event) => this.#begin(event), true);
    addEventListener("mousemove", (event) => this.#move(event), true);
    addEventListener("mouseup", (event) => this.#end(event), true);
  }

  seen() {
    const { graph } = this.model;
    return graph.filterNodes((id, node) => (!node.more || node.fold) && this.model.seesNode(id));
  }
  all() {
    this.model.selectAll(this.seen());
  }
  invert() {
    this.model.selectAll(this.seen().filter((id) => !this.model.chosen.has(id)));
  }
  ofLabel(label) {
    this.model.selectAll(this.seen().filter((id) => this.model.node(id).label === label));
  }
  neighbours() {
    const { graph, chosen } = this.model;
    this.model.selectAll(
      [...chosen, ...[...chosen].flatMap((id) => graph.neighbors(id))].filter(
        (id) => this.model.seesNode(id) && (!this.model.node(id).more || this.model.node(id).fold),
      ),
    );
  }

  #place({ clientX, clientY }) {
    const box = this.picture.container.getBoundingClientRect();
    return { x: clientX - box.x, y: clientY - box.y };
  }

  #begin(event) {
    const lasso = event.altKey || (this.tool && !event.shiftKey);
    if (event.button || !(lasso || event.shiftKey)) return;
    if (this.tool && !event.altKey && !event.shiftKey && this.picture.at(this.#place(event))) return;
    event.stopPropagation();
    event.preventDefault();
    this.#shape = lasso ? "lasso" : "box";
    this.#points = [this.#place(event)];
  }

  #move(event) {
    if (!this.#points) return;
    event.stopPropagation();
    this.#points.push(this.#place(event));
    this.polygon.setAttribute(
      "points",
      this.#outline()
        .map(({ x, y }) => `${x},${y}`)
        .join(" "),
    );
  }

  #outline() {
    const [first, last] = [this.#points[0], this.#points.at(-1)];
    if (this.#shape === "lasso") return this.#points;
    return [first, { x: last.x, y: first.y }, last, { x: first.x, y: last.y }];
  }

  #end(event) {
    if (!this.#points) return;
    const outline = this.#outline();
    const [first, last] = [this.#points[0], this.#points.at(-1)];
    const dragged = this.#points.some((point) => Math.hypot(point.x - first.x, point.y - first.y) > MOVED);
    this.#points = null;
    this.polygon.removeAttribute("points");
    if (!dragged || !last) return; // a click: it goes its way
    event.stopPropagation();
    addEventListener("click", (click) => click.stopPropagation(), { capture: true, once: true });
    setTimeout(() => dispatchEvent(new Event("click")), 0); // no click may follow: then nothing is left waiting for one
    const inside = this.seen().filter((id) => within(outline, this.picture.place(id)));
    this.model.selectAll(event.ctrlKey ? [...this.model.chosen, ...inside] : inside);
  }
}

function within(outline, { x, y }) {
  let inside = false;
  outline.forEach((a, i) => {
    const b = outline[(i + 1) % outline.length];
    if (a.y > y !== b.y > y && x < ((b.x - a.x) * (y - a.y)) / (b.y - a.y) + a.x) inside = !inside;
  });
  return inside;
}

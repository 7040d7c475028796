// The graph, drawn by sigma: nodes and lines show what is hidden, selected or under the pointer.
import { ageInDays, css, colourFor, shapeOf, titleOf } from "./palette.js";
import { number, shortened } from "./dom.js";
import { foldText } from "./folds.js";
import { EdgeCard } from "./edge-card.js";
import { panFast } from "./fast-pan.js";
import { ArrowProgram, ThinProgram } from "./edge-programs.js";
import { Taken, drawEdgeLabel, drawLabel, drawMarks } from "./labels.js";
import { weightOf } from "./layout.js";
import { ShapeProgram } from "./node-program.js";

const MANY_EDGES = 4000;
const NAMED_EDGES = 250; // with more relationships in the picture, their types are on the card alone
const LARGEST_NODE = 9; // pixels, of the radius of a node without relationships
const LEAST_NODE = 1.2;
const ROOM = 0.3; // of the distance to the nearest neighbour that a node's radius takes
const SAMPLED = 250; // nodes whose nearest neighbour is looked for
const PADDING = 52; // pixels around the whole
const CLOSEST = 1.5; // pixels of a layout's unit, nearer to which the camera does not go by itself
const MOST_FORCED = 12; // nodes that are selected and have their labels even where these cover something
const OLD = 365; // days after which a node that was not seen since has a mark
const DIGEST = /^[0-9a-f]{32,}$/; // its beginning tells it apart

export class Picture {
  #hovered = null;
  #near = new Set();
  #dragged = null;
  #taken = null;
  #paired = new Set();
  #radius = LARGEST_NODE;
  #blinking = null;
  many = null; // whether less is drawn
  named = null; // whether relationships have their type on the line

  constructor(container, model, { layout, remarks, styles, onopen, onmenu }) {
    this.model = model;
    this.remarks = remarks;
    this.styles = styles;
    this.container = container;
    this.sigma = new globalThis.Sigma(model.graph, container, {
      allowInvalidContainer: true,
      defaultNodeType: "shape",
      nodeProgramClasses: { shape: ShapeProgram },
      nodeHoverProgramClasses: { shape: ShapeProgram },
      edgeProgramClasses: { arrow: ArrowProgram, thin: ThinProgram },
      defaultEdgeType: "arrow",
      renderEdgeLabels: false,
      labelFont: "system-ui, DejaVu Sans, sans-serif",
      labelSize: 11,
      labelDensity: 2,
      labelGridCellSize: 70,
      labelRenderedSizeThreshold: 2.5,
      minCameraRatio: 0.02,
      maxCameraRatio: 12,
      stagePadding: PADDING,
      zIndex: true,
      nodeReducer: (id, node) => this.#node(id, node),
      edgeReducer: (id, edge) => this.#edge(id, edge),
      defaultDrawNodeLabel: (context, node, settings) => this.#label(context, node, settings),
      defaultDrawNodeHover: (context, node, settings) => this.#label(context, node, settings, true),
      defaultDrawEdgeLabel: (context, edge, source, target, settings) =>
        this.#edgeLabel(context, edge, source, target, settings),
    });
    this.sigma.getNodeAtPosition = (place) => this.at(place);
    panFast(this.sigma, () => this.#many);
    model.addEventListener("bulk", ({ detail }) =>
      this.sigma.setGraph(detail === "begin" ? new globalThis.graphology.Graph() : model.graph),
    );
    this.card = new EdgeCard(this, () => this.sigma.refresh({ skipIndexation: true }));
    this.#listen(onopen, onmenu);
    model.addEventListener("change", () => this.#settings());
    for (const what of ["select", "filter", "remarks"]) model.addEventListener(what, () => this.redraw());
    layout.addEventListener("ended", ({ detail }) => {
      this.#scale();
      this.redraw();
      if (detail.whole) this.fit();
    });
    this.sigma.on("beforeRender", () => {
      this.#taken = null;
      this.#paired.clear();
    });
    this.sigma.on("afterRender", () => this.#marks());
    this.sigma.on("resize", () => this.#scale());
    this.#settings();
  }

  // Nodes are as large as their neighbours leave room for where the whole is in view; zoomed, it is sigma's rule.
  #scale() {
    const { graph } = this.model;
    this.#radius = LARGEST_NODE;
    if (graph.order < 2) return;
    const places = graph.mapNodes((_, { x, y }) => [x, y]);
    const reach = (axis) => {
      const [least, most] = places.reduce(
        ([a, b], at) => [Math.min(a, at[axis]), Math.max(b, at[axis])],
        [Infinity, -Infinity],
      );
      return most - least || 1;
    };
    const { width, height } = this.sigma.getDimensions();
    const room = (pixels) => Math.max(1, pixels - 2 * PADDING);
    const pixels = Math.min(room(width) / reach(0), room(height) / reach(1)); // of a unit
    const step = Math.ceil(places.length / SAMPLED);
    const near = places.filter((_, i) => i % step === 0).map((at) => nearest(at, places));
    const usual = near.sort((a, b) => a - b)[Math.floor(near.length * 0.15)];
    this.#radius = Math.max(LEAST_NODE, Math.min(LARGEST_NODE, ROOM * usual * pixels)) || LARGEST_NODE;
  }

  // Where a node is on the screen.
  place(id) {
    return this.sigma.graphToViewport(this.model.node(id));
  }

  // The node at a place on the screen. Sigma would read it back from the graphics card, and wait for a whole frame.
  at(place) {
    const { sigma } = this;
    const here = sigma.viewportToFramedGraph(place);
    const beside = sigma.viewportToFramedGraph({ x: place.x + 1, y: place.y });
    const pixel = Math.hypot(beside.x - here.x, beside.y - here.y);
    const all = sigma.nodeDataCache;
    let [found, level] = [null, -1];
    for (const id in all) {
      const node = all[id];
      const reach = sigma.scaleSize(node.size) * pixel;
      if (node.hidden || Math.abs(node.x - here.x) > reach || Math.abs(node.y - here.y) > reach) continue;
      if (Math.hypot(node.x - here.x, node.y - here.y) <= reach && node.zIndex >= level)
        [found, level] = [id, node.zIndex];
    }
    return found;
  }

  redraw() {
    this.sigma.refresh({ skipIndexation: false });
  }

  fit() {
    this.sigma.getCamera().animate({ x: 0.5, y: 0.5, ratio: 1, angle: 0 }, { duration: calm(250) });
  }

  // The camera goes to a node, and the node blinks.
  look(id) {
    const place = this.sigma.getNodeDisplayData(id);
    if (!place) return;
    const camera = this.sigma.getCamera();
    camera.animate({ x: place.x, y: place.y, ratio: Math.min(camera.ratio, 0.8) }, { duration: calm(250) });
    clearInterval(this.#blinking);
    let left = STILL.matches ? 2 : 6;
    this.#blinking = setInterval(() => {
      left -= 1;
      this.blink = left % 2 ? id : null;
      if (left <= 0) clearInterval(this.#blinking);
      this.sigma.refresh({ skipIndexation: true });
    }, 220);
  }

  // The camera shows some nodes as large as there is room for.
  frame(ids) {
    const places = ids.map((id) => this.sigma.getNodeDisplayData(id)).filter(Boolean);
    if (!places.length) return;
    const reach = (axis) => [Math.min(...places.map((at) => at[axis])), Math.max(...places.map((at) => at[axis]))];
    const [[left, right], [low, high]] = [reach("x"), reach("y")];
    const [a, b] = [{ x: left, y: high }, { x: right, y: low }].map((at) => this.sigma.framedGraphToViewport(at));
    const { width, height } = this.sigma.getDimensions();
    const camera = this.sigma.getCamera();
    const room = (pixels, kept) => Math.max(80, pixels - kept * PADDING);
    const wider = Math.max(Math.abs(b.x - a.x) / room(width, 4), Math.abs(b.y - a.y) / room(height, 3));
    const [from, to] = [this.sigma.graphToViewport({ x: 0, y: 0 }), this.sigma.graphToViewport({ x: 1, y: 0 })];
    const closest = (camera.ratio * Math.hypot(to.x - from.x, to.y - from.y)) / CLOSEST;
    const ratio = Math.min(1.2, Math.max(closest, camera.ratio * wider));
    camera.animate({ x: (left + right) / 2, y: (low + high) / 2, ratio, angle: 0 }, { duration: calm(250) });
  }

  get #many() {
    return this.model.large || this.model.graph.size > MANY_EDGES;
  }

  // A large graph is drawn with less: its lines are thin, its labels few.
  #settings() {
    const [many, named] = [this.#many, this.model.graph.size <= NAMED_EDGES];
    this.#scale();
    if (this.many === many && this.named === named) return;
    [this.many, this.named] = [many, named];
    // Every layer costs where no graphics card helps: those without anything in them are left out.
    const layers = this.sigma.getCanvases();
    for (const name of ["hovers", "hoverNodes"]) layers[name].style.display = many ? "none" : "";
    layers.edgeLabels.style.display = named ? "" : "none";
    this.sigma.setSetting("renderEdgeLabels", named);
    this.sigma.setSetting("labelRenderedSizeThreshold", many ? 4 : 2.5);
  }

  #node(id, node) {
    const { model } = this;
    const aside = model.lit !== null && !model.lit.nodes.has(id) && !model.chosen.has(id);
    const dim = aside || (this.#hovered && id !== this.#hovered && !this.#near.has(id));
    const chosen = model.chosen.has(id);
    const said = this.remarks.of(id);
    const style = this.styles.of(node, said);
    return {
      ...node,
      type: "shape",
      label: aside ? "" : this.#text(node),
      shape: node.more && !node.fold ? "hexagon" : shapeOf(node.label),
      color: dim ? css("--line") : style.colour || colourFor(node, said),
      badge: style.badge,
      size: this.#radius * weightOf(node) * style.size * (chosen || this.blink === id ? 1.15 : 1),
      ring: chosen || node.pending || this.blink === id,
      missing: model.large || dim ? 0 : model.missing(id),
      forceLabel: chosen || id === this.#hovered || node.more || (!dim && (model.lit || model.graph.order < 16)),
      highlighted: false,
      zIndex: chosen ? 2 : 1,
      hidden: !model.seesNode(id),
    };
  }

  #text(node) {
    if (node.fold) return shortened(foldText(node), 40);
    if (node.more) return `${number(node.count)} more`;
    return shortened(titleOf(node), DIGEST.test(node.key) ? 13 : 32);
  }

  #edge(id, edge) {
    const { model } = this;
    const [start, end] = model.graph.extremities(id);
    const mine = id === this.card?.hovered || id === model.fact || Boolean(model.lit?.edges.has(id));
    const lit =
      mine || model.chosen.has(start) || model.chosen.has(end) || start === this.#hovered || end === this.#hovered;
    const dim = (this.#hovered && !lit) || (model.lit !== null && !mine);
    const both = model.bothWays?.(edge.type);
    // As wide as many say so, or as it stands for.
    const said = edge.fold ? Math.min(8, 1 + edge.count) : Math.min(4, edge.properties?.sources?.length ?? 1);
    return {
      type: this.#many ? "thin" : "arrow",
      plain: both || (edge.more && !edge.fold),
      label: (edge.more && !edge.fold) || (model.lit !== null && !mine) ? "" : edge.type,
      forceLabel: this.named,
      color: mine ? css("--accent") : dim ? css("--line") : lit ? css("--soft") : css("--edge"),
      size: model.large && !mine ? 0.6 : (lit ? 1.6 : 1) + 0.6 * Math.log2(Math.max(1, said)),
      hidden: !model.seesEdge(id),
      zIndex: lit ? 1 : 0,
    };
  }

  #label(context, node, settings, hovered = false) {
    this.#taken ??= Taken.byNodes(this.sigma);
    const strong = node.ring || hovered;
    const forced = hovered || (strong && this.model.chosen.size <= MOST_FORCED);
    drawLabel(context, node, settings, this.#taken, { forced, strong });
  }

  // Relationships that join the same two nodes lie upon each other: one label names them all.
  #edgeLabel(context, edge, source, target, settings) {
    const { graph } = this.model;
    if (!edge.label || !graph.hasEdge(edge.key)) return;
    const ends = graph.extremities(edge.key);
    const pair = [...ends].sort().join(" ");
    if (this.#paired.has(pair)) return;
    this.#paired.add(pair);
    const types = graph.edges(...ends).filter((id) => this.model.seesEdge(id));
    const named = types.map((id) => graph.getEdgeAttributes(id)).map((each) => typeText(each));
    const text = [...new Set(named)].join(", ");
    this.#taken ??= Taken.byNodes(this.sigma);
    drawEdgeLabel(context, text, source, target, settings, this.#taken);
  }

  #marks() {
    const { sigma, model, remarks } = this;
    const context = sigma.getCanvases().labels?.getContext("2d");
    if (!context) return;
    const mark = (id, what) => {
      const node = sigma.nodeDataCache[id];
      if (!node || node.hidden) return;
      const { x, y } = sigma.framedGraphToViewport(node);
      drawMarks(context, { x, y, size: sigma.scaleSize(node.size) * (node.ring ? 1.45 : 1) }, what);
    };
    for (const [id, said] of remarks.all()) if (model.graph.hasNode(id)) mark(id, said);
    if (this.styles.rules.some((rule) => rule.badge))
      model.graph.forEachNode((id) => mark(id, { badge: sigma.nodeDataCache[id]?.badge }));
    if (model.graph.size <= NAMED_EDGES)
      model.graph.forEachNode((id, node) => !node.more && mark(id, { old: (ageInDays(node) ?? 0) > OLD }));
    for (const id of model.folds()) {
      const { count } = model.node(id);
      mark(id, { ...remarks.among(model.members([id])), count });
    }
    if (!model.large && remarks.since)
      model.graph.forEachNode((id, node) => remarks.fresh(node) && mark(id, { fresh: true }));
  }

  #listen(onopen, onmenu) {
    const { sigma, model } = this;
    // Two clicks are a double click only on one node and without a key that selects more: sigma tells the second of any
    // two quick clicks as one, wherever the first was.
    let before = null;
    const click = (node, { original }) => {
      const more = original.shiftKey || original.ctrlKey;
      if (node === null && more) return;
      const box = this.container.getBoundingClientRect();
      const fact = node ?? this.card.at({ x: original.clientX - box.x, y: original.clientY - box.y });
      const line = fact && !model.graph.hasNode(fact) ? model.graph.getEdgeAttributes(fact) : {};
      if (line.fold) model.select([line.start.id, line.end.id].find((id) => model.node(id).fold));
      else if (node === null && fact) model.selectFact(fact);
      else model.select(node, { more: more && node !== null });
      before = more ? null : node;
    };
    sigma.on("rightClickNode", ({ node, event }) => {
      if (!model.chosen.has(node)) model.select(node);
      onmenu(event.original);
    });
    sigma.on("rightClickStage", ({ event }) => onmenu(event.original));
    this.container.addEventListener("contextmenu", (event) => event.preventDefault());
    sigma.on("clickNode", ({ node, event }) => click(node, event));
    sigma.on("clickStage", ({ event }) => click(null, event));
    sigma.on("doubleClickNode", ({ node, event, preventSigmaDefault }) => {
      preventSigmaDefault();
      if (before === node && !event.original.shiftKey && !event.original.ctrlKey) onopen(node);
      else click(node, event);
    });
    sigma.on("doubleClickStage", ({ event, preventSigmaDefault }) => {
      if (before === null) return;
      preventSigmaDefault();
      click(null, event);
    });
    sigma.on("enterNode", ({ node }) => this.#hover(node));
    sigma.on("leaveNode", () => this.#hover(null));
    // In a large picture only a selected node is dragged, so that a drag elsewhere moves the picture.
    sigma.on("downNode", ({ node }) => {
      if (this.#many && !model.chosen.has(node)) return;
      this.#dragged = node;
      this.moved = false;
      if (!sigma.getCustomBBox()) sigma.setCustomBBox(sigma.getBBox());
    });
    sigma.getMouseCaptor().on("mousemovebody", (event) => {
      if (!this.#dragged || !model.graph.hasNode(this.#dragged)) return;
      this.moved = true;
      const [from, to] = [model.node(this.#dragged), sigma.viewportToGraph(event)];
      // Whoever drags one of several that are selected drags them all.
      const all = model.chosen.has(this.#dragged) ? model.chosen : [this.#dragged];
      const [dx, dy] = [to.x - from.x, to.y - from.y];
      for (const id of all) {
        const { x, y } = model.node(id);
        model.graph.mergeNodeAttributes(id, { x: x + dx, y: y + dy, pinned: true });
      }
      event.preventSigmaDefault();
      event.original.preventDefault();
      event.original.stopPropagation();
    });
    const drop = () => {
      if (this.#dragged && this.moved) model.tell("moved");
      this.#dragged = null;
      sigma.setCustomBBox(null);
    };
    sigma.on("upNode", drop);
    sigma.on("upStage", drop);
  }

  #hover(id) {
    this.container.style.cursor = id ? "pointer" : "";
    if (this.model.large) return;
    this.#hovered = id;
    this.#near = new Set(id ? this.model.graph.neighbors(id) : []);
    this.sigma.refresh({ skipIndexation: true });
  }

  // A member of a folded group as it would be drawn at a place.
  asMember(id, at) {
    const node = this.model.node(id);
    const said = this.remarks.of(id);
    const { colour, size } = this.styles.of(node, said);
    return { at, said, colour: colour || colourFor(node, said), radius: this.#radius * weightOf(node) * size };
  }

  // What is seen, for pictures to keep: places in pixels.
  seen() {
    const { model, sigma, remarks } = this;
    const nodes = model.graph
      .nodes()
      .filter((id) => model.seesNode(id))
      .map((id) => {
        const data = this.#node(id, model.node(id));
        const radius = sigma.scaleSize(data.size);
        const style = this.styles.of(model.node(id), remarks.of(id));
        const colour = style.colour || colourFor(model.node(id), remarks.of(id));
        return { id, ...this.place(id), radius, colour, shape: data.shape, text: data.label, said: remarks.of(id) };
      });
    const places = new Map(nodes.map((node) => [node.id, node]));
    const edges = model.graph
      .edges()
      .filter((id) => model.seesEdge(id))
      .map((id) => {
        const [start, end] = model.graph.extremities(id);
        const { type, more, fold, properties } = model.graph.getEdgeAttributes(id);
        const arrow = !model.bothWays?.(type) && (!more || fold);
        const width = Math.min(3, 1 + 0.5 * Math.log2(Math.max(1, properties?.sources?.length ?? 1)));
        return { type, arrow, width, start: places.get(start), end: places.get(end) };
      });
    return { ...sigma.getDimensions(), nodes, edges };
  }

  canvas() {
    this.sigma.refresh();
    this.sigma.render?.();
    const { width, height } = this.sigma.getDimensions();
    const ratio = window.devicePixelRatio || 1;
    const canvas = document.createElement("canvas");
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const context = canvas.getContext("2d");
    context.fillStyle = css("--canvas");
    context.fillRect(0, 0, canvas.width, canvas.height);
    const layers = this.sigma.getCanvases();
    for (const name of ["edges", "nodes", "edgeLabels", "labels"])
      if (layers[name]) context.drawImage(layers[name], 0, 0, canvas.width, canvas.height);
    return canvas;
  }
}

const typeText = ({ type, fold, count }) => (fold ? `${type} ×${number(count)}` : type);

function nearest([x, y], places) {
  let least = Infinity;
  for (const [a, b] of places) {
    const far = (a - x) ** 2 + (b - y) ** 2;
    if (far > 0 && far < least) least = far;
  }
  return Math.sqrt(least);
}

// A camera that is to move in no time divides by it, and is nowhere for a frame.
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const calm = (milliseconds) => (STILL.matches ? 1 : milliseconds);

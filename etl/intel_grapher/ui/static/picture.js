// The graph, drawn by sigma: nodes and lines show what is hidden, selected or under the pointer.
import { colourOf, css, shapeOf, titleOf } from "./palette.js";
import { number, shortened } from "./dom.js";
import { panFast } from "./fast-pan.js";
import { ArrowProgram, ThinProgram } from "./edge-programs.js";
import { ShapeProgram } from "./node-program.js";

const MANY_EDGES = 4000;
const DIGEST = /^[0-9a-f]{32,}$/; // its beginning tells it apart

export class Picture {
  #hovered = null;
  #near = new Set();
  #dragged = null;

  constructor(container, model, { onopen }) {
    this.model = model;
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
      labelDensity: 1,
      labelGridCellSize: 70,
      labelRenderedSizeThreshold: 4,
      minCameraRatio: 0.02,
      maxCameraRatio: 12,
      stagePadding: 46,
      zIndex: true,
      nodeReducer: (id, node) => this.#node(id, node),
      edgeReducer: (id, edge) => this.#edge(id, edge),
      defaultDrawNodeLabel: (context, node, settings) => this.#label(context, node, settings),
      defaultDrawNodeHover: (context, node, settings) => this.#label(context, node, settings, true),
    });
    this.sigma.getCanvases().edgeLabels.style.display = "none"; // none are drawn
    this.sigma.getNodeAtPosition = (place) => this.at(place);
    panFast(this.sigma, () => this.#many);
    model.addEventListener("bulk", ({ detail }) =>
      this.sigma.setGraph(detail === "begin" ? new globalThis.graphology.Graph() : model.graph),
    );
    this.#listen(onopen);
    model.addEventListener("change", () => this.#settings());
    model.addEventListener("select", () => this.redraw());
    model.addEventListener("filter", () => this.redraw());
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

  look(id) {
    const place = this.sigma.getNodeDisplayData(id);
    if (!place) return;
    const camera = this.sigma.getCamera();
    camera.animate({ x: place.x, y: place.y, ratio: Math.min(camera.ratio, 0.8) }, { duration: calm(250) });
  }

  get #many() {
    return this.model.large || this.model.graph.size > MANY_EDGES;
  }

  // A large graph is drawn with less: its lines are thin, its labels few.
  #settings() {
    const many = this.#many;
    if (this.many !== many) {
      this.many = many;
      // Every layer costs where no graphics card helps: those without anything in them are left out.
      const layers = this.sigma.getCanvases();
      for (const name of ["hovers", "hoverNodes"]) layers[name].style.display = many ? "none" : "";
      this.sigma.setSetting("labelRenderedSizeThreshold", many ? 7 : 4);
    }
  }

  #node(id, node) {
    const { model } = this;
    const dim = this.#hovered && id !== this.#hovered && !this.#near.has(id);
    const chosen = model.chosen.has(id);
    const size =
      (model.large ? 1.4 : 6) + (model.large ? 0.5 : 1.3) * Math.log2(1 + (node.more ? 8 : (node.degree ?? 0)));
    return {
      ...node,
      type: "shape",
      label: node.more ? `${number(node.count)} more` : shortened(titleOf(node), DIGEST.test(node.key) ? 13 : 32),
      shape: node.more ? "hexagon" : shapeOf(node.label),
      color: dim ? css("--line") : colourOf(node.label),
      size: Math.min(size, model.large ? 9 : 17) * (chosen ? 1.15 : 1),
      ring: chosen || node.pending,
      missing: model.large || dim ? 0 : model.missing(id),
      forceLabel: chosen || id === this.#hovered || node.more || (!dim && model.graph.order < 16),
      highlighted: false,
      zIndex: chosen ? 2 : 1,
      hidden: !model.seesNode(id),
    };
  }

  #edge(id, edge) {
    const { model } = this;
    const [start, end] = model.graph.extremities(id);
    const lit = model.chosen.has(start) || model.chosen.has(end) || start === this.#hovered || end === this.#hovered;
    const dim = this.#hovered && !lit;
    const both = model.bothWays?.(edge.type);
    return {
      type: this.#many ? "thin" : "arrow",
      plain: both || edge.more,
      color: lit ? css("--soft") : dim ? css("--line") : css("--edge"),
      size: model.large ? 0.6 : lit ? 1.7 : 1.1,
      hidden: !model.seesEdge(id),
      zIndex: lit ? 1 : 0,
    };
  }

  // The key, and how many neighbours are not shown.
  #label(context, node, settings, hovered = false) {
    if (!node.label) return;
    const size = settings.labelSize;
    context.font = `${node.ring || hovered ? "600 " : ""}${size}px ${settings.labelFont}`;
    const [x, y] = [node.x + node.size + 4, node.y + size / 3];
    const width = context.measureText(node.label).width;
    context.fillStyle = css("--canvas");
    context.globalAlpha = hovered ? 1 : 0.72;
    context.fillRect(x - 2, node.y - size * 0.72, width + 4, size * 1.44);
    context.globalAlpha = 1;
    context.fillStyle = css("--text");
    context.fillText(node.label, x, y);
    if (!node.missing) return;
    const badge = `+${node.missing > 999 ? `${Math.round(node.missing / 1000)}k` : node.missing}`;
    context.font = `${size - 2}px ${settings.labelFont}`;
    const [left, wide] = [x + width + 5, context.measureText(badge).width + 8];
    context.beginPath();
    context.roundRect(left, node.y - 7, wide, 14, 7);
    context.fillStyle = css("--soft");
    context.fill();
    context.fillStyle = css("--raised");
    context.fillText(badge, left + 4, node.y + 3.2);
  }

  #listen(onopen) {
    const { sigma, model } = this;
    sigma.on("clickNode", ({ node, event }) =>
      model.select(node, { more: event.original.shiftKey || event.original.ctrlKey }),
    );
    sigma.on("clickStage", () => model.select(null));
    sigma.on("doubleClickNode", ({ node, preventSigmaDefault }) => {
      preventSigmaDefault();
      onopen(node);
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
      model.graph.mergeNodeAttributes(this.#dragged, { ...sigma.viewportToGraph(event), pinned: true });
      event.preventSigmaDefault();
      event.original.preventDefault();
      event.original.stopPropagation();
    });
    const drop = () => {
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

  // What is seen, for pictures to keep: places in pixels.
  seen() {
    const { model, sigma } = this;
    const at = (id) => sigma.graphToViewport(model.node(id));
    const nodes = model.graph
      .nodes()
      .filter((id) => model.seesNode(id))
      .map((id) => {
        const data = this.#node(id, model.node(id));
        return {
          id,
          ...at(id),
          radius: data.size,
          colour: colourOf(data.label && model.node(id).label),
          shape: data.shape,
          text: data.label,
        };
      });
    const places = new Map(nodes.map((node) => [node.id, node]));
    const edges = model.graph
      .edges()
      .filter((id) => model.seesEdge(id))
      .map((id) => {
        const [start, end] = model.graph.extremities(id);
        return { type: model.graph.getEdgeAttribute(id, "type"), start: places.get(start), end: places.get(end) };
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

const calm = (milliseconds) => (matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : milliseconds);

// What a person does to the picture: bring nodes in, grow, collapse, find paths.
import { ask } from "./api.js";
import { plural, toast } from "./dom.js";
import { idOf } from "./model.js";

export const STEP = 25;

export class Actions {
  constructor(model, layout) {
    this.model = model;
    this.layout = layout;
  }

  // Nodes that are in the graph, with their relationships to what is there.
  async bring(nodes, { near = null, select = true } = {}) {
    const wanted = nodes.filter((node) => !this.model.graph.hasNode(idOf(node)));
    const found = wanted.length
      ? (await ask("nodes", { nodes: wanted.map(({ label, key }) => ({ label, key })) })).nodes
      : [];
    const fresh = this.model.add({ nodes: found }, { near });
    if (select && nodes.length) this.model.select(idOf(nodes[0]));
    await this.#join(fresh);
    this.layout.start();
    return { found: found.length, missing: wanted.length - found.length };
  }

  show(answer, { near = null } = {}) {
    const fresh = this.model.add(answer, { near });
    if (fresh.length) this.layout.start();
    return fresh;
  }

  // One kind of neighbours, the next few; or some of every kind.
  async grow(id, group = {}, limit = STEP) {
    const { label, key } = this.model.node(id);
    const skip = group.type ? this.shownOf(id, group) : 0;
    const answer = await ask("grow", {
      label,
      key,
      limit,
      skip,
      ...(group.type ? { type: group.type, direction: group.direction, other: group.label } : {}),
    });
    const rest = this.#rest(id, answer.groups);
    const stale = answer.groups.map((each) => moreId(id, each)).filter((each) => this.model.graph.hasNode(each));
    const fresh = this.model.add(
      { nodes: [...answer.nodes, ...rest.nodes], edges: [...answer.edges, ...rest.edges] },
      { near: id, replace: stale },
    );
    this.layout.start();
    this.model.tell("select");
    this.#join(fresh).then(() => this.model.tell("select"));
    return fresh.length;
  }

  shownOf(id, group) {
    const { graph } = this.model;
    return graph.reduceEdges(
      id,
      (count, _, edge, start, end) => {
        const other = start === id ? end : start;
        const direction = group.direction === "--" ? "--" : start === id ? "->" : "<-";
        const same =
          !edge.more &&
          edge.type === group.type &&
          direction === group.direction &&
          this.model.node(other).label === group.label;
        return count + (same ? 1 : 0);
      },
      0,
    );
  }

  // What a hub has more than is shown is one node that stands for all of it.
  #rest(id, groups) {
    const nodes = [];
    const edges = [];
    for (const group of groups.filter((each) => each.count > each.shown)) {
      const more = moreId(id, group);
      nodes.push({
        id: more,
        more: true,
        of: id,
        group,
        count: group.count - group.shown,
        label: group.label,
        key: more,
      });
      const { label, key } = this.model.node(id);
      edges.push({ start: { label, key }, type: group.type, end: { label: "more", key: more, id: more }, more: true });
    }
    return { nodes, edges };
  }

  // Neighbours that hang on this node alone go.
  collapse(id) {
    const { graph } = this.model;
    const alone = graph.filterNeighbors(
      id,
      (other) => graph.neighbors(other).every((each) => each === id) && !this.model.node(other).pinned,
    );
    this.model.remove(alone);
    this.layout.start();
    return alone.length;
  }

  async path(start, end, options = {}) {
    const answer = await ask("path", {
      start: ref(this.model.node(start)),
      end: ref(this.model.node(end)),
      ...options,
    });
    this.show(answer, { near: start });
    const around = answer.hubs.length
      ? ` Hubs not entered: ${answer.hubs
          .slice(0, 3)
          .map((each) => each.key)
          .join(", ")}.`
      : "";
    toast(
      answer.paths.length
        ? `${plural(answer.paths.length, "path")} of ${plural(answer.paths[0].length, "step")}.${around}`
        : `No path of at most ${options.longest ?? 6} steps.${around}`,
      { wrong: false },
    );
    return answer;
  }

  async rank(ids) {
    return ask("rank", { seeds: this.model.refs(ids) });
  }

  // Ask anew about all that is shown: after a load, or when an investigation is opened.
  async refresh() {
    const { model } = this;
    const ids = model.nodes();
    for (let at = 0; at < Math.min(ids.length, 2000); at += 400) {
      const some = ids.slice(at, at + 400);
      const { nodes } = await ask("nodes", { nodes: model.refs(some) });
      const there = new Set(nodes.map(idOf));
      model.add({ nodes: nodes.map((node) => ({ ...node, pending: false })) }, { quiet: true });
      const gone = some.filter((id) => !there.has(id) && !model.node(id)?.pending);
      if (gone.length) model.remove(gone, { quiet: true });
    }
    if (ids.length <= 400) {
      const { edges } = await ask("between", { nodes: model.refs() });
      const there = new Set(edges.map((edge) => `${idOf(edge.start)} ${edge.type} ${idOf(edge.end)}`));
      model.add({ edges }, { quiet: true });
      for (const id of model.graph.edges()) {
        if (!there.has(id) && !model.graph.getEdgeAttribute(id, "more")) model.graph.dropEdge(id);
      }
      model.tell("change", {});
    }
    model.tell("select");
  }

  async #join(fresh) {
    const { model } = this;
    if (!fresh.length || model.graph.order < 2 || model.graph.order > 3000) return;
    const { edges } = await ask("between", {
      nodes: model.refs(),
      new: model.refs(fresh.filter((id) => model.graph.hasNode(id)).slice(0, 300)),
    });
    model.add({ edges }, { quiet: true });
  }
}

const ref = ({ label, key }) => ({ label, key });
const moreId = (id, group) => `more:${id} ${group.type} ${group.direction} ${group.label}`;

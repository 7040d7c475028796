// Saving and opening investigations, links to them, and exports.
import { ask } from "./api.js";
import { idOf } from "./model.js";
import { button, dialog, el, fill, plural, tell, toast } from "./dom.js";

const when = (moment) => moment.replace("T", " ").slice(0, 16);

export class Investigation {
  name = "";
  mark = ""; // which version of it was opened or saved last

  constructor(app) {
    this.app = app;
  }

  content() {
    const { model, picture } = this.app;
    const node = (id) => {
      const { x, y, label, key, degree, properties, pinned, more, of, group, count, fold } = model.node(id);
      return { id, x, y, label, key: more ? undefined : key, degree, properties, pinned, more, of, group, count, fold };
    };
    return {
      version: 1,
      nodes: model.graph.nodes().map(node),
      edges: model.graph.filterEdges((_, edge) => !edge.fold).map((id) => {
        const { start, type, end, properties, more } = model.graph.getEdgeAttributes(id);
        return { start, type, end, properties, more };
      }),
      hidden: Object.fromEntries(Object.entries(model.hidden).map(([kind, names]) => [kind, [...names]])),
      hub: model.hub,
      window: model.window,
      time_by: model.timeBy,
      hide_undated: model.hideUndated,
      chosen: [...model.chosen],
      camera: picture.sigma.getCamera().getState(),
    };
  }

  restore(content) {
    const { model, picture, time, filters, layout } = this.app;
    layout.stop();
    model.clear();
    const nodes = (content.nodes ?? []).map((node) => ({ ...node, key: node.key ?? node.id }));
    model.add({ nodes, edges: content.edges ?? [] }, { quiet: true });
    for (const kind of Object.keys(model.hidden)) model.hidden[kind] = new Set(content.hidden?.[kind] ?? []);
    model.hub = content.hub ?? null;
    time.draw();
    time.restore(content.window ?? null, { by: content.time_by, undated: content.hide_undated });
    filters.draw();
    model.filter();
    for (const id of content.chosen ?? []) model.select(id, { more: true });
    if (content.camera) picture.sigma.getCamera().setState(content.camera);
  }

  async save() {
    const { keeper } = this.app;
    await dialog(
      "Save the investigation",
      { name: { text: "Name", value: this.name || new Date().toISOString().slice(0, 10) } },
      {
        ok: "Save",
        submit: async (given, waiting) => {
          const name = given.name.trim();
          const saving = { name, content: this.content(), mark: name === this.name ? this.mark : "" };
          let answer = await ask("save", saving);
          if (answer.exists) {
            const whose = name === this.name ? "has been saved elsewhere since you opened it" : "is there already";
            waiting("");
            const text = `“${name}” ${whose}, at ${when(answer.exists)}. Saving replaces it.`;
            if (!(await confirmed("Replace it?", text, "Replace"))) throw new Error("Nothing was saved: name another.");
            answer = await ask("save", { ...saving, over: true });
          }
          [this.name, this.mark] = [name, answer.mark];
          history.replaceState(null, "", `#open=${encodeURIComponent(name)}`);
          await keeper.settle();
          toast(`Saved. The address of this page opens “${name}” again.`, {
            action: { text: "Copy link", run: () => this.copyLink() },
          });
        },
      },
    );
  }

  async copyLink() {
    try {
      await navigator.clipboard.writeText(location.href);
    } catch {
      toast(`The link is ${location.href}`);
    }
  }

  async open() {
    const list = el("div");
    const leave = (then) => async () => {
      list.closest("dialog").close();
      await then().catch(tell);
    };
    const remove = (name, forget) => async () => {
      if (!(await confirmed("Remove it?", `“${name}” is removed for good.`, "Remove", true))) return;
      await forget().then(draw).catch(tell);
    };
    const line = (name, at, more, opens, forget) =>
      el(
        "tr",
        {},
        el("td", {}, button(name, leave(opens), { class: "quiet" })),
        el("td", { class: "soft" }, when(at)),
        el("td", { class: "soft" }, more),
        el("td", {}, button("remove", remove(name, forget), { class: "quiet danger", "aria-label": `remove ${name}` })),
      );
    const table = (title, lines) =>
      lines.length ? [el("h2", {}, title), el("table", {}, el("tbody", {}, lines))] : [];
    const draw = async () => {
      const { investigations, unsaved } = await ask("investigations");
      await this.app.editing.renew().catch(() => {}); // another tab, or a colleague, may have added to a case just now
      const cases = await this.app.editing.cases().catch(() => new Map());
      fill(
        list,
        table(
          "Cases",
          [...cases].map(([name, nodes]) =>
            el(
              "tr",
              {},
              el("td", {}, button(name, leave(() => this.openCase(nodes)), { class: "quiet" })),
              el("td", { class: "soft" }, plural(nodes.length, "node")),
              el("td", {}),
              el(
                "td",
                {},
                button("export", leave(() => this.app.exports().ofCase(name, nodes)), {
                  class: "quiet",
                  "aria-label": `export the case ${name}`,
                }),
              ),
            ),
          ),
        ),
        table(
          "Saved",
          investigations.map(({ name, saved_at: at }) =>
            line(
              name,
              at,
              "",
              () => this.load(name),
              () => ask("remove", { name }),
            ),
          ),
        ),
        table(
          "Not saved",
          unsaved
            .filter(({ id }) => id !== this.app.keeper.id)
            .map(({ id, kept_at: at, nodes, name }) =>
              line(
                name || "no name",
                at,
                plural(nodes, "node"),
                () => this.resume(id),
                () => ask("keep", { id }),
              ),
            ),
        ),
        cases.size || investigations.length || unsaved.length
          ? null
          : el("p", { class: "soft" }, "None is saved yet. Save keeps what is in the picture, where, and the filters."),
      );
    };
    try {
      await draw();
    } catch (wrong) {
      return tell(wrong);
    }
    const content = [
      list,
      el(
        "p",
        {},
        button(
          "New, empty picture",
          leave(() => this.fresh()),
        ),
      ),
    ];
    return dialog("Open an investigation", {}, { ok: null, content });
  }

  // The nodes of a case come in and are selected; what is in the picture stays.
  async openCase(nodes) {
    const { actions, model, picture } = this.app;
    const { missing } = await actions.bring(nodes, { select: false });
    const ids = nodes.map(idOf).filter((id) => model.graph.hasNode(id));
    model.selectAll(ids);
    picture.frame(ids);
    if (missing) toast(`${plural(missing, "node")} of it not in the graph yet.`);
  }

  async fresh() {
    await this.app.keeper.part();
    [this.name, this.mark] = ["", ""];
    history.replaceState(null, "", location.pathname);
    this.app.model.clear();
    await this.app.keeper.settle();
    this.app.empty();
  }

  async load(name) {
    try {
      const { content, mark } = await ask("open", { name });
      await this.app.keeper.part();
      this.restore(content);
      [this.name, this.mark] = [name, mark];
      history.replaceState(null, "", `#open=${encodeURIComponent(name)}`);
      await this.app.actions.refresh().catch(tell);
      await this.app.keeper.settle();
    } catch (wrong) {
      tell(wrong);
    }
  }

  // A picture that was not saved, of this tab or of another.
  async resume(id) {
    const { content } = await ask("kept", { id });
    if (!content) return toast("That picture is not kept any more.", { wrong: true });
    await this.app.keeper.part();
    this.#take(content);
    await ask("keep", { id });
    return this.app.keeper.flush();
  }

  #take(content) {
    this.restore(content);
    [this.name, this.mark] = [String(content.name ?? ""), String(content.mark ?? "")];
    history.replaceState(null, "", this.name ? `#open=${encodeURIComponent(this.name)}` : location.pathname);
    this.app.actions.refresh().catch(tell);
  }

  // A link without a name holds the view itself, as long as it is small. Without a link, the tab's own picture is back.
  async begin() {
    const { actions, keeper } = this.app;
    const told = new URLSearchParams(location.hash.slice(1));
    const before = await keeper.begin();
    const nodes = told
      .getAll("node")
      .slice(0, 100)
      .map((each) => {
        const at = each.indexOf(":");
        return { label: each.slice(0, at), key: each.slice(at + 1) };
      });
    const mine = before?.nodes?.length && !nodes.length && (!told.get("open") || told.get("open") === before.name);
    if (mine) {
      this.#take(before);
      if (before.name)
        toast(`“${before.name}” is as you left it, with what was not saved.`, {
          action: { text: "Open what is saved", run: () => this.load(before.name) },
        });
      return;
    }
    if (before) await keeper.another();
    if (told.get("open")) await this.load(told.get("open"));
    else if (nodes.length) {
      await actions.bring(nodes).catch(tell);
      history.replaceState(null, "", location.pathname); // a reload brings the picture as it is then
    }
  }

  link() {
    const told = new URLSearchParams();
    for (const { label, key } of this.app.model.refs().slice(0, 100)) told.append("node", `${label}:${key}`);
    return `${location.origin}/#${this.name ? `open=${encodeURIComponent(this.name)}` : told}`;
  }
}

async function confirmed(title, text, ok, danger = false) {
  return (await dialog(title, {}, { ok, danger, content: [el("p", {}, text)] })) !== null;
}

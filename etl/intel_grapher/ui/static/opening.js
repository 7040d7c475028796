// The opening view: what matters in the graph, where there is one; what to do first, where there is none.
import { ask } from "./api.js";
import { button, day, el, fill, number, plural, shortened, tell } from "./dom.js";
import { sign } from "./palette.js";

export class Opening {
  #told = null; // what the server said, of which version of the graph
  box = document.getElementById("empty");

  constructor(app) {
    this.app = app;
  }

  draw() {
    const { model, start } = this.app;
    this.box.hidden = model.graph.order > 0;
    if (this.box.hidden) return;
    if (start.error || !start.nodes) fill(this.box, this.#nothingYet());
    else {
      fill(this.box, this.#head());
      this.#rest().catch(tell);
    }
  }

  #nothingYet() {
    const { start, editing, triage } = this.app;
    const read = async () => triage.paste(await navigator.clipboard.readText().catch(() => ""));
    const step = (title, text, ...deeds) => el("li", {}, el("strong", {}, title), el("p", {}, text), deeds);
    return [
      el("strong", { class: "large" }, "There is no graph yet"),
      el("p", {}, start.error || "The graph is empty."),
      el(
        "ol",
        { class: "cards" },
        step(
          "Paste indicators",
          "A list, a report, a mail: names, addresses, hashes, URLs, defanged or not. " +
            "You see what was read, and what asking sources costs.",
          button("Paste from the clipboard", read, { class: "main" }),
        ),
        step(
          "Add a node by hand",
          "What you know yourself is a fact as well, with your name on it.",
          button("Add a node", () => editing.add()),
        ),
        step("Run it on a file", "In a terminal: intel-grapher run --file indicators.txt"),
      ),
    ];
  }

  #head() {
    const { start } = this.app;
    return [
      el("strong", { class: "large" }, `${number(start.nodes)} nodes are in the graph`),
      el("p", {}, "Type a domain, an address, a hash, a name above; or paste a list of indicators, defanged or not."),
    ];
  }

  async #rest() {
    const [told, kept, entries, cases] = await Promise.all([
      this.#overview(),
      ask("investigations", {}, { quiet: true }),
      this.app.editing.entries(),
      this.app.editing.cases(),
    ]);
    if (this.box.hidden) return;
    const { investigation, keeper, actions, picture } = this.app;
    const bring = (nodes) => async () => {
      await actions.bring(nodes).catch(tell);
      if (nodes.length > 1) picture.fit();
    };
    const part = (title, lines) => (lines.length ? el("section", {}, el("h2", {}, title), lines.slice(0, 6)) : null);
    // Where the key is what tells one from another, it has the room; a picture is told by when it was kept.
    const line = (text, run, more, icon = null) =>
      el(
        "div",
        { class: "line" },
        icon,
        button(text, run, { class: "quiet" }),
        el("span", { class: icon && more.length > 18 ? "soft" : "soft date", title: more }, more),
      );
    const pictures = [
      ...kept.unsaved
        .filter(({ id, nodes }) => id !== keeper.id && nodes)
        .map((each) =>
          line(
            each.name || "not saved",
            () => investigation.resume(each.id).catch(tell),
            `${plural(each.nodes, "node")}, ${moment(each.kept_at)}`,
          ),
        ),
      ...kept.investigations.map((each) =>
        line(each.name, () => investigation.load(each.name), `saved ${moment(each.saved_at)}`),
      ),
    ];
    const findings = entries
      .filter((entry) => !entry.undone && ["verdict", "note"].includes(entry.what) && entry.body.about)
      .map((entry) =>
        line(
          shortened(entry.body.about.key, 34),
          bring([entry.body.about]),
          `${shortened(entry.body.verdict ?? entry.body.text, 40)}, ${entry.author}, ${day(entry.at)}`,
          sign(entry.body.about.label),
        ),
      );
    const nodes = (list, more) =>
      list.map((node) => line(shortened(node.key, 40), bring([node]), more(node), sign(node.label)));
    fill(
      this.box,
      this.#head(),
      el(
        "div",
        { class: "cards" },
        part(
          "Cases",
          [...cases].map(([name, some]) => line(name, bring(some), plural(some.length, "node"))),
        ),
        part("Last pictures", pictures),
        part("Latest findings", findings),
        part(
          "Came in last",
          nodes(told.newest, (node) => day(node.fetched_at)),
        ),
        part(
          "Hubs",
          nodes(told.hubs, (node) => plural(node.relationships, "relationship")),
        ),
        part(
          "What it holds",
          told.labels.map(({ label, count }) =>
            el(
              "div",
              { class: "line" },
              sign(label),
              el("span", {}, label),
              el("span", { class: "soft" }, number(count)),
            ),
          ),
        ),
      ),
    );
    this.box.dataset.whole = "true";
  }

  async #overview() {
    const mark = this.app.news?.graph ?? "";
    if (this.#told?.mark !== mark)
      this.#told = {
        mark,
        ...(await ask("overview", {}, { quiet: true }).catch(() => ({ labels: [], hubs: [], newest: [] }))),
      };
    return this.#told;
  }
}

const moment = (at) => at.replace("T", " ").slice(0, 16);

// The sheet of what was pasted: what is in the graph, what is not, what was left out and why; and what to do with it.
import { ask } from "./api.js";
import { button, el, number, plural, refill, shortened, tell } from "./dom.js";
import { idOf } from "./model.js";
import { sign } from "./palette.js";

const SHOWN_AT_ONCE = 500;

export class Triage {
  element = el("div", { class: "triage" });
  #text = "";
  #ticked = new Set();
  #sheet = null;
  #asked = 0;

  constructor(app) {
    this.app = app;
  }

  async paste(text) {
    try {
      this.#text = text;
      this.#ticked.clear();
      if (!(await this.#read())) return;
      for (const row of this.#sheet.rows) this.#ticked.add(idOf(row));
      this.app.drawer("pasted", { keep: true });
      this.draw();
      const known = this.#sheet.rows.filter((row) => row.known);
      if (known.length) await this.app.actions.bring(known.slice(0, SHOWN_AT_ONCE));
      if (known.length > 1) this.app.picture.fit();
    } catch (wrong) {
      tell(wrong);
    }
  }

  // After a load: what was not in the graph may be there now.
  async renew() {
    if (this.#sheet && (await this.#read())) this.draw();
  }

  // Whether the answer is to what was pasted last.
  async #read() {
    const mine = ++this.#asked;
    const sheet = await ask("paste", { text: this.#text });
    if (mine !== this.#asked) return false;
    this.#sheet = sheet;
    return true;
  }

  #chosen(known = null) {
    return this.#sheet.rows.filter((row) => this.#ticked.has(idOf(row)) && (known === null || row.known === known));
  }

  draw() {
    const { rows, left_out: leftOut, left_out_count: count, prose, beyond } = this.#sheet;
    const known = rows.filter((row) => row.known).length;
    const told = [
      `${plural(rows.length, "indicator")}: ${number(known)} in the graph, ${number(rows.length - known)} not`,
      `${number(count)} left out`,
      `${plural(prose, "other word")}`,
      beyond ? `${number(beyond)} more were not looked up: part the text` : "",
    ];
    refill(
      this.element,
      el("div", { class: "row" }, el("strong", { role: "status" }, told.filter(Boolean).join("; ")), this.#deeds()),
      el(
        "div",
        { class: "halves" },
        el("div", {}, rows.length ? this.#table(rows) : el("p", { class: "soft" }, "No indicator is in the text.")),
        el("div", {}, this.#leftOut(leftOut, count)),
      ),
    );
  }

  #deeds() {
    const { actions, editing, enrich, model, panel } = this.app;
    const known = () => this.#chosen(true);
    const some = (nodes, least, run) => () => {
      if (nodes().length >= least) return Promise.resolve(run(nodes())).catch(tell);
      return tell(new Error(least > 1 ? `Tick ${least} or more that are in the graph.` : "Tick what is meant."));
    };
    const select = (nodes) => model.selectAll(nodes.map(idOf).filter((id) => model.graph.hasNode(id)));
    return [
      button(
        "Show",
        some(known, 1, async (nodes) => {
          await actions.bring(nodes);
          select(nodes);
        }),
        { title: "Those that are in the graph" },
      ),
      button(
        "What ties them",
        some(known, 2, async (nodes) => {
          await actions.bring(nodes);
          select(nodes);
          await panel.tie();
        }),
      ),
      button(
        "Ask sources",
        some(() => this.#chosen(), 1, enrich),
        { class: "main" },
      ),
      button(
        "Add to case",
        some(
          () => this.#chosen(),
          1,
          (nodes) => editing.addToCase(nodes),
        ),
      ),
      button(
        "Tag",
        some(
          () => this.#chosen(),
          1,
          (nodes) => editing.tag(nodes),
        ),
      ),
      button(
        "Verdict",
        some(
          () => this.#chosen(),
          1,
          (nodes) => editing.verdict(nodes),
        ),
      ),
    ];
  }

  #table(rows) {
    const tick = (ids, on) => {
      for (const id of ids) this.#ticked[on ? "add" : "delete"](id);
      this.draw();
    };
    const all = (text, some) =>
      button(text, () => tick(rows.map(idOf), false) ?? tick(some.map(idOf), true), { class: "quiet" });
    return [
      el(
        "div",
        { class: "row soft" },
        `${plural(this.#chosen().length, "tick")}:`,
        all("all", rows),
        all(
          "in the graph",
          rows.filter((row) => row.known),
        ),
        all(
          "not in the graph",
          rows.filter((row) => !row.known),
        ),
        all("none", []),
      ),
      el(
        "table",
        { "aria-label": "Indicators that were pasted" },
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ["Tick", "Indicator", "As written", "Line", "Where"].map((text) => el("th", { scope: "col" }, text)),
          ),
        ),
        el(
          "tbody",
          {},
          rows.map((row) => this.#row(row)),
        ),
      ),
    ];
  }

  #row(row) {
    const { model, picture } = this.app;
    const id = idOf(row);
    const box = el("input", {
      type: "checkbox",
      checked: this.#ticked.has(id),
      "aria-label": row.key,
      onchange: () => {
        this.#ticked[box.checked ? "add" : "delete"](id);
        this.draw();
      },
    });
    const lead = () => {
      if (!model.graph.hasNode(id)) return;
      model.select(id);
      picture.look(id);
    };
    return el(
      "tr",
      {},
      el("td", {}, box),
      el("td", {}, sign(row.label), " ", row.known ? button(row.key, lead, { class: "quiet key" }) : row.key),
      el("td", { class: "soft" }, shortened(row.text, 60), row.times > 1 ? ` ×${number(row.times)}` : ""),
      el("td", { class: "soft" }, String(row.line)),
      el("td", { class: row.known ? "good" : "soft" }, row.known ? "in the graph" : "not in the graph"),
    );
  }

  #leftOut(list, count) {
    if (!list.length) return el("p", { class: "soft" }, "Nothing that looks like an indicator was left out.");
    return [
      el("h2", {}, `Left out: ${number(count)}`),
      el(
        "table",
        { "aria-label": "What was left out" },
        el(
          "tbody",
          {},
          list.map((each) =>
            el(
              "tr",
              {},
              el("td", { class: "soft" }, String(each.line)),
              el("td", {}, each.text),
              el("td", {}, each.reason),
            ),
          ),
        ),
      ),
      count > list.length ? el("p", { class: "soft" }, `The first ${number(list.length)} are listed.`) : null,
    ];
  }
}

// The review of reports: what each mentions, and which of it is accepted as reported. One request decides of many.
import { ask } from "./api.js";
import { button, day, el, fill, number, plural, refill, shortened, tell, toast } from "./dom.js";
import { idOf } from "./model.js";
import { sign } from "./palette.js";

const SHOWN_AT_ONCE = 300;
const STATES = ["left", "accepted", "rejected"];
const CLASSES = { left: "soft", accepted: "good", rejected: "bad" };

export class Review {
  element = el("div", { class: "triage review" });
  #reports = [];
  #mentions = [];
  #report = ""; // the key of the one that is reviewed
  #ticked = new Set();
  #shown = SHOWN_AT_ONCE;
  #asked = 0;
  #deciding = false;
  #entered = false; // whether the focus goes into the sheet once it is there

  constructor(app) {
    this.app = app;
  }

  open() {
    this.#entered = true;
    this.app.drawer("reports", { keep: true });
  }

  // Asks anew, while the sheet is open: another tab, person or command may have decided. `report` is the one to show.
  async renew(report = this.#report) {
    if (!this.element.isConnected) return;
    const mine = ++this.#asked;
    if (!this.element.children.length) fill(this.element, el("p", { role: "status" }, "Reading the reports…"));
    try {
      const { reports } = await ask("reports", {}, { quiet: true });
      const there = reports.some((each) => each.key === report);
      const { mentions } = there ? await ask("mentions", { report }, { quiet: true }) : { mentions: [] };
      if (mine !== this.#asked) return;
      if (report !== this.#report) {
        this.#ticked.clear();
        this.#shown = SHOWN_AT_ONCE;
      }
      const news = there ? mentions : reports;
      // What is the same is not drawn anew: a click that has begun would be lost.
      const same =
        this.element.querySelector("table") !== null &&
        this.#report === (there ? report : "") &&
        JSON.stringify(news) === JSON.stringify(there ? this.#mentions : this.#reports);
      [this.#reports, this.#mentions, this.#report] = [reports, mentions, there ? report : ""];
      if (!same || this.#entered) this.draw();
    } catch (wrong) {
      if (mine === this.#asked) fill(this.element, el("p", { class: "bad", role: "alert" }, wrong.message));
    }
  }

  draw() {
    const hasFocus = refill(this.element, this.#report ? this.#sheet() : this.#list());
    if (this.#entered && !hasFocus)
      /** @type {HTMLElement | null} */ (this.element.querySelector("button, input"))?.focus({ preventScroll: true });
    this.#entered = false;
  }

  async #choose(report) {
    await this.renew(report);
    this.element.parentElement?.scrollTo(0, 0);
  }

  #list() {
    if (!this.#reports.length)
      return el("p", { class: "soft" }, "No report is kept. In a terminal: intel-grapher cache add REPORT.pdf");
    const row = (report) => [
      el(
        "td",
        {},
        button(titleOf(report), () => this.#choose(report.key), { class: "quiet" }),
        report.faults.map((fault) => el("div", { class: "bad" }, fault)),
      ),
      el("td", { class: "soft" }, report.paths.join(", ")),
      el("td", { class: "soft short" }, day(report.added)),
      el("td", { class: "soft short" }, report.format),
      el("td", {}, number(report.counts.left)),
      el("td", {}, number(report.marked)),
      el("td", {}, number(report.counts.accepted)),
      el("td", {}, number(report.counts.rejected)),
    ];
    const open = this.#reports.filter((each) => each.counts.left).length;
    const told = `${plural(this.#reports.length, "report")}, ${number(open)} with mentions that are left`;
    return [
      el(
        "div",
        { class: "row" },
        el("strong", { role: "status" }, told),
        el("span", { class: "soft" }, "A mention counts as reported once it is accepted. None is asked about before."),
      ),
      table(
        "Reports",
        ["Title", "File", "Added", "Format", "Left", "Marked", "Accepted", "Rejected"],
        this.#reports.map(row),
      ),
    ];
  }

  #sheet() {
    const report = this.#reports.find((each) => each.key === this.#report);
    const { as_of: asOf } = this.app.schema;
    const rest = this.#mentions.length - this.#shown;
    return [
      el(
        "div",
        { class: "row" },
        button("All reports", () => this.#choose("")),
        el("h2", { class: "title" }, titleOf(report)),
        el("span", { role: "status" }, this.#told()),
      ),
      asOf
        ? el("p", { class: "soft" }, `This is the graph as of ${asOf}: what is decided is kept for the graph of today.`)
        : null,
      report.faults.map((fault) => el("p", { class: "bad" }, fault)),
      this.#bar(),
      this.#mentions.length
        ? table(
            "What the report mentions",
            ["Tick", "State", "Indicator", "Where", "Probably none", "Context"],
            this.#mentions.slice(0, this.#shown).map((each) => this.#row(each)),
            { onkeydown: walk },
          )
        : el("p", { class: "soft" }, "The report mentions no indicator."),
      rest > 0
        ? button(`Show ${number(Math.min(rest, SHOWN_AT_ONCE))} more of ${number(rest)}`, () => {
            this.#shown += SHOWN_AT_ONCE;
            this.draw();
          })
        : null,
    ];
  }

  #told() {
    const count = (state) => `${number(this.#mentions.filter((each) => each.state === state).length)} ${state}`;
    return `${plural(this.#mentions.length, "mention")}: ${STATES.map(count).join(", ")}`;
  }

  #bar() {
    const { editing } = this.app;
    const tick = (some) => () => {
      this.#ticked = new Set(some.map((each) => each.indicator));
      this.draw();
    };
    const open = this.#mentions.filter((each) => each.state === "left");
    const unmarked = open.filter((each) => !each.mark);
    return el(
      "div",
      { class: "row bar" },
      el("span", { class: "ticks soft", "aria-live": "polite" }, this.#ticks()),
      button("Select all unmarked", tick(unmarked), {
        class: "quiet",
        title: "Those that are left, and that nothing speaks against",
      }),
      button("all that are left", tick(open), { class: "quiet" }),
      button("none", tick([]), { class: "quiet" }),
      button("Accept", () => this.#decide("accepted"), { class: "main", title: "The report reports them" }),
      button("Reject", () => this.#decide("rejected"), { title: "The report does not report them: no fact" }),
      button("Leave", () => this.#decide("left"), { title: "They are left open again" }),
      el(
        "label",
        {},
        "Author ",
        el("input", { value: editing.author, onchange: (event) => (editing.author = event.target.value) }),
      ),
    );
  }

  #ticks() {
    return `${plural(this.#ticked.size, "tick")}:`;
  }

  #row(mention) {
    const { indicator, label, key, state, mark, count, where, context, waiting } = mention;
    const box = el("input", {
      type: "checkbox",
      checked: this.#ticked.has(indicator),
      "aria-label": indicator,
      onchange: () => {
        this.#ticked[box.checked ? "add" : "delete"](indicator);
        this.element.querySelector(".ticks").textContent = this.#ticks();
      },
    });
    const show = () => this.#show({ label, key }).catch(tell);
    return [
      el("td", {}, box),
      el("td", { class: `short ${CLASSES[state]}` }, state, waiting ? " (waiting)" : ""),
      el(
        "td",
        { class: "key" },
        el(
          "div",
          { class: "name" },
          sign(label),
          state === "accepted"
            ? button(shortened(indicator, 300), show, { class: "quiet key", title: "Show it in the picture" })
            : el("span", {}, shortened(indicator, 300)),
        ),
        el("div", { class: "soft" }, label, count > 1 ? ` ×${number(count)}` : ""),
      ),
      el("td", { class: "soft short" }, where),
      el("td", {}, mark ? el("span", { class: "chip suspicious" }, mark) : null),
      el("td", {}, context),
    ];
  }

  async #show(node) {
    const { actions, model, picture } = this.app;
    const { missing } = await actions.bring([node], { select: false });
    if (missing) return toast("It is not in the graph yet: the graph follows in a moment.");
    model.select(idOf(node));
    return picture.look(idOf(node));
  }

  async #decide(state) {
    const [report, indicators] = [this.#report, [...this.#ticked]];
    if (!indicators.length) return tell(new Error("Tick what is meant."));
    if (this.#deciding) return null;
    this.#deciding = true;
    try {
      await this.app.editing.decide(report, { [state]: indicators });
      // What was ticked meanwhile stays so.
      if (report === this.#report) {
        const decided = new Set(indicators);
        for (const each of this.#mentions) if (decided.has(each.indicator)) each.state = state;
        for (const each of indicators) this.#ticked.delete(each);
        this.draw();
      }
    } catch (wrong) {
      return tell(wrong);
    } finally {
      this.#deciding = false;
    }
    return this.renew();
  }
}

const titleOf = ({ title, paths, key }) => shortened(title || paths[0] || key, 100);

const table = (name, columns, rows, attributes = {}) =>
  el(
    "table",
    { "aria-label": name, ...attributes },
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        columns.map((text) => el("th", { scope: "col" }, text)),
      ),
    ),
    el(
      "tbody",
      {},
      rows.map((cells) => el("tr", {}, cells)),
    ),
  );

// Up and down lead from tick to tick.
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || event.target.type !== "checkbox") return;
  event.preventDefault();
  const boxes = [...event.currentTarget.querySelectorAll("input")];
  boxes[boxes.indexOf(event.target) + step]?.focus();
}

// The server's jobs, with progress: asking sources, and taking what is new into the graph.
import { ask } from "./api.js";
import { button, dialog, el, fill, number, plural, tell, toast } from "./dom.js";

const STAGES = {
  waiting: "waiting",
  starting: "starting",
  fetch: "asking the sources",
  transform: "making facts of replies",
  load: "loading the graph",
};
const ORDER = Object.keys(STAGES);
const stageOf = (job) =>
  job.error || `${STAGES[job.stage] ?? job.stage}${job.of ? `, ${number(job.done)} of ${number(job.of)}` : ""}`;

export class Jobs {
  #watched = new Map(); // number → whether it is under way
  #arriving = 0; // results that are being taken in
  list = [];

  constructor(app) {
    this.app = app;
  }

  /** Whether a job is under way. */
  get working() {
    return [...this.#watched.values()].some(Boolean);
  }

  /** Whether a job is under way, or its result is being taken in. */
  get busy() {
    return this.working || this.#arriving > 0;
  }

  // All jobs of the server, this tab's and others': those under way are watched, results that nobody has read are told.
  take(list) {
    this.list = list;
    for (const job of list) if (!this.#watched.has(job.number) && !(job.ended && job.read)) this.watch(job).catch(tell);
    this.onlist?.();
  }

  async watch(job) {
    if (this.#watched.has(job.number)) return;
    this.#watched.set(job.number, !job.ended);
    if (!job.ended) job = await this.#follow(job);
    this.#arriving += 1;
    this.#watched.set(job.number, false);
    try {
      if (!job.error) await this.arrived(job);
    } finally {
      this.#arriving -= 1;
    }
    this.#tell(job);
  }

  async #follow(job) {
    const [text, bar] = [el("div"), el("progress", { max: String(ORDER.length), "aria-label": "progress" })];
    const cancel = button("Cancel", () => ask("cancel", { number: job.number }).catch(tell), { class: "quiet" });
    const trouble = el("div", { class: "bad", role: "status" });
    const box = el("div", { class: "job" }, el("strong", {}, job.title), text, trouble, bar, cancel);
    document.getElementById("jobs").append(box);
    try {
      while (!job.ended) {
        text.textContent = stageOf(job);
        text.classList.toggle("bad", Boolean(job.error));
        const told = job.trouble.join(". ");
        if (trouble.textContent !== told) trouble.textContent = told;
        // Never a bar that only moves about: drawing that would take the time that the work needs.
        bar.value = ORDER.indexOf(job.stage) + (job.of ? job.done / job.of : 0);
        await new Promise((done) => {
          setTimeout(done, 350);
        });
        job = await ask("job", { number: job.number }, { quiet: true });
      }
    } finally {
      box.remove();
    }
    return job;
  }

  // The result stays until it was read: in this tab, or in another.
  #tell(job) {
    if (job.read) return;
    const read = () => ask("told", { number: job.number }, { quiet: true }).catch(() => {});
    if (job.error)
      toast(`${job.title}: ${job.error}`, {
        wrong: true,
        action: { text: "Try again", run: () => this.again(job) },
        read,
      });
    else toast(`${job.title}: done. ${job.said.slice(0, -1).join("; ")}`, { stay: true, read });
  }

  async again(job) {
    await this.watch((await ask("retry", { number: job.number })).job).catch(tell);
  }

  // The graph is another: the picture follows. After a rebuild, only what edits touched can differ.
  async arrived(job) {
    const { model, actions, editing } = this.app;
    const before = new Map(model.nodes().map((id) => [id, model.node(id).degree ?? 0]));
    const touched = job.kind === "rebuild" ? await editing.touched(!this.working) : null;
    await actions.refresh(touched ? touched.filter((id) => model.graph.hasNode(id)) : undefined);
    if (job.kind === "ask") {
      // What a node that was asked about has more neighbours for now is what came in.
      const grown = (this.enriched ?? []).filter(
        (id) => model.graph.hasNode(id) && (model.node(id).degree ?? 0) > (before.get(id) ?? 0),
      );
      for (const id of grown.slice(0, 20)) await actions.grow(id, {}, 10).catch(tell);
    }
    this.app.start.nodes ||= 1;
    await this.app.triage.renew();
    this.app.empty();
  }

  // What was done and is under way, with its result; it can be cancelled, or tried again.
  async show() {
    const box = el("div");
    const draw = () =>
      fill(
        box,
        this.list.length
          ? el(
              "table",
              {},
              el(
                "tbody",
                {},
                this.list.map((job) =>
                  el(
                    "tr",
                    {},
                    el("td", {}, new Date(job.started * 1000).toTimeString().slice(0, 5)),
                    el("td", {}, job.title),
                    el(
                      "td",
                      { class: job.error ? "bad" : "soft" },
                      job.error || (job.ended ? job.said.join("; ") : stageOf(job)),
                    ),
                    el(
                      "td",
                      {},
                      job.ended
                        ? button("again", () => this.again(job), { class: "quiet" })
                        : button("cancel", () => ask("cancel", { number: job.number }).catch(tell), { class: "quiet" }),
                    ),
                  ),
                ),
              ),
            )
          : el("p", { class: "soft" }, "No job has run since the server started."),
      );
    this.onlist = draw;
    draw();
    this.app.news.listen();
    await dialog("Jobs", {}, { ok: null, content: [box] });
    this.onlist = null;
  }

  // Which services would be asked, what that costs, and what stands in the way; then it is asked.
  async enrich(nodes) {
    let sources;
    try {
      ({ sources } = await ask("plan", { nodes: nodes.map(({ label, key }) => ({ label, key })) }));
    } catch (wrong) {
      return tell(wrong);
    }
    const row = (each) => {
      const barred = each.needs_key
        ? `needs ${each.needs_key}`
        : each.to_ask
          ? ""
          : (Object.keys(each.skipped)[0] ?? "answers are kept already");
      const cost = each.to_ask ? costOf(each) : "";
      return el(
        "tr",
        {},
        el(
          "td",
          {},
          el(
            "label",
            {},
            el("input", {
              type: "checkbox",
              "data-source": each.source,
              checked: Boolean(each.to_ask && !barred),
              disabled: Boolean(barred),
            }),
            ` ${each.title}`,
          ),
        ),
        el("td", {}, cost),
        el(
          "td",
          { class: "soft" },
          [barred, each.cached ? `${plural(each.cached, "answer")} kept` : "", each.held, each.terms]
            .filter(Boolean)
            .join("; "),
        ),
      );
    };
    const table = el(
      "table",
      { class: "plan" },
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          ["Source", "Cost", "What stands in the way"].map((each) => el("th", { scope: "col" }, each)),
        ),
      ),
      el("tbody", {}, sources.map(row)),
    );
    const chosen = () => [...table.querySelectorAll("input:checked")].map((each) => each.dataset.source);
    let job = null;
    await dialog(
      nodes.length === 1 ? `Ask about ${nodes[0].key}` : `Ask about ${nodes.length} nodes`,
      {},
      {
        ok: "Ask",
        submit: async () => {
          if (!chosen().length) throw new Error("Choose a source.");
          this.enriched = nodes.map(({ label, key }) => `${label}:${key}`);
          const refs = nodes.map(({ label, key }) => ({ label, key }));
          job = await ask("enrich", { nodes: refs, sources: chosen() });
        },
        content: [
          table,
          el("p", { class: "soft" }, "Every reply is kept in the raw cache; what is kept already is not asked again."),
        ],
      },
    );
    if (!job) return;
    await this.watch(job).catch(tell);
    for (const node of nodes)
      if (!this.app.model.graph.hasNode(`${node.label}:${node.key}`))
        await this.app.actions.bring([node]).catch(() => {});
  }
}

/**
 * Returns what it costs to ask a source: requests, time, and how many of them its limits allow today.
 * @param {{to_ask: number, today: number, seconds: number}} plan
 */
function costOf({ to_ask: requests, today, seconds }) {
  const time =
    seconds < 1.5 ? "at once" : `about ${seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`}`;
  return `${plural(requests, "request")}, ${time}${today < requests ? `, ${today} today` : ""}`;
}

// The server's jobs, with progress: asking sources, and taking what is new into the graph.
import { ask } from "./api.js";
import { button, dialog, el, number, plural, toast } from "./dom.js";

const STAGES = {
  waiting: "waiting",
  starting: "starting",
  fetch: "asking the sources",
  transform: "making facts of replies",
  load: "loading the graph",
};
const ORDER = Object.keys(STAGES);

export class Jobs {
  #watched = new Set();

  constructor(app) {
    this.app = app;
  }

  async watch(job) {
    if (this.#watched.has(job.number)) return;
    this.#watched.add(job.number);
    const [text, bar] = [el("div"), el("progress", { max: String(ORDER.length), "aria-label": "progress" })];
    const cancel = button("Cancel", () => ask("cancel", { number: job.number }).catch(() => {}), { class: "quiet" });
    const box = el("div", { class: "job" }, el("strong", {}, job.title), text, bar, cancel);
    document.getElementById("jobs").append(box);
    try {
      while (!job.ended) {
        const progress = job.of ? `, ${number(job.done)} of ${number(job.of)}` : "";
        text.textContent = `${STAGES[job.stage] ?? job.stage}${progress}`;
        // Never a bar that only moves about: drawing that would take the time that the work needs.
        bar.value = ORDER.indexOf(job.stage) + (job.of ? job.done / job.of : 0);
        await new Promise((done) => {
          setTimeout(done, 350);
        });
        job = await ask("job", { number: job.number });
      }
      if (job.error) {
        const again = async () => this.watch((await ask("retry", { number: job.number })).job);
        toast(`${job.title}: ${job.error}`, { wrong: true, action: { text: "Try again", run: again } });
      } else await this.#arrived(job);
    } catch (wrong) {
      toast(wrong.message, { wrong: true });
    }
    box.remove();
  }

  async #arrived(job) {
    const { model, actions } = this.app;
    const before = new Map(model.nodes().map((id) => [id, model.node(id).degree ?? 0]));
    await actions.refresh();
    if (job.kind === "ask") {
      toast(`${job.title}: done. ${job.said.slice(0, -1).join("; ")}`, { stay: true });
      // What a node that was asked about has more neighbours for now is what came in.
      const grown = (this.enriched ?? []).filter(
        (id) => model.graph.hasNode(id) && (model.node(id).degree ?? 0) > (before.get(id) ?? 0),
      );
      for (const id of grown.slice(0, 20)) await actions.grow(id, {}, 10).catch(() => {});
    }
    this.app.start.nodes ||= 1;
    this.app.empty();
  }

  // Which services would be asked, what that costs, and what stands in the way; then it is asked.
  async enrich(nodes) {
    let sources;
    try {
      ({ sources } = await ask("plan", { nodes: nodes.map(({ label, key }) => ({ label, key })) }));
    } catch (wrong) {
      return toast(wrong.message, { wrong: true });
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
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          ["Source", "Cost", ""].map((each) => el("th", { scope: "col" }, each)),
        ),
      ),
      el("tbody", {}, sources.map(row)),
    );
    const chosen = () => [...table.querySelectorAll("input:checked")].map((each) => each.dataset.source);
    const given = await dialog(
      nodes.length === 1 ? `Ask about ${nodes[0].key}` : `Ask about ${nodes.length} nodes`,
      {},
      {
        ok: "Ask",
        content: [
          table,
          el("p", { class: "soft" }, "Every reply is kept in the raw cache; what is kept already is not asked again."),
        ],
      },
    );
    if (!given || !chosen().length) return;
    this.enriched = nodes.map(({ label, key }) => `${label}:${key}`);
    try {
      await this.watch(
        await ask("enrich", { nodes: nodes.map(({ label, key }) => ({ label, key })), sources: chosen() }),
      );
    } catch (wrong) {
      toast(wrong.message, { wrong: true });
    }
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

// What changes while the page is open: by its jobs, another tab, or another person; and a server that is away.
import { ask } from "./api.js";
import { plural } from "./dom.js";

const PAUSE = 1500; // milliseconds

export class News {
  #timer = null;
  #marks = null;

  constructor(app) {
    this.app = app;
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.listen());
  }

  get graph() {
    return this.#marks?.graph ?? "";
  }

  async listen() {
    clearTimeout(this.#timer);
    try {
      await this.#take(await ask("news", {}, { quiet: true }));
      this.#say("away", "");
    } catch (wrong) {
      this.#say("away", wrong.message);
    }
    clearTimeout(this.#timer);
    if (document.visibilityState === "visible") this.#timer = setTimeout(() => this.listen(), PAUSE);
  }

  async #take(news) {
    const { jobs, editing, model, review, remarks, styles } = this.app;
    const before = this.#marks;
    this.#marks = news;
    jobs.take(news.jobs);
    this.#say(
      "waiting",
      news.fault
        ? `${plural(news.waiting, "edit")} can't be added: ${news.fault}`
        : news.waiting
          ? `${plural(news.waiting, "edit")} kept; added when the cache is free, as after a fetch.`
          : "",
    );
    if (!before) return;
    if (news.graph !== before.graph) this.app.opening.draw();
    if (news.entries !== before.entries || news.waiting !== before.waiting) {
      await editing.renew();
      model.tell("select");
      await review.renew();
    }
    // A job of this server tells of its own end; what changed without one was another's doing.
    if (news.warnings !== before.warnings) await remarks.renew();
    if (news.styles !== before.styles) await styles.begin();
    if (news.graph !== before.graph && !jobs.working) await jobs.arrived({ kind: "elsewhere", said: [] });
  }

  #say(what, text) {
    const line = document.querySelector(`#notices .${what}`);
    line.textContent = text;
    line.toggleAttribute("hidden", !text);
  }
}

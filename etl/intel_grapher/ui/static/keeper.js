// Keeps the picture of this tab while nobody has saved it: through reload, back, and a restart of the server.
import { ask, sendOff } from "./api.js";
import { toast } from "./dom.js";

const TAB = "intel-grapher tab";
const LAST = "intel-grapher picture";
const PAUSE = 1000; // milliseconds from a change until the picture is kept
const SENT_OFF = 60_000; // characters that a page that goes can still send

const fresh = () => crypto.randomUUID().replaceAll("-", "");

export class Keeper {
  #timer = null;
  #kept = ""; // what the picture was when it was kept or saved last
  #broken = false;
  #stored = false; // whether the server has a picture of this tab

  constructor(app) {
    this.app = app;
    this.id = sessionStorage.getItem(TAB) ?? fresh();
  }

  // A tab that was duplicated has the other's id: the one that comes second takes another.
  async #claim() {
    await new Promise((claimed) => {
      navigator.locks
        .request(`${TAB} ${this.id}`, { ifAvailable: true }, (lock) => {
          if (!lock) this.id = fresh();
          claimed();
          return lock ? new Promise(() => {}) : null; // held until the page goes
        })
        .catch(claimed);
    });
    sessionStorage.setItem(TAB, this.id);
  }

  // What was in this tab before, if it was not saved.
  async begin() {
    const mine = this.id;
    await this.#claim();
    if (!sessionStorage.getItem(LAST) && mine !== this.id) return null;
    try {
      const last = sessionStorage.getItem(LAST);
      sessionStorage.removeItem(LAST);
      return last ? JSON.parse(last) : (await ask("kept", { id: mine })).content;
    } catch {
      return null;
    }
  }

  // A link to something else was followed in this tab: what was in it stays among those that were not saved.
  async another() {
    this.id = fresh();
    await this.#claim();
  }

  watch() {
    const { model, layout } = this.app;
    for (const what of ["change", "filter", "moved"]) model.addEventListener(what, () => this.#later());
    layout.addEventListener("ended", () => this.#later());
    addEventListener("pagehide", () => this.#leave());
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.flush());
    addEventListener("beforeunload", (event) => {
      if (this.#broken && this.unsaved) event.preventDefault();
    });
  }

  get unsaved() {
    return this.#signature() !== this.#kept;
  }

  // The picture is as it was saved, or nothing: there is nothing to keep.
  async settle() {
    clearTimeout(this.#timer);
    this.#kept = this.#signature();
    this.#stored = false;
    sessionStorage.removeItem(LAST);
    await ask("keep", { id: this.id }, { quiet: true }).catch(() => {});
  }

  // Another picture comes: this one stays among those that were not saved.
  async part() {
    await this.flush();
    const had = this.unsaved || this.#stored;
    if (had && this.app.model.graph.order) toast("What was in the picture is under Open, as not saved.");
    this.#stored = false;
    if (had) await this.another();
  }

  async flush() {
    clearTimeout(this.#timer);
    if (!this.unsaved) return;
    const signature = this.#signature();
    try {
      await ask("keep", { id: this.id, content: this.#content() }, { quiet: true });
      this.#kept = signature;
      this.#stored = true;
      this.#broken = false;
    } catch (wrong) {
      if (!this.#broken) toast(`The picture can't be kept: ${wrong.message}`, { wrong: true });
      this.#broken = true;
    }
  }

  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), this.app.model.large ? 5 * PAUSE : PAUSE);
  }

  #leave() {
    if (!this.unsaved && !this.#stored) return;
    const content = JSON.stringify(this.#content());
    try {
      sessionStorage.setItem(LAST, content);
    } catch {
      // larger than the browser keeps: what was kept last is there
    }
    const body = `{"id":"${this.id}","content":${content}}`;
    if (this.unsaved && body.length < SENT_OFF) sendOff("keep", body);
  }

  #content() {
    const { investigation } = this.app;
    return { ...investigation.content(), name: investigation.name, mark: investigation.mark };
  }

  // What makes a picture another one. Where the layout puts a node is not part of it, where a person puts it is.
  #signature() {
    const { model } = this.app;
    const places = [];
    model.graph.forEachNode((id, node) => {
      places.push(node.pinned ? `${id}@${node.x.toFixed(1)},${node.y.toFixed(1)}` : id);
    });
    const filters = Object.values(model.hidden).map((names) => [...names].sort());
    const { hub, window, timeBy, hideUndated } = model;
    return JSON.stringify([places.sort(), model.facts, filters, hub, window, timeBy, hideUndated]);
  }
}

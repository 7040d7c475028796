// The time slider: a window over the dates at which relationships and nodes were seen, with bars of their number.
import { button, el, fill } from "./dom.js";
import { css } from "./palette.js";

const DAY = 86_400_000;
const BARS = 120;

export class Time {
  from = this.#slider("seen from", "0");
  to = this.#slider("seen until", "1000");
  first = el("span");
  last = el("span");

  constructor(model) {
    this.model = model;
    this.element = document.getElementById("time");
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.undated = el("input", {
      type: "checkbox",
      onchange: () => {
        model.hideUndated = this.undated.checked;
        model.filter();
      },
    });
    this.played = button("Play", () => this.#play(), { title: "Let the window grow from its beginning to the end" });
    this.since = el("input", {
      type: "date",
      "aria-label": "seen since",
      onchange: () => this.since.value && this.restore([`${this.since.value}T00:00:00Z`, this.#iso(this.most)], true),
    });
    fill(
      this.element,
      this.first,
      el("div", { class: "track" }, this.canvas, this.from, this.to),
      this.last,
      el(
        "div",
        { class: "choices" },
        el("label", { title: "Seen since" }, "since ", this.since),
        el("label", { title: "While a part of the time is chosen" }, this.undated, " hide undated"),
        this.played,
      ),
    );
    model.addEventListener("change", () => this.#later());
    addEventListener("resize", () => this.#bars());
    this.draw();
  }

  #slider(title, value) {
    const slider = { type: "range", min: "0", max: "1000", "aria-label": title, oninput: () => this.#moved() };
    const element = /** @type {HTMLInputElement} */ (el("input", slider));
    element.value = value;
    return element;
  }

  #later() {
    if (this.waiting) return;
    this.waiting = setTimeout(() => {
      this.waiting = null;
      this.draw();
    }, 150);
  }

  draw() {
    const spans = [];
    const take = (properties) => {
      const from = properties?.first_seen ?? properties?.last_seen;
      const span = [Date.parse(from), Date.parse(properties?.last_seen ?? from)];
      if (!span.some(Number.isNaN)) spans.push(span);
    };
    this.model.graph.forEachEdge((_, edge) => take(edge.properties));
    this.model.graph.forEachNode((_, node) => take(node.properties));
    this.spans = spans;
    const dated = spans.length > 0;
    this.least = dated ? Math.floor(spans.reduce((least, [from]) => Math.min(least, from), Infinity) / DAY) * DAY : 0;
    this.most = dated ? Math.ceil(spans.reduce((most, [, to]) => Math.max(most, to), -Infinity) / DAY + 1) * DAY : 0;
    for (const each of [this.from, this.to]) each.disabled = !dated;
    this.#write();
    this.#bars();
  }

  #at(value) {
    return this.least + ((this.most - this.least) * value) / 1000;
  }
  #iso(moment) {
    return `${new Date(moment).toISOString().slice(0, 19)}Z`;
  }

  #moved() {
    const [a, b] = [Number(this.from.value), Number(this.to.value)];
    if (a > b) [this.from.value, this.to.value] = [String(b), String(a)];
    const whole = this.from.value === "0" && this.to.value === "1000";
    this.model.window = whole
      ? null
      : [this.#iso(this.#at(Number(this.from.value))), this.#iso(this.#at(Number(this.to.value)))];
    this.#write();
    this.#bars();
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      this.model.filter();
    });
  }

  #write() {
    if (!this.spans.length) {
      this.first.textContent = "no dates yet";
      this.last.textContent = "";
      return;
    }
    [this.first.textContent, this.last.textContent] = [this.from, this.to].map((each) =>
      this.#iso(this.#at(Number(each.value))).slice(0, 10),
    );
    this.from.setAttribute("aria-valuetext", this.first.textContent);
    this.to.setAttribute("aria-valuetext", this.last.textContent);
  }

  #bars() {
    const { width, height } = this.canvas.getBoundingClientRect();
    const ratio = devicePixelRatio || 1;
    [this.canvas.width, this.canvas.height] = [width * ratio, height * ratio];
    if (!this.spans.length || !width) return;
    const context = this.canvas.getContext("2d");
    const counts = Array.from({ length: BARS }, () => 0);
    const place = (moment) =>
      Math.max(0, Math.min(BARS - 1, Math.floor(((moment - this.least) / (this.most - this.least)) * BARS)));
    for (const [from, to] of this.spans) for (let i = place(from); i <= place(to); i += 1) counts[i] += 1;
    const most = Math.max(...counts);
    const [start, end] = [Number(this.from.value), Number(this.to.value)].map((value) => (value / 1000) * BARS);
    counts.forEach((count, i) => {
      const tall = count ? Math.max(2 * ratio, (count / most) * this.canvas.height) : 0;
      context.fillStyle = i + 1 > start && i < end ? css("--accent") : css("--line");
      context.globalAlpha = 0.55;
      context.fillRect(
        (i / BARS) * this.canvas.width,
        this.canvas.height - tall,
        this.canvas.width / BARS - ratio,
        tall,
      );
    });
  }

  // The end of the window goes from its beginning to the end of all, in some four seconds.
  #play() {
    if (this.playing || !this.spans.length) {
      clearInterval(this.playing);
      this.playing = null;
      this.played.textContent = "Play";
      return;
    }
    this.played.textContent = "Stop";
    let at = Number(this.from.value);
    const step = Math.max(10, (1000 - at) / 40);
    this.playing = setInterval(() => {
      at += step;
      this.to.value = String(Math.min(1000, at));
      this.#moved();
      if (at >= 1000) this.#play();
    }, 100);
  }

  restore(kept, told = false) {
    const window = kept?.length === 2 && !kept.map(Date.parse).some(Number.isNaN) ? kept : null;
    this.model.window = window;
    const place = (moment) =>
      String(Math.round(((Date.parse(moment) - this.least) / (this.most - this.least || 1)) * 1000));
    [this.from.value, this.to.value] = window ? window.map(place) : ["0", "1000"];
    this.#write();
    this.#bars();
    if (told) this.model.filter();
  }
}

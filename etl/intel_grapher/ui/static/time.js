// The time brush: a window over the dates at which relationships and nodes were seen, with bars of their number.
import { button, el, fill, number, plural } from "./dom.js";
import { stay } from "./model.js";
import { css } from "./palette.js";

const DAY = 86_400_000;
const BARS = 120;
const GRIP = 8; // pixels from a slider's thumb that are its own

export class Time {
  from = this.#slider("seen from", "0");
  to = this.#slider("seen until", "1000");
  first = el("span");
  last = el("span");
  #open = [true, true]; // whether the window begins, and ends, where all does
  count = el("span", { class: "soft", id: "in-window", "aria-live": "polite" });

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
      "aria-label": "since",
      onchange: () => this.since.value && this.#choose([Date.parse(`${this.since.value}T00:00:00Z`), this.most]),
    });
    this.by = el(
      "select",
      {
        "aria-label": "what falls into the time",
        onchange: () => {
          model.timeBy = this.by.value;
          this.draw();
          model.filter();
        },
      },
      el("option", { value: "seen" }, "seen"),
      el("option", { value: "first" }, "first seen"),
    );
    this.track = el("div", { class: "track" }, this.canvas, this.from, this.to);
    fill(
      this.element,
      this.first,
      this.track,
      this.last,
      el(
        "div",
        { class: "choices" },
        this.by,
        el("label", {}, "since ", this.since),
        el("label", { title: "While a part of the time is chosen" }, this.undated, " hide undated"),
        this.played,
        this.count,
      ),
    );
    this.#brush();
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
      const span = stay(properties, this.model.timeBy).map(Date.parse);
      if (!span.some(Number.isNaN)) spans.push(span);
    };
    this.model.graph.forEachEdge((_, edge) => edge.more || take(edge.properties));
    this.model.graph.forEachNode((_, node) => take(node.properties));
    this.spans = spans;
    const dated = spans.length > 0;
    this.least = dated ? Math.floor(spans.reduce((least, [from]) => Math.min(least, from), Infinity) / DAY) * DAY : 0;
    this.most = dated ? Math.ceil(spans.reduce((most, [, to]) => Math.max(most, to), -Infinity) / DAY + 1) * DAY : 0;
    for (const each of [this.from, this.to]) each.disabled = !dated;
    if (dated && this.model.window) this.#follow();
    this.#write();
    this.#bars();
  }

  // What came or went has moved the ends of all: the window stays, but for an end of it that was open.
  #follow() {
    const [from, to] = this.model.window.map(Date.parse);
    const window = [this.#open[0] ? this.least : from, this.#open[1] ? this.most : to];
    this.#place(window);
    const told = window.map((each) => this.#iso(each));
    if (told.join() === this.model.window.join()) return;
    this.model.window = told;
    this.model.filter();
  }

  #place(moments) {
    const place = (moment) => Math.round((1000 * (moment - this.least)) / (this.most - this.least || 1));
    [this.from.value, this.to.value] = moments.map((each) => String(Math.max(0, Math.min(1000, place(each)))));
  }

  // A drag over the bars chooses a part of the time; one that begins within it moves it; a double click lets it go.
  #brush() {
    const { track } = this;
    const share = ({ clientX }) => {
      const { left, width } = track.getBoundingClientRect();
      return Math.max(0, Math.min(1000, (1000 * (clientX - left)) / (width || 1)));
    };
    track.addEventListener("pointerdown", (event) => {
      if (!this.spans.length || event.button || event.target.matches("input")) return;
      const [begun, low, high] = [share(event), Number(this.from.value), Number(this.to.value)];
      const grip = (1000 * GRIP) / (track.clientWidth || 1);
      const inside = (low > 0 || high < 1000) && begun > low + grip && begun < high - grip;
      track.setPointerCapture(event.pointerId);
      const move = (moved) => {
        const now = share(moved);
        if (Math.abs(now - begun) < 4) return;
        const by = Math.max(-low, Math.min(1000 - high, now - begun));
        const [a, b] = inside ? [low + by, high + by] : [Math.min(begun, now), Math.max(begun, now)];
        [this.from.value, this.to.value] = [String(a), String(b)];
        this.#moved();
      };
      track.addEventListener("pointermove", move);
      track.addEventListener("pointerup", () => track.removeEventListener("pointermove", move), { once: true });
    });
    track.addEventListener("dblclick", () => this.#choose([this.least, this.most]));
    track.addEventListener("pointermove", (event) => {
      if (!this.spans.length || event.buttons) return;
      const [from, to] = [share(event) - 500 / BARS, share(event) + 500 / BARS].map((each) => this.#at(each));
      const there = this.spans.filter(([a, b]) => a <= to && b >= from).length;
      track.title = `${this.#iso(this.#at(share(event))).slice(0, 10)}: ${number(there)}. Drag to choose a part.`;
    });
  }

  #choose(moments) {
    this.#place(moments);
    this.#moved(moments);
  }

  #at(value) {
    return this.least + ((this.most - this.least) * value) / 1000;
  }
  #iso(moment) {
    return `${new Date(moment).toISOString().slice(0, 19)}Z`;
  }

  // `exact` are the moments that a person named, which a slider's place only comes near.
  #moved(exact = null) {
    const [a, b] = [Number(this.from.value), Number(this.to.value)];
    if (a > b) [this.from.value, this.to.value] = [String(b), String(a)];
    this.#open = [this.from.value === "0", this.to.value === "1000"];
    const whole = this.#open[0] && this.#open[1];
    this.model.window = whole
      ? null
      : (exact ?? [this.from, this.to].map((each) => this.#at(Number(each.value)))).map((each) => this.#iso(each));
    this.#write();
    this.#bars();
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      this.model.filter();
    });
  }

  #write() {
    this.element.classList.toggle("bare", !this.spans.length);
    this.count.textContent = "";
    if (!this.spans.length) {
      this.first.textContent = "no dates yet";
      this.last.textContent = "";
      return;
    }
    const [least, most] = this.model.window?.map(Date.parse) ?? [this.least, this.most];
    const inside = this.spans.filter(([from, to]) => from <= most && to >= least).length;
    if (this.model.window) this.count.textContent = `${number(inside)} of ${plural(this.spans.length, "date")}`;
    [this.first.textContent, this.last.textContent] = [least, most].map((each) => this.#iso(each).slice(0, 10));
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

  restore(kept, { by = "seen", undated = false } = {}) {
    this.model.timeBy = this.by.value = by === "first" ? "first" : "seen";
    this.model.hideUndated = this.undated.checked = Boolean(undated);
    this.draw();
    const window = kept?.length === 2 && !kept.map(Date.parse).some(Number.isNaN) ? kept : null;
    this.model.window = window;
    this.#place(window ? window.map(Date.parse) : [this.least, this.most]);
    this.#open = [this.from.value === "0", this.to.value === "1000"];
    this.#write();
    this.#bars();
  }
}

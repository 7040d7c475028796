// Puts the page together.
import { Actions } from "./actions.js";
import { ask } from "./api.js";
import { Cypher } from "./cypher.js";
import { button, el, fill, number, plural, tell, toast } from "./dom.js";
import { Editing } from "./editing.js";
import { Exports } from "./exports.js";
import { Filters } from "./filters.js";
import { setUpFind } from "./find.js";
import { Jobs } from "./jobs.js";
import { Keeper } from "./keeper.js";
import { News } from "./news.js";
import { Investigation } from "./investigation.js";
import { help, setUpKeys } from "./keys.js";
import { KINDS, Layout } from "./layout.js";
import { openMenu } from "./menu.js";
import { Model } from "./model.js";
import { Opening } from "./opening.js";
import { deedsOn, deedsOnPicture } from "./deeds.js";
import { colourOf, learn } from "./palette.js";
import { Panel } from "./panel.js";
import { Picture } from "./picture.js";
import { Remarks } from "./remarks.js";
import { Review } from "./review.js";
import { Styles } from "./styles.js";
import { Selection } from "./selection.js";
import { Table } from "./table.js";
import { Time } from "./time.js";
import { Triage } from "./triage.js";

const byId = (id) => document.getElementById(id);
const THEME = "intel-grapher theme";
const TALL = "intel-grapher drawer";
const FOLDED = "intel-grapher folded";
document.documentElement.dataset.theme =
  localStorage.getItem(THEME) ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

async function begin() {
  const start = await ask("start");
  learn(start.labels);
  /** @type {any} */
  const app = { start, schema: start };
  app.model = new Model();
  app.model.folding = start.folds;
  app.model.bothWays = (type) => start.types[type]?.both_ways;
  app.layout = new Layout(app.model);
  app.remarks = new Remarks(app.model);
  app.model.verdictOf = (id) => app.remarks.of(id).verdict;
  app.model.warningsOf = (id) => app.remarks.of(id).warned;
  app.styles = new Styles(app);
  app.remarks.warns = Boolean(start.warning_lists);
  app.model.addEventListener("change", ({ detail }) => {
    if (app.remarks.warns && detail.fresh?.length) app.remarks.warn(detail.fresh).catch(() => {});
  });
  app.actions = new Actions(app.model, app.layout);
  app.jobs = new Jobs(app);
  app.triage = new Triage(app);
  app.enrich = (nodes) => app.jobs.enrich(nodes);
  app.editing = new Editing(app);
  app.review = new Review(app);
  app.open = (id) => {
    const node = app.model.node(id);
    if (node.fold) return Promise.resolve(app.model.unfold([id]));
    return (node.more ? app.actions.grow(node.of, node.group) : app.actions.grow(id)).catch((wrong) =>
      toast(wrong.message, { wrong: true }),
    );
  };
  app.menu = (place) => {
    const ids = [...app.model.chosen];
    const groups = deedsOn(app, ids);
    openMenu(place, groups.length ? groups : deedsOnPicture(app));
  };
  const { layout, remarks, styles } = app;
  const onmenu = (event) => {
    event.preventDefault();
    app.menu({ x: event.clientX, y: event.clientY });
  };
  app.picture = new Picture(byId("picture"), app.model, { layout, remarks, styles, onopen: app.open, onmenu });
  app.selection = new Selection(app.picture, app.model);
  app.filters = new Filters(app);
  app.time = new Time(app.model);
  app.panel = new Panel(app);
  app.investigation = new Investigation(app);
  app.keeper = new Keeper(app);
  const banner = [];
  if (start.as_of) {
    banner.push(
      `This is the graph as of ${start.as_of}. Edits are kept, and show in the graph of today.`,
      "Sources are not asked from here.",
    );
  }
  if (start.seen_since) {
    banner.push(
      `This graph leaves out what its sources did not repeat since then: ${start.seen_since}.`,
      "What is asked or edited from here makes it anew, with all that they said.",
    );
  }
  byId("banner").hidden = !banner.length;
  byId("banner").textContent = banner.join(" ");
  setUpDrawer(app);
  app.opening = new Opening(app);
  app.empty = () => app.opening.draw();
  app.exports = () => new Exports(app);
  setUpFind(app);
  setUpKeys(app);
  setUpTools(app);
  let wasBare = false;
  const status = () => {
    const { unjoined } = app.actions;
    byId("status").textContent = app.model.graph.order
      ? `${plural(app.model.nodes().length, "node")}, ${plural(app.model.facts, "relationship")}` +
        foldedText(app.model) +
        (app.model.chosen.size > 1 ? `; ${number(app.model.chosen.size)} selected` : "") +
        (unjoined.size ? `; relationships of ${number(unjoined.size)} not looked up yet` : "")
      : "";
    app.empty();
    // A table of nothing takes no room.
    const bare = !app.model.graph.order;
    if (byId("drawer").classList.toggle("bare", bare) !== wasBare) {
      wasBare = bare;
      app.picture.sigma.resize();
    }
  };
  for (const what of ["change", "joined", "select"]) app.model.addEventListener(what, status);
  app.model.addEventListener("select", () => {
    const node = app.model.node(app.model.selected ?? "");
    if (!node) return;
    const name = `${node.label} ${node.key}, ${plural(node.degree ?? 0, "relationship")}`;
    byId("picture").setAttribute("aria-label", `${name}. Arrow keys go to neighbours, Enter expands.`);
  });
  status();
  app.model.addEventListener("framed", ({ detail }) => app.picture.frame(detail));
  app.colourOf = colourOf;
  globalThis.app = app; // for the console, and for the tests that look at what is drawn
  await Promise.all([app.editing.entries().catch(() => []), styles.begin().catch(tell)]);
  await app.investigation.begin();
  app.keeper.watch();
  app.news = new News(app);
  await app.news.listen();
  document.documentElement.dataset.ready = "true";
}

function foldedText(model) {
  const folds = model.folds();
  return folds.length ? `; ${number(model.members(folds).length)} folded into ${plural(folds.length, "group")}` : "";
}

function setUpTools(app) {
  const { model, picture, layout, editing, investigation, filters, time, jobs, selection } = app;
  const on = (id, run) =>
    byId(id).addEventListener("click", () =>
      Promise.resolve(run()).catch((wrong) => toast(wrong.message, { wrong: true })),
    );
  on("back", () => model.back());
  on("undo", () => model.undo());
  on("redo", () => model.redo());
  on("fit", () => picture.fit());
  const kinds = /** @type {HTMLSelectElement} */ (byId("layout-kind"));
  fill(
    kinds,
    Object.entries(KINDS).map(([value, text]) => el("option", { value }, text)),
  );
  kinds.addEventListener("change", () => layout.start(kinds.value));
  on("layout", () => layout.start(kinds.value));
  on("lasso-tool", () => {
    selection.tool = !selection.tool;
    byId("lasso-tool").setAttribute("aria-pressed", String(selection.tool));
  });
  on("add", () => editing.add());
  on("edits", () => editing.log());
  on("reports", () => app.review.open());
  on("joblist", () => jobs.show());
  on("open", () => investigation.open());
  on("save", () => investigation.save());
  on("export", () => app.exports().show());
  on("help", help);
  on("theme", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    localStorage.setItem(THEME, theme);
    filters.draw();
    time.draw();
    model.tell("select");
  });
  const enable = () => {
    for (const [id, possible] of Object.entries({ undo: model.canUndo, redo: model.canRedo, back: model.canGoBack })) {
      /** @type {HTMLButtonElement} */ (byId(id)).disabled = !possible;
    }
  };
  model.addEventListener("change", enable);
  model.addEventListener("select", enable);
  enable();
}

function setUpDrawer(app) {
  const [drawer, sheet, tabs] = [
    byId("drawer"),
    document.querySelector("#drawer .sheet"),
    document.querySelector("#drawer .tabs"),
  ];
  app.table = new Table(app, sheet);
  app.cypher = new Cypher(app);
  const shown = el("span", { class: "soft", id: "shown-rows", "aria-live": "polite" });
  const filter = el("input", {
    type: "search",
    placeholder: "Filter the table",
    "aria-label": "Filter the table",
    oninput: (event) => {
      app.table.text = event.target.value;
      app.model.filter();
    },
  });
  const kinds = { nodes: "Nodes", edges: "Relationships", pasted: "Pasted", reports: "Reports", cypher: "Cypher" };
  const others = { cypher: app.cypher.element, pasted: app.triage.element, reports: app.review.element };
  const buttons = Object.entries(kinds).map(([kind, text]) =>
    button(text, () => app.drawer(kind), { role: "tab", "aria-selected": "false", id: `tab-${kind}` }),
  );
  fill(tabs.querySelector("[role=tablist]"), buttons);
  tabs.append(shown, filter);
  let open = null;
  app.drawer = (kind, { keep = false } = {}) => {
    open = open === kind && !keep ? null : kind;
    drawer.classList.toggle("shut", open === null);
    buttons.forEach((each) => each.setAttribute("aria-selected", String(each.id === `tab-${open}`)));
    shown.textContent = "";
    filter.hidden = !open || open in others;
    if (open === "pasted") byId("tab-pasted").hidden = false;
    if (open in others) {
      app.table.close();
      fill(sheet, others[open]);
    } else if (open) app.table.open(open);
    sheet.scrollTop = 0;
    if (open === "reports") app.review.renew();
    setTimeout(() => {
      app.picture.sigma.resize();
      app.picture.redraw();
    }, 0);
  };
  byId("tab-pasted").hidden = true; // until something is
  setUpSizes(app, drawer);
  app.drawer("nodes");
}

// The drawer is as tall as a person drags it, and the panels at the sides fold.
function setUpSizes(app, drawer) {
  const grip = byId("grip");
  const kept = localStorage.getItem(TALL);
  const tall = (pixels) => {
    const most = innerHeight * 0.75;
    const high = Math.max(80, Math.min(most, pixels));
    drawer.style.setProperty("--tall", `${high}px`);
    grip.setAttribute("aria-valuenow", String(Math.round((100 * high) / innerHeight)));
  };
  const redrawn = () =>
    setTimeout(() => {
      app.picture.sigma.resize();
      app.picture.redraw();
    }, 0);
  if (kept) tall(Number(kept));
  const sheet = drawer.querySelector(".sheet");
  const set = (pixels) => {
    tall(pixels);
    localStorage.setItem(TALL, String(sheet.clientHeight));
    redrawn();
  };
  grip.addEventListener("pointerdown", (event) => {
    grip.setPointerCapture(event.pointerId);
    const [from, height] = [event.clientY, sheet.clientHeight];
    const move = ({ clientY }) => set(height + from - clientY);
    grip.addEventListener("pointermove", move);
    grip.addEventListener("pointerup", () => grip.removeEventListener("pointermove", move), { once: true });
  });
  grip.addEventListener("keydown", (event) => {
    const step = { ArrowUp: 24, ArrowDown: -24 }[event.key];
    if (step) set(sheet.clientHeight + step);
  });
  for (const side of ["filters", "panel"]) {
    const fold = byId(`fold-${side}`);
    const draw = (shut) => {
      document.querySelector("main").classList.toggle(`no-${side}`, shut);
      fold.setAttribute("aria-expanded", String(!shut));
      localStorage.setItem(`${FOLDED} ${side}`, shut ? "1" : "");
      redrawn();
    };
    fold.addEventListener("click", () => draw(fold.getAttribute("aria-expanded") === "true"));
    if (localStorage.getItem(`${FOLDED} ${side}`)) draw(true);
  }
}

// A link holds the key of one start of the server. Whoever has an old one can put the new one in.
function wayIn(wrong) {
  if (wrong.status !== 401) return [el("strong", {}, "The page can't begin"), el("p", {}, wrong.message)];
  const enter = (event) => {
    event.preventDefault();
    const link = new FormData(event.target).get("link").toString().trim();
    const key = new URLSearchParams(link.slice(link.indexOf("#") + 1)).get("token") ?? link;
    location.hash = `token=${encodeURIComponent(key)}`;
    location.reload();
  };
  return [
    el("strong", {}, "This link has no key, or an old one"),
    el("p", {}, "Each start of `intel-grapher ui` makes a new key: open the page by the link that it printed last."),
    el(
      "form",
      { onsubmit: enter, class: "row" },
      el("input", { name: "link", "aria-label": "The link that was printed", placeholder: "or paste that link here" }),
      el("button", { type: "submit", class: "main" }, "Enter"),
    ),
  ];
}

begin().catch((wrong) => {
  fill(byId("empty"), ...wayIn(wrong));
  byId("empty").hidden = false;
  document.documentElement.dataset.ready = "failed";
});

// Puts the page together.
import { Actions } from "./actions.js";
import { ask } from "./api.js";
import { Cypher } from "./cypher.js";
import { button, el, fill, number, plural, toast } from "./dom.js";
import { Editing } from "./editing.js";
import { Filters } from "./filters.js";
import { setUpFind } from "./find.js";
import { Jobs } from "./jobs.js";
import { Investigation } from "./investigation.js";
import { help, setUpKeys } from "./keys.js";
import { Layout } from "./layout.js";
import { Model } from "./model.js";
import { colourOf, learn } from "./palette.js";
import { Panel } from "./panel.js";
import { Picture } from "./picture.js";
import { Table } from "./table.js";
import { Time } from "./time.js";

const byId = (id) => document.getElementById(id);
const THEME = "intel-grapher theme";
document.documentElement.dataset.theme =
  localStorage.getItem(THEME) ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

async function begin() {
  const start = await ask("start");
  learn(start.labels);
  /** @type {any} */
  const app = { start, schema: start };
  app.model = new Model();
  app.model.bothWays = (type) => start.types[type]?.both_ways;
  app.layout = new Layout(app.model);
  app.actions = new Actions(app.model, app.layout);
  app.jobs = new Jobs(app);
  app.enrich = (nodes) => app.jobs.enrich(nodes);
  app.editing = new Editing(app);
  app.open = (id) => {
    const node = app.model.node(id);
    return (node.more ? app.actions.grow(node.of, node.group) : app.actions.grow(id)).catch((wrong) =>
      toast(wrong.message, { wrong: true }),
    );
  };
  app.picture = new Picture(byId("picture"), app.model, { onopen: app.open });
  app.filters = new Filters(app.model, start);
  app.time = new Time(app.model);
  app.panel = new Panel(app);
  app.investigation = new Investigation(app);
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
  app.empty = () => showEmpty(app);
  setUpFind(app);
  setUpKeys(app);
  setUpTools(app);
  const status = () => {
    byId("status").textContent = app.model.graph.order
      ? `${plural(app.model.nodes().length, "node")}, ${plural(app.model.graph.size, "relationship")}`
      : "";
    showEmpty(app);
  };
  app.model.addEventListener("change", status);
  app.model.addEventListener("select", () => {
    const node = app.model.node(app.model.selected ?? "");
    if (!node) return;
    const name = `${node.label} ${node.key}, ${plural(node.degree ?? 0, "relationship")}`;
    byId("picture").setAttribute("aria-label", `${name}. Arrow keys go to neighbours, Enter expands.`);
  });
  status();
  app.colourOf = colourOf;
  globalThis.app = app; // for the console, and for the tests that look at what is drawn
  await app.investigation.fromLink();
  const { jobs } = await ask("jobs");
  jobs.forEach((job) => app.jobs.watch(job));
  document.documentElement.dataset.ready = "true";
}

function setUpTools({ model, picture, layout, editing, investigation, filters, time }) {
  const on = (id, run) =>
    byId(id).addEventListener("click", () =>
      Promise.resolve(run()).catch((wrong) => toast(wrong.message, { wrong: true })),
    );
  on("back", () => model.back());
  on("undo", () => model.undo());
  on("redo", () => model.redo());
  on("fit", () => picture.fit());
  on("layout", () => layout.start());
  on("add", () => editing.add());
  on("edits", () => editing.log());
  on("open", () => investigation.open());
  on("save", () => investigation.save());
  on("export", () => investigation.exports());
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
  app.table = new Table(app.model, sheet);
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
  const kinds = { nodes: "Nodes", edges: "Relationships", cypher: "Cypher" };
  const buttons = Object.entries(kinds).map(([kind, text]) =>
    button(text, () => app.drawer(kind), { role: "tab", "aria-selected": "false", id: `tab-${kind}` }),
  );
  fill(tabs, buttons, shown, filter);
  let open = null;
  app.drawer = (kind, { keep = false } = {}) => {
    open = open === kind && !keep ? null : kind;
    drawer.classList.toggle("shut", open === null);
    buttons.forEach((each) => each.setAttribute("aria-selected", String(each.id === `tab-${open}`)));
    shown.textContent = "";
    filter.hidden = !open || open === "cypher";
    if (open === "cypher") {
      app.table.close();
      fill(sheet, app.cypher.element);
    } else if (open) app.table.open(open);
    setTimeout(() => {
      app.picture.sigma.resize();
      app.picture.redraw();
    }, 0);
  };
  app.drawer("nodes");
}

function showEmpty({ model, start, drawer }) {
  const box = byId("empty");
  box.hidden = model.graph.order > 0;
  if (!box.hidden) {
    fill(
      box,
      start.error || !start.nodes
        ? [
            el("strong", {}, "There is no graph yet"),
            el("p", {}, start.error || "The graph is empty."),
            el(
              "p",
              {},
              "Paste indicators above to ask sources about them, or run: intel-grapher run --file indicators.txt",
            ),
          ]
        : [
            el("strong", {}, `${number(start.nodes)} nodes are in the graph`),
            el(
              "p",
              {},
              "Type a domain, an address, a hash, a name above; or paste a list of indicators, defanged or not.",
            ),
            el(
              "p",
              {},
              button("What are its hubs?", () => {
                drawer("cypher", { keep: true });
                const { saved } = globalThis.app.cypher;
                saved.value = "hubs";
                saved.dispatchEvent(new Event("change"));
                globalThis.app.cypher.run();
              }),
            ),
          ],
    );
  }
}

begin().catch((wrong) => {
  fill(byId("empty"), el("strong", {}, "The page can't begin"), el("p", {}, wrong.message));
  byId("empty").hidden = false;
  document.documentElement.dataset.ready = "failed";
});

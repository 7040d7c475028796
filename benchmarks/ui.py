"""The page, measured: neighbours of nodes in a large graph, opening, a hub, and 10,000 nodes moved about.

    ui.py [small|full] [GRAPH]

small: half a million rows; full: 25 million. GRAPH is a folder that has such a graph from an earlier run (data/graph).
The picture is drawn by a real browser with software rendering. Ratios: what is wanted over what was measured (1 or
more is good); figures: milliseconds and frames a second.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from intel_grapher import ask, schema
from intel_grapher.ask import look
from intel_grapher.load import Embedded

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from big_graph import HUB, NODES, big_graph
from ui_site import opened, serving

SCALES = {"small": 0.02, "full": 1.0}
ASKED = 200
OUT = Path(__file__).parent / "out"
MADE = """() => {
  const labels = ["Domain", "SubDomain", "IPAddress", "Hash", "URL", "Email"], nodes = [], edges = [];
  let seed = 1;
  const next = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let i = 0; i < 10000; i += 1) nodes.push({ label: labels[i % 6], key: `n${i}.example`, degree: 6, properties: { sources: ["made up"] }, x: next() * 1000, y: next() * 1000 });
  for (let i = 0; i < 30000; i += 1) {
    const a = Math.floor(next() * 10000), b = Math.floor(a + (next() - 0.5) * 300 + 10000) % 10000;
    if (a !== b) edges.push({ start: nodes[a], end: nodes[b], type: "RESOLVES", properties: { sources: ["made up"] } });
  }
  const started = performance.now();
  app.model.add({ nodes, edges });
  return performance.now() - started;
}"""
COUNT = """() => { window.frames_ = []; window.counting = true;
  const frame = (at) => { frames_.push(at); if (counting) requestAnimationFrame(frame); }; requestAnimationFrame(frame); }"""
COUNTED = """() => { counting = false; const gaps = frames_.slice(1).map((at, i) => at - frames_[i]).sort((a, b) => a - b);
  return [1000 * gaps.length / (frames_.at(-1) - frames_[0]), gaps[Math.floor(gaps.length * 0.95)], gaps.length]; }"""


def neighbours(place: Path, scale: float) -> dict[str, float]:
    """Measure what the panel asks when a node is selected and grown, of nodes all over the graph."""
    took: list[float] = []
    with ask.opened(Embedded(place)) as graph:
        for i in range(ASKED + 20):
            number = (i * 7919) % int(NODES["Domain"] * scale)
            started = time.perf_counter()
            look.show(graph, schema.LABELS["Domain"], f"d{number}.com", limit=25)
            took.append((time.perf_counter() - started) * 1000)
        started = time.perf_counter()
        look.show(graph, schema.LABELS["IPAddress"], f"11.0.0.{HUB}", limit=25)
        hub = (time.perf_counter() - started) * 1000
    took = sorted(took[20:])  # the first ones open the store
    return {
        "neighbours, median ms": statistics.median(took),
        "neighbours, p95 ms": took[int(len(took) * 0.95)],
        "neighbours of a hub, ms": hub,
    }


class Used:
    """Seconds of CPU of this browser's processes, by what they do: the page, the graphics, all else."""

    def __init__(self) -> None:
        self._before = self._now()

    def of_a_frame(self, frames: float) -> dict[str, float]:
        """Return the CPU milliseconds that each has used since, for one frame of so many."""
        now = self._now()
        return {name: 1000 * (now[name] - self._before[name]) / max(frames, 1) for name in now}

    @staticmethod
    def _now() -> dict[str, float]:
        processes: dict[int, tuple[int, str, float]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                processes[int(folder.name)] = int(fields[1]), command, seconds
        found = dict.fromkeys(("page", "graphics", "browser"), 0.0)
        kinds = {"--type=renderer": "page", "--type=gpu-process": "graphics"}
        for process, (_, command, seconds) in processes.items():
            above = process
            while above in processes and above != os.getpid():
                above = processes[above][0]
            if above == os.getpid() and "chrom" in command:
                found[next((name for type_, name in kinds.items() if type_ in command), "browser")] += seconds
        return found


def moved(page: Page) -> dict[str, float]:
    """Measure frames a second while a person drags and zooms a picture of 10,000 nodes and 30,000 relationships."""
    figures = {"adding 10,000 nodes, ms": page.evaluate(MADE)}
    page.evaluate("app.layout.stop()")
    page.wait_for_timeout(2000)
    page.mouse.move(600, 300)
    used = Used()
    page.evaluate(COUNT)
    page.mouse.down()
    until = time.monotonic() + 5
    turn = 0
    while time.monotonic() < until:
        turn += 1
        page.mouse.move(600 + 150 * math.sin(turn / 8), 300 + 90 * math.cos(turn / 6))
    figures |= counted(page, "pan", used)
    page.mouse.up()
    page.wait_for_timeout(1000)
    used = Used()
    page.evaluate(COUNT)
    for turn in range(40):
        page.mouse.wheel(0, -120 if turn % 10 < 5 else 120)
        page.wait_for_timeout(60)
    return figures | counted(page, "zoom", used)


def counted(page: Page, what: str, used: Used) -> dict[str, float]:
    """Return the frames that were counted: how many a second, the longest gaps, and the CPU time of each."""
    rate, gap, frames = page.evaluate(COUNTED)
    cpu = {f"{what}, CPU ms a frame: {name}": value for name, value in used.of_a_frame(frames).items()}
    return {f"{what}, frames a second": rate, f"{what}, p95 gap ms": gap, **cpu}


def page_figures(home: Path) -> dict[str, float]:
    """Measure the page in a real browser."""
    chromium = shutil.which("chromium") or sys.exit("chromium is needed: apt-get install chromium")
    arguments = [
        "--use-gl=angle",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        "--no-sandbox",
    ]
    with sync_playwright() as playwright, serving(home) as site:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        opening = []
        for _ in range(4):
            with opened(browser, site.link, width=1280, height=800, motion=True) as page:
                opening.append(page.evaluate("performance.now()"))
        with opened(browser, site.link, width=1280, height=800, motion=True) as page:
            started = time.perf_counter()
            page.evaluate(f"app.actions.bring([{{label: 'IPAddress', key: '11.0.0.{HUB}'}}])")
            page.evaluate(f"app.actions.grow('IPAddress:11.0.0.{HUB}')")
            hub = (time.perf_counter() - started) * 1000
            page.screenshot(path=OUT / "ui-hub.png")
        with opened(browser, site.link, width=1280, height=800, motion=True) as page:
            figures = moved(page)
            page.screenshot(path=OUT / "ui.png")
        browser.close()
    return {"opens, median ms": statistics.median(opening[1:]), "a hub is shown and grown, ms": hub, **figures}


def main() -> None:
    """Measure, print, and write benchmarks/out/ui.json."""
    size = sys.argv[1] if len(sys.argv) > 1 else "small"
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        home = Path(sys.argv[2] if len(sys.argv) > 2 else made)
        if not (home / "data" / "graph").exists():
            (home / "data").mkdir(parents=True, exist_ok=True)
            print(f"made {big_graph(home, SCALES[size]):,} rows")
        figures = neighbours(home / "data" / "graph", SCALES[size]) | page_figures(home)
    figures["load of the machine"] = os.getloadavg()[0]
    ratios = {
        "neighbours under 50 ms": 50 / figures["neighbours, median ms"],
        "opens under 2 s": 2000 / figures["opens, median ms"],
        "pan at 30 frames a second": figures["pan, frames a second"] / 30,
        "zoom at 30 frames a second": figures["zoom, frames a second"] / 30,
    }
    for name, value in (*figures.items(), *ratios.items()):
        print(f"{name:32} {value:10.1f}")
    (OUT / "ui.json").write_text(json.dumps({"size": size, "ratios": ratios, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""How the transform, the embedded load and a question grow with the rows: the picture of docs/performance.md.

    growth.py small|full [GRAPH]     measure, write docs/performance.json, and draw
    growth.py draw                   draw docs/performance.svg from docs/performance.json

small: caches of 3,000 to 100,000 replies (`generate.py`); full: to 1,000,000. GRAPH is a folder that has a larger graph
from an earlier run (`big_graph.py`), of which a question is asked as well. Each step is a command in a process of its
own. Figures are seconds of CPU (user and system), which a busy machine disturbs least; of a question their median.
"""

from __future__ import annotations

import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from generate import generate

HERE = Path(__file__).resolve().parent
FIGURES, PICTURE = HERE.parent / "docs" / "performance.json", HERE.parent / "docs" / "performance.svg"
SIZES = {"small": (3_000, 10_000, 30_000, 100_000), "full": (3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)}
ASKED = 9
WAYS = {"transform": "#1f6feb", "load": "#8250df", "show": "#1a7f37"}
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 420, 70, 46, 110, 50


def used(*arguments: str | Path, compiled: Path) -> tuple[float, str]:
    """Run a command of ours; return the seconds of CPU that it took, and what it printed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(compiled)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = subprocess.run(
        [sys.executable, "-m", "intel_grapher", *map(str, arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, env=environment,
    ).stdout  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, told


def asked(place: Path, key: str, compiled: Path) -> float:
    """Return the median seconds of CPU of a question from a cold process."""
    return statistics.median(used("show", key, "--db", place, compiled=compiled)[0] for _ in range(ASKED))


def rows_of(folder: Path) -> int:
    """Return how many nodes and relationships flat files have."""
    manifest = json.loads((folder / "manifest.json").read_text())
    return sum(group["rows"] for part in ("nodes", "relationships") for group in manifest[part].values())


def measured(sizes: tuple[int, ...], graph: Path | None) -> dict[str, Any]:
    """Return the figures by way and rows, with the day and the machine."""
    found: dict[str, dict[int, float]] = {way: {} for way in WAYS}
    with tempfile.TemporaryDirectory() as made:
        compiled = Path(made) / "compiled"
        used("show", "--help", compiled=compiled)
        for replies in sizes:
            home = Path(made) / str(replies)
            places = ("--data", home / "data", "--import", home / "import")
            generate(home / "data", replies)
            seconds, _ = used("transform", *places, compiled=compiled)
            rows = rows_of(home / "import")
            found["transform"][rows] = seconds
            found["load"][rows], _ = used("load", *places, "--db", home / "graph", compiled=compiled)
            name = used("query", "MATCH (n:Domain) RETURN n.name AS name LIMIT 1", "--csv", "--db", home / "graph",
                        compiled=compiled)[1].split()[-1]  # fmt: skip
            found["show"][rows] = asked(home / "graph", name, compiled)
            print(f"{rows:,} rows", {way: round(figures[rows], 2) for way, figures in found.items()}, flush=True)
        if graph is not None:
            found["show"][rows_of(graph / "import")] = asked(graph / "data" / "graph", "d77.com", compiled)
    machine = {
        "cores": os.cpu_count(),
        "memory, GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)),
        "Python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }
    rounded = {way: {str(rows): round(each, 3) for rows, each in figures.items()} for way, figures in found.items()}
    return {"day": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine, "CPU seconds by rows": rounded}


def draw(document: dict[str, Any]) -> str:
    """Return the picture as SVG: a line for each way, both axes logarithmic."""
    lines = {
        way: sorted((int(rows), seconds) for rows, seconds in figures.items())
        for way, figures in document["CPU seconds by rows"].items()
    }
    every = [point for points in lines.values() for point in points]
    x_axis = (math.floor(math.log10(min(x for x, _ in every))), math.ceil(math.log10(max(x for x, _ in every))))
    y_axis = (math.floor(math.log10(min(y for _, y in every))), math.ceil(math.log10(max(y for _, y in every))))

    def at(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - x_axis[0]) / (x_axis[1] - x_axis[0])
        up = (math.log10(y) - y_axis[0]) / (y_axis[1] - y_axis[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<text x="{LEFT}" y="26" font-weight="bold">Seconds of CPU by rows of the graph, {document["day"]}</text>'
    ]
    for power in range(x_axis[0], x_axis[1] + 1):
        x, bottom = at(10.0**power, 10.0 ** y_axis[0])
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 20:.1f}" text-anchor="middle">{10**power:,}</text>')
    for power in range(y_axis[0], y_axis[1] + 1):
        _, y = at(10.0 ** x_axis[0], 10.0**power)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for way, points in lines.items():
        corners = [at(x, y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{WAYS[way]}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{WAYS[way]}"/>' for x, y in corners]
        x, y = corners[-1]
        parts.append(f'<text x="{x + 9:.1f}" y="{y + 4:.1f}" fill="{WAYS[way]}">{escape(way)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>'
        f"{''.join(parts)}</svg>\n"
    )


def main() -> None:
    """Measure if a size is named, and draw."""
    size = sys.argv[1]
    if size != "draw":
        found = measured(SIZES[size], Path(sys.argv[2]) if len(sys.argv) > 2 else None)
        FIGURES.write_text(json.dumps(found, indent=2) + "\n")
    PICTURE.write_text(draw(json.loads(FIGURES.read_text())))


if __name__ == "__main__":
    main()

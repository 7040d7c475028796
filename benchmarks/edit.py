"""Edits of a large graph, measured: the CPU seconds from an entry that is kept to the graph that has it.

    edit.py [small|full]

small: a cache of 20,000 replies; full: of 110,000, which give 600,000 nodes and 1.3 million relationships. Each kind of
edit is made twice, and the second counts. For comparison the graph is built as a whole. Ratios: seconds of a build over
those of an edit's load; figures: CPU seconds of the transform and of the load.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from generate import generate

from intel_grapher.analyst import journal
from intel_grapher.analyst.entries import (
    AnalystEntry,
    NodeEntry,
    NoteEntry,
    RelationshipEntry,
    TakeOutEntry,
    VerdictEntry,
)
from intel_grapher.cache import Cache
from intel_grapher.files import Files
from intel_grapher.load import Embedded, Loaded, load
from intel_grapher.model import NodeRef
from intel_grapher.registry import Registry
from intel_grapher.transform import Options, transform

SIZES = {"small": 20_000, "full": 110_000}
OUT = Path(__file__).parent / "out"
ME = "bench"


def entries(turn: int) -> dict[str, AnalystEntry]:
    """Return an entry of each kind; each turn has others."""
    domain, address = NodeRef("Domain", f"name-{turn}.example"), NodeRef("IPAddress", f"198.51.100.{turn + 1}")
    return {
        "node": NodeEntry(author=ME, label=domain.label, key=domain.key),
        "note": NoteEntry(author=ME, about=domain, text="seen before"),
        "verdict": VerdictEntry(author=ME, about=domain, verdict="malicious"),
        "relationship": RelationshipEntry(author=ME, start=domain, type="RESOLVES", end=address),
        "taken out": TakeOutEntry(author=ME, start=domain, type="RESOLVES", end=address),
    }


def used(work: Callable[[], object]) -> float:
    """Return the CPU seconds of this process and those that it starts for some work."""

    def now() -> float:
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(each.ru_utime + each.ru_stime for each in both)

    before = now()
    work()
    return now() - before


def main() -> None:
    """Measure, print, and write benchmarks/out/edit.json."""
    size = sys.argv[1] if len(sys.argv) > 1 else "small"
    OUT.mkdir(exist_ok=True)
    registry = Registry.installed()
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        data, target = home / "data", Embedded(home / "graph")
        generate(data, SIZES[size])

        def transformed() -> None:
            with Cache(data) as cache:
                transform(cache, home / "import", registry, Options())

        def loaded(way: str) -> Loaded:
            return load(Files(home / "import"), target, method="copy" if way == "copy" else "auto")

        figures = {"all: transform": used(transformed), "all: load": used(lambda: loaded("copy"))}
        for turn in range(2):
            for kind, entry in entries(turn).items():
                with Cache(data) as cache:
                    journal.keep(cache, entry)
                figures[f"{kind}: transform"] = used(transformed)
                started = time.monotonic()
                figures[f"{kind}: load"] = used(lambda: loaded("auto"))
                figures[f"{kind}: load, seconds by the clock"] = time.monotonic() - started
    figures["load of the machine"] = os.getloadavg()[0]
    ratios = {
        f"a build over the load of a {kind}": figures["all: load"] / figures[f"{kind}: load"] for kind in entries(0)
    }
    for name, value in (*figures.items(), *ratios.items()):
        print(f"{name:44} {value:8.2f}")
    (OUT / "edit.json").write_text(json.dumps({"size": size, "ratios": ratios, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()

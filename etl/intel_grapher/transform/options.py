"""The settings of one transform."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from intel_grapher import sets
from intel_grapher.machine import quarter_of_memory


@dataclass
class Options:
    """How to transform: the formats to write, the processes and the memory (bytes) to use.

    `progress` is called with the name of a step, how much of it is done and how much there is: bytes read, rows
    written. `as_of` (epoch seconds) leaves out later replies. `seen_since` maps sources to epoch seconds: a reply from
    before then is left out if the same question has a full answer from then on. `keep` is how many earlier sets of
    files are kept beside the new one (`intel_grapher.sets`). `master` is the URL of the Spark cluster that does
    the work (`intel_grapher.transform.spark`); empty: this machine does it.
    """

    formats: tuple[str, ...] = ("parquet", "csv")
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    memory: int = field(default_factory=quarter_of_memory)
    progress: Callable[[str, int, int], None] = lambda _step, _done, _total: None
    as_of: int | None = None
    seen_since: dict[str, int] = field(default_factory=dict)
    keep: int = sets.MOST
    master: str = ""

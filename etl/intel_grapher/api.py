"""intel-grapher in Python: run the steps, look up, and take the graph as tables.

    import intel_grapher as ig

    with ig.Workspace("investigation") as work:
        work.run(["example.com", "192.0.2.10"])              # fetch, transform, load
        for card in work.look(["example.com"], offline=True):
            print(card.node.key, card.judgement.word)
        print(work.rank(["example.com", "cdn-update.example"]).ties[:3])
        frames = work.tables().pandas()

What is stable: the names in `__all__`, which `intel_grapher` has, too; the methods of Workspace with their parameters;
the attributes of what they return. These change only as CHANGELOG says, and are not taken away without a version in
which they still work. All other modules may change with any version.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict, Unpack

from intel_grapher import demo, objects, pipeline, settings, times
from intel_grapher.ask import LIMIT, TIMEOUT, Answer, Graph, Neighbour, find, saved
from intel_grapher.ask import path as paths
from intel_grapher.ask import rank as ranking
from intel_grapher.ask.explore import HUB, Step
from intel_grapher.ask.path import Paths
from intel_grapher.ask.pool import GraphPool
from intel_grapher.ask.rank import Ranking, Tie
from intel_grapher.cache import Cache, is_there
from intel_grapher.cards.card import Card
from intel_grapher.cards.known import KnownNode, known_node
from intel_grapher.cards.looking import look as look_at
from intel_grapher.early import mapped_early
from intel_grapher.errors import (
    BadValue,
    BusyError,
    GrapherError,
    KeyMissingError,
    NoRepliesError,
    NotFoundError,
    NothingYetError,
    UsageError,
)
from intel_grapher.fetch.asking import Indicator, freshness
from intel_grapher.fetch.degrees import in_files
from intel_grapher.fetch.hops import Hops
from intel_grapher.fetch.ledgers import users_ledger
from intel_grapher.fetch.plan import Plan, plan
from intel_grapher.fetch.run import FetchOptions, fetch
from intel_grapher.fetch.summary import Summary
from intel_grapher.files import Files, Manifest
from intel_grapher.intake import NO_TYPOS, TextReading, read, single
from intel_grapher.judgement import Judgement
from intel_grapher.load import Embedded, Loaded, Server, load, targets
from intel_grapher.model import NodeRef
from intel_grapher.pipeline import PipelineOptions, PipelineResult, Places
from intel_grapher.registry import Registry
from intel_grapher.retraction import retraction
from intel_grapher.schema import BY_INDICATOR
from intel_grapher.source import Source
from intel_grapher.tables import ByGroup, GraphTables, read_tables
from intel_grapher.transform import Options as TransformOptions
from intel_grapher.transform import transform

__all__ = [
    "Answer",
    "Asking",
    "BusyError",
    "ByGroup",
    "Card",
    "GraphTables",
    "GrapherError",
    "Judgement",
    "KeyMissingError",
    "KnownNode",
    "Loaded",
    "Manifest",
    "Neighbour",
    "NodeRef",
    "NotFoundError",
    "NothingYetError",
    "Paths",
    "PipelineResult",
    "Plan",
    "Ranking",
    "Step",
    "Summary",
    "TextReading",
    "Tie",
    "UsageError",
    "Workspace",
    "read",
]

Indicators = str | Iterable[str | Indicator]
"""What is asked about: a text with indicators in it, or several, each a text or a pair of kind and key."""
_settings_hold = threading.RLock()
_MOST_FAULTS = 20


class Asking(TypedDict, total=False):
    """Whom to ask, and how.

    sources   names of the sources; all, if none is named
    max_age   ask again what is older: `7d`, or by source `otx=12h,30d`
    refresh   ask again whatever the cache holds
    hops      follow what the replies name, so many steps
    requests  send at most so many in all
    """

    sources: Sequence[str]
    max_age: str | None
    refresh: bool
    hops: int
    requests: int | None


def _in_silence(_stage: str, _step: str, _done: int, _total: int) -> None:
    """Report no progress."""


class Workspace:
    """A folder with a raw cache, flat files and a graph; a context manager that lets go of the graph at its end.

    The settings are those of the command line in that folder: environment, the workspace's `intel-grapher.toml`, your
    own file, default. An argument wins over them.

    folder    the workspace, or a folder below it; the places below are relative to it
    data      folder of the raw cache
    import_   folder of the flat files
    db        folder of the embedded graph
    to        which graph is loaded and asked: "embedded", or "neo4j"
    memory    bytes that a load and a user's Cypher may take; a quarter of all
    registry  the sources that there are; those that are installed

    Methods may be called from several threads: those that ask services, transform or load go one after the other.
    """

    def __init__(
        self,
        folder: str | Path = ".",
        *,
        data: str | Path | None = None,
        import_: str | Path | None = None,
        db: str | Path | None = None,
        to: str | None = None,
        memory: int | None = None,
        registry: Registry | None = None,
    ) -> None:
        self.folder = Path(folder).absolute()
        if not self.folder.is_dir():
            raise UsageError(f"there is no folder {self.folder}: `intel-grapher init` lays a workspace out")
        named = [str(each) for each in (data, import_) if each]
        values = {it.setting.name: it.value for it in settings.resolve(self.folder, os.environ, named)}
        self.data = self.folder / objects.place(data or values["data"], "data")
        self.import_ = self.folder / objects.place(import_ or values["import"], "import")
        self.db = self.folder / (db or values["db"])
        self._to = to or values["to"]
        self._memory = settings.byte_size(str(memory) if memory is not None else values["memory"] or None)
        self._ages = values["max-age"] or None, values["negative-age"] or None
        self.registry = registry or Registry.installed()
        self._pool: GraphPool | None = None

    @classmethod
    def demo(cls, folder: str | Path = "intel-grapher-demo") -> Workspace:
        """Return a workspace with the made-up campaign Paper Lantern, loaded into a folder of its own.

        Raises UsageError where something else is in that folder.
        """
        demo.lay_out(Path(folder))
        workspace = cls(folder, data="data", import_="import", db="data/graph", to=targets.EMBEDDED)
        workspace.transform()
        workspace.load()
        return workspace

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Workspace({str(self.folder)!r})"

    def close(self) -> None:
        """Let go of the graph. The next question opens it again."""
        if self._pool is not None:
            self._pool.close()
        self._pool = None

    # --- the steps ----------------------------------------------------------------------------------------------------

    def plan(self, indicators: Indicators, **how: Unpack[Asking]) -> Plan:
        """Return what `fetch` would ask with the same arguments. Asks nothing."""
        found = indicators_of(indicators)
        with self._settings(), Cache(self.data) as cache:
            return plan(cache, self._chosen(how), found, self._options(how))

    def fetch(self, indicators: Indicators, **how: Unpack[Asking]) -> Summary:
        """Return the summary of asking the sources what the cache lacks; every reply is kept.

        Raises UsageError for what is no indicator, and BusyError while another process fetches.
        """
        found = indicators_of(indicators)
        with self._settings(), Cache(self.data) as cache, mapped_early(cache, self.import_, self.registry):
            return fetch(cache, self._chosen(how), found, self._options(how))

    def transform(self, *, as_of: str | None = None, processes: int = 1) -> Manifest:
        """Return the manifest of the flat files, made anew of the cache.

        `as_of` leaves out what came later: a date, a time, `yesterday`, `7d`. With more than one of `processes` a
        script must have `if __name__ == "__main__":`, because each begins by importing it.
        """
        self._require_replies()
        moment = None if as_of is None else _moment(as_of)
        with self._settings(), Cache(self.data) as cache:
            options = TransformOptions(processes=processes, as_of=moment)
            return transform(cache, self.import_, self.registry, options)

    def load(self, *, prune: float | None = None) -> Loaded:
        """Return what a load of the flat files into the graph did; it ends in the proof that all of them are there.

        `prune` deletes from a Neo4j what the files no longer have, up to that share of its rows.
        """
        with self._settings():
            target = self._target()
            taken_out = retraction(self.data, target)
            return load(Files(self.import_), target, prune=prune, retraction=taken_out)

    def run(
        self, indicators: Indicators = (), *, progress: pipeline.Progress = _in_silence, **how: Unpack[Asking]
    ) -> PipelineResult:
        """Return what came of fetch, transform and load, one after the other.

        Without indicators nothing is asked. `progress` is called with the stage, its step, units done, units in all.
        """
        found = indicators_of(indicators)
        if not found:
            self._require_replies()
        with self._settings():
            options = PipelineOptions(
                fetching=self._options(how), transforming=TransformOptions(processes=1), progress=progress
            )
            places = Places(self.data, self.import_, self._target())
            return pipeline.run(places, found, sources=self._chosen(how), registry=self.registry, options=options)

    # --- looking up ---------------------------------------------------------------------------------------------------

    def look(
        self,
        indicators: Indicators,
        *,
        offline: bool = False,
        show: Callable[[Card], None] = lambda _card: None,
        **how: Unpack[Asking],
    ) -> list[Card]:
        """Return one card for each indicator: the judgement, why, ties across the list, what is new, who was not asked.

        Asks what the cache lacks, as `fetch` does; `offline` asks nobody. `show` is called with each card as soon as
        its last answer is there. The graph stays as it is: `transform` and `load` make it anew.
        """
        cards: list[Card] = []

        def shown(card: Card) -> None:
            cards.append(card)
            show(card)

        found = indicators_of(indicators)
        with self._settings(), ExitStack() as stack:
            graph = self._opened_if_any(stack)
            cache = stack.enter_context(Cache(self.data))
            look_at(
                cache, self.registry, self._chosen(how), found, self._options(how), show=shown, graph=graph,
                offline=offline,
            )  # fmt: skip
        return cards

    def show(self, key: str, *, limit: int = 25) -> KnownNode:
        """Return what the graph has about a node, with at most `limit` neighbours of each kind.

        `key` is an indicator, defanged or not, any node's key, or LABEL:KEY. Raises NotFoundError where it is not
        there; the text names what is spelt like it.
        """
        with self.graph() as graph:
            return known_node(graph, find.find(graph, key), limit=limit)

    def path(
        self, start: str, end: str, *, longest: int = paths.LONGEST, limit: int = paths.MOST, hub: int = HUB
    ) -> Paths:
        """Return the shortest paths between two nodes, around those with more than `hub` neighbours."""
        with self.graph() as graph:
            ends = find.find(graph, start), find.find(graph, end)
            return paths.paths(graph, *ends, longest=longest, most=limit, hub=hub)

    def rank(self, seeds: Sequence[str], *, limit: int = ranking.MOST, hub: int = HUB) -> Ranking:
        """Return what ties two indicators or more together, the strongest first."""
        seeds = [seeds] if isinstance(seeds, str) else seeds
        ranking.require_several(seeds)
        with self.graph() as graph:
            return ranking.rank(graph, [find.find(graph, seed) for seed in seeds], most=limit, hub=hub)

    def query(
        self,
        cypher: str,
        parameters: Mapping[str, object] | None = None,
        *,
        limit: int = LIMIT,
        timeout: float = TIMEOUT,
    ) -> Answer:
        """Return the answer to Cypher that only reads, in at most `timeout` seconds and `limit` rows.

        `$name` in it is a parameter. `pandas.DataFrame(answer.rows, columns=answer.columns)` makes a data frame of it.
        Raises UsageError for Cypher that does more than to read, is wrong, or takes too much time or memory.
        """
        _require_bounds(limit, timeout)
        with self.graph() as graph:
            return graph.query(cypher, parameters or {}, limit=limit, timeout=timeout)

    def saved_query(
        self,
        name: str,
        parameters: Mapping[str, str] | None = None,
        *,
        limit: int = LIMIT,
        timeout: float = TIMEOUT,
    ) -> Answer:
        """Return the answer to a saved query; `parameters` are texts, as on the command line."""
        _require_bounds(limit, timeout)
        chosen = saved.named(name, self.queries())
        values = chosen.values(parameters or {})
        with self.graph() as graph:
            return graph.query(chosen.text(graph), values, limit=limit, timeout=timeout)

    def queries(self) -> dict[str, saved.Saved]:
        """Return the saved queries by name: those that ship with us, and the workspace's own."""
        return saved.saved(self.data / "queries")

    def tables(self, *groups: str) -> GraphTables:
        """Return the graph as Arrow tables, one for each label and each kind of relationship; of some, if named.

        `.pandas()`, `.polars()` and `.networkx()` of it give the same in these forms. Read from the flat files, which
        hold what the graph does.
        """
        return read_tables(Files(self.import_), groups)

    @contextmanager
    def graph(self) -> Iterator[Graph]:
        """Give the graph as it is now, for several questions; not stable. Raises NoGraphError where there is none."""
        pool = self._pool
        if pool is None:
            with self._settings():
                pool = self._pool = self._pool or GraphPool(self._target())
        with pool.use() as graph:
            yield graph

    # --- what they share ----------------------------------------------------------------------------------------------

    def _target(self) -> Embedded | Server:
        found = targets.target(self._to, self.db, self.data)
        if isinstance(found, Embedded) and self._memory is not None:
            return Embedded(found.place, self._memory)
        return found

    def _opened_if_any(self, stack: ExitStack) -> Graph | None:
        try:
            return stack.enter_context(self.graph())
        except GrapherError:
            return None

    def _chosen(self, how: Asking) -> list[Source]:
        names = how.get("sources", ())
        return [self.registry.named(name) for name in ([names] if isinstance(names, str) else names)] or list(
            self.registry.values()
        )

    def _options(self, how: Asking) -> FetchOptions:
        """Return the options of a fetch; to be called with the settings in place."""
        if unknown := how.keys() - Asking.__annotations__.keys():
            raise TypeError(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(Asking.__annotations__)}")
        max_age, not_found_age = self._ages
        ages = freshness(self.registry, how.get("max_age") or max_age, not_found_age, refresh=how.get("refresh", False))
        depth = how.get("hops", 0)
        following = Hops(depth=depth, degrees=in_files(self.import_) if depth else None)
        return FetchOptions(freshness=ages, hops=following, requests=how.get("requests"), ledger=users_ledger())

    def _require_replies(self) -> None:
        if not is_there(self.data):
            raise NoRepliesError(f"there is no cache at {objects.shown(self.data)}", "begin it with fetch")
        with Cache(self.data) as cache:
            if not cache.segments():
                raise NoRepliesError(
                    f"there is no reply in the cache at {objects.shown(self.data)}", "begin with fetch"
                )

    @contextmanager
    def _settings(self) -> Iterator[None]:
        """Put the settings and keys of the workspace's files where the library looks: into the environment."""
        with _settings_hold:
            before = dict(os.environ)
            os.environ.update(settings.as_environment(self.folder, os.environ))
            try:
                yield
            finally:
                for name in os.environ.keys() - before.keys():
                    del os.environ[name]


def indicators_of(named: Indicators) -> list[Indicator]:
    """Return the indicators in a text, or those that several texts are, each once.

    What is prose in a text is passed over. Raises UsageError for what looks like an indicator and is none; the error
    lists all of them.
    """
    found: dict[Indicator, None] = {}
    faults: list[str] = []
    if isinstance(named, str):
        mentions, leftovers, _ = read(named)
        found = dict.fromkeys((mention.kind, mention.key) for mention in mentions)
        faults = [f"line {line}: {raw!r}: {reason}" for line, raw, reason in leftovers if reason not in NO_TYPOS]
        if not found and not faults:
            raise UsageError("no indicator is in the text")
    else:
        for each in named:
            try:
                found[single(each) if isinstance(each, str) else _checked(*each)] = None
            except BadValue as error:
                faults.append(f"{each!r}: {error.reason}")
    if faults:
        more = f", and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
        raise UsageError(f"not an indicator: {'; '.join(faults[:_MOST_FAULTS])}{more}")
    return list(found)


def _checked(kind: str, key: str) -> Indicator:
    """Return a pair of kind and key with the key's canonical form. Raises BadValue for what is none."""
    if kind not in BY_INDICATOR:
        raise BadValue(f"not a kind; there are: {', '.join(BY_INDICATOR)}")
    return kind, BY_INDICATOR[kind].canonical(key)


def _require_bounds(limit: int, timeout: float) -> None:
    """Raise UsageError unless both are more than nothing: to the engine, no time is no limit."""
    if limit < 1 or timeout <= 0:
        raise UsageError(f"limit={limit}, timeout={timeout}: a query has at least one row and some time, in seconds")


def _moment(named: str) -> int:
    try:
        return times.named(named, time.time())
    except BadValue as error:
        raise UsageError(f"{named!r}: {error.reason}; write it as 2024-05-01, yesterday or 7d") from error

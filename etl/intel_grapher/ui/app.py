"""The page's files, and its questions: `POST /api/NAME` with a JSON object, answered with one."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import intel_grapher
from intel_grapher import labels, schema, times
from intel_grapher.analyst import journal
from intel_grapher.analyst.entries import VERDICTS, AnalystEntry, relationships_of
from intel_grapher.ask import Graph, RecordingGraph, properties, saved
from intel_grapher.ask.pool import GraphPool
from intel_grapher.cache import Cache
from intel_grapher.errors import BusyError, GrapherError, LoadError, TransformError, UsageError
from intel_grapher.fetch.asking import Indicator
from intel_grapher.fetch.plan import plan
from intel_grapher.files import Files
from intel_grapher.model import Label, NodeRef
from intel_grapher.pipeline import Places
from intel_grapher.registry import Registry
from intel_grapher.ui import (
    evidence,
    graph_api,
    handing_over,
    investigations,
    news,
    overview,
    pasted,
    query_api,
    reviews,
    styles,
)
from intel_grapher.ui.jobs import Job, Jobs
from intel_grapher.ui.waiting import WaitingEdits
from intel_grapher.warning_lists import WarningLists

STATIC: Final = Path(__file__).parent / "static"
LARGEST: Final = 80 << 20
LARGE: Final = 10_000  # nodes of a graph that takes an edit long enough without the start of a process before it
TAKE_IN: Final = "take in the edits"
T = TypeVar("T")


@dataclass
class Page:
    """The state of the server: places, sources, open graph, jobs."""

    places: Places
    registry: Registry
    graphs: GraphPool
    jobs: Jobs
    waiting: WaitingEdits
    warnings: WarningLists

    @classmethod
    def of(cls, places: Places) -> Page:
        """Return a page on some places, with the installed sources."""
        jobs = Jobs(places)

        def added() -> None:
            if not _as_of(places):
                jobs.rebuild(TAKE_IN)

        return cls(
            places,
            Registry.installed(),
            GraphPool(places.target),
            jobs,
            WaitingEdits(places.data, added),
            WarningLists(places.data / "warning-lists"),
        )


class EmptyQuestion(msgspec.Struct, frozen=True):
    """A question without members."""


class ReplyQuestion(msgspec.Struct, frozen=True):
    """A question for the replies behind a fact about `keys`, asked for under `asked`; or for one reply, by digest."""

    keys: list[str] = []
    asked: list[str] = []
    sources: list[str] = []
    key: str = ""
    digest: str = ""


class EnrichQuestion(msgspec.Struct, frozen=True):
    """The nodes to ask about, and the sources to ask: all, if none is named."""

    nodes: list[NodeRef]
    sources: list[str] = []


class Edits(msgspec.Struct, frozen=True):
    """Entries that are made at once: all of them are kept, or none."""

    entries: list[AnalystEntry]


class PictureQuestion(msgspec.Struct, frozen=True):
    """A question about the picture of one tab that was not saved."""

    id: str


class JobQuestion(msgspec.Struct, frozen=True):
    """A question about one job."""

    number: int


class InvestigationQuestion(msgspec.Struct, frozen=True):
    """A question about one saved investigation."""

    name: str


def application(page: Page) -> Starlette:
    """Return the web application of a page."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        page.waiting.close()
        page.jobs.close()
        page.graphs.close()

    asks_graph: dict[str, tuple[Any, Callable[[Graph, Any], dict[str, Any]]]] = {
        "nodes": (graph_api.NodeSet, graph_api.nodes),
        "between": (graph_api.NodeSet, graph_api.between),
        "read": (NodeRef, graph_api.read),
        "grow": (graph_api.NeighbourQuestion, graph_api.grow),
        "overview": (EmptyQuestion, lambda graph, _: overview.overview(graph)),
        "path": (graph_api.PathQuestion, graph_api.path),
        "rank": (graph_api.RankQuestion, graph_api.rank),
        "query": (query_api.CypherQuestion, partial(_query, page)),
        "search": (graph_api.TypedText, query_api.search),
        "having": (query_api.ValueQuestion, query_api.having),
    }
    does: dict[str, tuple[Any, Callable[[Page, Any], Any]]] = {
        "start": (EmptyQuestion, _start),
        "complete": (graph_api.TypedText, _complete),
        "paste": (graph_api.TypedText, _paste),
        "raw": (ReplyQuestion, _raw),
        "plan": (EnrichQuestion, _plan),
        "enrich": (EnrichQuestion, _enrich),
        "edit": (AnalystEntry, lambda page, entry: _edit(page, Edits([entry]))),
        "edits": (Edits, _edit),
        "reports": (EmptyQuestion, _reports),
        "mentions": (reviews.ReportQuestion, _mentions),
        "decide": (reviews.MentionDecisions, _decide),
        "news": (EmptyQuestion, _news),
        "entries": (EmptyQuestion, _entries),
        "offered": (NodeRef, lambda _page, ref: {"offered": relationships_of(graph_api.label_of(ref))}),
        "job": (JobQuestion, _job),
        "cancel": (JobQuestion, lambda page, asked: {"job": _known(asked, page.jobs.cancel(asked.number))}),
        "retry": (JobQuestion, lambda page, asked: {"job": _known(asked, page.jobs.retry(asked.number))}),
        "told": (JobQuestion, _told),
        "jobs": (EmptyQuestion, lambda page, _: {"jobs": [asdict(each) for each in page.jobs.running()]}),
        "warned": (graph_api.NodeSet, lambda page, asked: page.warnings.warned(asked.nodes)),
        "styles": (EmptyQuestion, lambda page, _: styles.told(page.places.data)),
        "style": (styles.StyleChange, lambda page, asked: styles.change(page.places.data, asked)),
        "export": (
            handing_over.ExportQuestion,
            lambda page, asked: handing_over.written(Files(page.places.import_), asked),
        ),
        "investigations": (EmptyQuestion, _investigations),
        "keep": (
            investigations.UnsavedPicture,
            lambda page, asked: investigations.keep_unsaved(_kept(page), asked),
        ),
        "kept": (PictureQuestion, lambda page, asked: investigations.unsaved(_kept(page), asked.id)),
        "save": (investigations.Saving, lambda page, asked: investigations.save(_kept(page), asked)),
        "open": (InvestigationQuestion, lambda page, asked: investigations.opened_with_mark(_kept(page), asked.name)),
        "remove": (InvestigationQuestion, lambda page, asked: investigations.remove(_kept(page), asked.name)),
    }
    routes = [_route(name, type_, partial(_with_cypher, page, answer)) for name, (type_, answer) in asks_graph.items()]
    routes += [_route(name, type_, partial(do, page)) for name, (type_, do) in does.items()]
    return Starlette(
        routes=[
            Route("/", lambda _: FileResponse(STATIC / "index.html")),
            Mount("/static", StaticFiles(directory=STATIC)),
            Mount("/api", routes=routes),
        ],
        lifespan=lifespan,
    )


def _route(name: str, type_: Any, answer: Callable[[Any], Any]) -> Route:  # noqa: ANN401 - a union has no type
    """Return the route of one question. Its errors have the texts of the command line's."""
    decoder = msgspec.json.Decoder(type_)

    async def endpoint(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST:
                return _json({"error": "that is too much at once"}, 413)
        try:
            asked = decoder.decode(body or b"{}")
        except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
            return _json({"error": f"the question is not understood: {wrong}"}, 400)
        try:
            found = await run_in_threadpool(answer, asked)
            return found if isinstance(found, Response) else _json(found)
        except LoadError as wrong:
            return _json({"error": str(wrong), "no_graph": True}, 409)
        except BusyError as wrong:
            return _json({"error": str(wrong), "busy": True}, 400)
        except GrapherError as wrong:
            return _json({"error": str(wrong)}, 400)

    return Route(f"/{name}", endpoint, methods=["POST"])


def _json(content: Any, status: int = 200) -> Response:  # noqa: ANN401 - any answer
    body = msgspec.json.encode({} if content is None else content, enc_hook=str)
    return Response(body, status, media_type="application/json")


def _with_cypher(page: Page, answer: Callable[[Graph, Any], dict[str, Any]], asked: Any) -> dict[str, Any]:  # noqa: ANN401
    with page.graphs.use() as graph:
        told = RecordingGraph(graph)
        found = answer(told, asked)
    cypher = [{"cypher": each, "parameters": values} for each, values in list(told.asked.items())[:40]]
    return found | {"cypher": cypher}


def _complete(page: Page, asked: graph_api.TypedText) -> dict[str, Any]:
    return {"nodes": []} if page.graphs.none_yet() else _with_cypher(page, graph_api.complete, asked)


def _paste(page: Page, asked: graph_api.TypedText) -> dict[str, Any]:
    if page.graphs.none_yet():
        return pasted.sheet(None, asked.text)
    with page.graphs.use() as graph:
        return pasted.sheet(graph, asked.text)


def _query(page: Page, graph: Graph, asked: query_api.CypherQuestion) -> dict[str, Any]:
    if not asked.saved:
        return query_api.rows(graph, asked.cypher, dict(asked.parameters))
    question = saved.named(asked.saved, saved.saved(page.places.data / "queries"))
    return query_api.rows(graph, question.text(graph), question.values(asked.parameters))


def _start(page: Page, _: EmptyQuestion) -> dict[str, Any]:
    """Return what the page needs at its start: version, target, schema, sources, saved queries."""
    nodes, error = 0, ""
    try:
        with page.graphs.use() as graph:
            nodes = graph.ask("MATCH (n) RETURN count(n) AS nodes").rows[0][0]
    except GrapherError as wrong:
        error = str(wrong)
    if nodes > LARGE:
        page.jobs.warm()
    return {
        "version": intel_grapher.__version__,
        "target": str(page.places.target),
        "author": getpass.getuser(),
        "nodes": nodes,
        "error": error,
        "as_of": _as_of(page.places),
        "seen_since": _seen_since(page),
        "labels": {name: _label(label) for name, label in schema.LABELS.items()},
        "types": {name: {"both_ways": each.both_ways, "doc": each.doc} for name, each in schema.RELATIONSHIPS.items()},
        "sources": {name: each.title for name, each in page.registry.items()},
        "verdicts": VERDICTS,
        "folds": {
            "domain": labels.DOMAIN.name,
            "beneath": labels.SUBDOMAIN.name,
            "address": labels.IP_ADDRESS.name,
        },
        "searched": properties.names(),
        "formats": handing_over.listed(),
        "warning_lists": len(page.warnings.current()) + len(page.warnings.faults),
        "queries": [
            {"name": each.name, "doc": each.doc, "cypher": each.cypher,
             "parameters": [{"name": own.name, "doc": own.doc, "default": own.default} for own in each.parameters]}
            for each in saved.saved(page.places.data / "queries").values()
        ],
    }  # fmt: skip


def _as_of(places: Places) -> str:
    """Return the time as of which the flat files were made (`transform --as-of`), in ISO 8601; empty if of now."""
    try:
        as_of = Files(places.import_).manifest().as_of
    except TransformError:
        return ""
    return "" if as_of is None else times.text(as_of)


def _seen_since(page: Page) -> str:
    """Return what the flat files leave out (`transform --seen-since`), such as "otx 2026-05-01T00:00:00Z".

    A time alone is one of all sources.
    """
    try:
        since = Files(page.places.import_).manifest().seen_since
    except TransformError:
        return ""
    moments = sorted(set(since.values()))
    if len(since) == len(page.registry) and len(moments) == 1:
        return times.text(moments[0])
    return "; ".join(f"{name} {times.text(moment)}" for name, moment in since.items())


def _label(label: Label) -> dict[str, Any]:
    return {
        "key": label.key,
        "doc": label.doc,
        "colour": label.colour,
        "shape": label.shape,
        "title": label.title,
        "title_with_key": label.title_with_key,
        "can_be_added": label in schema.ANY_NODE.labels,
        "properties": {own.name: own.doc for own in label.properties},
    }


def _raw(page: Page, asked: ReplyQuestion) -> dict[str, Any]:
    with Cache(page.places.data) as cache:
        if asked.digest:
            return evidence.reply(cache, asked.key, asked.digest) or {"error": "that reply is not kept any more"}
        return {"pieces": evidence.pieces(cache, asked.keys[:2], asked.asked[:60], asked.sources)}


_KINDS: Final = {label.name: name for name, kind in schema.BY_INDICATOR.items() for label in kind.labels}


def _indicators(asked: EnrichQuestion) -> list[Indicator]:
    found = [(_KINDS[each.label], each.key) for each in asked.nodes if each.label in _KINDS]
    if not found:
        raise UsageError("no source can be asked about that: choose a name, an address, a hash, …")
    return found


def _plan(page: Page, asked: EnrichQuestion) -> dict[str, Any]:
    """Return the cost of asking each source: requests, seconds, answers that are cached, and obstacles."""
    known = page.registry
    with Cache(page.places.data) as cache:
        made = plan(cache, list(known.values()), _indicators(asked))
    return {
        "sources": [
            {
                "source": name,
                "title": known[name].title,
                "to_ask": each.to_ask,
                "cached": each.cached,
                "today": each.today,
                "seconds": each.seconds,
                "needs_key": each.needs_key,
                "held": each.held_reason,
                "skipped": dict(each.skipped),
                "terms": known[name].terms,
            }
            for name, each in made.sources.items()
            if each.to_ask or each.cached or each.skipped
        ]
    }


def _enrich(page: Page, asked: EnrichQuestion) -> dict[str, Any]:
    if as_of := _as_of(page.places):
        raise UsageError(
            f"this page shows the graph as of {as_of}, which asking sources would replace: open the page on today's"
        )
    indicators = _indicators(asked)
    what = indicators[0][1] if len(indicators) == 1 else f"{len(indicators)} nodes"
    return asdict(page.jobs.enrich(f"ask about {what}", indicators, asked.sources or list(page.registry)))


def _edit(page: Page, asked: Edits) -> dict[str, Any]:
    """Keep entries; return them, whether they wait for another process, and the job that takes them in, if any."""
    entries, waits = page.waiting.take(asked.entries)
    job = None if waits or _as_of(page.places) else page.jobs.rebuild(TAKE_IN)
    return {"entries": entries, "waiting": waits, "job": job}


def _entries(page: Page, _: EmptyQuestion) -> dict[str, Any]:
    """Return all entries, newest first; those that wait are marked so."""
    waiting = page.waiting.listed()
    undone = {each.body["undoes"] for each in waiting if each.what == "undo"}
    with Cache(page.places.data) as cache:
        stored = journal.stored(cache)
    return {
        "entries": [
            asdict(each) | {"waiting": waits, "undone": each.undone or each.id in undone}
            for waits, some in ((True, reversed(waiting)), (False, stored))
            for each in some
        ]
    }


def _reports(page: Page, _: EmptyQuestion) -> dict[str, Any]:
    with Cache(page.places.data) as cache:
        return {"reports": reviews.listed(cache, page.waiting.listed())}


def _mentions(page: Page, asked: reviews.ReportQuestion) -> dict[str, Any]:
    with Cache(page.places.data) as cache:
        return {"mentions": reviews.mentions(cache, asked.report, page.waiting.listed())}


def _decide(page: Page, asked: reviews.MentionDecisions) -> dict[str, Any]:
    """Keep one entry for all that is decided, as any other edit is kept."""
    with Cache(page.places.data) as cache:
        made = reviews.entry(cache, asked)
    return _edit(page, Edits([made]))


def _news(page: Page, _: EmptyQuestion) -> dict[str, Any]:
    """Return the jobs, how many edits wait and why, and marks of what another tab or process may change."""
    page.warnings.current()
    return {
        "graph": news.graph_mark(page.places),
        "entries": news.entries_mark(page.places.data),
        "warnings": page.warnings.version,
        "styles": styles.version(page.places.data),
        "jobs": [asdict(each) for each in page.jobs.all()[:50]],
        "waiting": len(page.waiting.listed()),
        "fault": page.waiting.fault,
    }


def _told(page: Page, asked: JobQuestion) -> None:
    """Note that the result of a job was read."""
    _known(asked, page.jobs.get(asked.number)).read = True


def _job(page: Page, asked: JobQuestion) -> dict[str, Any]:
    return asdict(_known(asked, page.jobs.get(asked.number)))


def _known(asked: JobQuestion, job: Job | None) -> Job:
    if job is None:
        raise UsageError(f"there is no such job {asked.number}, or it has not ended")
    return job


def _investigations(page: Page, _: EmptyQuestion) -> dict[str, Any]:
    folder = _kept(page)
    return {"investigations": investigations.listed(folder), "unsaved": investigations.unsaved_listed(folder)}


def _kept(page: Page) -> Path:
    return page.places.data / "investigations"

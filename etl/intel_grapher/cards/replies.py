"""What kept replies say of one indicator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from intel_grapher import schema
from intel_grapher.cache import Cache
from intel_grapher.cards.knowledge import COMMON, Answered, Heard, Knowledge, Link
from intel_grapher.errors import BadValue, CacheError
from intel_grapher.files import Group
from intel_grapher.model import NodeRef
from intel_grapher.registry import Registry
from intel_grapher.source import Endpoint, Outcome
from intel_grapher.transform.facts import Batch, Reply
from intel_grapher.verdict import Verdict, judged


def of_cache(cache: Cache, registry: Registry, node: NodeRef, key: str) -> Knowledge:
    """Return what the newest answer to each question about a key says of the node; damaged replies are passed over."""
    known = Knowledge(node)
    for endpoint, reply, verdict in answers(cache, registry, key):
        add_reply(known, endpoint, reply, verdict)
    return known


def answers(cache: Cache, registry: Registry, key: str) -> Iterator[tuple[Endpoint, Reply, Verdict]]:
    """Yield the newest answer to each question about a key, with its verdict."""
    seen: set[tuple[str, str, str]] = set()
    for found in cache.history(key):
        question = (found.source, found.endpoint, repr(sorted(found.params.items())))
        endpoint = registry.endpoint(found.source, found.endpoint)
        if found.area != "raw" or question in seen or endpoint is None:
            continue
        try:
            content = cache.read(found).content
            endpoint.canonical(found.key)
        except (CacheError, BadValue):
            continue
        verdict = judged(endpoint, found.status, content)
        if verdict.is_answer:
            seen.add(question)
            yield endpoint, Reply(found.key, found.fetched_at, found.status, content), verdict


def add_reply(known: Knowledge, endpoint: Endpoint, reply: Reply, verdict: Verdict) -> None:
    """Take in what one reply about this node says."""
    if not verdict.is_answer:
        return
    source = endpoint.source.name
    _note_answer(known, source, verdict.outcome, reply.fetched_at)
    batch = Batch(endpoint, 0)
    batch.take(reply, verdict)
    for group, table in batch.tables():
        for row in table.to_pylist():
            _add_row(known, group, row, source, reply.fetched_at)


def _note_answer(known: Knowledge, source: str, outcome: Outcome, at: int) -> None:
    """Note a source's answer: one that found something counts before others."""
    before = known.answers.get(source)
    best = outcome if before is None or before.outcome is not Outcome.FOUND else before.outcome
    known.answers[source] = Answered(best, max(at, before.at if before else 0))


def _add_row(known: Knowledge, group: Group, row: dict[str, Any], source: str, at: int) -> None:
    if not group.type:
        _add_node(known, NodeRef(group.start, row["key"]), row, source, at)
        return
    start, end = NodeRef(group.start, row["start"]), NodeRef(group.end, row["end"])
    for one, other, direction in ((start, end, "->"), (end, start, "<-")):
        if one == known.node:
            direction_ = "--" if schema.RELATIONSHIPS[group.type].both_ways else direction
            heard = known.links.setdefault(Link(group.type, direction_, other), Heard())
            heard.add([source], at, row.get("first_seen") or 0, row.get("last_seen") or 0)


def _add_node(known: Knowledge, node: NodeRef, row: dict[str, Any], source: str, at: int) -> None:
    label = schema.LABELS[node.label]
    if node != known.node:
        title = next((row[name] for name in label.title if row.get(name)), None)
        if title:
            known.titles[node] = str(title)
        return
    for each in label.properties:
        value = row.get(each.name)
        if value is not None and each.name not in COMMON:
            before = known.values.setdefault(each.name, {}).get(source)
            if before is None or before[0] <= at:
                known.values[each.name][source] = (at, value)

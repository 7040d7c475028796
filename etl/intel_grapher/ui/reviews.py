"""The review of reports on the page: the reports of a cache, what one mentions, and the entry that decides of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from intel_grapher import schema
from intel_grapher.analyst import review
from intel_grapher.analyst.entries import ReviewEntry
from intel_grapher.analyst.journal import StoredEntry
from intel_grapher.analyst.review import ReportMention
from intel_grapher.cache import Cache
from intel_grapher.errors import BadValue


class ReportQuestion(msgspec.Struct, frozen=True):
    """A question about one report, by its key."""

    report: str


class MentionDecisions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an author decides of a report's mentions; each is named as `review.ReportMention.indicator` spells it."""

    report: str
    author: str
    accepted: list[str] = []
    rejected: list[str] = []
    left: list[str] = []


def listed(cache: Cache, waiting: Sequence[StoredEntry]) -> list[dict[str, Any]]:
    """Return the reports of a cache, the newest first, each with the counts of its mentions by state."""
    found = []
    for report in review.reports(cache):
        counts, marked = report.counts, report.marked
        decided = _decided(report.key, waiting)
        if decided:
            now = [(decided.get(each.indicator, each.state), each.mark) for each in review.mentions(cache, report.key)]
            counts = {state: sum(each == state for each, _ in now) for state in review.STATES}
            marked = sum(bool(mark) for state, mark in now if state == review.LEFT)
        found.append(msgspec.to_builtins(report) | {"counts": counts, "marked": marked})
    return found


def mentions(cache: Cache, key: str, waiting: Sequence[StoredEntry]) -> list[dict[str, Any]]:
    """Return what a report mentions, in its order: indicator, node, state, mark, count, first place and its context.

    What `waiting` entries decide counts already, and is marked so. Raises UsageError where there is no such report.
    """
    decided = _decided(key, waiting)
    return [
        {
            "indicator": each.indicator,
            **_node(each),
            "state": decided.get(each.indicator, each.state),
            "waiting": each.indicator in decided,
            "mark": each.mark,
            "count": each.count,
            "where": each.where,
            "context": each.places[0].context if each.places else "",
        }
        for each in review.mentions(cache, key)
    ]


def entry(cache: Cache, asked: MentionDecisions) -> ReviewEntry:
    """Return the entry that says what is decided. Raises UsageError for what the report does not mention."""
    return review.decision(
        cache, asked.report, asked.author, accepted=asked.accepted, rejected=asked.rejected, left=asked.left
    )


def _node(mention: ReportMention) -> dict[str, str]:
    """Return label and key of the node that a mention is once it is accepted; its kind, where the graph has none."""
    try:
        label, key = schema.REPORTED.resolve(mention.indicator)
    except BadValue:
        return {"label": mention.kind, "key": mention.indicator}
    return {"label": label.name, "key": key}


def _decided(key: str, waiting: Sequence[StoredEntry]) -> dict[str, str]:
    """Return what entries that wait, the oldest first, decide of a report's mentions: state by indicator."""
    undone = {each.body["undoes"] for each in waiting if each.what == "undo"}
    found: dict[str, str] = {}
    for each in waiting:
        if each.what == "review" and each.id not in undone and each.body["report"] == key:
            found |= {one["indicator"]: one["state"] for one in each.body["decisions"]}
    return found

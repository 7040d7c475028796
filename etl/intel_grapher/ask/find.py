"""Nodes by what a person types: a key, defanged or not, or a part of one."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from intel_grapher import keys, schema
from intel_grapher.ask import look
from intel_grapher.ask.engines import Graph
from intel_grapher.errors import BadValue, NotFoundError, UsageError
from intel_grapher.load.quote import quote
from intel_grapher.model import Label, NodeRef

MOST = 12
SECONDS = 1.0
SHOWN = 200
"""Characters of a text that a message quotes."""
_ALIKE_SHOWN = 5
_COMPARED = 20_000  # keys whose spelling is compared
_LONGER = 2  # characters that a misspelt key may be longer or shorter
_ALIKE = 0.82
_PART = 3  # characters that a part within a key must have: fewer are in most


def complete(graph: Graph, typed: str, *, most: int = MOST, seconds: float = SECONDS) -> list[NodeRef]:
    """Return nodes for what was typed: that key itself, then keys that begin with it, then keys that have it in them.

    Every label that has such keys has its share. Whatever was found in `seconds` is returned.
    """
    plain = keys.refang(typed.strip())
    if not plain:
        return []
    until = time.monotonic() + seconds
    exact = [NodeRef(label.name, key) for label, key in look.labels_of(plain)]
    found = dict.fromkeys(look.there(graph, exact))
    for how in ("STARTS WITH", "CONTAINS") if len(plain) >= _PART else ("STARTS WITH",):
        if len(found) >= most or (found and how == "CONTAINS" and until - time.monotonic() < seconds / 2):
            break
        by_label: list[list[NodeRef]] = []
        for label in schema.LABELS.values():
            left = until - time.monotonic()
            if left <= 0:
                break
            try:
                answer = graph.ask(
                    _question(label, how, most), {"typed": plain.lower()}, limit=most, timeout=max(left, 0.05)
                )
            except UsageError:  # out of time: what was found is what is shown
                break
            by_label.append([node for row in answer.rows if (node := NodeRef(label.name, str(row[0]))) not in found])
        found |= dict.fromkeys(_shared(by_label, most - len(found)))
    return list(found)


def _question(label: Label, how: str, most: int) -> str:
    key = f"n.{quote(label.key)}"
    match = f"MATCH (n:{quote(label.name)}) WHERE lower({key}) {how} $typed"
    return f"{match} RETURN {key} AS key ORDER BY key LIMIT {int(most)}"


def _shared(by_label: list[list[NodeRef]], most: int) -> list[NodeRef]:
    """Return at most so many nodes in their order: as many of each label as leaves room for the others."""
    share = dict.fromkeys(range(len(by_label)), 0)
    for turn in range(most):
        for place, nodes in enumerate(by_label):
            if turn < len(nodes) and sum(share.values()) < most:
                share[place] += 1
    return [node for place, nodes in enumerate(by_label) for node in nodes[: share[place]]]


@dataclass(frozen=True)
class Near:
    """Nodes whose key has a text in it, and nodes whose key is spelt like it, the most alike first."""

    parts: list[NodeRef]
    spelt: list[NodeRef]


def near(graph: Graph, typed: str, *, most: int = MOST) -> Near:
    """Return what a text may have been meant for: among the keys of the labels that it can be one of."""
    plain = keys.refang(typed.strip()).lower()
    if not plain:
        return Near([], [])
    parts = complete(graph, plain, most=most) if len(plain) >= _PART else []
    spelt: list[NodeRef] = []
    for label, _ in look.labels_of(plain)[:2]:
        key = f"n.{quote(label.key)}"
        question = (
            f"MATCH (n:{quote(label.name)}) WHERE size({key}) >= $least AND size({key}) <= $most RETURN {key} AS key"
            f" LIMIT {_COMPARED}"
        )
        bounds = {"least": len(plain) - _LONGER, "most": len(plain) + _LONGER}
        try:
            rows = graph.ask(question, bounds, limit=_COMPARED, timeout=SECONDS).rows
        except UsageError:  # out of time: a hint is not worth more
            continue
        known = {str(row[0]).lower(): str(row[0]) for row in rows}
        alike = get_close_matches(plain, known, n=most, cutoff=_ALIKE)
        spelt += [NodeRef(label.name, known[each]) for each in alike]
    return Near(parts, spelt)


def titled(graph: Graph, typed: str, *, most: int = MOST, seconds: float = SECONDS) -> dict[NodeRef, str]:
    """Return nodes whose title has a typed text in it, each with the title. Only some labels have titles."""
    plain = typed.strip().lower()
    until = time.monotonic() + seconds
    found: dict[NodeRef, str] = {}
    for label in schema.LABELS.values() if len(plain) >= _PART else ():
        for name in label.title:
            left = until - time.monotonic()
            if left <= 0 or len(found) >= most:
                return found
            key, title = f"n.{quote(label.key)}", f"n.{quote(name)}"
            question = (
                f"MATCH (n:{quote(label.name)}) WHERE lower({title}) CONTAINS $typed"
                f" RETURN {key} AS key, {title} AS title ORDER BY key LIMIT {int(most)}"
            )
            try:
                answer = graph.ask(question, {"typed": plain}, limit=most, timeout=max(left, 0.05))
            except UsageError:  # out of time
                return found
            found |= {NodeRef(label.name, str(row[0])): str(row[1]) for row in answer.rows}
    return dict(list(found.items())[:most])


def find(graph: Graph, indicator: str, guessed: Callable[[NodeRef], None] | None = None) -> NodeRef:
    """Return the node that a key stands for: of the labels that the key can have, the likeliest that the graph has.

    `LABEL:KEY` names a node exactly. With `guessed`, a part of a key stands for the only node that has it, and
    `guessed` is told. Raises UsageError for what can't be a key, NotFoundError for what is not there: its text names
    what is spelt like it.
    """
    name, colon, key = indicator.partition(":")
    candidates = look.labels_of(indicator)
    label_named = next((label for label in schema.LABELS if label.lower() == name.lower()), None)
    if colon and label_named:
        exact = [(label, canonical) for label, canonical in look.labels_of(key) if label.name == label_named]
        candidates = exact + candidates
    if not candidates:
        raise UsageError(f"{indicator[:SHOWN]!r} can't be the key of any node")
    for label, canonical in candidates:
        node = NodeRef(label.name, canonical)
        if look.there(graph, [node]):
            return node
    can_be_asked = False
    try:
        keys.detect(indicator)
        can_be_asked = True
    except BadValue as error:
        if error.reason not in {"not an indicator", "a single label"}:  # it looks like an indicator, and is none
            raise UsageError(f"not an indicator: {indicator[:SHOWN]!r}: {error.reason}") from error
    alike = near(graph, indicator)
    if guessed is not None and len(alike.parts) == 1:
        guessed(alike.parts[0])
        return alike.parts[0]
    tried = f"{candidates[0][0].name} {candidates[0][1]}"
    if meant := [node.key for node in dict.fromkeys((*alike.spelt, *alike.parts))]:
        raise NotFoundError(f"not in the graph: {tried}; did you mean: {', '.join(meant[:_ALIKE_SHOWN])}?")
    then = f"; next: intel-grapher run {shlex.quote(indicator)}" if can_be_asked else ""
    raise NotFoundError(f"not in the graph: {tried}{then}")


def named(raw: str) -> NodeRef:
    """Return the node that a bare indicator stands for; BadValue where it is none."""
    kind, key = keys.detect(raw)
    label, canonical = schema.BY_INDICATOR[kind].resolve(key)
    return NodeRef(label.name, canonical)

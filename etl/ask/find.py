"""Nodes by what a person types, a part of a key, or pastes, a list of indicators, defanged or not."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from etl import keys, schema
from etl.ask import cypher, look
from etl.ask.engines import Graph, Node
from etl.errors import BadValue, UsageError
from etl.graph import Kind, Label

MOST = 12
SECONDS = 1.0
_PART = 3  # characters that a part within a key must have: fewer are in most
# Indicators have no white space in them; text around them may.
_WORDS = re.compile(r"[^\s,;|<>\"'`\u201c\u201d]+")
_DEFANGED = re.compile(r"\s*[\[({]\s*(?:dot|\.|at|@|:|://)\s*[\])}]\s*", re.IGNORECASE)


def complete(graph: Graph, typed: str, *, most: int = MOST, seconds: float = SECONDS) -> list[Node]:
    """Return nodes for what was typed: that key itself, then keys that begin with it, then keys that have it in them.

    Whatever was found in `seconds` is returned.
    """
    plain = keys.refang(typed.strip())
    found: dict[Node, None] = {}
    if not plain:
        return []
    until = time.monotonic() + seconds
    for label, key in look.labels_of(plain):
        if look.there(graph, [(label.name, key)]):
            found[label.name, key] = None
    for question, label in _questions(plain, most):
        left = until - time.monotonic()
        if left <= 0 or len(found) >= most or (found and "CONTAINS" in question and left < seconds / 2):
            break
        try:
            answer = graph.ask(question, {"typed": plain.lower()}, limit=most, timeout=max(left, 0.05))
        except UsageError:  # out of time: what was found is what is shown
            continue
        found |= {(label.name, row[0]): None for row in answer.rows}
    return list(found)[:most]


def _questions(plain: str, most: int) -> Iterator[tuple[str, Label]]:
    parts = ("STARTS WITH", "CONTAINS") if len(plain) >= _PART else ("STARTS WITH",)
    for how in parts:
        for label in schema.LABELS.values():
            key = f"n.{cypher.name(label.key)}"
            match = f"MATCH (n:{cypher.name(label.name)}) WHERE lower({key}) {how} $typed"
            yield f"{match} RETURN {key} AS key ORDER BY key LIMIT {int(most)}", label


@dataclass(frozen=True)
class Pasted:
    """What was pasted: nodes in the graph, indicators that are not in it yet, and what is no indicator, with why."""

    found: list[Node]
    missing: list[Node]
    bad: list[tuple[str, str]]


def pasted(graph: Graph, text: str) -> Pasted:
    """Return the nodes that a text names: one indicator a word, whatever stands between them."""
    wanted: dict[Node, None] = {}
    bad: list[tuple[str, str]] = []
    for word in dict.fromkeys(_WORDS.findall(_DEFANGED.sub(_joined, text))):
        try:
            wanted[named(word)] = None
        except BadValue as wrong:
            bad.append((word[:200], wrong.reason))
    there = look.there(graph, wanted)
    return Pasted([each for each in wanted if each in there], [each for each in wanted if each not in there], bad)


def _joined(match: re.Match[str]) -> str:
    inner = match[0].strip(" \t\r\n[](){}").lower()
    return {"dot": ".", "at": "@"}.get(inner, inner)


def named(raw: str) -> Node:
    """Return the node that a bare indicator stands for; BadValue where it is none."""
    kind, key = keys.detect(raw)
    label, canonical = _KINDS[kind].resolve(key)
    return label.name, canonical


_KINDS: dict[str, Kind[Any]] = {
    "ip": schema.ADDRESS,
    "domain": schema.HOSTNAME,
    "email": schema.EMAIL_ADDRESS,
    "hash": schema.DIGEST,
    "user": schema.SCREEN_NAME,
    "url": schema.LINK,
    "cve": schema.CVE_ID,
    "asn": schema.AS_NUMBER,
    "network": schema.CIDR_RANGE,
}

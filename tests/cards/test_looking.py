"""Cards: each comes when its last answer is there, and says what is known, who says so, and who was not asked."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from loopback import NOTHING, Answer, Asked, Loopback, found, source

from intel_grapher import ask
from intel_grapher.cache import Cache, Entry
from intel_grapher.cards.card import Card, card_document
from intel_grapher.cards.known import known_node
from intel_grapher.cards.looking import look
from intel_grapher.fetch.asking import Freshness, Indicator
from intel_grapher.fetch.run import FetchOptions
from intel_grapher.files import Files
from intel_grapher.load import Embedded, load
from intel_grapher.model import NodeRef
from intel_grapher.registry import Registry
from intel_grapher.source import ApiKey, Source
from intel_grapher.transform import Options, transform

pytestmark = pytest.mark.usefixtures("short_waits")

ONE, OTHER = ("domain", "one.example.net"), ("domain", "other.example.net")


def cards(
    cache: Cache,
    *sources: Source,
    of: tuple[Indicator, ...] = (ONE, OTHER),
    refresh: bool = False,
    offline: bool = False,
) -> dict[str, Card]:
    shown: list[Card] = []
    options = FetchOptions(Freshness(refresh=refresh), ledger=cache.root / "ledger")
    look(cache, Registry(sources), sources, of, options, show=shown.append, offline=offline)
    assert len(shown) == len(of)
    return {card.node.key: card for card in shown}


def test_a_card_comes_when_its_last_answer_is_there(service: Loopback, cache: Cache) -> None:
    held = threading.Event()

    def script(asked: Asked) -> Answer:
        if asked.key == OTHER[1]:
            assert held.wait(20)
        return found("192.0.2.1")

    service.script = script
    shown: list[str] = []

    def show(card: Card) -> None:
        shown.append(card.node.key)
        held.set()  # the second answer comes only after the first card

    made = source(service.home)
    options = FetchOptions(ledger=cache.root / "ledger")
    looked = look(cache, Registry([made]), [made], [ONE, OTHER], options, show=show)
    assert shown == [ONE[1], OTHER[1]]
    assert looked.shared == [
        (NodeRef("IPAddress", "192.0.2.1"), [NodeRef("SubDomain", key) for _, key in (ONE, OTHER)])
    ]


def test_what_is_shared_and_what_is_linked(service: Loopback, cache: Cache) -> None:
    service.script = lambda _: found("192.0.2.1", "192.0.2.2")
    made = source(service.home)
    shown = cards(cache, made, of=(ONE, OTHER, ("ip", "192.0.2.2")))
    ties = cards(cache, made, of=(ONE, OTHER, ("ip", "192.0.2.2")))[ONE[1]].ties
    assert [(tie.node.key, tie.direct, [each.key for each in tie.others]) for tie in ties] == [
        ("192.0.2.2", True, [OTHER[1]]),
        ("192.0.2.1", False, [OTHER[1]]),
    ]
    assert shown["192.0.2.2"].asked == []


def test_new_is_what_no_earlier_answer_said(service: Loopback, cache: Cache) -> None:
    made = source(service.home)
    service.script = lambda _: found("192.0.2.1")
    first = cards(cache, made)[ONE[1]]
    assert first.first_look
    assert [link.node.key for link in first.new] == ["192.0.2.1"]
    service.script = lambda _: found("192.0.2.1", "192.0.2.9")
    later = cards(cache, made, refresh=True)[ONE[1]]
    assert not later.first_look
    assert [link.node.key for link in later.new] == ["192.0.2.9"]
    assert cards(cache, made)[ONE[1]].new == []
    assert cards(cache, made, offline=True)[ONE[1]].links.keys() <= later.links.keys()  # both are of one second


def test_who_was_not_asked_and_why(service: Loopback, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    service.script = lambda asked: NOTHING if asked.key == ONE[1] else Answer(b"no", 403)
    sources = (
        source(service.home, "answers"),
        source(service.home, "gone", retired="2020"),
        source(service.home, "locked", key=ApiKey("NO_SUCH_KEY", header="X-Key")),
    )
    shown = cards(cache, *sources, of=(ONE, OTHER, ("domain", "host.corp")))
    assert [it[:3] for it in shown[ONE[1]].asked] == [
        ("answers", "not found", ""),
        ("gone", "not asked", "retired"),
        ("locked", "not asked", "no key in NO_SUCH_KEY"),
    ]
    assert shown[OTHER[1]].asked[0][:3] == ("answers", "failed", "not allowed (HTTP 403)")
    assert shown["host.corp"].asked[0][:3] == ("answers", "not asked", "kept private")
    assert cards(cache, sources[0], of=(OTHER,), offline=True)[OTHER[1]].asked[0][:3] == (
        "answers",
        "not asked",
        "offline",
    )


def test_what_the_graph_knows_is_on_the_card(service: Loopback, cache: Cache, tmp_path: Path) -> None:
    about = b'"author":"ana","about":{"label":"SubDomain","key":"one.example.net"}'
    said = {
        "note": b'{"what":"note",%s,"text":"a lure"}' % about,
        "verdict": b'{"what":"verdict",%s,"verdict":"benign"}' % about,
    }
    with cache.writer() as writer:
        for what, body in said.items():
            writer.add(
                Entry(source="analyst", endpoint=what, key=what, fetched_at=1_700_000_000, status=200, body=body)
            )
        body = (
            b'{"response_code":"1","resolutions":[{"ip_address":"192.0.2.5","last_resolved":"2026-01-02"}],"votes":-1}'
        )
        writer.add(
            Entry(source="threatcrowd", endpoint="domain", key=ONE[1], fetched_at=1_700_000_000, status=200, body=body)
        )
    transform(cache, tmp_path / "import", Registry.installed(), Options(processes=1, formats=("parquet",)))
    load(Files(tmp_path / "import"), Embedded(tmp_path / "graph"))
    shown: list[Card] = []
    with ask.opened(Embedded(tmp_path / "graph")) as graph:
        options = FetchOptions(ledger=tmp_path / "ledger")
        look(cache, Registry([]), [], [ONE], options, show=shown.append, graph=graph, offline=True)
    (card,) = shown
    assert [link.node.key for link in card.links] == ["192.0.2.5"]
    assert card.judgement.word == "benign"  # an analyst's verdict counts before all else
    assert [it.text for it in card.judgement.why] == ["an analyst's verdict: benign", "ThreatCrowd's votes: -1"]
    document = card_document(card)
    assert [it["text"] for it in document["notes"]] == ["benign", "a lure"]
    assert document["answered_at"] is None
    assert document["new"] == []
    assert service.asked == []


def test_a_limit_cuts_neighbours_and_neither_notes_nor_the_judgement(cache: Cache, tmp_path: Path) -> None:
    about = '"author":"ana","about":{"label":"SubDomain","key":"one.example.net"}'
    said = [("note", '"text":"first"'), ("note", '"text":"second"'), ("verdict", '"verdict":"benign"')]
    with cache.writer() as writer:
        for number, (what, more) in enumerate(said):
            body = f'{{"what":"{what}",{about},{more}}}'.encode()
            writer.add(Entry(source="analyst", endpoint=what, key=f"{number}", fetched_at=9, status=200, body=body))
        body = b'{"response_code":"1","resolutions":[{"ip_address":"192.0.2.5"},{"ip_address":"192.0.2.6"}]}'
        writer.add(Entry(source="threatcrowd", endpoint="domain", key=ONE[1], fetched_at=9, status=200, body=body))
    transform(cache, tmp_path / "import", Registry.installed(), Options(processes=1, formats=("parquet",)))
    load(Files(tmp_path / "import"), Embedded(tmp_path / "graph"))
    with ask.opened(Embedded(tmp_path / "graph")) as graph:
        whole, one = (known_node(graph, NodeRef("SubDomain", ONE[1]), limit=limit) for limit in (9, 1))
    assert {told.value for told in one.remarks} == {"first", "second"}
    assert (one.remarks, one.verdicts, one.judgement) == (whole.remarks, whole.verdicts, whole.judgement)
    assert one.judgement.word == "benign"
    assert (len(whole.neighbours), len(one.neighbours)) == (5, 2)

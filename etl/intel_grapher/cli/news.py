"""What is new about a watched list, as text, Markdown, HTML and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape

from intel_grapher import times
from intel_grapher.cli.output import printable
from intel_grapher.model import NodeRef
from intel_grapher.watch import NewJudgement, NewLink, News

NAMED = 3
"""Others of the list that are named; more are counted."""
# What stands between a node and the other, along the relationship and against it.
PHRASES = {
    "resolves": ("resolves to", "is the address of"),
    "alias_of": ("is an alias of", "has the alias"),
    "mail_server": ("gets its mail by", "gets the mail of"),
    "name_server": ("is served from", "serves the name"),
    "hosts": ("has the sub-domain", "is a sub-domain of"),
    "owns": ("registered", "is registered by"),
    "registrar": ("has the registrar's contact", "is the registrar's contact of"),
    "registered_to": ("is registered to", "registered"),
    "associated": ("was seen with the file", "was seen at"),
    "same_file": ("is the same file as", "is the same file as"),
    "contacts": ("contacts", "is contacted by"),
    "drops": ("writes", "is written by"),
    "contains": ("contains", "is part of"),
    "executes": ("runs", "is run by"),
    "detected_as": ("is detected as", "is what scanners call"),
    "indicates": ("points to", "is what is pointed to by"),
    "delivers": ("gave the file", "came from"),
    "on": ("is on", "has the URL"),
    "redirects_to": ("redirects to", "is where it leads from"),
    "exposes": ("answers at", "is a port of"),
    "vulnerable_to": ("may be vulnerable to", "may be a weakness of"),
    "uses": ("shows the certificate", "is shown by"),
    "names": ("is for", "is named by the certificate"),
    "in_network": ("is in the network", "holds"),
    "announced_by": ("is announced by", "announces"),
    "operated_by": ("is run by", "runs"),
    "reported_in": ("is reported in", "reports"),
    "connects_to": ("opened a connection to", "was connected to by"),
    "about": ("is about", "has the note"),
}


def sentence(new: NewLink | NewJudgement, mark: Callable[[str], str] = lambda key: key) -> str:
    """Return one sentence: what is new, and why it matters. `mark` is put around each key and each source's words."""
    if isinstance(new, NewJudgement):
        why = f": {mark(new.why)} ({', '.join(new.sources)})" if new.why else ""
        return f"{mark(new.node.key)} is now {new.word}, and was {new.before}{why}"
    link = new.link
    told = f" ({', '.join(filter(None, (*link.sources, link.last_seen[:10])))})"
    said = f"{mark(link.node.key)} now {phrase(link.type, link.direction)} {mark(link.other.key)}"
    reasons = ["which is on your list"] if new.listed else []
    if new.others:
        names = ", ".join(mark(node.key) for node in new.others[:NAMED])
        more = f" and {len(new.others) - NAMED} more" if len(new.others) > NAMED else ""
        verb = "has" if len(new.others) == 1 else "have"
        count = "another" if len(new.others) == 1 else str(len(new.others))
        reasons.append(f"which {count} of your list {verb}, too: {names}{more}")
    return f"{said}{', ' if reasons else ''}{', and '.join(reasons)}{told}"


def phrase(type_: str, direction: str) -> str:
    """Return the words for a relationship as seen from one end; of a type that has none, its name."""
    along, against = PHRASES.get(type_.lower(), (type_, f"<-{type_}-"))
    return against if direction == "<-" else along


def title(news: News) -> str:
    """Return how much is new since when, as one line; if nobody could be asked, that and why."""
    about = f"about {news.watched} indicators"
    if news.unasked and news.since is None:
        return f"nobody could be asked {about}: {news.unasked}; they are not watched yet"
    if news.since is None:
        return f"{news.watched} indicators are watched from now on; the next watch tells what is new"
    since = times.text(news.since)
    if news.unasked:
        told = f"{news.count} new" if news.count else "nothing new"
        return f"nobody could be asked {about}: {news.unasked}; {told} in what is kept, since {since}"
    if not news.count:
        return f"nothing new since {since} {about}"
    return f"{news.count} new since {since} {about}"


def as_text(news: News, most: int) -> str:
    """Return what is new as plain text, a line each."""
    return "".join(f"{printable(line)}\n" for line in [title(news), *_lines(news, most, lambda key: key)])


def as_markdown(news: News, most: int) -> str:
    """Return what is new as Markdown: a heading and a list."""

    def code(key: str) -> str:
        ticks = "``" if "`" in key else "`"
        return f"{ticks}{printable(key)}{ticks}"

    return f"# {title(news)}\n\n" + "".join(f"- {line}\n" for line in _lines(news, most, code))


def as_html(news: News, most: int) -> str:
    """Return what is new as a page of its own, without scripts and without anything from elsewhere."""

    def code(key: str) -> str:
        return f"\x02{printable(key)}\x03"  # marked before, so that all else is escaped, too

    items = "".join(
        f"<li>{escape(line).replace(chr(2), '<code>').replace(chr(3), '</code>')}</li>\n"
        for line in _lines(news, most, code)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>'
        f"{escape(title(news))}</title></head>\n<body><h1>{escape(title(news))}</h1>\n<ul>\n{items}</ul>\n</body></html>\n"
    )


def document(news: News) -> dict[str, object]:
    """Return what is new as JSON has it, all of it."""
    return {
        "since": None if news.since is None else times.text(news.since),
        "watched": news.watched,
        "unasked": news.unasked or None,
        "added": [_node(node) for node in news.added],
        "judgements": [
            {**_node(it.node), "judgement": it.word, "before": it.before, "why": it.why, "sources": list(it.sources),
             "text": sentence(it)}
            for it in news.judgements
        ],
        "relationships": [
            {**_node(it.link.node), "type": it.link.type, "direction": it.link.direction,
             "other": _node(it.link.other), "first_seen": it.link.first_seen or None,
             "last_seen": it.link.last_seen or None, "sources": list(it.link.sources), "on_list": it.listed,
             "others_of_the_list": [_node(node) for node in it.others], "text": sentence(it)}
            for it in news.links
        ],
    }  # fmt: skip


def _node(node: NodeRef) -> dict[str, str]:
    return {"label": node.label, "key": node.key}


def _lines(news: News, most: int, mark: Callable[[str], str]) -> Iterator[str]:
    found: list[NewLink | NewJudgement] = [*news.judgements, *news.links]
    yield from (" ".join(sentence(each, mark).splitlines()) for each in found[:most])
    if len(found) > most:
        yield f"… {len(found) - most} more (--limit)"
    if news.added:
        yield f"new on the list, and not told of: {len(news.added)}"

"""Questions that analysts keep asking, in Cypher that both dialects take, with parameters.

`{type r}`, `{label n}` and `{key n}` stand for expressions in which the dialects differ. Whoever wants more puts a file
NAME.cypher into the folder `queries` beside the raw cache: its first lines, as `// …`, say what it asks; `$name`
parameters are texts.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from intel_grapher import keys, times
from intel_grapher.ask import readonly
from intel_grapher.ask.engines import Graph
from intel_grapher.errors import BadValue, UsageError

_HOLE = re.compile(r"\{(type|label|key) (\w+)\}")
_PARAMETER = re.compile(r"\$(\w+)")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True)
class Parameter:
    """A parameter: what it is, how a text becomes its value, and the text it is unless another is given."""

    name: str
    doc: str
    value: Callable[[str], Any] = str
    default: str | None = None


@dataclass(frozen=True)
class Saved:
    """A question: its name, what it asks, its parameters, its Cypher."""

    name: str
    doc: str
    cypher: str
    parameters: tuple[Parameter, ...] = ()

    def text(self, graph: Graph) -> str:
        """Return its Cypher in a graph's dialect."""
        own: dict[str, Callable[[str], str]] = {
            "type": graph.type_of,
            "label": graph.label_of,
            "key": graph.key_of,
        }
        return _HOLE.sub(lambda match: own[match[1]](match[2]), self.cypher)

    def values(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return the parameters' values. UsageError names the one that is missing, unknown, or wrong."""
        known = {each.name: each for each in self.parameters}
        for name in given:
            if name not in known:
                raise UsageError(f"{self.name} has no parameter {name!r}; it has: {', '.join(known) or 'none'}")
        values = {}
        for name, each in known.items():
            text = given.get(name) or each.default
            if text is None:
                raise UsageError(f"{self.name} needs {name}: {each.doc}; give it with -p {name}=…")
            try:
                values[name] = each.value(text)
            except (BadValue, ValueError) as wrong:
                raise UsageError(f"{self.name}: {name}={text!r}: {wrong}; it is {each.doc}") from wrong
        return values


def saved(folder: Path | None = None) -> dict[str, Saved]:
    """Return all questions by name: those that ship with us, and a folder's own, which may replace them.

    Raises UsageError for a file that is no question.
    """
    found = {each.name: each for each in SHIPPED}
    for path in sorted(folder.glob("*.cypher")) if folder is not None and folder.is_dir() else []:
        found[path.stem] = _from_file(path)
    return found


def named(name: str, among: Mapping[str, Saved]) -> Saved:
    """Return the question of that name; UsageError names the known ones."""
    if name not in among:
        raise UsageError(f"no saved query is called {name!r}; there are: {', '.join(among)}")
    return among[name]


def _from_file(path: Path) -> Saved:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise UsageError(f"{path} can't be read: {wrong}") from wrong
    if not _NAME.fullmatch(path.stem):
        raise UsageError(f"{path}: a saved query is called with lower-case letters, digits and -, at most 64")
    doc = " ".join(line[2:].strip() for line in text.splitlines() if line.startswith("//"))
    question = "\n".join(line for line in text.splitlines() if not line.startswith("//")).strip()
    readonly.check(question)
    names = dict.fromkeys(_PARAMETER.findall(question))
    return Saved(path.stem, doc or path.name, question, tuple(Parameter(name, "a text") for name in names))


# --- what ships with us -----------------------------------------------------------------------------------------------


def _moment(text: str) -> datetime:
    return datetime.fromtimestamp(times.named(text, time.time()), UTC)


def _host(text: str) -> str:
    return keys.hostname(keys.refang(text))


_HOST = Parameter("name", "a domain or sub-domain", _host)
_FEW = Parameter("least", "how many at least", int, "2")
_MOST = Parameter("most", "how many rows at most", int, "200")

SHIPPED = (
    Saved(
        "fast-flux",
        "Names with many addresses, which change often: a sign of fast flux.",
        "MATCH (d:Domain|SubDomain)-[:RESOLVES]->(a:IPAddress) WITH d, count(DISTINCT a) AS addresses\n"
        "WHERE addresses >= $least RETURN d.name AS name, addresses ORDER BY addresses DESC, name LIMIT $most",
        (Parameter("least", "how many addresses at least", int, "5"), _MOST),
    ),
    Saved(
        "shared-hash",
        "Other names and addresses that have been seen with the same files as a name.",
        "MATCH (d:Domain|SubDomain {name: $name})-[:ASSOCIATED]->(h:Hash)<-[:ASSOCIATED]-(n)\n"
        "WHERE {key n} <> $name RETURN {label n} AS label, {key n} AS key, collect(DISTINCT h.value) AS hashes\n"
        "ORDER BY label, key LIMIT $most",
        (_HOST, _MOST),
    ),
    Saved(
        "registrant-pivot",
        "Other domains that the same e-mail addresses have registered.",
        "MATCH (d:Domain {name: $name})<-[:OWNS]-(e:Email)-[:OWNS]->(o:Domain) WHERE o.name <> $name\n"
        "RETURN o.name AS domain, collect(DISTINCT e.address) AS registrants ORDER BY domain LIMIT $most",
        (_HOST, _MOST),
    ),
    Saved(
        "certificate-pivot",
        "Other names on the certificates that are for a name.",
        "MATCH (d:Domain|SubDomain {name: $name})<-[:NAMES]-(c:Certificate)-[:NAMES]->(o:Domain|SubDomain)\n"
        "WHERE o.name <> $name RETURN {label o} AS label, o.name AS name, collect(DISTINCT c.id) AS certificates\n"
        "ORDER BY label, name LIMIT $most",
        (_HOST, _MOST),
    ),
    Saved(
        "tweets-naming",
        "Tweets that link to URLs on a name, and who wrote them.",
        "MATCH (u:TwitterUser)-[:TWEETED]->(t:Tweet)-[:LINKS]->(l:URL)-[:`ON`]->(d:Domain|SubDomain {name: $name})\n"
        "RETURN t.created AS created, u.screen_name AS user, t.text AS text, l.url AS url\n"
        "ORDER BY created DESC LIMIT $most",
        (_HOST, _MOST),
    ),
    Saved(
        "newly-seen",
        "Relationships that were first seen since a moment.",
        "MATCH (n)-[r]->(m) WHERE r.first_seen >= $since\n"
        "RETURN r.first_seen AS first_seen, {label n} AS label, {key n} AS key, {type r} AS type,"
        " {label m} AS to_label, {key m} AS to_key\nORDER BY first_seen DESC, key, to_key LIMIT $most",
        (Parameter("since", "a moment, such as 2026-01-31, yesterday or 7d", _moment), _MOST),
    ),
    Saved(
        "newly-told",
        "Nodes that a source told of since a moment, whatever their age.",
        "MATCH (n) WHERE n.fetched_at >= $since RETURN n.fetched_at AS fetched_at, {label n} AS label, {key n} AS key,"
        " n.sources AS sources\nORDER BY fetched_at DESC, label, key LIMIT $most",
        (Parameter("since", "a moment, such as 2026-01-31, yesterday or 7d", _moment), _MOST),
    ),
    Saved(
        "co-hosted",
        "Other names on the addresses of a name, those with the most in common first.",
        "MATCH (d:Domain|SubDomain {name: $name})-[:RESOLVES]->(a:IPAddress)<-[:RESOLVES]-(o:Domain|SubDomain)\n"
        "WHERE o.name <> $name WITH o, collect(DISTINCT a.address) AS addresses\n"
        "RETURN {label o} AS label, o.name AS name, addresses ORDER BY size(addresses) DESC, name LIMIT $most",
        (_HOST, _MOST),
    ),
    Saved(
        "address-history",
        "Which addresses a name had, and when.",
        "MATCH (d:Domain|SubDomain {name: $name})-[r:RESOLVES]->(a:IPAddress)\n"
        "RETURN a.address AS address, r.first_seen AS first_seen, r.last_seen AS last_seen, r.sources AS sources\n"
        "ORDER BY last_seen DESC, address LIMIT $most",
        (_HOST, _MOST),
    ),
    Saved(
        "shared-nameserver",
        "Other names that are served from the name servers of a name; a server with many names says little.",
        "MATCH (d:Domain|SubDomain {name: $name})-[:NAME_SERVER]->(s:Domain|SubDomain)\n"
        "MATCH (s)<-[:NAME_SERVER]-(o:Domain|SubDomain)\n"
        "WHERE o.name <> $name RETURN o.name AS name, collect(DISTINCT s.name) AS servers ORDER BY name LIMIT $most",
        (_HOST, _MOST),
    ),
    Saved(
        "malware-infrastructure",
        "What the files that are called by a malware's name contact.",
        "MATCH (w:Malware)<-[:DETECTED_AS]-(h:Hash)-[:CONTACTS]->(n) WHERE lower(w.name) CONTAINS lower($malware)\n"
        "RETURN {label n} AS label, {key n} AS key, count(DISTINCT h) AS files, collect(DISTINCT w.name) AS malware\n"
        "ORDER BY files DESC, label, key LIMIT $most",
        (Parameter("malware", "a malware's name, or a part of it", keys.name_text), _MOST),
    ),
    Saved(
        "exposed-vulnerabilities",
        "Vulnerabilities at the addresses of a name.",
        "MATCH (d:Domain|SubDomain {name: $name})-[:RESOLVES]->(a:IPAddress)-[:VULNERABLE_TO]->(v:Vulnerability)\n"
        "RETURN v.id AS vulnerability, collect(DISTINCT a.address) AS addresses ORDER BY vulnerability LIMIT $most",
        (_HOST, _MOST),
    ),
    Saved(
        "agreed",
        "Relationships that several sources tell.",
        "MATCH (n)-[r]->(m) WHERE size(r.sources) >= $least\n"
        "RETURN {label n} AS label, {key n} AS key, {type r} AS type, {label m} AS to_label, {key m} AS to_key,"
        " r.sources AS sources\nORDER BY label, key, type, to_key LIMIT $most",
        (_FEW, _MOST),
    ),
    Saved(
        "hubs",
        "The nodes with the most relationships: what everyone shares, and so tells little.",
        "MATCH (n)-[r]-() WITH n, count(r) AS relationships ORDER BY relationships DESC LIMIT $most\n"
        "RETURN {label n} AS label, {key n} AS key, relationships",
        (Parameter("most", "how many rows at most", int, "25"),),
    ),
    Saved(
        "counts",
        "How many nodes there are of each label.",
        "MATCH (n) RETURN {label n} AS label, count(*) AS nodes ORDER BY nodes DESC, label",
    ),
)

"""The node labels of the graph: what each stands for, its key, its properties and how these merge.

Relationship types and the kinds of raw string are in `etl/intel_grapher/schema.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from intel_grapher import keys
from intel_grapher.model import Bearing, Label, Merge, Property, Type

# --- properties -----------------------------------------------------------------------------------------------------

# What every node and every relationship carries: since when, how exact, who says so, when they last said it.
SEEN = (
    Property("first_seen", Type.TIMESTAMP, Merge.MIN, "the earliest moment a source tells"),
    Property("last_seen", Type.TIMESTAMP, Merge.MAX, "the latest moment a source tells"),
    Property("precision", Type.TEXT, Merge.MIN, "the coarsest precision of the moments: day, minute or second"),
    Property("sources", Type.TEXTS, Merge.UNION, "the sources that say so"),
    Property("fetched_at", Type.TIMESTAMP, Merge.MAX, "when a source last said so"),
)
TAGS = Property("tags", Type.TEXTS, Merge.UNION, "what the sources tag it with")
VOTES = Property(
    "votes",
    Type.INTEGER,
    Merge.NEWEST,
    "ThreatCrowd's votes: -1 malicious, 0 even, 1 benign",
    bearing=Bearing(lambda votes: {-1: "suspicious", 1: "benign"}.get(votes, ""), "ThreatCrowd's votes: {}"),
)
CONFIDENCE = Property("confidence", Type.INTEGER, Merge.MAX, "how sure a source is of it, 0 to 100")
WILDCARD = Property(
    "wildcard",
    Type.TEXT,
    Merge.MAX,
    "*.NAME, where the certificate has that: it is for all names one label below",
)
COMMENTS = Property("comments", Type.TEXTS, Merge.UNION, "what the report says of it")
VALID_UNTIL = Property("valid_until", Type.TIMESTAMP, Merge.MAX, "until when the report holds it for an indicator")
LAST_RESOLVED = Property("last_resolved", Type.TIMESTAMP, Merge.MAX, "when the name last pointed there")


def _label(
    name: str,
    key: str,
    doc: str,
    colour: str,
    *properties: Property,
    shape: str = "circle",
    vague: Callable[[pa.Array], pa.Array] | None = None,
    title: tuple[str, ...] = (),
    title_with_key: bool = False,
) -> Label:
    return Label(name, key, doc, (*properties, *SEEN), colour, shape, vague, title, title_with_key)


# --- labels (colours: Okabe and Ito's, which the colour-blind can tell apart; shape is the second sign) -------------

_ALGORITHM = Property(
    "algorithm", Type.TEXT, Merge.MAX, "md5, sha1, sha256, …: told by the key's length", keys.digest_algorithm
)
_PORT = Property("port", Type.INTEGER, Merge.MAX, "the port, out of the key", keys.service_port)
_TRANSPORT = Property(
    "transport", Type.TEXT, Merge.MAX, "tcp or udp, out of the key; none where it is not known", keys.service_transport
)


def _newest(name: str, doc: str, type_: Type = Type.TEXT, bearing: Bearing | None = None) -> Property:
    return Property(name, type_, Merge.NEWEST, doc, bearing=bearing)


def _from(malicious: int, suspicious: int) -> Callable[[int], str]:
    """Return the word for a number: malicious from one figure on, suspicious from another."""
    return lambda number: "malicious" if number >= malicious else "suspicious" if number >= suspicious else ""


def _as_told(word: str) -> str:
    return word if word in {"malicious", "suspicious", "benign"} else ""


def _all(name: str, doc: str) -> Property:
    return Property(name, Type.TEXTS, Merge.UNION, doc)


_CREATED = Property("created", Type.TIMESTAMP, Merge.MIN, "when it was registered, made or posted")
_UPDATED = Property("updated", Type.TIMESTAMP, Merge.MAX, "when its registration was last changed")
_REPUTATION = _newest(
    "reputation",
    "VirusTotal's score by its community: below 0 is bad",
    Type.INTEGER,
    Bearing(lambda score: "suspicious" if score < 0 else "", "VirusTotal's community scores it {}"),
)
_MALICIOUS = _newest(
    "malicious",
    "how many of VirusTotal's engines call it malicious",
    Type.INTEGER,
    Bearing(_from(3, 1), "{} of VirusTotal's engines call it malicious"),
)
_NAME = _newest("name", "what it is called")
_STATUS = _newest("status", "the registry's status codes, parted by a comma: active, client hold, …")
_COUNTRY = _newest("country", "two letters")
_JARM = _newest("jarm", "the JARM fingerprint of its TLS server")

DOMAIN = _label(
    "Domain",
    "name",
    "A DNS name one label below a public suffix, or a suffix that is registered (github.io): lower case, A-labels.",
    "#0072B2",
    VOTES,
    _REPUTATION,
    _MALICIOUS,
    _newest("registrar", "the registrar's name"),
    _CREATED,
    _UPDATED,
    Property("expires", Type.TIMESTAMP, Merge.MAX, "when its registration ends"),
    _STATUS,
    _JARM,
    TAGS,
)
SUBDOMAIN = _label(
    "SubDomain",
    "name",
    "Any other DNS name, in the same form.",
    "#56B4E9",
    VOTES,
    _REPUTATION,
    _MALICIOUS,
    _JARM,
    TAGS,
)
IP_ADDRESS = _label(
    "IPAddress",
    "address",
    "IPv4, or IPv6 compressed; a mapped one as IPv4.",
    "#E69F00",
    VOTES,
    _REPUTATION,
    _MALICIOUS,
    _COUNTRY,
    _newest("isp", "its internet service provider"),
    _newest("classification", "GreyNoise's: benign, malicious or unknown", bearing=Bearing(_as_told, "GreyNoise: {}")),
    _newest(
        "abuse_score",
        "AbuseIPDB's confidence of abuse, 0 to 100",
        Type.INTEGER,
        Bearing(_from(75, 25), "AbuseIPDB's confidence of abuse is {} of 100"),
    ),
    _all("cpes", "products seen there, as Common Platform Enumeration names"),
    _JARM,
    TAGS,
    shape="square",
)
EMAIL = _label("Email", "address", "Lower case, the domain in A-label form.", "#CC79A7", TAGS, shape="diamond")
HASH = _label(
    "Hash",
    "value",
    "A file's digest, in lower case hex.",
    "#009E73",
    _ALGORITHM,
    _newest("size", "the file's size in bytes", Type.INTEGER),
    _newest("file_type", "what the file is"),
    _newest("mime_type", "its media type: application/zip, …"),
    _newest("imphash", "the MD5 of its list of imports: many files share one"),
    _newest("ssdeep", "its fuzzy hash by ssdeep"),
    _newest("tlsh", "its fuzzy hash by TLSH"),
    _MALICIOUS,
    _all("names", "names the file went by"),
    TAGS,
    shape="triangle",
)
URL = _label(
    "URL",
    "url",
    "Normalised as RFC 3986 says.",
    "#56B4E9",
    _newest("status", "online or offline"),
    _newest("title", "the title of the page"),
    _all("brands", "brands whose pages it imitates"),
    _MALICIOUS,
    TAGS,
    shape="hexagon",
)
TWITTER_USER = _label(
    "TwitterUser",
    "screen_name",
    "Lower case, without @.",
    "#CC79A7",
    _newest("user_id", "Twitter's number"),
    _NAME,
    _newest("description", "what they say of themselves"),
    _newest("location", "where they say they are"),
    _CREATED,
)
TWEET = _label(
    "Tweet", "id", "Twitter's number.", "#CC79A7", _newest("text", "what it says"), _newest("lang", "its language"),
    _CREATED, shape="square", title=("text",),
)  # fmt: skip
HASHTAG = _label("Hashtag", "tag", "Without #, case folded.", "#CC79A7", shape="hexagon")
ASN = _label(
    "ASN",
    "number",
    "AS and the number.",
    "#E69F00",
    _NAME,
    _COUNTRY,
    _CREATED,
    _UPDATED,
    _STATUS,
    shape="hexagon",
    title=("name",),
    title_with_key=True,
)
NETWORK = _label(
    "Network",
    "cidr",
    "A range of addresses, as CIDR.",
    "#E69F00",
    _NAME,
    _COUNTRY,
    _CREATED,
    _UPDATED,
    _STATUS,
    shape="diamond",
)
ORGANIZATION = _label("Organization", "name", "As the source spells it.", "#666666", shape="square")
SERVICE = _label(
    "Service",
    "name",
    "ip:port/transport, or name:port where no source tells the address; without a transport that no source tells.",
    "#F0E442",
    _PORT,
    _TRANSPORT,
    _newest("product", "what answers"),
    _newest("version", "its version"),
    _JARM,
    _newest("banner_hash", "Shodan's number for the banner's text"),
    _newest("html_hash", "Shodan's number for the page's HTML"),
    _newest("favicon_hash", "Shodan's number for the page's icon"),
    _newest("ja3s", "the JA3S fingerprint of its TLS server"),
    TAGS,
    shape="square",
    vague=keys.without_transport,
)
CERTIFICATE = _label(
    "Certificate",
    "id",
    "Its SHA-256 fingerprint; else its number in a log (crtsh:NUMBER), or sha1: or md5: and that fingerprint.",
    "#F0E442",
    _newest("serial", "the serial number, hex or decimal, as told"),
    _newest("issuer", "who issued it"),
    _newest("subject", "whom it was issued to"),
    _newest("sha1", "its SHA-1 fingerprint"),
    _newest("md5", "its MD5 fingerprint"),
    Property("not_before", Type.TIMESTAMP, Merge.MIN, "valid from"),
    Property("not_after", Type.TIMESTAMP, Merge.MAX, "valid until"),
    shape="diamond",
)
VULNERABILITY = _label("Vulnerability", "id", "A CVE number.", "#D55E00", TAGS, shape="star")
MALWARE = _label(
    "Malware",
    "name",
    "A malware's name, as the scanner or the analyst spells it.",
    "#D55E00",
    _all("aliases", "other names of it"),
    shape="cross",
)
REPORT = _label(
    "Report",
    "id",
    "A page, post or event that names indicators: its URL, or its service and number there.",
    "#666666",
    _newest("title", "its title"),
    _CREATED,
    _all("links", "pages that it draws on"),
    _newest("digest", "the SHA-256 of the file that was brought in"),
    _newest("format", "what the file is: pdf, docx, html, email, markdown, text"),
    _newest("pages", "how many pages of it have text", Type.INTEGER),
    _all("paths", "where the file was, as given"),
    TAGS,
    title=("title",),
)
MENTION = _label(
    "Mention",
    "id",
    "An indicator that a report mentions, until an analyst accepts it: no node of its own, and nothing is asked of it.",
    "#666666",
    _newest("indicator", "its canonical form, with the port if one is named"),
    _newest("kind", "domain, ip, email, hash, user, url, cve, asn, network"),
    Property("page", Type.INTEGER, Merge.MIN, "the page where it first stands, from 1"),
    Property("offset", Type.INTEGER, Merge.MIN, "the character of that page's text where it starts, from 0"),
    Property("count", Type.INTEGER, Merge.MAX, "how often it stands in the report"),
    _newest("text", "how it is spelt there"),
    _newest("context", "some text around it"),
    _newest("mark", "why it is probably no indicator: a well-known site, the report's own host, …"),
    _all("places", "where it stands: page and offset, of a message also which part"),
    shape="triangle",
    title=("indicator",),
)


def _attack(name: str, doc: str, colour: str, shape: str) -> Label:
    description = _newest("description", "MITRE's first paragraph")
    aliases = _all("aliases", "other names of it")
    return _label(
        name, "id", doc, colour, _NAME, description, aliases, shape=shape, title=("name",), title_with_key=True
    )


TACTIC = _attack("Tactic", "An ATT&CK tactic: why.", "#000000", "hexagon")
TECHNIQUE = _attack("Technique", "An ATT&CK technique or sub-technique: how.", "#000000", "square")
SOFTWARE = _attack("Software", "ATT&CK software, by its id; another tool by its name.", "#D55E00", "square")
GROUP = _attack("Group", "An ATT&CK group, by its id; another actor by its name: who.", "#D55E00", "diamond")
MITIGATION = _attack("Mitigation", "An ATT&CK mitigation: what helps.", "#009E73", "square")

NOTE = _label(
    "Note",
    "id",
    "What an analyst says of a node: a note, a tag or a verdict. Its id is that of the entry in the raw cache.",
    "#666666",
    _newest("author", "who says it"),
    _newest("text", "the note"),
    _newest("tag", "the tag"),
    _newest(
        "verdict", "malicious, suspicious, benign or unknown", bearing=Bearing(_as_told, "an analyst's verdict: {}")
    ),
    shape="diamond",
    title=("text", "tag", "verdict"),
)

"""The whole graph: labels with their keys, kinds of raw string, relationship types, properties and how each merges.

No other file but a source's names a label or a relationship type. Everything that depends on them (CSV headers,
constraints, UNWIND statements, embedded tables, the page's palette, the table in the docs) is derived from here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import combinations
from typing import Any, NewType
from urllib.parse import urlsplit

from intel_grapher import keys
from intel_grapher.errors import BadValue
from intel_grapher.model import Fact, Kind, Label, Merge, Property, Relationship, Type, either

# --- properties -----------------------------------------------------------------------------------------------------

# What every node and every relationship carries: since when, how exact, who says so, when they last said it.
SEEN = (
    Property("first_seen", Type.MOMENT, Merge.MIN, "the earliest moment a source tells"),
    Property("last_seen", Type.MOMENT, Merge.MAX, "the latest moment a source tells"),
    Property("precision", Type.TEXT, Merge.MIN, "the coarsest precision of the moments: day, minute or second"),
    Property("sources", Type.TEXTS, Merge.UNION, "the sources that say so"),
    Property("fetched_at", Type.MOMENT, Merge.MAX, "when a source last said so"),
)
TAGS = Property("tags", Type.TEXTS, Merge.UNION, "what the sources tag it with")
VOTES = Property("votes", Type.INTEGER, Merge.NEWEST, "ThreatCrowd's votes: -1 malicious, 0 even, 1 benign")
CONFIDENCE = Property("confidence", Type.INTEGER, Merge.MAX, "how sure a source is of it, 0 to 100")
LAST_RESOLVED = Property("last_resolved", Type.MOMENT, Merge.MAX, "when the name last pointed there")


def _label(name: str, key: str, doc: str, colour: str, *properties: Property, shape: str = "circle") -> Label:
    return Label(name, key, doc, (*properties, *SEEN), colour, shape)


def _properties(*own: Property) -> tuple[Property, ...]:
    return (*own, *SEEN)


# --- labels (colours: Okabe and Ito's, which the colour-blind can tell apart; shape is the second sign) -------------

_ALGORITHM = Property(
    "algorithm", Type.TEXT, Merge.MAX, "md5, sha1, sha256, …: told by the key's length", keys.digest_algorithm
)
_PORT = Property("port", Type.INTEGER, Merge.MAX, "the port, out of the key", keys.service_port)
_TRANSPORT = Property("transport", Type.TEXT, Merge.MAX, "tcp or udp, out of the key", keys.service_transport)


def _newest(name: str, doc: str, type_: Type = Type.TEXT) -> Property:
    return Property(name, type_, Merge.NEWEST, doc)


def _all(name: str, doc: str) -> Property:
    return Property(name, Type.TEXTS, Merge.UNION, doc)


_CREATED = Property("created", Type.MOMENT, Merge.MIN, "when it was registered, made or posted")
_REPUTATION = _newest("reputation", "VirusTotal's score by its community: below 0 is bad", Type.INTEGER)
_MALICIOUS = _newest("malicious", "how many of VirusTotal's engines call it malicious", Type.INTEGER)
_NAME = _newest("name", "what it is called")

DOMAIN = _label(
    "Domain",
    "name",
    "A registrable DNS name: lower case, A-label form, no final dot.",
    "#0072B2",
    VOTES,
    _REPUTATION,
    _MALICIOUS,
    _newest("registrar", "the registrar's name"),
    _CREATED,
    TAGS,
)
SUBDOMAIN = _label(
    "SubDomain",
    "name",
    "A DNS name that is not registrable, in the same form.",
    "#56B4E9",
    VOTES,
    _REPUTATION,
    _MALICIOUS,
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
    _newest("country", "its country, two letters"),
    _newest("classification", "GreyNoise's: benign, malicious or unknown"),
    _newest("abuse_score", "AbuseIPDB's confidence of abuse, 0 to 100", Type.INTEGER),
    _all("cpes", "products seen there, as Common Platform Enumeration names"),
    TAGS,
    shape="square",
)
EMAIL = _label("Email", "address", "Lower case, the domain in A-label form.", "#CC79A7", shape="diamond")
HASH = _label(
    "Hash",
    "value",
    "A file's digest, in lower case hex.",
    "#009E73",
    _ALGORITHM,
    _newest("size", "the file's size in bytes", Type.INTEGER),
    _newest("file_type", "what the file is"),
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
    _CREATED, shape="square",
)  # fmt: skip
HASHTAG = _label("Hashtag", "tag", "Without #, case folded.", "#CC79A7", shape="hexagon")
ASN = _label("ASN", "number", "AS and the number.", "#E69F00", _NAME, shape="hexagon")
NETWORK = _label(
    "Network",
    "cidr",
    "A range of addresses, as CIDR.",
    "#E69F00",
    _NAME,
    _newest("country", "two letters"),
    shape="diamond",
)
ORGANIZATION = _label("Organization", "name", "As the source spells it.", "#666666", shape="square")
SERVICE = _label(
    "Service",
    "name",
    "ip:port/transport.",
    "#F0E442",
    _PORT,
    _TRANSPORT,
    _newest("product", "what answers"),
    _newest("version", "its version"),
    TAGS,
    shape="square",
)
CERTIFICATE = _label(
    "Certificate",
    "id",
    "Its SHA-256 fingerprint, or its number in a log (crtsh:NUMBER).",
    "#F0E442",
    _newest("serial", "the serial number, hex or decimal, as told"),
    _newest("issuer", "who issued it"),
    _newest("subject", "whom it was issued to"),
    Property("not_before", Type.MOMENT, Merge.MIN, "valid from"),
    Property("not_after", Type.MOMENT, Merge.MAX, "valid until"),
    shape="diamond",
)
VULNERABILITY = _label("Vulnerability", "id", "A CVE number.", "#D55E00", shape="star")
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
    TAGS,
)


def _attack(name: str, doc: str, colour: str, shape: str) -> Label:
    aliases = _all("aliases", "other names of it")
    return _label(
        name, "id", doc, colour, _NAME, _newest("description", "MITRE's first paragraph"), aliases, shape=shape
    )


TACTIC = _attack("Tactic", "An ATT&CK tactic: why.", "#000000", "hexagon")
TECHNIQUE = _attack("Technique", "An ATT&CK technique or sub-technique: how.", "#000000", "square")
SOFTWARE = _attack("Software", "ATT&CK software: malware and tools.", "#D55E00", "square")
GROUP = _attack("Group", "An ATT&CK group: who.", "#D55E00", "diamond")
MITIGATION = _attack("Mitigation", "An ATT&CK mitigation: what helps.", "#009E73", "square")

NOTE = _label(
    "Note",
    "id",
    "What an analyst says of a node: a note, a tag or a verdict. Its id is that of the entry in the raw cache.",
    "#666666",
    _newest("author", "who says it"),
    _newest("text", "the note"),
    _newest("tag", "the tag"),
    _newest("verdict", "malicious, suspicious, benign or unknown"),
    shape="diamond",
)

# --- kinds: what a raw string of a reply claims to be ---------------------------------------------------------------

Hostname = NewType("Hostname", str)
DomainName = NewType("DomainName", Hostname)
SubdomainName = NewType("SubdomainName", Hostname)
Address = NewType("Address", str)
EmailAddress = NewType("EmailAddress", str)
Digest = NewType("Digest", str)
Link = NewType("Link", str)
ScreenName = NewType("ScreenName", str)
TweetId = NewType("TweetId", str)
Tag = NewType("Tag", str)
ASNumber = NewType("ASNumber", str)
CIDR = NewType("CIDR", str)
OrganizationName = NewType("OrganizationName", str)
ServiceName = NewType("ServiceName", str)
CertificateId = NewType("CertificateId", str)
CVE = NewType("CVE", str)
MalwareName = NewType("MalwareName", str)
Reference = NewType("Reference", str)
TacticId = NewType("TacticId", str)
TechniqueId = NewType("TechniqueId", str)
SoftwareId = NewType("SoftwareId", str)
GroupId = NewType("GroupId", str)
MitigationId = NewType("MitigationId", str)
NoteId = NewType("NoteId", str)
AnyNode = NewType("AnyNode", str)
Term = NewType("Term", str)


def _numbered(prefix: str) -> Callable[[str], str]:
    """Return the canonical form of ATT&CK ids of one prefix."""

    def canonical(raw: str) -> str:
        key = keys.attack_id(raw)
        if key.rstrip("0123456789.") != prefix:
            raise BadValue("an ATT&CK id of another kind")
        return key

    return canonical


HOSTNAME = Kind(
    Hostname,
    "DNS name",
    (DOMAIN, SUBDOMAIN),
    keys.hostname,
    lambda name: DOMAIN if keys.is_registrable(name) else SUBDOMAIN,
    keys.plain.hostname,
)
DOMAIN_NAME = Kind(DomainName, "registrable name", (DOMAIN,), keys.domain, plain=keys.plain.domain)
SUBDOMAIN_NAME = Kind(SubdomainName, "sub-domain", (SUBDOMAIN,), keys.subdomain, plain=keys.plain.subdomain)
ADDRESS = Kind(Address, "IP address", (IP_ADDRESS,), keys.ip_address, plain=keys.plain.ip_address)
EMAIL_ADDRESS = Kind(EmailAddress, "e-mail address", (EMAIL,), keys.email, plain=keys.plain.email)
DIGEST = Kind(Digest, "hash", (HASH,), keys.digest, plain=keys.plain.digest)
LINK = Kind(Link, "URL", (URL,), keys.url)
SCREEN_NAME = Kind(ScreenName, "Twitter user", (TWITTER_USER,), keys.screen_name, plain=keys.plain.screen_name)
TWEET_ID = Kind(TweetId, "tweet", (TWEET,), keys.number, plain=keys.plain.number)
TAG = Kind(Tag, "hashtag", (HASHTAG,), keys.hashtag)
AS_NUMBER = Kind(ASNumber, "AS number", (ASN,), keys.asn, plain=keys.plain.asn)
CIDR_RANGE = Kind(CIDR, "network", (NETWORK,), keys.network)
ORGANIZATION_NAME = Kind(OrganizationName, "organization", (ORGANIZATION,), keys.name_text)
SERVICE_NAME = Kind(ServiceName, "service", (SERVICE,), keys.service, plain=keys.plain.service)
CERTIFICATE_ID = Kind(CertificateId, "certificate", (CERTIFICATE,), keys.certificate)
CVE_ID = Kind(CVE, "CVE number", (VULNERABILITY,), keys.cve, plain=keys.plain.cve)
MALWARE_NAME = Kind(MalwareName, "malware name", (MALWARE,), keys.name_text)
REFERENCE = Kind(Reference, "reference", (REPORT,), keys.reference)
TACTIC_ID = Kind(TacticId, "tactic", (TACTIC,), _numbered("TA"))
TECHNIQUE_ID = Kind(TechniqueId, "technique", (TECHNIQUE,), _numbered("T"))
SOFTWARE_ID = Kind(SoftwareId, "software", (SOFTWARE,), _numbered("S"))
GROUP_ID = Kind(GroupId, "group", (GROUP,), _numbered("G"))
MITIGATION_ID = Kind(MitigationId, "mitigation", (MITIGATION,), _numbered("M"))
NOTE_ID = Kind(NoteId, "note", (NOTE,), keys.name_text)
TERM = Kind(Term, "term", (), keys.text)  # what is asked for is no node: a search, a feed, a collection

HOST: Kind[Hostname | Address] = either("DNS name or IP address", ADDRESS, HOSTNAME)
DESTINATION: Kind[Hostname | Address | Link] = either("DNS name, IP address or URL", ADDRESS, HOSTNAME, LINK)
INDICATOR: Kind[Hostname | Address | EmailAddress | Digest | Link | CVE] = either(
    "indicator", ADDRESS, DIGEST, EMAIL_ADDRESS, HOSTNAME, CVE_ID, LINK
)
ENDPOINT: Kind[Hostname | Address | ServiceName] = either("host or service", ADDRESS, SERVICE_NAME, HOSTNAME)
EXPOSED: Kind[Address | ServiceName] = either("IP address or service", ADDRESS, SERVICE_NAME)
ROUTED: Kind[Address | CIDR] = either("IP address or network", ADDRESS, CIDR_RANGE)
OPERATED: Kind[Address | CIDR | ASNumber] = either("IP address, network or AS", ADDRESS, CIDR_RANGE, AS_NUMBER)
ACTOR: Kind[GroupId | SoftwareId] = either("group or software", GROUP_ID, SOFTWARE_ID)
MEANS: Kind[TechniqueId | SoftwareId] = either("technique or software", TECHNIQUE_ID, SOFTWARE_ID)


def registrable(name: Hostname) -> DomainName:
    """Return the registrable domain that a name lies in; the name itself where there is none (a public suffix)."""
    try:
        return DomainName(Hostname(keys.registrable(name)))
    except BadValue:
        return DomainName(name)


def service_name(address: Address, port: int, transport: str = "tcp") -> ServiceName:
    """Return the raw name of the service at an address's port."""
    return ServiceName(f"[{address}]:{port}/{transport}" if ":" in address else f"{address}:{port}/{transport}")


def refanged(indicator: str) -> str:
    """Return an indicator as it was before someone defanged it: hxxp, [.], (dot), [at]."""
    return keys.refang(indicator)


def on_hosts(links: Sequence[Link]) -> Fact:
    """Return the fact that these URLs lie on their hosts. What is no URL is passed over: its own reject tells."""
    placed = []
    for link in links:
        with suppress(BadValue):
            placed.append((link, Hostname(urlsplit(keys.url(link)).hostname or "")))
    return ON.each([link for link, _ in placed], [host for _, host in placed])


# --- relationship types: from, type, to -----------------------------------------------------------------------------

RESOLVES = Relationship(
    HOSTNAME, "RESOLVES", ADDRESS, "The name has, or had, this address (A, AAAA).", _properties(LAST_RESOLVED)
)
ALIAS_OF = Relationship(HOSTNAME, "ALIAS_OF", HOSTNAME, "The name is an alias of the other (CNAME).", SEEN)
MAIL_SERVER = Relationship(HOSTNAME, "MAIL_SERVER", HOSTNAME, "Mail for the name goes there (MX).", SEEN)
NAME_SERVER = Relationship(HOSTNAME, "NAME_SERVER", HOSTNAME, "The name is served from there (NS).", SEEN)
HOSTS = Relationship(
    DOMAIN_NAME,
    "HOSTS",
    SUBDOMAIN_NAME,
    "The sub-domain lies beneath the domain.",
    SEEN,
    holds=lambda domain, name: name.endswith("." + domain),
)
OWNS = Relationship(EMAIL_ADDRESS, "OWNS", DOMAIN_NAME, "The address is a contact in the domain's registration.", SEEN)
REGISTRAR = Relationship(DOMAIN_NAME, "REGISTRAR", EMAIL_ADDRESS, "The contact of the domain's registrar.", SEEN)
REGISTERED_TO = Relationship(DOMAIN_NAME, "REGISTERED_TO", ORGANIZATION_NAME, "Who registered the domain.", SEEN)
ASSOCIATED = Relationship(HOST, "ASSOCIATED", DIGEST, "The file has been seen with the name or the address.", SEEN)
SAME_FILE = Relationship(
    DIGEST, "SAME_FILE", DIGEST, "Two digests of one file: all pairs of them.", SEEN, both_ways=True
)
CONTACTS = Relationship(DIGEST, "CONTACTS", DESTINATION, "The file, when it runs, contacts the other.", SEEN)
DROPS = Relationship(DIGEST, "DROPS", DIGEST, "The file, when it runs, writes the other.", SEEN)
CONTAINS = Relationship(DIGEST, "CONTAINS", DIGEST, "The file holds the other, as an archive does.", SEEN)
EXECUTES = Relationship(DIGEST, "EXECUTES", DIGEST, "The file, when it runs, runs the other.", SEEN)
DETECTED_AS = Relationship(
    DIGEST, "DETECTED_AS", MALWARE_NAME, "A scanner or an analyst calls the file so.", _properties(CONFIDENCE)
)
INDICATES = Relationship(
    DESTINATION,
    "INDICATES",
    MALWARE_NAME,
    "The name, address or URL serves or steers the malware.",
    _properties(CONFIDENCE),
)
DELIVERS = Relationship(LINK, "DELIVERS", DIGEST, "The URL gave the file.", SEEN)
ON = Relationship(LINK, "ON", HOST, "The URL's host, or the address that answered for it.", SEEN)
REDIRECTS_TO = Relationship(LINK, "REDIRECTS_TO", LINK, "Who asks for the URL is sent to the other.", SEEN)
EXPOSES = Relationship(ADDRESS, "EXPOSES", SERVICE_NAME, "The port answers at the address.", SEEN)
VULNERABLE_TO = Relationship(EXPOSED, "VULNERABLE_TO", CVE_ID, "What answers there may be vulnerable.", SEEN)
USES = Relationship(ENDPOINT, "USES", CERTIFICATE_ID, "It shows the certificate.", SEEN)
NAMES = Relationship(CERTIFICATE_ID, "NAMES", HOSTNAME, "The certificate is for the name.", SEEN)
IN_NETWORK = Relationship(ADDRESS, "IN_NETWORK", CIDR_RANGE, "The address lies in the network.", SEEN)
ANNOUNCED_BY = Relationship(ROUTED, "ANNOUNCED_BY", AS_NUMBER, "The AS announces the route to it.", SEEN)
OPERATED_BY = Relationship(OPERATED, "OPERATED_BY", ORGANIZATION_NAME, "Who runs it.", SEEN)
REPORTED_IN = Relationship(INDICATOR, "REPORTED_IN", REFERENCE, "The report names the indicator.", SEEN)
TWEETED = Relationship(SCREEN_NAME, "TWEETED", TWEET_ID, "The user wrote the tweet.", SEEN)
RETWEETED = Relationship(SCREEN_NAME, "RETWEETED", TWEET_ID, "The user passed the tweet on.", SEEN)
LIKED = Relationship(SCREEN_NAME, "LIKED", TWEET_ID, "The user likes the tweet.", SEEN)
FOLLOWS = Relationship(SCREEN_NAME, "FOLLOWS", SCREEN_NAME, "The user follows the other.", SEEN)
MESSAGED = Relationship(
    SCREEN_NAME, "MESSAGED", SCREEN_NAME, "The user addressed the other in public: a reply or a mention.", SEEN
)
REPLIED = Relationship(TWEET_ID, "REPLIED", TWEET_ID, "The tweet replies to the other.", SEEN)
QUOTED = Relationship(TWEET_ID, "QUOTED", TWEET_ID, "The tweet quotes the other.", SEEN)
MENTIONS = Relationship(TWEET_ID, "MENTIONS", SCREEN_NAME, "The tweet names the user.", SEEN)
TAGGED = Relationship(TWEET_ID, "TAGGED", TAG, "The tweet has the hashtag.", SEEN)
LINKS = Relationship(TWEET_ID, "LINKS", LINK, "The tweet links to the URL.", SEEN)
EMPLOYS = Relationship(ACTOR, "EMPLOYS", MEANS, "The group or software uses the other (ATT&CK: uses).", SEEN)
MITIGATES = Relationship(MITIGATION_ID, "MITIGATES", TECHNIQUE_ID, "The mitigation helps against it.", SEEN)
SUBTECHNIQUE_OF = Relationship(TECHNIQUE_ID, "SUBTECHNIQUE_OF", TECHNIQUE_ID, "A special form of the other.", SEEN)
ACHIEVES = Relationship(TECHNIQUE_ID, "ACHIEVES", TACTIC_ID, "What the technique is for.", SEEN)


class _Labelled(Kind[AnyNode]):
    """The kind of a string that names a node of any label: `LABEL:KEY`."""

    def resolve(self, raw: str) -> tuple[Label, str]:
        """Return the label and the canonical key; BadValue where the key is not one of that label."""
        name, _, key = raw.partition(":")
        for kind in _ALL_KINDS:
            if name in (label.name for label in kind.labels):
                label, canonical = kind.resolve(key)
                if label.name == name:
                    return label, canonical
                raise BadValue("a key of another label")
        raise BadValue("a label that the schema does not have")


_ALL_KINDS = [each for each in list(vars().values()) if isinstance(each, Kind) and each.type]
ANY_NODE: _Labelled = _Labelled(
    None,
    "node of any label",
    tuple(dict.fromkeys(label for kind in _ALL_KINDS for label in kind.labels if label is not NOTE)),
    lambda raw: ANY_NODE.resolve(raw)[1],
)
ABOUT = Relationship(NOTE_ID, "ABOUT", ANY_NODE, "The note, tag or verdict is about the node.", SEEN)


def same_file(*digests: Digest | None) -> Fact:
    """Return that these are digests of one file, every two of them; one that is not told is None or empty."""
    pairs = list(combinations([each for each in digests if each], 2))
    return SAME_FILE.each([one for one, _ in pairs], [other for _, other in pairs])


# --- the whole, as data ---------------------------------------------------------------------------------------------

BY_INDICATOR: dict[str, Kind[Any]] = {
    "ip": ADDRESS,
    "domain": HOSTNAME,
    "email": EMAIL_ADDRESS,
    "hash": DIGEST,
    "user": SCREEN_NAME,
    "url": LINK,
    "cve": CVE_ID,
    "asn": AS_NUMBER,
    "network": CIDR_RANGE,
}
KINDS: dict[Any, Kind[Any]] = {
    each.type: each for each in list(vars().values()) if isinstance(each, Kind) and each.type
}
LABELS: dict[str, Label] = {each.name: each for each in list(vars().values()) if isinstance(each, Label)}
RELATIONSHIPS: dict[str, Relationship[Any, Any]] = {
    each.type: each for each in list(vars().values()) if isinstance(each, Relationship)
}


def _version() -> str:
    """Return a digest of all that the flat files' columns and their meaning depend on: it changes with the schema."""
    labels = [(each.name, each.key, _told(each.properties)) for each in LABELS.values()]
    types = [
        (each.type, each.both_ways, [(start.name, end.name) for start, end in each.joins], _told(each.properties))
        for each in RELATIONSHIPS.values()
    ]
    return sha256(repr((labels, types)).encode()).hexdigest()[:12]


def _told(properties: tuple[Property, ...]) -> list[tuple[str, str, str]]:
    return [(each.name, each.type.name, each.merge.name) for each in properties]


VERSION = _version()

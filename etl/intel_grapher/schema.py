"""The whole graph: kinds of raw string, relationship types, what each joins and what is checked of it.

The labels are in `etl/intel_grapher/labels.py`. No other file but a source's names a relationship type. Everything that
depends on them (CSV headers, constraints, UNWIND statements, embedded tables, the page's palette, the table in the
docs) is derived from here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import combinations
from typing import Any, NewType

from intel_grapher import keys, labels
from intel_grapher.errors import BadValue
from intel_grapher.keys import pairs
from intel_grapher.labels import (
    ASN,
    CERTIFICATE,
    COMMENTS,
    CONFIDENCE,
    DOMAIN,
    EMAIL,
    GROUP,
    HASH,
    HASHTAG,
    IP_ADDRESS,
    LAST_RESOLVED,
    MALWARE,
    MENTION,
    MITIGATION,
    NETWORK,
    NOTE,
    ORGANIZATION,
    REPORT,
    SEEN,
    SERVICE,
    SOFTWARE,
    SUBDOMAIN,
    TACTIC,
    TECHNIQUE,
    TWEET,
    TWITTER_USER,
    URL,
    VALID_UNTIL,
    VULNERABILITY,
    WILDCARD,
)
from intel_grapher.model import Bearing, Check, Fact, Kind, Label, Property, Relationship, either


def _properties(*own: Property) -> tuple[Property, ...]:
    return (*own, *SEEN)


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
MentionId = NewType("MentionId", str)
AnyNode = NewType("AnyNode", str)
Term = NewType("Term", str)


_BYTES = re.compile(r"([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,18})(?:\s?(?:b|byte|bytes))?", re.IGNORECASE)


def _numbered(prefix: str) -> Callable[[str], str]:
    """Return the canonical form of ATT&CK ids of one prefix; a name may stand before one: Mimikatz - S0002."""

    def canonical(raw: str) -> str:
        key = keys.attack_id(raw.rpartition(" - ")[2])
        if key.rstrip("0123456789.") != prefix:
            raise BadValue("an ATT&CK id of another kind")
        return key

    return canonical


def _group(raw: str) -> str:
    """Return the ATT&CK id of a group, or the name of an actor that has none."""
    try:
        return _numbered("G")(raw)
    except BadValue as bad:
        if bad.reason == "not an ATT&CK id":
            return keys.name_text(raw)
        raise


def _after_at(raw: str) -> str:
    """Return a Twitter user's name that has an @ before it; BadValue("not a Twitter name") for one without."""
    if raw.strip()[:1] != "@":
        raise BadValue("not a Twitter name")
    return keys.screen_name(raw)


def _digest_by(algorithm: str) -> Callable[[str], str]:
    """Return the canonical form of digests by one algorithm."""

    def canonical(raw: str) -> str:
        key = keys.digest(raw)
        if keys.digest_algorithm(key) != algorithm:
            raise BadValue("a digest by another algorithm")
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
DIGEST_BY = {
    name: Kind(Digest, f"{name} digest", (HASH,), _digest_by(name))
    for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
}
LINK = Kind(Link, "URL", (URL,), keys.url)
SCREEN_NAME = Kind(ScreenName, "Twitter user", (TWITTER_USER,), keys.screen_name, plain=keys.plain.screen_name)
TWEET_ID = Kind(TweetId, "tweet", (TWEET,), keys.number, plain=keys.plain.number)
TAG = Kind(Tag, "hashtag", (HASHTAG,), keys.hashtag)
AS_NUMBER = Kind(ASNumber, "AS number", (ASN,), keys.asn, plain=keys.plain.asn)
CIDR_RANGE = Kind(CIDR, "network", (NETWORK,), keys.network)
ORGANIZATION_NAME = Kind(OrganizationName, "organization", (ORGANIZATION,), keys.organization)
SERVICE_NAME = Kind(ServiceName, "service", (SERVICE,), keys.service, plain=keys.plain.service)
CERTIFICATE_ID = Kind(CertificateId, "certificate", (CERTIFICATE,), keys.certificate)
CVE_ID = Kind(CVE, "CVE number", (VULNERABILITY,), keys.cve, plain=keys.plain.cve)
MALWARE_NAME = Kind(MalwareName, "malware name", (MALWARE,), keys.malware)
REFERENCE = Kind(Reference, "reference", (REPORT,), keys.reference)
TACTIC_ID = Kind(TacticId, "tactic", (TACTIC,), _numbered("TA"))
TECHNIQUE_ID = Kind(TechniqueId, "technique", (TECHNIQUE,), _numbered("T"))
SOFTWARE_ID = Kind(SoftwareId, "software", (SOFTWARE,), _numbered("S"))
GROUP_ID = Kind(GroupId, "group", (GROUP,), _group)
MITIGATION_ID = Kind(MitigationId, "mitigation", (MITIGATION,), _numbered("M"))
NOTE_ID = Kind(NoteId, "note", (NOTE,), keys.name_text)
MENTION_ID = Kind(MentionId, "mention", (MENTION,), keys.mention)
TERM = Kind(Term, "term", (), keys.text)  # what is asked for is no node: a search, a feed, a collection

HOST: Kind[Hostname | Address] = either("DNS name or IP address", ADDRESS, HOSTNAME)
DESTINATION: Kind[Hostname | Address | Link] = either("DNS name, IP address or URL", ADDRESS, HOSTNAME, LINK)
INDICATOR: Kind[Hostname | Address | EmailAddress | Digest | Link | CVE] = either(
    "indicator", ADDRESS, DIGEST, EMAIL_ADDRESS, HOSTNAME, CVE_ID, LINK
)
REPORTED: Kind[
    Hostname | Address | EmailAddress | Digest | Link | CVE | CIDR | ASNumber | ServiceName | ScreenName | CertificateId
] = either(
    "indicator of any kind",
    *(ADDRESS, DIGEST, EMAIL_ADDRESS, HOSTNAME, CVE_ID, LINK, CIDR_RANGE, SERVICE_NAME),
    Kind(ASNumber, "AS number after AS", (ASN,), keys.asn_after_as),  # digits alone may mean anything
    Kind(ScreenName, "Twitter user after @", (TWITTER_USER,), _after_at),  # a bare word may mean anything, too
    CERTIFICATE_ID,  # a SHA-256 fingerprint is told from a file's by sha256: before it
)
THREAT: Kind[SoftwareId | TechniqueId | MalwareName] = either(
    "software, technique or malware", SOFTWARE_ID, TECHNIQUE_ID, MALWARE_NAME
)
ENDPOINT: Kind[Hostname | Address | ServiceName] = either("host or service", ADDRESS, SERVICE_NAME, HOSTNAME)
EXPOSED: Kind[Address | ServiceName] = either("IP address or service", ADDRESS, SERVICE_NAME)
ROUTED: Kind[Address | CIDR] = either("IP address or network", ADDRESS, CIDR_RANGE)
OPERATED: Kind[Address | CIDR | ASNumber] = either("IP address, network or AS", ADDRESS, CIDR_RANGE, AS_NUMBER)
ACTOR: Kind[GroupId | SoftwareId | MalwareName] = either(
    "group, software or malware", GROUP_ID, SOFTWARE_ID, MALWARE_NAME
)
MEANS: Kind[TechniqueId | SoftwareId | MalwareName] = either(
    "technique, software or malware", TECHNIQUE_ID, SOFTWARE_ID, MALWARE_NAME
)


def registrable(name: Hostname) -> DomainName:
    """Return the Domain that a name lies in, by both sections of the suffix list; the name where there is none."""
    try:
        return DomainName(Hostname(keys.registrable(name)))
    except BadValue:
        return DomainName(name)


def registered(asked: Hostname, *names: str | None) -> DomainName:
    """Return the domain that the registration facts of a reply are of.

    It is the first of the `names` that the reply says so (whois: Domain Name, RDAP: ldhName) and that can be one; else
    the domain under the suffix list's ICANN section that the name lies in.
    """
    for name in filter(None, names):
        with suppress(BadValue):
            return DomainName(Hostname(keys.domain(name)))
    try:
        return DomainName(Hostname(keys.registered(keys.hostname(asked))))
    except BadValue:
        return DomainName(asked)


def hosts(names: Iterable[Hostname], **seen: object) -> Fact:
    """Return that sub-domains lie beneath their domains; a name that is a Domain itself is passed over."""
    found = [(above, SubdomainName(name)) for name in names if (above := _above(name)) is not None]
    return HOSTS.each([domain for domain, _ in found], [name for _, name in found], **seen)


def _above(name: Hostname) -> DomainName | None:
    """Return the domain that a name lies beneath; None for a Domain, and what is no name as it is: a reject tells."""
    with suppress(BadValue):
        canonical = keys.hostname(name)
        return None if keys.is_registrable(canonical) else registrable(Hostname(canonical))
    return DomainName(name)


def service_name(address: Address | Hostname, port: int, transport: str | None = None) -> ServiceName:
    """Return the raw name of the service at a port of an address or a name; of a bare port no transport is known."""
    name = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return ServiceName(f"{name}/{transport}" if transport else name)


def fingerprint(digits: str | None) -> str | None:
    """Return a fingerprint in lower case; None for one of zeros alone, which stands for none."""
    return digits.lower() if digits and digits.strip("0:") else None


def byte_count(size: str | float | None) -> int | str | None:
    """Return a file's size in bytes: of 546304, "546304" and "546304 bytes"; else what was told, for a reject."""
    if not isinstance(size, str):
        return None if size is None else int(size)
    match = _BYTES.fullmatch(size.strip())
    return int(match[1].replace(",", "")) if match else size or None


def on_hosts(links: Sequence[Link]) -> Fact:
    """Return the fact that these URLs lie on their hosts. What is no URL is passed over: its own reject tells."""
    placed = [(link, Hostname(host)) for link in links if (host := keys.host_of(link)) is not None]
    return ON.each([link for link, _ in placed], [host for _, host in placed])


# --- relationship types: from, type, to -----------------------------------------------------------------------------

NAMED_BAD = Bearing(lambda _end: "malicious", "{}")
NOT_ITSELF = Check(pairs.different, "a relationship of a thing with itself")

RESOLVES = Relationship(
    HOSTNAME, "RESOLVES", ADDRESS, "The name has, or had, this address (A, AAAA).", _properties(LAST_RESOLVED)
)
ALIAS_OF = Relationship(
    HOSTNAME, "ALIAS_OF", HOSTNAME, "The name is an alias of the other (CNAME).", SEEN, check=NOT_ITSELF
)
MAIL_SERVER = Relationship(HOSTNAME, "MAIL_SERVER", HOSTNAME, "Mail for the name goes there (MX).", SEEN)
NAME_SERVER = Relationship(HOSTNAME, "NAME_SERVER", HOSTNAME, "The name is served from there (NS).", SEEN)
HOSTS = Relationship(
    DOMAIN_NAME,
    "HOSTS",
    SUBDOMAIN_NAME,
    "The sub-domain lies beneath the domain.",
    SEEN,
    check=Check(pairs.beneath, "a name that does not lie beneath the domain"),
)
OWNS = Relationship(
    EMAIL_ADDRESS,
    "OWNS",
    DOMAIN_NAME,
    "The address is a contact in the domain's registration.",
    SEEN,
    check=Check(keys.own_contacts, "a contact of a privacy service or a registrar, not of the owner", "start"),
)
REGISTRAR = Relationship(DOMAIN_NAME, "REGISTRAR", EMAIL_ADDRESS, "The contact of the domain's registrar.", SEEN)
REGISTERED_TO = Relationship(DOMAIN_NAME, "REGISTERED_TO", ORGANIZATION_NAME, "Who registered the domain.", SEEN)
ASSOCIATED = Relationship(
    DESTINATION, "ASSOCIATED", DIGEST, "The file has been seen with the name, address or URL.", SEEN
)
SAME_FILE = Relationship(
    DIGEST,
    "SAME_FILE",
    DIGEST,
    "Two digests of one file: all pairs of them.",
    SEEN,
    both_ways=True,
    check=Check(pairs.different_lengths, "two digests by one algorithm, which are of two files"),
)
CONTACTS = Relationship(DIGEST, "CONTACTS", DESTINATION, "The file, when it runs, contacts the other.", SEEN)
DROPS = Relationship(DIGEST, "DROPS", DIGEST, "The file, when it runs, writes the other.", SEEN)
CONTAINS = Relationship(
    DIGEST, "CONTAINS", DIGEST, "The file holds the other, as an archive does.", SEEN, check=NOT_ITSELF
)
EXECUTES = Relationship(DIGEST, "EXECUTES", DIGEST, "The file, when it runs, runs the other.", SEEN)
DETECTED_AS = Relationship(
    DIGEST,
    "DETECTED_AS",
    MALWARE_NAME,
    "A scanner or an analyst calls the file so.",
    _properties(CONFIDENCE),
    bearing=NAMED_BAD._replace(phrase="detected as {}"),
)
INDICATES = Relationship(
    DESTINATION,
    "INDICATES",
    MALWARE_NAME,
    "The name, address or URL serves or steers the malware.",
    _properties(CONFIDENCE),
    bearing=NAMED_BAD._replace(phrase="serves or steers {}"),
)
DELIVERS = Relationship(LINK, "DELIVERS", DIGEST, "The URL gave the file.", SEEN)
ON = Relationship(LINK, "ON", HOST, "The URL's host, or the address that answered for it.", SEEN)
REDIRECTS_TO = Relationship(
    LINK, "REDIRECTS_TO", LINK, "Who asks for the URL is sent to the other.", SEEN, check=NOT_ITSELF
)
EXPOSES = Relationship(HOST, "EXPOSES", SERVICE_NAME, "The port answers at the address, or at the name.", SEEN)
VULNERABLE_TO = Relationship(EXPOSED, "VULNERABLE_TO", CVE_ID, "What answers there may be vulnerable.", SEEN)
USES = Relationship(ENDPOINT, "USES", CERTIFICATE_ID, "It shows the certificate.", SEEN)
NAMES = Relationship(
    CERTIFICATE_ID,
    "NAMES",
    HOSTNAME,
    "The certificate is for the name, or for *. and the name.",
    _properties(WILDCARD),
)
IN_NETWORK = Relationship(
    ADDRESS,
    "IN_NETWORK",
    CIDR_RANGE,
    "The address lies in the network.",
    SEEN,
    check=Check(pairs.contained, "a network that does not contain the address"),
)
ANNOUNCED_BY = Relationship(ROUTED, "ANNOUNCED_BY", AS_NUMBER, "The AS announces the route to it.", SEEN)
OPERATED_BY = Relationship(OPERATED, "OPERATED_BY", ORGANIZATION_NAME, "Who runs it.", SEEN)
REPORTED_IN = Relationship(
    REPORTED,
    "REPORTED_IN",
    REFERENCE,
    "The report names the indicator.",
    _properties(COMMENTS, CONFIDENCE, VALID_UNTIL),
    bearing=Bearing(lambda _end: "suspicious", "reported in {}"),
)
ACCEPTED = REPORTED_IN  # what a mention becomes by a review
MENTIONED_IN = Relationship(
    MENTION_ID, "MENTIONED_IN", REFERENCE, "It stands in the report, and waits for a review.", SEEN, is_tie=False
)
CITES = Relationship(REFERENCE, "CITES", REFERENCE, "The report draws on the other.", SEEN, check=NOT_ITSELF)
CONCERNS = Relationship(REFERENCE, "CONCERNS", THREAT, "The report is about the malware or technique.", SEEN)
BLAMES = Relationship(REFERENCE, "BLAMES", GROUP_ID, "The report attributes what it describes to the group.", SEEN)
ATTRIBUTED_TO = Relationship(
    REPORTED,
    "ATTRIBUTED_TO",
    GROUP_ID,
    "A source says that the group uses it.",
    SEEN,
    bearing=NAMED_BAD._replace(phrase="attributed to {}"),
)
CONNECTS_TO = Relationship(HOST, "CONNECTS_TO", ENDPOINT, "The host was seen to open a connection to the other.", SEEN)
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
EMPLOYS = Relationship(ACTOR, "EMPLOYS", MEANS, "The group, software or malware uses the other (STIX: uses).", SEEN)
MITIGATES = Relationship(MITIGATION_ID, "MITIGATES", TECHNIQUE_ID, "The mitigation helps against it.", SEEN)
SUBTECHNIQUE_OF = Relationship(TECHNIQUE_ID, "SUBTECHNIQUE_OF", TECHNIQUE_ID, "A special form of the other.", SEEN)
ACHIEVES = Relationship(TECHNIQUE_ID, "ACHIEVES", TACTIC_ID, "What the technique is for.", SEEN)


def certificate_names(
    certificate: CertificateId, names: Sequence[Hostname], seen: str | float | None = None
) -> Iterator[Fact]:
    """Yield the names that a certificate is for. A wildcard, *.NAME, ties it to the name under the star and says so."""
    wild = [name for name in names if name.startswith("*.")]
    yield NAMES.each(certificate, [name for name in names if not name.startswith("*.")], seen=seen)
    yield NAMES.each(certificate, [Hostname(name[2:]) for name in wild], wildcard=[*wild], seen=seen)


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
LABELS: dict[str, Label] = {each.name: each for each in vars(labels).values() if isinstance(each, Label)}
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

"""VirusTotal v3: what some ninety engines, sandboxes and resolvers know of domains, addresses and files.

https://docs.virustotal.com/reference: an object comes in `data`, a relation as a list of objects, a page at a time; the
official client saves objects without the `data` around them. An object says the same wherever it turns up, and says
itself what it is about. Dates are epoch seconds. Whois says of registrants what VirusTotal made of them: 16 hex digits,
in an e-mail address before its `s@`; that is nobody's name, and is left out. Of addresses' whois only networks and
routes are taken. What engines call a domain or a URL ("malware site") names no malware: only their number is taken.
A sandbox's `malware_names` are taken where it calls the file malicious or suspicious. `authentihash`, `vhash`, what a
file is built of, exiftool's fields and the behaviour's lists of keys and processes are left out: none has a property.

Compared with https://docs.virustotal.com/reference on 2026-11-26.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from intel_grapher.model import Facts
from intel_grapher.schema import (
    ANNOUNCED_BY,
    ASSOCIATED,
    CIDR,
    CONTACTS,
    CONTAINS,
    DELIVERS,
    DROPS,
    EXECUTES,
    IN_NETWORK,
    ON,
    REDIRECTS_TO,
    RESOLVES,
    Address,
    ASNumber,
    Digest,
    Hostname,
    Term,
    hosts,
)
from intel_grapher.source import DAYS, MINUTES, ApiKey, Outcome, Rate, Source, Subject
from intel_grapher.sources._whois import registration
from intel_grapher.sources.virustotal.objects import (
    about_address,
    about_domain,
    about_file,
    about_url,
    ids,
    link,
    resolutions,
)
from intel_grapher.sources.virustotal.replies import (
    BehaviourReply,
    Domain,
    DomainReply,
    Domains,
    File,
    FileReply,
    Files,
    IpAddress,
    IpAddresses,
    IpAddressReply,
    Listing,
    LocationReply,
    Objects,
    Resolutions,
    Url,
    UrlReply,
    Urls,
    WhoisRecords,
)

PAGE = {"limit": "40"}
ENTERPRISE = "for enterprise keys only"
ONE_REQUEST_MORE = "the relations tell the same"
BY_ID = "VirusTotal asks for a URL by an id of its own"


def judge(reply: Any) -> Outcome:  # noqa: ANN401 - any of the replies
    """Tell an error object from an answer."""
    if reply.error is None:
        return Outcome.FOUND
    return Outcome.NOT_FOUND if reply.error.code == "NotFoundError" else Outcome.FAILED


def next_page(reply: Listing) -> Mapping[str, str] | None:
    """Return the cursor of a list's next page."""
    return {"cursor": reply.meta.cursor} if reply.meta.cursor else None


def in_link(link: str) -> str:
    """Return what a link to a list is about: of …/api/v3/domains/example.com/urls?limit=10, the name."""
    return unquote(urlsplit(link).path).split("/")[4]


source = Source(
    "virustotal",
    title="VirusTotal",
    home="https://www.virustotal.com/api/v3",
    limits=(Rate(4, per=MINUTES), Rate(500, per=DAYS), Rate(15_500, per=31 * DAYS)),
    key=ApiKey("VT_API_KEY", header="x-apikey"),
    judge=judge,
    terms="a public key is not for commercial products or services, nor for business workflows",
    status="answers (2026-11)",
    also=("virustotal_v3", "vt"),
    subjects=(
        Subject("links.self", in_link),
        Subject("data.id", sure=False),
    ),
)


# --- domains ----------------------------------------------------------------------------------------------------------


@source.get("/domains/{key}")
def domains(asked: Hostname | Term, reply: DomainReply) -> Facts:
    """A name's standing, registration, DNS records and certificate."""
    yield from about_domain(reply.data or reply)


@source.get("/domains/{key}/resolutions", PAGE, more=next_page)
def domains_resolutions(asked: Hostname, reply: Resolutions) -> Facts:
    """Addresses that a name had."""
    yield from resolutions(reply)


@source.get("/domains/{key}/subdomains", PAGE, more=next_page)
def domains_subdomains(asked: Hostname, reply: Domains) -> Facts:
    """Sub-domains of a name."""
    yield hosts([each.id for each in reply.data])
    for each in reply.data:
        yield from about_domain(each)


@source.get("/domains/{key}/siblings", PAGE, more=next_page)
def domains_siblings(asked: Hostname, reply: Domains) -> Facts:
    """Other sub-domains of a sub-domain's domain."""
    yield hosts([each.id for each in reply.data])
    for each in reply.data:
        yield from about_domain(each)


@source.get("/domains/{key}/communicating_files", PAGE, more=next_page)
def domains_communicating_files(asked: Hostname, reply: Files) -> Facts:
    """Files that contact a name when they run."""
    yield CONTACTS.each(ids(reply), asked)
    for each in reply.data:
        yield from about_file(each)


@source.get("/domains/{key}/referrer_files", PAGE, more=next_page)
def domains_referrer_files(asked: Hostname, reply: Files) -> Facts:
    """Files that hold a name."""
    yield ASSOCIATED.each(asked, ids(reply))
    for each in reply.data:
        yield from about_file(each)


@source.get("/domains/{key}/downloaded_files", PAGE, more=next_page, kept_only=ENTERPRISE)
def domains_downloaded_files(asked: Hostname, reply: Files) -> Facts:
    """Files that came from a name."""
    yield ASSOCIATED.each(asked, ids(reply))
    for each in reply.data:
        yield from about_file(each)


@source.get("/domains/{key}/urls", PAGE, more=next_page, kept_only=ENTERPRISE)
def domains_urls(asked: Hostname, reply: Urls) -> Facts:
    """URLs on a name."""
    for each in reply.data:
        yield from about_url(each)


@source.get("/domains/{key}/historical_whois", PAGE, more=next_page)
def domains_historical_whois(asked: Hostname, reply: WhoisRecords) -> Facts:
    """Contacts and name servers in a domain's whois records of all times; registrar and dates in the newest."""
    dates = [each.attributes.first_seen_date or 0 for each in reply.data]
    for each, date in zip(reply.data, dates, strict=True):
        record = [
            (field, value) for field, values in each.attributes.whois_map.items() for value in values.split(" | ")
        ]
        since = each.attributes.first_seen_date
        yield from registration(asked, record, newest=date == max(dates), since=since)


# --- addresses --------------------------------------------------------------------------------------------------------


@source.get("/ip_addresses/{key}")
def ip_addresses(asked: Address | Term, reply: IpAddressReply) -> Facts:
    """An address's standing, network and certificate."""
    yield from about_address(reply.data or reply)


@source.get("/ip_addresses/{key}/resolutions", PAGE, more=next_page)
def ip_addresses_resolutions(asked: Address, reply: Resolutions) -> Facts:
    """Names that had an address."""
    yield from resolutions(reply)


@source.get("/ip_addresses/{key}/communicating_files", PAGE, more=next_page)
def ip_addresses_communicating_files(asked: Address, reply: Files) -> Facts:
    """Files that contact an address when they run."""
    yield CONTACTS.each(ids(reply), asked)
    for each in reply.data:
        yield from about_file(each)


@source.get("/ip_addresses/{key}/referrer_files", PAGE, more=next_page)
def ip_addresses_referrer_files(asked: Address, reply: Files) -> Facts:
    """Files that hold an address."""
    yield ASSOCIATED.each(asked, ids(reply))
    for each in reply.data:
        yield from about_file(each)


@source.get("/ip_addresses/{key}/downloaded_files", PAGE, more=next_page, kept_only=ENTERPRISE)
def ip_addresses_downloaded_files(asked: Address, reply: Files) -> Facts:
    """Files that came from an address."""
    yield ASSOCIATED.each(asked, ids(reply))
    for each in reply.data:
        yield from about_file(each)


@source.get("/ip_addresses/{key}/urls", PAGE, more=next_page, kept_only=ENTERPRISE)
def ip_addresses_urls(asked: Address, reply: Urls) -> Facts:
    """URLs that an address answered for."""
    yield ON.each([each.url for each in reply.data], asked)
    for each in reply.data:
        yield from about_url(each)


@source.get("/ip_addresses/{key}/historical_whois", PAGE, more=next_page)
def ip_addresses_historical_whois(asked: Address, reply: WhoisRecords) -> Facts:
    """Networks and routes that an address lies in, by its whois records of all times."""
    for each in reply.data:
        record, since = each.attributes.whois_map, each.attributes.first_seen_date
        networks = [*record.get("CIDR", "").replace(", ", " | ").split(" | "), *record.get("route", "").split(" | ")]
        origins = record.get("origin", "").split(" | ")
        yield IN_NETWORK.each(asked, [CIDR(network) for network in networks if network], first_seen=since)
        yield ANNOUNCED_BY.each(asked, [ASNumber(origin) for origin in origins if origin], first_seen=since)


# --- files ------------------------------------------------------------------------------------------------------------


@source.get("/files/{key}")
def files(asked: Digest | Term, reply: FileReply) -> Facts:
    """A file's digests, size, type, names, and what the engines call it."""
    yield from about_file(reply.data or reply)


@source.get("/files/{key}/contacted_domains", PAGE, more=next_page)
def files_contacted_domains(asked: Digest, reply: Domains) -> Facts:
    """Names that a file contacts when it runs."""
    yield CONTACTS.each(asked, [each.id for each in reply.data])
    for each in reply.data:
        yield from about_domain(each)


@source.get("/files/{key}/contacted_ips", PAGE, more=next_page)
def files_contacted_ips(asked: Digest, reply: IpAddresses) -> Facts:
    """Addresses that a file contacts when it runs."""
    yield CONTACTS.each(asked, [each.id for each in reply.data])
    for each in reply.data:
        yield from about_address(each)


@source.get("/files/{key}/contacted_urls", PAGE, more=next_page)
def files_contacted_urls(asked: Digest, reply: Urls) -> Facts:
    """URLs that a file asks for when it runs."""
    yield CONTACTS.each(asked, [each.url for each in reply.data])
    for each in reply.data:
        yield from about_url(each)


@source.get("/files/{key}/dropped_files", PAGE, more=next_page)
def files_dropped_files(asked: Digest, reply: Files) -> Facts:
    """Files that a file writes when it runs."""
    yield DROPS.each(asked, ids(reply))
    for each in reply.data:
        yield from about_file(each)


@source.get("/files/{key}/bundled_files", PAGE, more=next_page)
def files_bundled_files(asked: Digest, reply: Files) -> Facts:
    """Files that a file holds."""
    yield CONTAINS.each(asked, ids(reply))
    for each in reply.data:
        yield from about_file(each)


@source.get("/files/{key}/execution_parents", PAGE, more=next_page)
def files_execution_parents(asked: Digest, reply: Files) -> Facts:
    """Files that run a file."""
    yield EXECUTES.each(ids(reply), asked)
    for each in reply.data:
        yield from about_file(each)


@source.get("/files/{key}/behaviour_summary", kept_only=ONE_REQUEST_MORE)
def files_behaviour_summary(asked: Digest, reply: BehaviourReply) -> Facts:
    """What a file contacts and writes, by all sandboxes that ran it."""
    it = reply.data or reply
    yield CONTACTS.each(asked, [each.hostname for each in it.dns_lookups])
    yield CONTACTS.each(asked, [each.destination_ip for each in it.ip_traffic])
    yield CONTACTS.each(asked, [each.url for each in it.http_conversations])
    yield DROPS.each(asked, [each.sha256 for each in it.files_dropped if each.sha256])
    for each in it.dns_lookups:
        yield RESOLVES.each(each.hostname, each.resolved_ips)


@source.get("/intelligence/search", {"query": "{key}"}, kept_only=ENTERPRISE, also=("search",))
def intelligence_search(asked: Term, reply: Objects) -> Facts:
    """Domains, addresses, files and URLs that a search found."""
    for each in reply.data:
        match each:
            case Domain():
                yield from about_domain(each)
            case File():
                yield from about_file(each)
            case IpAddress():
                yield from about_address(each)
            case Url():
                yield from about_url(each)


@source.get("/intelligence/hunting_notification_files", kept_only=ENTERPRISE)
def intelligence_hunting_notification_files(asked: Term, reply: Files) -> Facts:
    """Files that a rule of one's own caught."""
    for each in reply.data:
        yield from about_file(each)


# --- URLs -------------------------------------------------------------------------------------------------------------


@source.get("/urls/{key}", kept_only=BY_ID)
def urls(asked: Term, reply: UrlReply) -> Facts:
    """A URL's standing, host, where it led and what it gave."""
    yield from about_url(reply.data or reply)


@source.get("/urls/{key}/downloaded_files", PAGE, kept_only=BY_ID)
def urls_downloaded_files(asked: Term, reply: Files) -> Facts:
    """Files that a URL gave."""
    yield DELIVERS.each(link(asked), ids(reply))
    for each in reply.data:
        yield from about_file(each)


@source.get("/urls/{key}/network_location", kept_only=BY_ID, also=("urls_last_serving_ip_address",))
def urls_network_location(asked: Term, reply: LocationReply) -> Facts:
    """The name or the address that a URL lies on."""
    match reply.data:
        case Domain() as name:
            yield ON.each(link(asked), name.id)
            yield from about_domain(name)
        case IpAddress() as address:
            yield ON.each(link(asked), address.id)
            yield from about_address(address)


@source.get("/urls/{key}/redirecting_urls", PAGE, kept_only=BY_ID)
def urls_redirecting_urls(asked: Term, reply: Urls) -> Facts:
    """URLs that lead to a URL."""
    yield REDIRECTS_TO.each([each.url for each in reply.data], link(asked))
    for each in reply.data:
        yield from about_url(each)

"""ThreatCrowd v2: passive DNS, malware and registration contacts. It no longer answers; kept replies serve on.

https://github.com/AlienVault-OTX/ApiV2 describes its five requests, their limit (one in ten seconds), and `votes`: -1
malicious, 0 even, 1 not malicious. Looked at on 2026-11-26: its README and examples, of 2018-04-11. They show answers
about domains, addresses, e-mail addresses and detections, with `response_code` "1"; that it is 1 or "0", too, and what
an answer about a file has, is known from captured replies.
"""

from msgspec import Struct

from intel_grapher.model import Facts
from intel_grapher.schema import (
    ADDRESS,
    ASSOCIATED,
    CONTACTS,
    DETECTED_AS,
    HOSTNAME,
    HOSTS,
    OWNS,
    REPORTED_IN,
    RESOLVES,
    Address,
    Digest,
    DomainName,
    EmailAddress,
    Hostname,
    MalwareName,
    Reference,
    SubdomainName,
    registered,
    registrable,
    same_file,
)
from intel_grapher.source import SECONDS, Outcome, Rate, Source, Subject


class Report(Struct):
    response_code: str | int | None = None
    references: list[Reference] = []


class DomainResolution(Struct):
    ip_address: Address
    last_resolved: str | None = None


class DomainReport(Report):
    resolutions: list[DomainResolution] = []
    hashes: list[Digest] = []
    emails: list[EmailAddress] = []
    subdomains: list[SubdomainName] = []
    votes: int | None = None


class AddressResolution(Struct):
    domain: Hostname
    last_resolved: str | None = None


class AddressReport(Report):
    resolutions: list[AddressResolution] = []
    hashes: list[Digest] = []
    votes: int | None = None


class EmailReport(Report):
    domains: list[DomainName] = []


class FileReport(Report):
    md5: Digest | None = None
    sha1: Digest | None = None
    scans: list[MalwareName] = []
    ips: list[Address] = []
    domains: list[Hostname] = []


class AntivirusReport(Report):
    hashes: list[Digest] = []


def judge(reply: Report) -> Outcome:
    """Tell what a reply says: "0" is not found; where the code is missing, what else there is decides."""
    if str(reply.response_code) == "0":
        return Outcome.NOT_FOUND
    said = reply.response_code is not None or any(getattr(reply, name) for name in reply.__struct_fields__)
    return Outcome.FOUND if said else Outcome.FAILED


source = Source(
    "threatcrowd",
    title="ThreatCrowd",
    home="https://www.threatcrowd.org/searchApi/v2",
    limits=(Rate(1, per=10 * SECONDS),),
    judge=judge,
    retired="since 2024: its name is gone from the DNS",
    also=("threatcrowd_v2",),
    subjects=(Subject("permalink", lambda link: link.rpartition("=")[2]), Subject("md5", sure=False)),
)


@source.get("/domain/report/", {"domain": "{key}"})
def domain(asked: Hostname, reply: DomainReport) -> Facts:
    """Addresses, files, sub-domains and registration contacts of a domain."""
    seen = [each.last_resolved for each in reply.resolutions]
    domain = registrable(asked)
    yield HOSTNAME.each(asked, votes=reply.votes)
    yield RESOLVES.each(asked, [each.ip_address for each in reply.resolutions], last_resolved=seen, seen=seen)
    yield ASSOCIATED.each(asked, reply.hashes)
    if reply.emails:
        yield OWNS.each(reply.emails, registered(asked))
    yield HOSTS.each(domain, reply.subdomains)
    yield REPORTED_IN.each(asked, reply.references)


@source.get("/ip/report/", {"ip": "{key}"})
def ip(asked: Address, reply: AddressReport) -> Facts:
    """Names and files seen with an address."""
    seen = [each.last_resolved for each in reply.resolutions]
    yield ADDRESS.each(asked, votes=reply.votes)
    yield RESOLVES.each([each.domain for each in reply.resolutions], asked, last_resolved=seen, seen=seen)
    yield ASSOCIATED.each(asked, reply.hashes)
    yield REPORTED_IN.each(asked, reply.references)


@source.get("/email/report/", {"email": "{key}"})
def email(asked: EmailAddress, reply: EmailReport) -> Facts:
    """Domains registered with an e-mail address."""
    yield OWNS.each(asked, reply.domains)
    yield REPORTED_IN.each(asked, reply.references)


@source.get("/file/report/", {"resource": "{key}"})
def file(asked: Digest, reply: FileReport) -> Facts:
    """A file's other digest, scanners' names for it, and what it contacts."""
    yield same_file(asked, reply.md5, reply.sha1)
    yield DETECTED_AS.each(asked, reply.scans)
    yield CONTACTS.each(asked, reply.ips)
    yield CONTACTS.each(asked, reply.domains)
    yield REPORTED_IN.each(asked, reply.references)


@source.get("/antivirus/report/", {"antivirus": "{key}"})
def antivirus(asked: MalwareName, reply: AntivirusReport) -> Facts:
    """Files that scanners give a name."""
    yield DETECTED_AS.each(reply.hashes, asked)

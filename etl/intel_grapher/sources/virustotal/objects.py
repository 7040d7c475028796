"""What VirusTotal's objects say; the same wherever one turns up."""

from base64 import b64decode
from itertools import pairwise

from intel_grapher.model import Facts
from intel_grapher.schema import (
    ADDRESS,
    ALIAS_OF,
    ANNOUNCED_BY,
    AS_NUMBER,
    CERTIFICATE_ID,
    DELIVERS,
    DETECTED_AS,
    DIGEST,
    HOSTNAME,
    IN_NETWORK,
    INDICATES,
    LINK,
    MAIL_SERVER,
    NAME_SERVER,
    REDIRECTS_TO,
    RESOLVES,
    USES,
    Address,
    ASNumber,
    Digest,
    Hostname,
    Link,
    Term,
    certificate_names,
    fingerprint,
    on_hosts,
    same_file,
)
from intel_grapher.sources._whois import pairs, registration
from intel_grapher.sources.virustotal.replies import (
    Certificate,
    DnsRecord,
    Domain,
    File,
    Files,
    IpAddress,
    Resolutions,
    Url,
)


def about_domain(it: Domain) -> Facts:
    """Yield what a domain object says: standing, registration, DNS records, certificate."""
    name, said = it.id, it.attributes
    yield HOSTNAME.each(
        name,
        reputation=said.reputation,
        malicious=said.last_analysis_stats.malicious,
        jarm=fingerprint(said.jarm),
        tags=[*said.tags, *said.categories.values()],
    )
    yield from registration(
        name,
        pairs(said.whois),
        seen=said.whois_date,
        registrar=said.registrar,
        created=said.creation_date,
        updated=said.last_update_date,
        expires=said.expiration_date,
    )
    yield from _resolved(name, said.last_dns_records, said.last_dns_records_date)
    if said.last_https_certificate:
        yield from _certificate(name, said.last_https_certificate, said.last_https_certificate_date)


def _resolved(name: Hostname, records: list[DnsRecord], date: int | None) -> Facts:
    def of(*types: str) -> list[str]:
        return [each.value for each in records if each.type in types and each.value]  # an empty MX: no mail is taken

    yield RESOLVES.each(name, [Address(each) for each in of("A", "AAAA")], last_resolved=date, seen=date)
    yield ALIAS_OF.each(name, [Hostname(each) for each in of("CNAME")], seen=date)
    yield MAIL_SERVER.each(name, [Hostname(each) for each in of("MX")], seen=date)
    yield NAME_SERVER.each(name, [Hostname(each) for each in of("NS")], seen=date)


def about_address(it: IpAddress) -> Facts:
    """Yield what an address object says: standing, place in the network, certificate."""
    said = it.attributes
    yield ADDRESS.each(
        it.id,
        reputation=said.reputation,
        malicious=said.last_analysis_stats.malicious,
        country=said.country,
        jarm=fingerprint(said.jarm),
        tags=said.tags,
    )
    if said.network:
        yield IN_NETWORK.each(it.id, said.network)
    if said.asn:
        number = ASNumber(f"AS{said.asn}")
        yield ANNOUNCED_BY.each(it.id, number)
        yield AS_NUMBER.each(number, name=said.as_owner)
    if said.last_https_certificate:
        yield from _certificate(it.id, said.last_https_certificate, said.last_https_certificate_date)


def _certificate(host: Hostname | Address, it: Certificate, date: int | None) -> Facts:
    yield CERTIFICATE_ID.each(
        it.thumbprint_sha256,
        serial=it.serial_number,
        sha1=fingerprint(it.thumbprint),
        issuer=it.issuer.name or it.issuer.organization,
        subject=it.subject.name or it.subject.organization,
        not_before=it.validity.not_before,
        not_after=it.validity.not_after,
    )
    yield USES.each(host, it.thumbprint_sha256, seen=date)
    yield from certificate_names(it.thumbprint_sha256, it.extensions.subject_alternative_name)


def about_file(it: File) -> Facts:
    """Yield what a file object says: digests, size, type, names, and what the engines call it."""
    said = it.attributes
    yield DIGEST.each(
        it.id,
        size=said.size,
        file_type=said.type_description,
        imphash=said.pe_info.imphash,
        ssdeep=said.ssdeep,
        tlsh=said.tlsh,
        malicious=said.last_analysis_stats.malicious,
        names=[*said.names, *([said.meaningful_name] if said.meaningful_name else [])],
        tags=said.tags,
        first_seen=min(filter(None, (said.first_submission_date, said.first_seen_itw_date)), default=None),
        last_seen=said.last_submission_date,
    )
    yield same_file(it.id, said.md5, said.sha1)
    called = [
        each.result for each in said.last_analysis_results.values() if each.category in {"malicious", "suspicious"}
    ]
    called.append(said.popular_threat_classification.suggested_threat_label)
    for sandbox in said.sandbox_verdicts.values():
        if sandbox.category in {"malicious", "suspicious"}:
            called += sandbox.malware_names
    yield DETECTED_AS.each(it.id, [each for each in called if each], seen=said.last_analysis_date)


def about_url(it: Url) -> Facts:
    """Yield what a URL object says: standing, host, where it led, what it gave."""
    said, url = it.attributes, it.url
    yield LINK.each(
        url,
        title=said.title,
        malicious=said.last_analysis_stats.malicious,
        tags=[*said.tags, *said.categories.values()],
        first_seen=said.first_submission_date,
        last_seen=said.last_submission_date,
    )
    yield on_hosts([url])
    yield INDICATES.each(url, said.threat_names)
    if said.last_http_response_content_sha256:
        yield DELIVERS.each(url, said.last_http_response_content_sha256, seen=said.last_analysis_date)
    if said.last_final_url:
        hops = [each for each in dict.fromkeys([url, *said.redirection_chain, said.last_final_url]) if each]
        for before, after in pairwise(hops):
            if LINK.canonical(before) != LINK.canonical(after):
                yield REDIRECTS_TO.each(before, after, seen=said.last_analysis_date)


def resolutions(reply: Resolutions) -> Facts:
    """Yield which names had which addresses, and when."""
    told = [each.attributes for each in reply.data]
    dates = [each.date for each in told]
    names, addresses = [each.host_name for each in told], [each.ip_address for each in told]
    yield RESOLVES.each(names, addresses, last_resolved=dates, seen=dates)


def ids(reply: Files) -> list[Digest]:
    """Return the files of a list."""
    return [each.id for each in reply.data]


def link(identifier: Term) -> Link:
    """Return the URL that an id of VirusTotal stands for: base64 without its padding. A hash is none, and is kept."""
    try:
        return Link(b64decode(identifier + "=" * (-len(identifier) % 4), b"-_", validate=True).decode())
    except ValueError:
        return Link(identifier)

"""What VirusTotal v3 answers with, as far as it is read: objects, lists of them, and errors."""

from msgspec import Struct

from intel_grapher.schema import CIDR, Address, CertificateId, Digest, Hostname, Link, MalwareName


class Error(Struct):
    code: str = ""


class Meta(Struct, frozen=True):
    cursor: str = ""


class Listing(Struct):
    error: Error | None = None
    meta: Meta = Meta()


class Stats(Struct, frozen=True):
    malicious: int | None = None


class DnsRecord(Struct):
    type: str = ""
    value: str = ""


class Party(Struct, frozen=True, rename={"name": "CN", "organization": "O"}):
    name: str = ""
    organization: str = ""


class Extensions(Struct, frozen=True):
    subject_alternative_name: list[Hostname] = []


class Validity(Struct, frozen=True):
    not_before: str | None = None
    not_after: str | None = None


class Certificate(Struct):
    thumbprint_sha256: CertificateId
    thumbprint: str | None = None
    serial_number: str | None = None
    issuer: Party = Party()
    subject: Party = Party()
    validity: Validity = Validity()
    extensions: Extensions = Extensions()


class DomainAttributes(Struct, frozen=True):
    categories: dict[str, str] = {}
    creation_date: int | None = None
    expiration_date: int | None = None
    jarm: str | None = None
    last_analysis_stats: Stats = Stats()
    last_dns_records: list[DnsRecord] = []
    last_dns_records_date: int | None = None
    last_https_certificate: Certificate | None = None
    last_https_certificate_date: int | None = None
    last_update_date: int | None = None
    registrar: str | None = None
    reputation: int | None = None
    tags: list[str] = []
    whois: str = ""
    whois_date: int | None = None


class Domain(Struct, tag_field="type", tag="domain"):
    id: Hostname = Hostname("")
    attributes: DomainAttributes = DomainAttributes()


class DomainReply(Domain):
    data: Domain | None = None
    error: Error | None = None


class Domains(Listing):
    data: list[Domain] = []


class AddressAttributes(Struct, frozen=True):
    as_owner: str | None = None
    asn: int | None = None
    country: str | None = None
    jarm: str | None = None
    last_analysis_stats: Stats = Stats()
    last_https_certificate: Certificate | None = None
    last_https_certificate_date: int | None = None
    network: CIDR | None = None
    reputation: int | None = None
    tags: list[str] = []


class IpAddress(Struct, tag_field="type", tag="ip_address"):
    id: Address = Address("")
    attributes: AddressAttributes = AddressAttributes()


class IpAddressReply(IpAddress):
    data: IpAddress | None = None
    error: Error | None = None


class IpAddresses(Listing):
    data: list[IpAddress] = []


class Verdict(Struct):
    category: str = ""
    result: MalwareName | None = None


class Classification(Struct, frozen=True):
    suggested_threat_label: MalwareName | None = None


class Sandbox(Struct):
    category: str = ""
    malware_names: list[MalwareName] = []


class PeInfo(Struct, frozen=True):
    imphash: str | None = None


class FileAttributes(Struct, frozen=True):
    first_seen_itw_date: int | None = None
    first_submission_date: int | None = None
    last_analysis_date: int | None = None
    last_analysis_results: dict[str, Verdict] = {}
    last_analysis_stats: Stats = Stats()
    last_submission_date: int | None = None
    md5: Digest | None = None
    meaningful_name: str | None = None
    names: list[str] = []
    pe_info: PeInfo = PeInfo()
    popular_threat_classification: Classification = Classification()
    sandbox_verdicts: dict[str, Sandbox] = {}
    sha1: Digest | None = None
    size: int | None = None
    ssdeep: str | None = None
    tags: list[str] = []
    tlsh: str | None = None
    type_description: str | None = None


class File(Struct, tag_field="type", tag="file"):
    id: Digest = Digest("")
    attributes: FileAttributes = FileAttributes()


class FileReply(File):
    data: File | None = None
    error: Error | None = None


class Files(Listing):
    data: list[File] = []


class UrlAttributes(Struct, frozen=True):
    categories: dict[str, str] = {}
    first_submission_date: int | None = None
    last_analysis_date: int | None = None
    last_analysis_stats: Stats = Stats()
    last_final_url: Link | None = None
    last_http_response_content_sha256: Digest | None = None
    last_submission_date: int | None = None
    redirection_chain: list[Link] = []
    tags: list[str] = []
    threat_names: list[MalwareName] = []
    title: str | None = None
    url: Link | None = None


class Context(Struct, frozen=True):
    url: Link = Link("")


class Url(Struct, tag_field="type", tag="url"):
    attributes: UrlAttributes = UrlAttributes()
    context_attributes: Context = Context()

    @property
    def url(self) -> Link:
        """The URL; of one that was never analysed only the relation tells it."""
        return self.attributes.url or self.context_attributes.url


class UrlReply(Url):
    data: Url | None = None
    error: Error | None = None


class Urls(Listing):
    data: list[Url] = []


class Objects(Listing):
    data: list[Domain | File | IpAddress | Url] = []


class ResolutionAttributes(Struct):
    host_name: Hostname
    ip_address: Address
    date: int | None = None


class Resolution(Struct):
    attributes: ResolutionAttributes


class Resolutions(Listing):
    data: list[Resolution] = []


class WhoisAttributes(Struct):
    first_seen_date: int | None = None
    whois_map: dict[str, str] = {}


class Whois(Struct):
    attributes: WhoisAttributes


class WhoisRecords(Listing):
    data: list[Whois] = []


class LocationReply(Struct):
    data: Domain | IpAddress | None = None
    error: Error | None = None


class Lookup(Struct):
    hostname: Hostname
    resolved_ips: list[Address] = []


class Traffic(Struct):
    destination_ip: Address


class Conversation(Struct):
    url: Link


class Dropped(Struct):
    sha256: Digest | None = None


class Behaviour(Struct):
    dns_lookups: list[Lookup] = []
    files_dropped: list[Dropped] = []
    http_conversations: list[Conversation] = []
    ip_traffic: list[Traffic] = []


class BehaviourReply(Behaviour):
    data: Behaviour | None = None
    error: Error | None = None

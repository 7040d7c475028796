"""HackerTarget: hosts beneath a domain, and names at an address, as plain text. A key is not needed for few requests.

https://hackertarget.com/ip-tools: a line each, of a name and an address parted by a comma, or of a name alone. What is
wrong is said in prose with status 200: "error …", "API count exceeded …", "No records found".

Its pages were not found on 2026-11-26. Compared that day with the service's own client of `hostsearch`
(hackertarget/maltego_transforms), which knows "error check", "Error invalid key", "No DNS A records" and "API count
exceeded"; `reverseiplookup` is known from replies and others' clients.
"""

from intel_grapher.model import Facts
from intel_grapher.schema import RESOLVES, Address, DomainName, Hostname, hosts
from intel_grapher.source import DAYS, ApiKey, Outcome, Rate, Source

NOTHING = ("no records", "no dns")
QUOTA = "api count exceeded"
WRONG = ("error", "<", "{")


def judge(reply: str) -> Outcome:
    """Tell the service's prose from its lists."""
    start = reply.lstrip().lower()
    if start.startswith(NOTHING):
        return Outcome.NOT_FOUND
    if start.startswith(QUOTA):
        return Outcome.QUOTA
    return Outcome.FAILED if start.startswith(WRONG) or "." not in start else Outcome.FOUND


source = Source(
    "hackertarget",
    title="HackerTarget",
    home="https://api.hackertarget.com",
    limits=(Rate(2), Rate(50, per=DAYS)),
    key=ApiKey("HACKERTARGET_API_KEY", query="apikey", required=False),
    judge=judge,
    terms="few requests a day are free",
    status="answers (2026-11)",
)


@source.get("/hostsearch/", {"q": "{key}"}, format="text")
def hostsearch(asked: DomainName, reply: str) -> Facts:
    """Names beneath a domain, and their addresses."""
    pairs = [line.strip().partition(",") for line in reply.splitlines() if line.strip()]
    yield RESOLVES.each([Hostname(name) for name, _, _ in pairs], [Address(address) for _, _, address in pairs])
    yield hosts([Hostname(name) for name, _, _ in pairs if name.lower().endswith(f".{asked}")])


@source.get("/reverseiplookup/", {"q": "{key}"}, format="text", also=("reverseip",))
def reverseiplookup(asked: Address, reply: str) -> Facts:
    """Names that have an address."""
    yield RESOLVES.each([Hostname(line) for line in reply.splitlines() if line.strip()], asked)

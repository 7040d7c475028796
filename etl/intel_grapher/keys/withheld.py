"""Names and contacts that stand in place of somebody: redactions, privacy services, registrars, "Unknown malware".

One of these as a node would tie strangers to one another, so none becomes one. All lists are kept here.

Each list is compiled by hand, from replies and from what is commonly known: a name is added when it is seen on
strangers. No register of privacy services or of redaction phrases was found. Looked at on 2026-11-26: the stored text
of RFC 9537 (sections 3 and 4), which forbids placeholders ("XXXX") in RDAP and lets an address be replaced by another,
and ICANN's RDAP Response Profile of 2024-02-21 (2.7.8, Appendix E), which demands that of registrars; `sources/rdap.py`
reads it. ICANN's Temporary Specification and its Registration Data Policy were not found.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from intel_grapher.errors import BadValue
from intel_grapher.keys.names import registrable
from intel_grapher.keys.texts import name_text
from intel_grapher.keys.words import PLACEHOLDER

WITHHELD = "a name that was withheld"
SERVICE = "a privacy service, not the owner"
HANDLE = "a registry's handle, not a name"

# Whole names, in lower case, of owners that are nobody.
_NOBODY = frozenset(
    {
        *("private person", "private individual", "private customer", "private registration", "private registrant"),
        *("individual", "personal", "person", "private", "privacy", "none given", "not applicable", "not disclosed"),
        *("no organization", "no organisation", "no company", "organization", "organisation", "company", "na", "n.a."),
        *("registrant", "registrant organization", "domain owner", "domain admin", "domain administrator"),
        *("domain manager", "hostmaster", "whois agent", "dns admin", "admin", "administrator", "customer", "owner"),
        *("hidden", "masked", "withheld", "anonymous", "confidential", "tbd", "xxx", "test", "self", "---", "..."),
        *("gdpr", "gdpr masked", "gdpr redacted", "statutory masking enabled", "data protected", "redacted"),
        *(
            "not shown",
            "not displayed",
            "on file",
            "see registrar",
            "personal data",
            "physical person",
            "natural person",
        ),
    }
)
_WITHHELD = re.compile(
    r"redact|gdpr|statutory mask|data protected|not disclosed|non-public data|personal data|withheld (?:for|by|due)"
    r"|hidden upon user|not available from registry|masked by|^private (?:customer|person|individual|residence)"
    r"|confidential information|information (?:not|un)available|^\(?not (?:public|provided|available|specified)"
)
_SERVICE = re.compile(
    r"privacy (?:protect|guard|service|corp|limited|ltd|llc|inc|group|hero|administrator|department|ehf|id\b)"
    r"|privacyguardian|privacyprotect|whois ?(?:guard|privacy|proxy|protect|agent|secure|security|trustee|foundation)"
    r"|whois(?:guard|proxy)|(?:contact|perfect|moniker|jewella|digital|super|domain|domains|id|my|global|registrant"
    r"|registration|c/o|dynadot|name|internet|anonymous|secure|domain name|key-systems|total|true|pure|eranet) ?privacy"
    r"|domains? ?by ?proxy|proxy protection|domain protection services|identity protect|identity shield"
    r"|withheld for privacy|registration private|anonymi[sz]e|njalla|1337 services|privacydotlink|private by design"
    r"|see privacyguardian|on behalf of .* (?:owner|organization|registrant)|^c/o |nominet privacy"
    r"|data protection services|protected domain services|fundacion privacy|wanxcp|private whois|privatewhois"
    r"|hidden by|\bowo\b.*privacy|ovh privacy|registrant of [a-z0-9.-]+\.[a-z]+$"
)
# What a registry calls an object of its database: a maintainer, a role, an organisation, a team.
_HANDLE = re.compile(
    r"(?:org|irt|mnt|maint|poem|dumy)-[a-z0-9][a-z0-9-]*"
    r"|[a-z0-9][a-z0-9_-]*-(?:mnt|mntner|ripe|arin|apnic|ap|afrinic|lacnic|nicat|norid|frnic|irt|ncc|hm)"
    r"|mnt|as[0-9]+-mnt[a-z0-9-]*"
)
_NO_MALWARE = frozenset(
    {
        *("unknown malware", "unknown_malware", "unknown family", "unknown threat", "unidentified", "not found"),
        *("clean", "clean site", "unrated site", "malware site", "malicious site", "phishing site", "suspicious site"),
        *("undetected", "no threat", "no threats", "benign", "win.unknown", "elf.unknown", "apk.unknown", "tbd"),
        *("other", "others", "na", "n.a.", "none detected", "not detected", "ok", "timeout", "error"),
    }
)
_UNIDENTIFIED = re.compile(
    r"(?:win|elf|osx|apk|js|ps1|vbs|jar|php|py)\.unidentified_[0-9]+|unknown (?:stealer|rat|loader)"
)
PRIVACY_SERVICES = (
    *("1and1-private-registration.com", "above.com", "anonymise.email", "anonymize.com", "bluehostprivacy.com"),
    *("contactprivacy.com", "contactprivacy.email", "contact.gandi.net", "customer-privacy.com", "data-private.com"),
    *("datasecured.org", "dnstinations.com", "domain-contact.org", "domaindiscreet.com", "domainidshield.com"),
    *("domainprivacygroup.com", "domainprotect.ru", "domainproxyagent.com", "domainsbyproxy.com", "domprivacy.com"),
    *("dynadotprivacy.com", "fastdomainprivacy.com", "gmoprivacy.com", "huprivacy.com", "id-private.com"),
    *("identity-protect.org", "identityprotect.org", "idshield.tk", "internet.bs.privacy", "justhostprivacy.com"),
    *("mailprivacy.com", "monikerprivacy.net", "myprivacy.ca", "myprivacy.net", "myprivatename.com"),
    *("namebrightprivacy.com", "nameprivacy.com", "njal.la", "o-w-o.info", "perfectprivacy.com", "privacy-link.com"),
    *("privacy.co.com", "privacyguardian.org", "privacyprotect.org", "privacypost.com", "privacydotlink.com"),
    *(
        "privacy.above.com",
        "privacy.com.ua",
        "privacyguard.org",
        "privacyhero.com",
        "privacyservice.com",
        "privacy-protect.net",
    ),
    *(
        "privatename.org",
        "privatenameservice.com",
        "privatewhois.net",
        "private-registrant.com",
        "protecteddomainservices.com",
    ),
    *("proxy.dreamhost.com", "proxydomains.com", "proxyprotection.com", "regprivate.ru", "registrant-data.com"),
    *("registrationprivate.com", "secretregistration.com", "secureprivacyservice.com", "securewhois.com"),
    *("spamfree.bookmyname.com", "superprivacyservice.com", "topdns.com", "trustee.email", "tieredaccess.com"),
    *("whois-agent.com", "whois-privacy.net", "whois-protect.net", "whoisagent.com", "whoisguard.com"),
    *("whoisprivacy.com", "whoisprivacycorp.com", "whoisprivacyprotect.com", "whoisprivacyservice.org"),
    *(
        "whoisprivacyservices.com.au",
        "whoisproxy.com",
        "whoisproxy.org",
        "whoisprotection.cc",
        "whoisprotection.domains",
    ),
    *(
        "whoisprotectservice.com",
        "whoisprotectservice.net",
        "whoissecure.com",
        "whoistrustee.com",
        "whoistrustee.domains",
    ),
    *(
        "withheldforprivacy.com",
        "wix-domains.com",
        "yinsibaohu.aliyun.com",
        "your-privacy.org",
        "nameshield-privacy.net",
    ),
)
REGISTRARS = (
    *("101domain.com", "1api.net", "1and1.com", "ascio.com", "bizcn.com", "cloudflare.registrar", "comlaude.com"),
    *(
        "corporatedomains.com",
        "cps-datensysteme.de",
        "crazydomains.com",
        "cscglobal.com",
        "cscinfo.com",
        "directnic.com",
    ),
    *("discount-domain.com", "dnspod.com", "domain.com", "domainmonster.com", "domaincostclub.com", "dotster.com"),
    *("dynadot.com", "ename.com", "ename.net", "encirca.com", "enom.com", "epik.com", "eurodns.com", "fastdomain.com"),
    *("gandi.net", "gname.com", "godaddy.com", "hichina.com", "hostinger.com", "hostopia.com", "instra.com"),
    *("internet.bs", "internetbs.net", "internic.net", "inwx.com", "inwx.de", "joker.com", "key-systems.net"),
    *("launchpad.com", "lexsynergy.com", "markmonitor.com", "melbourneit.com", "melbourneit.com.au", "moniker.com"),
    *(
        "name.com",
        "namebay.com",
        "namebright.com",
        "namecheap.com",
        "namesilo.com",
        "nameshield.net",
        "netearthone.com",
    ),
    *("netim.net", "netowl.jp", "networksolutions.com", "nicenic.net", "nic.ru", "nom-iq.com", "nominalia.com"),
    *("onamae.com", "onlinenic.com", "opensrs.org", "openprovider.eu", "ovh.net", "pananames.com", "pairnic.com"),
    *("pdr-ltd.com", "porkbun.com", "publicdomainregistry.com", "psi-usa.info", "regery.com", "register.com"),
    *("register4less.com", "registrar.eu", "registrarsafe.com", "registrar-servers.com", "reg.ru", "resellerclub.com"),
    *("resell.biz", "rrpproxy.net", "safenames.net", "schlund.de", "service.aliyun.com", "sav.com", "spaceship.com"),
    *(
        "squarespace.domains",
        "tldregistrarsolutions.com",
        "tucows.com",
        "uniregistry.com",
        "ukreg.com",
        "united-domains.de",
    ),
    *(
        "vautron.de",
        "webnic.cc",
        "west.cn",
        "west263.com",
        "wildwestdomains.com",
        "xinnet.com",
        "xinnet.cn",
        "zhuji.la",
    ),
)
_CONTACTS_AT = "|".join(re.escape(name) for name in (*PRIVACY_SERVICES, *REGISTRARS))
# RE2's dialect, over a whole column.
_CONTACT = (
    rf"@(?:[^@]*\.)?(?:{_CONTACTS_AT})$|^[^@]*(?:redacted|privacy-?protect|whois-?(?:privacy|proxy|guard))"
    r"|@(?:[^@]*[.-])?(?:whois-?(?:privacy|proxy|guard|protect)|privacy-?(?:protect|guard|service)|domain-?privacy)"
)


def organization(raw: str) -> str:
    """Return an organisation's name as it is spelt.

    Raises BadValue: name_text's, "a name that was withheld", "a privacy service, not the owner" or "a registry's
    handle, not a name".
    """
    name = name_text(raw)
    folded = name.lower()
    if folded in _NOBODY or not any(map(str.isalnum, folded)) or _WITHHELD.search(folded):
        raise BadValue(WITHHELD)
    if _SERVICE.search(folded):
        raise BadValue(SERVICE)
    if _HANDLE.fullmatch(folded):
        raise BadValue(HANDLE)
    return name


def malware(raw: str) -> str:
    """Return a malware's name as it is spelt.

    Raises BadValue: name_text's, or "placeholder" for what says that there is no name: Unknown malware, phishing site.
    """
    name = name_text(raw)
    folded = name.lower()
    if folded in _NO_MALWARE or _UNIDENTIFIED.fullmatch(folded):
        raise BadValue(PLACEHOLDER)
    return name


def own_contacts(emails: pa.Array, domains: pa.Array) -> pa.Array:
    """Return where an address may be that of a domain's owner: not a privacy service's or a registrar's.

    A registrar's own domains are its own: there its address counts.
    """
    stands_in = pc.match_substring_regex(emails, _CONTACT)
    if not pc.any(stands_in).as_py():
        return pc.invert(stands_in)
    pairs = zip(emails.filter(stands_in).to_pylist(), domains.filter(stands_in).to_pylist(), strict=True)
    own = pa.array([_domain(email.rpartition("@")[2]) == domain for email, domain in pairs], pa.bool_())
    return pc.replace_with_mask(pc.invert(stands_in), stands_in, own)


def _domain(name: str) -> str:
    try:
        return registrable(name)
    except BadValue:
        return name

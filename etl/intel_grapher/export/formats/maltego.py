"""Maltego: a table of relationships, which its import of tables reads.

A row is a relationship with the types of its two entities. A node without one has a row of its own. Texts that a
spreadsheet would take for a formula begin with an apostrophe, as in `sheets`.
"""

from __future__ import annotations

from typing import BinaryIO, Final

from intel_grapher import labels
from intel_grapher.export.format import Format, Settings, Written
from intel_grapher.export.formats.sheets import cell
from intel_grapher.export.part import Part
from intel_grapher.sql import quoted

COLUMNS: Final = ("Source type", "Source", "Link", "Target type", "Target", "First seen", "Last seen", "Told by")
ENTITIES: Final = {
    labels.DOMAIN.name: "maltego.Domain",
    labels.SUBDOMAIN.name: "maltego.DNSName",
    labels.IP_ADDRESS.name: "maltego.IPv4Address",
    labels.EMAIL.name: "maltego.EmailAddress",
    labels.HASH.name: "maltego.Hash",
    labels.URL.name: "maltego.URL",
    labels.TWITTER_USER.name: "maltego.affiliation.Twitter",
    labels.TWEET.name: "maltego.Tweet",
    labels.HASHTAG.name: "maltego.hashtag",
    labels.ASN.name: "maltego.AS",
    labels.NETWORK.name: "maltego.CIDR",
    labels.ORGANIZATION.name: "maltego.Organization",
    labels.SERVICE.name: "maltego.Service",
    labels.CERTIFICATE.name: "maltego.X509Certificate",
    labels.VULNERABILITY.name: "maltego.CVE",
}
"""Maltego's own entity for each label that it has one for; others are phrases."""
PHRASE: Final = "maltego.Phrase"
ADDRESS_6: Final = "maltego.IPv6Address"


def write(part: Part, out: BinaryIO, settings: Settings) -> Written:
    """Write one table."""
    _ = settings
    written = Written()
    out.write(",".join(COLUMNS).encode() + b"\r\n")
    for group in part.relationships():
        for rows in part.rows(group):
            of = {each.name: column for each, column in rows.properties}
            lines = zip(*rows.keys, of["first_seen"], of["last_seen"], of["sources"], strict=True)
            out.write(
                "".join(
                    f"{entity(group.start, start)},{cell(start)},{group.type},{entity(group.end, end)},{cell(end)},"
                    f"{first or ''},{last or ''},{cell('; '.join(by or ()))}\r\n"
                    for start, end, first, last, by in lines
                ).encode()
            )
            written.add(rows)
    for group in part.nodes():
        written.nodes += part.count(group)
        joined = [
            f"SELECT {quoted(name)} AS key FROM {part.relation(other)}"
            for other in part.relationships()
            for name, label in zip(other.keys, other.labels, strict=True)
            if label == group.start
        ]
        alone = f"SELECT {quoted(group.keys[0])} AS key FROM {part.relation(group)}"
        query = f"{alone} EXCEPT ({' UNION '.join(joined)})" if joined else alone
        out.writelines(
            "".join(f"{entity(group.start, key)},{cell(key)},,,,,,\r\n" for key in keys).encode()
            for (keys,) in part.query(f"SELECT key FROM ({query}) ORDER BY key")
        )
    return written


def entity(label: str, key: str) -> str:
    """Return the type of the entity that a node is."""
    if label == labels.IP_ADDRESS.name and ":" in key:
        return ADDRESS_6
    return ENTITIES.get(label, PHRASE)


format = Format(
    name="maltego",
    title="Maltego table",
    suffix=".maltego.csv",
    doc="A row for each relationship with the types of its entities, and for each node without one.",
    write=write,
    used_by="Maltego: Import Graph from Table",
    checked_by="Python's csv",
)

"""Verdicts, markings and a file of three digests, which the campaign is made with besides."""

from __future__ import annotations

import json
from pathlib import Path

from campaign import campaign, flatten

from intel_grapher.cache import Entry

AT = 1_795_400_000


def said(number: int, what: str, label: str, key: str, **more: str) -> Entry:
    body = {"author": "ana", "about": {"label": label, "key": key}, **more}
    id_ = f"{0x100 + number:032x}"
    return Entry(
        source="analyst", endpoint=what, key=id_, fetched_at=AT + number, status=200, body=json.dumps(body).encode()
    )


DIGESTS = {"md5": "0a" * 16, "sha1": "0b" * 20, "sha256": "0c" * 32}
REPORT = "sha256:076996215038fb7321b6e9c00e35acdded33fce0242eec5d67591b58bff21bb2"
"""A report of the campaign that mentions something, and that an analyst marks."""
ENTRIES = [
    said(1, "verdict", "IPAddress", "192.0.2.10", verdict="malicious"),
    said(2, "verdict", "IPAddress", "192.0.2.10", verdict="suspicious"),
    said(3, "verdict", "Domain", "example.com", verdict="benign"),
    said(4, "verdict", "URL", "http://example.com/it's?a=1", verdict="malicious"),
    said(5, "tag", "Domain", "invoice-portal.example", tag="TLP:AMBER"),
    said(6, "tag", "Domain", "invoice-portal.example", tag="tlp:green"),
    said(7, "verdict", "Hash", DIGESTS["sha1"], verdict="malicious"),
    said(8, "verdict", "Service", "192.0.2.10:443/tcp", verdict="malicious"),
    said(9, "verdict", "Tweet", "1", verdict="malicious"),
    said(10, "note", "Domain", "invoice-portal.example", text="for amber eyes alone"),
    said(11, "tag", "Report", REPORT, tag="tlp:amber"),
    Entry(
        source="virustotal_v2",
        endpoint="file_report",
        key=DIGESTS["md5"],
        fetched_at=AT,
        status=200,
        body=json.dumps({"response_code": 1, **DIGESTS, "scans": {}}).encode(),
    ),
]


def judged(folder: Path, sources: str = "*") -> Path:
    """Make cache and files of the campaign with these entries; return the folder of the files."""
    flatten(campaign(folder, *ENTRIES, sources=sources, load=False))
    return folder / "import"

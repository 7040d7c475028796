"""Strings that attackers make, in every field that a service or an analyst can fill."""

from __future__ import annotations

import msgspec

from etl.cache import Entry

SCRIPT = "<script>window.hacked=1</script>"
CORPUS = [
    SCRIPT,
    "<img src=x onerror=window.hacked=2>",
    '"><svg onload=window.hacked=3>',
    "'-window.hacked=4-'",
    "javascript:window.hacked=5",
    "{{constructor.constructor('window.hacked=6')()}}",
    "${window.hacked=7}",
    "</textarea></title></style><script>window.hacked=8</script>",
    "<iframe srcdoc='<script>parent.hacked=9</script>'>",
    "<a href='javascript:window.hacked=10'>click</a>",
    "&lt;script&gt;window.hacked=11&lt;/script&gt;",
    '=HYPERLINK("http://x.example","click")',
    "]]><script xmlns='http://www.w3.org/1999/xhtml'>window.hacked=12</script>",
]
DIGEST = "f" * 32
ADDRESS = "198.51.100.99"
AT = 1_795_300_000


def _entry(source: str, endpoint: str, key: str, body: object) -> Entry:
    return Entry(source=source, endpoint=endpoint, key=key, fetched_at=AT, status=200, body=msgspec.json.encode(body))


ENTRIES = [
    _entry("threatcrowd", "file", DIGEST, {"response_code": "1", "md5": DIGEST, "scans": CORPUS, "ips": [ADDRESS]}),
    _entry("internetdb", "ip", ADDRESS, {"ip": ADDRESS, "ports": [80], "tags": CORPUS, "cpes": CORPUS}),
    *(
        _entry(
            "analyst",
            "note",
            f"{number:032x}",
            {"author": text, "about": {"label": "IPAddress", "key": ADDRESS}, "text": text},
        )
        for number, text in enumerate(CORPUS, 0xABC)
    ),
    _entry(
        "analyst",
        "tag",
        f"{0xDEF:032x}",
        {"author": SCRIPT, "about": {"label": "IPAddress", "key": ADDRESS}, "tag": SCRIPT},
    ),
]

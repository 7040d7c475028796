"""Seventy-odd reports in the likeness of real ones, with what each of them names: labels first, then the text.

A report is written as blocks with marks for its values, such as `{url}`. A mark becomes a value of that kind, spelt as
the report's author defangs, and a label: `indicator` for what the report reports, `reference` for what it only names
(the vendor's own pages, links at the foot, addresses of a mail's header). Everything else that looks like a value (file
names, versions, names in programs, fingerprints that are no file's) has no label. Nothing here knows any extractor.

All names lie under example.com, .net and .org, which extractors with a list of top-level domains know; addresses are
those of RFC 5737 and RFC 3849.
"""

from __future__ import annotations

import html
import io
import random
import re
import textwrap
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from hashlib import md5, sha1, sha256
from typing import NamedTuple

INDICATOR, REFERENCE = "indicator", "reference"
MARK = re.compile(r"\{(\w+)\}")


class Label(NamedTuple):
    """A value that a report names: its kind, its canonical form, its role."""

    kind: str
    key: str
    role: str


class LabelledReport(NamedTuple):
    """A report: its name, its bytes, its labels."""

    name: str
    content: bytes
    labels: frozenset[Label]


# --- how authors defang ------------------------------------------------------------------------------------------------


def _brackets(value: str) -> str:
    return value.replace("http", "hxxp", 1).replace(".", "[.]")


def _host_only(value: str) -> str:
    scheme, mark, rest = value.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme.replace('http', 'hxxp')}{mark}{host.replace('.', '[.]')}{slash}{path}"


def _last_dot(value: str) -> str:
    scheme, mark, rest = value.rpartition("://")
    host, slash, path = rest.partition("/")
    head, _, last = host.rpartition(".")
    return f"{scheme.replace('http', 'hxxp')}{mark}{head}[.]{last}{slash}{path}"


def _round(value: str) -> str:
    scheme, mark, rest = value.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme.replace('http', 'hXXp')}{mark}{host.replace('.', '(.)')}{slash}{path}"


def _words(value: str) -> str:
    scheme, mark, rest = value.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme.replace('http', 'hxxp')}{mark.replace(':', '[:]')}{host.replace('.', '[dot]')}{slash}{path}"


def _colon(value: str) -> str:
    scheme, mark, rest = value.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark.replace('://', '[://]')}{host.replace('.', '[.]')}{slash}{path}"


def _plain(value: str) -> str:
    return value


DEFANGS: tuple[Callable[[str], str], ...] = (_brackets, _host_only, _last_dot, _round, _words, _colon, _plain)
_NAMES = (
    *("update-cdn", "login-portal", "mailgate", "static7", "ns-sync", "drive-share", "telemetry", "billing-desk"),
    *("vpn-access", "cloudsync", "img-host", "patchday", "node4", "statcounter", "oauth-check", "gate", "panel-x"),
)
_PARENTS = ("example.com", "example.net", "example.org")
_PATHS = (
    *(
        "/gate.php",
        "/a/b/load.bin?id={n}",
        "/wp-content/uploads/2026/invoice_{n}.zip",
        "/api/v2/check",
        "/{n}/payload.sh",
    ),
    *("/download.php?file=Report%20{n}.iso&token={t}", "/cdn/js/jquery-3.{n}.min.js", "/", "/x/index.html#step{n}"),
)


_NAMED = {
    "wikipedia": (Label("domain", "www.wikipedia.org", REFERENCE), "www.wikipedia.org"),
    "msftconnecttest": (
        Label("url", "http://www.msftconnecttest.com/connecttest.txt", REFERENCE),
        "www.msftconnecttest.com/connecttest.txt",
    ),
}


class _Writer:
    """Writes the values of one report, and keeps their labels."""

    def __init__(self, seed: int, defang: Callable[[str], str]) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a corpus, not a secret
        self._defang = defang
        self.labels: set[Label] = set()

    def _digits(self) -> bytes:
        return str(self._random.random()).encode()

    def _host(self) -> str:
        depth = self._random.choice((1, 1, 2))
        labels = [self._random.choice(_NAMES) + str(self._random.randrange(100)) for _ in range(depth)]
        return ".".join([*labels, self._random.choice(_PARENTS)])

    def _ip(self) -> str:
        network = self._random.choice(("192.0.2", "198.51.100", "203.0.113"))
        return f"{network}.{self._random.randrange(1, 255)}"

    def _path(self) -> str:
        path = self._random.choice(_PATHS)
        return path.replace("{n}", str(self._random.randrange(1000))).replace("{t}", md5(self._digits()).hexdigest())  # noqa: S324

    def value(self, mark: str) -> str:  # noqa: C901 - a kind each
        """Return the spelling of a new value of the kind that a mark names."""
        role = REFERENCE if mark.startswith("ref_") else INDICATOR
        kind = mark.removeprefix("ref_")
        shown: str | None = None
        if mark in _NAMED:
            label, spelling = _NAMED[mark]
            self.labels.add(label)
            return spelling
        if kind == "vendor":
            kind, key = "url", f"https://labs.vendor.example.org/blog/{self._random.randrange(10**4)}-report"
        elif kind == "url":
            host = self._ip() + self._random.choice(("", ":8080")) if self._random.random() < 0.3 else self._host()
            key = f"{self._random.choice(('http', 'https', 'http'))}://{host}{self._path()}"
        elif kind == "panel":
            kind, host = "url", self._host()
            key = f"http://{host}/admin/login.php?x=1"
            shown = self._spelt(f"{host}/admin/login.php?x=1", role)
        elif kind == "domain":
            key = self._host()
        elif kind == "service":
            kind, key = "ip", self._ip()
            shown = f"{self._spelt(key, role)}:{self._random.randrange(1024, 65535)}"
        elif kind == "ip":
            key = self._ip()
        elif kind == "ip6":
            kind, key = "ip", f"2001:db8:{self._random.randrange(1, 999)}::{self._random.randrange(1, 999)}"
            shown = key
        elif kind == "email":
            key = f"{self._random.choice(('hr', 'billing', 'no-reply', 'j.doe'))}@{self._host()}"
            shown = self._spelt(key, role).replace("@", self._random.choice(("@", "[@]", "[at]", "@")))
            shown = key if self._defang is _plain or role == REFERENCE else shown
        elif kind == "cve":
            key = shown = f"CVE-{self._random.randrange(2017, 2027)}-{self._random.randrange(1000, 60000)}"
        else:
            digest = {"md5": md5, "sha1": sha1, "sha256": sha256}[kind]
            kind, key = "hash", digest(self._digits()).hexdigest()
            shown = key.upper() if self._random.random() < 0.2 else key
        self.labels.add(Label(kind, key, role))
        return self._spelt(key, role) if shown is None else shown

    def _spelt(self, key: str, role: str) -> str:
        return key if role == REFERENCE else self._defang(key)

    def fill(self, text: str) -> str:
        """Return a text with a value for each mark."""
        return MARK.sub(lambda match: self.value(match[1]), text)


# --- the reports, as blocks: ("h", text), ("p", text), ("ul", texts), ("table", rows), ("csv", rows) ---------------------

Block = tuple[str, object]
_FOOT = (
    "© Vendor Labs. Read more at {ref_vendor} or write to {ref_email}. References: [1] {ref_url} [2] {ref_url}, "
    "accessed on 2026.10.02."
)
TEMPLATES: tuple[tuple[str, tuple[Block, ...]], ...] = (
    (
        "Stealer spreads through fake invoices",
        (
            (
                "p",
                (
                    "In October we saw a new wave of phishing mails from {email} and {email}. The attached archive invoice.zip "
                    "holds Invoice_2026.pdf.exe (version 1.2.0.4), which downloads {url} and saves it as "
                    "C:\\Users\\Public\\svchost.exe. It then speaks to {domain} and, if that fails, to {service}."
                ),
            ),
            (
                "p",
                (
                    "The loader is written in .NET and uses System.Net.WebClient and Microsoft.Win32.Registry; strings such as "
                    "config.json, main.py and payload.sh were left in it. Its imphash is f34d5f2d4577ed6d9ceec516c1f5a744."
                ),
            ),
            ("h", "Indicators of compromise"),
            ("ul", ("{sha256}", "{sha256} (second stage)", "{md5}", "{domain}", "{url}", "{ip}")),
            ("p", _FOOT),
        ),
    ),
    (
        "Botnet moves to new infrastructure",
        (
            (
                "p",
                (
                    "The bots, e.g. those of build 4.1.7601.17514, ask {url} every ten minutes, i.e. 144 times a day. Before, "
                    "they asked {ip}, {ip} and {ip}."
                ),
            ),
            (
                "table",
                (
                    ("Type", "Indicator", "First seen"),
                    ("IPv4", "{ip}", "2026-09-01"),
                    ("IPv4", "{service}", "2026-09-03"),
                    ("Domain", "{domain}", "2026-09-04"),
                    ("SHA256", "{sha256}", "2026-09-04"),
                    ("URL", "{url}", "2026-09-07"),
                    ("MD5", "{md5}", "2026-09-07"),
                    ("IPv6", "{ip6}", "2026-09-08"),
                ),
            ),
            (
                "p",
                (
                    "The malware tests its connection with {msftconnecttest}. Mapped to ATT&CK: T1071.001, "
                    "T1059.003 and S0002."
                ),
            ),
            ("p", _FOOT),
        ),
    ),
    (
        "Exploitation of an edge device",
        (
            (
                "p",
                (
                    "Attackers exploit {cve} and {cve} in firmware 10.2.9.81 and older. From {ip} they send a POST to "
                    "/cgi-bin/luci with the User-Agent Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0.0.0 and fetch "
                    "{url} with wget. The script drops /tmp/.x/agent.so and edits /etc/rc.local."
                ),
            ),
            (
                "p",
                (
                    "Watch for the file hashes {sha1} and {sha256}, and for connections to {domain}:4443. The address range "
                    "10.0.0.x is internal."
                ),
            ),
            (
                "csv",
                (
                    ("type", "value", "comment"),
                    ("domain", "{domain}", "staging"),
                    ("ip", "{ip}", "scanner"),
                    ("sha256", "{sha256}", "agent.so"),
                    ("url", "{url}", "dropper"),
                ),
            ),
            ("p", _FOOT),
        ),
    ),
    (
        "Ransomware affiliate: an intrusion in nine days",
        (
            (
                "p",
                (
                    "On day 1, the user opened Quote.docx, which loaded a template from {url}. On day 2 the actor ran "
                    "Invoke-Mimikatz.ps1 and AdFind.exe, on day 4 rclone.exe copied 40.5 GB to {domain}. Cobalt Strike beacons "
                    "spoke to {domain} and {service}; the watermark is 987654321."
                ),
            ),
            ("h", "1.1 Files"),
            ("table", (("File", "Digest"), ("locker.exe", "{sha256}"), ("rclone.exe", "{sha1}"), ("a.bat", "{md5}"))),
            ("h", "1.2 Network"),
            ("ul", ("{domain} - beacon", "{ip} - RDP", "{url}", "{email} - in the ransom note")),
            (
                "p",
                "GUID {{3F2504E0-4F89-11D3-9A0C-0305E82C3301}}, JA3 72a589da586844d7f0818ce684948eea, mutex Global\\x.y.z.",
            ),
            ("p", _FOOT),
        ),
    ),
    (
        "Supply chain: a package that steals tokens",
        (
            (
                "p",
                (
                    "The package left-padder 1.0.3 runs setup.py, which decodes a string and runs requests.get on {url}. The "
                    "second version (index.js, package.json) sends process.env to {domain}. README.md names no author; "
                    "the commit is by {ref_email}."
                ),
            ),
            (
                "p",
                "Stolen data go to {url} and {url}. Hashes of the two archives: {sha256}, {sha256}. See {ref_vendor}.",
            ),
            ("ul", ("domain: {domain}", "ip: {ip}", "sha256: {sha256}", "md5: {md5}")),
            ("p", _FOOT),
        ),
    ),
    (
        "Phishing kit behind a captcha",
        (
            (
                "p",
                (
                    "Victims are led from {url} over {url} to {url}, where document.cookie and localStorage.getItem are read. "
                    "The kit's admin panel is at {panel}, its mails come from {email}."
                ),
            ),
            ("p", "Other names on {ip}: {domain}, {domain}, {domain}; {domain}."),
            (
                "table",
                (
                    ("#", "Host", "ASN", "Notes"),
                    ("1", "{domain}", "AS64500", "live 12:30:45"),
                    ("2", "{domain}", "AS64501", "down"),
                    ("3", "{ip}", "AS64502", "3.7.2.1 of nginx"),
                ),
            ),
            ("p", _FOOT),
        ),
    ),
    (
        "Espionage against ministries",
        (
            (
                "p",
                (
                    "The group's implant (internal name core.dll, PDB path D:\\work\\kernel.pdb) has been in use since "
                    "v2.0.50727. It tunnels DNS through {domain}, with queries of 40 characters, and has {ip6} and {ip} as "
                    "fallback. Documents were named \u201cMinutes of 02.10.2026.docx\u201d."
                ),
            ),
            ("h", "Appendix A: hashes"),
            ("ul", ("{sha256}  core.dll", "{sha256}  loader.exe", "{sha1} *notes.doc", "{md5};kernel.sys")),
            ("h", "Appendix B: network"),
            ("ul", ("{domain}", "{domain}", "{domain}", "{url}", "{service}", "{ip}")),
            ("p", "Vulnerabilities: {cve}, {cve}. " + _FOOT),
        ),
    ),
    (
        "Malicious advertisements for tools",
        (
            (
                "p",
                (
                    "Searches for a terminal led to {domain} and {domain}, which look like the real site {wikipedia} in "
                    "nothing. The installer setup-7.4.2.msi (SHA-256 {sha256}, SHA-1 {sha1}, MD5 {md5}) unpacks libcurl.dll and "
                    "ask.rs, and fetches {url}"
                ),
            ),
            (
                "p",
                (
                    "The second site used {url}, the third {url}. Certificates: serial 4a:3b:2c, thumbprint "
                    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b."
                ),
            ),
            (
                "csv",
                (
                    ("indicator", "type"),
                    ("{url}", "url"),
                    ("{domain}", "domain"),
                    ("{sha1}", "sha1"),
                    ("{email}", "email"),
                ),
            ),
            ("p", _FOOT),
        ),
    ),
    (
        "Weekly summary of observed activity",
        (
            (
                "p",
                (
                    "This week: {domain} (was {domain}), {ip} and {ip}; no change at {url}. Ticket INC-2026.0042, score 7.5, "
                    "Python 3.11.4, OpenSSL 3.0.13, kernel 6.1.0-18."
                ),
            ),
            ("p", "New samples: {md5} {md5} {md5}. New: {sha256}. Mail: {email}, {email}."),
            ("ul", ("{url} | 200 | text/html", "{url} | 404 |", "{domain} | NXDOMAIN |", "{ip}:22 | open |")),
            ("p", _FOOT),
        ),
    ),
)


# --- formats ------------------------------------------------------------------------------------------------------------


def _flat(blocks: Sequence[Block]) -> list[tuple[str, list[list[str]]]]:
    """Return blocks as (kind, rows of cells)."""
    flat: list[tuple[str, list[list[str]]]] = []
    for kind, content in blocks:
        if isinstance(content, str):
            flat.append((kind, [[content]]))
        else:
            rows: Sequence[object] = content  # type: ignore[assignment]
            flat.append((kind, [[row] if isinstance(row, str) else list(row) for row in rows]))  # type: ignore[call-overload]
    return flat


def text(title: str, blocks: Sequence[Block]) -> bytes:
    """Return a text file, wrapped at 60 characters: longer words are cut."""
    out = [title, "=" * len(title), ""]
    for kind, rows in _flat(blocks):
        for row in rows:
            line = {"ul": "  - ", "p": "", "h": ""}.get(kind, "") + (
                "   ".join(row) if kind == "table" else ",".join(row)
            )
            out += textwrap.wrap(line, 60, break_on_hyphens=False) if kind != "csv" else [line]
        out.append("")
    return "\n".join(out).encode()


def markdown(title: str, blocks: Sequence[Block]) -> bytes:
    """Return a Markdown file."""
    out = [f"# {title}", ""]
    for kind, rows in _flat(blocks):
        if kind == "table":
            out += ["| " + " | ".join(rows[0]) + " |", "|" + " --- |" * len(rows[0])]
            out += ["| " + " | ".join(f"`{cell}`" for cell in row) + " |" for row in rows[1:]]
        elif kind == "csv":
            out += ["```", *(",".join(row) for row in rows), "```"]
        else:
            out += [{"h": "## ", "ul": "* ", "p": ""}[kind] + row[0] for row in rows]
        out.append("")
    return "\n".join(out).encode()


def _markup(title: str, blocks: Sequence[Block]) -> str:
    def escaped(value: str) -> str:
        return html.escape(value).replace("[.]", "<b>[.]</b>").replace("_", "_<wbr>")

    out = [f"<!DOCTYPE html><html><head><meta charset='utf-8'><title>{html.escape(title)} | Vendor Labs</title>"]
    out += ["<script>var a = 'http://tracker.example.com/t.js';</script></head><body><nav>Home &rsaquo; Blog</nav>"]
    out += [f"<h1>{html.escape(title)}</h1>"]
    for kind, rows in _flat(blocks):
        if kind == "table":
            cells = ("".join(f"<td><code>{escaped(cell)}</code></td>" for cell in row) for row in rows)
            out.append("<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>")
        elif kind == "csv":
            out.append("<pre>" + "\n".join(html.escape(",".join(row)) for row in rows) + "</pre>")
        elif kind == "ul":
            out.append("<ul>" + "".join(f"<li>{escaped(row[0])}</li>" for row in rows) + "</ul>")
        else:
            out.append(f"<{kind if kind == 'p' else 'h2'}>{escaped(rows[0][0])}</{kind if kind == 'p' else 'h2'}>")
    return "\n".join([*out, "</body></html>"])


def page(title: str, blocks: Sequence[Block]) -> bytes:
    """Return a blog post in HTML."""
    return _markup(title, blocks).encode()


def mail(title: str, blocks: Sequence[Block]) -> bytes:
    """Return an e-mail message with a body in text, wrapped at 72 characters; long words are not cut."""
    message = EmailMessage()
    message["From"], message["To"] = "Vendor Labs <alerts@vendor.example.org>", "soc@customer.example.net"
    message["Subject"], message["Date"] = title, "Fri, 02 Oct 2026 08:00:00 +0000"
    lines: list[str] = []
    for kind, rows in _flat(blocks):
        for row in rows:
            wrapped = textwrap.wrap("  ".join(row), 72, break_long_words=False, break_on_hyphens=False)
            lines += [f"> {line}" for line in wrapped] if kind == "ul" else wrapped
        lines.append("")
    message.set_content("\n".join(lines), cte="quoted-printable")
    return message.as_bytes()


def word(title: str, blocks: Sequence[Block]) -> bytes:
    """Return a Word document."""
    import docx  # noqa: PLC0415 - only who makes the corpus needs it

    document = docx.Document()
    document.add_heading(title)
    for kind, rows in _flat(blocks):
        if kind == "table":
            table = document.add_table(len(rows), len(rows[0]))
            for at, row in enumerate(rows):
                for place, cell in enumerate(row):
                    table.cell(at, place).text = cell
        else:
            for row in rows:
                paragraph = document.add_paragraph(style="List Bullet" if kind == "ul" else None)
                for part in re.split(r"(\[\.\])", ",".join(row)):  # Word splits runs as it likes
                    paragraph.add_run(part)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _pdf(title: str, blocks: Sequence[Block], *, columns: int) -> bytes:
    from reportlab.lib.pagesizes import A4  # noqa: PLC0415 - see above
    from reportlab.lib.styles import getSampleStyleSheet  # noqa: PLC0415
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate, Paragraph, Spacer, Table  # noqa: PLC0415

    styles = getSampleStyleSheet()
    out = io.BytesIO()
    width = (A4[0] - 80 - 20 * (columns - 1)) / columns
    document = BaseDocTemplate(out, pagesize=A4, title=title, invariant=1)
    frames = [Frame(40 + at * (width + 20), 50, width, A4[1] - 100) for at in range(columns)]
    document.addPageTemplates([PageTemplate(frames=frames)])
    story = [Paragraph(html.escape(title), styles["Title"])]
    for kind, rows in _flat(blocks):
        if kind == "table":
            cells = [[Paragraph(html.escape(cell), styles["BodyText"]) for cell in row] for row in rows]
            story.append(Table(cells, colWidths=[width / len(rows[0])] * len(rows[0])))
        else:
            style = styles["Heading2" if kind == "h" else "Code" if kind == "csv" else "BodyText"]
            bullet = "\u2022 " if kind == "ul" else ""
            story += [Paragraph(bullet + html.escape(",".join(row)), style) for row in rows]
        story.append(Spacer(1, 6))
    document.build(story)
    return out.getvalue()


def pdf(title: str, blocks: Sequence[Block]) -> bytes:
    """Return a PDF in one column."""
    return _pdf(title, blocks, columns=1)


def pdf_in_two_columns(title: str, blocks: Sequence[Block]) -> bytes:
    """Return a PDF in two columns, whose long values are broken where a line ends."""
    return _pdf(title, blocks, columns=2)


FORMATS: dict[str, Callable[[str, Sequence[Block]], bytes]] = {
    "txt": text, "md": markdown, "html": page, "eml": mail, "docx": word, "pdf": pdf, "2col.pdf": pdf_in_two_columns,
}  # fmt: skip
_OF_MAIL = (
    Label("email", "alerts@vendor.example.org", REFERENCE),
    Label("email", "soc@customer.example.net", REFERENCE),
)


def corpus(first: int = 0) -> list[LabelledReport]:
    """Return all reports: each template in each format, every time with values and a defanging of its own.

    `first` is the first of the seeds: another one gives other values, paths and spellings.
    """
    found = []
    for number, (title, blocks) in enumerate(TEMPLATES):
        for place, (suffix, render) in enumerate(FORMATS.items()):
            seed = number * len(FORMATS) + place
            writer = _Writer(first + seed, DEFANGS[seed % (len(DEFANGS) + 1) % len(DEFANGS)])
            filled = [(kind, _filled(writer, content)) for kind, content in blocks]
            content = render(title, filled)
            labels = {*writer.labels, *(_OF_MAIL if suffix == "eml" else ())}
            found.append(LabelledReport(f"{number + 1:02}.{suffix}", content, frozenset(labels)))
    return found


def _filled(writer: _Writer, content: object) -> object:
    if isinstance(content, str):
        return writer.fill(content)
    return tuple(_filled(writer, each) for each in content)  # type: ignore[attr-defined]

"""An e-mail message: its headers and bodies as pages, its attachments' digests, and the text of attached documents."""

from __future__ import annotations

import email
import email.header
import email.utils
import re
from contextlib import suppress
from email.message import Message
from hashlib import sha256
from typing import Final

from intel_grapher.encoding import decoded
from intel_grapher.errors import BadValue
from intel_grapher.extract import html
from intel_grapher.extract.kinds import NOT_A_DOCUMENT, refusal, told
from intel_grapher.extract.pages import Attachment, Extract, TextPage, extract

# What docs/intake.md says of it: the format, what is read, what is left out.
READS = (
    (
        "report: e-mail (.eml)",
        "headers, bodies, attached documents, the digests of all attachments",
        "the contents of other attachments",
    ),
)
HEADERS: Final = "headers"
MAX_DEPTH: Final = 5
"""Messages within messages."""
MAX_PARTS: Final = 500
# Signatures and seals: their long texts are no indicators, and look like some.
_NOISE = re.compile(
    r"(?i)(?:dkim-signature|arc-.*|x-google-dkim-signature|x-ms-.*|x-microsoft-.*|x-gm-.*|autocrypt|face)"
)
_IDS: Final = frozenset({"message-id", "in-reply-to", "references", "resent-message-id", "x-message-id", "content-id"})
_ID = re.compile(r"<[^<>@]*@([^<>@]*)>")
_INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x2060, 0xFEFF])


def read_mail(content: bytes) -> Extract:
    """Return a message's headers and bodies as pages, and its attachments. Headers without an indicator's use go."""
    found = Extract("email")
    _Mail(found).add(_message(content), "", 0)
    return found


def _message(content: bytes) -> Message:
    return email.message_from_bytes(content.lstrip())


class _Mail:
    """Adds messages to an extract."""

    def __init__(self, found: Extract) -> None:
        self._found = found
        self._parts = 0

    def add(self, message: Message, part: str, depth: int) -> None:
        """Add a message; `part` says within which attachment it stands."""
        if not depth:
            self._found.title = _header(message.get("Subject", ""))
            self._found.created = _date(message.get("Date", ""))
        for name in ("To", "Cc", "Delivered-To", "X-Original-To", "Envelope-To"):
            fields = [str(value) for value in message.get_all(name, [])]
            self._found.recipients += [address for _, address in email.utils.getaddresses(fields) if "@" in address]
        headers = [f"{name}: {_told(name, value)}" for name, value in message.items() if not _NOISE.fullmatch(name)]
        self._page("\n".join(headers), _within(part, HEADERS))
        self._body(message, part, depth)

    def _body(self, message: Message, part: str, depth: int) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            if self._parts == MAX_PARTS + 1:
                self._found.faults.append(f"its parts after the first {MAX_PARTS} were left out")
            return
        content_type = message.get_content_type()
        if content_type == "message/rfc822":
            for inner in _inner(message):
                if depth >= MAX_DEPTH:
                    self._found.faults.append(f"messages nested deeper than {MAX_DEPTH} were left out")
                else:
                    self.add(inner, _within(part, "attached message"), depth + 1)
        elif message.is_multipart():
            for inner in _inner(message):
                self._body(inner, part, depth)
        else:
            self._leaf(message, content_type, part, depth)

    def _leaf(self, message: Message, content_type: str, part: str, depth: int) -> None:
        payload = message.get_payload(decode=True)
        content = payload if isinstance(payload, bytes) else b""
        name = _header(message.get_filename() or "")
        is_attached = bool(name) or message.get_content_disposition() == "attachment"
        if content_type == "text/html" and not is_attached:
            self._page(html.text_and_links(_text(message, content)), part)
        elif content_type.startswith("text/") and not is_attached:
            self._page(_text(message, content), part, wrapped=True)
        elif content:
            self._attachment(name or content_type, content, part, depth)

    def _attachment(self, name: str, content: bytes, part: str, depth: int) -> None:
        name = _within(part, name)
        self._found.attachments.append(Attachment(name, sha256(content).hexdigest(), len(content)))
        kind = told(content)
        if kind is None:
            reason = refusal(content)
            if reason != NOT_A_DOCUMENT:  # nor was one expected: its digest is what there is to know
                self._found.faults.append(f"attachment {name}: {reason}; its digest was taken")
        elif kind == "email" and depth < MAX_DEPTH:
            self.add(_message(content), name, depth + 1)
        elif kind != "email":
            try:
                inner = extract(content, kind)
            except BadValue as bad:
                self._found.faults.append(f"attachment {name}: {bad.reason}")
                return
            for page in inner.pages:
                page.part = _within(name, page.part)
            self._found.add(inner.pages)
            self._found.faults += [f"attachment {name}: {fault}" for fault in inner.faults]

    def _page(self, text: str, part: str, *, wrapped: bool = False) -> None:
        number = 1 + sum(page.part == part for page in self._found.pages)
        self._found.add([TextPage(number, text.translate(_INVISIBLE), part, wrapped)])


def _inner(message: Message) -> list[Message]:
    payload = message.get_payload()
    return [each for each in payload if isinstance(each, Message)] if isinstance(payload, list) else []


def _within(part: str, name: str) -> str:
    return f"{part}: {name}" if part and name else part or name


def _text(message: Message, content: bytes) -> str:
    charset = message.get_content_charset() or ""
    if charset and charset not in {"us-ascii", "utf-8"}:
        with suppress(LookupError, UnicodeError):
            return content.decode(charset, "replace")
    return decoded(content)


def _header(value: object) -> str:
    """Return a header's text in one line, its encoded words decoded."""
    text = str(value)
    with suppress(ValueError, LookupError, email.errors.HeaderParseError):
        text = str(email.header.make_header(email.header.decode_header(text)))
    return " ".join(text.split())


def _told(name: str, value: object) -> str:
    """Return what a header tells. The ids of messages look like addresses: of these, the host alone."""
    text = _header(value)
    return _ID.sub(r"<\1>", text) if name.lower() in _IDS else text


def _date(value: object) -> str:
    try:
        return email.utils.parsedate_to_datetime(str(value)).isoformat()
    except (ValueError, TypeError, OverflowError):
        return ""

"""XML from elsewhere, read safely: no document type, so that no entity is expanded and nothing outside is read."""

from __future__ import annotations

from typing import Protocol
from xml.parsers import expat

from intel_grapher.errors import BadValue


class XmlBuilder(Protocol):
    """What is called with the elements and texts of a document, in its order. Names are without their namespace."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take the start of an element."""

    def text(self, text: str) -> None:
        """Take a part of a text."""

    def end(self, name: str) -> None:
        """Take the end of an element."""


def build(body: bytes, builder: XmlBuilder) -> None:
    """Give a document to a builder. Raises BadValue for what is not XML, or has a document type; or what it raises."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refused
    parser.EntityDeclHandler = _refused
    parser.StartElementHandler = lambda name, attributes: builder.start(name.rpartition(" ")[2], attributes)
    parser.EndElementHandler = lambda name: builder.end(name.rpartition(" ")[2])
    parser.CharacterDataHandler = builder.text
    try:
        parser.Parse(body, True)  # noqa: FBT003 - expat takes it by position
    except BadValue:
        raise
    except (expat.ExpatError, ValueError, LookupError) as wrong:
        raise BadValue("not XML") from wrong


def _refused(*_declared: object) -> None:
    raise BadValue("XML with a document type, which is not read")

"""The bytes of an XML request, up to what stands under its root `request`, in the shape JSON has it in.

An element with elements in it becomes an object, a name that repeats a list, all else a text. Attributes
and namespaces are ignored. The body is the document itself or, as old clients post it, a form whose field
`data` holds it; what it begins with tells which, because content types are often wrong.

Refused here: document types, entities and external references (defusedxml), what is nested too deeply or has
too many elements, text beside elements, and encodings that no client of this API has been seen to use.
"""

from __future__ import annotations

import re
from binascii import a2b_qp
from typing import Any
from xml.sax import SAXException
from xml.sax.handler import ContentHandler

from ulak.dialects.iletimerkezi.jsonbody import DEPTH_MAX, BadRequest, Fields

ELEMENTS_MAX = 300_000
"""The largest order has 50,000 messages of four elements each."""

PIECES_MAX = 2_000_000
"""Texts come in pieces: each line, each reference such as &amp;, the white space between two elements."""

OBJECTS = frozenset(
    (
        *("request", "authentication", "order", "message", "receipents", "filter", "blacklist", "pluginUser"),
        *("contact", "contacts", "custom_field", "custom_fields", "group", "groups", "search"),
    )
)
"""Elements that hold others: one that is empty is an object without members, and no text."""

VERBATIM = frozenset(("text", "sender"))
"""Elements whose text counts blank by blank. Of all others white space around the text is layout."""

_NAMES = {"row_count": "rowCount"}
# Windows programs declare UTF-16 for what they then send as UTF-8. Real UTF-16 has a byte order mark.
_ENCODINGS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "utf-16": "utf-8",
    "us-ascii": "us-ascii",
    "iso-8859-1": "iso-8859-1",
    "iso-8859-9": "iso-8859-9",
    "latin5": "iso-8859-9",
    "windows-1252": "windows-1252",
    "windows-1254": "windows-1254",
}
_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")
_BLANKS = b" \t\r\n"
_DECLARATION = re.compile(rb"""<\?xml\s[^>]{0,200}\?>""")
_ENCODING = re.compile(rb"""\sencoding\s*=\s*["']([A-Za-z0-9._-]{1,30})["']""")
_NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NO_ESCAPES_MAX = 1000
_DATA = re.compile(rb"(?:^|&)data=([^&]*)")

_PORTION = 64 * 1024


def request_in(body: bytes) -> Fields:
    """What stands under the root element `request`.

    Raises:
        BadRequest: there is none, or the body is not what this server reads.
    """
    from defusedxml.common import DefusedXmlException
    from defusedxml.expatreader import DefusedExpatParser

    document = _utf8(_document(body))
    reader = _Reader()
    parser = DefusedExpatParser(forbid_dtd=True)
    parser.setContentHandler(reader)
    try:
        for start in range(0, len(document), _PORTION):
            parser.feed(document[start : start + _PORTION])
            reader.wait()
        parser.close()
    except (SAXException, DefusedXmlException, LookupError, ValueError) as error:
        # The last two are about the encoding of a declaration that stands where none may, or that is too long
        # for us to have read. The parser's own words may quote what was sent.
        raise BadRequest(type(error).__name__) from None
    return reader.request()


def _document(body: bytes) -> bytes:
    """The XML document, out of its form field if it is in one."""
    head = body[:64].lstrip(_BLANKS)
    if head.startswith((b"<", _BOM, *_WIDE_BOMS)):
        return body
    field = _DATA.search(body)
    if field is None:
        raise BadRequest("neither XML nor a form with it")
    return _unescaped(field[1].replace(b"+", b" "))


def _unescaped(field: bytes) -> bytes:
    """A form field without its percent signs. One that is no escape stands for itself.

    Quoted-printable (RFC 2045) has the same escapes behind another sign, and a decoder that is as quick for
    sixteen megabytes of escapes as for none. The one for URLs makes objects of what is between two of them.
    """
    field = _NO_ESCAPE.sub(b"%25", field, count=_NO_ESCAPES_MAX)
    return a2b_qp(field.replace(b"=", b"=3D").replace(b"%", b"="))


def _utf8(document: bytes) -> bytes:
    """The document in UTF-8 and without its XML declaration, whichever of the known encodings it names."""
    document = document.lstrip(_BLANKS)
    if document.startswith(_WIDE_BOMS):
        return _DECLARATION.sub(b"", _recoded(document, "utf-16"), count=1)
    document = document.removeprefix(_BOM).lstrip(_BLANKS)
    declaration = _DECLARATION.match(document)
    if declaration is None:
        return document
    named = _ENCODING.search(declaration[0])
    encoding = _ENCODINGS.get(named[1].decode().lower()) if named else "utf-8"
    if encoding is None:
        raise BadRequest("an encoding that is not read")
    document = document[declaration.end() :]
    return document if encoding == "utf-8" else _recoded(document, encoding)


def _recoded(document: bytes, encoding: str) -> bytes:
    try:
        return document.decode(encoding).encode()
    except UnicodeDecodeError:
        raise BadRequest("not in the encoding it declares") from None


class _Reader(ContentHandler):
    """Takes what the parser finds, and makes the object of it."""

    def __init__(self) -> None:
        super().__init__()
        self._open: list[tuple[str, Fields]] = []
        self._words: list[str] = []
        self._left = ELEMENTS_MAX
        self._pieces_left = PIECES_MAX
        self._heard = True
        self._silent = 0
        self._request: Any = None

    def wait(self) -> None:
        """A portion was read. Of a tag the parser says nothing until it has all of it.

        Raises:
            BadRequest: there was nothing in the last two but one tag, or a comment.
        """
        self._silent = 0 if self._heard else self._silent + 1
        self._heard = False
        if self._silent > 1:
            raise BadRequest("a tag is too long")

    def startElement(self, tag: str, _attributes: object) -> None:
        """An element begins."""
        self._heard = True
        name = tag.rpartition(":")[2]
        self._left -= 1
        if self._left < 0 or len(self._open) >= DEPTH_MAX:
            raise BadRequest("too many elements, or nested too deeply")
        if not self._open and name != "request":
            raise BadRequest("the root is not called request")
        if self._words:
            self._layout()
        self._open.append((_NAMES.get(name, name), {}))

    def characters(self, text: str) -> None:
        """A piece of text."""
        self._heard = True
        self._pieces_left -= 1
        if self._pieces_left < 0:
            raise BadRequest("too many pieces of text")
        self._words.append(text)

    def endElement(self, _tag: str) -> None:
        """An element ends."""
        name, members = self._open.pop()
        value: Any = members
        if members:
            self._layout()
        else:
            value = self._value(name)
        if not self._open:
            self._request = value
            return
        parent = self._open[-1][1]
        before = parent.get(name)
        if before is None:
            parent[name] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            parent[name] = [before, value]

    def request(self) -> Fields:
        """What the root element holds.

        Raises:
            BadRequest: it is a text.
        """
        if not isinstance(self._request, dict):
            raise BadRequest("request is not an object")
        return self._request

    def _value(self, name: str) -> Any:
        """What an element without elements in it is."""
        text = "".join(self._words)
        self._words.clear()
        if name not in VERBATIM:
            text = text.strip(" \t\r\n")
        return {} if not text and name in OBJECTS else text

    def _layout(self) -> None:
        """What stands between elements may only be white space."""
        if "".join(self._words).strip(" \t\r\n"):
            raise BadRequest("text beside elements")
        self._words.clear()

"""A document that is sent as multipart/form-data (RFC 7578), and what kind of file it really is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from ulak.core.consignments import PaperKind, PaperState
from ulak.core.times import ISTANBUL
from ulak.dialects.comtohome import fields
from ulak.dialects.comtohome.fields import ID_MAX, Problems, Reader
from ulak.dialects.comtohome.forms import Invalid
from ulak.dialects.comtohome.jsonbody import TooLarge, Unreadable
from ulak.dialects.comtohome.texts import Text

FILE_MAX = 4 * 1024 * 1024
"""Bytes of a file."""

FILE = "document_file"

_PARTS_MAX = 20
_HEADERS_MAX = 4096
_TEXT_MAX = 4096
_NAME_MAX = 255
_YEARS = range(1900, 3000)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_BOUNDARY = re.compile(r'multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.I)
_PARAMETER = re.compile(r';\s*([a-z*]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))', re.I)
_MAGIC = (
    (b"%PDF-", "application/pdf", "pdf"),
    (b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "image/png", "png"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form; `file_name` is empty for a plain field."""

    content: bytes
    file_name: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """A document to be kept. `issued` is in ms."""

    content: bytes
    file_name: str
    mime: str
    kind: PaperKind
    state: PaperState
    consignment_id: int | None
    reference: str | None
    issued: int | None


def upload(content_type: str, body: bytes, language: str) -> Upload:
    """The document in a form.

    Raises:
        Unreadable: it is no form.
        TooLarge: its file has more than `FILE_MAX` bytes.
        Invalid: with everything that is wrong.
    """
    form = parts(content_type, body)
    file = form.pop(FILE, None)
    if file is not None and len(file.content) > FILE_MAX:
        raise TooLarge
    problems = Problems(language)
    kind_of_file = _kind_of(file, problems)
    read = Reader({name: _text(part) for name, part in form.items()}, "", problems)
    kind = read.choice("document_type", [int(kind) for kind in PaperKind], required=True)
    state = read.choice("status", [int(state) for state in PaperState], required=True)
    consignment_id = read.integer("consignment_id", most=ID_MAX)
    reference = read.text("document_reference", 255)
    issued = read.read("document_issued_at", _moment)
    if problems.found or file is None or kind_of_file is None or kind is None or state is None:
        raise Invalid(problems.found)
    mime, ending = kind_of_file
    name = file_name(file.file_name) or f"document.{ending}"
    return Upload(
        file.content, name, mime, PaperKind(kind), PaperState(state), consignment_id, reference, issued
    )


def parts(content_type: str, body: bytes) -> dict[str, Part]:
    """The parts of a form by their names.

    Raises:
        Unreadable: the body is not what its content type says, or has more parts than anybody needs.
    """
    found = _BOUNDARY.match(content_type.strip())
    if not found:
        raise Unreadable("no multipart/form-data")
    delimiter = b"\r\n--" + (found[1] or found[2]).encode("latin-1", "replace")
    whole = b"\r\n" + body
    if whole.count(delimiter) > _PARTS_MAX + 1:
        raise Unreadable("too many parts")
    segments = whole.split(delimiter)[1:]
    if not segments or not segments[-1].startswith(b"--"):
        raise Unreadable("the last boundary is missing")
    form: dict[str, Part] = {}
    for segment in segments[:-1]:
        name, part = _part(segment)
        if name in form:
            raise Unreadable("a part comes twice")
        form[name] = part
    return form


def file_name(given: str) -> str:
    """A file's name without folders and without characters that do not show."""
    base = given.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in base if letter.isprintable()).strip()[-_NAME_MAX:]


def _part(segment: bytes) -> tuple[str, Part]:
    padding, newline, rest = segment.partition(b"\r\n")
    head, blank, content = rest.partition(b"\r\n\r\n")
    if padding.strip(b" \t") or not newline or not blank or len(head) > _HEADERS_MAX:
        raise Unreadable("a part has no headers")
    headers = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    disposition = headers.get("content-disposition", "")
    if not disposition.lower().startswith("form-data"):
        raise Unreadable("a part has no disposition")
    if headers.get("content-transfer-encoding", "binary").lower() not in ("7bit", "8bit", "binary"):
        raise Unreadable("a part is encoded")
    told = {
        key.lower(): re.sub(r'\\(["\\])', r"\1", quoted) or plain
        for key, quoted, plain in _PARAMETER.findall(disposition)
    }
    if not told.get("name"):
        raise Unreadable("a part has no name")
    return told["name"], Part(content, _name_told(told))


def _name_told(told: dict[str, str]) -> str:
    """The name of a part's file. Some libraries send it as RFC 5987 has it; browsers and curl write a
    quotation mark as %22 and leave everything else."""
    charset, _, encoded = told.get("filename*", "").partition("''")
    if charset.lower() == "utf-8":
        return unquote(encoded, errors="replace")
    return told.get("filename", "").replace("%22", '"')


def _text(part: Part) -> str:
    content = part.content[:_TEXT_MAX]
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise Unreadable("a part is no text") from None
    # As in JSON: PostgreSQL cannot store it.
    if "\0" in text:
        raise Unreadable("U+0000 in a part")
    return text


def _kind_of(file: Part | None, problems: Problems) -> tuple[str, str] | None:
    """The content type that a file's first bytes show, and the usual ending of its name."""
    if file is None or not file.content:
        problems.add(FILE, Text.MISSING)
        return None
    for magic, mime, ending in _MAGIC:
        if file.content.startswith(magic):
            return mime, ending
    problems.add(FILE, Text.WRONG_FILE)
    return None


def _moment(value: object) -> int:
    """The moment of an ISO-8601 text, in Istanbul where it has no offset."""
    try:
        moment = datetime.fromisoformat(fields.text(value, 40))
    except ValueError:
        raise fields.Wrong(Text.NO_TIME) from None
    if moment.year not in _YEARS:
        raise fields.Wrong(Text.NO_TIME)
    whole = moment if moment.tzinfo else moment.replace(tzinfo=ISTANBUL)
    return (whole - _EPOCH) // timedelta(milliseconds=1)

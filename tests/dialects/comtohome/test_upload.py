"""Forms as multipart/form-data: what is read, and what is no form."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dialects.comtohome.office import BOUNDARY, form

from ulak.core.consignments import PaperKind, PaperState
from ulak.dialects.comtohome.forms import Invalid
from ulak.dialects.comtohome.jsonbody import TooLarge, Unreadable
from ulak.dialects.comtohome.upload import Part, file_name, parts, upload

KIND = f"multipart/form-data; boundary={BOUNDARY}"
FIELDS = {"document_type": "2", "status": "1"}


def test_a_whole_form() -> None:
    kind, body = form(
        {
            "document_file:fatura.jpg": "\xff\xd8\xff\xe0 x\r\n--y\r\n",
            **FIELDS,
            "consignment_id": " 5 ",
            "document_reference": "GİB 1",
            "document_issued_at": "2026-03-04T00:00:00",
            "unknown": "x",
        }
    )
    found = upload(kind, body, "en")
    assert (found.content, found.mime, found.file_name) == (
        b"\xff\xd8\xff\xe0 x\r\n--y\r\n",
        "image/jpeg",
        "fatura.jpg",
    )
    assert (found.kind, found.state) == (PaperKind.PACKING_LIST, PaperState.APPROVED)
    assert (found.consignment_id, found.reference) == (5, "GİB 1")
    assert found.issued == 1_772_571_600_000, "midnight in Istanbul, where there is no offset"


def test_other_spellings_of_a_form() -> None:
    body = (
        b"preamble\r\n--b x\t \r\n"
        b"content-disposition:form-data;NAME=plain\r\n\r\n1\r\n"
        b'--b x\r\nX-Other: y\r\nContent-Disposition: form-data; filename="a\\"b.pdf"; name="file"\r\n'
        b"Content-Transfer-Encoding: binary\r\n\r\n\r\n--b x--\r\nepilogue"
    )
    assert parts('Multipart/Form-Data; charset=utf-8; boundary="b x"', body) == {
        "plain": Part(b"1"),
        "file": Part(b"", 'a"b.pdf'),
    }


@pytest.mark.parametrize(
    "told",
    [
        'filename="fatura %22ş%22.pdf"',
        "filename*=UTF-8''fatura%20%22%C5%9F%22.pdf",
        "filename=x.pdf; filename*=utf-8''fatura%20%22%C5%9F%22.pdf",
    ],
)
def test_names_with_other_letters(told: str) -> None:
    """As curl and browsers write them, and as RFC 5987 has it."""
    found = parts(KIND, one(f'Content-Disposition: form-data; name="file"; {told}'))
    assert found["file"].file_name == 'fatura "ş".pdf'


def one(headers: str, content: str = "x", end: str = "--") -> bytes:
    """A form of one part."""
    return f"--{BOUNDARY}\r\n{headers}\r\n\r\n{content}\r\n--{BOUNDARY}{end}".encode()


NAMED = 'Content-Disposition: form-data; name="a"'
BROKEN = {
    "empty": b"",
    "no boundary": b"x",
    "no end": one(NAMED, end=""),
    "no headers": f"--{BOUNDARY}\r\nx\r\n--{BOUNDARY}--".encode(),
    "no disposition": one("Content-Type: text/plain"),
    "another disposition": one('Content-Disposition: attachment; name="a"'),
    "no name": one("Content-Disposition: form-data"),
    "empty name": one('Content-Disposition: form-data; name=""'),
    "encoded": one(f"{NAMED}\r\nContent-Transfer-Encoding: base64"),
    "long headers": one(f"{NAMED}\r\nX: {'x' * 5000}"),
    "a longer boundary": one(NAMED).replace(BOUNDARY.encode() + b"--", BOUNDARY.encode() + b"x--"),
    "the same twice": one(NAMED, end="") + b"\r\n" + one(NAMED).partition(b"\r\n")[2],
    "too many": form({f"a{n}": "x" for n in range(40)})[1],
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_form(name: str) -> None:
    with pytest.raises(Unreadable):
        parts(KIND, BROKEN[name])


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=x",
    ],
)
def test_other_content_types(kind: str) -> None:
    with pytest.raises(Unreadable):
        parts(kind, one(NAMED))


NAMES = {
    "a.pdf": "a.pdf",
    "C:\\scans\\a.pdf": "a.pdf",
    "../../etc/passwd": "passwd",
    "a\r\nSet-Cookie: x.pdf": "aSet-Cookie: x.pdf",
    "x/": "",
    "ğ" * 300 + ".pdf": "ğ" * 251 + ".pdf",
}


@pytest.mark.parametrize("given_name", NAMES)
def test_names_of_files(given_name: str) -> None:
    assert file_name(given_name) == NAMES[given_name]


def test_a_file_without_a_name_gets_one() -> None:
    kind, body = form({"document_file": "%PDF-1.4", **FIELDS})
    assert upload(kind, body, "en").file_name == "document.pdf"


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-03-04T00:00:00+03:00", 1_772_571_600_000),
        ("2026-03-03T21:00:00Z", 1_772_571_600_000),
        ("2026-03-04", 1_772_571_600_000),
        ("0001-01-01", None),
        ("04.03.2026", None),
        ("2026-13-01", None),
        ("now", None),
    ],
)
def test_times(text: str, ms: int | None) -> None:
    kind, body = form({"document_file": "%PDF-1.4", **FIELDS, "document_issued_at": text})
    if ms is None:
        with pytest.raises(Invalid) as raised:
            upload(kind, body, "en")
        assert raised.value.problems == ["document_issued_at: must be an ISO-8601 time"]
    else:
        assert upload(kind, body, "en").issued == ms


@given(st.binary(max_size=300), st.text(max_size=40))
def test_any_bytes_are_a_form_or_are_not(body: bytes, text: str) -> None:
    kind, whole = form({"document_file": text, text.replace(":", "") or "x": "y"})
    for sent in (body, whole, whole[: len(body)], body + whole):
        with contextlib.suppress(Unreadable, Invalid, TooLarge):
            upload(kind, sent, "tr")

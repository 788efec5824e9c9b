"""XML bodies: what they are read as, and what they may cost."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, quote_plus, unquote_to_bytes

import pytest

from ulak.dialects.iletimerkezi.jsonbody import DEPTH_MAX, BadRequest
from ulak.dialects.iletimerkezi.xmlbody import ELEMENTS_MAX, request_in

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("inside", "read"),
    [
        ("", {}),
        ("<a>b</a>", {"a": "b"}),
        ("<a/><a>1</a><b/><a> 2 </a>", {"a": ["", "1", "2"], "b": ""}),
        ("<a><b>1</b></a><a><b>2</b></a>", {"a": [{"b": "1"}, {"b": "2"}]}),
        (
            "<a>1</a><a>1</a><b/><b></b><c>22</c><c>22</c>",
            {"a": ["1", "1"], "b": ["", ""], "c": ["22", "22"]},
        ),
        ("<order/>", {"order": {}}),
        ("<order> \n </order>", {"order": {}}),
        ("<message/><message><text/></message>", {"message": [{}, {"text": ""}]}),
        ("<sender> A </sender><number> 5 </number>", {"sender": " A ", "number": "5"}),
        ("<text>\n<![CDATA[<a> & ]]]]><![CDATA[>]]> b</text>", {"text": "\n<a> & ]]> b"}),
        ("<text>a<!-- no -->b<?no no?>c&amp;&#x15f;&lt;</text>", {"text": "abc&ş<"}),
        ("<text>a\r\nb\rc</text>", {"text": "a\nb\nc"}),
        ("<row_count>5</row_count>", {"rowCount": "5"}),
        ('<a b="c" xmlns:n="u" n:d="e">f</a><n:g>h</n:g>', {"a": "f", "g": "h"}),
        ("<number> \u00a05 </number>", {"number": "\u00a05"}),
    ],
)
def test_what_is_read(inside: str, read: dict[str, Any]) -> None:
    document = f"<request>{inside}</request>"
    declared = f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- hi -->{document}\n'
    spaced = f"\r\n <?xml version='1.0'?>{document}"
    for text in (document, declared, spaced, f"\ufeff{document}", f"\ufeff{declared}"):
        assert request_in(text.encode()) == read
        assert request_in(f"data={quote_plus(text)}".encode()) == read
        assert request_in(f"user=x&data={quote_plus(text)}&go=1".encode()) == read


def test_a_namespace_on_the_root_is_ignored() -> None:
    assert request_in(b'<request xmlns="urn:x" xmlns:xsi="urn:y"><a xsi:nil="true"/></request>') == {"a": ""}
    assert request_in(b'<s:request xmlns:s="urn:x"><s:a>1</s:a></s:request>') == {"a": "1"}


@pytest.mark.parametrize(
    "text", ["100 % = 1", "%", "%%", "%zz", "%4", "a=b==c", "=41", "=\n", "\r\n", "ş+", "%\n"]
)
def test_a_form_field_is_decoded_as_urls_are(text: str) -> None:
    """Also one that was not encoded at all, or with signs that are no escapes."""
    document = f"<request><text><![CDATA[{text}]]></text></request>"
    for field in (quote_plus(document), quote(document), document, document.replace("<", "%3c")):
        expected = unquote_to_bytes(field.replace("+", " "))
        assert request_in(b"data=" + field.encode()) == request_in(expected)


def test_an_encoding_is_what_is_declared() -> None:
    for encoding in ("iso-8859-9", "ISO-8859-9", "windows-1254", "Latin5"):
        body = f'<?xml version="1.0" encoding="{encoding}"?><request><text>Işığı çöz</text></request>'
        assert request_in(body.encode(encoding)) == {"text": "Işığı çöz"}
    wide = '<?xml version="1.0" encoding="UTF-16"?><request><text>Işığı 😀</text></request>'
    for encoded in (wide.encode("utf-16"), wide.encode("utf-16-be", "replace"), wide.encode()):
        marked = b"\xfe\xff" + encoded if encoded.startswith(b"\0") else encoded
        assert request_in(marked) == {"text": "Işığı 😀"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xef\xbb\xbf",
        b"<request>" * (DEPTH_MAX + 1) + b"</request>" * (DEPTH_MAX + 1),
        b'<?xml version="1.0" encoding="utf-7"?><request/>',
        b'<?xml version="1.0" encoding="unicode_escape"?><request/>',
        b"\xff\xfe\x3c",
        "<request><text>\ud800</text></request>".encode("utf-16-le", "surrogatepass"),
        b"\xff\xfe" + "<request><text>\ud800</text></request>".encode("utf-16-le", "surrogatepass"),
        b"<request><text>\xed\xa0\x80</text></request>",
        b"<request><text>\0</text></request>",
        b"<request><text>&#1;</text></request>",
        b"<request>" + b"<a/>" * ELEMENTS_MAX + b"</request>",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_what_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        request_in(body)


def test_nesting_up_to_the_limit() -> None:
    inside = DEPTH_MAX - 1
    assert request_in(b"<request>" + b"<a>" * inside + b"</a>" * inside + b"</request>")


def test_expansion_is_refused_before_anything_grows() -> None:
    steps = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE r [<!ENTITY a0 "ha">{steps}]><request><text>&a11;</text></request>'
    with pytest.raises(BadRequest, match="DTDForbidden"):
        request_in(bomb.encode())


def test_the_largest_order() -> None:
    numbers = "".join(f"        <number>{905300000000 + place}</number>\n" for place in range(50_000))
    order = f"<message>\n<text>A</text><receipents>\n{numbers}</receipents></message>"
    read = request_in(f"<request>\n<order>{order}</order></request>".encode())
    assert read["order"]["message"]["receipents"]["number"][-1] == "905300049999"
    each = "<message><text>A</text><receipents><number>5301234567</number></receipents></message>\n"
    assert len(request_in(f"<request>{each * 50_000}</request>".encode())["message"]) == 50_000


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<request>" + b"<a/>" * (4 * MIB), "too many elements"),
        (b"<request" + b"".join(b' a%d=""' % place for place in range(MIB)) + b"/>", "tag is too long"),
        (b"<request><!--" + b"-" * (16 * MIB), "tag is too long|SAXParse"),
        (b"<request><a>" + b"-" * 1000 + b"</a><!--" + b"a" * (16 * MIB), "tag is too long"),
        (b"<request>" + b"a\n" * (8 * MIB), "too many pieces"),
        (b"<request><text>" + b"&lt;" * (4 * MIB), "too many pieces"),
        (b"data=" + quote_plus("<request>").encode() + b"%3Ca/%3E" * (2 * MIB - 10), "too many elements"),
        (b"data" * (4 * MIB), "neither XML nor a form"),
    ],
    ids=lambda given: repr(given[:24]),
)
def test_the_largest_bodies_are_given_up_early(body: bytes, why: str) -> None:
    """What each element, piece or attribute costs, it costs only so often."""
    with pytest.raises(BadRequest, match=why):
        request_in(body)

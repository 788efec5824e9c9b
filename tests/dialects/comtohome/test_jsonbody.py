"""The bytes of a request: what is refused before anything is understood."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ulak.dialects.comtohome.jsonbody import (
    BYTES_MAX,
    DEPTH_MAX,
    TooLarge,
    Unreadable,
    digest_of,
    object_in,
)

UNREADABLE = {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "text": b'"x"',
    "number": b"1",
    "truncated": b'{"a": 1',
    "trailing garbage": b"{} x",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "invalid UTF-8": b'{"a": "\xff"}',
    "surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "half a character": rb'{"a": "\ud800"}',
    "half a character in a key": rb'{"\udc00": 1}',
    "NUL escape": rb'{"a": "x\u0000y"}',
    "NUL escape after a backslash": rb'{"a": "\\\u0000"}',
    "NUL in a key": rb'{"\u0000": 1}',
    "NUL byte": b'{"a": "x\x00"}',
    "control character": b'{"a": "x\ny"}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "an exponent of 20 digits": b'{"a": 1e99999999999999999999}',
    "leading zero": b'{"a": 01}',
    "trailing comma": b'{"a": 1,}',
    "a key twice": b'{"a": 1, "a": 1}',
    "a key twice, below": b'{"b": [{"a": 1, "a": 2}]}',
    "form": b"a=1",
    "unpaired brackets": b"[" * 40,
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read(name: str) -> None:
    with pytest.raises(Unreadable):
        object_in(UNREADABLE[name])


@pytest.mark.parametrize(("bracket", "end"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth(bracket: bytes, end: bytes) -> None:
    inner = b"1"
    for depth in range(2, DEPTH_MAX + 3):
        body = b'{"x":' + bracket * (depth - 1) + inner + end * (depth - 1) + b"}"
        if depth <= DEPTH_MAX:
            assert object_in(body)
        else:
            with pytest.raises(Unreadable):
                object_in(body)


def test_brackets_in_texts_are_not_deep() -> None:
    text = '[{"\\[' * 100
    assert object_in(json.dumps({"a": text, text: "b"}).encode()) == {"a": text, text: "b"}


SPITE = {
    "quotes": b'"' + rb"\"" * 300_000,
    "objects": b'{"a":' * 150_000,
    "texts in lists": b'["' * 300_000,
    "lists": b"[]" * 400_000,
}


@pytest.mark.parametrize("name", SPITE)
def test_spite_is_refused_soon(name: str) -> None:
    """No pattern here takes time that grows with the square of the length."""
    with pytest.raises(Unreadable):
        object_in(SPITE[name])


def test_size() -> None:
    fits = b'{"a": "' + b"x" * (BYTES_MAX - 9) + b'"}'
    assert len(object_in(fits)["a"]) == BYTES_MAX - 9
    with pytest.raises(TooLarge):
        object_in(fits + b" ")


def test_numbers_keep_their_digits() -> None:
    assert object_in(b'{"a": 0.10000000000000000555, "b": 1e400, "c": 12}') == {
        "a": Decimal("0.10000000000000000555"),
        "b": Decimal("1e400"),
        "c": 12,
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
@example({"a": "\\u0000"})
def test_what_json_writes_is_read(content: dict[str, Any]) -> None:
    body = json.dumps(content).encode()
    if "\0" in json.dumps(content, ensure_ascii=False).replace("\\\\", "").replace("\\u0000", "\0"):
        with pytest.raises(Unreadable):
            object_in(body)
    else:
        assert object_in(body) == content


@given(st.binary(max_size=200))
def test_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(Unreadable):
        assert isinstance(object_in(body), dict)


def test_a_digest_is_of_the_content() -> None:
    one = object_in(b'{"a": 1.50, "b": {"c": "\\u011f", "d": [1, null]}}')
    same = object_in('{"b":{"d":[1,null],"c":"ğ"},"a":1.50}'.encode())
    assert digest_of(one) == digest_of(same)
    assert digest_of(one) != digest_of(one | {"a": 2})
    assert len(digest_of(None)) == 64

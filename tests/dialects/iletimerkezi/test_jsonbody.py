"""The bytes of a request: what is refused before anything is understood."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulak.dialects.iletimerkezi.jsonbody import DEPTH_MAX, BadRequest, request_in


def wrapped(inner: bytes) -> bytes:
    return b'{"request": {"x": ' + inner + b"}}"


UNREADABLE = {
    "empty": b"",
    "null": b"null",
    "array": b"[]",
    "string": b'"request"',
    "number": b"1",
    "truncated": b'{"request": {"a": 1}',
    "trailing garbage": b'{"request": {}} x',
    "second value": b'{"request": {}}{}',
    "byte order mark": b'\xef\xbb\xbf{"request": {}}',
    "UTF-16": '{"request": {}}'.encode("utf-16"),
    "UTF-16 without mark": '{"request": {}}'.encode("utf-16-le"),
    "invalid UTF-8": wrapped(b'"\xff"'),
    "overlong UTF-8": wrapped(b'"\xc0\xaf"'),
    "surrogate in UTF-8": wrapped(b'"\xed\xa0\x80"'),
    "invalid UTF-8 in a key": wrapped(b'{"\xff": 1}'),
    "lone high surrogate": wrapped(rb'"\ud800"'),
    "lone low surrogate": wrapped(rb'"\udc00"'),
    "high surrogate and a letter": wrapped(rb'"\ud83dx"'),
    "NUL escape": wrapped(rb'"a\u0000b"'),
    "NUL escape after a backslash": wrapped(rb'"\\\u0000"'),
    "NUL in a key": wrapped(rb'{"\u0000": 1}'),
    "NUL byte": wrapped(b'"a\x00b"'),
    "control character": wrapped(b'"a\nb"'),
    "NaN": wrapped(b"NaN"),
    "Infinity": wrapped(b"Infinity"),
    "minus Infinity": wrapped(b"-Infinity"),
    "number out of range": wrapped(b"1e999"),
    "5,000 digits": wrapped(b"9" * 5000),
    "leading zero": wrapped(b"01"),
    "comment": b'/* */{"request": {}}',
    "trailing comma": b'{"request": {},}',
    "single quotes": b"{'request': {}}",
    "XML": b"<request/>",
    "form": b"key=1&hash=2",
    "no request": b"{}",
    "other key": b'{"Request": {}}',
    "request null": b'{"request": null}',
    "request array": b'{"request": []}',
    "request string": b'{"request": "{}"}',
    "unpaired brackets": b"[" * 40,
    "wrongly paired": wrapped(b"[" * 20 + b"}" * 20 + b"[]" * 20),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_unreadable(body: bytes) -> None:
    with pytest.raises(BadRequest):
        request_in(body)


def test_every_truncation_is_unreadable() -> None:
    body = b'{"request": {"a": "\\u00e7\\"", "b": [1, {"c": null}]}}'
    assert request_in(body)
    for end in range(len(body)):
        with pytest.raises(BadRequest):
            request_in(body[:end])


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert request_in(wrapped(rb'"\\u0000"')) == {"x": "\\u0000"}


def test_the_last_of_two_equal_keys_counts() -> None:
    assert request_in(b'{"request": {"a": 1}, "request": {"a": 2, "a": 3}}') == {"a": 3}


def test_levels_at_the_limit_are_read() -> None:
    body = b'{"request": {"x": "[[[[[[[[[[[[[[[[[[[[[[[[", "y": %s%s}}'
    deepest = DEPTH_MAX - 2
    assert request_in(body % (b"[" * deepest, b"]" * deepest))
    with pytest.raises(BadRequest, match="deep"):
        request_in(body % (b"[" * (deepest + 1), b"]" * (deepest + 1)))


@pytest.mark.parametrize("levels", [33, 500, 1_000, 5_000, 1_000_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_refused_cheaply(levels: int, opening: bytes, closing: bytes) -> None:
    body = opening * levels + b"1" + closing * levels
    started = time.process_time()
    with pytest.raises(BadRequest, match="deep"):
        request_in(body)
    assert time.process_time() - started < 0.25


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text('[]{}"\\,:a ', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('[]{}"\\a', max_size=4), inner, max_size=3)
    ),
    max_leaves=25,
)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


@given(values, st.integers(0, 35), st.booleans())
def test_depth_is_what_the_structure_says(value: Any, more: int, spaced: bool) -> None:
    for _ in range(more):
        value = [value, "}"]
    # Enough brackets at the side that the exact scan is made.
    whole = {"request": {"value": value, "side": [[] for _ in range(40)]}}
    body = json.dumps(whole, indent=1 if spaced else None).encode()
    if depth_of(whole) <= DEPTH_MAX:
        assert request_in(body) == whole["request"]
    else:
        with pytest.raises(BadRequest, match="deep"):
            request_in(body)

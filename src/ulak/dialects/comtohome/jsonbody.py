"""The bytes of a JSON request, up to the object they hold.

Refused here: what is no JSON object in UTF-8 (NaN, byte order marks and lone surrogates included), what is
nested too deeply, a key that comes twice in one object, and U+0000, which PostgreSQL cannot store. Numbers
keep every digit that was sent.
"""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal
from typing import Any

DEPTH_MAX = 32
BYTES_MAX = 1024 * 1024
"""Bytes of JSON; 100 packages with 500 items take a quarter of it."""

Fields = dict[str, Any]

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")


class Unreadable(Exception):
    """The request cannot be read."""


class TooLarge(Exception):
    """The request has more bytes than anybody needs."""


def object_in(body: bytes) -> Fields:
    """The object that a body holds.

    Raises:
        Unreadable: it is something else.
        TooLarge: it has more than `BYTES_MAX` bytes.
    """
    if len(body) > BYTES_MAX:
        raise TooLarge
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _too_deep(body):
        raise Unreadable("nested too deeply")
    try:
        whole = json.loads(
            body.decode(), parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_without_repetition
        )
        if b"\\u" in body:
            _check_escapes(whole)
    except (ValueError, ArithmeticError) as error:
        raise Unreadable(str(error)) from None
    if not isinstance(whole, dict):
        raise Unreadable("not an object")
    return whole


def digest_of(content: object) -> str:
    """SHA-256 of JSON, whatever the order of its keys and the white space between them."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _without_repetition(pairs: list[tuple[str, Any]]) -> Fields:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _too_deep(body: bytes) -> bool:
    """Whether brackets stand more than DEPTH_MAX deep, or are not in pairs, so that it is bad anyway."""
    brackets = _STRING.sub(b"", body).translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(DEPTH_MAX):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")  # takes the innermost level away
    return bool(brackets)


def _check_escapes(value: object) -> None:
    """Raise ValueError for what only an escape can write: half a character, and U+0000."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text.encode()
    if r"\u0000" in text.replace(r"\\", ""):
        raise ValueError("U+0000 in a text")

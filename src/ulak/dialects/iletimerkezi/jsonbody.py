"""The bytes of a JSON request, up to the object under its only key.

Refused here: what is no JSON (NaN, byte order marks, invalid UTF-8 and lone surrogates included), what is
nested too deeply, and U+0000 in any text, which PostgreSQL cannot store. Of a key that comes twice the last
counts.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

DEPTH_MAX = 32

Fields = dict[str, Any]

_MARKS = b'"[]{}'
_NOT_MARKS = bytes(set(range(256)) - set(_MARKS))
# The largest order has 50,000 messages of three brackets each; the rest is room for brackets in texts.
_MARKS_MAX = 1_000_000
_STRING = re.compile(rb'"[^"]*"?')
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_TOO_DEEP = b"[" * (DEPTH_MAX + 1)

_decode = msgspec.json.Decoder().decode


class BadRequest(Exception):
    """The request cannot be read: 400, whoever asks."""


def request_in(body: bytes) -> Fields:
    """The object under the key `request`.

    Raises:
        BadRequest: there is none, or the body is not what this server reads.
    """
    # Before decoding, because the decoder works through the nesting on its own stack.
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _too_deep(body):
        raise BadRequest("nested too deeply")
    if rb"\u0000" in body and rb"\u0000" in body.replace(rb"\\", b""):
        raise BadRequest("U+0000 in a text")
    try:
        whole = _decode(body)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    return object_in(whole, "request")


def object_in(parent: object, key: str) -> Fields:
    """The object that stands under a key of an object.

    Raises:
        BadRequest: either is no object.
    """
    child = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(child, dict):
        raise BadRequest(f"{key} is not an object")
    return child


def _too_deep(body: bytes) -> bool:
    """Whether brackets stand more than DEPTH_MAX deep (or too many, or unpaired: the body is bad anyway)."""
    if b"\\" in body:
        body = body.replace(rb"\\", b"").replace(rb"\"", b"")
    marks = body.translate(None, _NOT_MARKS)
    # Most strings hold no bracket. Where `""` is the end of one and the start of the next, what they hold
    # becomes one string, and nothing that stands outside changes.
    marks = marks.replace(b'""', b"")
    if len(marks) > _MARKS_MAX:
        return True
    brackets = _STRING.sub(b"", marks).translate(_ONE_KIND)
    for _ in range(DEPTH_MAX):
        if not brackets:
            return False
        if _TOO_DEEP in brackets:
            return True
        brackets = brackets.replace(b"[]", b"")  # takes the innermost level away
    return bool(brackets)

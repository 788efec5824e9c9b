"""The bytes of a JSON request, up to the object they hold.

Refused here: what is no JSON object in UTF-8 (NaN, byte order marks and endless numbers included), what is
nested too deeply, and a key that comes twice in one object.
"""

from __future__ import annotations

import json
import re
from typing import Any

DEPTH_MAX = 32
BYTES_MAX = 64 * 1024
"""Bytes of a request; one with the longest message and address takes a tenth of it."""

Fields = dict[str, Any]

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


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
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _depth(body) > DEPTH_MAX:
        raise Unreadable("nested too deeply")
    try:
        whole = json.loads(
            body.decode(), parse_constant=_refuse, parse_float=_number, object_pairs_hook=_without_repetition
        )
    except ValueError as error:
        raise Unreadable(str(error)) from None
    if not isinstance(whole, dict):
        raise Unreadable("not an object")
    return whole


def _without_repetition(pairs: list[tuple[str, Any]]) -> Fields:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return value


def _depth(body: bytes) -> int:
    """How deep brackets stand; strings do not count."""
    depth = deepest = 0
    for byte in _STRING.sub(b"", body):
        depth += _STEPS.get(byte, 0)
        deepest = max(deepest, depth)
    return deepest

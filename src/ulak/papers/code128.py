"""Code 128: the bars of a text (ISO/IEC 15417), with the code sets B and C."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

QUIET = 10
"""Modules that must stay white on either side."""

_START = {"B": 104, "C": 105}
_SWITCH = {"B": 100, "C": 99}
_STOP = 106

# The widths of bar, space, bar, space, bar, space of every symbol by its value; the stop has one bar more.
_WIDTHS = re.findall(
    "[0-9]+",
    """
212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231
113222 123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211
212123 212321 232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131
113123 113321 133121 313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111
314111 221411 431111 111224 111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211
241211 221114 413111 241112 134111 111242 121142 121241 114212 124112 124211 411212 421112 421211 212141
214121 412121 111143 111341 131141 114113 114311 411113 411311 113141 114131 311141 411131 211412 211214
211232 2331112
""",
)

_DIGITS = re.compile("[0-9]{4,}")


class Piece(NamedTuple):
    """A part of the text and the code set it is written in: B (characters) or C (pairs of digits)."""

    code_set: str
    text: str


class Symbol(NamedTuple):
    """Where the bars are: (first module, modules) of each, and how many modules all take without the quiet
    zones."""

    bars: tuple[tuple[int, int], ...]
    modules: int


def can_encode(text: str) -> bool:
    """Whether it is printable ASCII, and not empty."""
    return bool(text) and text.isascii() and text.isprintable()


def pieces(text: str) -> list[Piece]:
    """How the text is spread over the code sets.

    A run of digits is worth a switch to C when it has four at an end of the text, six in the middle. One
    digit of an odd run stays with its neighbours in B.
    """
    if not can_encode(text):
        raise ValueError(f"{text[:40]!r} is not printable ASCII, so it cannot be written as Code 128")
    if len(text) == 2 and text.isdigit():
        return [Piece("C", text)]
    found, done = [], 0
    for run in _DIGITS.finditer(text):
        first, last = run.span()
        if last - first < 6 and first > 0 and last < len(text):
            continue
        if (last - first) % 2:
            first, last = (first, last - 1) if first == 0 and last < len(text) else (first + 1, last)
        if first > done:
            found.append(Piece("B", text[done:first]))
        found.append(Piece("C", text[first:last]))
        done = last
    if done < len(text):
        found.append(Piece("B", text[done:]))
    return found


@lru_cache(maxsize=1024)
def symbol(text: str) -> Symbol:
    """The bars of a text. Raises ValueError for what is not printable ASCII."""
    values: list[int] = []
    for code_set, piece in pieces(text):
        values.append(_SWITCH[code_set] if values else _START[code_set])
        if code_set == "C":
            values += [int(piece[i : i + 2]) for i in range(0, len(piece), 2)]
        else:
            values += [ord(character) - 32 for character in piece]
    check = (values[0] + sum(place * value for place, value in enumerate(values))) % 103
    widths = "".join(_WIDTHS[value] for value in (*values, check, _STOP))
    bars, at = [], 0
    for place, width in enumerate(map(int, widths)):
        if place % 2 == 0:
            bars.append((at, width))
        at += width
    return Symbol(tuple(bars), at)

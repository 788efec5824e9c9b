"""QR symbols as rows of dark runs."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

_MASK = 0
"""The pattern laid over the data. Choosing the most even one of the eight takes five times as long as all
else, and readers do not need it."""


class Qr(NamedTuple):
    """`runs` are (column, row, modules) of the dark ones; `modules` is the side."""

    runs: tuple[tuple[int, int, int], ...]
    modules: int


@lru_cache(maxsize=256)
def qr(text: str) -> Qr | None:
    """The symbol of a text, which survives the loss of 15 % of its area. None if there is none so large."""
    import segno

    try:
        matrix = segno.make(text, error="m", mask=_MASK, micro=False, boost_error=False).matrix
    except segno.DataOverflowError:
        return None
    runs = []
    for row, cells in enumerate(matrix):
        column = 0
        for dark, group in groupby(cells):
            length = len(list(group))
            if dark:
                runs.append((column, row, length))
            column += length
    return Qr(tuple(runs), len(matrix))

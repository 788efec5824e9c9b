"""Labels as ZPL II, the language of Zebra's printers and of many others.

The printer draws texts in its own scalable font, which is narrower than ours, so that what fits a page here
fits there. Texts are UTF-8 (^CI28; firmware since 2008). Barcodes are told with the code sets we chose, so
the bars are those of the PDF.
"""

from __future__ import annotations

from collections.abc import Iterator

from ulak.papers import code128
from ulak.papers.layout import Area, Bars, Page, Square, Text

DENSITIES = (6, 8, 12, 24)
"""Dots per millimetre of the printers there are: 152, 203, 300 and 600 dpi."""

_MAGNIFIED = 10
"""The widest module, in dots, that ^BY and ^BQ take on every printer."""

_START = {"B": ">:", "C": ">;"}
_SWITCH = {"B": ">6", "C": ">5"}
_IN_BARS = str.maketrans({"^": "><", ">": ">0", "~": ">="})
_ESCAPED = str.maketrans({sign: f"_{ord(sign):02X}" for sign in "_^~\\"})
"""^FH lets a field hold the signs that would begin a command, as _ and two hexadecimal digits."""


def zpl(page: Page, dots: int = 8) -> bytes:
    """One label for a printer with so many dots per millimetre."""
    if dots not in DENSITIES:
        raise ValueError(f"{dots} dots per millimetre is none of {', '.join(map(str, DENSITIES))}")
    lines = [
        "^XA",
        "^CI28",
        f"^PW{round(page.width * dots)}",
        f"^LL{round(page.height * dots)}",
        "^LH0,0",
        *_commands(page, dots),
        "^XZ",
    ]
    return ("\n".join(lines) + "\n").encode()


def _commands(page: Page, dots: int) -> Iterator[str]:
    for mark in page.marks:
        x, y = round(mark.x * dots), round(mark.y * dots)
        if isinstance(mark, Text):
            yield f"^FT{x},{y}^A0N,{round(mark.size * dots)}^FH^FD{mark.text.translate(_ESCAPED)}^FS"
        elif isinstance(mark, Area):
            width, height = (max(1, round(length * dots)) for length in (mark.width, mark.height))
            yield f"^FO{x},{y}^GB{width},{height},{min(width, height)}^FS"
        elif isinstance(mark, Bars):
            bars = f"^BY{_module(mark, dots)}^BCN,{round(mark.height * dots)},N,N,N,N"
            yield f"^FO{x},{y}{bars}^FH^FD{_invoked(mark.text).translate(_ESCAPED)}^FS"
        else:
            yield _square(mark, x, y, dots)


def _module(mark: Bars | Square, dots: int) -> int:
    return min(int(mark.module * dots), _MAGNIFIED)


def _square(mark: Square, x: int, y: int, dots: int) -> str:
    """Error correction M, the mode left to the printer."""
    return f"^FO{x},{y}^BQN,2,{_module(mark, dots)}^FH^FDMA,{mark.text.translate(_ESCAPED)}^FS"


def _invoked(text: str) -> str:
    """A text of ^BC with its code sets named."""
    told = ""
    for code_set, piece in code128.pieces(text):
        told += (_SWITCH if told else _START)[code_set] + piece.translate(_IN_BARS)
    return told

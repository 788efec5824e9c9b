"""What stands where on a page, before anything is drawn: texts that fit their places, bars, black areas.

Lengths are millimetres, from the top left corner, and the size of a text is the height of its line without
the gap to the next. What is put on a page stays inside its place: texts wrap, shrink down to a size that can
still be read, and end in an ellipsis where even that is not enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

from ulak.papers import code128
from ulak.papers.qr import qr
from ulak.papers.typeface import readable, typeface

POINT = 25.4 / 72
"""Millimetres."""

LEADING = 1.22
"""From line to line, in sizes."""

SHRINK = 0.9
"""One step smaller, where a text does not fit."""

STEP = 0.125
"""Bars are whole numbers of this wide: a dot of a printer with eight dots a millimetre."""

_ROUNDING = 1e-9

_ASCENT = 0.8
"""From a line's top to its baseline, in sizes."""


class Text(NamedTuple):
    """One line; `y` is its baseline."""

    x: float
    y: float
    size: float
    text: str
    strong: bool = False


class Area(NamedTuple):
    """A black rectangle; lines are thin ones."""

    x: float
    y: float
    width: float
    height: float


class Bars(NamedTuple):
    """A Code 128 symbol without its quiet zones; `module` is the width of the narrowest bar."""

    x: float
    y: float
    module: float
    height: float
    text: str


class Square(NamedTuple):
    """A QR symbol without its quiet zone; `module` is the side of its smallest squares."""

    x: float
    y: float
    module: float
    text: str


Mark: TypeAlias = Text | Area | Bars | Square
Align: TypeAlias = Literal["left", "right", "middle"]


class Paragraph(NamedTuple):
    """A text to wrap; `scale` makes it larger than others of the same block."""

    text: str
    scale: float = 1.0
    strong: bool = False


def wrapped(text: str, limit: float) -> list[str]:
    """Lines at most so wide, in sizes. Words that are wider alone are broken."""
    width = typeface().width
    space = width(" ", 1)
    lines: list[str] = []
    line, used = "", 0.0
    for word in _broken(text.split(" "), limit):
        wide = width(word, 1)
        if line and used + space + wide > limit:
            lines.append(line)
            line, used = word, wide
        elif line:
            line, used = f"{line} {word}", used + space + wide
        else:
            line, used = word, wide
    return [*lines, line] if line else lines


def _broken(words: Iterable[str], limit: float) -> Iterable[str]:
    width = typeface().width
    for word in words:
        if width(word, 1) <= limit:
            yield word
            continue
        piece, used = "", 0.0
        for character in word:
            wide = width(character, 1)
            if piece and used + wide > limit:
                yield piece
                piece, used = "", 0.0
            piece, used = piece + character, used + wide
        yield piece


def shortened(text: str, limit: float) -> str:
    """The text, or as much of its beginning as leaves room for an ellipsis; `limit` in sizes."""
    width = typeface().width
    if width(text, 1) <= limit + _ROUNDING:
        return text
    left = limit - width("…", 1)
    for length, character in enumerate(text):
        left -= width(character, 1)
        if left < 0:
            return text[:length].rstrip() + "…"
    return text


class Page:
    """A page that is being filled."""

    def __init__(self, width: float, height: float) -> None:
        self.width = width
        self.height = height
        self.marks: list[Mark] = []

    def text(
        self,
        x: float,
        y: float,
        size: float,
        text: str,
        *,
        within: float,
        align: Align = "left",
        strong: bool = False,
        smallest: float | None = None,
    ) -> None:
        """One line whose top is at `y`, in a place `within` wide that begins at `x`."""
        text = readable(text)
        if not text:
            return
        wide = typeface().width(text, 1)
        chosen = min(size, max(within / wide, smallest or size * 0.6)) if wide else size
        text = shortened(text, within / chosen)
        spare = within - typeface().width(text, chosen)
        shift = {"left": 0.0, "right": spare, "middle": spare / 2}[align]
        self.marks.append(Text(x + shift, y + _ASCENT * size, chosen, text, strong))

    def block(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        paragraphs: Sequence[Paragraph],
        size: float,
        smallest: float = 1.5,
    ) -> float:
        """Paragraphs under each other, as large as they fit up to `size`. Gives where they end."""
        told = [p._replace(text=text) for p in paragraphs if (text := readable(p.text))]
        while True:
            lines = [
                (line, p.scale * size, p.strong)
                for p in told
                for line in wrapped(p.text, width / (p.scale * size))
            ]
            if size <= smallest or sum(each for _, each, _ in lines) * LEADING <= height:
                break
            size = max(smallest, size * SHRINK)
        return self._put(x, y, width, height, lines)

    def _put(
        self, x: float, y: float, width: float, height: float, lines: Sequence[tuple[str, float, bool]]
    ) -> float:
        bottom = y + height
        for place, (line, size, strong) in enumerate(lines):
            following = lines[place + 1][1] if place + 1 < len(lines) else 0.0
            last = y + (size + following) * LEADING > bottom + 0.01
            if last and following:
                line = shortened(line + " …" * 2, width / size)
            self.marks.append(Text(x, y + _ASCENT * size, size, line, strong))
            y += size * LEADING
            if last:
                break
        return y

    def area(self, x: float, y: float, width: float, height: float) -> None:
        """A black rectangle."""
        self.marks.append(Area(x, y, width, height))

    def frame(self, x: float, y: float, width: float, height: float, thick: float = 0.2) -> None:
        """Four lines inside of a rectangle's edges."""
        self.area(x, y, width, thick)
        self.area(x, y + height - thick, width, thick)
        self.area(x, y, thick, height)
        self.area(x + width - thick, y, thick, height)

    def tick(self, x: float, y: float, side: float, ticked: bool) -> None:
        """A box to tick, with an X in it or not."""
        self.frame(x, y, side, side)
        if ticked:
            self.text(x, y, side, "X", within=side, align="middle", strong=True)

    def bars(
        self, x: float, y: float, width: float, height: float, text: str, *, widest: float = 0.5
    ) -> bool:
        """Code 128 in the middle of a place, quiet zones included. False if the text cannot be read so: it is
        no ASCII, or its bars would be thinner than 0.25 mm."""
        if not code128.can_encode(text):
            return False
        modules = code128.symbol(text).modules
        steps = min(int(width / STEP / (modules + 2 * code128.QUIET)), round(widest / STEP))
        if steps < 2:
            return False
        module = steps * STEP
        left = x + (width - modules * module) / 2
        self.marks.append(Bars(round(left / STEP) * STEP, y, module, height, text))
        return True

    def square(self, x: float, y: float, side: float, text: str) -> bool:
        """QR in the middle of a place, quiet zone included. False if the text is too long for it."""
        symbol = qr(text)
        if symbol is None:
            return False
        steps = int(side / STEP / (symbol.modules + 2 * 4))
        if steps < 2:
            return False
        module = steps * STEP
        spare = (side - symbol.modules * module) / 2
        left, top = (round((at + spare) / STEP) * STEP for at in (x, y))
        self.marks.append(Square(left, top, module, text))
        return True


_HARD = re.compile(r"[\r\n]+")


def lines_of(text: str) -> list[str]:
    """The lines that somebody wrote, without empty ones."""
    return [line for part in _HARD.split(text) if (line := part.strip())]

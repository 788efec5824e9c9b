"""Parts that forms have in common: fields with a caption, tables that go on over pages, parties in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ulak.core.consignments import Party
from ulak.papers.labels import address
from ulak.papers.layout import LEADING, Align, Page, Paragraph, wrapped
from ulak.papers.typeface import readable

A4 = (210.0, 297.0)

CAPTION = 1.9
"""The size of captions, in mm."""

CELL = 2.7
"""The size of what stands in tables."""

_PAD = 1.0


def field(
    page: Page, x: float, y: float, width: float, height: float, caption: str, told: Sequence[Paragraph] | str
) -> None:
    """A framed place with its caption above what is told."""
    page.frame(x, y, width, height)
    inner = width - 2 * _PAD
    page.text(x + _PAD, y + 0.8, CAPTION, caption, within=inner)
    paragraphs = [Paragraph(told)] if isinstance(told, str) else told
    top = y + 0.8 + CAPTION * LEADING
    page.block(x + _PAD, top, inner, y + height - top - 0.4, paragraphs, 3.0, smallest=1.2)


def party_in_full(party: Party) -> list[Paragraph]:
    """With everything that customs may want to know of it."""
    told = address(party, country=True)
    if party.email:
        told.append(Paragraph(party.email))
    if party.tax_number:
        told.append(Paragraph(f"Vergi no / Tax no: {party.tax_number}"))
    return told


class Column(NamedTuple):
    """Captions have one line for each language."""

    captions: tuple[str, ...]
    width: float
    align: Align = "left"


class Table:
    """Columns at a place; rows are put where the caller says."""

    def __init__(self, x: float, columns: Sequence[Column], size: float = CELL) -> None:
        self._x = x
        self._columns = columns
        self._size = size
        self.width = sum(column.width for column in columns)

    def head(self, page: Page, y: float) -> float:
        """The captions. Gives where the first row begins."""
        lines = max(len(column.captions) for column in self._columns)
        height = lines * CAPTION * LEADING + 1.4
        at = self._x
        for column in self._columns:
            page.frame(at, y, column.width, height)
            for place, caption in enumerate(column.captions):
                top = y + 0.7 + place * CAPTION * LEADING
                page.text(at + _PAD, top, CAPTION, caption, within=column.width - 2 * _PAD, smallest=1.0)
            at += column.width
        return y + height

    def height(self, cells: Sequence[str], most: float) -> float:
        """What a row needs for all lines of its texts, at most `most`."""
        line = self._size * LEADING
        lines = max(
            len(wrapped(readable(cell), (column.width - 2 * _PAD) / self._size))
            for column, cell in zip(self._columns, cells, strict=True)
            if column.align == "left"
        )
        return min(max(lines, 1) * line + 1.4, most)

    def row(self, page: Page, y: float, cells: Sequence[str], height: float) -> float:
        """Gives where the next row begins. Texts at the left wrap; those at the right are one line."""
        at = self._x
        for column, cell in zip(self._columns, cells, strict=True):
            page.frame(at, y, column.width, height, 0.1)
            inner = column.width - 2 * _PAD
            if column.align == "left":
                page.block(
                    at + _PAD, y + 0.7, inner, height - 0.9, [Paragraph(cell)], self._size, smallest=1.2
                )
            else:
                page.text(
                    at + _PAD, y + 0.7, self._size, cell, within=inner, align=column.align, smallest=1.0
                )
            at += column.width
        return y + height


def numbered(pages: Sequence[Page], x: float, y: float, width: float) -> None:
    """'Page 1 / 2' on every page, where there are several."""
    for place, page in enumerate(pages, 1):
        if len(pages) > 1:
            page.text(x, y, 2.6, f"Page {place} / {len(pages)}", within=width, align="right")

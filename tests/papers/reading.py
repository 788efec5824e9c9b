"""Reads papers as people and scanners do: rendered pages, decoded barcodes, extracted text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pypdfium2  # type: ignore[import-untyped, unused-ignore]
import zxingcpp

DPI = 203
"""Of the common thermal printer."""

CODE_128 = zxingcpp.BarcodeFormat.Code128
QR = zxingcpp.BarcodeFormat.QRCode


@contextmanager
def opened(content: bytes) -> Iterator[Any]:
    """The document."""
    document = pypdfium2.PdfDocument(content)
    try:
        yield document
    finally:
        document.close()


def image_of(content: bytes, page: int = 0) -> Any:
    """A page as it leaves the printer."""
    with opened(content) as document:
        return document[page].render(scale=DPI / 72).to_pil().convert("L")


def codes_in(image: Any) -> set[tuple[Any, str]]:
    """What a scanner sees."""
    return {(code.format, code.text) for code in zxingcpp.read_barcodes(image)}


def text_of(content: bytes) -> str:
    """All text of all pages, line after line."""
    with opened(content) as document:
        return "\n".join(
            document[page].get_textpage().get_text_bounded().replace("\r\n", "\n")
            for page in range(len(document))
        )


def sizes_of(content: bytes) -> list[tuple[float, float]]:
    """The pages' sizes in mm."""
    with opened(content) as document:
        sizes = [document[page].get_size() for page in range(len(document))]
        return [(round(width * 25.4 / 72, 2), round(height * 25.4 / 72, 2)) for width, height in sizes]


def all_inside(content: bytes, margin: float = 2.0) -> bool:
    """Whether every character of every page keeps so many mm from the edges."""
    least = margin * 72 / 25.4
    with opened(content) as document:
        for page in range(len(document)):
            width, height = document[page].get_size()
            text = document[page].get_textpage()
            for place in range(text.count_chars()):
                left, bottom, right, top = text.get_charbox(place)
                if left < least or bottom < least or right > width - least or top > height - least:
                    return False
    return True

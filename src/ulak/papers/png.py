"""Labels as PNG, in black and white, a pixel for every dot of a printer."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from ulak.papers import code128
from ulak.papers.layout import Area, Bars, Page, Square, Text
from ulak.papers.qr import qr
from ulak.papers.typeface import PATH


@lru_cache(maxsize=64)
def _font(pixels: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(PATH, pixels, layout_engine=ImageFont.Layout.BASIC)


def png(page: Page, dots: int = 8) -> bytes:
    """The page with so many dots per millimetre."""
    image = Image.new("1", (round(page.width * dots), round(page.height * dots)), 1)
    draw = ImageDraw.Draw(image)
    for mark in page.marks:
        if isinstance(mark, Text):
            place = (round(mark.x * dots), round(mark.y * dots))
            stroke = 0.5 if mark.strong else 0
            font = _font(max(1, int(mark.size * dots)))
            draw.text(place, mark.text, 0, font, anchor="ls", stroke_width=stroke)
        else:
            _fill(draw, mark, dots)
    output = BytesIO()
    inch = 25.4 * dots
    image.save(output, "PNG", dpi=(inch, inch))
    return output.getvalue()


def _fill(draw: ImageDraw.ImageDraw, mark: Area | Bars | Square, dots: int) -> None:
    x, y = round(mark.x * dots), round(mark.y * dots)
    if isinstance(mark, Area):
        _rectangle(draw, x, y, max(1, round(mark.width * dots)), max(1, round(mark.height * dots)))
        return
    module = int(mark.module * dots)
    if isinstance(mark, Bars):
        for at, width in code128.symbol(mark.text).bars:
            _rectangle(draw, x + at * module, y, width * module, round(mark.height * dots))
        return
    symbol = qr(mark.text)
    for column, row, length in symbol.runs if symbol else ():
        _rectangle(draw, x + column * module, y + row * module, length * module, module)


def _rectangle(draw: ImageDraw.ImageDraw, x: int, y: int, width: int, height: int) -> None:
    draw.rectangle((x, y, x + width - 1, y + height - 1), 0)

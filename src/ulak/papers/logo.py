"""A carrier's picture, where it has none of its own: its initial on a colour made from its name."""

from __future__ import annotations

from colorsys import hls_to_rgb
from functools import lru_cache
from hashlib import sha256
from io import BytesIO

from ulak.papers.typeface import PATH, readable

SIDE = 128
"""Pixels."""

MIME = "image/png"


@lru_cache(maxsize=256)
def logo(name: str) -> bytes:
    """A PNG of 128 × 128 pixels. The same name has the same bytes."""
    from PIL import Image, ImageDraw, ImageFont

    shown = readable(name)
    initial = next((sign for sign in shown if sign.isalnum()), "?")
    initial = "İ" if initial == "i" else initial.upper()[:1]
    hue = int.from_bytes(sha256(name.encode(errors="replace")).digest()[:2], "big") / 65536
    colour = tuple(round(255 * part) for part in hls_to_rgb(hue, 0.36, 0.6))
    image = Image.new("RGB", (SIDE, SIDE), colour)
    font = ImageFont.truetype(PATH, 84, layout_engine=ImageFont.Layout.BASIC)
    draw = ImageDraw.Draw(image)
    draw.text((SIDE / 2, SIDE / 2), initial, "white", font, anchor="mm", stroke_width=1.5)
    output = BytesIO()
    image.quantize(64).save(output, "PNG", optimize=True)
    return output.getvalue()

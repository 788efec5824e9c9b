"""The typeface of all papers: its characters, how wide they are, and a font file of just some of them.

It is DejaVu Sans Condensed, cut down (fonts/README.md): Latin, Greek and Cyrillic letters. Nothing here needs
a library, and a font file of the characters of one page is made in a fraction of a millisecond, because the
outlines are only copied.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import accumulate, pairwise
from pathlib import Path
from struct import Struct, pack, unpack_from

PATH = Path(__file__).parent / "fonts" / "DejaVuSansCondensed.ttf"
NAME = "DejaVuSansCondensed"

_RECORD = Struct(">4s3I")  # of the table directory: tag, checksum, offset, length
_RANGE = Struct(">3I")  # of the character map: first, last, glyph of the first

_BLANK = frozenset(("Cc", "Zs", "Zl", "Zp"))
_UNSEEN = frozenset(("Cf", "Mn", "Me"))


class Typeface:
    """A TrueType font whose glyphs are all outlines and whose character map is one list of ranges."""

    def __init__(self, content: bytes) -> None:
        count = unpack_from(">H", content, 4)[0]
        self._tables = {
            record[0]: content[record[2] : record[2] + record[3]]
            for record in _RECORD.iter_unpack(content[12 : 12 + 16 * count])
        }
        head, hhea = self._tables[b"head"], self._tables[b"hhea"]
        self._unit: float = 1 / unpack_from(">H", head, 18)[0]
        self.box = tuple(round(1000 * self._unit * value) for value in unpack_from(">4h", head, 36))
        """The corners that all glyphs stay inside of, in thousandths of the size."""
        self.ascent, self.descent = (1000 * self._unit * value for value in unpack_from(">2h", hhea, 4))
        self.glyphs = self._character_map()
        self._metrics = self._horizontal_metrics()
        self._outlines = self._padded_outlines()
        self._widths = {code: self._metrics[glyph][0] for code, glyph in self.glyphs.items()}

    def _character_map(self) -> dict[str, int]:
        table = self._tables[b"cmap"]
        start = unpack_from(">I", table, 8)[0]
        count = unpack_from(">I", table, start + 12)[0]
        ranges = _RANGE.iter_unpack(table[start + 16 : start + 16 + 12 * count])
        return {
            chr(code): glyph + code - first
            for first, last, glyph in ranges
            for code in range(first, last + 1)
        }

    def _horizontal_metrics(self) -> list[tuple[int, ...]]:
        """Advance and left side bearing of each glyph; the last ones share an advance."""
        table, glyphs = self._tables[b"hmtx"], unpack_from(">H", self._tables[b"maxp"], 4)[0]
        full = unpack_from(">H", self._tables[b"hhea"], 34)[0]
        found = [unpack_from(">Hh", table, 4 * glyph) for glyph in range(full)]
        bearings = unpack_from(f">{glyphs - full}h", table, 4 * full)
        return [*found, *((found[-1][0], bearing) for bearing in bearings)]

    def _padded_outlines(self) -> list[bytes]:
        table, count = self._tables[b"glyf"], len(self._metrics) + 1
        if unpack_from(">h", self._tables[b"head"], 50)[0]:
            offsets = unpack_from(f">{count}I", self._tables[b"loca"])
        else:
            offsets = tuple(2 * half for half in unpack_from(f">{count}H", self._tables[b"loca"]))
        return [table[first:last] + bytes(-(last - first) % 4) for first, last in pairwise(offsets)]

    def width(self, text: str, size: float) -> float:
        """How wide a text is, in the unit of the size."""
        widths = self._widths
        return sum([widths.get(character, 0) for character in text]) * self._unit * size

    def advance(self, glyph: int) -> int:
        """How wide a glyph is, in thousandths of the size."""
        return round(1000 * self._unit * self._metrics[glyph][0])

    def file_of(self, glyphs: Sequence[int]) -> bytes:
        """A TrueType font of these glyphs, numbered in this order. It has no character map."""
        outlines = [self._outlines[glyph] for glyph in glyphs]
        offsets = [0, *accumulate(map(len, outlines))]
        metrics = [number & 0xFFFF for glyph in glyphs for number in self._metrics[glyph]]
        head, hhea, maxp = (self._tables[tag] for tag in (b"head", b"hhea", b"maxp"))
        return _assembled(
            {
                b"glyf": b"".join(outlines),
                b"head": head[:8] + bytes(4) + head[12:50] + b"\0\1" + head[52:54],
                b"hhea": hhea[:34] + pack(">H", len(glyphs)),
                b"hmtx": pack(f">{len(metrics)}H", *metrics),
                b"loca": pack(f">{len(offsets)}I", *offsets),
                b"maxp": maxp[:4] + pack(">H", len(glyphs)) + maxp[6:],
            }
        )


def _assembled(tables: dict[bytes, bytes]) -> bytes:
    """A font file; `tables` are in the order of their tags, and the head has no checksum of the whole yet."""
    count = len(tables)
    power = count.bit_length() - 1
    at = 12 + 16 * count
    directory = [pack(">I4H", 0x00010000, count, 16 << power, power, 16 * (count - (1 << power)))]
    content, sums, head = [], 0, 0
    for tag, table in tables.items():
        padded = table + bytes(-len(table) % 4)
        check = sum(unpack_from(f">{len(padded) // 4}I", padded)) & 0xFFFFFFFF
        directory.append(_RECORD.pack(tag, check, at, len(table)))
        sums, head = sums + check, at if tag == b"head" else head
        content.append(padded)
        at += len(padded)
    top = b"".join(directory)
    sums += sum(unpack_from(f">{len(top) // 4}I", top))
    whole = bytearray(top + b"".join(content))
    whole[head + 8 : head + 12] = pack(">I", (0xB1B0AFBA - sums) & 0xFFFFFFFF)
    return bytes(whole)


@cache
def typeface() -> Typeface:
    """The one there is."""
    return Typeface(PATH.read_bytes())


@lru_cache(maxsize=4096)
def readable(text: str) -> str:
    """The text in characters that the typeface has, on one line.

    What is missing becomes its nearest plain form (a full-width A an A), else a question mark, so that nobody
    takes an empty box for a letter. Signs without a shape of their own are left out.
    """
    known = typeface().glyphs
    if not all(map(known.__contains__, text)):
        text = "".join(map(_nearest, unicodedata.normalize("NFC", text)))
    return " ".join(text.split())


@lru_cache(maxsize=4096)
def _nearest(character: str) -> str:
    known = typeface().glyphs
    if character in known:
        return character
    category = unicodedata.category(character)
    if category in _BLANK:
        return " "
    if category in _UNSEEN:
        return ""
    plain = unicodedata.normalize("NFKD", character)
    return "".join(c for c in plain if c in known) or "?"

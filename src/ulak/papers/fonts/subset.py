"""Cuts the font down to the characters of characters.txt and lays it out for quick embedding.

Run it by hand where fontTools is installed, with the path of the DejaVu font that is to be cut:

    python subset.py DejaVuSansCondensed.ttf

Hints, kerning and layout tables go. Glyphs made of other glyphs become outlines of their own, and the
character map is a list of ranges, so that `ulak.papers.typeface` needs no more than to copy outlines.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULT = HERE / "DejaVuSansCondensed.ttf"
TABLES = ("cmap", "glyf", "head", "hhea", "hmtx", "loca", "maxp", "name", "OS/2", "post")


def cut(source: str) -> None:
    """Write the cut font beside this file."""
    from fontTools.subset import Options, Subsetter  # type: ignore[import-not-found, unused-ignore]
    from fontTools.ttLib import TTFont  # type: ignore[import-not-found, unused-ignore]

    font = TTFont(source, recalcTimestamp=False)
    options = Options(hinting=False, layout_features=[], glyph_names=False, notdef_outline=True)
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=_characters())
    subsetter.subset(font)
    _unfold(font)
    _list_ranges(font)
    for tag in set(font.keys()) - {*TABLES, "GlyphOrder"}:
        del font[tag]
    font.save(RESULT)


def _characters() -> list[int]:
    found: list[int] = []
    for line in (HERE / "characters.txt").read_text().split():
        first, _, last = line.partition("-")
        found += range(int(first, 16), int(last or first, 16) + 1)
    return found


def _unfold(font: Any) -> None:
    """Glyphs made of other glyphs become outlines."""
    from fontTools.pens.recordingPen import DecomposingRecordingPen  # type: ignore[import-not-found, unused-ignore]
    from fontTools.pens.ttGlyphPen import TTGlyphPen  # type: ignore[import-not-found, unused-ignore]

    glyphs = font.getGlyphSet()
    for name in font.getGlyphOrder():
        if font["glyf"][name].isComposite():
            recorded, outline = DecomposingRecordingPen(glyphs), TTGlyphPen(None)
            glyphs[name].draw(recorded)
            recorded.replay(outline)
            font["glyf"][name] = outline.glyph()


def _list_ranges(font: Any) -> None:
    """The character map becomes one table of format 12."""
    from fontTools.ttLib.tables._c_m_a_p import CmapSubtable  # type: ignore[import-not-found, unused-ignore]

    table = CmapSubtable.newSubtable(12)
    table.platformID, table.platEncID, table.language = 3, 10, 0
    table.cmap = font.getBestCmap()
    font["cmap"].tables = [table]


if __name__ == "__main__":
    cut(sys.argv[1])

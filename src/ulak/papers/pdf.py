"""Pages as PDF, with reportlab and the typeface of the papers embedded.

reportlab has a way of its own to embed a TrueType font. It takes three times as long as everything else on a
label, so `_Embedded` does that part: the characters of the document only, numbered as they come.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from io import BytesIO
from typing import Any
from weakref import WeakKeyDictionary

from reportlab import rl_config  # type: ignore[import-untyped, unused-ignore]
from reportlab.pdfbase import pdfmetrics  # type: ignore[import-untyped, unused-ignore]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped, unused-ignore]

from ulak.papers import code128
from ulak.papers.layout import POINT, Area, Bars, Page, Square, Text
from ulak.papers.qr import qr
from ulak.papers.typeface import NAME, typeface

_FONT = "Ulak"
_ON_PAGE = "FU"
"""The font's name for reportlab, and in the operators of a page."""

_STROKE = 0.028
"""How much thicker the lines of strong text are, in sizes."""

_COMPRESSION = 6

_DESCRIPTOR = (
    "<< /Type /FontDescriptor /FontName /{name} /Flags 4 /FontBBox [{box}] /ItalicAngle 0"
    " /Ascent {ascent:.0f} /Descent {descent:.0f} /CapHeight 729 /StemV 80 /FontFile2 {file} >>"
)
_GLYPHS = (
    "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /{name} /CIDToGIDMap /Identity"
    " /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >>"
    " /FontDescriptor {descriptor} /DW 0 /W [0 [{widths}]] >>"
)
_TYPE = (
    "<< /Type /Font /Subtype /Type0 /BaseFont /{name} /Encoding /Identity-H /DescendantFonts [{glyphs}]"
    " /ToUnicode {unicode} >>"
)
_TO_UNICODE = """/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <FFFF>
endcodespacerange
{}
endcmap
CMapName currentdict /CMap defineresource pop
end
end
"""
_PER_LIST = 100
"""A list of characters may not be longer (Adobe's CMap specification)."""


class _Face:
    """What reportlab asks of a font's face."""

    name = NAME.encode()
    builtIn = 0


class _Embedded:
    """The typeface as reportlab knows fonts: one that learns its characters while a document is made."""

    _multiByte = 1
    _dynamicFont = 1
    fontName = _FONT
    face = _Face()

    def __init__(self) -> None:
        self._codes: WeakKeyDictionary[Any, dict[str, int]] = WeakKeyDictionary()

    def codes(self, doc: Any) -> dict[str, int]:
        """The numbers of the characters in a new document, to be added to; 0 is for what is missing."""
        doc.fontMapping[_FONT] = f"/{_ON_PAGE}"
        doc.delayedFonts.append(self)
        return self._codes.setdefault(doc, {"": 0})

    def addObjects(self, doc: Any) -> None:
        """Called when all text is known."""
        face, codes = typeface(), self._codes.pop(doc)
        glyphs = [face.glyphs.get(character, 0) for character in codes]
        name = "ULAKAA+" + NAME

        def add(role: str, content: bytes) -> str:
            reference = doc.Reference(content, f"{_FONT}:{role}")
            written: bytes = reference.format(doc)
            return written.decode()

        program = face.file_of(glyphs)
        descriptor = _DESCRIPTOR.format(
            name=name,
            box=" ".join(map(str, face.box)),
            ascent=face.ascent,
            descent=face.descent,
            file=add("file", _stream(program, f"/Length1 {len(program)}")),
        )
        descendant = _GLYPHS.format(
            name=name,
            descriptor=add("descriptor", descriptor.encode()),
            widths=" ".join(str(face.advance(glyph)) for glyph in glyphs),
        )
        font = _TYPE.format(
            name=name,
            glyphs=add("glyphs", descendant.encode()),
            unicode=add("unicode", _stream(_to_unicode(codes), "")),
        )
        doc.idToObject["BasicFonts"].dict[_ON_PAGE] = doc.Reference(font.encode(), f"{_FONT}:font")


def _stream(content: bytes, more: str) -> bytes:
    packed = zlib.compress(content, _COMPRESSION)
    return (
        f"<< /Filter /FlateDecode /Length {len(packed)} {more} >>\nstream\n".encode()
        + packed
        + b"\nendstream"
    )


def _to_unicode(codes: dict[str, int]) -> bytes:
    """Which character a code stands for, so that text can be searched and copied."""
    told = [f"<{code:04X}> <{ord(character):04X}>" for character, code in codes.items() if character]
    lists = (told[at : at + _PER_LIST] for at in range(0, len(told), _PER_LIST))
    parts = (f"{len(part)} beginbfchar\n" + "\n".join(part) + "\nendbfchar" for part in lists)
    return _TO_UNICODE.format("\n".join(parts)).encode()


@cache
def _font() -> _Embedded:
    """The one there is, registered."""
    rl_config.useA85 = 0  # streams stay binary: a fifth smaller, and quicker
    font = _Embedded()
    pdfmetrics.registerFont(font)
    return font


def pdf(pages: Sequence[Page], title: str) -> bytes:
    """The pages as one document. The same pages give the same bytes."""
    font = _font()
    output = BytesIO()
    first = pages[0]
    canvas = Canvas(
        output,
        pagesize=(first.width / POINT, first.height / POINT),
        pageCompression=1,
        invariant=1,
        initialFontName=_FONT,
    )
    canvas.setTitle(title)
    codes = font.codes(canvas._doc)
    for page in pages:
        shapes = [_shape(mark, page.height) for mark in page.marks if not isinstance(mark, Text)]
        texts = [mark for mark in page.marks if isinstance(mark, Text)]
        canvas.addLiteral("\n".join([*shapes, *_written(texts, page.height, codes)]))
        canvas.showPage()
    canvas.save()
    return output.getvalue()


def _written(texts: Iterable[Text], height: float, codes: dict[str, int]) -> Iterator[str]:
    """Operators that write the texts. Strong ones are outlined as well as filled."""
    size, strong = 0.0, False
    yield "BT"
    for text in texts:
        if (text.size, text.strong) != (size, strong):
            size, strong = text.size, text.strong
            stroke = f"2 Tr {_STROKE * size / POINT:.3f} w" if strong else "0 Tr"
            yield f"/{_ON_PAGE} {size / POINT:.3f} Tf {stroke}"
        drawn = "".join([f"{codes.setdefault(character, len(codes)):04X}" for character in text.text])
        yield f"1 0 0 1 {text.x / POINT:.3f} {(height - text.y) / POINT:.3f} Tm <{drawn}> Tj"
    yield "ET"


def _shape(mark: Area | Bars | Square, height: float) -> str:
    """Operators that fill one path. Bars and squares are drawn in modules, so all numbers are short."""
    if isinstance(mark, Area):
        rectangle = (mark.x, height - mark.y - mark.height, mark.width, mark.height)
        return " ".join(f"{length / POINT:.3f}" for length in rectangle) + " re f"
    if isinstance(mark, Bars):
        bars = " ".join(f"{at} 0 {width} 1 re" for at, width in code128.symbol(mark.text).bars)
        return _in_modules(mark.x, mark.y, mark.module, mark.height, height, bars)
    symbol = qr(mark.text)
    runs = "" if symbol is None else " ".join(f"{x} {-y} {length} -1 re" for x, y, length in symbol.runs)
    return _in_modules(mark.x, mark.y, mark.module, 0.0, height, runs)


def _in_modules(x: float, y: float, module: float, tall: float, height: float, path: str) -> str:
    """`tall` bars stand on a baseline of their own; rows of a square hang from its top."""
    scale = (module / POINT, (tall or module) / POINT, x / POINT, (height - y - tall) / POINT)
    matrix = "{:.4f} 0 0 {:.4f} {:.4f} {:.4f}".format(*scale)
    return f"q {matrix} cm {path} f Q"

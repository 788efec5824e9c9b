"""The typeface: every letter it promises, and what becomes of those it does not have."""

from __future__ import annotations

import unicodedata
from struct import unpack

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw, ImageFont
from tests.papers.reading import image_of

from ulak.papers.layout import Page, Paragraph, Text, shortened, wrapped
from ulak.papers.pdf import pdf
from ulak.papers.typeface import PATH, readable, typeface


def test_the_font_has_what_its_list_says() -> None:
    listed = set()
    for line in (PATH.parent / "characters.txt").read_text().split():
        first, _, last = line.partition("-")
        listed |= set(map(chr, range(int(first, 16), int(last or first, 16) + 1)))
    assert typeface().glyphs.keys() == listed
    assert set("ĞÜŞİÖÇğüşıöçÂâÎîÛû₺€") <= listed
    assert (PATH.parent / "LICENSE.txt").read_text().startswith("Copyright (c) 2003 by Bitstream")


def test_widths_are_the_fonts() -> None:
    font = ImageFont.truetype(PATH, 2048, layout_engine=ImageFont.Layout.BASIC)
    for text in ("ĞÜŞİÖÇğüşıöç", "Wi", "Kuzey Depo 4/A", "Жанна"):
        assert abs(typeface().width(text, 2048) - font.getlength(text)) <= len(text)


def test_a_part_of_the_font_draws_as_the_whole() -> None:
    """What a document embeds, beside the same letters drawn with the font as it is."""
    letters, size, dots = "ĞşİÇıWg8₺Ж", 14.0, 203 / 25.4
    page = Page(150, 40)
    page.text(10, 10, size, letters, within=130)
    embedded = image_of(pdf([page], "letters")).point(lambda grey: 255 * (grey > 127))
    (mark,) = page.marks
    assert isinstance(mark, Text)
    assert mark.text == letters
    drawn = Image.new("L", embedded.size, 255)
    font = ImageFont.truetype(PATH, mark.size * dots, layout_engine=ImageFont.Layout.BASIC)
    for place, letter in enumerate(letters):
        x = mark.x + typeface().width(letters[:place], mark.size)
        ImageDraw.Draw(drawn).text((x * dots, mark.y * dots), letter, 0, font, anchor="ls")
    drawn = drawn.point(lambda grey: 255 * (grey > 127))
    ink = drawn.histogram()[0]
    assert ImageChops.difference(embedded, drawn).histogram()[255] < ink / 10, "but for its edges"


def test_an_embedded_part_has_no_more_than_it_needs() -> None:
    face = typeface()
    part = face.file_of([0, *(face.glyphs[letter] for letter in "Ğşİ")])
    tags = {part[at : at + 4] for at in range(12, 12 + 16 * 6, 16)}
    assert tags == {b"glyf", b"head", b"hhea", b"hmtx", b"loca", b"maxp"}
    assert len(part) < 1_500
    total = sum(unpack(f">{len(part) // 4}I", part)) & 0xFFFFFFFF
    assert total == 0xB1B0AFBA, "the checksum of a whole font file"


@given(st.text(max_size=80))
def test_readable_text_is_in_the_font_and_on_one_line(text: str) -> None:
    shown = readable(text)
    assert set(shown) <= typeface().glyphs.keys()
    assert shown == readable(shown)
    assert " ".join(shown.split()) == shown


@given(st.text(st.sampled_from(sorted(typeface().glyphs)), max_size=40))
def test_what_the_font_has_is_left_alone(text: str) -> None:
    assert readable(text) == " ".join(text.split())


def test_letters_in_two_parts_become_one() -> None:
    letters = "ĞÜŞİÖÇğüşıöçÂâ"
    assert readable(unicodedata.normalize("NFD", letters)) == letters


@given(st.text(max_size=200), st.floats(2.0, 60.0))
def test_lines_are_no_wider_than_their_place(text: str, limit: float) -> None:
    lines = wrapped(readable(text), limit)
    assert all(typeface().width(line, 1) <= limit + 1e-9 for line in lines)
    assert "".join(lines).replace(" ", "") == readable(text).replace(" ", "")
    assert typeface().width(shortened(readable(text), limit), 1) <= limit + 1e-9


@given(st.text(st.sampled_from("ĞWil. "), min_size=1, max_size=40), st.floats(1.0, 200.0))
def test_one_line_is_cut_only_where_shrinking_is_not_enough(text: str, within: float) -> None:
    page = Page(210, 297)
    page.text(5, 5, 4.0, text, within=within, align="right", smallest=2.0)
    for mark in page.marks:
        assert isinstance(mark, Text)
        assert 2.0 <= mark.size <= 4.0
        assert mark.x + typeface().width(mark.text, mark.size) <= 5 + within + 1e-6
        assert mark.x >= 5 - 1e-6 or mark.text == "…"
        assert (mark.text == readable(text)) == (typeface().width(readable(text), 2.0) <= within + 1e-6)


@given(st.lists(st.text(max_size=120), max_size=8), st.floats(5.0, 60.0), st.floats(5.0, 60.0))
def test_blocks_stay_inside_their_place(texts: list[str], width: float, height: float) -> None:
    page = Page(100, 150)
    page.block(10, 20, width, height, [Paragraph(text) for text in texts], 4.0)
    for mark in page.marks:
        assert isinstance(mark, Text)
        assert mark.x + typeface().width(mark.text, mark.size) <= 10 + width + 1e-6
        assert mark.y + 0.24 * mark.size <= 20 + height + 0.1

"""Code 128 and QR: what is drawn is what was meant, and takes no more room than it must."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.papers.reading import CODE_128, QR, codes_in

from ulak.papers.code128 import QUIET, can_encode, pieces, symbol
from ulak.papers.qr import qr

printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=24)
codes = st.one_of(printable, st.from_regex(r"[A-Z]{0,3}[0-9]{1,14}[A-Z]{0,2}", fullmatch=True))


def drawn(text: str) -> Image.Image:
    """The bars alone, two pixels a module."""
    bars, modules = symbol(text)
    image = Image.new("L", (2 * (modules + 2 * QUIET), 60), 255)
    for at, width in bars:
        image.paste(0, (2 * (QUIET + at), 5, 2 * (QUIET + at + width), 55))
    return image


@settings(max_examples=60, deadline=None)
@given(codes)
def test_bars_are_read_back(text: str) -> None:
    assert codes_in(drawn(text)) == {(CODE_128, text)}


@settings(max_examples=60, deadline=None)
@given(st.one_of(codes, st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)))
def test_squares_are_read_back(text: str) -> None:
    symbol = qr(text)
    assert symbol is not None
    image = Image.new("L", (4 * (symbol.modules + 8),) * 2, 255)
    for column, row, length in symbol.runs:
        left, top = 4 * (column + 4), 4 * (row + 4)
        image.paste(0, (left, top, left + 4 * length, top + 4))
    found = codes_in(image)
    assert {format for format, _ in found} == {QR}
    if text.isascii():
        assert found == {(QR, text)}


def test_nothing_is_too_long_to_be_asked_for() -> None:
    assert qr("x" * 5000) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C2H40516273849", [("B", "C2H4"), ("C", "0516273849")]),
        ("RR123456785TR", [("B", "RR1"), ("C", "23456785"), ("B", "TR")]),
        ("1Z999AA10123456784", [("B", "1Z999AA1"), ("C", "0123456784")]),
        ("123456", [("C", "123456")]),
        ("12345", [("B", "1"), ("C", "2345")]),
        ("12345A", [("C", "1234"), ("B", "5A")]),
        ("12", [("C", "12")]),
        ("12A", [("B", "12A")]),
        ("A1234B", [("B", "A1234B")]),
    ],
)
def test_digits_go_in_pairs_where_it_is_worth_it(text: str, expected: list[tuple[str, str]]) -> None:
    assert pieces(text) == expected


@given(codes)
def test_pieces_make_the_whole_again(text: str) -> None:
    found = pieces(text)
    assert "".join(piece.text for piece in found) == text
    assert all(piece.text.isdigit() and len(piece.text) % 2 == 0 for piece in found if piece.code_set == "C")
    assert all(one.code_set != other.code_set for one, other in pairwise(found))


@given(codes)
def test_no_choice_of_one_code_set_is_shorter(text: str) -> None:
    assert symbol(text).modules <= 11 * (len(text) + 2) + 13


@pytest.mark.parametrize("text", ["", "ğ", "a\nb", "\x7f", "٣"])
def test_what_has_no_bars_is_refused(text: str) -> None:
    assert not can_encode(text)
    with pytest.raises(ValueError, match="Code 128"):
        symbol(text)

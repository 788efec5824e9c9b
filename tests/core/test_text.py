"""SMS text against hand-made tables, an independent codec, and its own rules."""

from __future__ import annotations

import gsmcodecs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulak.core.text import (
    Encoding,
    decode_gsm7,
    encode_gsm7,
    encoding_of,
    priced_parts,
    split,
    units,
    user_data_header,
)

GSM7, GSM7_TR, UCS2 = Encoding.GSM7, Encoding.GSM7_TR, Encoding.UCS2

EXTENSION = "\f^{}\\[~]|€"
TURKISH = "ĞİŞçğış"
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
FAMILY = "👨\u200d👩\u200d👧\u200d👦"  # 4 surrogate pairs and 3 joiners: 11 units
REFUSED = "can't encode|NUL is in no alphabet"
HIGH_SURROGATES = range(0xD8, 0xDC)
LOW_SURROGATES = range(0xDC, 0xE0)

in_gsm7 = st.text(alphabet=BASIC + EXTENSION, max_size=700)
in_gsm7_tr = st.text(alphabet=BASIC + EXTENSION + TURKISH, max_size=700)
in_anything = st.text(max_size=300)
bordered = st.builds(
    lambda before, seen, repeats: ("a" * before + seen) * repeats,
    before=st.integers(0, 160),
    seen=st.sampled_from(["€", "ş", "{}", "😀", FAMILY, "ж", "€ş😀"]),
    repeats=st.integers(1, 5),
)
texts = in_gsm7 | in_gsm7_tr | in_anything | bordered


@pytest.mark.parametrize(
    ("text", "encoding", "length"),
    [
        ("", GSM7, 0),
        (" ", GSM7, 1),
        ("Merhaba", GSM7, 7),
        ("@", GSM7, 1),
        ("£$¥", GSM7, 3),
        ("_", GSM7, 1),
        ("ΔΦΓΛΩΠΨΣΘΞ", GSM7, 10),
        ("ÄÖÑÜ§¿äöñüà", GSM7, 11),
        ("ÇÖÜöü", GSM7, 5),
        ("\n", GSM7, 1),
        ("\r", GSM7, 1),
        ("bir\r\niki", GSM7, 8),
        ("Ödeme: 5 TL", GSM7, 11),
        ("5 €", GSM7, 4),
        ("[x]", GSM7, 5),
        ("{}~^|\\", GSM7, 12),
        ("\f", GSM7, 2),
        ("a\fb", GSM7, 4),
        ("ç", GSM7_TR, 2),
        ("ğ", GSM7_TR, 2),
        ("ı", GSM7_TR, 2),
        ("ş", GSM7_TR, 2),
        ("Ğ", GSM7_TR, 2),
        ("İ", GSM7_TR, 2),
        ("Ş", GSM7_TR, 2),
        ("çğışĞİŞ", GSM7_TR, 14),
        ("ışık", GSM7_TR, 7),
        ("İyi günler", GSM7_TR, 11),
        ("Şu an 5 € [net]", GSM7_TR, 19),
        ("çÇ", GSM7_TR, 3),
        ("kâr", UCS2, 3),  # the circumflex of older spelling is in no table
        ("mîlî", UCS2, 4),
        ("ș", UCS2, 1),  # comma below, not cedilla
        ("c\u0327", UCS2, 2),  # NFD of ç
        ("i\u0307", UCS2, 2),  # what lower() makes of İ
        ("a\u00a0b", UCS2, 3),
        ("`", UCS2, 1),
        ("\u2019", UCS2, 1),
        ("\u2026", UCS2, 1),
        ("\u2013", UCS2, 1),
        ("₺", UCS2, 1),
        ("Ç", GSM7, 1),
        ("Α", UCS2, 1),  # Greek capital alpha looks like A
        ("ê", UCS2, 1),
        ("Привет", UCS2, 6),
        ("مرحبا", UCS2, 5),
        ("😀", UCS2, 2),
        ("ş😀", UCS2, 3),
        ("€😀", UCS2, 3),
        (FAMILY, UCS2, 11),
        ("🇹🇷", UCS2, 4),
        ("\U0010ffff", UCS2, 2),
        ("\uffff", UCS2, 1),
        ("\ufeff", UCS2, 1),
        ("\ufffe", UCS2, 1),
        ("\0", UCS2, 1),
        ("a\0", UCS2, 2),
        ("ş\0", UCS2, 2),
        ("\t", UCS2, 1),
        ("\x1b", UCS2, 1),
        ("\x1be", UCS2, 2),
        ("\x1f", UCS2, 1),
        ("\x7f", UCS2, 1),
        ("\x80", UCS2, 1),
        ("\u2028", UCS2, 1),
    ],
)
def test_alphabet_and_length(text: str, encoding: Encoding, length: int) -> None:
    assert encoding_of(text) is encoding
    assert units(text, encoding) == length


@pytest.mark.parametrize("character", EXTENSION)
def test_an_extension_character_is_two_units(character: str) -> None:
    assert encoding_of(character) is GSM7
    assert units(character, GSM7) == units(character, GSM7_TR) == 2
    assert encode_gsm7(character, False) == encode_gsm7(character, True)


@pytest.mark.parametrize(
    ("text", "turkish", "septets"),
    [
        ("", False, ""),
        ("@", False, "00"),
        ("@@", True, "0000"),
        ("A@Ξ", False, "41001a"),
        ("ÆÉ", False, "1c1f"),
        ("\f", False, "1b0a"),
        ("^", False, "1b14"),
        ("{", False, "1b28"),
        ("}", False, "1b29"),
        ("\\", False, "1b2f"),
        ("[", False, "1b3c"),
        ("~", False, "1b3d"),
        ("]", False, "1b3e"),
        ("|", False, "1b40"),
        ("€", False, "1b65"),
        ("Ğ", True, "1b47"),
        ("İ", True, "1b49"),
        ("Ş", True, "1b53"),
        ("ç", True, "1b63"),
        ("ğ", True, "1b67"),
        ("ı", True, "1b69"),
        ("ş", True, "1b73"),
        ("i€ı", True, "691b651b69"),
        ("à¿", True, "7f60"),
    ],
)
def test_septets(text: str, turkish: bool, septets: str) -> None:
    assert encode_gsm7(text, turkish) == bytes.fromhex(septets)
    assert decode_gsm7(bytes.fromhex(septets), turkish) == text


@pytest.mark.parametrize(
    ("septets", "turkish", "text"),
    [
        ("1b", False, " "),
        ("411b", True, "A "),
        ("1b1b", False, " "),
        ("1b1b65", False, " e"),
        ("1b1b1b65", False, " €"),
        ("1b1b1b", True, "  "),
        ("1b1b1b1b", True, "  "),
        ("1b41", False, "A"),
        ("1b00", True, "@"),
        ("1b0d", False, "\r"),
        ("1b69", False, "i"),
        ("1b69", True, "ı"),
        ("1b411b65411b", False, "A€A "),
    ],
)
def test_septets_without_a_symbol(septets: str, turkish: bool, text: str) -> None:
    assert decode_gsm7(bytes.fromhex(septets), turkish) == text


@pytest.mark.parametrize("octets", [b"\x80", b"abc\xff", b"\x1b\xe5"])
def test_an_octet_is_no_septet(octets: bytes) -> None:
    with pytest.raises(ValueError, match="0x7F"):
        decode_gsm7(octets, False)


@pytest.mark.parametrize("turkish", [False, True])
def test_encoding_agrees_with_another_codec(turkish: bool) -> None:
    """For every code point of the first plane, the surrogates too, which neither may encode."""
    oracle = gsmcodecs.Codec(0, int(turkish))
    wrong = []
    for point in range(0x10000):
        try:
            expected = oracle.encode(chr(point))[0]
        except ValueError:
            expected = None
        try:
            septets = encode_gsm7(chr(point), turkish)
        except ValueError:
            septets = None
        if septets != expected:
            wrong.append(hex(point))
    assert wrong == []


@pytest.mark.parametrize("turkish", [False, True])
def test_decoding_agrees_with_another_codec(turkish: bool) -> None:
    oracle = gsmcodecs.Codec(0, int(turkish))
    for septet in range(0x80):
        basic = " " if septet == 0x1B else oracle.decode(bytes([septet]))[0]
        assert decode_gsm7(bytes([septet]), turkish) == basic
        try:
            expected = oracle.decode(bytes([0x1B, septet]))[0]
        except ValueError:
            expected = basic  # 23.038: the character of the default alphabet
        assert decode_gsm7(bytes([0x1B, septet]), turkish) == expected


def test_alphabets_agree_with_another_codec() -> None:
    default, turkish = gsmcodecs.Codec(0, 0), gsmcodecs.Codec(0, 1)

    def fits(codec: gsmcodecs.Codec, character: str) -> bool:
        try:
            codec.encode(character)
        except ValueError:
            return False
        return True

    for point in [*range(0xD800), *range(0xE000, 0x10000)]:
        character = chr(point)
        expected = GSM7 if fits(default, character) else GSM7_TR if fits(turkish, character) else UCS2
        assert encoding_of(character) is expected, hex(point)


def of_length(encoding: Encoding, length: int) -> str:
    """A text of this many units that needs this alphabet."""
    return {GSM7: "a" * length, GSM7_TR: "ş" + "a" * (length - 2), UCS2: "ж" * length}[encoding]


TARIFF = {  # the longest text of 1, 2, … 7 parts beside an operator code of 5 units
    GSM7: (155, 301, 454, 607, 760, 913, 1066),
    GSM7_TR: (150, 293, 442, 591, 740, 889, 1038),
    UCS2: (65, 129, 196, 263, 330, 397, 464),
}


@pytest.mark.parametrize(
    ("encoding", "parts", "longest"),
    [(encoding, parts, size) for encoding in TARIFF for parts, size in enumerate(TARIFF[encoding], 1)],
)
def test_the_tariff_beside_the_operator_code(encoding: Encoding, parts: int, longest: int) -> None:
    assert priced_parts(of_length(encoding, longest), 5) == parts
    assert priced_parts(of_length(encoding, longest + 1), 5) == parts + 1


@pytest.mark.parametrize(
    ("encoding", "longest"),
    [(GSM7, (160, 306, 459)), (GSM7_TR, (155, 298, 447)), (UCS2, (70, 134, 201))],
)
def test_the_tariff_alone(encoding: Encoding, longest: tuple[int, ...]) -> None:
    for parts, size in enumerate(longest, 1):
        for length, expected in ((size, parts), (size + 1, parts + 1)):
            assert priced_parts(of_length(encoding, length)) == expected
            assert len(split(of_length(encoding, length), encoding)) == expected


@pytest.mark.parametrize(
    ("text", "suffix", "parts"),
    [
        ("", 0, 1),
        ("", 5, 1),
        ("", 161, 2),
        ("a" * 200, 5, 2),
        ("€" * 77, 5, 1),
        ("€" * 78, 5, 2),
        ("ş" * 75, 5, 1),
        ("ş" * 76, 5, 2),
        ("😀" * 32, 5, 1),
        ("😀" * 33, 5, 2),
        ("a" * 64 + "ж", 5, 1),
        ("a" * 65 + "ж", 5, 2),
    ],
)
def test_priced_parts(text: str, suffix: int, parts: int) -> None:
    assert priced_parts(text, suffix) == parts


@pytest.mark.parametrize(
    ("text", "wide", "lengths"),
    [
        ("", False, [0]),
        ("a" * 160, False, [160]),
        ("a" * 160, True, [160]),
        ("a" * 161, False, [153, 8]),
        ("a" * 161, True, [152, 9]),
        ("a" * 306, False, [153, 153]),
        ("a" * 306, True, [152, 152, 2]),
        ("a" * 158 + "€", False, [160]),
        ("a" * 159 + "€", False, [153, 8]),
        ("a" * 151 + "€" + "a" * 10, False, [153, 10]),
        ("a" * 152 + "€" + "a" * 10, False, [152, 12]),  # the escape would be septet 153
        ("a" * 153 + "€" + "a" * 10, False, [153, 12]),
        ("a" * 151 + "€" + "a" * 10, True, [151, 12]),
        ("ş" * 77, False, [154]),
        ("a" + "ş" * 77, False, [155]),
        ("ş" * 78, False, [148, 8]),
        ("a" + "ş" * 78, False, [149, 8]),
        ("ş" * 78, True, [148, 8]),
        ("a" + "ş" * 78, True, [147, 10]),
        ("ж" * 71, False, [67, 4]),
        ("ж" * 71, True, [66, 5]),
        ("😀" * 35, False, [70]),
        ("😀" * 36, False, [66, 6]),
        ("ж" + "😀" * 36, False, [67, 6]),
        ("ж" + "😀" * 36, True, [65, 8]),
        (FAMILY * 7, False, [66, 11]),
        ("ж" + FAMILY * 7, False, [67, 11]),
        ("жж" + FAMILY * 7, False, [66, 13]),  # the last child of the sixth would be units 67 and 68
        ("жжж" + FAMILY * 7, False, [67, 13]),  # a picture may be cut, a pair not
    ],
)
def test_segment_lengths(text: str, wide: bool, lengths: list[int]) -> None:
    encoding = encoding_of(text)
    octets_a_unit = 2 if encoding is UCS2 else 1
    segments = split(text, encoding, wide_reference=wide)
    assert [len(segment) // octets_a_unit for segment in segments] == lengths


@pytest.mark.parametrize(
    ("text", "priced", "sent"),
    [
        ("a" * 152 + "€" + "a" * 152, 2, 3),
        ("a" * 148 + "ş" + "a" * 148, 2, 3),
        ("ж" * 66 + "😀" + "ж" * 66, 2, 3),
    ],
)
def test_a_pair_on_a_border_can_cost_an_unpriced_segment(text: str, priced: int, sent: int) -> None:
    assert priced_parts(text) == priced
    assert len(split(text, encoding_of(text))) == sent


def test_a_text_can_be_split_in_a_wider_alphabet() -> None:
    assert split("abc", GSM7_TR) == [b"abc"]
    assert split("ab", UCS2) == [b"\0a\0b"]
    assert split("ş😀", UCS2) == [bytes.fromhex("015fd83dde00")]


@pytest.mark.parametrize(("text", "encoding"), [("ş", GSM7), ("😀", GSM7), ("😀", GSM7_TR), ("a\0", GSM7_TR)])
def test_a_narrower_alphabet_is_refused(text: str, encoding: Encoding) -> None:
    with pytest.raises(ValueError, match=REFUSED):
        split(text, encoding)
    with pytest.raises(ValueError, match=REFUSED):
        units(text, encoding)
    with pytest.raises(ValueError, match=REFUSED):
        encode_gsm7(text, encoding is GSM7_TR)


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\udc00\ud800", "ş\ud83d", chr(0xD83D) + chr(0xDE00)])
def test_a_lone_surrogate_is_refused_everywhere(text: str) -> None:
    with pytest.raises(ValueError, match=REFUSED):
        encoding_of(text)
    with pytest.raises(ValueError, match=REFUSED):
        priced_parts(text)
    for encoding in Encoding:
        with pytest.raises(ValueError, match=REFUSED):
            units(text, encoding)
        with pytest.raises(ValueError, match=REFUSED):
            split(text, encoding)


@pytest.mark.parametrize(
    ("encoding", "part", "total", "reference", "wide", "header"),
    [
        (GSM7, 1, 1, 0, False, ""),
        (UCS2, 1, 1, 0, True, ""),
        (UCS2, 1, 1, 99999, False, ""),  # unused, so not looked at
        (GSM7_TR, 1, 1, 77, False, "03240101"),
        (GSM7_TR, 1, 1, 77, True, "03240101"),
        (GSM7, 2, 3, 0x4D, False, "0500034d0302"),
        (UCS2, 7, 7, 0xFF, False, "050003ff0707"),
        (GSM7_TR, 2, 3, 0x4D, False, "0800034d0302240101"),
        (GSM7, 2, 3, 0x1234, True, "06080412340302"),
        (GSM7, 1, 255, 0xFFFF, True, "060804ffffff01"),
        (GSM7_TR, 2, 3, 0x0034, True, "09080400340302240101"),
    ],
)
def test_header(encoding: Encoding, part: int, total: int, reference: int, wide: bool, header: str) -> None:
    assert user_data_header(encoding, part, total, reference, wide_reference=wide) == bytes.fromhex(header)


@pytest.mark.parametrize(
    ("part", "total", "reference", "wide"),
    [
        (0, 1, 0, False),
        (0, 2, 0, False),
        (3, 2, 0, False),
        (1, 256, 0, False),
        (1, 2, 256, False),
        (1, 2, -1, False),
        (1, 2, 65536, True),
    ],
)
def test_a_header_that_cannot_be_written(part: int, total: int, reference: int, wide: bool) -> None:
    with pytest.raises(ValueError, match=r"cannot be numbered|does not fit"):
        user_data_header(GSM7, part, total, reference, wide_reference=wide)


@given(in_gsm7)
def test_default_septets_round_trip(text: str) -> None:
    assert encoding_of(text) is GSM7
    septets = encode_gsm7(text, False)
    assert decode_gsm7(septets, False) == text
    assert len(septets) == units(text, GSM7)


@given(in_gsm7_tr)
def test_turkish_septets_round_trip(text: str) -> None:
    septets = encode_gsm7(text, True)
    assert decode_gsm7(septets, True) == text
    assert len(septets) == units(text, GSM7_TR)
    assert encoding_of(text) is (GSM7_TR if set(text) & set(TURKISH) else GSM7)


@given(st.binary(max_size=40).map(lambda octets: bytes(octet & 0x7F for octet in octets)), st.booleans())
def test_whatever_septets_come_are_shown(septets: bytes, turkish: bool) -> None:
    shown, escaped = [], False
    for septet in septets:
        if not escaped and septet == 0x1B:
            escaped = True
            continue
        pair = bytes([0x1B, septet]) if escaped else bytes([septet])
        shown.append(decode_gsm7(pair, turkish))
        escaped = False
    assert decode_gsm7(septets, turkish) == "".join(shown) + " " * escaped


@given(texts, st.booleans())
def test_segments_join_to_the_text_and_fit(text: str, wide: bool) -> None:
    encoding = encoding_of(text)
    segments = split(text, encoding, wide_reference=wide)
    whole = b"".join(segments)
    shown = whole.decode("utf-16-be") if encoding is UCS2 else decode_gsm7(whole, encoding is GSM7_TR)
    assert shown == text
    assert all(segments) or not text
    total = len(segments)
    for part, segment in enumerate(segments, 1):
        header = user_data_header(encoding, part, total, 7, wide_reference=wide)
        if encoding is UCS2:
            assert len(header) + len(segment) <= 140
            assert segment[:1] == b"" or segment[0] not in LOW_SURROGATES
            assert segment[:1] == b"" or segment[-2] not in HIGH_SURROGATES
        else:
            assert -(-len(header) * 8 // 7) + len(segment) <= 160
            assert not segment.endswith(b"\x1b")


@given(texts)
def test_what_is_sent_is_at_least_what_is_priced(text: str) -> None:
    encoding = encoding_of(text)
    assert len(split(text, encoding)) >= priced_parts(text)
    assert priced_parts(text, 5) >= priced_parts(text)

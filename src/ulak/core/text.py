"""SMS text: which alphabet it needs, how long it is, and the octets of its segments.

Sources: 3GPP TS 23.038 (6.2.1 GSM 7-bit default alphabet, 6.2.1.1 its extension table, A.2.1 Turkish
National Language Single Shift Table) and 3GPP TS 23.040 (9.2.3.24 user data header). A segment holds 140
octets, its header included.

Nothing is converted on the way: a letter written as base and combining mark (NFD) is not the letter of the
alphabet, and makes the text UCS-2.

Every function that reads a text raises ValueError for a lone surrogate, which no alphabet can carry.
"""

from __future__ import annotations

import codecs
from enum import IntEnum


class Encoding(IntEnum):
    """The alphabet a text is sent in: the default one, the same with the Turkish single shift, or UTF-16BE.

    The Turkish table contains the whole extension table. The numbers are stored: they must not change.
    """

    GSM7 = 1
    GSM7_TR = 2
    UCS2 = 3


# Table 6.2.1 in the order of its codes. 0x1B is the escape; shown alone it is a space (note 1 of the table).
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = {
    "\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40,
    "€": 0x65,
}  # fmt: skip
_TURKISH = {"Ğ": 0x47, "İ": 0x49, "Ş": 0x53, "ç": 0x63, "ğ": 0x67, "ı": 0x69, "ş": 0x73}
_ESCAPE = 0x1B
_TWO_OCTETS = 0xC2

# Encoding is four calls into C instead of a loop over characters. First a charmap, as the 8-bit codecs of
# the standard library use it, gives one code a character: a basic character its septet, an escaped one 0x80 +
# its place in _SHIFTED. Read as Latin-1 and written as UTF-8, a code from 0x80 to 0xBF becomes the pair 0xC2,
# code, and a smaller one stays; then octets are renamed, 0xC2 to the escape and a code to its septet.
# `charmap_build` makes its fast kind of map only when code 0 means NUL. So "@" lives at 0x1B meanwhile, and a
# code 0 tells that the text has a NUL, which no table contains.
_SHIFTED = "".join(_EXTENSION) + "".join(_TURKISH)
_SHIFTED_CODES = bytes(range(0x80, 0x80 + len(_SHIFTED)))
_TURKISH_CODES = _SHIFTED_CODES[len(_EXTENSION) :]
_UNSHIFTED = "\0" + _BASIC[1:_ESCAPE] + "@" + _BASIC[_ESCAPE + 1 :]
_GSM7_MAP = codecs.charmap_build(_UNSHIFTED + "".join(_EXTENSION))
_GSM7_TR_MAP = codecs.charmap_build(_UNSHIFTED + _SHIFTED)
_TO_SEPTETS = bytes.maketrans(
    bytes([_ESCAPE, _TWO_OCTETS]) + _SHIFTED_CODES,
    bytes([0x00, _ESCAPE, *_EXTENSION.values(), *_TURKISH.values()]),
)


def _shown(shifted: dict[str, int]) -> str:
    """What each octet shows, once an escape and the septet after it have become 0x80 + that septet."""
    # 6.2.1.1: a code without a symbol shows the character of the default alphabet, a second escape a space,
    # which is what _BASIC has in its place.
    escaped = list(_BASIC)
    for character, septet in shifted.items():
        escaped[septet] = character
    return _BASIC + "".join(escaped)


_GSM7_SHOWN = _shown(_EXTENSION)
_GSM7_TR_SHOWN = _shown(_EXTENSION | _TURKISH)
# Two escapes come first: once they are gone, no pair overlaps another.
_PAIRS = [
    (bytes([_ESCAPE, s]), bytes([0x80 | s])) for s in (_ESCAPE, *_EXTENSION.values(), *_TURKISH.values())
]

# Units of one segment: alone, in a chain with an 8-bit reference, in a chain with a 16-bit reference. A
# header fills whole septets: the Turkish 4, 9 or 10 octets cost 5, 11 or 12 of the 160.
_CAPACITY = {
    Encoding.GSM7: (160, 153, 152),
    Encoding.GSM7_TR: (155, 149, 148),
    Encoding.UCS2: (70, 67, 66),
}

_CHAIN_8_BIT = b"\x00\x03"  # information element identifier and length (23.040 9.2.3.24.1)
_CHAIN_16_BIT = b"\x08\x04"  # 9.2.3.24.8
_TURKISH_SINGLE_SHIFT = b"\x24\x01\x01"  # 9.2.3.24.15, language 1


def encoding_of(text: str) -> Encoding:
    """The narrowest alphabet that holds the whole text."""
    return _measure(text)[0]


def units(text: str, encoding: Encoding) -> int:
    """The length of a text: septets, of which an escaped character takes 2, or UTF-16 code units.

    Raises ValueError when the alphabet cannot express the text.
    """
    if encoding == Encoding.UCS2:
        return len(_utf16(text)) // 2
    return _septets_in(_codes(text, turkish=encoding == Encoding.GSM7_TR))


def priced_parts(text: str, suffix_units: int = 0) -> int:
    """How many parts a text is charged as, at least 1. `suffix_units` is the length of what follows it.

    This is the tariff's formula and not a count of segments: it divides units, where `split` may not cut an
    escaped character or a surrogate pair in two. A text with one of those on a border can need a segment
    more than it is charged.
    """
    encoding, size = _measure(text)
    alone, chained, _ = _CAPACITY[encoding]
    size += suffix_units
    return 1 if size <= alone else -(-size // chained)


def encode_gsm7(text: str, turkish: bool) -> bytes:
    """The septets of a text, one an octet, not packed.

    Raises ValueError when the default alphabet and its extension, or the Turkish table, lack a character.
    """
    codes = _codes(text, turkish=turkish)
    return codes.decode("latin-1").encode().translate(_TO_SEPTETS)


def decode_gsm7(septets: bytes, turkish: bool) -> str:
    """The text that septets, one an octet, show.

    What has no symbol is shown as 23.038 asks: an escape before a septet without an escaped meaning gives
    that septet's basic character, and an escape before another or at the end gives a space. Raises ValueError
    for an octet above 0x7F.
    """
    if not septets.isascii():
        raise ValueError("a septet is at most 0x7F")
    joined = _join(septets) if _ESCAPE in septets else septets
    return codecs.charmap_decode(joined, "strict", _GSM7_TR_SHOWN if turkish else _GSM7_SHOWN)[0]


def split(text: str, encoding: Encoding, *, wide_reference: bool = False) -> list[bytes]:
    """The payloads of a text's segments, without their headers: septets, one an octet, or UTF-16BE.

    Each segment leaves room for the header that `user_data_header` makes with the same `wide_reference`, and
    is filled as far as it goes without cutting an escaped character or a surrogate pair; it may cut what is
    one picture of several characters. An empty text is one empty segment. Raises ValueError when the alphabet
    cannot express the text.
    """
    alone, narrow, wide = _CAPACITY[encoding]
    chained = wide if wide_reference else narrow
    if encoding == Encoding.UCS2:
        return _split_utf16(_utf16(text), alone * 2, chained * 2)
    return _split_septets(encode_gsm7(text, encoding == Encoding.GSM7_TR), alone, chained)


def user_data_header(
    encoding: Encoding, part: int, total: int, reference: int, *, wide_reference: bool = False
) -> bytes:
    """The header of segment `part` (from 1) of `total`, its length octet included; empty if none is needed.

    `reference` is common to the segments of a message and has 8 bits, or 16 with `wide_reference`. Raises
    ValueError for a part, a total or, where it is used, a reference that its field cannot hold.
    """
    if not 1 <= part <= total <= 0xFF:
        raise ValueError(f"part {part} of {total} cannot be numbered")
    elements = _chain_element(part, total, reference, wide_reference) if total > 1 else b""
    if encoding == Encoding.GSM7_TR:
        elements += _TURKISH_SINGLE_SHIFT
    return bytes([len(elements)]) + elements if elements else b""


def _chain_element(part: int, total: int, reference: int, wide: bool) -> bytes:
    if not 0 <= reference <= (0xFFFF if wide else 0xFF):
        raise ValueError(f"the reference {reference} does not fit its field")
    if wide:
        return _CHAIN_16_BIT + reference.to_bytes(2, "big") + bytes([total, part])
    return _CHAIN_8_BIT + bytes([reference, total, part])


def _measure(text: str) -> tuple[Encoding, int]:
    """The narrowest alphabet of a text, and its units in it."""
    try:
        codes = _codes(text, turkish=True)
    except ValueError:
        return Encoding.UCS2, len(_utf16(text)) // 2
    if codes.isascii():
        return Encoding.GSM7, len(codes)
    is_turkish = len(codes.translate(None, _TURKISH_CODES)) < len(codes)
    return Encoding.GSM7_TR if is_turkish else Encoding.GSM7, _septets_in(codes)


def _codes(text: str, *, turkish: bool) -> bytes:
    """One code a character, 0x80 and above for those that need the escape (see _SHIFTED)."""
    codes = codecs.charmap_encode(text, "strict", _GSM7_TR_MAP if turkish else _GSM7_MAP)[0]
    if 0 in codes:
        raise ValueError("NUL is in no alphabet of 23.038")
    return codes


def _septets_in(codes: bytes) -> int:
    return 2 * len(codes) - len(codes.translate(None, _SHIFTED_CODES))


def _join(septets: bytes) -> bytes:
    """0x80 + septet for each that is escaped with a meaning; no other escape is left, but a last one."""
    for pair, code in _PAIRS:
        septets = septets.replace(pair, code)
    return septets[:-1].replace(b"\x1b", b"") + septets[-1:]


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be")


def _split_septets(septets: bytes, alone: int, chained: int) -> list[bytes]:
    if len(septets) <= alone:
        return [septets]
    segments = []
    start = 0
    while start < len(septets):
        end = start + chained
        if septets[end - 1 : end] == b"\x1b":
            end -= 1
        segments.append(septets[start:end])
        start = end
    return segments


def _split_utf16(octets: bytes, alone: int, chained: int) -> list[bytes]:
    if len(octets) <= alone:
        return [octets]
    segments = []
    start = 0
    while start < len(octets):
        end = start + chained
        if end < len(octets) and 0xD8 <= octets[end - 2] <= 0xDB:  # the first half of a surrogate pair
            end -= 2
        segments.append(octets[start:end])
        start = end
    return segments

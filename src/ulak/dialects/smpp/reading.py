"""What stands in a submit_sm that somebody sent: its text, and its place in a chain of parts."""

from __future__ import annotations

from typing import NamedTuple

from ulak.core.text import decode_gsm7
from ulak.dialects.smpp import codes
from ulak.dialects.smpp.wire import ShortMessage

_CHAIN_8_BIT = 0x00  # 3GPP TS 23.040 §9.2.3.24
_CHAIN_16_BIT = 0x08
_SINGLE_SHIFT = 0x24
_TURKISH = b"\x01"


class Chain(NamedTuple):
    """Part `part` (from 1) of `total` of the message called `reference`."""

    reference: int
    total: int
    part: int


class Reading(NamedTuple):
    """One part: its text, its user data header with the length octet, its chain if it has one."""

    text: str
    header: bytes
    chain: Chain | None


def read_message(message: ShortMessage) -> Reading:
    """Read a message as a telephone would. Never raises: octets without a meaning are shown as Latin-1."""
    octets = message.text
    if not octets and message.tlvs:
        octets = message.tlvs.get(codes.TLV_MESSAGE_PAYLOAD, b"")
    header = b""
    if message.esm_class & codes.ESM_HEADER and octets:
        size = 1 + octets[0]
        header, octets = octets[:size], octets[size:]
    elements = _elements(header)
    return Reading(_text(octets, message.data_coding, elements), header, _chain(elements))


def _elements(header: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 1
    while at + 2 <= len(header):
        length = header[at + 1]
        found[header[at]] = header[at + 2 : at + 2 + length]
        at += 2 + length
    return found


def _text(octets: bytes, data_coding: int, elements: dict[int, bytes]) -> str:
    if data_coding == codes.DCS_UCS2:
        return octets.decode("utf-16-be", "replace")
    if data_coding == codes.DCS_DEFAULT and octets.isascii():
        return decode_gsm7(octets, elements.get(_SINGLE_SHIFT) == _TURKISH)
    return octets.decode("latin-1")


def _chain(elements: dict[int, bytes]) -> Chain | None:
    narrow = elements.get(_CHAIN_8_BIT, b"")
    if len(narrow) == 3:
        return Chain(*narrow)
    wide = elements.get(_CHAIN_16_BIT, b"")
    if len(wide) == 4:
        return Chain(int.from_bytes(wide[:2], "big"), wide[2], wide[3])
    return None

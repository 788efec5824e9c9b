"""What stands in a message that somebody sent: its text, and its place in a chain of parts.

A submit_sm to an SMSC and a deliver_sm to an ESME have the same fields; of the latter, `read_inbound` makes
what the engine wants to know.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from ulak.core.ports import Inbound
from ulak.core.text import decode_gsm7
from ulak.dialects.smpp import codes
from ulak.dialects.smpp.wire import ShortMessage

_CHAIN_8_BIT = 0x00  # 3GPP TS 23.040 §9.2.3.24
_CHAIN_16_BIT = 0x08
_SINGLE_SHIFT = 0x24
_TURKISH = b"\x01"
_SAR = (codes.TLV_SAR_MSG_REF_NUM, codes.TLV_SAR_TOTAL_SEGMENTS, codes.TLV_SAR_SEGMENT_SEQNUM)
_NUMBER_DIGITS_MAX = 15  # E.164
_PARTS_MAX = 255
PADDING = b"\0 \t\r\n"


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
    text = _text(octets, message.data_coding, elements)
    return Reading(text, header, _chain(elements, message.tlvs or {}))


def _elements(header: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 1
    while at + 2 <= len(header):
        length = header[at + 1]
        found[header[at]] = header[at + 2 : at + 2 + length]
        at += 2 + length
    return found


def read_inbound(message: ShortMessage) -> Inbound:
    """A deliver_sm as an SMS that came in. Never raises.

    Nothing in a deliver_sm names it: what makes it the same when it comes again is its content, or for a part
    what the parts have in common.
    """
    reading = read_message(message)
    tlvs = message.tlvs or {}
    chain = reading.chain
    if chain is None:
        own = [message.text, tlvs.get(codes.TLV_MESSAGE_PAYLOAD, b""), reading.header]
        own.append(tlvs.get(codes.TLV_USER_MESSAGE_REFERENCE, b""))
        chain = Chain(0, 1, 1)
    else:
        own = [b"%d of %d" % (chain.reference, chain.total)]
    fields = (message.source_kind, message.source, message.destination, message.options[2:3], *own)
    reference = hashlib.sha256(b"".join(b"%d:%b" % (len(field), field) for field in fields)).hexdigest()[:32]
    return Inbound(
        digits_of(message.destination),
        _clean(message.source.decode("latin-1")).removeprefix("+"),
        _clean(reading.text),
        reference,
        chain.part,
        chain.total,
    )


def digits_of(address: bytes) -> int:
    """A telephone number in any written form, E.164 without the plus sign; 0 for what is none."""
    if not address.isdigit():
        address = address.strip(PADDING).removeprefix(b"+")
        if not address.isdigit():
            return 0
    return int(address) if len(address) <= _NUMBER_DIGITS_MAX + 2 else 0  # two more: an international 00


def _clean(text: str) -> str:
    """Without what fills up fields; a NUL within is shown as what nobody could read."""
    return text.strip("\0\ufeff").replace("\0", "\ufffd")


def _text(octets: bytes, data_coding: int, elements: dict[int, bytes]) -> str:
    alphabet = codes.alphabet_of(data_coding)
    if alphabet:
        return octets.decode(alphabet, "replace")
    if alphabet is not None and octets.isascii():
        return decode_gsm7(octets, elements.get(_SINGLE_SHIFT) == _TURKISH)
    return octets.decode("latin-1")


def _chain(elements: dict[int, bytes], tlvs: dict[int, bytes]) -> Chain | None:
    """The place in a chain, from the header or from the parameters (§5.3.2.22 to 5.3.2.24)."""
    narrow, wide = elements.get(_CHAIN_8_BIT, b""), elements.get(_CHAIN_16_BIT, b"")
    if len(narrow) == 3:
        chain = Chain(*narrow)
    elif len(wide) == 4:
        chain = Chain(int.from_bytes(wide[:2], "big"), wide[2], wide[3])
    else:
        chain = Chain(*(int.from_bytes(tlvs.get(tag, b"")[:2], "big") for tag in _SAR))
    return chain if 1 < chain.total <= _PARTS_MAX and 1 <= chain.part <= chain.total else None

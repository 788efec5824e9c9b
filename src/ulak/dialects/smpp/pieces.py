"""From a sender and a text to the bodies of submit_sm PDUs.

A campaign sends one text from one sender to many numbers. So everything but the number and the reference of a
chained message is encoded once and kept: a `Plan`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache

from ulak.core.text import Encoding, encode_gsm7, encoding_of, split, user_data_header
from ulak.dialects.smpp import codes, wire
from ulak.dialects.smpp.settings import MESSAGE_PAYLOAD, UDH16, LinkSettings

_PLANS_KEPT = 1024
_TON_UNKNOWN, _TON_INTERNATIONAL, _TON_ALPHANUMERIC = 0, 1, 5
_NPI_UNKNOWN, _NPI_ISDN = 0, 1
_SHORT_CODE_DIGITS_MAX = 8
_PARTS_MAX = 255


class Plan:
    """One text from one sender, ready but for the number.

    `body(number, part, reference)` is the body of the submit_sm of a part counted from 0; the reference is
    common to the parts of one message.
    """

    __slots__ = ("_encoding", "_head", "_tails", "_wide", "total")

    def __init__(self, head: bytes, tails: list[tuple[bytes, bytes]], encoding: Encoding, wide: bool) -> None:
        self.total = len(tails)
        self._head = head  # up to the destination
        self._tails = tails  # of each part: what stands before its header, and what after
        self._encoding = encoding
        self._wide = wide

    def body(self, number: bytes, part: int, reference: int) -> bytes:
        """The body of one submit_sm."""
        before, after = self._tails[part]
        if self.total == 1:
            return self._head + number + before + after
        header = user_data_header(self._encoding, part + 1, self.total, reference, wide_reference=self._wide)
        return b"".join((self._head, number, before, header, after))


def planner(settings: LinkSettings) -> Callable[[str, str], Plan]:
    """A function from sender and text to their plan, which remembers the last thousand.

    It raises ValueError for a sender or a text that SMPP cannot carry.
    """

    def plan(sender: str, text: str) -> Plan:
        encoding = encoding_of(text)
        wide = settings.payload == UDH16
        segments = split(text, encoding, wide_reference=wide)
        if len(segments) > _PARTS_MAX:
            raise ValueError(f"a message has at most {_PARTS_MAX} parts")
        if len(segments) > 1 and settings.payload == MESSAGE_PAYLOAD:
            tails = [_whole_tail(text, encoding)]
        else:
            tails = [_tail(segment, encoding, len(segments), wide) for segment in segments]
        return Plan(_head(sender, settings), tails, encoding, wide)

    return lru_cache(_PLANS_KEPT)(plan)


def _head(sender: str, settings: LinkSettings) -> bytes:
    """service_type to dest_addr_npi (SMPP 3.4 §4.4.1)."""
    if not sender.isascii():
        raise ValueError(f"the sender {sender!r} has letters that SMPP cannot carry")
    digits = sender.removeprefix("+")
    if digits.isdigit():
        # A short code belongs to a network; in front of the world it has no type.
        short = len(digits) <= _SHORT_CODE_DIGITS_MAX
        sender, ton, npi = digits, _TON_UNKNOWN if short else _TON_INTERNATIONAL, _NPI_ISDN
    else:
        # No sender at all is the operator's to choose.
        ton, npi = _TON_ALPHANUMERIC if sender else _TON_UNKNOWN, _NPI_UNKNOWN
    if settings.source_ton is not None:
        ton = settings.source_ton
    if settings.source_npi is not None:
        npi = settings.source_npi
    source = wire.c_string(sender, 21)
    return b"\0" + bytes((ton, npi)) + source + bytes((_TON_INTERNATIONAL, _NPI_ISDN))


def _settled(esm_class: int, encoding: Encoding, length: int) -> bytes:
    """The end of the destination, then esm_class to sm_length: all of it the same for every number.

    protocol_id 0, priority 0, at once, the operator's own validity, a receipt asked for, replacing nothing.
    """
    data_coding = codes.DCS_UCS2 if encoding is Encoding.UCS2 else codes.DCS_DEFAULT
    return struct.pack(">B3s2s5B", 0, bytes((esm_class, 0, 0)), b"\0\0", 1, 0, data_coding, 0, length)


def _tail(segment: bytes, encoding: Encoding, total: int, wide: bool) -> tuple[bytes, bytes]:
    header = user_data_header(encoding, 1, total, 0, wide_reference=wide)
    esm_class = codes.ESM_HEADER if header else 0
    before = _settled(esm_class, encoding, len(header) + len(segment))
    if total > 1:
        return before, segment  # the header has the message's reference in it
    return before + header + segment, b""


def _whole_tail(text: str, encoding: Encoding) -> tuple[bytes, bytes]:
    """A long text in one piece: message_payload instead of short_message (§5.3.2.32)."""
    header = user_data_header(encoding, 1, 1, 0)
    if encoding is Encoding.UCS2:
        octets = text.encode("utf-16-be")
    else:
        octets = encode_gsm7(text, encoding is Encoding.GSM7_TR)
    esm_class = codes.ESM_HEADER if header else 0
    return _settled(esm_class, encoding, 0), wire.encode_tlv(codes.TLV_MESSAGE_PAYLOAD, header + octets)

"""What a network makes of an SMS that somebody sends to a number of an ESME: the bodies of deliver_sm PDUs
(SMPP 3.4 §4.6.1). For the simulator.
"""

from __future__ import annotations

from ulak.core.text import Encoding, encode_gsm7, encoding_of, split, user_data_header
from ulak.dialects.smpp import codes, wire
from ulak.dialects.smpp.wire import ShortMessage

UDH8, UDH16, SAR, PAYLOAD = "udh8", "udh16", "sar", "message_payload"
FORMS = (UDH8, UDH16, SAR, PAYLOAD)
"""How a text of several parts goes: with a reference of 8 or 16 bits in their headers, or in parameters; or
it goes whole."""

_INTERNATIONAL, _ALPHANUMERIC = b"\x01\x01", b"\x05\x00"


def bodies(sender: str, number: int, text: str, reference: int, form: str = UDH8) -> list[bytes]:
    """The body of each part. Raises ValueError for a sender that SMPP cannot carry."""
    encoding = encoding_of(text)
    if form == PAYLOAD:
        header = user_data_header(encoding, 1, 1, 0)
        return [
            _body(sender, number, encoding, header, b"", {codes.TLV_MESSAGE_PAYLOAD: header + _octets(text)})
        ]
    wide = form == UDH16
    segments = split(text, encoding, wide_reference=wide)
    reference %= 0x10000 if form in (UDH16, SAR) else 0x100
    found = []
    for place, segment in enumerate(segments, 1):
        tlvs: dict[int, bytes] = {}
        if form == SAR and len(segments) > 1:
            header = user_data_header(encoding, 1, 1, 0)
            tlvs = {
                codes.TLV_SAR_MSG_REF_NUM: reference.to_bytes(2, "big"),
                codes.TLV_SAR_TOTAL_SEGMENTS: bytes((len(segments),)),
                codes.TLV_SAR_SEGMENT_SEQNUM: bytes((place,)),
            }
        else:
            header = user_data_header(encoding, place, len(segments), reference, wide_reference=wide)
        found.append(_body(sender, number, encoding, header, segment, tlvs))
    return found


def _octets(text: str) -> bytes:
    encoding = encoding_of(text)
    if encoding is Encoding.UCS2:
        return text.encode("utf-16-be")
    return encode_gsm7(text, encoding is Encoding.GSM7_TR)


def _body(
    sender: str, number: int, encoding: Encoding, header: bytes, text: bytes, tlvs: dict[int, bytes]
) -> bytes:
    digits = sender.removeprefix("+")
    data_coding = codes.DCS_UCS2 if encoding is Encoding.UCS2 else codes.DCS_DEFAULT
    whole = tlvs.get(codes.TLV_MESSAGE_PAYLOAD)
    return wire.encode_message(
        ShortMessage(
            b"",
            _INTERNATIONAL if digits.isdigit() else _ALPHANUMERIC,
            (digits if digits.isdigit() else sender).encode("latin-1"),
            _INTERNATIONAL,
            b"%d" % number,
            bytes((codes.ESM_HEADER if header else 0, 0, 0)),
            b"",
            b"",
            bytes((0, 0, data_coding, 0)),
            b"" if whole is not None else header + text,
            tlvs or None,
        )
    )

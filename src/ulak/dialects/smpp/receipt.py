"""Delivery receipts: what a deliver_sm says about a message sent before.

There are two spellings, and operators send one, the other or both: a text by convention (SMPP 3.4 Appendix B)

    id:0123456789 sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:DELIVRD err:000 text:…

and the optional parameters receipted_message_id and message_state (§5.3.2.12, §5.3.2.35). Parameters win,
because they have one meaning; the text is read as loosely as it is written in the wild. Its dates are not
read at all: each operator keeps another time zone, and the engine knows when the receipt came.
"""

from __future__ import annotations

import re

from ulak.core.ports import Report, ReportState
from ulak.dialects.smpp import wire
from ulak.dialects.smpp.codes import (
    DCS_UCS2,
    ESM_INTERMEDIATE,
    ESM_KIND,
    ESM_RECEIPT,
    MESSAGE_STATES,
    RECEIPT_STATES,
    TLV_MESSAGE_PAYLOAD,
    TLV_MESSAGE_STATE,
    TLV_RECEIPTED_MESSAGE_ID,
)
from ulak.dialects.smpp.reading import PADDING, digits_of
from ulak.dialects.smpp.wire import ShortMessage

# The usual receipt is read by one match. Every other spelling goes the slow way, field by field. What is kept
# of a receipt has a length of ours: an id of 64 characters is the longest by §5.2.23.
_USUAL = re.compile(
    rb"id:([^\s:]{1,64}) sub:\d+ dlvrd:\d+ submit date:\d+ done date:\d+ "
    rb"stat:([A-Z]{1,20}) err:(\w{1,20})(?: |\Z)"
)
_TEXT = re.compile(rb"\btext\s*:", re.IGNORECASE)
_ID = re.compile(rb"\bid\s*:\s*([^\s:]{1,64})(?:\s|\Z)", re.IGNORECASE)
_STAT = re.compile(rb"\bstat\s*:\s*(\w{1,20})", re.IGNORECASE)
_ERR = re.compile(rb"\berr\s*:\s*(\w{1,20})", re.IGNORECASE)


def is_receipt(message: ShortMessage) -> bool:
    """Whether a deliver_sm is news about a message of ours and not a text from somebody.

    Some operators forget esm_class, but then they send the parameter. A text alone that looks like a receipt
    is none: anybody with a telephone can write that.
    """
    kind = message.flags[0] & ESM_KIND
    if kind in (ESM_RECEIPT, ESM_INTERMEDIATE):
        return True
    return message.tlvs is not None and TLV_RECEIPTED_MESSAGE_ID in message.tlvs


def read_receipt(message: ShortMessage) -> Report | None:
    """The report in a receipt, or None when nothing in it tells which message it is about.

    `reference` is spelled as the operator spells it, without padding. `number` is the message's destination,
    which a receipt names as its source. `raw` is the operator's word for the state and its error code.
    """
    tlvs = message.tlvs
    body = message.text
    if tlvs and not body:
        body = tlvs.get(TLV_MESSAGE_PAYLOAD, b"")
    reference, stat, error = _read_text(body, message.options[2])
    state = RECEIPT_STATES.get(stat, ReportState.UNDERWAY)
    if tlvs:
        named = tlvs.get(TLV_RECEIPTED_MESSAGE_ID, b"").strip(PADDING)[: wire.MESSAGE_ID_MAX]
        if named:
            reference = named
        known = MESSAGE_STATES.get(int.from_bytes(tlvs.get(TLV_MESSAGE_STATE, b""), "big"))
        if known is not None:
            word, state = known
            stat = stat if RECEIPT_STATES.get(stat) is state else word
    if not reference:
        return None
    raw = f"{stat} {error}".strip()
    return Report(reference.decode("latin-1"), digits_of(message.source), state, raw)


def _read_text(body: bytes, data_coding: int) -> tuple[bytes, str, str]:
    """Id, stat and err of the text form; empty where the text does not have them."""
    usual = _USUAL.match(body)
    if usual is not None:
        reference, stat, error = usual.groups()
        return reference, stat.decode("latin-1"), error.decode("latin-1")
    if data_coding == DCS_UCS2:
        body = body.decode("utf-16-be", "replace").encode("latin-1", "replace")
    # What follows "text:" is the beginning of the message itself, where anything may stand.
    fields = _TEXT.split(body, 1)[0].strip(PADDING)
    return _field(_ID, fields).strip(PADDING), _word(_STAT, fields).upper(), _word(_ERR, fields)


def _field(pattern: re.Pattern[bytes], fields: bytes) -> bytes:
    match = pattern.search(fields)
    return match[1] if match else b""


def _word(pattern: re.Pattern[bytes], fields: bytes) -> str:
    return _field(pattern, fields).decode("latin-1")

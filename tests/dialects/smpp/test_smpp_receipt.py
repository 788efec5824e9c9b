"""Receipts in the spellings that operators use, and in those that they should not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulak.core.ports import Report, ReportState
from ulak.dialects.smpp import codes
from ulak.dialects.smpp.receipt import is_receipt, read_receipt
from ulak.dialects.smpp.wire import ShortMessage

DELIVERED, UNDELIVERED, UNDERWAY = ReportState.DELIVERED, ReportState.UNDELIVERED, ReportState.UNDERWAY
NUMBER = 905321234567


def deliver(
    text: bytes,
    tlvs: dict[int, bytes] | None = None,
    *,
    esm_class: int = codes.ESM_RECEIPT,
    source: bytes = b"905321234567",
    data_coding: int = 0,
) -> ShortMessage:
    return ShortMessage(
        service_type=b"",
        source_kind=b"\1\1",
        source=source,
        destination_kind=b"\5\0",
        destination=b"ACME",
        flags=bytes((esm_class, 0, 0)),
        schedule=b"",
        validity=b"",
        options=bytes((0, 0, data_coding, 0)),
        text=text,
        tlvs=tlvs,
    )


USUAL = b"id:%b sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:%b err:%b text:Hello"


@pytest.mark.parametrize(
    ("text", "reference", "state", "raw"),
    [
        # As Appendix B has it, and the spellings of an id.
        (USUAL % (b"0123456789", b"DELIVRD", b"000"), "0123456789", DELIVERED, "DELIVRD 000"),
        (USUAL % (b"7e3f01", b"DELIVRD", b"000"), "7e3f01", DELIVERED, "DELIVRD 000"),
        (USUAL % (b"7E3F01", b"DELIVRD", b"000"), "7E3F01", DELIVERED, "DELIVRD 000"),
        (USUAL % (b"00007E3F01", b"DELIVRD", b"0"), "00007E3F01", DELIVERED, "DELIVRD 0"),
        (USUAL % (b"d1a2-44_x.9/z", b"DELIVRD", b"0A1"), "d1a2-44_x.9/z", DELIVERED, "DELIVRD 0A1"),
        # The states of table B-2.
        (USUAL % (b"1", b"EXPIRED", b"27"), "1", UNDELIVERED, "EXPIRED 27"),
        (USUAL % (b"1", b"DELETED", b"27"), "1", UNDELIVERED, "DELETED 27"),
        (USUAL % (b"1", b"UNDELIV", b"27"), "1", UNDELIVERED, "UNDELIV 27"),
        (USUAL % (b"1", b"REJECTD", b"27"), "1", UNDELIVERED, "REJECTD 27"),
        (USUAL % (b"1", b"ACCEPTD", b"0"), "1", UNDERWAY, "ACCEPTD 0"),
        (USUAL % (b"1", b"ENROUTE", b"0"), "1", UNDERWAY, "ENROUTE 0"),
        (USUAL % (b"1", b"UNKNOWN", b"0"), "1", UNDERWAY, "UNKNOWN 0"),
        (USUAL % (b"1", b"PONDERD", b"0"), "1", UNDERWAY, "PONDERD 0"),
        # Dates of twelve digits, none, and other fields left out or in another order.
        (
            b"id:77 sub:001 dlvrd:001 submit date:261122120059 done date:261122120103 stat:DELIVRD err:000",
            "77",
            DELIVERED,
            "DELIVRD 000",
        ),
        (b"id:77 stat:DELIVRD", "77", DELIVERED, "DELIVRD"),
        (b"id:77", "77", UNDERWAY, ""),
        (b"stat:UNDELIV id:77 err:9", "77", UNDELIVERED, "UNDELIV 9"),
        (b"id:77 sub: dlvrd: submit date: done date: stat:EXPIRED err: text:", "77", UNDELIVERED, "EXPIRED"),
        # Spaces, case, padding.
        (b"id:77  sub:001  dlvrd:001  stat:DELIVRD  err:000  Text:x", "77", DELIVERED, "DELIVRD 000"),
        (b"ID: 77 Stat: delivrd ERR: 5", "77", DELIVERED, "DELIVRD 5"),
        (b"Id:77\tSTAT:Undeliv", "77", UNDELIVERED, "UNDELIV"),
        (b"id:77 stat:DELIVRD err:000\0", "77", DELIVERED, "DELIVRD 000"),
        (b"id:77\0", "77", UNDERWAY, ""),
        (b" id:77 stat:DELIVERED", "77", DELIVERED, "DELIVERED"),
        # What follows "text:" is the message's own.
        (b"id:77 stat:UNDELIV err:1 text:id:99 stat:DELIVRD", "77", UNDELIVERED, "UNDELIV 1"),
        (b"id:77 err:1 Text:stat:DELIVRD", "77", UNDERWAY, "1"),
    ],
)
def test_a_receipt_in_text(text: bytes, reference: str, state: ReportState, raw: str) -> None:
    message = deliver(text)
    assert is_receipt(message)
    assert read_receipt(message) == Report(reference, NUMBER, state, raw)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"id:",
        b"id: stat:DELIVRD",
        b"text:id:5 stat:DELIVRD",
        b"paid:5 stat:DELIVRD",
        b"\xff\xfe\0",
        b"sub:001",
    ],
)
def test_a_receipt_without_an_id_is_none(text: bytes) -> None:
    assert read_receipt(deliver(text)) is None


def tlvs(reference: bytes | None, state: int | None) -> dict[int, bytes]:
    found = {}
    if reference is not None:
        found[codes.TLV_RECEIPTED_MESSAGE_ID] = reference
    if state is not None:
        found[codes.TLV_MESSAGE_STATE] = bytes((state,))
    return found


@pytest.mark.parametrize(
    ("text", "parameters", "expected"),
    [
        (b"", tlvs(b"77\0", 2), ("77", DELIVERED, "DELIVRD")),
        (b"", tlvs(b"77", 5), ("77", UNDELIVERED, "UNDELIV")),
        (b"", tlvs(b"77 \0\0", 3), ("77", UNDELIVERED, "EXPIRED")),
        (b"", tlvs(b"77\0", 1), ("77", UNDERWAY, "ENROUTE")),
        (b"", tlvs(b"77\0", 7), ("77", UNDERWAY, "UNKNOWN")),
        (b"", tlvs(b"77\0", 8), ("77", UNDELIVERED, "REJECTD")),
        (b"", tlvs(b"77\0", None), ("77", UNDERWAY, "")),
        # Both: the parameters win, and the text fills in what they do not say.
        (b"id:88 stat:DELIVRD err:000", tlvs(b"77\0", 5), ("77", UNDELIVERED, "UNDELIV 000")),
        (b"id:88 stat:DELIVRD err:000", tlvs(None, None), ("88", DELIVERED, "DELIVRD 000")),
        (b"id:88 stat:DELIVRD err:000", tlvs(b"77\0", None), ("77", DELIVERED, "DELIVRD 000")),
        (b"id:88 stat:UNDELIV err:12", tlvs(None, 5), ("88", UNDELIVERED, "UNDELIV 12")),
        (b"id:88 stat:DELIVERED err:0", tlvs(None, 2), ("88", DELIVERED, "DELIVERED 0")),
        (b"id:88 stat:DELIVRD err:0", tlvs(b"\0", 99), ("88", DELIVERED, "DELIVRD 0")),
        # The text in message_payload.
        (b"", {codes.TLV_MESSAGE_PAYLOAD: b"id:88 stat:EXPIRED err:4"}, ("88", UNDELIVERED, "EXPIRED 4")),
    ],
)
def test_a_receipt_in_parameters(
    text: bytes, parameters: dict[int, bytes], expected: tuple[str, ReportState, str]
) -> None:
    reference, state, raw = expected
    assert read_receipt(deliver(text, parameters)) == Report(reference, NUMBER, state, raw)


@pytest.mark.parametrize(
    ("source", "number"),
    [
        (b"905321234567", NUMBER),
        (b"+905321234567", NUMBER),
        (b"00905321234567", NUMBER),
        (b"905321234567\0", NUMBER),
        (b"5321234567", 5321234567),
        (b"", 0),
        (b"ACME", 0),
        (b"90 532", 0),
        (b"9" * 40, 0),
        (b"\xd9\xa1\xd9\xa2", 0),
    ],
)
def test_the_number_of_a_receipt(source: bytes, number: int) -> None:
    report = read_receipt(deliver(b"id:1 stat:DELIVRD", source=source))
    assert report is not None
    assert report.number == number


@pytest.mark.parametrize(
    ("esm_class", "parameters", "expected"),
    [
        (0x04, None, True),
        (0x44, None, True),  # with a user data header
        (0x07, None, True),  # with a messaging mode
        (0x20, None, True),  # an intermediate notification
        (0x00, tlvs(b"5\0", 2), True),
        (0x00, None, False),  # anybody can write such a text
        (0x00, {}, False),
        (0x08, None, False),  # a person's acknowledgement is not the network's
        (0x10, None, False),
    ],
)
def test_which_message_is_a_receipt(
    esm_class: int, parameters: dict[int, bytes] | None, expected: bool
) -> None:
    text = b"id:5 stat:DELIVRD err:000"
    assert is_receipt(deliver(text, parameters, esm_class=esm_class)) is expected


def test_a_receipt_in_ucs2() -> None:
    text = "id:5 stat:DELIVRD err:000 text:ş".encode("utf-16-be")
    report = read_receipt(deliver(text, data_coding=codes.DCS_UCS2))
    assert report == Report("5", NUMBER, DELIVERED, "DELIVRD 000")


@given(
    st.binary(max_size=255), st.none() | st.dictionaries(st.sampled_from([0x1E, 0x424, 0x427]), st.binary())
)
def test_random_receipts_never_raise(text: bytes, parameters: dict[int, bytes] | None) -> None:
    for data_coding in (0, 8):
        read_receipt(deliver(text, parameters, source=text[:20], data_coding=data_coding))

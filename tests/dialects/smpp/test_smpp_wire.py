"""The codec: by hand-written bytes, by itself both ways, and against two libraries of others."""

from __future__ import annotations

from typing import Any

import pytest
import smpp34
import smpplib.smpp
from hypothesis import given
from hypothesis import strategies as st

from ulak.dialects.smpp import codes, wire
from ulak.dialects.smpp.wire import Bind, Malformed, ShortMessage

HEADER = wire.HEADER_SIZE

# A submit_sm as SMPP 3.4 §4.4.1 draws it: from ACME to 905321234567, "hello", a receipt is asked for.
SUBMIT = bytes.fromhex(
    "00000036 00000004 00000000 00000007"
    "00 0500 41434d4500 0101 39303533323132333435363700"
    "00 00 00 00 00 01 00 00 00 05 68656c6c6f"
)
MESSAGE = ShortMessage(
    service_type=b"",
    source_kind=b"\5\0",
    source=b"ACME",
    destination_kind=b"\1\1",
    destination=b"905321234567",
    flags=b"\0\0\0",
    schedule=b"",
    validity=b"",
    options=b"\1\0\0\0",
    text=b"hello",
)


class Numbers:
    """What smpplib asks of a client when it makes a PDU."""

    sequence = 0

    def next_sequence(self) -> int:
        return 0


characters = st.binary(max_size=20).filter(lambda value: 0 not in value)
plain = st.text("ABCxyz0189 -.", max_size=20).map(str.encode)
byte_pair = st.binary(min_size=2, max_size=2)
# smpp34 knows these by name and checks their sizes; for vendor's own tags anything goes.
tlvs = st.dictionaries(st.integers(0x1400, 0x3FFF), st.binary(max_size=40), min_size=1, max_size=4)


def messages(strings: st.SearchStrategy[bytes]) -> st.SearchStrategy[ShortMessage]:
    return st.builds(
        ShortMessage,
        service_type=strings.map(lambda value: value[:5]),
        source_kind=byte_pair,
        source=strings,
        destination_kind=byte_pair,
        destination=strings,
        flags=st.binary(min_size=3, max_size=3),
        schedule=strings.map(lambda value: value[:16]),
        validity=strings.map(lambda value: value[:16]),
        options=st.binary(min_size=4, max_size=4),
        text=st.binary(max_size=254),
        tlvs=st.none() | tlvs,
        tlvs_whole=st.just(True),
    )


def test_a_submit_sm_written_by_hand() -> None:
    assert wire.decode_message(SUBMIT, HEADER, len(SUBMIT)) == MESSAGE
    assert wire.frame(codes.SUBMIT_SM, 0, 7, wire.encode_message(MESSAGE)) == SUBMIT


def test_a_bind_written_by_hand() -> None:
    body = b"ulak\0secret\0\0\x34\0\0\0"
    bind = Bind("ulak", "secret")
    assert wire.encode_bind(bind) == body
    assert wire.decode_bind(b"?" + body + b"?", 1, len(body) + 1) == bind


def test_a_bind_without_the_last_nul_is_read() -> None:
    body = b"ulak\0secret\0VMA\0\x33\1\2"
    assert wire.decode_bind(body, 0, len(body)) == Bind("ulak", "secret", "VMA", 0x33, 1, 2)


@pytest.mark.parametrize("bind", [Bind("x" * 16, ""), Bind("x", "y" * 65), Bind("x", "a\0b"), Bind("ş", "")])
def test_a_bind_that_smpp_cannot_spell(bind: Bind) -> None:
    with pytest.raises(ValueError, match=r"does not fit|can't encode"):
        wire.encode_bind(bind)


@given(messages(characters))
def test_a_message_comes_back_equal(message: ShortMessage) -> None:
    body = wire.encode_message(message)
    assert wire.decode_message(b"??" + body + b"??", 2, len(body) + 2) == message


@given(messages(plain), st.sampled_from([codes.SUBMIT_SM, codes.DELIVER_SM]))
def test_smpp34_reads_what_we_write(message: ShortMessage, command: int) -> None:
    theirs: Any = smpp34.decode(wire.frame(command, 0, 99, wire.encode_message(message)))
    assert theirs.sequence_number == 99
    assert theirs.service_type.encode() == message.service_type
    assert bytes((theirs.source_addr_ton, theirs.source_addr_npi)) == message.source_kind
    assert theirs.source_addr.encode() == message.source
    assert bytes((theirs.dest_addr_ton, theirs.dest_addr_npi)) == message.destination_kind
    assert theirs.destination_addr.encode() == message.destination
    assert bytes((theirs.esm_class, theirs.protocol_id, theirs.priority_flag)) == message.flags
    assert theirs.registered_delivery == message.registered_delivery
    assert theirs.data_coding == message.data_coding
    assert theirs.short_message == message.text
    assert {tlv.tag: tlv.value for tlv in theirs.tlvs} == (message.tlvs or {})


@given(messages(plain), st.sampled_from([smpp34.SubmitSm, smpp34.DeliverSm]))
def test_we_read_what_smpp34_writes(message: ShortMessage, kind: Any) -> None:
    pdu = kind(
        message.source.decode(),
        message.destination.decode(),
        message.text,
        service_type=message.service_type.decode(),
        source_addr_ton=message.source_kind[0],
        source_addr_npi=message.source_kind[1],
        dest_addr_ton=message.destination_kind[0],
        dest_addr_npi=message.destination_kind[1],
        esm_class=message.flags[0],
        protocol_id=message.flags[1],
        priority_flag=message.flags[2],
        schedule_delivery_time=message.schedule.decode(),
        validity_period=message.validity.decode(),
        registered_delivery=message.options[0],
        replace_if_present_flag=message.options[1],
        data_coding=message.options[2],
        sm_default_msg_id=message.options[3],
        tlvs=[smpp34.Tlv(tag, value) for tag, value in (message.tlvs or {}).items()],
    ).encode()
    assert wire.decode_message(pdu, HEADER, len(pdu)) == message


@given(messages(plain), st.sampled_from(["submit_sm", "deliver_sm"]))
def test_smpplib_reads_what_we_write(message: ShortMessage, command: str) -> None:
    message = message._replace(tlvs={codes.TLV_MESSAGE_PAYLOAD: b"all of it"})
    number = codes.SUBMIT_SM if command == "submit_sm" else codes.DELIVER_SM
    theirs = smpplib.smpp.parse_pdu(wire.frame(number, 0, 5, wire.encode_message(message)), client=Numbers())
    assert theirs.command == command
    assert theirs.sequence == 5
    assert theirs.source_addr == message.source
    assert theirs.destination_addr == message.destination
    assert theirs.esm_class == message.esm_class
    assert theirs.data_coding == message.data_coding
    # smpplib leaves out a field it holds for empty.
    assert (theirs.short_message or b"") == message.text
    assert theirs.message_payload == b"all of it"


@given(messages(plain).filter(lambda message: message.text), st.sampled_from(["submit_sm", "deliver_sm"]))
def test_we_read_what_smpplib_writes(message: ShortMessage, command: str) -> None:
    pdu = smpplib.smpp.make_pdu(
        command,
        client=Numbers(),
        service_type=message.service_type.decode(),
        source_addr_ton=message.source_kind[0],
        source_addr_npi=message.source_kind[1],
        source_addr=message.source.decode(),
        dest_addr_ton=message.destination_kind[0],
        dest_addr_npi=message.destination_kind[1],
        destination_addr=message.destination.decode(),
        esm_class=message.flags[0],
        protocol_id=message.flags[1],
        priority_flag=message.flags[2],
        registered_delivery=message.options[0],
        replace_if_present_flag=message.options[1],
        data_coding=message.options[2],
        sm_default_msg_id=message.options[3],
        short_message=message.text,
        user_message_reference=0x1234,
    ).generate()
    expected = message._replace(schedule=b"", validity=b"", tlvs={0x0204: b"\x12\x34"})
    assert wire.decode_message(pdu, HEADER, len(pdu)) == expected


@pytest.mark.parametrize("command", ["bind_transmitter", "bind_receiver", "bind_transceiver"])
def test_smpplib_and_we_read_each_other_s_binds(command: str) -> None:
    bind = Bind("ulak", "secret", "VMA", 0x34, 1, 1, "^90")
    theirs = smpplib.smpp.make_pdu(
        command,
        client=Numbers(),
        sequence=1,
        system_id="ulak",
        password="secret",
        system_type="VMA",
        addr_ton=1,
        addr_npi=1,
        address_range="^90",
    )
    data = theirs.generate()
    assert wire.decode_bind(data, HEADER, len(data)) == bind
    again = smpplib.smpp.parse_pdu(data[:HEADER] + wire.encode_bind(bind), client=Numbers())
    assert (again.system_id, again.password, again.address_range) == (b"ulak", b"secret", b"^90")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (codes.ENQUIRE_LINK, "enquire_link"),
        (codes.ENQUIRE_LINK_RESP, "enquire_link_resp"),
        (codes.UNBIND, "unbind"),
        (codes.UNBIND_RESP, "unbind_resp"),
        (codes.GENERIC_NACK, "generic_nack"),
    ],
)
def test_smpplib_reads_our_bare_pdus(command: int, name: str) -> None:
    theirs = smpplib.smpp.parse_pdu(wire.frame(command, 3, 8), client=Numbers())
    assert (theirs.command, theirs.status, theirs.sequence) == (name, 3, 8)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", codes.ESME_RINVCMDLEN),
        (b"\0" * 11, codes.ESME_RINVCMDLEN),
        (b"x" * 300, codes.ESME_RINVCMDLEN),
        (b"\0\1\1" + b"9" * 65 + b"\0\1\1" + b"\0" * 20, codes.ESME_RINVCMDLEN),
        (SUBMIT[HEADER:-1], codes.ESME_RINVMSGLEN),
        (SUBMIT[HEADER:-6], codes.ESME_RINVCMDLEN),
    ],
)
def test_a_broken_message_says_what_is_wrong(body: bytes, status: int) -> None:
    # What lies behind the PDU would make it whole: it must not be looked at.
    with pytest.raises(Malformed) as caught:
        wire.decode_message(body + SUBMIT[-40:], 0, len(body))
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("tail", "found", "whole"),
    [
        (b"", {}, True),
        (b"\x04\x27\0\1\2", {0x427: b"\2"}, True),
        (b"\x04\x27\0\1\2\0", {0x427: b"\2"}, False),
        (b"\x04\x27\0\1\2\0\x1e\0\x09abc", {0x427: b"\2"}, False),
        (b"\x04\x27\xff\xff\2", {}, False),
        (b"\x04", {}, False),
    ],
)
def test_optional_parameters_that_overrun(tail: bytes, found: dict[int, bytes], whole: bool) -> None:
    assert wire.decode_tlvs(tail + b"behind", 0, len(tail)) == (found, whole)


def test_a_text_of_256_bytes_does_not_fit() -> None:
    with pytest.raises(ValueError, match="255 bytes"):
        wire.encode_message(MESSAGE._replace(text=b"x" * 256))


@pytest.mark.parametrize(
    ("body", "reference"),
    [
        (b"abc\0", "abc"),
        (b"abc", "abc"),
        (b"", ""),
        (b"\0", ""),
        (b"0012\0\x04\x25\0\1\0", "0012"),
        (b"7" * 300, "7" * 64),
    ],
)
def test_a_message_id_with_and_without_its_nul(body: bytes, reference: str) -> None:
    assert wire.decode_c_string(b"\0" + body + b"next", 1, len(body) + 1) == reference


@given(st.binary(max_size=200))
def test_random_bodies_are_read_or_malformed(body: bytes) -> None:
    for read in (wire.decode_message, wire.decode_bind):
        try:
            read(body, 0, len(body))
        except Malformed:
            continue

"""SMS from people: how a deliver_sm is read, and that it is acknowledged when it is stored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.peers.desk import RecordingDesk, until
from tests.peers.links import linked, simulated

from ulak.core.ports import Inbound
from ulak.dialects.smpp import codes
from ulak.dialects.smpp.mobile import FORMS, PAYLOAD, SAR, UDH8, UDH16, bodies
from ulak.dialects.smpp.reading import read_inbound
from ulak.dialects.smpp.receipt import is_receipt
from ulak.dialects.smpp.wire import ShortMessage, decode_message, encode_message

NUMBER = 905301234561

TEXTS = [
    "Your code is 0482",
    "Price [5] {€} ~ ^ \\ | @ and a new\nline",
    "Şifreniz: 4821 ığüşöç İĞÜŞÖÇ",
    "Код: 48210 🚚",
    "您的验证码是482910",
    "long " * 90,
    "uzun ğş " * 60,
    "длинный 🚚 " * 40,
    "",
]


def message(
    text: bytes = b"",
    data_coding: int = 0,
    *,
    source: bytes = b"WhatsApp",
    destination: bytes = b"905301234561",
    esm_class: int = 0,
    tlvs: dict[int, bytes] | None = None,
) -> ShortMessage:
    flags = bytes((esm_class, 0, 0))
    options = bytes((0, 0, data_coding, 0))
    return ShortMessage(b"", b"\5\0", source, b"\1\1", destination, flags, b"", b"", options, text, tlvs=tlvs)


def read(*parts: bytes) -> list[Inbound]:
    return [read_inbound(decode_message(body, 0, len(body))) for body in parts]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", TEXTS)
def test_every_alphabet_and_every_form_of_long_texts(text: str, form: str) -> None:
    parts = read(*bodies("WhatsApp", NUMBER, text, 77, form))
    assert "".join(part.text for part in parts) == text
    assert {(part.number, part.sender) for part in parts} == {(NUMBER, "WhatsApp")}
    assert len({part.reference for part in parts}) == 1
    assert [(part.part, part.parts) for part in parts] == [(n, len(parts)) for n in range(1, len(parts) + 1)]
    assert len(parts) == 1 or form != PAYLOAD


@pytest.mark.parametrize(
    ("data_coding", "octets", "text"),
    [
        (0x00, b"\x00\x1be caf\x05", "@€ café"),
        (0x00, b"caf\xe9", "café"),
        (0x01, b"code_1", "code_1"),
        (0x03, b"caf\xe9 @_", "café @_"),
        (0x06, "код 12".encode("iso8859-5"), "код 12"),
        (0x07, "קוד".encode("iso8859-8"), "קוד"),
        (0x08, "Şifre 🚚".encode("utf-16-be"), "Şifre 🚚"),
        (0x08, b"\xfe\xff\x00a", "a"),
        (0x08, b"\x00a\x00", "a\ufffd"),
        (0x0E, "코드".encode("euc_kr"), "코드"),
        (0x10, b"\x00a", "@a"),
        (0x18, "ş".encode("utf-16-be"), "ş"),
        (0xF0, b"\x00a", "@a"),
        (0xF1, b"\x1be", "€"),
        (0xF5, b"\xe9\x41", "éA"),
        (0x04, b"\xe9A\x00", "éA"),
        (0xE0, "ş".encode("utf-16-be"), "ş"),
        (0xC8, b"a", "a"),
        (0x99, b"a\x00b", "a\ufffdb"),
    ],
)
def test_data_codings(data_coding: int, octets: bytes, text: str) -> None:
    assert read_inbound(message(octets, data_coding)).text == text
    payload = message(b"", data_coding, tlvs={codes.TLV_MESSAGE_PAYLOAD: octets})
    assert read_inbound(payload).text == text


@pytest.mark.parametrize(
    ("address", "number"),
    [
        (b"905301234561", 905301234561),
        (b"+905301234561", 905301234561),
        (b"00905301234561", 905301234561),
        (b" 905301234561\0", 905301234561),
        (b"4609", 4609),
        (b"ACME", 0),
        (b"", 0),
        (b"9" * 18, 0),
    ],
)
def test_the_number_it_was_sent_to(address: bytes, number: int) -> None:
    assert read_inbound(message(b"x", destination=address)).number == number


def test_what_makes_it_the_same() -> None:
    first = read_inbound(message(b"code 1"))
    assert read_inbound(message(b"code 1")) == first
    assert len(first.reference) <= 64
    reference = {codes.TLV_USER_MESSAGE_REFERENCE: b"\0\1"}
    others = [
        message(b"code 2"),
        message(b"code 1", source=b"Viber"),
        message(b"code 1", destination=b"905301234562"),
        message(b"code 1", tlvs=reference),
        message(b"code 1", 3),
        *(decode_message(body, 0, len(body)) for body in bodies("WhatsApp", NUMBER, "code 1", 1)),
        *(decode_message(b, 0, len(b)) for b in bodies("WhatsApp", NUMBER, "x" * 200, 1, UDH8)[:1]),
        *(decode_message(b, 0, len(b)) for b in bodies("WhatsApp", NUMBER, "x" * 200, 2, UDH8)[:1]),
    ]
    references = {read_inbound(other).reference for other in others}
    assert len(references - {first.reference}) >= len(others) - 1


@pytest.mark.parametrize(
    "tlvs",
    [
        {codes.TLV_SAR_MSG_REF_NUM: b"\0\1", codes.TLV_SAR_TOTAL_SEGMENTS: b"\2"},
        {codes.TLV_SAR_TOTAL_SEGMENTS: b"\2", codes.TLV_SAR_SEGMENT_SEQNUM: b"\3"},
        {codes.TLV_SAR_TOTAL_SEGMENTS: b"\1", codes.TLV_SAR_SEGMENT_SEQNUM: b"\1"},
        {codes.TLV_SAR_TOTAL_SEGMENTS: b"\xff\xff", codes.TLV_SAR_SEGMENT_SEQNUM: b"\1\1"},
        {codes.TLV_SAR_TOTAL_SEGMENTS: b"", codes.TLV_SAR_SEGMENT_SEQNUM: b""},
    ],
)
def test_a_place_in_a_chain_that_cannot_be_is_none(tlvs: dict[int, bytes]) -> None:
    found = read_inbound(message(b"text", tlvs=tlvs))
    assert (found.text, found.part, found.parts) == ("text", 1, 1)
    found = read_inbound(message(b"\5\0\3\7\2\3text", esm_class=codes.ESM_HEADER))
    assert (found.text, found.part, found.parts) == ("text", 1, 1)


@given(st.binary(max_size=255), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=8))
def test_anything_can_be_read(text: bytes, data_coding: int, esm_class: int, tlv: bytes) -> None:
    tlvs = dict.fromkeys((codes.TLV_SAR_MSG_REF_NUM, codes.TLV_SAR_TOTAL_SEGMENTS), tlv)
    tlvs[codes.TLV_SAR_SEGMENT_SEQNUM] = tlv
    odd = message(text, data_coding, source=tlv.replace(b"\0", b""), esm_class=esm_class, tlvs=tlvs)
    found = read_inbound(odd)
    assert "\0" not in found.text + found.sender
    assert len((found.text + found.sender).encode()) >= len(found.text)
    assert 1 <= found.part <= found.parts <= 255


@pytest.mark.parametrize("form", [UDH8, UDH16, SAR, PAYLOAD])
async def test_over_a_link(form: str) -> None:
    async with simulated() as operator, linked(operator.port) as (link, desk):
        count = operator.send_in("+905301112233", NUMBER, "ığüş " * 60, form=form)
        await until(lambda: operator.counts["acknowledged"] == count, "all parts are acknowledged")
        assert "".join(part.text for part in desk.came_in) == "ığüş " * 60
        assert {part.sender for part in desk.came_in} == {"905301112233"}
        assert link.counts["inbound"] == count
        assert desk.reported == []


async def test_it_is_acknowledged_only_when_it_is_stored() -> None:
    desk = RecordingDesk(store=None)
    async with simulated() as operator, linked(operator.port, desk):
        operator.send_in("Bank", NUMBER, "code 1234")
        await until(lambda: len(desk.pending) == 1, "the desk was asked")
        assert operator.counts["acknowledged"] == 0
        desk.pending.pop()(True)
        await until(lambda: operator.counts["acknowledged"] == 1, "it is acknowledged")


async def test_what_was_not_stored_comes_again_and_is_the_same() -> None:
    desk = RecordingDesk(store=False)
    async with simulated(time_scale=0.01) as operator, linked(operator.port, desk):
        operator.send_in("Bank", NUMBER, "code 1234")
        await until(lambda: len(desk.came_in) >= 3, "it came three times")
        desk.store = True
        await until(lambda: operator.counts["acknowledged"] == 1, "it is acknowledged")
        assert len(set(map(repr, desk.came_in))) == 1


async def test_what_waits_for_the_acknowledgement_comes_again_on_the_next_connection() -> None:
    desk = RecordingDesk(store=None)
    async with simulated() as operator, linked(operator.port, desk) as (link, _):
        operator.send_in("Bank", NUMBER, "code 1234")
        await until(lambda: len(desk.pending) == 1, "the desk was asked")
        operator.drop()
        await until(lambda: len(desk.pending) == 2, "it was asked again")
        desk.pending[0](True)
        desk.pending[1](True)
        await until(lambda: operator.counts["acknowledged"] == 1, "it is acknowledged")
        assert desk.came_in[0] == desk.came_in[1]
        assert link.counts["inbound"] == 2


async def test_it_waits_for_whoever_binds() -> None:
    async with simulated() as operator:
        operator.send_in("Bank", NUMBER, "code 1234", system_id="ulak")
        async with linked(operator.port, bind="transmitter+receiver") as (_, desk):
            await until(lambda: len(desk.came_in) == 1, "it came")


def test_a_text_that_looks_like_a_receipt_is_a_text() -> None:
    text = b"id:1 sub:001 dlvrd:001 submit date:1 done date:1 stat:DELIVRD err:000 text:"
    body = encode_message(message(text))
    found = decode_message(body, 0, len(body))
    assert not is_receipt(found)
    assert read_inbound(found).text.startswith("id:1 sub")

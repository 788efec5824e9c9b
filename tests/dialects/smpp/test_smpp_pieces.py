"""From a text to the bodies of submit_sm, read back by ourselves and by libraries of others."""

from __future__ import annotations

from typing import Any

import gsmcodecs  # noqa: F401  registers the codecs used below
import pytest
import smpp34
from hypothesis import given
from hypothesis import strategies as st

from ulak.core.text import encode_gsm7
from ulak.dialects.smpp import codes, wire
from ulak.dialects.smpp.pieces import Plan, planner
from ulak.dialects.smpp.reading import Chain, read_message
from ulak.dialects.smpp.settings import MESSAGE_PAYLOAD, UDH8, UDH16, LinkSettings
from ulak.dialects.smpp.wire import ShortMessage

NUMBER = b"905321234567"
PANGRAM = "Pijamalı hasta yağız şoföre çabucak güvendi. "
TEXTS = {
    "plain": "Merhaba",
    "plain, full": "x" * 160,
    "plain, two parts": "x" * 161,
    "extension across a border": "x" * 152 + "€" * 20,
    "turkish": "Şişli'de ağaç dikildi",
    "turkish, full": "ş" * 77 + "x",
    "turkish, parts": PANGRAM * 12,
    "ucs2": "Привет",
    "ucs2, full": "ж" * 70,
    "emoji": "Kargonuz yolda 🚚",
    "emoji across a border": "ж" * 66 + "🚚" * 10,
    "seven parts": ("0123456789" * 16)[:153] * 7,
    "seven turkish parts": PANGRAM * 20,
    "seven emoji parts": "🚚ж" * 150,
    "at sign": "@" * 200,
    "empty": "",
}


def plan_of(text: str, payload: str = UDH8, sender: str = "ACME", **more: Any) -> Plan:
    return planner(LinkSettings(host="localhost", system_id="x", payload=payload, **more))(sender, text)


def bodies(plan: Plan, reference: int = 7) -> list[bytes]:
    return [plan.body(NUMBER, part, reference) for part in range(plan.total)]


def read(body: bytes) -> ShortMessage:
    return wire.decode_message(body, 0, len(body))


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("payload", [UDH8, UDH16, MESSAGE_PAYLOAD])
def test_a_text_comes_out_as_it_went_in(text: str, payload: str) -> None:
    messages = [read(body) for body in bodies(plan_of(text, payload), 0xA7)]
    readings = [read_message(message) for message in messages]
    assert "".join(reading.text for reading in readings) == text
    if len(messages) > 1:
        chains = [Chain(0xA7, len(messages), part) for part in range(1, len(messages) + 1)]
        assert [reading.chain for reading in readings] == chains
    for message in messages:
        assert message.destination == NUMBER
        assert message.registered_delivery == 1
        assert len(message.text) <= 254


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_smpp34_reads_the_same(text: str) -> None:
    for body in bodies(plan_of(text)):
        ours = read(body)
        theirs: Any = smpp34.decode(wire.frame(codes.SUBMIT_SM, 0, 1, body))
        assert theirs.short_message == ours.text
        assert theirs.esm_class == ours.esm_class
        assert theirs.data_coding == ours.data_coding
        assert (theirs.source_addr, theirs.source_addr_ton, theirs.source_addr_npi) == ("ACME", 5, 0)
        assert (theirs.destination_addr, theirs.dest_addr_ton, theirs.dest_addr_npi) == (
            NUMBER.decode(),
            1,
            1,
        )
        assert theirs.registered_delivery == 1
        assert (theirs.service_type, theirs.schedule_delivery_time, theirs.validity_period) == ("", "", "")


@pytest.mark.parametrize(
    ("text", "data_coding", "header", "octets"),
    [
        ("@£", 0, b"", b"\x00\x01"),
        ("ğ", 0, b"\x03\x24\x01\x01", b"\x1b\x67"),
        ("ж", 8, b"", b"\x04\x36"),
    ],
)
def test_one_part_to_the_byte(text: str, data_coding: int, header: bytes, octets: bytes) -> None:
    (body,) = bodies(plan_of(text))
    message = read(body)
    assert message.data_coding == data_coding
    assert message.esm_class == (codes.ESM_HEADER if header else 0)
    assert message.text == header + octets


def test_parts_to_the_byte() -> None:
    narrow = [read(body) for body in bodies(plan_of(PANGRAM * 8), 0xFE)]
    assert [message.text[:9] for message in narrow] == [
        bytes.fromhex("08 0003fe") + bytes((len(narrow), part)) + bytes.fromhex("240101")
        for part in range(1, len(narrow) + 1)
    ]
    wide = [read(body) for body in bodies(plan_of("x" * 161, UDH16), 0xABCD)]
    assert [message.text[:7] for message in wide] == [b"\6\x08\4\xab\xcd\2\1", b"\6\x08\4\xab\xcd\2\2"]
    assert [message.esm_class for message in narrow + wide] == [0x40] * (len(narrow) + 2)


def test_the_turkish_octets_are_those_of_another_codec() -> None:
    octets = b"".join(read_octets(body) for body in bodies(plan_of(PANGRAM * 8)))
    assert octets.decode("gsm23.038-0-1") == PANGRAM * 8


def read_octets(body: bytes) -> bytes:
    message = read(body)
    return message.text[1 + message.text[0] :]


def test_a_long_text_in_one_piece() -> None:
    (body,) = bodies(plan_of(PANGRAM * 8, MESSAGE_PAYLOAD))
    message = read(body)
    assert message.text == b""
    assert message.esm_class == codes.ESM_HEADER
    octets = b"\x03\x24\x01\x01" + encode_gsm7(PANGRAM * 8, turkish=True)
    assert message.tlvs == {codes.TLV_MESSAGE_PAYLOAD: octets}


def test_a_short_text_needs_no_payload_parameter() -> None:
    (body,) = bodies(plan_of("Merhaba", MESSAGE_PAYLOAD))
    assert read(body).text == b"Merhaba"


@pytest.mark.parametrize(
    ("sender", "more", "kind"),
    [
        ("ACME", {}, b"\5\0"),
        ("Acme 24-7", {}, b"\5\0"),
        ("905321234567", {}, b"\1\1"),
        ("3850", {}, b"\0\1"),
        ("", {}, b"\0\0"),
        ("ACME", {"source_ton": 0, "source_npi": 1}, b"\0\1"),
        ("905321234567", {"source_ton": 2}, b"\2\1"),
    ],
)
def test_the_kind_of_a_sender(sender: str, more: dict[str, Any], kind: bytes) -> None:
    (body,) = bodies(plan_of("x", sender=sender, **more))
    message = read(body)
    assert (message.source, message.source_kind) == (sender.encode(), kind)


def test_a_plus_is_for_people() -> None:
    (body,) = bodies(plan_of("x", sender="+905321234567"))
    message = read(body)
    assert (message.source, message.source_kind) == (b"905321234567", b"\1\1")


@pytest.mark.parametrize("sender", ["ŞİRKET", "x" * 21, "A\0B"])
def test_a_sender_that_smpp_cannot_carry(sender: str) -> None:
    with pytest.raises(ValueError, match=r"SMPP"):
        plan_of("x", sender=sender)


@pytest.mark.parametrize("text", ["\ud83d", "x" * 153 * 256])
def test_a_text_that_smpp_cannot_carry(text: str) -> None:
    with pytest.raises(ValueError, match=r"surrogate|255 parts"):
        plan_of(text)


def test_plans_are_kept() -> None:
    plan = planner(LinkSettings(host="localhost", system_id="x"))
    assert plan("ACME", "hello") is plan("ACME", "hello")
    assert plan("ACME", "hello") is not plan("OTHER", "hello")


@given(st.text("aşğ€{🚚ж@ \n", max_size=400), st.sampled_from([UDH8, UDH16, MESSAGE_PAYLOAD]))
def test_any_text_comes_back(text: str, payload: str) -> None:
    readings = [read_message(read(body)) for body in bodies(plan_of(text, payload))]
    assert "".join(reading.text for reading in readings) == text


@given(st.binary(max_size=60), st.integers(0, 255), st.integers(0, 255))
def test_reading_never_raises(octets: bytes, esm_class: int, data_coding: int) -> None:
    (body,) = bodies(plan_of("x"))
    message = read(body)
    options = bytes((1, 0, data_coding, 0))
    read_message(message._replace(text=octets, flags=bytes((esm_class, 0, 0)), options=options))

"""An SMSC that means harm: the link gives up what is no SMPP, bounds what it keeps, and works with the next.

Each script plays on the first connection; the second is with an SMSC without faults.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from tests.peers.desk import RecordingDesk, outgoing, until
from tests.peers.links import linked
from tests.peers.scripted import Conversation, Script, ScriptedSmsc, good

from ulak.core.ports import Accepted, Unknown
from ulak.dialects.smpp import codes, wire
from ulak.dialects.smpp.line import TALK_MAX

QUICK: dict[str, Any] = {"response_timeout": 1.0, "enquire_link": 0.5}
DELIVER = b"\0\1\1905301234567\0\1\0014930\0" + bytes(10)


def after_bind(*pdus: bytes) -> Script:
    """Let the link bind, then say this."""

    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        conversation.writer.write(b"".join(pdus))

    return script


def before_bind(*pdus: bytes) -> Script:
    """Say this instead of an answer to the bind."""

    async def script(conversation: Conversation) -> None:
        await conversation.hear()
        conversation.writer.write(b"".join(pdus))

    return script


def dripping(data: bytes) -> Script:
    """Say this a byte at a time, and no more."""

    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        for octet in data:
            conversation.writer.write(bytes((octet,)))
            await asyncio.sleep(0)
        while True:
            await conversation.hear()

    return script


def header(length: int, command: int, sequence: int = 1) -> bytes:
    """A header by itself."""
    return wire.HEADER.pack(length, command, 0, sequence)


BROKEN: dict[str, Script] = {
    "length 0": after_bind(header(0, codes.DELIVER_SM)),
    "length 15": after_bind(header(15, codes.ENQUIRE_LINK)),
    "length 4 GiB": after_bind(header(2**32 - 1, codes.DELIVER_SM)),
    "length 64 KiB and one": after_bind(header(65_537, codes.DELIVER_SM)),
    "a long word before the bind": before_bind(header(60_000, codes.BIND_TRANSCEIVER | codes.RESPONSE)),
    "no SMPP": after_bind(b"HTTP/1.1 400 Bad Request\r\nserver: nginx\r\n\r\n"),
    "noise": after_bind(b"\xff" + random.Random(1).randbytes(5000)),
    "enquiries without end": after_bind(
        *(wire.frame(codes.ENQUIRE_LINK, 0, n) for n in range(1, 4 * TALK_MAX))
    ),
    "enquiries without end, before the bind": before_bind(
        *(wire.frame(codes.ENQUIRE_LINK, 0, n) for n in range(1, 4 * TALK_MAX))
    ),
    "answers to nothing without end": after_bind(
        *(wire.frame(codes.SUBMIT_SM_RESP, 0, n, b"x\0") for n in range(100, 100 + 4 * TALK_MAX))
    ),
    "commands that are none without end": after_bind(
        *(wire.frame(0x200 + n % 100, 0, n) for n in range(1, 4 * TALK_MAX))
    ),
    "half a PDU": dripping(wire.frame(codes.DELIVER_SM, 0, 1, DELIVER)[:-3]),
    "half a header": dripping(b"\0\0\0"),
    "a bind that is not answered": before_bind(),
    "another's answer to the bind": before_bind(wire.frame(codes.SUBMIT_SM_RESP, 0, 1, b"x\0")),
}
"""What makes a connection unusable, so that the link leaves it for another."""


@pytest.mark.fault("F21", "an SMSC breaks the protocol or floods the link, then another takes its place")
@pytest.mark.parametrize("name", BROKEN)
async def test_a_connection_that_is_of_no_use(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    async with (
        ScriptedSmsc(BROKEN[name], good) as smsc,
        linked(smsc.port, wait=False, **QUICK) as (
            link,
            desk,
        ),
    ):
        link.submit(outgoing(1, 2, 3))
        await until(lambda: len(smsc.conversations) >= 2, "the link has left")
        link.submit(outgoing(4, 5, 6))
        await until(lambda: len(desk.outcome) == 6, "every message has its outcome", 20.0)
        assert all(isinstance(desk.outcome[id], Accepted) for id in (4, 5, 6))
        assert all(isinstance(desk.outcome[id], Accepted | Unknown) for id in (1, 2, 3))
        assert desk.reported == []
        assert desk.came_in == []
    record_property("runs", 1)


BEARABLE: dict[str, bytes] = {
    "sequences that are none": b"".join(
        wire.frame(codes.DELIVER_SM, 0, sequence, DELIVER) for sequence in (0, 2**31, 2**32 - 1)
    ),
    "commands that are none": b"".join(wire.frame(0x300 + n, 0, n) for n in range(50)),
    "bodies that are none": b"".join(
        wire.frame(codes.DELIVER_SM, 0, n, DELIVER[:n] if n else b"") for n in range(len(DELIVER))
    ),
    "parameters that overrun": wire.frame(codes.DELIVER_SM, 0, 1, DELIVER + b"\x04\x24\xff\xffx"),
    "parameters without number": wire.frame(
        codes.DELIVER_SM, 0, 1, DELIVER + b"".join(n.to_bytes(2, "big") + b"\0\0" for n in range(15_000))
    ),
    "answers to nothing": b"".join(wire.frame(codes.SUBMIT_SM_RESP, n, 9000 + n, b"") for n in range(100)),
    "a message of ours": wire.frame(codes.SUBMIT_SM, 0, 1, DELIVER),
    "a bind of ours": wire.frame(codes.BIND_TRANSCEIVER, 0, 1, b"a\0b\0\0\x34\0\0\0"),
}
"""What is wrong with a PDU and not with the connection: the link lives."""


@pytest.mark.fault("F21", "an SMSC says what it may not, and the link goes on")
@pytest.mark.parametrize("name", BEARABLE)
async def test_a_connection_that_goes_on(name: str, record_property: Callable[[str, object], None]) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        conversation.writer.write(BEARABLE[name])
        await conversation.serve()

    async with ScriptedSmsc(script) as smsc, linked(smsc.port) as (link, desk):
        link.submit(outgoing(*range(20)))
        await until(lambda: len(desk.outcome) == 20, "every message has its outcome")
        assert len(desk.accepted) == 20
        assert len(smsc.conversations) == 1
    record_property("runs", 1)


async def test_what_is_not_stored_yet_is_bounded() -> None:
    """Long messages beyond a hundred, and any beyond ten thousand, are turned away until room is there."""
    large = DELIVER + wire.encode_tlv(codes.TLV_MESSAGE_PAYLOAD, b"x" * 60_000)
    kept: dict[int, int] = {}

    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        for sequence in range(1, 151):
            conversation.say(codes.DELIVER_SM, 0, sequence, large)
        conversation.say(codes.DELIVER_SM, 0, 1000, DELIVER)
        await conversation.writer.drain()
        while len(kept) < 50:
            pdu = await conversation.hear()
            if pdu.command == codes.DELIVER_SM_RESP:
                kept[pdu.sequence] = pdu.status
            else:
                conversation.be_polite(pdu)

    desk = RecordingDesk(store=None)
    async with ScriptedSmsc(script) as smsc, linked(smsc.port, desk) as (link, _):
        await until(lambda: len(kept) == 50, "the last fifty long ones are turned away")
        await until(lambda: len(desk.came_in) == 101, "a hundred long ones and the short one came in")
        assert set(kept.values()) == {codes.ESME_RX_T_APPN}
        assert min(kept) > 100
        assert desk.outcome == {}
        for stored in desk.pending:
            stored(True)
        link.submit([])

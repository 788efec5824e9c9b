"""An operator that has no room, or errors: nothing is lost, nothing is doubled, nobody is flooded."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest
from tests.peers.desk import outgoing, until
from tests.peers.links import linked
from tests.peers.scripted import Conversation, Pdu, Script, ScriptedSmsc, good

from ulak.core.ports import Accepted, Outgoing, Refused
from ulak.dialects.smpp import codes, outbox, wire

pytestmark = pytest.mark.fault(
    "F4, F5 moody operator", "throttled from 1 to 100 %, failing, answers to nothing, as the link sees them"
)

# Throttling and errors


def throttling(share: float, status: int, seed: int) -> tuple[Counter[bytes], Script]:
    """A script that turns away some of the messages, and what was offered, by destination."""
    offered: Counter[bytes] = Counter()
    chances = random.Random(seed)

    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        while True:
            pdu = await conversation.hear_a(codes.SUBMIT_SM)
            message = wire.decode_message(pdu.body, 0, len(pdu.body))
            offered[message.destination] += 1
            if chances.random() < share:
                conversation.answer(pdu, status)
            else:
                conversation.answer(pdu, 0, message.destination + b"\0")

    return offered, script


@pytest.mark.parametrize("status", [codes.ESME_RTHROTTLED, codes.ESME_RMSGQFUL])
@pytest.mark.parametrize(("share", "messages"), [(0.01, 300), (0.5, 12)])
async def test_throttled_messages_are_not_lost(status: int, share: float, messages: int) -> None:
    offered, script = throttling(share, status, seed=4)
    async with ScriptedSmsc(script) as smsc, linked(smsc.port) as (link, desk):
        batch = outgoing(*range(messages))
        link.submit(batch)
        await until(lambda: len(desk.outcome) == messages, "all have their outcome", 20)
        assert desk.outcome == {message.id: Accepted((str(message.number),)) for message in batch}
        assert link.counts["submitted"] == offered.total()
        assert link.counts["throttled"] == offered.total() - messages


async def test_an_operator_that_takes_nothing_is_not_flooded() -> None:
    offered, script = throttling(1.0, codes.ESME_RTHROTTLED, seed=4)
    async with ScriptedSmsc(script) as smsc, linked(smsc.port) as (link, desk):
        link.submit(outgoing(*range(100)))
        await asyncio.sleep(1.0)
        assert desk.outcome == {}
        assert desk.up
        # The window at once, then a probe after 0.1, 0.2 and 0.4 s.
        assert 12 <= offered.total() <= 15


async def test_throttled_messages_keep_their_order() -> None:
    order: list[bytes] = []

    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        first = [await conversation.hear_a(codes.SUBMIT_SM) for _ in range(5)]
        for pdu in (first[3], first[1], first[4], first[0], first[2]):
            conversation.answer(pdu, codes.ESME_RTHROTTLED)
            await conversation.writer.drain()
            await asyncio.sleep(0.001)
        while True:
            pdu = await conversation.hear_a(codes.SUBMIT_SM)
            order.append(wire.decode_message(pdu.body, 0, len(pdu.body)).destination)
            conversation.answer(pdu, 0, b"r\0")

    async with ScriptedSmsc(script) as smsc, linked(smsc.port, window=5) as (link, desk):
        batch = outgoing(*range(9))
        link.submit(batch)
        await until(lambda: len(desk.outcome) == 9, "all have their outcome")
        assert order == [b"%d" % message.number for message in batch]


async def test_a_throttled_message_waits_through_a_lost_connection() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        conversation.answer(await conversation.hear_a(codes.SUBMIT_SM), codes.ESME_RTHROTTLED)
        await conversation.writer.drain()
        conversation.writer.close()

    async with ScriptedSmsc(script, good) as smsc, linked(smsc.port) as (link, desk):
        link.submit(outgoing(1))
        await until(lambda: len(desk.outcome) == 1, "it has its outcome")
        assert desk.accepted == [1]


@pytest.mark.parametrize(("failures", "expected"), [(1, "accepted"), (3, "accepted"), (4, "refused")])
async def test_a_system_error_is_tried_again_a_few_times(
    failures: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "RETRY_DELAYS", (0.01, 0.02, 0.03))
    heard: list[Pdu] = []

    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        while True:
            pdu = await conversation.hear_a(codes.SUBMIT_SM)
            heard.append(pdu)
            failing = b"905300010000" in pdu.body and len(heard) <= failures + 1
            conversation.answer(pdu, codes.ESME_RSYSERR if failing else 0, b"r\0")

    async with ScriptedSmsc(script) as smsc, linked(smsc.port, window=1) as (link, desk):
        link.submit(outgoing(1, 2))
        await until(lambda: len(desk.outcome) == 2, "both have their outcome")
        assert desk.seen == [2, 1]  # the other did not wait for it
        refused = Refused("ESME_RSYSERR (0x08)")
        assert desk.outcome[1] == (refused if expected == "refused" else Accepted(("r",)))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (codes.ESME_RINVDSTADR, "ESME_RINVDSTADR (0x0B)"),
        (0x45, "ESME_RSUBMITFAIL (0x45)"),
        (0x40B, "0x0000040B"),
        (0xFFFFFFFF, "0xFFFFFFFF"),
    ],
)
async def test_any_other_status_is_a_refusal(status: int, code: str) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        conversation.answer(await conversation.hear_a(codes.SUBMIT_SM), status)

    async with ScriptedSmsc(script) as smsc, linked(smsc.port) as (link, desk):
        link.submit(outgoing(1))
        await until(lambda: len(desk.outcome) == 1, "it has its outcome")
        assert desk.outcome[1] == Refused(code)


async def test_a_refused_part_stops_the_rest_of_its_message() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        conversation.answer(await conversation.hear_a(codes.SUBMIT_SM), 0, b"r\0")
        conversation.answer(await conversation.hear_a(codes.SUBMIT_SM), codes.ESME_RINVDSTADR)
        await conversation.serve()

    async with ScriptedSmsc(script) as smsc, linked(smsc.port, window=1) as (link, desk):
        link.submit(outgoing(1, text="x" * 1000) + outgoing(2))
        await until(lambda: len(desk.outcome) == 2, "both have their outcome")
        assert desk.outcome[1] == Refused("ESME_RINVDSTADR (0x0B)")
        assert smsc.conversations[0].count(codes.SUBMIT_SM) == 3


async def test_answers_to_nothing_change_nothing() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        pdu = await conversation.hear_a(codes.SUBMIT_SM)
        conversation.answer(pdu, 0, b"r1\0")
        conversation.answer(pdu, 0, b"r1-again\0")
        conversation.answer(pdu, codes.ESME_RINVDSTADR)
        conversation.say(codes.SUBMIT_SM_RESP, 0, 4711, b"from-nowhere\0")
        conversation.say(codes.GENERIC_NACK, codes.ESME_RINVCMDID, 4711)
        conversation.say(codes.QUERY_SM, 0, 12, b"1\0\1\1" + b"\0")
        assert (await conversation.hear_a(codes.GENERIC_NACK)).sequence == 12
        await conversation.serve()

    async with ScriptedSmsc(script) as smsc, linked(smsc.port, window=1) as (link, desk):
        link.submit(outgoing(1, 2))
        await until(lambda: len(desk.outcome) == 2, "both have their outcome")
        assert desk.outcome[1] == Accepted(("r1",))
        assert link.counts["stray"] == 5
        assert [up for up, _ in desk.states] == [True]


# All of it at once


class Weather:
    """An SMSC in all weathers, by seed, that turns good after a while."""

    def __init__(self, seed: int) -> None:
        self.chances = random.Random(seed)
        self.accepted: Counter[bytes] = Counter()
        self.troubles = 60

    async def script(self, conversation: Conversation) -> None:
        """One connection."""
        await conversation.let_bind()
        while True:
            pdu = await conversation.hear_a(codes.SUBMIT_SM)
            destination = wire.decode_message(pdu.body, 0, len(pdu.body)).destination
            self.troubles -= 1
            chance = self.chances.random() if self.troubles > 0 else 0.0
            if chance < 0.6:
                self._accept(conversation, pdu, destination)
            elif chance < 0.75:
                conversation.answer(pdu, codes.ESME_RTHROTTLED)
            elif chance < 0.85:
                conversation.answer(pdu, codes.ESME_RINVDSTADR)
            elif chance < 0.9:
                conversation.say(codes.SUBMIT_SM_RESP, 0, 99_999, b"stray\0")
                self._accept(conversation, pdu, destination)
            else:
                conversation.cut()
                return

    def _accept(self, conversation: Conversation, pdu: Pdu, destination: bytes) -> None:
        self.accepted[destination] += 1
        conversation.answer(pdu, 0, destination + b"\0")


@pytest.mark.parametrize("seed", range(8))
async def test_any_weather(seed: int) -> None:
    weather = Weather(seed)
    chances = random.Random(seed)
    batch = [
        Outgoing(id, 905_300_000_000 + id, "ACME", "x" * chances.choice([5, 5, 5, 200, 500]))
        for id in range(40)
    ]
    async with ScriptedSmsc(weather.script) as smsc, linked(smsc.port, window=5) as (link, desk):
        while batch:
            count = chances.randint(1, 8)
            link.submit(batch[:count])
            batch = batch[count:]
            await asyncio.sleep(chances.choice([0, 0.005]))
        await until(lambda: len(desk.outcome) == 40, "all have their outcome", 30)
        for id, outcome in desk.outcome.items():
            destination = b"%d" % (905_300_000_000 + id)
            if isinstance(outcome, Accepted):
                assert set(outcome.references) == {destination.decode()}
                assert weather.accepted[destination] == len(outcome.references)
        assert link.counts["unknown"] == len(desk.unknown)

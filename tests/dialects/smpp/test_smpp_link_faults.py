"""A link in bad weather: whatever the operator does, each message has one outcome, and an honest one."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from tests.peers.desk import RecordingDesk, outgoing, until
from tests.peers.links import linked, simulated
from tests.peers.scripted import Conversation, ScriptedSmsc, good

from ulak.core.ports import Accepted, Unknown
from ulak.dialects.smpp import codes, connect, wire
from ulak.dialects.smpp.connect import LinkSettings, SmppLink

pytestmark = pytest.mark.fault(
    "F3 link cut", "cuts, resets, silence, refused binds and garbage, as the link sees them one by one"
)

QUICK: dict[str, Any] = {"response_timeout": 0.3, "enquire_link": 0.2}


# The connection goes


async def test_cut_before_the_answers() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        for _ in range(3):
            await conversation.hear_a(codes.SUBMIT_SM)
        conversation.cut()

    async with ScriptedSmsc(script, good) as smsc, linked(smsc.port, window=3) as (link, desk):
        link.submit(outgoing(*range(8)))
        await until(lambda: len(desk.outcome) == 8, "all have their outcome")
        assert desk.unknown == [0, 1, 2]
        assert desk.accepted == [3, 4, 5, 6, 7]
        assert [up for up, _ in desk.states] == [True, False, True]
        assert link.counts["unknown"] == 3


async def test_cut_in_the_middle_of_an_answer() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        first = await conversation.hear_a(codes.SUBMIT_SM)
        second = await conversation.hear_a(codes.SUBMIT_SM)
        conversation.answer(first, 0, b"r1\0")
        conversation.writer.write(wire.frame(codes.SUBMIT_SM_RESP, 0, second.sequence, b"r2\0")[:-2])
        await conversation.writer.drain()
        conversation.writer.close()

    async with ScriptedSmsc(script, good) as smsc, linked(smsc.port, window=2) as (link, desk):
        link.submit(outgoing(1, 2))
        await until(lambda: len(desk.outcome) == 2, "both have their outcome")
        assert desk.outcome[1] == Accepted(("r1",))
        assert desk.outcome[2] == Unknown("the peer closed the connection")


async def test_cut_in_the_middle_of_a_message_of_several_parts() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        for _ in range(2):
            pdu = await conversation.hear_a(codes.SUBMIT_SM)
            conversation.answer(pdu, 0, b"r%d\0" % pdu.sequence)
            await conversation.writer.drain()
        await asyncio.sleep(0.05)  # the third part is on its way or not: the message is in doubt either way
        conversation.cut()

    async with ScriptedSmsc(script, good) as smsc, linked(smsc.port, window=1) as (link, desk):
        link.submit(outgoing(1, text="x" * 800) + outgoing(2))
        await until(lambda: len(desk.outcome) == 2, "both have their outcome")
        assert isinstance(desk.outcome[1], Unknown)
        assert isinstance(desk.outcome[2], Accepted)
        assert smsc.conversations[1].count(codes.SUBMIT_SM) == 1


async def test_cut_together_with_the_answer_to_the_bind() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        conversation.writer.close()

    async with ScriptedSmsc(*[script] * 20, good) as smsc, linked(smsc.port, wait=False) as (link, desk):
        await until(lambda: len(smsc.conversations) == 21 and desk.up, "it came again and again")
        link.submit(outgoing(1))
        await until(lambda: len(desk.accepted) == 1, "it works in the end")


async def test_a_fault_of_ours_does_not_look_like_waiting() -> None:
    async def sleep(_: float) -> None:
        raise RuntimeError("not now")

    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    async with ScriptedSmsc(good) as smsc:
        port = smsc.port
    desk = RecordingDesk()
    link = SmppLink(LinkSettings("127.0.0.1", "ulak", port=port), sleep=sleep)
    await link.start(desk)
    await until(lambda: faults != [], "it is told")
    await link.stop()
    assert not desk.up
    assert [str(fault["exception"]) for fault in faults] == ["not now"]


async def test_cut_before_anything_was_written() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        conversation.cut()

    gate = asyncio.Event()

    async def good_later(conversation: Conversation) -> None:
        await gate.wait()
        await good(conversation)

    async with ScriptedSmsc(script, good_later) as smsc, linked(smsc.port, wait=False) as (link, desk):
        await until(lambda: len(desk.states) == 2, "the link was up and is down")
        link.submit(outgoing(1, 2, 3))
        assert desk.outcome == {}
        gate.set()
        await until(lambda: len(desk.outcome) == 3, "all have their outcome")
        assert len(desk.accepted) == 3


async def test_the_operator_unbinds() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        await conversation.hear_a(codes.SUBMIT_SM)
        conversation.say(codes.UNBIND, 0, 9)
        answer = await conversation.hear_a(codes.UNBIND_RESP)
        assert (answer.status, answer.sequence) == (0, 9)

    async with ScriptedSmsc(script, good) as smsc, linked(smsc.port, window=1) as (link, desk):
        link.submit(outgoing(1, 2))
        await until(lambda: len(desk.outcome) == 2, "both have their outcome")
        assert desk.outcome[1] == Unknown("the operator ended the session")
        assert desk.accepted == [2]
        await until(lambda: smsc.conversations[0].count(codes.UNBIND_RESP) == 1, "the unbind is answered")


async def test_one_of_a_pair_goes_and_both_come_again() -> None:
    async with simulated() as simulator:
        desk = RecordingDesk()
        async with linked(simulator.port, desk, bind="transmitter+receiver") as (link, _):
            simulator.drop(1)
            await until(lambda: [up for up, _ in desk.states] == [True, False, True], "it is up again")
            assert len(simulator.sessions) == 2
            link.submit(outgoing(1))
            await until(lambda: len(desk.reported) == 1, "it works")


async def test_garbage_ends_the_connection() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        await conversation.hear_a(codes.SUBMIT_SM)
        conversation.writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert (await conversation.hear_a(codes.GENERIC_NACK)).status == codes.ESME_RINVCMDLEN

    async with ScriptedSmsc(script, good) as smsc, linked(smsc.port, window=1) as (link, desk):
        link.submit(outgoing(1, 2))
        await until(lambda: len(desk.outcome) == 2, "both have their outcome")
        assert desk.unknown == [1]
        assert desk.accepted == [2]


# Silence


async def test_a_message_is_never_answered() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        held = await conversation.hear_a(codes.SUBMIT_SM)
        while True:
            pdu = await conversation.hear()
            conversation.be_polite(pdu)
            if pdu.command == codes.SUBMIT_SM:
                conversation.answer(pdu, 0, b"r\0")
            assert pdu.sequence != held.sequence

    async with ScriptedSmsc(script, good) as smsc, linked(smsc.port, window=2, **QUICK) as (link, desk):
        link.submit(outgoing(1, 2, 3))
        await until(lambda: len(desk.outcome) == 3, "all have their outcome")
        assert desk.outcome[1] == Unknown("a message was not answered in 0.3 s")
        assert desk.accepted == [2, 3]
        await until(lambda: desk.up, "it is up again")


async def test_enquire_link_is_never_answered() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        while True:
            await conversation.hear()

    async with ScriptedSmsc(script, good) as smsc, linked(smsc.port, **QUICK) as (_, desk):
        await until(lambda: len(desk.states) >= 3, "it was down and is up again")
        assert desk.states[1] == (False, "enquire_link was not answered, nothing came for 0.4 s")
        assert smsc.conversations[0].count(codes.ENQUIRE_LINK) == 1


async def test_enquire_link_keeps_a_quiet_link() -> None:
    async with ScriptedSmsc(good) as smsc, linked(smsc.port, **QUICK) as (_, desk):
        await until(lambda: smsc.conversations[0].count(codes.ENQUIRE_LINK) >= 3, "it enquires")
        assert len(desk.states) == 1


async def test_the_operator_enquires() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        conversation.say(codes.ENQUIRE_LINK, 0, 5)
        assert (await conversation.hear_a(codes.ENQUIRE_LINK_RESP)).sequence == 5

    async with ScriptedSmsc(script) as smsc, linked(smsc.port):
        await until(lambda: smsc.conversations[0].count(codes.ENQUIRE_LINK_RESP) == 1, "it is answered")


async def test_a_bind_is_never_answered() -> None:
    async def script(conversation: Conversation) -> None:
        while True:
            await conversation.hear()

    async with ScriptedSmsc(script, good) as smsc, linked(smsc.port, **QUICK) as (_, desk):
        assert desk.states[0] == (False, f"127.0.0.1 port {smsc.port} did not answer in 0.3 s")


# Being refused, and coming again


async def test_a_bind_is_refused_until_it_is_not() -> None:
    async def script(conversation: Conversation) -> None:
        conversation.answer(await conversation.hear(), codes.ESME_RINVPASWD)

    async with ScriptedSmsc(script, script, good) as smsc, linked(smsc.port) as (_, desk):
        assert desk.states[0] == (
            False,
            "the operator refused to bind us as transceiver: ESME_RINVPASWD (0x0E)",
        )
        assert len(desk.states) == 2  # said once, though it was refused twice


async def test_a_bind_is_hung_up_on() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.hear()
        conversation.cut()

    async with ScriptedSmsc(script, good) as smsc, linked(smsc.port) as (_, desk):
        assert desk.states[0][1].startswith("the bind was not answered: ")


async def test_the_pauses_between_connections_grow_with_a_jitter_of_a_fifth() -> None:
    slept: list[float] = []
    chances = random.Random(3)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    desk = RecordingDesk()
    async with ScriptedSmsc(good) as smsc:
        port = smsc.port
    settings = LinkSettings(host="127.0.0.1", port=port, system_id="ulak")  # nobody is there any more
    link = SmppLink(settings, sleep=sleep, rand=chances.random)
    await link.start(desk)
    await until(lambda: len(slept) >= 12, "it has tried a dozen times")
    await link.stop()
    expected = [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]
    for pause, middle in zip(slept, expected, strict=False):
        assert 0.8 * middle <= pause <= 1.2 * middle
    assert len(set(slept[6:12])) > 1
    assert desk.states[0][0] is False
    assert f"no connection to 127.0.0.1 port {port}" in desk.states[0][1]


@pytest.mark.parametrize(("lived", "pauses"), [(1.0, [1, 2, 4]), (20.0, [1, 1, 1])])
async def test_a_session_that_lived_makes_the_next_pause_short(lived: float, pauses: list[int]) -> None:
    now = 0.0
    slept: list[float] = []

    async def script(conversation: Conversation) -> None:
        nonlocal now
        await conversation.let_bind()
        await conversation.hear_a(codes.SUBMIT_SM)
        now += lived
        conversation.cut()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        link.submit(outgoing(len(slept)))
        await asyncio.sleep(0)

    async with ScriptedSmsc(script) as smsc:
        settings = LinkSettings(host="127.0.0.1", port=smsc.port, system_id="ulak")
        link = SmppLink(settings, now=lambda: now, sleep=sleep, rand=lambda: 0.5)
        link.submit(outgoing(0))
        await link.start(RecordingDesk())
        await until(lambda: len(slept) >= 3, "it came again three times")
        await link.stop()
    assert slept[:3] == pauses


# Stopping


def test_the_waits_of_a_stopping_link_are_short() -> None:
    assert connect.LAST_ANSWERS <= 2.0
    assert connect.LAST_UNBIND <= 1.0


@pytest.mark.parametrize("end", ["silence", "reset", "close"])
async def test_an_unbind_is_not_answered(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "LAST_ANSWERS", 0.1)
    monkeypatch.setattr(connect, "LAST_UNBIND", 0.1)

    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        while (await conversation.hear()).command != codes.UNBIND:
            pass
        if end == "reset":
            conversation.cut()
        elif end == "close":
            conversation.writer.close()
        else:
            await conversation.hear()

    async with ScriptedSmsc(script) as smsc, linked(smsc.port) as (link, desk):
        link.submit(outgoing(1))
        await until(lambda: link.counts["submitted"] == 1, "it is written")
        await link.stop()
        assert desk.outcome == {1: Unknown("the link was stopped")}
        assert desk.states[-1] == (False, "the link was stopped")

"""A link in good weather: against our simulator, and against an SMSC that is told what to do."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

import pytest
from tests.peers.desk import RecordingDesk, outgoing, until
from tests.peers.links import linked, simulated
from tests.peers.scripted import Conversation, ScriptedSmsc, good

from ulak.core.ports import Accepted, Refused, Report, ReportState
from ulak.dialects.smpp import codes
from ulak.dialects.smpp.connect import LinkSettings, SmppLink
from ulak.dialects.smpp.wire import decode_bind, encode_tlv, frame

RECEIPT = b"\0\1\1905321234567\0\5\0ACME\0\4\0\0\0\0\0\0\0\0"
FROM_SOMEBODY = b"\0\1\1905321234567\0\0\0" + b"3850\0" + bytes(9) + b"\x04EVET"


def receipt(text: bytes) -> bytes:
    return RECEIPT + bytes((len(text),)) + text


async def test_messages_are_accepted_and_reported() -> None:
    async with simulated(delay=0.01) as simulator, linked(simulator.port) as (link, desk):
        link.submit(outgoing(1, 2, 3))
        await until(lambda: len(desk.reported) == 3, "all are reported")
        accepted = [desk.outcome[id] for id in (1, 2, 3)]
        references = [entry.reference for entry in simulator.log]
        assert accepted == [Accepted((reference,)) for reference in references]
        numbers = [message.number for message in outgoing(1, 2, 3)]
        assert desk.reported == [
            Report(reference, number, ReportState.DELIVERED, "DELIVRD 000")
            for reference, number in zip(references, numbers, strict=True)
        ]
        await until(lambda: simulator.counts["acknowledged"] == 3, "all are acknowledged")
    assert simulator.counts["turned_away"] == 0
    assert desk.states == [
        (True, f"bound to 127.0.0.1 port {simulator.port} as transceiver"),
        (False, "the link was stopped"),
    ]


async def test_a_message_of_several_parts_has_one_outcome() -> None:
    text = "Pijamalı hasta yağız şoföre çabucak güvendi. " * 20
    async with simulated(delay=0.01) as simulator, linked(simulator.port, window=2) as (link, desk):
        link.submit(outgoing(1, text=text) + outgoing(2))
        await until(lambda: len(desk.reported) == 8, "all parts are reported")
        log = list(simulator.log)
    assert desk.outcome[1] == Accepted(tuple(entry.reference for entry in log[:7]))
    assert "".join(entry.read().text for entry in log[:7]) == text
    assert [entry.read().text for entry in log[7:]] == ["Merhaba"]


async def test_the_references_of_chained_messages_differ() -> None:
    async with simulated() as simulator, linked(simulator.port, window=100) as (link, desk):
        link.submit(outgoing(*range(20), text="x" * 200))
        await until(lambda: len(desk.outcome) == 20, "all are answered")
    chains = [entry.read().chain for entry in simulator.log]
    assert len({chain.reference for chain in chains if chain}) == 20
    assert [(chain.part, chain.total) for chain in chains if chain] == [(1, 2), (2, 2)] * 20


async def test_a_receipt_is_acknowledged_only_when_it_is_stored() -> None:
    desk = RecordingDesk(store=None)
    async with simulated(delay=0.01) as simulator, linked(simulator.port, desk) as (link, _):
        link.submit(outgoing(1, 2))
        await until(lambda: len(desk.reported) == 2, "both are reported")
        await asyncio.sleep(0.05)
        assert simulator.counts["acknowledged"] == 0
        for stored in desk.pending:
            stored(True)
        await until(lambda: simulator.counts["acknowledged"] == 2, "both are acknowledged")


async def test_a_receipt_that_could_not_be_stored_comes_again() -> None:
    desk = RecordingDesk(store=False)
    async with simulated(delay=0.01, time_scale=0.05) as simulator, linked(simulator.port, desk) as (link, _):
        link.submit(outgoing(1))
        await until(lambda: simulator.counts["turned_away"] >= 2, "it was turned away")
        desk.store = True
        await until(lambda: simulator.counts["acknowledged"] == 1, "it is acknowledged in the end")
    assert len({report.reference for report in desk.reported}) == 1


async def test_a_receipt_acknowledged_after_the_connection_is_gone_is_harmless() -> None:
    desk = RecordingDesk(store=None)
    async with simulated(delay=0.01) as simulator, linked(simulator.port, desk) as (link, _):
        link.submit(outgoing(1))
        await until(lambda: len(desk.pending) == 1, "it is reported")
        simulator.drop()
        await until(lambda: len(desk.pending) == 2, "it is reported to the next session too")
        for stored in desk.pending:
            stored(True)
        await until(lambda: simulator.counts["acknowledged"] == 1, "it is acknowledged there")


async def test_the_window_is_never_exceeded() -> None:
    widest = 0

    async def script(conversation: Conversation) -> None:
        nonlocal widest
        await conversation.let_bind()
        while True:
            held = [await conversation.hear_a(codes.SUBMIT_SM)]
            with suppress(TimeoutError):
                while True:
                    held.append(await asyncio.wait_for(conversation.hear_a(codes.SUBMIT_SM), 0.02))
            widest = max(widest, len(held))
            for pdu in reversed(held):  # any order will do
                conversation.answer(pdu, 0, b"r%d\0" % pdu.sequence)

    async with ScriptedSmsc(script) as smsc, linked(smsc.port, window=7) as (link, desk):
        assert link.window == 7
        link.submit(outgoing(*range(30)))
        await until(lambda: len(desk.outcome) == 30, "all are answered")
        assert widest == 7


async def test_many_answers_in_one_read_are_one_batch() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        pdus = [await conversation.hear_a(codes.SUBMIT_SM) for _ in range(10)]
        answers = [frame(codes.SUBMIT_SM_RESP, 0, pdu.sequence, b"r%d\0" % pdu.sequence) for pdu in pdus]
        receipts = [
            frame(codes.DELIVER_SM, 0, pdu.sequence, receipt(b"id:r%d stat:DELIVRD" % pdu.sequence))
            for pdu in pdus
        ]
        conversation.writer.write(b"".join(answers + receipts))

    async with ScriptedSmsc(script) as smsc, linked(smsc.port) as (link, desk):
        link.submit(outgoing(*range(10)))
        await until(lambda: len(desk.outcome) == len(desk.reported) == 10, "all are reported")
        assert desk.batches == 1
        assert [report.reference for report in desk.reported] == [f"r{n}" for n in range(2, 12)]


async def test_a_receipt_before_the_answer_to_its_message() -> None:
    async with simulated(time_scale=0.1) as simulator, linked(simulator.port) as (link, desk):
        link.submit(outgoing(1, ending=9007))
        await until(lambda: len(desk.reported) == 1, "it is reported")
        assert desk.outcome == {}
        await until(lambda: 1 in desk.outcome, "it is accepted")
        assert desk.outcome[1] == Accepted((desk.reported[0].reference,))


async def test_what_comes_with_the_answer_to_the_bind_is_not_lost() -> None:
    async def script(conversation: Conversation) -> None:
        bind = await conversation.hear()
        answer = frame(bind.command | codes.RESPONSE, 0, bind.sequence, b"SCRIPT\0")
        conversation.writer.write(answer + frame(codes.DELIVER_SM, 0, 1, receipt(b"id:77 stat:DELIVRD")))
        assert (await conversation.hear_a(codes.DELIVER_SM_RESP)).status == 0

    async with ScriptedSmsc(script) as smsc, linked(smsc.port) as (_, desk):
        await until(lambda: [report.reference for report in desk.reported] == ["77"], "it is reported")
        await until(lambda: smsc.conversations[0].count(codes.DELIVER_SM_RESP) == 1, "it is acknowledged")


@pytest.mark.parametrize(
    ("body", "counted"),
    [
        (FROM_SOMEBODY, "inbound"),
        (receipt(b"no id in here"), "unreadable"),
        (receipt(b""), "unreadable"),
        (receipt(b"") + encode_tlv(codes.TLV_MESSAGE_STATE, b"\2"), "unreadable"),
    ],
)
async def test_a_message_that_is_no_report_is_acknowledged_and_counted(body: bytes, counted: str) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        conversation.say(codes.DELIVER_SM, 0, 1, body)
        assert (await conversation.hear_a(codes.DELIVER_SM_RESP)).status == 0

    async with ScriptedSmsc(script) as smsc, linked(smsc.port) as (link, desk):
        await until(lambda: smsc.conversations[0].count(codes.DELIVER_SM_RESP) == 1, "it is acknowledged")
        assert link.counts == Counter({counted: 1})
        assert desk.reported == []


async def test_transmitter_and_receiver() -> None:
    async with (
        simulated(delay=0.01) as simulator,
        linked(simulator.port, bind="transmitter+receiver") as (link, desk),
    ):
        assert simulator.sessions == ["ulak", "ulak"]
        link.submit(outgoing(1, 2))
        await until(lambda: len(desk.reported) == 2, "both are reported")
        await until(lambda: simulator.counts["acknowledged"] == 2, "both are acknowledged")
        assert len(desk.outcome) == 2


async def test_the_bind_says_who_we_are() -> None:
    async with ScriptedSmsc(good) as smsc:
        async with linked(smsc.port, password="pa55", system_type="VMA"):
            pass
        async with linked(smsc.port, bind="transmitter+receiver"):
            pass
        binds = [conversation.heard[0] for conversation in smsc.conversations]
    assert [pdu.command for pdu in binds] == [
        codes.BIND_TRANSCEIVER,
        codes.BIND_RECEIVER,
        codes.BIND_TRANSMITTER,
    ]
    bind = decode_bind(binds[0].body, 0, len(binds[0].body))
    assert (bind.system_id, bind.password, bind.system_type) == ("ulak", "pa55", "VMA")
    assert bind.interface_version == 0x34


async def test_a_message_smpp_cannot_carry_is_refused_without_the_operator() -> None:
    async with simulated() as simulator, linked(simulator.port) as (link, desk):
        link.submit([*outgoing(1, sender="ŞİRKET"), *outgoing(2), *outgoing(3, text="\ud83d")])
        assert desk.outcome == {}  # never from within submit
        await until(lambda: len(desk.outcome) == 3, "all have their outcome")
        assert isinstance(desk.outcome[1], Refused)
        assert isinstance(desk.outcome[3], Refused)
        assert "ŞİRKET" in desk.outcome[1].code
        assert isinstance(desk.outcome[2], Accepted)


async def test_messages_of_before_the_connection_wait_and_go_in_order() -> None:
    desk = RecordingDesk()
    async with simulated() as simulator:
        link = SmppLink(LinkSettings(host="127.0.0.1", port=simulator.port, system_id="ulak", window=3))
        link.submit(outgoing(1, 2))
        link.submit(outgoing(3, sender="ŞİRKET"))
        await link.start(desk)
        link.submit(outgoing(*range(4, 12)))
        await until(lambda: len(desk.outcome) == 11, "all have their outcome")
        destinations = [entry.destination for entry in simulator.log]
        assert destinations == [str(message.number) for message in outgoing(1, 2, *range(4, 12))]
        await link.stop()


async def test_a_limit_of_parts_a_second_is_kept() -> None:
    """In time that the test moves: what is written is compared, nothing is timed."""
    now = 1000.0
    desk = RecordingDesk()
    async with simulated() as simulator:
        settings = LinkSettings(host="127.0.0.1", port=simulator.port, system_id="ulak", window=1000, rate=50)
        link = SmppLink(settings, now=lambda: now)
        await link.start(desk)
        await until(lambda: desk.up, "the link is up")
        link.submit(outgoing(*range(100), text="x" * 200))  # two parts each
        assert link.counts["submitted"] == 2
        for _ in range(25):
            now += 0.02
            link.submit([])
        assert link.counts["submitted"] == 27
        now += 60.0  # what was not used is not saved up
        link.submit([])
        assert link.counts["submitted"] == 29
        now += 0.02
        link.submit([])
        assert link.counts["submitted"] == 30  # and no message is left in the middle
        await link.stop()


async def test_a_limit_of_parts_a_second_wakes_the_link_by_itself() -> None:
    async with simulated() as simulator, linked(simulator.port, rate=500) as (link, desk):
        link.submit(outgoing(*range(60)))
        await until(lambda: len(desk.outcome) == 60, "all are answered")


async def test_stop_waits_for_answers_that_are_due_and_unbinds() -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.let_bind()
        pdus = [await conversation.hear_a(codes.SUBMIT_SM) for _ in range(3)]
        await asyncio.sleep(0.1)
        for pdu in pdus:
            conversation.answer(pdu, 0, b"r%d\0" % pdu.sequence)
        conversation.answer(await conversation.hear_a(codes.UNBIND))

    async with ScriptedSmsc(script) as smsc, linked(smsc.port, window=3) as (link, desk):
        link.submit(outgoing(*range(10)))
        await until(lambda: link.counts["submitted"] == 3, "three are written")
        await link.stop()
        assert desk.outcome == {0: Accepted(("r2",)), 1: Accepted(("r3",)), 2: Accepted(("r4",))}
        link.submit(outgoing(11))
        await asyncio.sleep(0.05)
        assert smsc.conversations[0].count(codes.SUBMIT_SM) == 3
        assert smsc.conversations[0].count(codes.UNBIND) == 1


async def test_stop_finishes_a_message_that_was_begun() -> None:
    async with simulated() as simulator, linked(simulator.port, window=1) as (link, desk):
        link.submit(outgoing(1, 2, text="x" * 500))
        await until(lambda: link.counts["submitted"] == 1, "one part is written")
        await link.stop()
        assert isinstance(desk.outcome[1], Accepted)
        assert 2 not in desk.outcome


async def test_stop_before_the_link_was_ever_up() -> None:
    desk = RecordingDesk()

    async def silent(_: Conversation) -> None: ...

    async with ScriptedSmsc(silent) as smsc:
        link = SmppLink(LinkSettings(host="127.0.0.1", port=smsc.port, system_id="ulak"))
        await link.start(desk)
        link.submit(outgoing(1))
        await until(lambda: len(smsc.conversations) == 1, "it tries")
        await link.stop()
    assert desk.outcome == {}

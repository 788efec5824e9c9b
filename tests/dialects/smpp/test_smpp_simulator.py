"""The simulator: each ending has its fate, nothing is lost between two sessions, and nobody can break it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.peers.desk import RecordingDesk, outgoing, until
from tests.peers.links import linked, simulated

from ulak.core.ports import Accepted, Refused, ReportState
from ulak.dialects import smpp
from ulak.dialects.smpp import codes, wire
from ulak.dialects.smpp.connect import LinkError, LinkSettings, probe
from ulak.dialects.smpp.listen import Listener, Peer
from ulak.dialects.smpp.serve import MAGIC, SPELLINGS, Simulator
from ulak.dialects.smpp.session import Answer, BindAsked, Incoming

README = Path(smpp.__file__).parent / "README.md"
BIND = wire.encode_bind(wire.Bind("ulak", "secret"))
SUBMIT = b"\0\5\0ACME\0\1\1905321234567\0\0\0\0\0\0\1\0\0\0\5hello"


async def test_the_table_in_the_readme_is_the_table_in_the_code() -> None:
    rows = re.findall(r"^\| `(\d{4})` \| (.+?) \|$", README.read_text(), re.MULTILINE)
    assert rows == [(ending.decode(), fate.what) for ending, fate in MAGIC.items()]


def test_ordinary_numbers_are_not_magic() -> None:
    # 4567 is the end of the number in the vendors' own examples.
    assert all(ending.startswith(b"90") for ending in MAGIC)


@pytest.mark.parametrize(
    ("ending", "raws"),
    [
        (4567, ["DELIVRD 000"]),
        (9001, ["UNDELIV 027"]),
        (9002, ["EXPIRED 027"]),
        (9004, []),
        (9005, ["DELIVRD 000"]),
        (9006, ["DELIVRD 000", "DELIVRD 000"]),
        (9007, ["DELIVRD 000"]),
        (9008, ["DELIVRD 000"]),
        (9009, ["DELIVRD 000"]),
        (9011, ["REJECTD 027"]),
        (9012, ["DELIVRD 000"]),
    ],
)
async def test_an_ending_and_its_fate(ending: int, raws: list[str]) -> None:
    async with simulated(time_scale=0.002) as simulator, linked(simulator.port) as (link, desk):
        link.submit(outgoing(1, ending=ending))
        link.submit(outgoing(2, ending=4567))
        await until(lambda: len(desk.reported) == len(raws) + 1, "the reports are there")
        assert len(desk.outcome) == 2
        own = [report for report in desk.reported if report.number == outgoing(1, ending=ending)[0].number]
        assert [report.raw for report in own] == raws
        outcome = desk.outcome[1]
        assert isinstance(outcome, Accepted)
        assert {report.reference for report in own} <= set(outcome.references)
        await asyncio.sleep(0.02)
        assert len(desk.reported) == len(raws) + 1


async def test_the_ending_that_is_rejected() -> None:
    async with simulated() as simulator, linked(simulator.port) as (link, desk):
        link.submit(outgoing(1, ending=9003))
        await until(lambda: 1 in desk.outcome, "it has its outcome")
        assert desk.outcome[1] == Refused("ESME_RINVDSTADR (0x0B)")
        assert list(simulator.log) == []


async def test_the_ending_that_is_not_answered_works_when_repeated() -> None:
    quick: dict[str, Any] = {"response_timeout": 0.2}
    async with simulated(delay=0.01) as simulator, linked(simulator.port, **quick) as (link, desk):
        link.submit(outgoing(1, ending=9010))
        await until(lambda: len(desk.states) == 3, "the link was down and is up")
        link.submit(outgoing(10_001, ending=9010))
        await until(lambda: len(desk.reported) == 1, "it is reported")
        assert simulator.counts["ignored"] == 1


async def test_the_slow_ending_is_slower_than_the_others() -> None:
    async with simulated(time_scale=0.005) as simulator, linked(simulator.port) as (link, desk):
        link.submit(outgoing(1, ending=9005))
        await asyncio.sleep(0.02)
        link.submit(outgoing(2, ending=4567))
        await until(lambda: len(desk.reported) == 2, "both are reported")
        assert [report.number % 10_000 for report in desk.reported] == [4567, 9005]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("receipt_spelling", SPELLINGS)
async def test_the_spellings_of_an_id(spelling: str, receipt_spelling: str) -> None:
    options = {"ids": spelling, "receipt_ids": receipt_spelling, "first_id": 0xBEEF, "delay": 0.005}
    async with simulated(**options) as simulator, linked(simulator.port) as (link, desk):
        link.submit(outgoing(1))
        await until(lambda: len(desk.reported) == 1, "it is reported")
        assert desk.outcome[1] == Accepted((SPELLINGS[spelling](0xBEEF).decode(),))
        assert desk.reported[0].reference == SPELLINGS[receipt_spelling](0xBEEF).decode()


@pytest.mark.parametrize("form", ["text", "tlv", "both"])
async def test_the_forms_of_a_receipt(form: str) -> None:
    async with simulated(delay=0.005, receipt_form=form) as simulator, linked(simulator.port) as (link, desk):
        link.submit(outgoing(1, ending=9001))
        await until(lambda: len(desk.reported) == 1, "it is reported")
        assert desk.reported[0].state is ReportState.UNDELIVERED
        assert desk.outcome[1] == Accepted((desk.reported[0].reference,))


async def test_ids_grow_and_have_ten_digits() -> None:
    async with simulated() as simulator, linked(simulator.port) as (link, desk):
        link.submit(outgoing(*range(5)))
        await until(lambda: len(desk.outcome) == 5, "all are accepted")
    references = [int(entry.reference) for entry in simulator.log]
    assert references == list(range(references[0], references[0] + 5))
    assert {len(entry.reference) for entry in simulator.log} == {10}


async def test_receipts_wait_for_a_session_of_their_own() -> None:
    async with simulated(delay=0.05) as simulator:
        async with linked(simulator.port) as (link, desk):
            link.submit(outgoing(1, 2, 3))
            await until(lambda: len(desk.outcome) == 3, "all are accepted")
        assert desk.reported == []
        await asyncio.sleep(0.1)
        async with linked(simulator.port, system_id="stranger") as (_, stranger):
            await asyncio.sleep(0.05)
            assert stranger.reported == []
        async with linked(simulator.port) as (_, later):
            await until(lambda: len(later.reported) == 3, "they are sent at the next bind")
        assert [report.number for report in later.reported] == [one.number for one in outgoing(1, 2, 3)]


async def test_receipts_that_were_not_acknowledged_are_sent_again() -> None:
    async with simulated(delay=0.005) as simulator:
        deaf = RecordingDesk(store=None)
        async with linked(simulator.port, deaf) as (link, _):
            link.submit(outgoing(1, 2))
            await until(lambda: len(deaf.reported) == 2, "they are sent")
            simulator.drop()
            await until(lambda: len(deaf.reported) == 4, "they are sent to the next session")
        async with linked(simulator.port) as (_, desk):
            await until(lambda: len(desk.reported) == 2, "and to the next")
            await until(lambda: simulator.counts["acknowledged"] == 2, "until they are acknowledged")


async def test_receipts_that_wait_are_bounded() -> None:
    async with simulated(delay=0.0, keep=3) as simulator:
        client = await Client.bound(simulator.port, codes.BIND_TRANSMITTER)
        for sequence in range(2, 10):
            client.say(codes.SUBMIT_SM, sequence, SUBMIT)
            await client.hear()
        await asyncio.sleep(0.02)
        async with linked(simulator.port) as (_, desk):
            await until(lambda: len(desk.reported) == 3, "the last three are sent")
            references = [entry.reference for entry in simulator.log]
            assert [report.reference for report in desk.reported] == references[-3:]
        await client.close()


async def test_no_receipt_when_none_is_asked_for() -> None:
    async with simulated(delay=0.0) as simulator:
        client = await Client.bound(simulator.port)
        client.say(codes.SUBMIT_SM, 2, SUBMIT.replace(b"\1\0\0\0\5hello", b"\0\0\0\0\5hello"))
        assert (await client.hear())[0] == codes.SUBMIT_SM_RESP
        client.say(codes.ENQUIRE_LINK, 3)
        assert (await client.hear())[0] == codes.ENQUIRE_LINK_RESP
        await client.close()
        assert simulator.counts["receipts"] == 0


async def test_a_password_can_be_asked_for() -> None:
    async with simulated(password="s3cret") as simulator:
        with pytest.raises(LinkError, match=r"ESME_RINVPASWD \(0x0E\)"):
            await probe(LinkSettings("127.0.0.1", "ulak", port=simulator.port, password="şecret"[1:]))
        await probe(LinkSettings("127.0.0.1", "ulak", port=simulator.port, password="s3cret"))


async def test_whoever_guesses_the_password_is_refused_for_a_while() -> None:
    """Also the right one, which may be a guess; but not who was in before."""
    now = 1_779_274_991.0
    async with simulated(password="s3cret", clock=lambda: now) as simulator:

        async def told(password: str, system_id: str = "ulak") -> int:
            client = await Client.connected(simulator.port)
            client.say(codes.BIND_TRANSCEIVER, 1, wire.encode_bind(wire.Bind(system_id, password)))
            status = (await client.hear())[1]
            await client.close()
            return status

        assert await told("s3cret", "known") == codes.ESME_ROK
        guesses = [await told(f"guess{n}") for n in range(6)]
        assert guesses == [codes.ESME_RINVPASWD] * 4 + [codes.ESME_RBINDFAIL] * 2
        assert await told("s3cret") == codes.ESME_RBINDFAIL
        assert await told("s3cret", "known") == codes.ESME_ROK
        now += 60
        assert await told("s3cret") == codes.ESME_ROK
        guesses = [await told(f"guess{n}") for n in range(5)]
        assert guesses == [codes.ESME_RINVPASWD] * 4 + [codes.ESME_RBINDFAIL]
        now += 60
        assert await told("guess") == codes.ESME_RBINDFAIL, "the second time for two minutes"


async def test_the_log_is_bounded() -> None:
    async with simulated(log_size=3) as simulator, linked(simulator.port) as (link, desk):
        link.submit(outgoing(*range(10)))
        await until(lambda: len(desk.outcome) == 10, "all are accepted")
        assert [entry.destination for entry in simulator.log] == [
            str(one.number) for one in outgoing(*range(10))[-3:]
        ]
        assert {entry.sender for entry in simulator.log} == {"ACME"}


# Bad clients


class Client:
    """A socket that can say anything."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connected(cls, port: int) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    @classmethod
    async def bound(cls, port: int, command: int = codes.BIND_TRANSCEIVER) -> Client:
        client = await cls.connected(port)
        client.say(command, 1, BIND)
        assert (await client.hear())[1] == 0
        return client

    def say(self, command: int, sequence: int, body: bytes = b"") -> None:
        self.writer.write(wire.frame(command, 0, sequence, body))

    async def hear(self) -> tuple[int, int, int]:
        length, command, status, sequence = wire.HEADER.unpack(await self.reader.readexactly(16))
        await self.reader.readexactly(length - 16)
        return command, status, sequence

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@pytest.mark.parametrize("length", [0, 15, wire.PDU_SIZE_MAX + 1, 0xFFFFFFFF])
async def test_a_wrong_length_is_answered_and_hung_up_on(length: int) -> None:
    async with simulated() as simulator:
        client = await Client.bound(simulator.port)
        client.writer.write(wire.HEADER.pack(length, codes.SUBMIT_SM, 0, 7))
        assert await client.hear() == (codes.GENERIC_NACK, codes.ESME_RINVCMDLEN, 7)
        assert await client.reader.read() == b""
        await client.close()
        await probe(LinkSettings("127.0.0.1", "ulak", port=simulator.port))


HELLO_OF_TLS = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", HELLO_OF_TLS, b"\xff" * 5000])
async def test_other_protocols_are_hung_up_on(garbage: bytes) -> None:
    async with simulated() as simulator:
        client = await Client.connected(simulator.port)
        client.writer.write(garbage)
        await asyncio.wait_for(client.reader.read(), 2)
        await client.close()


async def test_nonsense_in_a_session_is_answered() -> None:
    async with simulated() as simulator:
        client = await Client.bound(simulator.port)
        for sequence, (command, body) in enumerate(
            [
                (codes.QUERY_SM, b"1\0\1\1905\0"),
                (codes.SUBMIT_SM, b""),
                (codes.SUBMIT_SM, SUBMIT + b"\0\x1e\xff\xff"),
                (codes.BIND_TRANSCEIVER, BIND),
                (codes.DELIVER_SM, SUBMIT),
            ],
            2,
        ):
            client.say(command, sequence, body)
        answers = [await client.hear() for _ in range(5)]
        assert [(status, sequence) for _, status, sequence in answers] == [
            (codes.ESME_RINVCMDID, 2),
            (codes.ESME_RINVCMDLEN, 3),
            (codes.ESME_RINVOPTPARSTREAM, 4),
            (codes.ESME_RALYBND, 5),
            (codes.ESME_RINVBNDSTS, 6),
        ]
        await client.close()


async def test_odd_texts_are_logged_and_harm_nobody() -> None:
    end = b"\0\0\0\0\0\1\0\0\0\5hello"  # esm_class and what follows
    bodies = [
        SUBMIT.replace(end, b"\x40\0\0\0\0\1\0\0\0\5\xff\xff\xff\xff\xff"),  # a header without an end
        SUBMIT.replace(end, b"\0\0\0\0\0\1\0\x08\0\3\xd8\x3d\0"),  # half a surrogate pair
        SUBMIT.replace(end, b"\0\0\0\0\0\1\0\0\0\2\x1b\xff"),  # no septets
        SUBMIT.replace(b"905321234567", b""),
    ]
    async with simulated(delay=0.005) as simulator:
        client = await Client.bound(simulator.port)
        for sequence, body in enumerate(bodies, 2):
            client.say(codes.SUBMIT_SM, sequence, body)
        heard = [await client.hear() for _ in range(8)]
        commands = sorted(command for command, _, _ in heard)
        assert commands == [codes.DELIVER_SM] * 4 + [codes.SUBMIT_SM_RESP] * 4
        assert [len(entry.read().text) > 0 for entry in simulator.log] == [False, True, True, True]
        await client.close()


class Doorman:
    """A handler that lets everybody in and does nothing."""

    def __init__(self) -> None:
        self.left: list[str] = []

    def may_bind(self, peer: Peer[None], asked: BindAsked) -> int:
        assert peer.system_id == ""
        return 0 if asked.bind.system_id == "ulak" else codes.ESME_RBINDFAIL

    def bound(self, peer: Peer[None]) -> None:
        assert peer.system_id == "ulak"

    def submitted(self, peer: Peer[None], batch: Sequence[Incoming]) -> None: ...

    def acknowledged(self, peer: Peer[None], batch: Sequence[Answer[None]]) -> None: ...

    def gone(self, peer: Peer[None], unanswered: list[None]) -> None:
        self.left.append(f"{peer.system_id} {len(unanswered)}")


async def test_who_does_not_bind_or_falls_silent_is_hung_up_on() -> None:
    doorman = Doorman()
    listener: Listener[None] = Listener(doorman, bind_within=0.1, enquire_link=0.2)
    await listener.open("127.0.0.1", 0)
    shy = await Client.connected(listener.port)
    silent = await Client.bound(listener.port)
    assert await asyncio.wait_for(shy.reader.read(), 2) == b""
    assert doorman.left == []
    assert await silent.hear() == (codes.ENQUIRE_LINK, 0, 1)
    assert await asyncio.wait_for(silent.reader.read(), 2) == b""
    assert doorman.left == ["ulak 0"]
    for client in (shy, silent):
        await client.close()
    await listener.close()


async def test_a_flood_of_connections_is_bounded() -> None:
    listener: Listener[None] = Listener(Doorman(), peers_max=5)
    await listener.open("127.0.0.1", 0)
    clients = [await Client.connected(listener.port) for _ in range(12)]
    await until(lambda: len(listener.peers) == 5, "five are left")
    clients[-1].say(codes.BIND_TRANSCEIVER, 1, BIND)
    assert (await clients[-1].hear())[1] == 0
    more = [await Client.connected(listener.port) for _ in range(12)]
    await until(lambda: len(listener.peers) == 5, "five are left")
    clients[-1].say(codes.ENQUIRE_LINK, 2)
    assert await clients[-1].hear() == (codes.ENQUIRE_LINK_RESP, 0, 2)
    for client in more:
        client.writer.close()
    for client in clients:
        client.writer.close()
    await until(lambda: listener.peers == [], "all are gone")
    await listener.close()


async def test_who_does_not_read_is_not_listened_to() -> None:
    """Answers that nobody fetches must not fill the memory."""
    listener: Listener[None] = Listener(Doorman())
    await listener.open("127.0.0.1", 0)
    client = await Client.bound(listener.port)
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    unreadable = [wire.frame(codes.SUBMIT_SM, 0, number) for number in range(1, 4000)]
    flood = b"".join(unreadable)
    written = 0
    with suppress(TimeoutError):
        while written < 200_000_000:
            client.writer.write(flood)
            await asyncio.wait_for(client.writer.drain(), 0.3)
            written += len(flood)
    assert written < 50_000_000
    client.writer.transport.abort()
    await listener.close()


def test_the_options_are_checked() -> None:
    with pytest.raises(KeyError):
        Simulator(ids="roman")

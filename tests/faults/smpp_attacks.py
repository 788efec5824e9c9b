"""What hostile clients do to an SMPP server. Each attack is given the server's port, does its worst, and says
how often it did something."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from ulak.dialects.smpp import codes, wire
from ulak.dialects.smpp.listen import BINDS_MAX
from ulak.dialects.smpp.serve import PEERS_MAX
from ulak.dialects.smpp.wire import HEADER, HEADER_SIZE, frame

Attack = Callable[[int], Awaitable[int]]

PATIENCE = 20.0
"""Seconds in which an answer has to come, or an end."""

SUBMIT_RESP = codes.SUBMIT_SM | codes.RESPONSE
_SUBMIT = b"\0\5\0ACME\0\1\1%b\0\0\0\0\0\0\1\0\0\0\5hello"


def submit(number: bytes = b"905321234567") -> bytes:
    """The body of a submit_sm that asks for a receipt."""
    return _SUBMIT % number


class Heard(NamedTuple):
    """A PDU that came back."""

    command: int
    status: int
    sequence: int


class Attacker:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def say(self, data: bytes) -> None:
        """Send bytes, without waiting."""
        self._writer.write(data)

    async def drained(self, seconds: float = PATIENCE) -> bool:
        """Whether the other side has taken (nearly) all of it in time, and still listens."""
        try:
            await asyncio.wait_for(self._writer.drain(), seconds)
        except (TimeoutError, ConnectionError):
            return False
        return not self._writer.transport.is_closing()

    async def hear(self) -> Heard | None:
        """The next PDU; None at the end."""
        try:
            async with asyncio.timeout(PATIENCE):
                head = HEADER.unpack(await self._reader.readexactly(HEADER_SIZE))
                await self._reader.readexactly(head[0] - HEADER_SIZE)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return Heard(*head[1:])

    async def hears(self, count: int) -> bool:
        """Whether so many answers to submits come, read without a look at each."""
        async with asyncio.timeout(PATIENCE):
            await self._reader.readexactly(count * (HEADER_SIZE + 11))
        return True

    async def bind(self, system_id: str, command: int = codes.BIND_TRANSMITTER) -> Heard | None:
        """Ask to bind, with any password; the answer."""
        self.say(frame(command, 0, 1, wire.encode_bind(wire.Bind(system_id, "secret"))))
        return await self.hear()

    async def is_hung_up_on(self) -> bool:
        """Whether the connection ends, whatever comes before that."""
        while await self.hear() is not None:
            pass
        return True

    def cut(self) -> None:
        """Go without a word."""
        self._writer.transport.abort()


@asynccontextmanager
async def attackers(port: int, count: int = 1, system_id: str = "") -> AsyncIterator[list[Attacker]]:
    """So many connections; bound with this system_id, if there is one."""
    made: list[Attacker] = []
    try:
        while len(made) < count:
            made.append(Attacker(*await asyncio.open_connection("127.0.0.1", port)))
        for one in made if system_id else ():
            answer = await one.bind(system_id)
            assert answer is not None
            assert answer.status == 0, answer
        yield made
    finally:
        for one in made:
            one.cut()


async def silent_connections(port: int) -> int:
    """Many connections on which nothing is said: there are never more than the server has room for."""
    count = 4 * PEERS_MAX
    async with attackers(port, count) as made:
        ended = [asyncio.ensure_future(one.is_hung_up_on()) for one in made]
        async with asyncio.timeout(PATIENCE):
            while sum(map(asyncio.Future.done, ended)) < count - PEERS_MAX:
                await asyncio.sleep(0.01)
        for one in ended:
            one.cancel()
    return count


async def binds_without_end(port: int) -> int:
    """Connections that bind under one name after another, and stay."""
    async with attackers(port, 3 * PEERS_MAX) as made:
        for place, one in enumerate(made):
            with suppress(ConnectionError):
                one.say(frame(codes.BIND_TRANSCEIVER, 0, 1, wire.encode_bind(wire.Bind(f"b{place}", ""))))
        answers = await asyncio.gather(*(one.hear() for one in made))
        assert sum(answer is not None for answer in answers) >= PEERS_MAX // 2
    return len(made)


async def binds_again_and_again(port: int) -> int:
    """Names that come, leave a receipt behind, and go."""
    for place in range(150):
        async with attackers(port, 1, f"name{place}") as (one,):
            one.say(frame(codes.SUBMIT_SM, 0, 2, submit()))
            assert await one.hear() == Heard(SUBMIT_RESP, 0, 2)
    return 150


async def one_name_many_sessions(port: int) -> int:
    """A fifth session of a system_id is refused, until one of the four goes."""
    async with attackers(port, 4, "greedy") as made, attackers(port) as (fifth,):
        answer = await fifth.bind("greedy")
        assert answer is not None
        assert answer.status == codes.ESME_RBINDFAIL
        made[0].cut()
        for _ in range(BINDS_MAX - 2):
            await asyncio.sleep(0.1)
            answer = await fifth.bind("greedy")
            if answer is not None and answer.status == 0:
                break
        assert answer is not None
        assert answer.status == 0
    return 6


async def lengths_that_are_none(port: int) -> int:
    """PDUs of 0 bytes, of less than a header, of more than there can be, before the bind and after it."""
    unbound = (0, 1, 15, 1025, 65_536, 65_537, 2**31, 2**32 - 1)
    for bound, lengths in ((False, unbound), (True, (0, 15, 65_537, 2**32 - 1))):
        for length in lengths:
            async with attackers(port, 1, "liar" if bound else "") as (one,):
                one.say(HEADER.pack(length, codes.SUBMIT_SM, 0, 7) + b"x" * 64)
                assert await one.hear() == Heard(codes.GENERIC_NACK, codes.ESME_RINVCMDLEN, 7)
                assert await one.hear() is None
    return len(unbound) + 4


async def commands_that_are_none(port: int) -> int:
    """Every kind of command nobody knows is refused, and the connection lives."""
    commands = [0, 0x0A, 0x103, 0x7FFFFFFF, *range(0x200, 0x300)]
    async with attackers(port, 1, "chatty") as (one,):
        for command in commands:
            one.say(frame(command, 0, 9, b"x" * 30))
            assert await one.hear() == Heard(codes.GENERIC_NACK, codes.ESME_RINVCMDID, 9)
        for answer in (0x80000000, 0x80000004, 0xFFFFFFFF, codes.OUTBIND, codes.ALERT_NOTIFICATION):
            one.say(frame(answer, 0, 9))
        one.say(frame(codes.ENQUIRE_LINK, 0, 10))
        assert await one.hear() == Heard(codes.ENQUIRE_LINK_RESP, 0, 10)
    return len(commands) + 5


async def parameters_that_overrun(port: int) -> int:
    """Optional parameters that are longer than their PDU, end in the middle, or are without number."""
    overruns = [
        b"\x04\x24\xff\xff" + b"x" * 100,
        b"\x04\x24\x00",
        b"\x00",
        b"".join(b"%b\0\0" % tag.to_bytes(2, "big") for tag in range(16_000)),
        b"\x04\x24\x00\x02x",
    ]
    async with attackers(port, 1, "overrun") as (one,):
        for tlvs in overruns * 10:
            one.say(frame(codes.SUBMIT_SM, 0, 5, submit() + tlvs))
            assert await one.hear() == Heard(SUBMIT_RESP, codes.ESME_RINVOPTPARSTREAM, 5)
        for body in (b"", b"\0" * 10, submit()[:-1], submit()[:-6] + b"\xffhello"):
            one.say(frame(codes.SUBMIT_SM, 0, 6, body))
            answer = await one.hear()
            assert answer is not None
            assert answer.status in (codes.ESME_RINVCMDLEN, codes.ESME_RINVMSGLEN)
    return 10 * len(overruns) + 4


async def sequences_that_are_none(port: int) -> int:
    """Sequence numbers outside of the specification's range are given back as they came."""
    sequences = (0, 2**31 - 1, 2**31, 2**32 - 1)
    async with attackers(port, 1, "counts") as (one,):
        for sequence in sequences:
            one.say(frame(codes.SUBMIT_SM, 0, sequence, submit()))
            assert await one.hear() == Heard(SUBMIT_RESP, 0, sequence)
    return len(sequences)


async def submits_without_reading(port: int) -> int:
    """A window without end: nothing that comes back is read, and receipts are asked for later."""
    late = b"".join(frame(codes.SUBMIT_SM, 0, n, submit(b"905321239005")) for n in range(1, 1001))
    sent = 0
    async with attackers(port, 2, "deluge") as made:
        for one in made:
            one._reader._transport.pause_reading()  # type: ignore[attr-defined]
            for _ in range(30):
                one.say(late)
                sent += 1000
                if not await one.drained(0.2):
                    break
    return sent


async def receipts_for_nobody(port: int) -> int:
    """Transmitters under many names, whose receipts nobody will ever fetch."""
    many = b"".join(frame(codes.SUBMIT_SM, 0, n, submit()) for n in range(1, 1001))
    async with attackers(port, 40) as made:
        for place, one in enumerate(made):
            await one.bind(f"nobody{place}")
            one.say(many)
        for one in made:
            assert await one.hears(1000)
    return 40 * 1000


async def long_messages(port: int) -> int:
    """Messages of 64 KiB, which are logged."""
    body = submit() + wire.encode_tlv(codes.TLV_MESSAGE_PAYLOAD, b"x" * 60_000)
    async with attackers(port, 1, "wordy") as (one,):
        for sequence in range(400):
            one.say(frame(codes.SUBMIT_SM, 0, sequence, body))
            assert await one.hear() == Heard(SUBMIT_RESP, 0, sequence)
    return 400


async def enquiries_without_end(port: int) -> int:
    """Whoever asks tens of thousands of times whether we are there is hung up on."""
    flood = b"".join(frame(codes.ENQUIRE_LINK, 0, number) for number in range(1, 20_001))
    async with attackers(port, 1, "nervous") as (one,), attackers(port) as (stranger,):
        one.say(flood)
        stranger.say(flood)
        assert await one.is_hung_up_on()
        assert await stranger.is_hung_up_on()
    return 40_000


async def out_of_turn(port: int) -> int:
    """Everything that may be said only after a bind, before it; and a bind after a bind."""
    commands = (codes.SUBMIT_SM, codes.DELIVER_SM, codes.UNBIND)
    async with attackers(port) as (one,):
        for command in commands:
            one.say(frame(command, 0, 3, submit() if command == codes.SUBMIT_SM else b""))
            answer = await one.hear()
            assert answer is not None
            assert (answer.status, answer.sequence) == (codes.ESME_RINVBNDSTS, 3)
    async with attackers(port, 1, "twice") as (one,):
        answer = await one.bind("twice")
        assert answer is not None
        assert answer.status == codes.ESME_RALYBND
    return len(commands) + 1


async def byte_by_byte(port: int) -> int:
    """Half PDUs on many connections, and whole ones a byte at a time."""
    bind = frame(codes.BIND_TRANSCEIVER, 0, 1, wire.encode_bind(wire.Bind("slow", "secret")))
    whole = frame(codes.SUBMIT_SM, 0, 2, submit())
    async with attackers(port, 40) as halves, attackers(port) as (one,):
        for place, half in enumerate(halves):
            half.say(bind[: 1 + place % (len(bind) - 1)])
        for pdu, answer in (
            (bind, Heard(codes.BIND_TRANSCEIVER | codes.RESPONSE, 0, 1)),
            (whole, Heard(SUBMIT_RESP, 0, 2)),
        ):
            for octet in pdu:
                one.say(bytes((octet,)))
                await asyncio.sleep(0)
            assert await one.hear() == answer
    return 40 + len(bind + whole)


async def garbage_behind_a_good_one(port: int) -> int:
    """A message, and then what is no SMPP: the message is answered, and the connection ends."""
    async with attackers(port, 1, "broken") as (one,):
        one.say(frame(codes.SUBMIT_SM, 0, 2, submit()) + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        heard = [await one.hear(), await one.hear()]
        assert Heard(SUBMIT_RESP, 0, 2) in heard
        assert codes.GENERIC_NACK in [answer.command for answer in heard if answer is not None]
        assert await one.hear() is None
    return 1


async def noise(port: int) -> int:
    """Bytes of chance on many connections."""
    chance = random.Random(20261122)
    for _ in range(100):
        async with attackers(port) as (one,):
            one.say(chance.randbytes(chance.randrange(1, 2000)))
            await one.drained()
    return 100


ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        silent_connections,
        binds_without_end,
        binds_again_and_again,
        one_name_many_sessions,
        lengths_that_are_none,
        commands_that_are_none,
        parameters_that_overrun,
        sequences_that_are_none,
        submits_without_reading,
        receipts_for_nobody,
        long_messages,
        enquiries_without_end,
        out_of_turn,
        byte_by_byte,
        garbage_behind_a_good_one,
        noise,
    )
}

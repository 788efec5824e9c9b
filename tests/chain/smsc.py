"""An operator for these tests: it remembers every message, answers late, and forgets no receipt.

Unlike the simulator it is made to outlive clients that vanish in the middle of a word: what it has taken
stays taken, and a receipt goes out again until somebody acknowledges it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from ulak.dialects.smpp import codes
from ulak.dialects.smpp.listen import Listener, Peer
from ulak.dialects.smpp.reading import read_message
from ulak.dialects.smpp.session import Answer, BindAsked, Incoming
from ulak.dialects.smpp.wire import ShortMessage, encode_message

DELIVER_WINDOW = 200
"""Receipts that may be on their way to one client."""

TURNED_AWAY = 0.2
"""Seconds until a receipt comes again that was not accepted."""

# esm_class "receipt", then protocol_id to sm_default_msg_id: nothing said.
_RECEIPT_FIELDS = bytes((codes.ESM_RECEIPT, 0, 0)) + b"\0\0" + bytes(4)


class Submit(NamedTuple):
    """One submit_sm: when it came (the loop's clock), in which session (counted from 1), what it said."""

    at: float
    session: int
    system_id: str
    number: int
    part: int
    text: str


class Smsc:
    """A server on a port of its own.

    A submit waits a time from `answer_delay` (shortest, longest, in seconds) for its answer, and one from
    `receipt_delay` longer for its receipt, or less long if that is negative. While `answering` is off,
    submits are taken and not answered, and their numbers noted in `unanswered`. `receipts` counts those that
    were acknowledged.
    """

    def __init__(
        self,
        *,
        answer_delay: tuple[float, float] = (0.0, 0.0),
        receipt_delay: tuple[float, float] = (0.0, 0.0),
        reference: bytes = b"%d",
        first: int = 1_000_000,
        seed: int = 1,
    ) -> None:
        """`reference` is how message ids are spelled, from `first` on."""
        self.submits: list[Submit] = []
        self.counts: Counter[tuple[int, int]] = Counter()
        self.unanswered: list[int] = []
        self.receipts = 0
        self.answering = True
        self.on_submit: Callable[[Submit], None] = lambda _submit: None
        self._answer_delay = answer_delay
        self._receipt_delay = receipt_delay
        self._reference = reference
        self._first = first
        self._random = random.Random(seed)
        self._waiting: dict[str, deque[bytes]] = {}
        self._session_of: dict[Peer[bytes], int] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._listener: Listener[bytes] = Listener(self, name="SMSC")

    async def open(self, port: int = 0) -> Smsc:
        """Listen; port 0 takes a free one."""
        await self._listener.open("127.0.0.1", port)
        return self

    async def close(self) -> None:
        """Close everything."""
        for timer in self._timers:
            timer.cancel()
        await self._listener.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listener.port

    @property
    def sessions(self) -> list[str]:
        """The system_id of everybody who is bound."""
        return [peer.system_id for peer in self._listener.peers if peer.session.bound]

    @property
    def session(self) -> int:
        """How many sessions there were, which is the newest one."""
        return len(self._session_of)

    @property
    def numbers(self) -> set[int]:
        """Who got a message, or a part of one."""
        return {number for number, _ in self.counts}

    @property
    def repeats(self) -> int:
        """Submits beyond the first of each part of each message."""
        return len(self.submits) - len(self.counts)

    def drop(self) -> None:
        """Cut every connection, as a network does."""
        for peer in self._listener.peers:
            peer.line.abort()

    def write(self, system_id: str, source: str, destination: str, text: str) -> None:
        """Somebody writes to a number behind this link. It goes out until it is acknowledged."""
        kinds = (bytes((1, 1)), source.encode(), bytes((1, 1)), destination.encode())
        message = ShortMessage(b"", *kinds, bytes(3), b"", b"", bytes(4), text.encode(), None, True)
        self._queue(system_id, encode_message(message))

    # The handler of the listener

    def may_bind(self, peer: Peer[bytes], asked: BindAsked) -> int:  # noqa: ARG002
        """Everybody."""
        return codes.ESME_ROK

    def bound(self, peer: Peer[bytes]) -> None:
        """It gets the receipts that wait for it."""
        self._session_of[peer] = len(self._session_of) + 1
        asyncio.get_running_loop().call_soon(self._deliver, peer.system_id)

    def submitted(self, peer: Peer[bytes], batch: Sequence[Incoming]) -> None:
        """From here on the messages are taken, whether or not their sender hears of it."""
        for sequence, message in batch:
            reference = self._reference % (self._first + len(self.submits))
            self._note(peer, message)
            delay = self._random.uniform(*self._answer_delay)
            if self.answering:
                self._after(delay, partial(_answer, peer, sequence, reference))
            else:
                self.unanswered.append(self.submits[-1].number)
            delay += self._random.uniform(*self._receipt_delay)
            self._after(delay, partial(self._queue, peer.system_id, _receipt(message, reference)))

    def acknowledged(self, peer: Peer[bytes], batch: Sequence[Answer[bytes]]) -> None:
        """A receipt that was turned away comes again."""
        for body, status, _ in batch:
            if status == codes.ESME_ROK:
                self.receipts += 1
            else:
                self._after(TURNED_AWAY, partial(self._queue, peer.system_id, body))
        self._deliver(peer.system_id)

    def gone(self, peer: Peer[bytes], unanswered: list[bytes]) -> None:
        """What was not acknowledged goes first to whoever binds next."""
        self._waiting.setdefault(peer.system_id, deque()).extendleft(reversed(unanswered))
        self._deliver(peer.system_id)

    # What it does

    def _note(self, peer: Peer[bytes], message: ShortMessage) -> None:
        reading = read_message(message)
        submit = Submit(
            asyncio.get_running_loop().time(),
            self._session_of[peer],
            peer.system_id,
            int(message.destination),
            reading.chain.part if reading.chain else 1,
            reading.text,
        )
        self.submits.append(submit)
        self.counts[submit.number, submit.part] += 1
        self.on_submit(submit)

    def _after(self, delay: float, work: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(timer)
            work()

        timer = asyncio.get_running_loop().call_later(delay, run)
        self._timers.add(timer)

    def _queue(self, system_id: str, body: bytes) -> None:
        self._waiting.setdefault(system_id, deque()).append(body)
        self._deliver(system_id)

    def _deliver(self, system_id: str) -> None:
        """Send what waits, as far as the windows of the sessions that receive go."""
        queue = self._waiting.get(system_id)
        for peer in self._listener.peers:
            if not queue:
                return
            if peer.system_id != system_id or not peer.receives:
                continue
            for _ in range(min(len(queue), DELIVER_WINDOW - peer.session.outstanding)):
                body = queue.popleft()
                peer.session.ask(codes.DELIVER_SM, body, body, 0.0)
            peer.line.flush()


def _answer(peer: Peer[bytes], sequence: int, reference: bytes) -> None:
    if peer.session.bound:
        peer.session.answer(sequence, codes.ESME_ROK, reference)
        peer.line.flush()


def _receipt(message: ShortMessage, reference: bytes) -> bytes:
    """A receipt in the text form of SMPP 3.4 Appendix B; the addresses change places."""
    text = (
        b"id:%b sub:001 dlvrd:001 submit date:2611220000 done date:2611220000 stat:DELIVRD err:000 text:"
        % reference
    )
    return b"\0%b%b\0%b%b\0%b%c%b" % (
        message.destination_kind,
        message.destination,
        message.source_kind,
        message.source,
        _RECEIPT_FIELDS,
        len(text),
        text,
    )

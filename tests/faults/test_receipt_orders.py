"""Receipts in every spelling of an id that operators have, in every order, as often and as late as can be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple

import pytest
from tests import cast
from tests.chain.rig import until
from tests.chain.smsc import Smsc
from tests.conftest import FakeClock
from tests.faults.sender import CREDIT, Sender, operating, sending
from tests.soak import SOAK, turns

from ulak.core.states import MessageState
from ulak.dialects.smpp import codes
from ulak.dialects.smpp.listen import Peer
from ulak.dialects.smpp.session import Incoming
from ulak.dialects.smpp.wire import ShortMessage, encode_message
from ulak.service.reports import ANSWERED
from ulak.service.sweep import Hand, sweep_slice
from ulak.store.engine import Database
from ulak.store.writer import sync_write

MESSAGES = 3
DOUBLED = 1_000
RECEIPT_WAIT = 72 * cast.HOUR


class Spelling(NamedTuple):
    """How an operator writes an id in its answer, and in a receipt: there in the text, or in a parameter.

    `same`: in the base that the carrier's `id_form` says; what is written in another one is not looked for
    right after the answer, as it may mean another message.
    """

    id_form: str
    answered: Callable[[int], bytes]
    told: Callable[[int], bytes]
    text: bytes = b"id:%b sub:001 dlvrd:001 submit date:2611220000 done date:2611220000 stat:%b err:000 text:"
    parameter: bool = False
    same: bool = True


def _decimal(number: int) -> bytes:
    return b"%d" % number


def _lower(number: int) -> bytes:
    return b"%x" % number


def _upper(number: int) -> bytes:
    return b"%X" % number


def _padded(number: int) -> bytes:
    return b"%012d" % number


SPELLINGS = {
    "decimal": Spelling("dec", _decimal, _decimal),
    "hexadecimal, capitals": Spelling("text", _lower, _upper),
    "leading zeros": Spelling("text", _padded, _decimal),
    "decimal, then hexadecimal": Spelling("dec", _decimal, _upper, same=False),
    "a parameter with a NUL": Spelling("text", _lower, lambda number: _lower(number) + b"\0", b"", True),
    "a loose text": Spelling(
        "hex", _upper, _lower, b"ID : %b  Stat:%b done date : 26-11-22 err : 000 Text: x"
    ),
}

ON_BOTH = ("decimal", "decimal, then hexadecimal")
"""Numbers as keys, and a guess: in `make test` these on PostgreSQL too."""

_STATES = {word.encode(): state for state, (word, _) in codes.MESSAGE_STATES.items()}


class Submitted(NamedTuple):
    """A message that the operator has, and has not answered."""

    peer: Peer[bytes]
    sequence: int
    message: ShortMessage
    id: int


class Teller(Smsc):
    """Answers and reports when it is told to."""

    def __init__(self, spelling: Spelling) -> None:
        super().__init__()
        self.waiting: list[Submitted] = []
        self._spelling = spelling
        self._next = 0xABC000

    def submitted(self, peer: Peer[bytes], batch: Sequence[Incoming]) -> None:
        """They wait."""
        for sequence, message in batch:
            self._note(peer, message)
            self._next += 1
            self.waiting.append(Submitted(peer, sequence, message, self._next))

    def answer(self, some: Sequence[Submitted]) -> None:
        """They are taken."""
        for each in some:
            each.peer.session.answer(each.sequence, codes.ESME_ROK, self._spelling.answered(each.id))
        some[0].peer.line.flush()

    async def tell(self, some: Sequence[Submitted], stat: bytes, copies: int = 1) -> None:
        """Receipts, until they are acknowledged."""
        expected = self.receipts + copies * len(some)
        for each in some:
            for _ in range(copies):
                self._queue("link", self._receipt(each.message, each.id, stat))
        await until(lambda: self.receipts == expected, 20, "every receipt is acknowledged", pause=0.002)

    def _receipt(self, message: ShortMessage, number: int, stat: bytes) -> bytes:
        spelling = self._spelling
        told = spelling.told(number)
        tlvs = {codes.TLV_RECEIPTED_MESSAGE_ID: told, codes.TLV_MESSAGE_STATE: bytes((_STATES[stat],))}
        receipt = ShortMessage(
            b"",
            message.destination_kind,
            message.destination,
            message.source_kind,
            message.source,
            bytes((codes.ESM_RECEIPT, 0, 0)),
            b"",
            b"",
            bytes(4),
            spelling.text % (told, stat) if spelling.text else b"",
            tlvs if spelling.parameter else None,
        )
        return encode_message(receipt)


class Case(NamedTuple):
    """Messages with an operator, and what the world is like."""

    sender: Sender
    smsc: Teller
    clock: FakeClock
    some: Sequence[Submitted]
    same: bool

    async def accepted(self) -> None:
        """The answers are committed."""
        self.smsc.answer(self.some)
        numbers = [int(each.message.destination) for each in self.some]
        await until(lambda: self._are_not(numbers, MessageState.QUEUED), 10, "they are taken", pause=0.005)

    def _are_not(self, numbers: Sequence[int], state: MessageState) -> bool:
        states = self.sender.states()
        return all(states[number] != state for number in numbers)


async def after(case: Case) -> MessageState:
    """As it should be."""
    await case.accepted()
    await case.smsc.tell(case.some, b"DELIVRD")
    return MessageState.DELIVERED


async def early(case: Case) -> MessageState:
    """Before the answers that name the messages; what is in another base is looked at later."""
    await case.smsc.tell(case.some, b"DELIVRD")
    await case.accepted()
    if not case.same:
        assert case.sender.strays()
        case.clock.advance(ANSWERED)
        _sweep(case.sender.database)
    return MessageState.DELIVERED


async def doubled(case: Case) -> MessageState:
    """A thousand times."""
    await case.accepted()
    await case.smsc.tell(case.some[:1], b"DELIVRD", DOUBLED)
    await case.smsc.tell(case.some[1:], b"DELIVRD", 2)
    return MessageState.DELIVERED


async def contradicted(case: Case) -> MessageState:
    """What is delivered stays so."""
    await case.accepted()
    await case.smsc.tell(case.some, b"DELIVRD")
    before = case.sender.strays()
    await case.smsc.tell(case.some, b"UNDELIV")
    assert case.sender.strays() == before + len(case.some)
    return MessageState.DELIVERED


async def contradicted_too(case: Case) -> MessageState:
    """What is not delivered stays so, and costs nothing."""
    await case.accepted()
    await case.smsc.tell(case.some, b"EXPIRED")
    await case.smsc.tell(case.some, b"DELIVRD")
    return MessageState.UNDELIVERED


async def under_way(case: Case) -> MessageState:
    """News that mean nothing, also after the end."""
    await case.accepted()
    for stat in (b"ENROUTE", b"ACCEPTD", b"UNKNOWN", b"DELIVRD", b"ENROUTE"):
        await case.smsc.tell(case.some, stat)
    return MessageState.DELIVERED


async def late(case: Case) -> MessageState:
    """After three days, less an hour."""
    await case.accepted()
    case.clock.advance(RECEIPT_WAIT - cast.HOUR)
    _sweep(case.sender.database)
    await case.smsc.tell(case.some, b"DELIVRD")
    return MessageState.DELIVERED


async def too_late(case: Case) -> MessageState:
    """After three days nobody waits any more: what comes then is noted and changes nothing."""
    await case.accepted()
    case.clock.advance(RECEIPT_WAIT + cast.HOUR)
    _sweep(case.sender.database)
    await case.smsc.tell(case.some, b"DELIVRD")
    return MessageState.UNDELIVERED


async def unknown(case: Case) -> MessageState:
    """Of messages that nobody has sent, before and after."""
    others = [each._replace(id=each.id + 0x1000) for each in case.some]
    await case.smsc.tell(others, b"UNDELIV")
    await case.accepted()
    await case.smsc.tell(others, b"DELIVRD")
    await case.smsc.tell(case.some, b"DELIVRD")
    return MessageState.DELIVERED


ORDERS: tuple[Callable[[Case], Awaitable[MessageState]], ...] = (
    *(after, early, doubled, contradicted, contradicted_too, under_way, unknown, late, too_late),
)


def _sweep(database: Database) -> None:
    hand, more = Hand(), True
    while more:
        hand, more = sync_write(database, partial(sweep_slice, hand=hand, receipt_wait=RECEIPT_WAIT))


@pytest.mark.fault(
    "F6 receipts",
    "six spellings of the id; early, a thousand times, contradicting, after 71 and 73 hours, about nothing",
)
@pytest.mark.parametrize(
    ("either_database", "spelling"),
    [("sqlite", spelling) for spelling in SPELLINGS]
    + [("postgresql", spelling) for spelling in SPELLINGS if SOAK or spelling in ON_BOTH],
    indirect=["either_database"],
)
async def test_every_spelling_in_every_order(
    either_database: Database,
    clock: FakeClock,
    spelling: str,
    record_property: Callable[[str, object], None],
) -> None:
    how = SPELLINGS[spelling]
    ends: dict[int, MessageState] = {}
    async with operating(Teller(how)) as smsc, sending(either_database) as sender:
        sender.carrier(smsc.port, window=MESSAGES, id_form=how.id_form)
        await sender.up()
        for order in ORDERS * len(turns(100)):
            numbers = await sender.order(MESSAGES)
            await until(lambda: len(smsc.waiting) == MESSAGES, 10, "the operator has them", pause=0.002)
            some, smsc.waiting = smsc.waiting, []
            ends |= dict.fromkeys(numbers, await order(Case(sender, smsc, clock, some, how.same)))
            await sender.final()
        assert sender.states() == ends
        sender.in_order(smsc)
        assert not smsc.repeats
    delivered = sum(state is MessageState.DELIVERED for state in ends.values())
    assert cast.balance(either_database, sender.who).available == CREDIT - delivered
    record_property("runs", len(ends) // MESSAGES)

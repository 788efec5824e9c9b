"""A link that is cut after any number of bytes, either way: within a bind, a message, an answer, a receipt.

A session of a bind and two messages, one of them of two parts, is some six hundred bytes. It is cut after
every fourth of them in `make test`, after each of them in a soak, and in three ways.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from tests.chain.smsc import Smsc
from tests.faults.sender import Sender, operating, sending, until_soon
from tests.faults.wire import Cut, End, Way, Wire, wire
from tests.soak import SOAK, seed

from ulak.core.states import MessageState
from ulak.store.engine import Database

STRIDE = 1 if SOAK else 4
WINDOW = 2
QUICK = {"response_timeout": "0.3", "enquire_link": "0.2"}


async def _session(sender: Sender, wires: Wire, cut: Cut | None) -> None:
    """A connection from its beginning, and orders for it; then what is left goes over the next one."""
    wires.drop()
    wires.cut = cut
    await sender.order(1)
    await sender.order(1, parts=2)
    await sender.final()


async def _whole(sender: Sender, wires: Wire, smsc: Smsc) -> dict[Way, int]:
    """How many bytes go each way in a session that is not cut."""
    before = smsc.receipts
    await _session(sender, wires, None)
    await until_soon(lambda: smsc.receipts == before + 3, 10, "every receipt is acknowledged")
    return dict(wires.passed)


@pytest.mark.fault(
    "F3 link cut", "after every byte of a session, either way: closed or reset, within any PDU"
)
async def test_cut_after_every_byte(
    either_database: Database, record_property: Callable[[str, object], None]
) -> None:
    begins = seed(3)
    chance = random.Random(begins)
    async with operating(Smsc()) as smsc, wire(smsc.port) as wires, sending(either_database) as sender:
        sender.carrier(wires.port, window=WINDOW)
        await sender.up()
        whole = await _whole(sender, wires, smsc)
        cuts = [
            Cut(way, after, chance.choice((End.CLOSE, End.RESET)))
            for way in Way
            for after in range(chance.randrange(STRIDE), whole[way] + 1, STRIDE)
        ]
        if either_database.postgres and not SOAK:
            cuts = chance.sample(cuts, len(cuts) // 4)
        for cut in cuts:
            await _session(sender, wires, cut)
        assert set(sender.states().values()) == {MessageState.DELIVERED}
        sender.in_order(smsc)
    assert wires.cuts > 0.9 * len(cuts), "not exercised"
    assert smsc.repeats, "not exercised: nothing went twice"
    record_property("runs", len(cuts))
    record_property("seed", begins)


@pytest.mark.fault("F3 link cut", "nothing goes through any more after so many bytes, and nobody says so")
async def test_silence_after_some_bytes(
    sqlite_database: Database, record_property: Callable[[str, object], None]
) -> None:
    begins = seed(4)
    chance = random.Random(begins)
    async with operating(Smsc()) as smsc, wire(smsc.port) as wires, sending(sqlite_database) as sender:
        sender.carrier(wires.port, window=WINDOW, **QUICK)
        await sender.up()
        whole = await _whole(sender, wires, smsc)
        cuts = [
            Cut(way, chance.randint(1, whole[way]), End.SILENCE)
            for way in Way
            for _ in range(50 if SOAK else 3)
        ]
        for cut in cuts:
            await _session(sender, wires, cut)
        assert set(sender.states().values()) == {MessageState.DELIVERED}
        sender.in_order(smsc)
    record_property("runs", len(cuts))
    record_property("seed", begins)

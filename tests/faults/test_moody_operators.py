"""Operators that throttle, refuse, fail, answer late, in any order, twice, never, or under a wrong number."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pytest
from tests import cast
from tests.chain.smsc import Smsc
from tests.faults.sender import CREDIT, operating, sending
from tests.soak import seed, turns

from ulak.core.states import MessageState
from ulak.dialects.smpp import codes, outbox
from ulak.dialects.smpp.listen import Peer
from ulak.dialects.smpp.session import Incoming
from ulak.store.engine import Database

ODD = 0x4FF
"""A status that nobody has listed: a refusal."""

WINDOW = 8
QUICK = {"response_timeout": "0.3", "enquire_link": "0.2"}

MOODS: Mapping[str, Mapping[str, float]] = {
    "throttles one in a hundred": {"throttled": 0.01},
    "throttles every second": {"throttled": 0.5},
    "its queue is full every third time": {"full": 0.33},
    "fails with every third": {"error": 0.3},
    "refuses some with a status of its own": {"odd": 0.1},
    "answers some twice": {"twice": 0.3},
    "never answers some": {"never": 0.04},
    "answers some under another number": {"wrong": 0.04},
    "all of it": dict.fromkeys(("throttled", "full", "error", "odd", "twice"), 0.06) | {"never": 0.02},
}
"""How likely it does what it should not with a message."""

SLOW = ("throttles every second", "its queue is full every third time")
"""To these little is sent: each probe that is turned away makes the next pause longer."""


_STATUSES = {
    "throttled": codes.ESME_RTHROTTLED,
    "full": codes.ESME_RMSGQFUL,
    "error": codes.ESME_RSYSERR,
    "odd": ODD,
}
_SPURIOUS = {"twice": 0, "wrong": 5_000}


class Moody(Smsc):
    """`refused` are the numbers that it would not have."""

    def __init__(self, mood: Mapping[str, float], chance: random.Random) -> None:
        super().__init__(answer_delay=(0.0, 0.01), receipt_delay=(-0.01, 0.02), seed=chance.randrange(2**32))
        self.refused: set[int] = set()
        self._moods = [*mood, "good"]
        self._weights = [*mood.values(), 1 - sum(mood.values())]
        self._chance = chance

    def submitted(self, peer: Peer[bytes], batch: Sequence[Incoming]) -> None:
        """As it likes."""
        for incoming in batch:
            [mood] = self._chance.choices(self._moods, self._weights)
            if mood in _STATUSES:
                if mood in ("odd", "error"):
                    self.refused.add(int(incoming.message.destination))
                peer.session.answer(incoming.sequence, _STATUSES[mood])
                continue
            self.answering = mood not in ("never", "wrong")
            super().submitted(peer, [incoming])
            self.answering = True
            if mood in _SPURIOUS:
                sequence = incoming.sequence + _SPURIOUS[mood]
                self._after(self._chance.uniform(0.01, 0.05), partial(self._say, peer, sequence))

    def _say(self, peer: Peer[bytes], sequence: int) -> None:
        """An answer that nobody waits for: again, or to what was never sent."""
        if peer.session.bound:
            peer.session.answer(sequence, codes.ESME_ROK, b"of-another")
            peer.line.flush()


@pytest.mark.fault(
    "F4, F5 moody operator", "it throttles, fails, refuses, answers late, twice, never, wrongly"
)
@pytest.mark.parametrize("turn", turns(250))
@pytest.mark.parametrize("mood", MOODS)
async def test_any_mood(
    sqlite_database: Database,
    mood: str,
    turn: int,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, Any], None],
) -> None:
    """Every message has one end, which is the operator's; none is lost, and none is paid for twice."""
    monkeypatch.setattr(outbox, "RETRY_DELAYS", (0.01, 0.02, 0.03))
    begins = seed(5)
    chance = random.Random(f"{begins} {mood} {turn}")
    async with operating(Moody(MOODS[mood], chance)) as smsc, sending(sqlite_database) as sender:
        sender.carrier(smsc.port, window=WINDOW, **QUICK)
        await sender.up()
        sizes = (1, 5) if mood in SLOW else (1, 12, 25, 2)
        numbers = [number for size in sizes for number in await sender.order(size)]
        await sender.final()
        states = sender.states()
        sender.in_order(smsc)
    delivered = {number for number, state in states.items() if state == MessageState.DELIVERED}
    assert states.keys() == set(numbers)
    assert delivered <= smsc.numbers
    assert states.keys() - delivered <= smsc.refused
    assert smsc.refused or delivered == set(numbers)
    assert cast.balance(sqlite_database, sender.who).available == CREDIT - len(delivered)
    record_property("runs", len(smsc.submits))
    record_property("seed", begins)

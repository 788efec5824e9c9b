"""Cancel against the order's own due time: many at once, from two sides, and each has exactly one winner."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from tests.chain.rig import CREDITS, Customer, Server, until
from tests.chain.smsc import Smsc
from tests.soak import seed, turns

from ulak.service import audit
from ulak.store import settings

ORDERS = 240
CUSTOMERS = 8
FIRST_NUMBER = 905_330_000_001
PARTS = 2
AHEAD = 1.5
"""Seconds from the last order to the due time of all."""

AROUND = (-1.2, 0.5)
"""When an order is cancelled, counted from its due time."""

EXERCISED = 20
"""So many orders at least have to go each way."""

ISTANBUL = timedelta(hours=3)


@dataclass
class Race:
    """One order, and what was answered to those who cancelled it."""

    number: int
    order: str = ""
    answers: list[int] = field(default_factory=list)


def _minute() -> tuple[str, int]:
    """A minute that no test lasts until: as customers write it, and when it begins (s)."""
    begins = (int(time.time()) // 60 + 60) * 60
    return (datetime.fromtimestamp(begins, UTC) + ISTANBUL).strftime("%d/%m/%Y %H:%M"), begins


def _set_clock(server: Server, minute: int) -> float:
    """Put the server's clock so that a minute begins AHEAD seconds from now; when that is (machine time)."""
    begins = time.time() + AHEAD
    server.write(lambda tx: settings.move_clock(tx, int((minute - begins) * 1000)))
    return begins


async def _cancel(customers: list[Customer], races: list[Race], begins: float, chance: random.Random) -> None:
    """Two customers cancel each order at the same moment; every order has its own moment."""
    moments = sorted((chance.uniform(*AROUND), race) for race in races)
    queues = [moments[i :: CUSTOMERS // 2] for i in range(CUSTOMERS // 2)]

    async def work(customer: Customer, queue: list[tuple[float, Race]]) -> None:
        for moment, race in queue:
            await asyncio.sleep(begins + moment - time.time())
            race.answers.append(await customer.cancel(race.order))

    await asyncio.gather(*(work(customer, queues[i // 2]) for i, customer in enumerate(customers)))


@pytest.mark.fault("F7 cancel races", "two customers cancel each order at a moment around its due time")
@pytest.mark.parametrize("turn", turns(10))
async def test_cancel_races_the_due_time(
    server: Server,
    open_smsc: Callable[..., Awaitable[Smsc]],
    turn: int,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    begins = seed(7)
    smsc = await open_smsc()
    keys = server.account()
    server.carrier("link", smsc.port, window=50)
    await server.start()
    customers = [server.customer(keys) for _ in range(CUSTOMERS)]
    when, minute = _minute()
    races = [Race(FIRST_NUMBER + i) for i in range(ORDERS)]

    async def place(customer: Customer, mine: list[Race]) -> None:
        for race in mine:
            race.order = await customer.order(f"{race.number} ".ljust(200, "x"), [race.number], when=when)

    await asyncio.gather(*(place(customer, races[i::CUSTOMERS]) for i, customer in enumerate(customers)))
    assert await customers[0].balance() == CREDITS - PARTS * ORDERS
    due = _set_clock(server, minute)
    await _cancel(customers, races, due, random.Random(begins + turn))

    cancelled = [race for race in races if 200 in race.answers]
    sent = [race for race in races if race not in cancelled]
    with capsys.disabled():
        print(f"\n{len(cancelled)} orders cancelled in time, {len(sent)} sent")
    assert min(len(cancelled), len(sent)) >= EXERCISED, "not exercised"
    await until(lambda: len(smsc.submits) >= PARTS * len(sent), 15, "the others are sent")
    await _check(customers[0], smsc, cancelled, sent)
    assert server.read(audit.check) == []
    record_property("runs", ORDERS)
    record_property("seed", begins)


async def _check(customer: Customer, smsc: Smsc, cancelled: list[Race], sent: list[Race]) -> None:
    """Who was cancelled got nothing, who was not got it once, and nobody can cancel either any more."""
    for race in cancelled:
        assert Counter(race.answers) == {200: 1, 455: 1}
        assert (await customer.report(race.order))["status"] == 115
        assert await customer.cancel(race.order) == 455
    for race in sent:
        assert Counter(race.answers) == {455: 2}
        report = await customer.final(race.order)
        assert (report["status"], report["message"][0]["status"]) == (114, 111)
    assert smsc.numbers == {race.number for race in sent}
    assert smsc.repeats == 0
    assert await customer.balance() == CREDITS - PARTS * len(sent)

"""`kill -9` at random moments under load, again and again, on either database.

The server is a process of its own; customers and the operator live here and survive. After each kill it is
started again at once. When at last everything is final, nothing that was accepted may be missing, nothing may
have gone twice that is not listed as unsure, and the books must balance to the credit. The test counts what
it exercised, and fails when that was too little to show anything.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from tests.chain.rig import CREDITS, Customer, Gone, Keys, Server, sessions, spread, until
from tests.chain.smsc import Smsc, Submit
from tests.soak import seed, turns

from ulak.service import audit, doubts
from ulak.store.engine import Database, Sql, Tx
from ulak.store.writer import sync_read
from ulak.wiring import now_ms

KILLS, TURNS = 12, 25
"""Kills in one go, and how often that is done in a soak."""

OPEN_AT_LEAST = 4
WINDOW = 24
CUSTOMERS = 4
BACKLOG = 1_500
"""Messages that may be accepted and not yet with the operator; customers wait while there are more."""

ANSWER_DELAY = (0.01, 0.03)
RECEIPT_DELAY = (0.0, 1.5)
UP = (0.02, 0.5)
"""Seconds from a server's first answer, or its first submit, to its end."""

SENDS = 0.8
"""How likely a server lives to send something."""

START_UP_KILLS = 6
"""Every so manieth kill hits a server that is just starting."""

STARTING = (0.0, 0.3)
"""Seconds from the start of such a server to its end."""

RESUME = 15.0
"""Seconds from the start of a process to its first submit, on a machine however busy."""

SIZES = ((1, 60), (5, 25), (40, 12), (400, 2), (1_000, 1))
"""Recipients of an order, and how often such an order comes."""

FIRST_NUMBER = 905_300_000_001

_OPEN = Sql(
    "SELECT coalesce(sum(message.parts), 0) FROM sms_order JOIN message"
    " ON message.id > sms_order.settled AND message.id <= sms_order.opened"
    " WHERE sms_order.state = 12 AND sms_order.settled < sms_order.opened AND message.state = 20"
)


@dataclass
class Wish:
    """An order as a customer sent it. `order` is what the server answered, if it did."""

    text: str
    numbers: list[int]
    parts: int
    order: str = ""


@dataclass
class Story:
    """What was done and seen."""

    wishes: list[Wish]
    idle_start: float
    refused: list[int] = field(default_factory=list)
    unused: int = 0
    open_slices: int = 0
    open_parts: list[int] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    resumed: list[float] = field(default_factory=list)

    @property
    def accepted(self) -> list[Wish]:
        """Those that were answered with success."""
        return [wish for wish in self.wishes if wish.order]


class Shop:
    """Customers that order all the time, whatever becomes of the server."""

    def __init__(
        self,
        server: Server,
        keys: Keys,
        smsc: Smsc,
        story: Story,
        chance: random.Random,
        first: int = FIRST_NUMBER,
    ) -> None:
        """They order for numbers from `first` on."""
        self._server = server
        self._keys = keys
        self._smsc = smsc
        self._story = story
        self._random = chance
        self._next_number = first
        self._messages = 0
        self._closing = False

    async def run(self) -> None:
        """Order until closed."""
        async with asyncio.TaskGroup() as group:
            for _ in range(CUSTOMERS):
                group.create_task(self._customer(self._server.customer(self._keys)))

    def close(self) -> None:
        """Take no more customers."""
        self._closing = True

    async def _customer(self, customer: Customer) -> None:
        while not self._closing:
            if self._messages - len(self._smsc.numbers) > BACKLOG:
                await asyncio.sleep(0.02)
                continue
            await self._order(customer, self._wish())

    async def _order(self, customer: Customer, wish: Wish) -> None:
        """Place one order. One that was not answered is not repeated: nobody knows what became of it."""
        try:
            status, wish.order = await customer.send(wish.text, wish.numbers)
        except Gone:
            self._story.wishes.append(wish)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            self._story.wishes.append(wish)
            self._messages += len(wish.numbers)
            if not wish.order:
                self._story.refused.append(status)

    def _wish(self) -> Wish:
        """An order whose text nobody else has, to numbers that nobody else has."""
        size = self._random.choices([size for size, _ in SIZES], [often for _, often in SIZES])[0]
        parts = self._random.choices((1, 2, 3), (8, 1, 1))[0] if size < 100 else 1
        numbers = list(range(self._next_number, self._next_number + size))
        self._next_number += size
        return Wish(f"sipariş {numbers[0]} ".ljust((60, 200, 350)[parts - 1], "x"), numbers, parts)


def _left_behind(server: Server, scratch: Path) -> Database:
    """The data as the server left them when it died.

    On SQLite a copy, so that it is the next server that recovers the file and not we.
    """
    here = server.database
    if here.url is not None:
        while sessions(here.url):  # what was being committed may still become true
            time.sleep(0.005)
        return here
    for file in here.directory.glob(here.path.name + "*"):
        shutil.copy(file, scratch)
    return Database(scratch, None, now_ms)


def _open_parts(tx: Tx) -> int:
    """What was open, in parts, while everything else is in order."""
    assert audit.check(tx) == []
    return int(tx.all(_OPEN)[0][0])


async def _idle_start(server: Server, keys: Keys, smsc: Smsc) -> tuple[Wish, float]:
    """An order that waits for its carrier, and the seconds from the start of a process to its submit when
    nothing else is going on."""
    await server.start()
    wish = Wish("erken ".ljust(60, "x"), [FIRST_NUMBER - 1], 1)
    wish.order = await server.customer(keys).order(wish.text, wish.numbers)
    await server.stop()
    server.carrier("link", smsc.port, window=WINDOW)
    began = asyncio.get_running_loop().time()
    server.spawn()
    await until(lambda: smsc.submits, 20, "the first order is sent")
    await server.stop()
    return wish, smsc.submits[0].at - began


async def _kill_again_and_again(
    server: Server, smsc: Smsc, story: Story, chance: random.Random, scratch: Path
) -> None:
    clock = asyncio.get_running_loop().time
    for turn in range(KILLS):
        submitted, resumed = len(smsc.submits), len(story.resumed)
        smsc.on_submit = _stopwatch(clock(), smsc.session, story.resumed)
        server.spawn()
        if turn % START_UP_KILLS == START_UP_KILLS - 1:
            await asyncio.sleep(chance.uniform(*STARTING))
        else:
            story.answered.append(await server.answers())
            if chance.random() < SENDS:
                await until(lambda: len(smsc.submits) > submitted, RESUME, "it sends")  # noqa: B023
            await asyncio.sleep(chance.uniform(*UP))
        server.kill()
        story.unused += resumed == len(story.resumed)
        parts = sync_read(_left_behind(server, scratch), _open_parts)
        story.open_parts.append(parts)
        # What a server left open that submitted nothing was left by the one before.
        story.open_slices += parts > 0 and len(smsc.submits) > submitted


def _stopwatch(started: float, session: int, into: list[float]) -> Callable[[Submit], None]:
    """Notes when the first submit of a later session came; of an earlier one some may be unread yet."""
    taken = False

    def take(submit: Submit) -> None:
        nonlocal taken
        if not taken and submit.session > session:
            taken = True
            into.append(submit.at - started)

    return take


def _none_open(server: Server) -> bool:
    return server.sql("SELECT count(*) FROM sms_order WHERE state NOT IN (13, 14, 15)") == [(0,)]


@pytest.mark.fault("F2 random kill -9", "of a server that sends, under load: while it starts, and later")
@pytest.mark.parametrize("turn", turns(TURNS))
async def test_kill_minus_nine(
    server: Server,
    open_smsc: Callable[..., Awaitable[Smsc]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    turn: int,
    record_property: Callable[[str, object], None],
) -> None:
    begins = seed(20261122)
    chance = random.Random(f"{begins} {turn}")
    smsc = await open_smsc(answer_delay=ANSWER_DELAY, receipt_delay=RECEIPT_DELAY, seed=begins + turn)
    keys = server.account()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    early, idle_start = await _idle_start(server, keys, smsc)
    story = Story([early], idle_start)
    shop = Shop(server, keys, smsc, story, chance)
    shopping = asyncio.create_task(shop.run())
    began = time.monotonic()
    await _kill_again_and_again(server, smsc, story, chance, scratch)
    await server.start()
    await until(lambda: smsc.submits[-1].session == smsc.session, 20, "the last server sends")
    shop.close()
    await shopping
    await until(lambda: _none_open(server), 40, "everything is final")
    took = time.monotonic() - began

    unsure = {message.number for message in server.read(lambda tx: list(doubts.listing(tx)))}
    with capsys.disabled():
        print(f"\n{_told(story, smsc, unsure, took, server.database.postgres)}")
    await _check_orders(server.customer(keys), story)
    _check_unanswered(server, story)
    _check_submits(smsc, story, unsure)
    await _check_money(server, server.customer(keys))
    assert story.open_slices >= OPEN_AT_LEAST, f"not exercised: {story.open_slices} kills with an open slice"
    assert smsc.repeats, "not exercised: nothing went twice"
    assert max(story.resumed) < RESUME, "a server was slow to send again"
    record_property("runs", KILLS)
    record_property("seed", begins)


def _told(story: Story, smsc: Smsc, unsure: set[int], took: float, postgres: bool) -> str:
    """What happened, for people."""
    return (
        f"{'PostgreSQL' if postgres else 'SQLite'}: {KILLS} kills in {took:.0f} s,"
        f" {story.open_slices} of them with an open slice (up to {max(story.open_parts)} parts of {WINDOW}),"
        f" {story.unused} before the first submit\n"
        f"  {len(story.wishes)} orders, {len(story.wishes) - len(story.accepted)} of them not answered;"
        f" {len(smsc.submits)} submits, {smsc.repeats} a second time, {len(unsure)} messages unsure\n"
        f"  idle, start to first submit: {story.idle_start:.2f} s\n"
        f"  start to first answer: {spread(story.answered)}\n"
        f"  start to next submit:  {spread(story.resumed)}"
    )


async def _check_orders(customer: Customer, story: Story) -> None:
    """Every order that was answered with success is there, whole, and delivered."""
    assert not story.refused, story.refused
    assert len({wish.order for wish in story.accepted}) == len(story.accepted)
    for wish in story.accepted:
        report = await customer.whole_report(wish.order)
        assert [row["number"] for row in report["message"]] == [f"+{number}" for number in wish.numbers]
        assert {row["status"] for row in report["message"]} == {111}
        assert (report["total"], report["delivered"]) == (len(wish.numbers), len(wish.numbers))
        assert report["price"] == wish.parts * len(wish.numbers)


def _check_unanswered(server: Server, story: Story) -> None:
    """An order that was not answered is there as a whole or not at all, and no order was made up."""
    stored = dict(server.sql("SELECT body, total FROM order_text JOIN sms_order ON sms_order.id = order_id"))
    wished = {wish.text: len(wish.numbers) for wish in story.wishes}
    assert stored.items() <= wished.items()
    assert {wish.text for wish in story.accepted} <= stored.keys()


def _check_submits(smsc: Smsc, story: Story, unsure: set[int]) -> None:
    """Everything reached the operator; twice only what is listed as unsure, and no more than was open."""
    wish_of = {number: wish for wish in story.wishes for number in wish.numbers}
    assert max(story.open_parts) <= WINDOW
    heard: dict[int, dict[int, str]] = {}
    repeats: Counter[int] = Counter()
    for submit in smsc.submits:
        parts = heard.setdefault(submit.number, {})
        repeats[submit.session] += submit.part in parts
        parts[submit.part] = submit.text
    for number, parts in heard.items():
        assert "".join(parts[part] for part in sorted(parts)) == wish_of[number].text
    assert all(number in heard for wish in story.accepted for number in wish.numbers)
    assert {number for (number, _), times in smsc.counts.items() if times > 1} <= unsure
    assert max(repeats.values()) <= WINDOW


async def _check_money(server: Server, customer: Customer) -> None:
    """Nothing is held, and what was spent is the price of what was delivered, once."""
    assert server.read(audit.check) == []
    [(delivered,)] = server.sql("SELECT sum(parts) FROM message WHERE state = 23")
    assert await customer.balance() == CREDITS - delivered
    assert server.sql("SELECT sum(amount) FROM posting WHERE move = 3") == [(delivered,)]
    assert server.sql("SELECT available, held, spent FROM balance") == [(CREDITS - delivered, 0, delivered)]


@pytest.mark.fault("F2 random kill -9", "what a dead server had asked the database for comes true later")
async def test_a_commit_that_the_dead_server_had_asked_for(
    postgres_database: Database, open_smsc: Callable[..., Awaitable[Smsc]]
) -> None:
    """PostgreSQL finishes it without its client, maybe while the next server is at work. Here: a claim, which
    as every claim has locked the lease of its link."""
    server = Server(postgres_database.directory, postgres_database.url)
    try:
        smsc = await open_smsc()
        keys = server.account()
        await server.start()
        order = await server.customer(keys).order("merhaba", [FIRST_NUMBER])
        await server.stop()
        server.carrier("link", smsc.port)
        assert postgres_database.url is not None
        with psycopg.connect(postgres_database.url) as dead:
            # As whoever had the link: in its name nobody else does anything until this is over.
            dead.execute("INSERT INTO lease (id, fence, holder, up, why) SELECT id, 1, 0, 0, '' FROM carrier")
            dead.commit()
            dead.execute("SELECT fence FROM lease FOR SHARE")
            dead.execute("UPDATE sms_order SET state = 12, carrier_id = (SELECT id FROM carrier)")
            server.spawn()
            await asyncio.sleep(2)
            dead.commit()
        await server.answers()
        await until(lambda: smsc.submits, 10, "the order that was being claimed is sent")
        assert (await server.customer(keys).final(order))["status"] == 114
    finally:
        await server.close()

"""The many lives of a sender: deaths, stops, lost links, operators at random, much faster than processes.

The database is real. The link and the writer's thread are made up, so that chance decides who is next.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest
from tests import cast
from tests.soak import SOAK, seeds

from ulak.core.doubts import Doubt, OnUncertain
from ulak.core.leases import Role
from ulak.core.ports import Accepted, LinkDesk, Outgoing, Unknown
from ulak.core.states import MessageState
from ulak.service import audit, carriers, doubts
from ulak.service.dispatch import CLAIM, STEP, claim_group, step_group
from ulak.service.leases import Leases
from ulak.store import leases, processes
from ulak.store import reports as report_store
from ulak.store.engine import Database, Sql, Tx
from ulak.store.ids import Ids
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write
from ulak.workers import main as workers
from ulak.workers.links import Outlook
from ulak.workers.main import Dispatcher
from ulak.workers.runs import Channel

WINDOW = 24
SEEDS = 1_000 if SOAK else 12
LIVES = 7
TICKS = (5, 300)
"""Turns of the loop that a life may last."""

PATIENCE = 60_000
"""Turns of the loop in which the last life has to be through."""

DECIDE: dict[str, Callable[[Tx, Sequence[Any], Ids], Sequence[Any]]] = {STEP: step_group, CLAIM: claim_group}

_OPEN = Sql(
    "SELECT coalesce(sum(message.parts), 0) FROM sms_order JOIN message"
    " ON message.id > sms_order.settled AND message.id <= sms_order.opened"
    " WHERE sms_order.state = 12 AND message.state = 20"
)
_MESSAGES = Sql("SELECT message.id, state, doubt FROM message LEFT JOIN unsure ON message_id = message.id")


@dataclass
class World:
    """What outlives a server: its database, and what went over the wire."""

    database: Database
    chance: random.Random
    policy: OnUncertain
    sent: Counter[int] = field(default_factory=Counter)
    widest: int = 0
    next_number: int = 905_300_000_001

    def order(self, who: cast.Tenant) -> None:
        """Somebody places an order."""
        size = self.chance.choices([1, 5, 40, 400], [60, 25, 12, 3])[0]
        parts = self.chance.choices([1, 2, 3], [8, 1, 1])[0]
        cast.place(self.database, who, [cast.text(cast.numbers(size, self.next_number), parts=parts)])
        self.next_number += size

    def rest(self) -> int:
        """A few turns of the loop."""
        return self.chance.randrange(6)


class MortalBooks:
    """The store as workers ask it, on one thread. After its death nobody gets an answer any more."""

    def __init__(self, world: World) -> None:
        self.dead = False
        self._world = world
        self._connection = world.database.connect()
        self._waiting: list[tuple[str, Any, asyncio.Future[Any]]] = []
        self.task = asyncio.create_task(self._run())

    async def read(self, question: Callable[[Tx], Any]) -> Any:
        """Ask within one read transaction."""
        for _ in range(self._world.rest()):
            await asyncio.sleep(0)
        return self._connection.reading(question)

    async def write(self, change: Callable[[Tx], Any]) -> Any:
        """Change within one transaction."""
        return await self.gather("", change)

    def gather(self, kind: str, item: Any) -> asyncio.Future[Any]:
        """Hand an item to the group of its kind."""
        ticket: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((kind, item, ticket))
        return ticket

    async def _run(self) -> None:
        while True:
            for _ in range(self._world.rest()):
                await asyncio.sleep(0)
            if self.dead:
                self._connection.close()
                return
            answers = list(self._commit())
            for _ in range(self._world.rest()):
                await asyncio.sleep(0)
            if not self.dead:
                for ticket, answer in answers:
                    ticket.set_result(answer)
            await asyncio.sleep(0)

    def _commit(self) -> Iterator[tuple[asyncio.Future[Any], Any]]:
        """Everything that waits, as the writer does it: what is gathered together, each change by itself."""
        taken, self._waiting = self._waiting, []
        groups = {kind: [entry for entry in taken if entry[0] == kind] for kind in DECIDE}

        def decide(tx: Tx) -> list[tuple[asyncio.Future[Any], Any]]:
            return [
                (ticket, answer)
                for kind, entries in groups.items()
                if entries
                for (_, _, ticket), answer in zip(
                    entries, DECIDE[kind](tx, [item for _, item, _ in entries], Ids()), strict=True
                )
            ]

        yield from self._connection.writing(decide)
        for kind, change, ticket in taken:
            if not kind:
                yield ticket, self._connection.writing(change)
        opened = self._connection.reading(lambda tx: tx.all(_OPEN)[0][0])
        self._world.widest = max(self._world.widest, opened)


class MoodyLink:
    """A link that answers when it likes, some messages at a time, and now and then breaks."""

    window = WINDOW
    counts: Mapping[str, int] = MappingProxyType({})

    def __init__(self, world: World) -> None:
        self.dead = False
        self._world = world
        self._chance = world.chance
        self._has: list[Outgoing] = []
        self._reference = world.chance.randrange(10**12)

    def submit(self, batch: Sequence[Outgoing]) -> None:
        """Take these messages."""
        self._has += batch

    async def start(self, desk: LinkDesk) -> None:
        """Connect."""
        self._desk = desk
        self.task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Some answers come, some never will, and some messages have not left."""
        self.dead = True
        self._answer(self._chance.randrange(len(self._has) + 1))
        self._lose(self._chance.randrange(len(self._has) + 1))

    async def _run(self) -> None:
        self._desk.link_state(True, "bound")
        while not self.dead:
            for _ in range(self._world.rest()):
                await asyncio.sleep(0)
            if self.dead:
                return
            if self._chance.random() < 0.04:
                self._lose(self._chance.randrange(len(self._has) + 1))
                self._desk.link_state(False, "broken")
                await asyncio.sleep(0)
                self._desk.link_state(not self.dead, "bound")
            else:
                self._answer(self._chance.randrange(len(self._has) + 1))

    def _leave(self, count: int) -> list[Outgoing]:
        left, self._has = self._has[:count], self._has[count:]
        self._world.sent.update(message.id for message in left)
        return left

    def _answer(self, count: int) -> None:
        answers = []
        for message in self._leave(count):
            self._reference += 1
            answers.append((message.id, Accepted((f"r{self._reference}",))))
        if answers:
            self._desk.outcomes(answers)

    def _lose(self, count: int) -> None:
        lost = [(message.id, Unknown("the link broke")) for message in self._leave(count)]
        if lost:
            self._desk.outcomes(lost)


class Life:
    """A server, from its start to its end."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._books = MortalBooks(world)
        self._link = MoodyLink(world)
        self._stop = asyncio.Event()
        self._process = sync_write(world.database, self._begin)
        self._dispatcher = Dispatcher(
            self._books, look=self._look, make=self._make, leases=Leases(self._books, lambda: self._process)
        )
        self._running = asyncio.create_task(self._dispatcher.run(self._stop))

    def _make(self, _carrier: object) -> tuple[Channel, MoodyLink]:
        return Channel(cast.CARRIER, "link", on_uncertain=self._world.policy), self._link

    @staticmethod
    def _begin(tx: Tx) -> int:
        """It knows that those before it are gone, as a server with a directory of its own does."""
        for peer in processes.peers(tx):
            processes.bury(tx, peer.id)
        return processes.register(tx, secrets.token_hex(8), Role.ALL, "here", "1")

    def _look(self, tx: Tx) -> Outlook:
        return Outlook(
            True,
            frozenset(report_store.carriers_asked(tx)),
            carriers.active(tx),
            leases.tenures(tx),
            frozenset([self._process]),
        )

    async def turn(self) -> None:
        """One turn of the loop."""
        await asyncio.sleep(0)
        for task in (self._books.task, self._running):
            if task.done():
                task.result()

    def wake(self) -> None:
        """An order has come."""
        self._dispatcher.wake()

    async def stop(self, turns: int) -> None:
        """End in order, if so many turns suffice."""
        self._stop.set()
        for _ in range(turns):
            await self.turn()

    async def die(self) -> None:
        """End now."""
        self._books.dead = self._link.dead = True
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self._books.task
        assert sync_read(self._world.database, audit.check) == []


async def _live_and_die(world: World, who: cast.Tenant, *, stops: bool, asks: bool) -> None:
    """One life of many."""
    chance = world.chance
    for _ in range(chance.randrange(1, 6)):
        world.order(who)
    life = Life(world)
    for _ in range(chance.randrange(*TICKS)):
        await life.turn()
        if chance.random() < 0.05:
            world.order(who)
            life.wake()
        if asks and chance.random() < 0.01:
            sync_write(world.database, lambda tx: doubts.resend(tx, None))
    if stops and chance.random() < 0.3:
        await life.stop(chance.randrange(60))
    await life.die()


async def _finish(world: World) -> dict[int, tuple[MessageState, bool]]:
    """The last life: until nothing waits. Each message's state, and whether it is listed as unsure."""
    life = Life(world)
    for turn in range(PATIENCE):
        await life.turn()
        if turn % 50:
            continue
        sync_write(world.database, lambda tx: doubts.resend(tx, None))
        messages = sync_read(world.database, lambda tx: tx.all(_MESSAGES))
        if all(state not in (MessageState.QUEUED, MessageState.UNSURE) for _, state, _ in messages):
            await life.die()
            return {
                message: (MessageState(state), doubt not in (None, Doubt.UNSENT))
                for message, state, doubt in messages
            }
    raise AssertionError("some messages are never sent")


@pytest.mark.fault("F2 random kill -9", "of a sender: deaths, stops and lost links at any turn of its loop")
@pytest.mark.parametrize("seed", seeds(SEEDS))
async def test_the_many_lives_of_a_sender(
    sqlite_database: Database, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "POLL", 0)
    monkeypatch.setattr(workers, "PACE", 0)
    chance = random.Random(seed)
    world = World(sqlite_database, chance, list(OnUncertain)[seed % 3])
    kills_only = seed % 2 == 0 and world.policy is not OnUncertain.HOLD
    vault = Vault(sqlite_database.directory)
    sync_write(sqlite_database, lambda tx: carriers.add(tx, "link", "simulator", {}, lambda _: None, vault))
    who = cast.alice(sqlite_database, 10**7)
    for _ in range(LIVES):
        await _live_and_die(world, who, stops=not kills_only, asks=not kills_only)
    messages = await _finish(world)

    by_state: dict[MessageState, set[int]] = {state: set() for state in MessageState}
    for message, (state, _) in messages.items():
        by_state[state].add(message)
    listed = {message for message, (_, unsure) in messages.items() if unsure}
    twice = {message for message, times in world.sent.items() if times > 1}
    assert twice <= listed, "a message went twice and is not listed"
    assert by_state[MessageState.SENT] <= world.sent.keys(), "a message counts as sent that never left"
    assert by_state[MessageState.UNDELIVERED] <= listed
    assert not by_state[MessageState.UNDELIVERED] or world.policy is OnUncertain.FAIL
    assert not twice or world.policy is not OnUncertain.FAIL
    if kills_only:
        assert world.widest <= WINDOW, "more was open on disk than the window is wide"

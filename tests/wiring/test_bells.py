"""What one process rings wakes the workers of another, over PostgreSQL. Nobody looks by himself here: a look
would come after a minute, and the dispatcher has none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import psycopg
import pytest
import pytest_asyncio
from tests import cast as people
from tests.chain.rig import until
from tests.conftest import FakeClock

from ulak.core.leases import Role
from ulak.core.orders import Placed
from ulak.core.ports import Accepted, LinkDesk, Outgoing
from ulak.service import carriers
from ulak.service.leases import Leases
from ulak.service.orders import PLACE
from ulak.store import leases, presence
from ulak.store import orders as order_store
from ulak.store.engine import Database, Tx
from ulak.store.presence import Presence
from ulak.store.vault import Vault
from ulak.store.writer import sync_write
from ulak.wiring import CARRIER_KINDS, GROUP_KINDS
from ulak.wiring.bells import Bells, Placing
from ulak.workers.links import Outlook
from ulak.workers.main import Dispatcher
from ulak.workers.runs import Channel

SOON = 10.0
"""Seconds within which what is rung has its effect, on a machine however busy."""

_SESSION = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid::bigint = %s"


class Link:
    """Takes everything at once."""

    window = 1000
    counts: Mapping[str, int] = MappingProxyType({})

    def __init__(self) -> None:
        self.taken: list[int] = []

    async def start(self, desk: LinkDesk) -> None:
        self._desk = desk
        desk.link_state(True, "bound")

    async def stop(self) -> None:
        pass

    def submit(self, batch: Sequence[Outgoing]) -> None:
        self.taken += [message.id for message in batch]
        self._desk.outcomes([(message.id, Accepted((f"r{message.id}",))) for message in batch])


class Process:
    """What bells are about, of one process."""

    def __init__(self, database: Database, role: Role) -> None:
        # Each has a database of its own, as processes have.
        self.database = Database(database.directory, database.url, FakeClock())
        self.presence = Presence(self.database, role)
        self.presence.start()
        self.books = Placing(self.database, GROUP_KINDS)
        self.link = Link()
        self.dispatcher = Dispatcher(
            self.books,
            look=self._look,
            make=lambda carrier: (Channel(carrier.id, carrier.name), self.link),
            leases=Leases(self.books, lambda: self.presence.id),
        )
        self.shop = SimpleNamespace(woken=asyncio.Event(), on_wake=None)
        hands = SimpleNamespace(dispatcher=self.dispatcher) if role.works else None
        self.books.bells = Bells(self.presence, cast(Any, SimpleNamespace(shop=self.shop)), cast(Any, hands))

    def _look(self, tx: Tx) -> Outlook:
        return Outlook(
            order_store.any_due(tx),
            frozenset(),
            carriers.active(tx),
            leases.tenures(tx),
            frozenset([self.presence.id]),
        )

    async def close(self) -> None:
        stop = asyncio.Event()
        stop.set()
        await self.dispatcher.run(stop)
        await asyncio.to_thread(self.presence.stop)
        await self.books.close()


@pytest.fixture
def who(postgres_database: Database, monkeypatch: pytest.MonkeyPatch) -> people.Tenant:
    """A customer; and looks at what others do are rare."""
    monkeypatch.setattr(presence, "LOOK", 60.0)
    settings = {"host": "127.0.0.1", "port": "1", "system_id": "link", "password": "secret"}
    vault = Vault(postgres_database.directory)
    check = CARRIER_KINDS["smpp"].check
    sync_write(postgres_database, lambda tx: carriers.add(tx, "link", "smpp", settings, check, vault))
    return people.alice(postgres_database)


@pytest_asyncio.fixture
async def processes(
    postgres_database: Database, who: people.Tenant
) -> AsyncIterator[tuple[Process, Process]]:
    """One that takes orders, and one that sends them. The first to look sees only who was there before."""
    del who  # who orders, and the link, are there first
    async with AsyncExitStack() as at_end:
        worker = Process(postgres_database, Role.WORKER)
        at_end.push_async_callback(worker.close)
        door = Process(postgres_database, Role.API)
        at_end.push_async_callback(door.close)

        async def ready() -> bool:
            await worker.dispatcher.look()
            return worker.dispatcher.ready

        await until(ready, SOON, "the link is up")
        assert len(door.presence.peers) == 2
        yield door, worker


@pytest.fixture
def server(postgres_database: Database) -> Iterator[psycopg.Connection]:
    """A connection of the test's own."""
    assert postgres_database.url is not None
    with psycopg.connect(postgres_database.url, autocommit=True) as opened:
        yield opened


async def order(door: Process, who: people.Tenant) -> None:
    """An order of one message."""
    assert isinstance(await door.books.gather(PLACE, people.submission(who)), Placed)


async def test_an_order_wakes_the_worker_of_another_process(
    processes: tuple[Process, Process], who: people.Tenant
) -> None:
    door, worker = processes
    for count in (1, 2, 3):
        await order(door, who)
        await until(lambda count=count: len(worker.link.taken) == count, SOON, "it is sent", pause=0.002)
    assert door.link.taken == []


async def test_a_purchase_wakes_who_buys(processes: tuple[Process, Process]) -> None:
    door, worker = processes
    assert not worker.shop.woken.is_set()
    door.shop.on_wake()
    await asyncio.wait_for(worker.shop.woken.wait(), SOON)
    assert not door.shop.woken.is_set()


async def test_a_burst_of_orders_rings_now_and_then(
    processes: tuple[Process, Process], server: psycopg.Connection
) -> None:
    bells = processes[0].books.bells
    assert bells is not None
    server.execute(f"LISTEN {presence.CHANNEL}".encode())
    began = time.monotonic()
    for _ in range(300):
        placed = asyncio.get_running_loop().create_future()
        bells.order_comes(placed)
        placed.set_result(None)
        await asyncio.sleep(0.001)
    await asyncio.sleep(2 * presence.BELL)  # what is still to ring
    rung = [notify.payload for notify in server.notifies(timeout=0.1)]
    seconds = time.monotonic() - began
    assert set(rung) == {"orders"}
    assert 1 < len(rung) <= 1 + seconds / presence.BELL


async def test_who_was_cut_off_hears_again(
    processes: tuple[Process, Process], who: people.Tenant, server: psycopg.Connection
) -> None:
    door, worker = processes

    def session() -> Any:
        return server.execute(_SESSION, (worker.presence.id,)).fetchone()

    before = session()
    server.execute("SELECT pg_terminate_backend(%s)", before)
    await until(lambda: session() not in (None, before), SOON, "it is there again")
    await order(door, who)
    await until(lambda: len(worker.link.taken) == 1, SOON, "it is sent", pause=0.002)

"""PostgreSQL servers that are killed, started again and replaced by their standby while orders come in.

Whatever becomes of the server: what was answered with success is there once, and what was refused is not.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests import cast
from tests.chain.rig import until
from tests.conftest import FakeClock
from tests.dialects.iletimerkezi.office import Office
from tests.faults.flows import refused
from tests.faults.servers import Cluster, Servers

from ulak.service import audit
from ulak.store import schema
from ulak.store.books import Books
from ulak.store.engine import Database, Sql
from ulak.store.writer import sync_read
from ulak.wiring import GROUP_KINDS

CUSTOMERS = 8
CREDIT = 1_000_000
AGAIN = 30.0
"""Seconds in which a server has to take orders again, on a machine however busy."""

Record = Callable[[str, object], None]

_WRITER = "SELECT pid FROM pg_stat_activity WHERE application_name = 'ulak' ORDER BY xact_start, pid"
_TEXTS = Sql("SELECT body FROM order_text ORDER BY body")


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    made = Servers()
    yield made
    made.close()


@pytest.fixture(scope="module")
def template(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """A server with the schema, stopped."""
    made = Cluster.make(servers.parent)
    made.start()
    schema.prepare(Database(tmp_path_factory.mktemp("template"), made.url(), FakeClock()))
    made.stop()
    return made


@pytest.fixture
def primary(template: Cluster) -> Iterator[Cluster]:
    """A server of the test's own."""
    made = template.copy("primary")
    made.start()
    yield made
    made.kill()
    shutil.rmtree(made.directory)


class Shop:
    """Customers who order all the time, and what they were told."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.alice = cast.alice(database, CREDIT)
        self.books = Books(database, GROUP_KINDS)
        self.accepted: list[str] = []
        self.refused: list[str] = []
        self._asked = 0
        self._customers = [asyncio.create_task(self._order_on()) for _ in range(CUSTOMERS)]

    async def order(self) -> bool:
        """One order; whether it was accepted."""
        self._asked += 1
        text = f"order {self._asked:06}"
        order = {
            "sender": self.alice.sender,
            "sendDateTime": "",
            "iys": "0",
            "message": {"text": text, "receipents": {"number": ["5301234567"]}},
        }
        authentication = {"key": self.alice.key, "hash": self.alice.secret}
        body = json.dumps({"request": {"authentication": authentication, "order": order}}).encode()
        was_refused = refused(await Office(self.books).call("/v1/send-sms/json", body))
        (self.refused if was_refused else self.accepted).append(text)
        return not was_refused

    async def _order_on(self) -> None:
        while True:
            if not await self.order():
                await asyncio.sleep(0.01)

    async def takes_orders(self, count: int = 20) -> None:
        """So many more are accepted."""
        wanted = len(self.accepted) + count
        await until(lambda: len(self.accepted) >= wanted, AGAIN, "orders are taken")

    async def refuses(self, count: int = 50) -> None:
        """Who asks now is refused, while nobody is there."""
        assert not any(await asyncio.gather(*[self.order() for _ in range(count)]))

    async def close(self) -> None:
        """The last ones get their answers."""
        for customer in self._customers:
            customer.cancel()
        await asyncio.gather(*self._customers, return_exceptions=True)
        await self.books.close()

    def check(self, record: Record) -> None:
        """What was accepted is there once, and nothing else; but for those who hung up before they were
        answered."""
        stored = [row[0] for row in sync_read(self.database, lambda tx: tx.all(_TEXTS))]
        assert len(set(stored)) == len(stored)
        assert set(self.accepted) <= set(stored)
        assert not set(self.refused) & set(stored)
        assert not sync_read(self.database, audit.check)
        record("runs", len(self.accepted) + len(self.refused))


@pytest_asyncio.fixture
async def open_shop(clock: FakeClock, tmp_path: Path) -> AsyncIterator[Callable[[str], Shop]]:
    opened: list[Shop] = []

    def open_(url: str) -> Shop:
        opened.append(Shop(Database(tmp_path, url, clock)))
        return opened[-1]

    yield open_
    for shop in opened:
        await shop.close()


@pytest.mark.fault(
    "backend killed", "kill -9 of the process that writes for us, three times, while orders come"
)
async def test_a_backend_that_is_killed(
    primary: Cluster, open_shop: Callable[[str], Shop], record_property: Record
) -> None:
    shop = open_shop(primary.url())
    for _ in range(3):
        await shop.takes_orders()
        [writer] = primary.run(_WRITER)[:1]
        os.kill(writer[0], signal.SIGKILL)
    await shop.takes_orders()
    await shop.close()
    shop.check(record_property)


@pytest.mark.fault("server restarted", "immediate stop of the server under load; later it is started again")
async def test_a_server_that_is_stopped_and_started_again(
    primary: Cluster, open_shop: Callable[[str], Shop], record_property: Record
) -> None:
    shop = open_shop(primary.url())
    await shop.takes_orders()
    await asyncio.to_thread(primary.kill)
    await shop.refuses()
    await asyncio.to_thread(primary.start)
    await shop.takes_orders()
    await shop.close()
    shop.check(record_property)


@pytest.mark.fault("failover", "the primary dies under load; its synchronous standby takes over")
async def test_a_standby_that_takes_over(
    primary: Cluster, open_shop: Callable[[str], Shop], record_property: Record
) -> None:
    standby = primary.follower()
    standby.start()
    try:
        primary.run("ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()")
        follows = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
        await until(lambda: primary.run(follows), AGAIN, "the standby follows")
        # The standby is asked first, and can do nothing for us yet.
        shop = open_shop(standby.url(primary))
        await shop.takes_orders(100)
        await asyncio.to_thread(primary.kill)
        await shop.refuses()
        await asyncio.to_thread(standby.promote)
        await shop.takes_orders()
        await shop.close()
        shop.check(record_property)
    finally:
        standby.kill()
        shutil.rmtree(standby.directory)

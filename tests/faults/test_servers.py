"""PostgreSQL servers that are killed, started again and replaced by their standby while orders come in.

Whatever becomes of the server: what was answered with success is there once, and what was refused is not.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.chain.rig import until
from tests.conftest import FakeClock
from tests.faults.servers import Cluster, Servers
from tests.faults.shop import AGAIN, Record, Shop

from ulak.store import schema
from ulak.store.engine import Database

_WRITER = "SELECT pid FROM pg_stat_activity WHERE application_name = 'ulak' ORDER BY xact_start, pid"


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

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
from tests.chain.rig import Customer, Server, until
from tests.chain.smsc import Smsc
from tests.conftest import FakeClock
from tests.faults.servers import Cluster, Servers
from tests.faults.shop import AGAIN, Record, Shop
from tests.soak import SOAK

from ulak.service import audit, doubts
from ulak.store import schema
from ulak.store.engine import Database

_OPEN = "SELECT count(*) FROM sms_order WHERE state NOT IN (13, 14, 15)"
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
    "F9 backend killed", "kill -9 of the process that writes for us, three times, while orders come"
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


@pytest.mark.fault(
    "F9 server restarted", "immediate stop of the server under load; later it is started again"
)
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


@pytest.mark.fault("F9 failover", "the primary dies under load; its synchronous standby takes over")
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


@pytest.mark.skipif(not SOAK, reason="make soak")
@pytest.mark.fault("F9 failover", "the primary of an api and a worker process dies; messages go on after it")
async def test_processes_whose_standby_takes_over(
    primary: Cluster, tmp_path: Path, record_property: Record
) -> None:
    """Links, leases and wake-ups come back too, and every order that was accepted is delivered once."""
    standby = primary.follower()
    standby.start()
    operator = await Smsc().open()
    url = primary.url(standby)
    api, worker = (Server(tmp_path, url, role) for role in ("api", "worker"))
    accepted: set[int] = set()
    refused: list[int] = []
    numbers = iter(range(905_310_000_001, 905_399_000_000))

    async def order_on(customer: Customer) -> None:
        for number in numbers:
            while len(accepted) > len(operator.numbers) + 100:
                await asyncio.sleep(0.02)
            status, _ = await customer.send(f"order {number}", [number])
            if status == 200:
                accepted.add(number)
            else:
                refused.append(status)
                await asyncio.sleep(0.02)

    try:
        primary.run("ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()")
        keys = api.account()
        api.carrier("link", operator.port, window=24)
        await api.start()
        await worker.start()
        customers = [asyncio.create_task(order_on(api.customer(keys))) for _ in range(8)]
        await until(lambda: len(operator.submits) > 200, AGAIN, "messages are sent")
        await asyncio.to_thread(primary.kill)
        before = len(refused)
        await until(lambda: len(refused) >= before + 100, AGAIN, "orders are refused")
        await asyncio.to_thread(standby.promote)
        sent = len(operator.submits)
        await until(lambda: len(operator.submits) > sent + 200, AGAIN, "messages are sent again")
        for customer in customers:
            customer.cancel()
        await asyncio.gather(*customers, return_exceptions=True)
        assert set(refused) == {503}
        await until(lambda: api.sql(_OPEN) == [(0,)], AGAIN, "everything is final")
        assert api.read(audit.check) == []
        unsure = {message.number for message in api.read(lambda tx: list(doubts.listing(tx)))}
        assert {number for (number, _), times in operator.counts.items() if times > 1} <= unsure
        stored = {number for (number,) in api.sql("SELECT number FROM message WHERE state = 23")}
        # Those who hung up in the end may have been accepted.
        assert accepted <= stored
        assert len(stored - accepted) <= len(customers)
        record_property("runs", len(accepted) + len(refused))
    finally:
        for server in (api, worker):
            await server.close()
        await operator.close()
        standby.kill()
        shutil.rmtree(standby.directory)

"""An account's past, taken over from a real Ulak over HTTP: whole, once, and whatever it is stopped by."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest
import pytest_asyncio
from tests.conftest import ClockedBooks
from tests.dialects.iletimerkezi.office import Office
from tests.dialects.iletimerkezi_past.conftest import A_DAY, DAYS, World
from tests.dialects.iletimerkezi_past.vendor import Asked, Vendor, days_of

from ulak.core.history import Walk
from ulak.core.ports import ReportState
from ulak.core.times import local_day
from ulak.dialects.iletimerkezi.connect.past import IletimerkeziPast, login
from ulak.outbound import Outbound
from ulak.service import accounts, history
from ulak.service.history import Taken
from ulak.store import history as store
from ulak.store.engine import Database, Tx

SOURCE = "iletimerkezi"


async def _wait(seconds: float, _why: str) -> None:
    await asyncio.sleep(seconds)


class Desk:
    """An account here that takes over what it sent there."""

    def __init__(self, books: ClockedBooks, world: World, vendor: Vendor, outbound: Outbound) -> None:
        self.books = books
        self.vendor = vendor
        self.first = local_day(world.now) - timedelta(DAYS - 1)
        self.last = local_day(world.now)
        to = login(vendor.url, world.customer.key, world.customer.hash)
        self.source = IletimerkeziPast(to, outbound, _wait)
        self.account = 0

    async def open(self) -> Desk:
        self.account = (await self.books.write(lambda tx: accounts.create(tx, "here"))).account.id
        return self

    async def take(self, since: date | None = None, until: date | None = None) -> Taken:
        """One import."""
        days = since or self.first, until or self.last
        return await history.take(self.books, self.source, self.account, *days, lambda _day, _taken: None)

    async def kept(self) -> dict[int, tuple[Any, ...]]:
        """Everything that is here, as the world has it."""
        return await self.books.read(lambda tx: kept(tx, self.account))

    async def walk(self) -> Walk | None:
        """How far it has come."""
        return await self.books.read(lambda tx: store.walk(tx, self.account, SOURCE))


def kept(tx: Tx, account_id: int) -> dict[int, tuple[Any, ...]]:
    """The history of an account."""
    found = {}
    for source, order in store.listing(tx, account_id, 0, 2**62, 10**6):
        rows = [tuple(row) for row in store.messages(tx, account_id, source, order.number)]
        assert order.number not in found
        assert order.taken == len(rows)
        found[order.number] = (*order[1:9], rows)
    return found


@pytest_asyncio.fixture
async def desk(books: ClockedBooks, world: World, vendor: Vendor) -> AsyncIterator[Desk]:
    books.clock.now = world.now
    async with Outbound() as outbound:
        yield await Desk(books, world, vendor, outbound).open()


async def test_everything_is_taken_over_once(desk: Desk, world: World) -> None:
    taken = await desk.take()
    assert await desk.kept() == world.orders
    assert taken == Taken(len(world.orders), sum(len(order[-1]) for order in world.orders.values()))
    assert desk.vendor.most_at_once == 1
    windows = desk.vendor.windows()
    assert all((last - first).days <= 9 for first, last in windows)
    assert days_of(windows) == [desk.first + timedelta(n) for n in range(DAYS)]
    # The last day is not over.
    assert await desk.walk() == Walk(desk.first, desk.last)


async def test_what_is_here_and_finished_is_not_asked_for_again(desk: Desk, world: World) -> None:
    await desk.take()
    desk.vendor.asked.clear()
    again = await desk.take()
    # Two days of orders wait: those of yesterday are asked for one by one, today is listed.
    assert desk.vendor.windows() == [(desk.last, desk.last)]
    assert again.orders == desk.vendor.times("get-report") == 2 * A_DAY
    assert await desk.kept() == world.orders


async def test_orders_that_were_not_finished_are_finished_later(
    desk: Desk, world: World, office: Office
) -> None:
    await desk.take()
    waiting = [number for number, order in world.orders.items() if order[0] == 113]
    for number in waiting:
        ends = dict.fromkeys(range(world.orders[number][1]), ReportState.DELIVERED)
        await office.report(world.customer, number, ends)
    assert (await desk.take()).orders == len(waiting)
    found = await desk.kept()
    assert {found[number][0] for number in waiting} == {114}
    assert all(status == 111 for number in waiting for _, status in found[number][-1])
    # Nothing is open any more; today is listed, and that is all.
    desk.vendor.asked.clear()
    assert await desk.take() == Taken(0, 0)
    assert desk.vendor.times("get-report") == 0
    assert await desk.kept() == found


@pytest.mark.parametrize("seed", range(2))
async def test_it_is_stopped_again_and_again(desk: Desk, world: World, seed: int) -> None:
    """Stopped at any request, and at any moment of writing its answer down."""
    chance = random.Random(seed)
    left, stops = 0, 0
    running: asyncio.Task[Taken] | None = None

    def count(_asked: Asked) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            assert running is not None
            asyncio.get_running_loop().call_later(chance.choice((0, 0.001, 0.004)), running.cancel)

    desk.vendor.on_request = count
    while True:
        left = chance.randrange(5, 60)
        running = asyncio.create_task(desk.take())
        with contextlib.suppress(asyncio.CancelledError):
            await running
            break
        stops += 1
        for number, order in (await desk.kept()).items():
            assert order[:-1] == world.orders[number][:-1]
            assert order[-1] == world.orders[number][-1][: len(order[-1])]
    assert stops >= 5
    assert await desk.kept() == world.orders


async def test_a_long_order_goes_on_with_the_page_that_is_missing(desk: Desk, world: World) -> None:
    (long,) = (number for number, order in world.orders.items() if order[1] > 1000)
    day = local_day(world.orders[long][4])
    running = asyncio.create_task(desk.take(day, day))

    def stop(asked: Asked) -> None:
        if asked.request.get("order", {}).get("page") == "3":
            running.cancel()

    desk.vendor.on_request = stop
    with pytest.raises(asyncio.CancelledError):
        await running
    desk.vendor.on_request = lambda _asked: None
    desk.vendor.asked.clear()
    await desk.take(day, day)
    pages = [asked.request["order"] for asked in desk.vendor.asked if asked.operation == "get-report"]
    assert [page["page"] for page in pages if page["id"] == str(long)] == ["3"]
    assert (await desk.kept())[long] == world.orders[long]


async def test_more_days_before_and_after(desk: Desk, world: World) -> None:
    middle = desk.first + timedelta(20)
    await desk.take(middle, middle + timedelta(4))
    assert await desk.walk() == Walk(middle, middle + timedelta(5))
    # Days behind a gap begin anew, those before do too, and nothing that is here is taken twice.
    await desk.take(desk.last - timedelta(5), desk.last - timedelta(3))
    await desk.take(desk.first, middle + timedelta(4))
    assert await desk.walk() == Walk(desk.first, middle + timedelta(5))
    desk.vendor.asked.clear()
    await desk.take(desk.first + timedelta(3), middle)
    assert desk.vendor.asked == []
    await desk.take(desk.first + timedelta(3), desk.last)
    assert await desk.walk() == Walk(desk.first, desk.last)
    assert await desk.kept() == world.orders


async def test_days_without_orders(desk: Desk) -> None:
    first = desk.first - timedelta(300)
    assert await desk.take(first, first + timedelta(25)) == Taken(0, 0)
    assert len(desk.vendor.asked) == 3
    assert await desk.walk() == Walk(first, first + timedelta(26))


async def test_accounts_here_have_their_own_past(desk: Desk) -> None:
    await desk.take(desk.first, desk.first)
    other = (await desk.books.write(lambda tx: accounts.create(tx, "other"))).account.id
    assert len(await desk.kept()) == A_DAY
    assert await desk.books.read(lambda tx: kept(tx, other)) == {}


# The command.


def command(database: Database, world: World, *words: str) -> tuple[list[str], dict[str, str]]:
    """How it is called."""
    line = [sys.executable, "-m", "ulak", *words, "--data", str(database.directory)]
    if database.url is not None:
        line += ["--database", database.url]
    own = {name: value for name, value in os.environ.items() if not name.startswith("ULAK_")}
    own |= {"ULAK_IMPORT_KEY": world.customer.key, "ULAK_IMPORT_HASH": world.customer.hash}
    return line, own


async def test_the_process_is_killed(
    database: Database, vendor: Vendor, world: World, books: ClockedBooks
) -> None:
    made = (await books.write(lambda tx: accounts.create(tx, "here"))).account.id
    first, last = local_day(world.now) - timedelta(DAYS - 1), local_day(world.now)
    words = ["import", "iletimerkezi", "here", "--since", str(first), "--until", str(last)]
    line, own = command(database, world, *words, "--url", vendor.url, "--json")
    process: subprocess.Popen[bytes] | None = None
    left = 0

    def count(_asked: Asked) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            assert process is not None
            process.kill()

    vendor.on_request = count
    for requests in (150, -1):
        left = requests
        process = subprocess.Popen(
            line, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        out, err = await asyncio.to_thread(process.communicate, timeout=180)
        if process.returncode == 0:
            break
        assert process.returncode == -9, err
    shown = json.loads(out)
    assert list(shown) == ["orders", "messages", "from", "to"]
    assert (shown["from"], shown["to"]) == (str(first), str(last))
    assert 0 < shown["orders"] < len(world.orders)
    assert err == b""
    assert await books.read(lambda tx: kept(tx, made)) == world.orders


async def test_a_bar_grows_on_a_terminal(sqlite_database: Database, vendor: Vendor, world: World) -> None:
    line, own = command(sqlite_database, world, "account", "create", "here")
    await asyncio.to_thread(subprocess.run, line, env=own, check=True, capture_output=True)
    day = str(local_day(world.now))
    words = ["import", "iletimerkezi", "here", "--since", day, "--until", day, "--url", vendor.url]
    line, own = command(sqlite_database, world, *words)
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(line, env=own | {"TERM": "xterm"}, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    out, _ = await asyncio.to_thread(process.communicate, timeout=180)
    said = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert process.returncode == 0
    assert f"{A_DAY} orders" in said
    assert out.decode().split()[:2] == ["orders", str(A_DAY)]

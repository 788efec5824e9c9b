"""What the tests of the past share: a service with forty days of orders, and what it knows of them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.conftest import FakeClock
from tests.dialects.iletimerkezi.office import Customer, Office
from tests.dialects.iletimerkezi_past.vendor import Handler, Vendor

from ulak.core.ports import ReportState
from ulak.core.times import parse_second
from ulak.dialects.door import Reply
from ulak.store.books import Books
from ulak.store.engine import Database
from ulak.wiring import GROUP_KINDS

DAYS = 40
A_DAY = 6
LONG = 2_500
DAY = 24 * 60 * 60 * 1_000


@dataclass(frozen=True)
class World:
    """A service's data, the account there, and everything it would tell: number -> (order, messages)."""

    path: Path
    customer: Customer
    orders: dict[int, tuple[Any, ...]]
    now: int


Open = Callable[[Handler], Awaitable[Vendor]]


@pytest.fixture(scope="session")
def world(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Six orders a day for forty days, one of them with 2,500 recipients; the last two days wait."""
    path = tmp_path_factory.mktemp("vendor")
    shutil.copy(sqlite_template, path / "ulak.db")
    return asyncio.run(_world(path))


async def _world(path: Path) -> World:
    clock = FakeClock()
    end = clock.now
    clock.now = end - (DAYS - 1) * DAY
    books = Books(Database(path, None, clock), GROUP_KINDS)
    office = Office(books)
    customer = await office.customer("acme", credit=100_000, senders=["ORNEKAS"])
    numbers = []
    for day in range(DAYS):
        for nth in range(A_DAY):
            many = LONG if (day, nth) == (17, 3) else 1 + nth % 3
            who = [905300000000 + place for place in range(many)]
            message = {"text": f"{day} {nth}", "receipents": {"number": who}}
            order = {"sender": "ORNEKAS", "iys": "0", "message": message}
            placed = await office.ask(customer, "send-sms", order=order)
            numbers.append(int(placed["order"]["id"]))
            if day < DAYS - 2:
                news = [ReportState.DELIVERED, ReportState.UNDELIVERED]
                ends = {place: news[place % 2] for place in range(many)}
                await office.report(customer, numbers[-1], ends)
            clock.now += 60_000
        clock.now += DAY - A_DAY * 60_000
    orders = {number: await _known(office, customer, number) for number in numbers}
    await books.close()
    return World(path, customer, orders, end)


async def _known(office: Office, customer: Customer, number: int) -> tuple[Any, ...]:
    rows: list[tuple[str, int]] = []
    for page in range(1, LONG // 1_000 + 2):
        asked = {"id": str(number), "page": page}
        order = (await office.ask(customer, "get-report", order=asked))["order"]
        rows += [(row["number"], row["status"]) for row in order["message"]]
        if len(rows) == order["total"]:
            break
    return (
        order["status"],
        order["total"],
        order["delivered"],
        order["undelivered"],
        parse_second(order["submitAt"]),
        parse_second(order["sendAt"]),
        order["sender"],
        str(order["price"]),
        rows,
    )


@pytest_asyncio.fixture
async def opened() -> AsyncIterator[Open]:
    """Opens services, which are closed after the test."""
    vendors: list[Vendor] = []

    async def open_one(handler: Handler) -> Vendor:
        vendor = Vendor(handler)
        await vendor.start()
        vendors.append(vendor)
        return vendor

    yield open_one
    for vendor in vendors:
        await vendor.close()


@pytest_asyncio.fixture
async def office(world: World, tmp_path: Path) -> AsyncIterator[Office]:
    """The doors over a copy of the service's data."""
    path = tmp_path / "vendor"
    path.mkdir()
    shutil.copy(world.path / "ulak.db", path / "ulak.db")
    books = Books(Database(path, None, FakeClock(world.now)), GROUP_KINDS)
    yield Office(books)
    await books.close()


@pytest_asyncio.fixture
async def vendor(office: Office, opened: Open) -> Vendor:
    """The service, over HTTP."""

    async def handle(path: str, body: bytes) -> Reply:
        return await office.call(path, body)

    return await opened(handle)

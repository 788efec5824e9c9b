"""Two Ulaks, one of which is the other's carrier of messages, over sockets.

`shop` has customers, and an iletiMerkezi account at `hub`, whose operator is here and forgets nothing. The
hub calls the shop about each message, and the shop its customer. In the middle the hub is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.chain import rig
from tests.chain.parcel_rig import add_carrier
from tests.chain.rig import CREDITS, HOST, Customer, Keys, Server, until
from tests.chain.smsc import Smsc
from tests.conftest import Postgres
from tests.workers.sinks import Sink, sink

from ulak.service import audit, doubts
from ulak.store import schema
from ulak.store.engine import Database
from ulak.wiring import now_ms

SECRET = "a-secret-of-the-address"
FIRST_NUMBER = 905_300_000_001
FUNDS = 5_000
ORDERS = 24
SEED = 20_261_122
FINAL = 90.0
"""Seconds until everything is final, lost answers looked for and all, on a machine however busy."""


@dataclass
class Wish:
    """An order as the customer placed it."""

    text: str
    parts: int
    numbers: list[int]
    order: str = ""


@pytest.fixture(autouse=True)
def callbacks_go_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of these tests tell each other of events on this machine."""
    plain = rig._environment
    monkeypatch.setattr(rig, "_environment", lambda: plain() | {"ULAK_CALLBACK_ALLOW": HOST})


@contextlib.asynccontextmanager
async def opened(data: Path, url: str | None) -> AsyncIterator[tuple[Server, Keys]]:
    """The other server, and the shop's account there."""
    data.mkdir()
    schema.prepare(Database(data, url, now_ms))
    found = Server(data, url)
    yield found, found.account("shop", FUNDS)
    await found.close()
    assert found.read(audit.check) == []


@pytest_asyncio.fixture
async def hub(
    database: Database, request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[Server, Keys]]:
    """The other server, on the same kind of database as the shop's."""
    url = None
    if database.url is not None:
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.create()
    async with opened(tmp_path / "hub", url) as found:
        yield found


@pytest_asyncio.fixture
async def sqlite_hub(tmp_path: Path) -> AsyncIterator[tuple[Server, Keys]]:
    async with opened(tmp_path / "hub", None) as found:
        yield found


async def connect(shop: Server, hub: Server, keys: Keys, *, told: bool, **words: str) -> None:
    """Make the hub the shop's carrier, by commands; `told`: it calls the shop about every message."""
    chosen = {"url": f"http://{HOST}:{hub.port}", "key": keys.key, "hash": keys.hash} | words
    if told:
        address = f"http://{HOST}:{shop.port}/hooks/up/{SECRET}"
        made = await hub.cli("account", "callback", "shop", address, "--dialect", "iletimerkezi")
        chosen |= {"hook_secret": SECRET, "hook_key": made["secret"]}
    pairs = [f"{name}={value}" for name, value in chosen.items()]
    shown = await shop.cli("carrier", "add", "up", "--kind", "iletimerkezi", "--set", *pairs)
    assert (shown["settings"]["key"], shown["settings"]["hash"]) == ("***", "***")


@pytest.mark.fault("F2 random kill -9", "of a server that is the carrier of another one, and frozen before")
async def test_nothing_is_lost_where_one_of_them_is_killed(
    server: Server, hub: tuple[Server, Keys], open_smsc: Callable[..., Awaitable[Smsc]]
) -> None:
    upstream, keys = hub
    smsc = await open_smsc(answer_delay=(0.01, 0.03), receipt_delay=(0.0, 0.3), seed=SEED)
    upstream.carrier("operator", smsc.port, window=40)
    await connect(server, upstream, keys, told=True, rate="200", window="200", timeout="2")
    await asyncio.gather(server.start(), upstream.start())
    tested = await server.cli("carrier", "test", "up")
    assert tested["answer"] == f"the account answers; its balance is {FUNDS} SMS or 0 TRY"
    acme = server.account()
    async with sink() as customers:
        await server.cli("account", "callback", acme.account, customers.url())
        customer = server.customer(acme)
        wishes = [wish async for wish in placed(customer, upstream)]
        await upstream.start()
        for wish in wishes:
            await customer.final(wish.order, FINAL)
        await until(lambda: len(told(customers, "delivered")) == count(wishes), 20, "the customer knows")
        await until(lambda: all_final(upstream), 20, "everything is final at the hub")
        await orders_are_right(customer, wishes)
        callbacks_are_right(customers, wishes)
    nothing_twice(server, upstream, smsc, wishes)
    await money_is_right(server, upstream, customer, upstream.customer(keys))


async def placed(customer: Customer, hub: Server) -> AsyncIterator[Wish]:
    """Orders, some of them before and some after the hub was killed while it was busy."""
    chance = random.Random(SEED)
    next_number = FIRST_NUMBER
    for place in range(ORDERS):
        if place == ORDERS // 2:
            # What is on its way to it now is never answered.
            hub.freeze()
        if place == ORDERS * 2 // 3:
            hub.kill()
        parts = chance.choice((1, 1, 2))
        numbers = list(range(next_number, next_number + chance.choice((1, 1, 3, 12, 30))))
        next_number = numbers[-1] + 1
        wish = Wish(f"Sipariş {place} ".ljust((60, 200)[parts - 1], "x"), parts, numbers)
        wish.order = await customer.order(wish.text, numbers)
        yield wish
        await asyncio.sleep(0.04)


def count(wishes: list[Wish]) -> int:
    """How many messages these are."""
    return sum(len(wish.numbers) for wish in wishes)


def told(customers: Sink, status: str) -> Counter[tuple[str, str]]:
    """How often the customer was told this, by order and number."""
    reports = [json.loads(body)["report"] for body in list(customers.bodies)]
    return Counter((str(each["packet_id"]), each["to"]) for each in reports if each["status"] == status)


def all_final(server: Server) -> bool:
    return server.sql("SELECT count(*) FROM sms_order WHERE state NOT IN (13, 14, 15)") == [(0,)]


async def orders_are_right(customer: Customer, wishes: list[Wish]) -> None:
    """Every order is delivered as a whole, and costs its parts."""
    for wish in wishes:
        report = await customer.whole_report(wish.order)
        assert [row["number"] for row in report["message"]] == [f"+{number}" for number in wish.numbers]
        assert {row["status"] for row in report["message"]} == {111}
        assert (report["status"], report["delivered"]) == (114, len(wish.numbers))
        assert report["price"] == wish.parts * len(wish.numbers)


def callbacks_are_right(customers: Sink, wishes: list[Wish]) -> None:
    """The customer heard of every message that it was accepted, then that it was delivered, and no more."""
    heard: dict[tuple[str, str], list[str]] = defaultdict(list)
    texts = {wish.order: wish.text for wish in wishes}
    for body in customers.bodies:
        report: dict[str, Any] = json.loads(body)["report"]
        assert report["body"] == texts[str(report["packet_id"])]
        said = heard[str(report["packet_id"]), report["to"]]
        if report["status"] not in said:  # The same may be told twice.
            said.append(report["status"])
    wanted = {(wish.order, f"+{number}") for wish in wishes for number in wish.numbers}
    assert set(heard) == wanted
    assert set(map(tuple, heard.values())) == {("accepted", "delivered")}


def unsure(server: Server) -> set[int]:
    """The numbers of messages of which a server does not know how often they went."""
    return {message.number for message in server.read(lambda tx: list(doubts.listing(tx)))}


def nothing_twice(shop: Server, hub: Server, smsc: Smsc, wishes: list[Wish]) -> None:
    """Everybody got what is theirs, and twice only what is marked."""
    numbers = {number for wish in wishes for number in wish.numbers}
    assert smsc.numbers == numbers
    at_shop, at_hub = unsure(shop), unsure(hub)
    assert at_shop, "not exercised: no answer was lost"
    there = Counter(number for (number,) in hub.sql("SELECT number FROM message"))
    assert set(there) == numbers
    assert {number for number, times in there.items() if times > 1} <= at_shop
    assert max(there.values()) <= 2
    assert {number for (number, _), times in smsc.counts.items() if times > 1} <= at_shop | at_hub


async def money_is_right(shop: Server, hub: Server, mine: Customer, theirs: Customer) -> None:
    """Nothing is held, and what was spent is the price of what was delivered, at both."""
    for server, customer, funds in ((shop, mine, CREDITS), (hub, theirs, FUNDS)):
        assert server.read(audit.check) == []
        [(delivered,)] = server.sql("SELECT sum(parts) FROM message WHERE state = 23")
        assert server.sql("SELECT available, held, spent FROM balance") == [(funds - delivered, 0, delivered)]
        assert await customer.balance() == funds - delivered


async def test_a_server_that_calls_nobody_is_asked(
    sqlite_server: Server, sqlite_hub: tuple[Server, Keys]
) -> None:
    """And what it refuses or cannot deliver is known here."""
    server, (upstream, keys) = sqlite_server, sqlite_hub
    add_carrier(upstream, "operator", "simulator")
    await connect(server, upstream, keys, told=False, sender="ULAK")
    await asyncio.gather(server.start(), upstream.start())
    customer = server.customer(server.account())
    order = await customer.order("Merhaba", [905_320_000_001, 905_320_009_003, 905_320_000_003])
    await customer.order("Günaydın", [905_320_000_001])
    report = await customer.final(order, 30)
    assert [row["status"] for row in report["message"]] == [111, 112, 111]
    assert upstream.sql("SELECT total, delivered FROM sms_order ORDER BY id") == [(3, 2), (1, 1)]
    # A shop that is started again goes on asking.
    later = await customer.order("Kod 4821", [905_320_000_005])
    await until(lambda: len(upstream.sql("SELECT id FROM sms_order")) == 3, 10, "it is with the hub")
    server.kill()
    await server.start()
    assert (await server.customer(Keys("acme", *_keys(customer))).final(later, 30))["delivered"] == 1


def _keys(customer: Customer) -> tuple[str, str]:
    who = customer._authentication
    return who["key"], who["hash"]

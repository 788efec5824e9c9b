"""`kill -9` while parcels are booked: the carrier took them, and its answers came to nobody.

The carrier is an account at another server, which lives here and survives. Whatever happens to ours, each key
of a customer is one consignment in the end, booked once and paid once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import count

import pytest
import pytest_asyncio
from tests.chain.parcel_rig import CREDIT, PRICE, Shop, Upstream, account, add_carrier, balance, kurus
from tests.chain.rig import Answer, Gone, Server, until
from tests.soak import seed, turns

KILLS = 5
SHOPS = 8
ASKED = (3, 25)
"""How often the carrier is asked between a server's start and its end."""

ANSWERS_TAKE = (0.02, 0.15)
MOST = 200
"""Consignments: a key may ask 300 times in a minute, ours as well as the one we have upstream."""

STOP = 15.0
"""Seconds in which a server stops whose carrier is silent: five for the carrier, more on a busy machine."""


@dataclass
class Story:
    """What customers saw: the answers by key, how many got none, and how often they were told to wait."""

    answers: dict[str, Answer] = field(default_factory=dict)
    lost: int = 0
    busy: int = 0

    async def insist(self, shop: Shop, key: str) -> Answer:
        """Ask for a consignment until it is known what became of it."""
        while True:
            try:
                answer = await shop.post(key, reference_no=key)
            except Gone:
                self.lost += 1
            except OSError:
                await asyncio.sleep(0.02)
            else:
                if answer.status == 200:
                    self.answers[key] = answer
                    return answer
                assert (answer.status, answer.headers.get("retry-after")) == (409, "1"), answer.body
                self.busy += 1
                await asyncio.sleep(0.2)


@pytest_asyncio.fixture
async def upstream(server: Server) -> AsyncIterator[Upstream]:
    """The carrier of the server."""
    opened = Upstream(ANSWERS_TAKE, 20261123)
    url = await opened.start()
    add_carrier(server, "way", "comtohome", url=url, apikey="key", base="20", per_kilo="16")
    yield opened
    await opened.close()


@pytest.mark.fault("F1 kill -9 at a point", "while a carrier that keeps its answers back has two parcels")
async def test_the_middle_of_things(server: Server, upstream: Upstream) -> None:
    """Two parcels are with the carrier when the server dies, and one that it is to take back."""
    key = account(server, "acme")
    await server.start()
    shop, story = Shop(server, key), Story()
    await story.insist(shop, "c")
    upstream.hold()
    lost = [asyncio.create_task(Shop(server, key).post(name, reference_no=name)) for name in ("a", "b")]
    lost.append(asyncio.create_task(Shop(server, key).ask("POST", "/consignments/c/cancel")))
    await until(lambda: len(upstream.bookings) == 3 and upstream.cancelled, 10, "the carrier is asked")
    server.kill()
    for task in lost:
        with pytest.raises(Gone):
            await task

    await server.start()
    await until(lambda: _times(upstream) == [1, 2, 2], 10, "the carrier is asked again")
    assert await server.stop() < STOP  # though the carrier says nothing

    await server.start()
    await until(lambda: _times(upstream) == [1, 3, 3], 10, "the carrier is asked once more")
    before = {row["reference_no"]: row for row in await shop.every()}
    assert {name: row["status"] for name, row in before.items()} == {"a": 100, "b": 100, "c": 1}
    insisting = asyncio.create_task(story.insist(shop, "a"))
    await until(lambda: story.busy, 10, "the customer is told to wait")
    upstream.release()
    again = (await insisting).json["data"]
    assert (again["consignment"], again["barcode"]) == (before["a"]["id"], before["a"]["barcode"])
    await shop.reaches("b", 1)  # though nobody came again
    await story.insist(shop, "b")
    await check(shop, story, upstream)
    assert _times(upstream) == [1, 3, 3]

    await shop.data("POST", "/consignments/c/cancel")
    assert len(upstream.cancelled) == 2
    await shop.data("POST", "/consignments/c/cancel", status=409)
    await money(server, 2)


def _times(upstream: Upstream) -> list[int]:
    """How often the carrier was asked for each parcel."""
    return [len(asked) for asked in upstream.bookings.values()]


@pytest.mark.fault("F2 random kill -9", "of a server that books parcels with a carrier that is slow")
@pytest.mark.parametrize("turn", turns(20))
async def test_kills_at_random_moments(
    server: Server,
    upstream: Upstream,
    turn: int,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    """Customers who order all the time, and come with the same key until they are answered."""
    begins = seed(20261123)
    key, chance, story = account(server, "acme"), random.Random(begins + turn), Story()
    numbers, closing = count(1), asyncio.Event()

    async def order_on() -> None:
        shop = Shop(server, key)
        while not closing.is_set() and (number := next(numbers)) <= MOST:
            await story.insist(shop, f"order-{number}")

    ordering = asyncio.gather(*(order_on() for _ in range(SHOPS)))
    for _ in range(KILLS):
        enough = sum(_times(upstream)) + chance.randint(*ASKED)
        await server.start()
        await until(lambda: sum(_times(upstream)) >= enough, 20, "the carrier is asked")  # noqa: B023
        server.kill()
    await server.start()
    closing.set()
    await ordering
    twice = sum(times > 1 for times in _times(upstream))
    name = "PostgreSQL" if server.database.postgres else "SQLite"
    with capsys.disabled():
        print(
            f"\n{name}: {KILLS} kills; {len(story.answers)} parcels, {story.lost} answers lost,"
            f" {story.busy} times told to wait, {twice} parcels booked again"
        )
    await check(Shop(server, key), story, upstream)
    await money(server, len(story.answers))
    assert story.lost, "not exercised: nobody waited for an answer"
    assert twice, "not exercised: no booking was repeated"
    record_property("runs", KILLS)
    record_property("seed", begins)


async def check(shop: Shop, story: Story, upstream: Upstream) -> None:
    """Every key is one consignment, asked of the carrier with one key and one body, and booked."""
    rows = {row["reference_no"]: row for row in await shop.every()}
    assert rows.keys() == story.answers.keys()
    assert len(await shop.every()) == len(rows)
    assert {row["status"] for row in rows.values()} == {1}
    assert {len({asked.body for asked in known}) for known in upstream.bookings.values()} == {1}
    codes = {known[0].json["reference_no"]: upstream.code(key) for key, known in upstream.bookings.items()}
    assert {row["barcode"] for row in rows.values()} == codes.keys()
    for name, answer in story.answers.items():
        data, row = answer.json["data"], rows[name]
        assert (data["consignment"], data["barcode"]) == (row["id"], row["barcode"])
        assert data["providerTrackingCode"] == codes[row["barcode"]]
        assert kurus(row["total_cost"]) == PRICE
    replayed = await shop.post(name, reference_no=name)
    assert (replayed.body, replayed.headers["x-idempotency-replayed"]) == (answer.body, "true")


async def money(server: Server, parcels: int) -> None:
    """What was spent is the price of so many parcels, and the books are in order."""
    doctor = await server.cli("doctor")
    assert (doctor["ok"], doctor["broken"]) == (True, [])
    spent = PRICE * parcels
    assert await balance(server, "acme") == {"available": CREDIT - spent, "held": 0, "spent": spent}

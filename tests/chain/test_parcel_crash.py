"""`kill -9` while parcels are booked: the carrier took them, and its answers came to nobody.

The carrier is an account at another server, which lives here and survives. Whatever happens to ours, each key
of a customer is one consignment in the end, booked once and paid once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count

import pytest
import pytest_asyncio
from tests.chain.parcel_rig import CREDIT, PRICE, Shop, Upstream, account, add_carrier, balance, kurus
from tests.chain.rig import Answer, Gone, Server, until

KILLS = 5
SHOPS = 8
UP = (0.05, 0.5)
"""Seconds from a server's first answer to its end."""

ANSWERS_TAKE = (0.02, 0.15)
MOST = 200
"""Consignments: a key may ask 300 times in a minute, ours as well as the one we have upstream."""

SEED = 20261123


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
    opened = Upstream(ANSWERS_TAKE, SEED)
    url = await opened.start()
    add_carrier(server, "way", "comtohome", url=url, apikey="key", base="20", per_kilo="16")
    yield opened
    await opened.close()


async def test_the_middle_of_a_booking(server: Server, upstream: Upstream) -> None:
    """Two parcels are with the carrier when the server dies. The customer of one comes again."""
    key = account(server, "acme")
    await server.start()
    upstream.hold()
    lost = [asyncio.create_task(Shop(server, key).post(name, reference_no=name)) for name in ("a", "b")]
    await until(lambda: len(upstream.bookings) == 2, 10, "the carrier is asked")
    server.kill()
    for task in lost:
        with pytest.raises(Gone):
            await task

    await server.start()
    await until(
        lambda: [len(asked) for asked in upstream.bookings.values()] == [2, 2],
        10,
        "the carrier is asked again",
    )
    shop, story = Shop(server, key), Story()
    before = {row["reference_no"]: (row["id"], row["barcode"]) for row in await shop.every()}
    assert {row["status"] for row in await shop.every()} == {100}
    insisting = asyncio.create_task(story.insist(shop, "a"))
    await until(lambda: story.busy, 10, "the customer is told to wait")
    upstream.release()
    again = (await insisting).json["data"]
    assert (again["consignment"], again["barcode"]) == before["a"]
    await shop.reaches("b", 1)  # though nobody came again
    await story.insist(shop, "b")
    await check(server, shop, story, upstream)
    await the_middle_of_a_cancellation(server, shop, upstream)


async def the_middle_of_a_cancellation(server: Server, shop: Shop, upstream: Upstream) -> None:
    """The carrier cancelled it, and nobody was told: it stands until the customer comes again."""
    upstream.hold()
    lost = asyncio.create_task(shop.data("POST", "/consignments/a/cancel"))
    await until(lambda: upstream.cancelled, 10, "the carrier is asked to take it back")
    server.kill()
    with pytest.raises(Gone):
        await lost
    upstream.release()
    await server.start()
    assert (await shop.find("a"))["status"] == 1
    await shop.data("POST", "/consignments/a/cancel")
    assert (await shop.find("a"))["status"] == 130
    await shop.data("POST", "/consignments/a/cancel", status=409)
    [again] = set(upstream.cancelled)
    assert upstream.cancelled == [again] * 2
    assert (await server.cli("doctor"))["ok"]
    assert await balance(server, "acme") == {"available": CREDIT - PRICE, "held": 0, "spent": PRICE}


async def test_kills_at_random_moments(
    server: Server, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    """Customers who order all the time, and come with the same key until they are answered."""
    key, chance, story = account(server, "acme"), random.Random(SEED), Story()
    numbers, closing = count(1), asyncio.Event()

    async def order_on() -> None:
        shop = Shop(server, key)
        while not closing.is_set() and (number := next(numbers)) <= MOST:
            await story.insist(shop, f"order-{number}")

    ordering = asyncio.gather(*(order_on() for _ in range(SHOPS)))
    hit = 0
    for _ in range(KILLS):
        await server.start()
        await asyncio.sleep(chance.uniform(*UP))
        lost = story.lost
        server.kill()
        await until(lambda: ordering.done() or story.lost > lost, 5, "somebody notices")  # noqa: B023
        hit += story.lost > lost
    await server.start()
    closing.set()
    await ordering
    twice = sum(len(asked) > 1 for asked in upstream.bookings.values())
    name = "PostgreSQL" if server.database.postgres else "SQLite"
    with capsys.disabled():
        print(
            f"\n{name}: {KILLS} kills, {hit} of them during a booking; {len(story.answers)} parcels,"
            f" {story.lost} answers lost, {story.busy} times told to wait, {twice} parcels booked again"
        )
    await check(server, Shop(server, key), story, upstream)
    assert hit == KILLS, "not exercised: nobody was waiting for an answer"
    assert twice, "not exercised: no booking was repeated"


async def check(server: Server, shop: Shop, story: Story, upstream: Upstream) -> None:
    """Every key is one consignment: asked of the carrier with one key and one body, booked, and paid once."""
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

    doctor = await server.cli("doctor")
    assert (doctor["ok"], doctor["broken"]) == (True, [])
    spent = PRICE * len(rows)
    assert await balance(server, "acme") == {"available": CREDIT - spent, "held": 0, "spent": spent}

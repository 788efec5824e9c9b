"""What a message costs where few are stored, and where a hundred times as many are: on either database, in
turn, so that the machine is as fast for both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from benchmarks import postgres
from benchmarks.bulk import order_of, until_delivered
from benchmarks.machine import Meter
from benchmarks.memory import used
from benchmarks.multiply import multiply
from benchmarks.rig import Bench, Figure, Helper, Ulak, until_acked
from benchmarks.single import CONNECTIONS, request_of
from ulak.service import audit
from ulak.store.writer import sync_read

FEW, MANY = 100_000, 10_000_000
SIZE, ORDERS, SINGLES = 1_000, 20, 2_000
"""Recipients of an order, orders of a volley, single orders of a volley."""


@dataclass(slots=True)
class Side:
    """A server with so many messages, its operator, and what its volleys cost for each message."""

    ulak: Ulak
    smsc: Helper
    load: Helper
    family: dict[str, int]
    acked: int = 0
    orders: int = 10_000  # their numbers are nobody else's
    bulk: list[float] = field(default_factory=list)
    single: list[float] = field(default_factory=list)

    def volley(self) -> None:
        """Bulk orders, then single ones, each to the last receipt on disk."""
        bodies = [order_of(self.ulak, self.orders + place, SIZE) for place in range(ORDERS)]
        self.orders += ORDERS
        meter = self._meter()
        placed = [self.ulak.post("send-sms", body)["order"]["id"] for body in bodies]
        self._until_acked(SIZE * ORDERS)
        for order in placed:
            until_delivered(self.ulak, order, SIZE)
        self.bulk.append(self._spent(meter) / (SIZE * ORDERS))
        meter = self._meter()
        self.load.ask(
            port=self.ulak.port,
            path="/v1/send-sms/json",
            body=request_of(self.ulak),
            connections=CONNECTIONS,
            count=SINGLES,
            first=self.acked,
        )
        self._until_acked(SINGLES)
        self.single.append(self._spent(meter) / SINGLES)

    def _until_acked(self, more: int) -> None:
        self.acked += more
        until_acked(self.smsc, self.acked)

    def _meter(self) -> Meter:
        return Meter(self.family, ulak=self.ulak.pid)

    def _spent(self, meter: Meter) -> float:
        usage = meter.read()
        return usage.cpu["ulak"] + sum(usage.cpu[name] for name in self.family)


@contextmanager
def _side(bench: Bench, on_postgres: bool, stored: int) -> Iterator[Side]:
    """A server with so many messages; on PostgreSQL with a database server of its own."""
    with ExitStack() as at_end:
        smsc, link = bench.smsc()
        at_end.enter_context(smsc)
        server = at_end.enter_context(postgres.server(bench)) if on_postgres else None
        home = bench.home("growth", link, url=server.database() if server else None)
        began = time.perf_counter()
        multiply(home, stored)
        filled = time.perf_counter() - began
        findings = sync_read(home.database, audit.check)
        if findings:
            raise SystemExit("\n".join(findings))
        if home.url is not None:
            postgres.settle(home.url)
        size = postgres.size(home.url) if home.url else used(home.database.path)
        name = "PostgreSQL" if home.url else "SQLite"
        bench.note(f"{name}: {stored:,} messages stored in {filled:.0f} s, and checked")
        bench.add(Figure(f"growth: {name}, {stored:,} stored, on disk", size / stored, "bytes/message"))
        load = at_end.enter_context(Helper("load"))
        ulak = at_end.enter_context(Ulak(home))
        yield Side(ulak, smsc, load, {"postgres": server.pid} if server else {})


def run(bench: Bench) -> None:
    """SQLite, then PostgreSQL."""
    for on_postgres in (False, True):
        _compare(bench, on_postgres)


def _compare(bench: Bench, on_postgres: bool) -> None:
    many, rounds = (MANY // 10, 2) if bench.quick else (MANY, 6)
    with _side(bench, on_postgres, FEW) as little, _side(bench, on_postgres, many) as lots:
        for side in (little, lots):
            side.volley()  # the first one fills caches and compiles statements
            side.bulk.clear()
            side.single.clear()
        for turn in range(rounds):
            for side in (little, lots) if turn % 2 else (lots, little):
                side.volley()
    name = "PostgreSQL" if on_postgres else "SQLite"
    for what, few_costs, many_costs in (
        ("bulk", little.bulk, lots.bulk),
        ("single", little.single, lots.single),
    ):
        few_cost, many_cost = statistics.median(few_costs), statistics.median(many_costs)
        bench.note(f"{name}, {what}: {_shown(few_costs)} with {FEW:,}, {_shown(many_costs)} with {many:,}")
        label = f"growth: {name}, {what}"
        bench.add(Figure(f"{label}: CPU, {many:,} stored", many_cost * 1000, "CPU s/1,000"))
        bench.add(Figure(f"{label}: … beside {FEW:,}", many_cost / few_cost, "x", at_most=1.3))


def _shown(costs: list[float]) -> str:
    return "/".join(f"{cost * 1000:.3f}" for cost in costs)

"""Half of the measured peak for half an hour: does memory stay, and is everything in order afterwards?

`ulak serve --role api` and `--role worker` on one PostgreSQL (or `--role all`). Orders of 1,000 come at an
even pace, each with an order of one message and a look at a report. Memory of every process is read every
five seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks import postgres
from benchmarks.bulk import order_of
from benchmarks.machine import children_of, own_memory_of, rss_of
from benchmarks.rig import Bench, Figure, until_acked
from benchmarks.roles import SIZE, Team, team
from ulak.service import audit
from ulak.store.engine import Sql
from ulak.store.writer import sync_read

EVERY = 5.0
"""Seconds between readings."""

SETTLED = 180.0
"""Seconds after which memory has to stay."""

_FIRST_SINGLE = 5_390_000_000
_WAITING = Sql("SELECT count(*) FROM sms_order WHERE delivered < total")


@dataclass(slots=True)
class Memory:
    """What each program holds (MiB), read again and again."""

    read: dict[str, Callable[[], float]]
    began: float = field(default_factory=time.monotonic)
    readings: list[tuple[float, dict[str, float]]] = field(default_factory=list)

    def look(self) -> None:
        """Another reading, if it is time."""
        now = time.monotonic() - self.began
        if not self.readings or now - self.readings[-1][0] >= EVERY:
            self.readings.append((now, {name: read() for name, read in self.read.items()}))

    def grown(self, name: str, settled: float) -> tuple[float, float]:
        """What a program held when it had settled, and the most it held later beyond that."""
        later = [held[name] for at, held in self.readings if at >= settled]
        return later[0], max(later) - later[0]


def run(bench: Bench) -> None:
    """The peak, then half of it, then the checker."""
    seconds = 60 * (1.0 if bench.quick else bench.options.minutes)
    with postgres.server(bench) as server, team(bench, server) as all_of:
        peak_orders = 20 if bench.quick else 100
        began = time.perf_counter()
        _place(all_of, range(peak_orders))
        until_acked(all_of.operators, peak_orders * SIZE)
        peak = peak_orders * SIZE / (time.perf_counter() - began)
        bench.add(Figure("soak: the peak, as measured before", peak, "messages/s"))
        memory = Memory(_readers(all_of))
        began = time.perf_counter()
        placed = _paced(all_of, memory, peak_orders, peak / 2, seconds)
        sent = placed * (SIZE + 1)
        until_acked(all_of.operators, peak_orders * SIZE + sent)
        took = time.perf_counter() - began
        memory.look()
        bench.note(f"{placed:,} orders of {SIZE:,} and as many of one in {took:.0f} s")
        bench.add(Figure("soak: kept of half of the peak", 100 * sent / took / (peak / 2), "%", at_least=98))
        settled = min(SETTLED, seconds / 10)
        for name in memory.read:
            held, grown = memory.grown(name, settled)
            figure = Figure(f"soak: {name}, grown after {settled:.0f} s", grown, "MiB", at_most=32)
            bench.note(f"{name}: {held:.1f} MiB then")
            bench.add(figure)
        _until_final(all_of)
        findings = sync_read(all_of.home.database, audit.check)
        for finding in findings:
            bench.note(finding)
        bench.add(Figure("soak: findings of the checker", len(findings), "", at_most=0))


def _readers(all_of: Team) -> dict[str, Callable[[], float]]:
    """How the memory of each program is read."""

    def ours(pid: int) -> Callable[[], float]:
        return lambda: rss_of(pid)

    readers = {name: ours(pid) for name, pid in all_of.ours.items()}
    return readers | {"postgres, own": lambda: _family(all_of.postgres.pid)}


def _family(pid: int) -> float:
    """What PostgreSQL's processes hold besides the pool they share."""
    total = own_memory_of(pid)
    for child in children_of(pid):
        try:
            total += own_memory_of(child)
        except (FileNotFoundError, ProcessLookupError, IndexError):
            continue  # it has just ended
    return total


def _place(all_of: Team, orders: range) -> list[str]:
    api = all_of.api
    return [api.post("send-sms", order_of(api, order, SIZE))["order"]["id"] for order in orders]


def _paced(all_of: Team, memory: Memory, first: int, rate: float, seconds: float) -> int:
    """Orders at this rate (messages/s) for so long; how many of each size."""
    api, placed = all_of.api, 0
    began = time.perf_counter()
    while (now := time.perf_counter() - began) < seconds:
        memory.look()
        due = placed * (SIZE + 1) / rate
        if now < due:
            time.sleep(min(due - now, 0.05))
            continue
        [order] = _place(all_of, range(first + placed, first + placed + 1))
        api.post("send-sms", api.order_body(f"Onay kodunuz {placed:08d}", [str(_FIRST_SINGLE + placed)]))
        api.report(order, rows=100)
        placed += 1
    return placed


def _until_final(all_of: Team) -> None:
    """A receipt that came before its message was known to be out is acknowledged first, and used then."""
    until = time.monotonic() + 60
    while (row := sync_read(all_of.home.database, lambda tx: tx.one(_WAITING))) != (0,):
        if time.monotonic() > until:
            raise SystemExit(f"{row} orders are not final")
        time.sleep(0.1)

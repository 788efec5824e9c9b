"""Pruning and erasing: orders that are through go, one by one or with their partition, and a number is looked
for in everything there is."""

from __future__ import annotations

import time

from benchmarks import postgres
from benchmarks.fill import fill
from benchmarks.rig import Bench, Figure, Home
from ulak.service import audit
from ulak.service.erase import Erase
from ulak.service.prune import Prune, What
from ulak.service.suppressions import NumberDigests
from ulak.store import ids, partitions
from ulak.store.engine import Database
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write

_DAY = 24 * 60 * 60 * 1000


def run(bench: Bench) -> None:
    """First SQLite, then PostgreSQL with and without a partition that is full."""
    large, small = (50, 5_000) if bench.quick else (500, 100_000)
    _on(bench, "SQLite", bench.home("upkeep"), large, small)
    with postgres.server(bench) as server:
        _on(bench, "PostgreSQL", bench.home("upkeep", url=server.database()), large, small)
        home = bench.home("upkeep", url=server.database())
        fill(home, [1_000] * large)
        sync_write(home.database, lambda tx: ids.lease(tx, partitions.SIZE))
        _pruned(bench, "PostgreSQL, a whole partition", home, large * 1_000)


def _on(bench: Bench, name: str, home: Home, large: int, small: int) -> None:
    fill(home, [1_000] * large)
    messages = large * 1_000
    began = time.perf_counter()
    done = Erase(home.database, 905_300_000_000 + 7, NumberDigests(Vault(home.directory)), "bench").run()
    took = time.perf_counter() - began
    assert done.rows["message"] == 1
    bench.add(Figure(f"{name}: a number erased among {messages:,} messages", took, "s"))
    _pruned(bench, f"{name}, orders of 1,000", home, messages)
    fill(home, [1] * small)
    _pruned(bench, f"{name}, orders of 1", home, small)


def _pruned(bench: Bench, name: str, home: Home, messages: int) -> None:
    later = Database(home.directory, home.url, lambda: time.time_ns() // 1_000_000 + 100 * _DAY)
    began = time.perf_counter()
    gone = Prune(later, sync_read(later, lambda tx: tx.now) - 90 * _DAY, [What.MESSAGES]).run()
    took = time.perf_counter() - began
    assert gone["messages"] == messages, gone
    assert sync_read(later, audit.check) == []
    bench.add(Figure(f"pruned: {name}", messages / took, "messages/s"))

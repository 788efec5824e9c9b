"""Backup and restore of 1,000,000 messages, from each database into each."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from benchmarks import postgres
from benchmarks.fill import fill
from benchmarks.rig import Bench, Figure
from ulak.service import audit
from ulak.store import load
from ulak.store.dump import dump, opened
from ulak.store.engine import Database
from ulak.store.writer import sync_read

SIZES = [50_000] + [1_000] * 450 + [1] * 500_000
"""Recipients of orders: one large, many middling, and half of all messages alone in theirs."""

RESTORE_MAX = 15 * 60.0
"""Seconds in which a million messages are to be there again."""

Result = TypeVar("Result")


def run(bench: Bench) -> None:
    """Fill a SQLite file, and go round: into PostgreSQL, out of it, and back."""
    sizes = SIZES[: len(SIZES) // 50] if bench.quick else SIZES
    home = bench.home("backup")
    fill(home, sizes)
    messages = sum(sizes)
    with postgres.server(bench) as server:
        folder = bench.fresh("backup-files")
        there = Database(bench.fresh("backup-there"), server.database(), home.database.clock)
        back = Database(bench.fresh("backup-back"), None, home.database.clock)
        first = _backup(bench, "SQLite", home.database, folder / "sqlite.zip", messages)
        _restore(bench, "PostgreSQL", there, first, messages)
        second = _backup(bench, "PostgreSQL", there, folder / "postgres.zip", messages)
        _restore(bench, "SQLite", back, second, messages)
        shutil.rmtree(folder)


def _backup(bench: Bench, name: str, database: Database, file: Path, messages: int) -> Path:
    with file.open("wb") as to:
        _, seconds, cpu = _timed(lambda: sync_read(database, lambda tx: dump(tx, to, version="1")))
    bench.note(f"backup of {name}: {seconds:.1f} s, {cpu:.1f} CPU s of ours, {file.stat().st_size:,} bytes")
    bench.add(Figure(f"backup of {name}: messages", messages / seconds, "messages/s"))
    bench.add(Figure(f"backup of {name}: size", file.stat().st_size / messages, "bytes/message"))
    return file


def _restore(bench: Bench, name: str, database: Database, file: Path, messages: int) -> None:
    with file.open("rb") as source:
        backup = opened(source)
        broken, seconds, cpu = _timed(lambda: load.load(database, backup, audit.check, ahead=0))
    assert broken == [], broken
    bench.note(f"restore into {name}, with every invariant checked: {seconds:.1f} s, {cpu:.1f} CPU s of ours")
    whole = seconds * 1_000_000 / messages
    bench.add(Figure(f"restore into {name}: of 1,000,000 messages", whole, "s", at_most=RESTORE_MAX))


def _timed(work: Callable[[], Result]) -> tuple[Result, float, float]:
    """What it returns, and the seconds and CPU seconds it took."""
    began, cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, time.perf_counter() - began, time.process_time() - cpu

"""How soon a server answers, what memory it takes before and after a million messages, and what disk."""

from __future__ import annotations

import re
import sqlite3
import statistics
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from benchmarks.bulk import order_of, until_delivered
from benchmarks.machine import peak_of, rss_of
from benchmarks.rig import ROOT, Bench, Figure, Helper, Home, Ulak, until_acked
from benchmarks.single import CONNECTIONS, request_of, until_all_delivered
from ulak.store import settings
from ulak.store.engine import Sql
from ulak.store.writer import sync_read, sync_write

SIZE = 1_000
"""Recipients of an order in the first part; in the second there is one."""

LATER = 25 * 60 * 60 * 1000
"""How far the clock is moved, ms: traces are kept for 24 h."""

_SWEPT_IN = 180.0
"""Seconds in which the running server has swept; it looks every 30 s whether something is due."""

_TRACES = Sql("SELECT EXISTS (SELECT 1 FROM fingerprint), EXISTS (SELECT 1 FROM reference)")
_IMPORTED = re.compile(r"^import time: +\d+ \| +\d+ \| +(\S+)$", re.MULTILINE)
_IMPORT = """
import importlib, sys
for name in open(sys.argv[1]).read().split():
    try:
        importlib.import_module(name)
    except ImportError:
        pass
print(flush=True)
sys.stdin.read()
"""


def run(bench: Bench) -> None:
    """Starts, then messages of large orders, then single orders, each on new data."""
    _starts(bench)
    _table(bench)
    _large_orders(bench)
    _single_orders(bench)


# Starts.


def _starts(bench: Bench) -> None:
    """A server's start in turn with a process that does nothing but import what the server imports."""
    home = bench.home("start")
    libraries = home.directory / "libraries"
    libraries.write_text("\n".join(_imported(home)))
    alive, answered, imported = [], [], []
    for _ in range(3 if bench.quick else 9):
        seconds, importing = _import(libraries)
        imported.append(seconds)
        began = time.perf_counter()
        with Ulak(home) as ulak:
            alive.append(time.perf_counter() - began)
            ulak.post("get-balance", ulak.body())
            answered.append(time.perf_counter() - began)
            without_link = rss_of(ulak.pid)
    base = statistics.median(imported)
    bench.note(f"the same libraries, imported and nothing else: {base:.3f} s, {importing:.0f} MiB")
    for what, times in (("/healthz", alive), ("get-balance", answered)):
        bench.note(f"from the start to the first answer of {what}: {statistics.median(times):.3f} s")
        ratio = statistics.median(times) / base
        bench.add(Figure(f"memory: start to {what}, beside the imports", ratio, "x"))
    bench.note(f"a fresh server without a link: {without_link:.1f} MiB")


def _imported(home: Home) -> list[str]:
    """Everything that is not Ulak's own and is imported until the first answer, in that order."""
    with Ulak(home, python=("-X", "importtime")) as ulak:
        ulak.post("get-balance", ulak.body())
    names = _IMPORTED.findall(ulak.log.read_text())
    return [name for name in names if name.split(".")[0] != "ulak"]


def _import(libraries: Path) -> tuple[float, float]:
    """Seconds that importing takes from the process's start, and its memory then (MiB)."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", _IMPORT, str(libraries)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        return time.perf_counter() - began, rss_of(process.pid)


# Bytes on disk.


def _table(bench: Bench) -> None:
    """The ceiling: a table of id, number and state, and nothing else."""
    path = bench.fresh("table") / "bare.db"
    count = 100_000
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, number INTEGER, state INTEGER)")
        rows = ((i, 905_300_000_000 + i, 20) for i in range(1, count + 1))
        database.executemany("INSERT INTO message VALUES (?, ?, ?)", rows)
    bench.add(Figure("memory: ceiling, id, number and state alone", used(path) / count, "bytes/message"))


def used(path: Path) -> int:
    """Bytes of a database's pages that hold something, tables and indexes."""
    with closing(sqlite3.connect(path)) as database:
        pages, free, size = (
            database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
    used: int = (pages - free) * size
    return used


def _shares(path: Path, count: int) -> str:
    """Bytes a message by table and index, where this SQLite can tell."""
    with closing(sqlite3.connect(path)) as database:
        try:
            rows = database.execute("SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE").fetchall()
        except sqlite3.OperationalError:
            return "not known"
    sizes = sorted(((size / count, name) for name, size in rows), reverse=True)
    return ", ".join(f"{name} {size:.1f}" for size, name in sizes if size >= 1)


def _on_disk(bench: Bench, ulak: Ulak, name: str, count: int, goal: float) -> None:
    """Bytes a message now, and after the clock was moved and the server has swept."""
    path = ulak.home.database.path
    bench.note(f"{name}, before the sweep: {_shares(path, count)}")
    bench.add(Figure(f"{name}: on disk before the sweep", used(path) / count, "bytes/message"))
    seconds = _sweep(ulak)
    bench.note(f"{name}, after it: {_shares(path, count)}")
    bench.note(f"{name}: swept within {seconds:.0f} s, {rss_of(ulak.pid):.1f} MiB then")
    bench.add(Figure(f"{name}: on disk after it", used(path) / count, "bytes/message", at_most=goal))


def _sweep(ulak: Ulak) -> float:
    """Move the clock, wait until the server has forgotten what it may; returns how long that took."""
    database, began = ulak.home.database, time.monotonic()
    sync_write(database, lambda tx: settings.move_clock(tx, LATER))
    while sync_read(database, lambda tx: tx.one(_TRACES)) != (0, 0):
        if time.monotonic() > began + _SWEPT_IN:
            raise SystemExit("the server does not sweep")
        time.sleep(0.5)
    return time.monotonic() - began


# Sending.


def _large_orders(bench: Bench) -> None:
    orders = 50 if bench.quick else 1_000
    count, name = orders * SIZE, f"memory, {SIZE:,} an order"
    smsc, link = bench.smsc()
    with smsc, Ulak(bench.home("memory", link)) as ulak:
        idle = _rest(ulak)
        bench.add(Figure("memory: a fresh server, its link up", idle, "MiB", at_most=120))
        began = time.perf_counter()
        placed = _post(ulak, smsc, orders, bench.options.ahead)
        until_acked(smsc, count)
        for order in placed:
            until_delivered(ulak, order, SIZE)
        seconds = time.perf_counter() - began
        grown = _rest(ulak) - idle
        bench.note(
            f"{name}: {count:,} messages sent and reported in {seconds:.0f} s;"
            f" {idle + grown:.1f} MiB then, {peak_of(ulak.pid):.1f} at most"
        )
        bench.add(Figure(f"{name}: grown while sending {count:,}", grown, "MiB", at_most=64))
        _on_disk(bench, ulak, name, count, 40)


def _post(ulak: Ulak, smsc: Helper, orders: int, ahead: int | None) -> list[str]:
    """Post large orders, each as soon as fewer than `ahead` are under way, or as fast as they are taken."""
    placed = []
    for order in range(orders):
        if ahead is not None:
            until_acked(smsc, SIZE * (order - ahead + 1))
        placed.append(ulak.post("send-sms", order_of(ulak, order, SIZE))["order"]["id"])
    return placed


def _single_orders(bench: Bench) -> None:
    count, name = 5_000 if bench.quick else 100_000, "memory, single orders"
    smsc, link = bench.smsc()
    with smsc, Helper("load") as load, Ulak(bench.home("memory", link)) as ulak:
        body, idle = request_of(ulak), _rest(ulak)
        sent = load.ask(
            port=ulak.port, path="/v1/send-sms/json", body=body, connections=CONNECTIONS, count=count
        )
        until_acked(smsc, count)
        until_all_delivered(ulak, count, sent)
        bench.note(f"{name}: {count:,}; {idle:.1f} MiB before, {_rest(ulak):.1f} after")
        _on_disk(bench, ulak, name, count, 400)


def _rest(ulak: Ulak) -> float:
    """Memory of a server that has nothing to do, MiB."""
    ulak.post("get-balance", ulak.body())
    time.sleep(1.0)
    return rss_of(ulak.pid)

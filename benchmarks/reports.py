"""Reports: pages of an order of 50,000 recipients in a database of 1,000,000 messages."""

from __future__ import annotations

import socket
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

import msgspec

from benchmarks.fill import fill
from benchmarks.machine import Meter
from benchmarks.rig import Bench, Figure, Home, Ulak

LARGE, SMALL = 50_000, 1_000
"""Recipients of the order that is asked for, and of those around it."""

ROWS = 1_000
"""On a large page."""

_HEAD = "POST /v1/get-report/json HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: %d\r\n\r\n"
_PAGE = "SELECT id, number, state FROM message WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
_LARGE = "SELECT id, total FROM sms_order WHERE number = ?"

Ask = Callable[[bytes], bytes]


def run(bench: Bench) -> None:
    """The large order lies in the middle of the small ones."""
    around = [SMALL] * (50 if bench.quick else 475)
    home = bench.home("reports")
    began = time.perf_counter()
    order = fill(home, [*around, LARGE, *around])[len(around)]
    bench.note(
        f"{2 * sum(around) + LARGE:,} messages in {2 * len(around) + 1} orders,"
        f" filled in {time.perf_counter() - began:.0f} s"
    )
    ceiling = _ceiling(home, order)
    with Ulak(home) as ulak, _connection(ulak.port) as ask:
        requests = [_request(ulak, order, page, ROWS) for page in range(1, LARGE // ROWS + 1)]
        rounds = 50 if bench.quick else 500
        with bench.spied(ulak, "reports"):
            _compare(
                bench, ask, f"page {len(requests)} of {ROWS:,} rows", (requests[0], requests[-1]), rounds
            )
            first, last = _request(ulak, order, 1, 1), _request(ulak, order, LARGE, 1)
            _compare(bench, ask, f"page {LARGE:,} of 1 row", (first, last), 5 * rounds)
            _rate(bench, ulak, ask, requests * (rounds // 25))
    bench.add(Figure("reports: ceiling, SQLite and JSON alone", ceiling, "pages/s a core"))


def _request(ulak: Ulak, order: int, page: int, rows: int) -> bytes:
    body = ulak.body(order={"id": str(order), "page": str(page), "rowCount": str(rows)})
    return (_HEAD % len(body) + body).encode()


@contextmanager
def _connection(port: int) -> Iterator[Ask]:
    """One connection that is kept; what it gives sends a request and waits for the answer's body."""
    with socket.create_connection(("127.0.0.1", port)) as link, link.makefile("rb") as answers:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ask(request: bytes) -> bytes:
            link.sendall(request)
            status, length = answers.readline(), 0
            while (line := answers.readline()).strip():
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            body = answers.read(length)
            if b" 200 " not in status:
                raise SystemExit(f"get-report: {(status + body).decode()}")
            return body

        yield ask


def _compare(bench: Bench, ask: Ask, name: str, requests: tuple[bytes, bytes], rounds: int) -> None:
    """Both pages in turn, whichever is first changing, so that what else goes on meets both alike."""
    rows = [len(msgspec.json.decode(ask(request))["response"]["order"]["message"]) for request in requests]
    if rows[0] != rows[1]:
        raise SystemExit(f"the pages have {rows} rows")
    seconds: tuple[list[float], list[float]] = [], []
    for turn in range(rounds):
        for which in (0, 1) if turn % 2 else (1, 0):
            began = time.perf_counter()
            ask(requests[which])
            seconds[which].append(time.perf_counter() - began)
    first, last = map(statistics.median, seconds)
    bench.note(f"{name}: {last * 1000:.2f} ms, page 1 {first * 1000:.2f} ms (medians of {rounds})")
    bench.add(Figure(f"reports: {name} beside page 1", last / first, "x", at_most=1.5))


def _rate(bench: Bench, ulak: Ulak, ask: Ask, requests: Sequence[bytes]) -> None:
    meter = Meter(ulak=ulak.pid)
    for request in requests:
        ask(request)
    usage = meter.read()
    bench.note(
        f"{len(requests):,} pages of {ROWS:,} rows one after the other,"
        f" {len(requests) / usage.seconds:,.0f} a second; {usage.shown(len(requests))}"
    )
    rate = len(requests) / usage.cpu["ulak"]
    bench.add(Figure(f"reports: pages of {ROWS:,} rows", rate, "pages/s a core", at_least=300))


def _ceiling(home: Home, order: int) -> float:
    """Pages/s of CPU time when rows are read and become JSON as they are."""
    pages = LARGE // ROWS
    with closing(sqlite3.connect(home.database.path)) as database:
        first, total = database.execute(_LARGE, (order,)).fetchone()
        began = time.process_time()
        for page in range(pages):
            span = (first - 1 + page * ROWS, first + total - 1, ROWS)
            rows = database.execute(_PAGE, span).fetchall()
            msgspec.json.encode(rows)
        return pages / (time.process_time() - began)

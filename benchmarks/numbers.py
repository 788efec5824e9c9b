"""Rented numbers: asking how one of many orders stands, and what those cost that wait for their SMS."""

from __future__ import annotations

import statistics
import time
from typing import Any

from benchmarks.fill_purchases import PUBLIC_ID, fill
from benchmarks.machine import Meter, rss_of
from benchmarks.rig import Bench, Figure, Helper, Ulak, http_ceiling
from ulak.core.states import PurchaseState

CONNECTIONS = 16
FEW, MANY = 10_000, 1_000_000
POLLS = 30_000
"""Requests of one volley."""

WAITING = 10_000
WATCHED = 60.0
"""Seconds over which the cost of waiting orders is measured."""

RATE = "9999999"
"""Requests a second that an address may make: the default of 20 would be what is measured."""

_STATUS = "/orderstatus?orderId=" + PUBLIC_ID


def run(bench: Bench) -> None:
    """Poll among few and among many, in turn; then wait."""
    bench.note(f"the limit of 20 requests a second and address is raised to {RATE} (ULAK_NUMBER_RATE)")
    _polls(bench)
    _waiting(bench)


def _polls(bench: Bench) -> None:
    many = MANY // 20 if bench.quick else MANY
    few_home, many_home = bench.home("few"), bench.home("many")
    fill(few_home, FEW)
    fill(many_home, many)
    bench.note(f"stored: {FEW:,} and {many:,} orders; {CONNECTIONS} connections")
    options = {"number_rate": RATE, "funding": "memory"}
    with Helper("load") as load, Ulak(few_home, **options) as few, Ulak(many_home, **options) as lots:
        for ulak, spread in ((few, FEW), (lots, many)):
            _volley(load, ulak, spread, 5_000)
        costs: tuple[list[float], list[float]] = [], []
        slowest: list[float] = []
        rounds = 2 if bench.quick else 4
        grown_from = rss_of(lots.pid)
        with bench.spied(lots, "numbers-poll"):
            for turn in range(rounds):
                sides = ((0, few, FEW), (1, lots, many))
                for which, ulak, spread in sides if turn % 2 else reversed(sides):
                    cost, answer = _volley(load, ulak, spread, POLLS, first=turn * POLLS)
                    costs[which].append(cost)
                    if which:
                        slowest.append(answer["p99_ms"])
        grown = rss_of(lots.pid) - grown_from
    among_few, among_many = map(statistics.median, costs)
    bench.note(
        f"CPU µs a poll: {among_few * 1e6:.0f} among {FEW:,}, {among_many * 1e6:.0f} among {many:,}"
        f" (medians of {rounds} volleys of {POLLS:,})"
    )
    bench.add(Figure("numbers: orderstatus", 1 / among_many, "requests/s a core", at_least=3_000))
    bench.add(Figure("numbers: answer after, p99", max(slowest), "ms"))
    bench.add(Figure("numbers: cost among many beside few", among_many / among_few, "x", at_most=1.5))
    bench.add(Figure(f"numbers: grown over {rounds * POLLS:,} polls", grown, "MiB", at_most=16))
    http_ceiling(bench, "numbers", CONNECTIONS)


def _volley(
    load: Helper, ulak: Ulak, spread: int, count: int, first: int = 0
) -> tuple[float, dict[str, Any]]:
    """CPU seconds of the server for one poll, and what the client saw."""
    meter = Meter(ulak=ulak.pid)
    answer = load.ask(
        port=ulak.port, path=_STATUS, spread=spread, connections=CONNECTIONS, count=count, first=first
    )
    usage = meter.read()
    if answer["refused"]:
        raise SystemExit(f"orderstatus: {answer['first_refusal']}")
    return usage.cpu["ulak"] / count, answer


def _waiting(bench: Bench) -> None:
    """What a server costs that does nothing, beside one with orders that wait for their SMS."""
    seconds = 10.0 if bench.quick else WATCHED
    shares = []
    for count in (0, WAITING):
        home = bench.home("waiting")
        if count:
            fill(home, count, PurchaseState.WAITING)
        with Ulak(home, funding="memory") as ulak:
            time.sleep(5)  # what is looked at after a start is no waiting
            meter = Meter(ulak=ulak.pid)
            time.sleep(seconds)
            usage = meter.read()
            shares.append(100 * usage.cpu["ulak"] / seconds)
    bench.note(f"over {seconds:.0f} s: {shares[0]:.1f} % of a core without orders, {shares[1]:.1f} % with")
    bench.add(Figure(f"numbers: {WAITING:,} orders waiting", shares[1] - shares[0], "% of a core", at_most=5))

"""Rented numbers: asking how one of many orders stands, and what those cost that wait for their SMS."""

from __future__ import annotations

import time

from benchmarks.fill_purchases import PUBLIC_ID, fill
from benchmarks.machine import Meter
from benchmarks.rig import Bench, Figure, Ulak
from benchmarks.volleys import Question, compare
from ulak.core.states import PurchaseState

WAITING = 10_000
WATCHED = 60.0
"""Seconds over which the cost of waiting orders is measured."""

RATE = "9999999"
"""Requests a second that an address may make: the default of 20 would be what is measured."""

_STATUS = Question(
    group="numbers",
    name="orderstatus",
    noun="poll",
    path="/orderstatus?orderId=" + PUBLIC_ID,
    fill=fill,
    options={"number_rate": RATE, "funding": "memory"},
)


def run(bench: Bench) -> None:
    """Poll among few and among many, in turn; then wait."""
    bench.note(f"the limit of 20 requests a second and address is raised to {RATE} (ULAK_NUMBER_RATE)")
    compare(bench, _STATUS)
    _waiting(bench)


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

"""Bulk: orders of 1,000 and of 50,000 recipients over one link, from accepted to all final in get-report."""

from __future__ import annotations

import statistics
import time

from benchmarks.machine import Meter
from benchmarks.rig import Bench, Figure, Helper, Ulak, until_acked

TEXT = "Bu hafta sonu tum urunlerde %20 indirim var, kacirmayin"
GOAL_RAW = 53_000
"""Messages/s of the raw client that the goal of 20 % was set against; ours is faster, see the README."""


def run(bench: Bench) -> None:
    """Both sizes of order, with the raw client before, between and after."""
    messages = 20_000 if bench.quick else 200_000
    sizes = [20_000, 1_000] if bench.quick else [50_000, 1_000]
    raw = [_raw(bench, messages)]
    rates = []
    for size in sizes:
        rates.append(_orders(bench, size, messages // size))
        raw.append(_raw(bench, messages))
    bench.add(Figure("bulk: raw client, the median of its runs", statistics.median(raw), "messages/s"))
    for size, rate in zip(sizes, rates, strict=True):
        name = f"bulk, {size:,} an order: share of"
        share = 100 * rate / statistics.median(raw)
        bench.add(Figure(f"{name} the raw client", share, "%", at_least=20))
        bench.add(Figure(f"{name} {GOAL_RAW:,}/s", 100 * rate / GOAL_RAW, "%"))


def _raw(bench: Bench, messages: int) -> float:
    smsc, link = bench.smsc()
    with smsc, Helper("raw") as client:
        meter = Meter(smsc=smsc.pid, client=client.pid)
        took = client.ask(port=link.port, count=messages, window=link.window)
        usage = meter.read()
    rate: float = messages / took["seconds"]
    bench.note(
        f"raw client: {rate:,.0f} messages/s, {took['cpu'] * 1000 / messages:.4f} CPU s/1,000;"
        f" others_cpu {usage.others / usage.seconds:.2f} cores"
    )
    return rate


def _orders(bench: Bench, size: int, count: int) -> float:
    """`count` orders of `size` recipients, posted one after the other; messages/s from the first accepted."""
    smsc, link = bench.smsc()
    name = f"bulk, {size:,} an order"
    with smsc, Ulak(bench.home("bulk", link)) as ulak:
        bodies = [order_of(ulak, order, size) for order in range(count)]
        with bench.spied(ulak, f"bulk-{size}"):
            meter = Meter(ulak=ulak.pid, smsc=smsc.pid)
            placed = [ulak.post("send-sms", bodies[0])["order"]["id"]]
            began = time.perf_counter()
            placed += [ulak.post("send-sms", body)["order"]["id"] for body in bodies[1:]]
            accepted = time.perf_counter() - began
            until_acked(smsc, size * count)
            for order in placed:
                until_delivered(ulak, order, size)
            seconds, usage = time.perf_counter() - began, meter.read()
    total = size * count
    bench.note(
        f"{name}: {count} orders, all accepted after {accepted:.2f} s, all final after {seconds:.2f} s"
    )
    bench.note(f"{name}: {usage.shown(total)}")
    bench.add(Figure(name, total / seconds, "messages/s", at_least=10_000))
    bench.add(Figure(f"{name}: CPU in Ulak", usage.cpu["ulak"] * 1000 / total, "CPU s/1,000", at_most=0.10))
    return total / seconds


def order_of(ulak: Ulak, order: int, size: int) -> str:
    """The request for the `order`th order; no number stands in two of them."""
    first = 5_300_000_000 + order * size
    return ulak.order_body(TEXT, [str(first + i) for i in range(size)])


def until_delivered(ulak: Ulak, order: str, size: int) -> None:
    """Wait until the report says that all were delivered.

    A receipt that came before its message was known to be out is acknowledged first, and used then.
    """
    until = time.monotonic() + 10
    while (report := ulak.report(order))["delivered"] < size:
        if time.monotonic() > until:
            raise SystemExit(f"not all of {size} were delivered: {report}")
        time.sleep(0.01)

"""Single orders: one recipient a request on 32 connections, to the final receipt."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.machine import Meter
from benchmarks.rig import Bench, Figure, Helper, Ulak, until_acked
from ulak.store.engine import Sql
from ulak.store.writer import sync_read

CONNECTIONS = 32
_COUNT = Sql("SELECT count(*), sum(delivered) FROM sms_order")


def run(bench: Bench) -> None:
    """The ceilings, a burst of 10 s, and a longer run, each on a new database."""
    seconds = 3 if bench.quick else 10
    _http_ceiling(bench, seconds)
    _commit_ceiling(bench, seconds)
    accepted, _ = _orders(bench, "burst", seconds)
    bench.add(Figure("single, burst: durable orders accepted", accepted, "orders/s", at_least=4_000))
    _, through = _orders(bench, "sustained", seconds * 3)
    bench.add(Figure("single, sustained to the final receipt", through, "orders/s", at_least=2_500))


def _orders(bench: Bench, name: str, seconds: float) -> tuple[float, float]:
    """Orders/s accepted, and orders/s from the first request to the last receipt on disk."""
    smsc, link = bench.smsc()
    with smsc, Helper("load") as load, Ulak(bench.home("single", link)) as ulak:
        body = request_of(ulak)
        load.ask(port=ulak.port, path="/v1/send-sms/json", body=body, connections=CONNECTIONS, count=200)
        until_acked(smsc, 200)
        with bench.spied(ulak, f"single-{name}"):
            meter = Meter(ulak=ulak.pid, smsc=smsc.pid, load=load.pid)
            began = time.perf_counter()
            sent = load.ask(
                port=ulak.port,
                path="/v1/send-sms/json",
                body=body,
                connections=CONNECTIONS,
                seconds=seconds,
                first=1_000,
            )
            until_acked(smsc, 200 + sent["accepted"])
            until_all_delivered(ulak, 200 + sent["accepted"], sent)
            through, usage = time.perf_counter() - began, meter.read()
    count = sent["accepted"]
    bench.note(
        f"single, {name}: {count:,} orders in {sent['seconds']:.1f} s, "
        f"the last receipt {through - sent['seconds']:.2f} s later; "
        f"p50 {sent['p50_ms']:.1f} ms, p99 {sent['p99_ms']:.1f} ms, longest {sent['p100_ms']:.0f} ms"
    )
    bench.note(f"single, {name}: {usage.shown(count)}")
    bench.add(Figure(f"single, {name}: answer after, p99", sent["p99_ms"], "ms", at_most=50))
    bench.add(
        Figure(f"single, {name}: CPU in Ulak", usage.cpu["ulak"] * 1000 / count, "CPU s/1,000", at_most=0.35)
    )
    return count / sent["seconds"], count / through


def request_of(ulak: Ulak) -> str:
    """The request with places for a number and a serial, as `benchmarks.load` wants it."""
    body = ulak.order_body("Onay kodunuz %", ["#"])
    return body.replace("%", "%%").replace("kodunuz %%", "kodunuz %08d").replace("#", "%010d")


def until_all_delivered(ulak: Ulak, count: int, sent: dict[str, Any]) -> None:
    """A receipt that came before its message was known to be out is acknowledged first, and used then."""
    until = time.monotonic() + 10
    while (row := sync_read(ulak.home.database, lambda tx: tx.one(_COUNT))) != (count, count):
        if sent["refused"] or time.monotonic() > until:
            raise SystemExit(f"orders and messages delivered {row}, both should be {count}; {sent}")
        time.sleep(0.01)


def _http_ceiling(bench: Bench, seconds: float) -> None:
    body = '{"request":{"order":{"message":{"text":"Onay %08d","receipents":{"number":["%010d"]}}}}}'
    with Helper("ceilings", "http") as door, Helper("load") as load:
        port = door.answer()["port"]
        meter = Meter(door=door.pid, load=load.pid)
        sent = load.ask(port=port, path="/", body=body, connections=CONNECTIONS, seconds=seconds)
        usage = meter.read()
    bench.note(f"bare HTTP door: p99 {sent['p99_ms']:.1f} ms; {usage.shown(sent['accepted'])}")
    bench.add(Figure("single: ceiling, bare HTTP door", sent["accepted"] / sent["seconds"], "requests/s"))


def _commit_ceiling(bench: Bench, seconds: float) -> None:
    with Helper("ceilings", "rows") as rows:
        meter = Meter(rows=rows.pid)
        done = rows.ask(directory=str(bench.fresh("rows")), seconds=seconds, producers=CONNECTIONS)
        usage = meter.read()
    bench.note(f"bare group commit: {usage.shown(done['orders'])}")
    bench.add(Figure("single: ceiling, bare group commit", done["orders"] / done["seconds"], "orders/s"))

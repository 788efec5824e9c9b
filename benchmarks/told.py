"""Single orders of which every message is told to an endpoint: two callbacks each, accepted and delivered.

Each run without callbacks has one with them beside it, on the same machine at the same time.
"""

from __future__ import annotations

import time

from benchmarks.machine import Meter
from benchmarks.rig import Bench, Figure, Helper, Ulak, until_acked
from benchmarks.single import CONNECTIONS, request_of, until_all_delivered
from ulak.service import accounts, endpoints
from ulak.store.engine import Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_write
from ulak.wiring import RENDERERS

HOST = "127.0.0.1"
DIALECT = "iletimerkezi"
WARM = 200
EACH = 2
"""Callbacks of an order with one recipient."""


def run(bench: Bench) -> None:
    """The same orders, without callbacks and with them, until all have arrived."""
    count = 3_000 if bench.quick else 20_000
    with Helper("callbacks", "sink") as sink:
        port = sink.answer()["live"]
        without, with_them = _orders(bench, count, None, sink), _orders(bench, count, port, sink)
    bench.add(Figure("single, each told twice: CPU in Ulak", with_them, "CPU s/1,000", at_most=0.55))
    bench.add(Figure("single, each told twice: beside not told", with_them / without, "x"))


def _orders(bench: Bench, count: int, port: int | None, sink: Helper) -> float:
    """CPU seconds of the server for 1,000 orders, to the last receipt and the last callback."""
    smsc, link = bench.smsc()
    home = bench.home("told", link)
    if port is not None:
        sync_write(home.database, lambda tx: _listen(tx, port, Vault(home.directory)))
    with smsc, Helper("load") as load, Ulak(home, callback_allow=HOST) as ulak:
        body = request_of(ulak)
        place = {"port": ulak.port, "path": "/v1/send-sms/json", "body": body, "connections": CONNECTIONS}
        sink.ask(task="begin")
        load.ask(**place, count=WARM)
        until_acked(smsc, WARM)
        if port is not None:
            sink.ask(task="wait", count=EACH * WARM)
            sink.ask(task="begin")
        name = "told" if port is not None else "not told"
        with bench.spied(ulak, name.replace(" ", "-")):
            meter, began = Meter(ulak=ulak.pid, sink=sink.pid), time.perf_counter()
            sent = load.ask(**place, count=count, first=1_000)
            until_acked(smsc, WARM + count)
            until_all_delivered(ulak, WARM + count, sent)
            if port is not None:
                sink.ask(task="wait", count=EACH * count)
            seconds, usage = time.perf_counter() - began, meter.read()
    bench.note(f"{name}: {count:,} orders, all over after {seconds:.1f} s; {usage.shown(count)}")
    return usage.cpu["ulak"] * 1000 / count


def _listen(tx: Tx, port: int, vault: Vault) -> None:
    owner, url = accounts.named(tx, "bench"), f"http://{HOST}:{port}/hook"
    endpoints.set_endpoint(tx, owner.id, DIALECT, RENDERERS[DIALECT].families, url, vault)

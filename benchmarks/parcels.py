"""Parcels: finding one of many by its tracking code, and making new ones."""

from __future__ import annotations

import json
import statistics
from typing import Any

from benchmarks.fill_parcels import TRACKING, fill
from benchmarks.machine import Meter, rss_of
from benchmarks.rig import Bench, Figure, Helper, Home, Ulak, http_ceiling
from ulak.core.ledger import TRY
from ulak.service import credits
from ulak.store.writer import sync_write

CONNECTIONS = 16
FEW, MANY = 10_000, 1_000_000
FINDS = 30_000
"""Requests of one volley."""

RATE = "9999999"
"""Requests a minute that a key may make: the default of 300 would be what is measured."""

_FIND = "/api/v1/consignments/find/trackingCode/" + TRACKING


def run(bench: Bench) -> None:
    """Find among few and among many, in turn; grow; make new ones."""
    bench.note(f"the limit of 300 requests a minute is raised to {RATE} a minute (ULAK_PARCEL_RATE)")
    _finds(bench)
    _creation(bench)


def _finds(bench: Bench) -> None:
    many = MANY // 20 if bench.quick else MANY
    few_home, many_home = bench.home("few"), bench.home("many")
    fill(few_home, FEW)
    fill(many_home, many)
    bench.note(f"stored: {FEW:,} and {many:,} consignments; {CONNECTIONS} connections")
    with (
        Helper("load") as load,
        Ulak(few_home, parcel_rate=RATE) as few,
        Ulak(many_home, parcel_rate=RATE) as lots,
    ):
        for ulak, spread in ((few, FEW), (lots, many)):
            _volley(load, ulak, spread, 5_000)
        costs: tuple[list[float], list[float]] = [], []
        slowest: list[float] = []
        rounds = 2 if bench.quick else 4
        grown_from = rss_of(lots.pid)
        with bench.spied(lots, "parcels-find"):
            for turn in range(rounds):
                sides = ((0, few, FEW), (1, lots, many))
                for which, ulak, spread in sides if turn % 2 else reversed(sides):
                    cost, answer = _volley(load, ulak, spread, FINDS, first=turn * FINDS)
                    costs[which].append(cost)
                    if which:
                        slowest.append(answer["p99_ms"])
        grown = rss_of(lots.pid) - grown_from
    among_few, among_many = map(statistics.median, costs)
    bench.note(
        f"CPU µs a find: {among_few * 1e6:.0f} among {FEW:,}, {among_many * 1e6:.0f} among {many:,}"
        f" (medians of {rounds} volleys of {FINDS:,})"
    )
    bench.add(Figure("parcels: find by tracking code", 1 / among_many, "requests/s a core", at_least=3_000))
    bench.add(Figure("parcels: answer after, p99", max(slowest), "ms", at_most=20))
    bench.add(Figure("parcels: cost among many beside few", among_many / among_few, "x", at_most=1.5))
    bench.add(Figure(f"parcels: grown over {rounds * FINDS:,} finds", grown, "MiB", at_most=16))
    http_ceiling(bench, "parcels", CONNECTIONS)


def _volley(
    load: Helper, ulak: Ulak, spread: int, count: int, first: int = 0
) -> tuple[float, dict[str, Any]]:
    """CPU seconds of the server for one find, and what the client saw."""
    meter = Meter(ulak=ulak.pid)
    answer = load.ask(
        port=ulak.port,
        path=_FIND,
        spread=spread,
        headers={"APIKEY": ulak.home.apikey},
        connections=CONNECTIONS,
        count=count,
        first=first,
    )
    usage = meter.read()
    if answer["refused"]:
        raise SystemExit(f"find: {answer['first_refusal']}")
    return usage.cpu["ulak"] / count, answer


def _creation(bench: Bench) -> None:
    home = bench.home("create")
    fill(home, FEW)
    sync_write(home.database, lambda tx: credits.grant(tx, "bench", 10**13, TRY))
    count = 2_000 if bench.quick else 10_000
    with Helper("load") as load, Ulak(home, parcel_rate=RATE) as ulak:
        _create(load, home, ulak, 500)
        with bench.spied(ulak, "parcels-create"):
            meter = Meter(ulak=ulak.pid)
            sent = _create(load, home, ulak, count, first=1_000)
            usage = meter.read()
    bench.note(
        f"{count:,} consignments, priced, booked with the simulator, paid:"
        f" {sent['accepted'] / sent['seconds']:,.0f} a second; p99 {sent['p99_ms']:.1f} ms;"
        f" {usage.shown(count)}"
    )
    bench.add(Figure("parcels: create", count / usage.cpu["ulak"], "requests/s a core", at_least=500))


def _create(load: Helper, home: Home, ulak: Ulak, count: int, first: int = 0) -> dict[str, Any]:
    answer = load.ask(
        port=ulak.port,
        path="/api/v1/consignments",
        body=_BODY,
        headers={"APIKEY": home.apikey},
        connections=CONNECTIONS,
        count=count,
        first=first,
    )
    if answer["refused"]:
        raise SystemExit(f"create: {answer['first_refusal']}")
    return answer


def _party(name: str) -> dict[str, str]:
    return {
        "name": name,
        "country": "TR",
        "state": "Bursa",
        "city": "Nilüfer",
        "postal_code": "16285",
        "address": "Dumlupınar Mh. Cevizlik Cd. 12/4",
    }


_PACKAGE = {
    "package_type": 1,
    "post_type": 4,
    "quantity": 1,
    "weight": 5.4,
    "length": 15,
    "width": 15,
    "height": 15,
    "items": [{"description": "Ürün", "currency_code": "TRY", "quantity": 1, "unit_price": 8.03}],
}
# Places for a serial and a telephone number, as `benchmarks.load` fills them in.
_BODY = json.dumps(
    {
        "preference": 1,
        "reference_no": "ORDER-%08d",
        "consignor": {**_party("Gönderen Firma A.Ş."), "phone_number": "+905386831394"},
        "consignee": {**_party("Ayşe Alıcı"), "phone_number": "+90%010d"},
        "packages": [_PACKAGE],
    },
    ensure_ascii=False,
)

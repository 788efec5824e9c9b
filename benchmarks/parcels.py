"""Parcels: finding one of many by its tracking code, and making new ones."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.fill_parcels import TRACKING, fill
from benchmarks.machine import Meter
from benchmarks.rig import Bench, Figure, Helper, Home, Ulak
from benchmarks.volleys import CONNECTIONS, FEW, Question, compare
from ulak.core.ledger import TRY
from ulak.service import credits
from ulak.store.writer import sync_write

RATE = "9999999"
"""Requests a minute that a key may make: the default of 300 would be what is measured."""

_FIND = Question(
    group="parcels",
    name="find by tracking code",
    noun="find",
    path="/api/v1/consignments/find/trackingCode/" + TRACKING,
    fill=fill,
    options={"parcel_rate": RATE},
    keyed=True,
    p99_at_most=20,
)


def run(bench: Bench) -> None:
    """Find among few and among many, in turn; grow; make new ones."""
    bench.note(f"the limit of 300 requests a minute is raised to {RATE} a minute (ULAK_PARCEL_RATE)")
    compare(bench, _FIND)
    _creation(bench)


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

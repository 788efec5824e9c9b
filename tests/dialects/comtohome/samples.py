"""Consignments that tests load as data: the one of the vendor's page, and ones like it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from ulak.core.consignments import (
    BOX,
    SALE,
    CarrierName,
    Consignment,
    Costs,
    Item,
    Label,
    LabelFormat,
    Measures,
    Package,
    Party,
    Route,
    Seen,
    Shape,
    Shipment,
    TrackingKind,
)
from ulak.core.states import ParcelState
from ulak.core.times import ISTANBUL


def local(text: str) -> int:
    """The moment of 'YYYY-MM-DD HH:MM:SS' in Istanbul."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ISTANBUL).timestamp()) * 1000


SENDER = Party(
    name="Gönderen Firma A.Ş.",
    attention="Gönderen Firma A.Ş.",
    country="TR",
    state="İstanbul",
    city="Arnavutköy",
    address="Yassıören Mah. Dolunay Sk. 28/A",
    postal_code="34277",
    phone="905386831394",
    email="consignor@example.com",
)
RECIPIENT = Party(
    name="Alıcı Adı",
    attention="Alıcı Adı",
    country="TR",
    state="Bursa",
    city="Nilüfer",
    address="Dumlupınar Mh. Cevizlik Cd.",
    postal_code="16285",
    phone="905386416672",
    email="consignee@example.com",
)
KEPT = Party("Depo", "Ali", "TR", "İzmir", "Bornova", "Liman Cd. 4", "35040", "902320000000")
"""Somebody whom an account keeps."""


def of_the_page(account_id: int = 1) -> Consignment:
    """The consignment of the vendor's page find-by-tracking-code."""
    created = local("2025-02-18 13:21:16")
    item = Item(150433, "Ürün Açıklaması", "TR", "USD", 1, Decimal("8.03"), None, "Kategori")
    fifteen = Decimal(15)
    package = Package(562353, BOX, SALE, 1, Decimal("5.4"), fifteen, fifteen, fifteen, False, (item,))
    return Consignment(
        id=632280,
        account_id=account_id,
        uuid="3c1563eb-9afd-4eda-8c26-51174d805b08",
        barcode="C2H07238640094",
        shape=Shape.NORMAL,
        route=Route.DOMESTIC,
        state=ParcelState.BOOKED,
        state_at=created,
        shipment=Shipment(SENDER, RECIPIENT, (package,), reference="ORDER-2024-001"),
        costs=Costs(base=2000, surcharge=6400, rule=0, fee=1680, services=0, total=12096),
        measures=Measures(Decimal("1.13"), Decimal("5.4")),
        created=created,
        updated=local("2025-02-18 13:21:18"),
        carrier=CarrierName(1, "Ptt"),
        labels=[
            Label(
                149546,
                632280,
                1,
                0,
                "label_GejlkH.pdf",
                "1Z999AA10123456784",
                TrackingKind.CARRIER,
                LabelFormat.PDF,
                "n0nce",
                ParcelState.BOOKED,
                created,
            )
        ],
        seen=[Seen(1, None, created, created, ParcelState.BOOKED, "", None, "")],
    )


def another(number: int, account_id: int, **changes: object) -> Consignment:
    """One like it, with ids and codes that no other has: `number` is 1 to 999."""
    made = of_the_page(account_id)
    ident = 700_000 + number
    label = made.labels[0]._replace(
        id=800_000 + number, consignment_id=ident, tracking=f"TRK{number:09}", file_name="label_a1B2c3.pdf"
    )
    plain: dict[str, object] = {
        "id": ident,
        "uuid": f"00000000-0000-4000-8000-{number:012}",
        "barcode": f"C2H{number:011}",
        "labels": [label],
        "seen": [made.seen[0]._replace(id=900_000 + number)],
    }
    return msgspec.structs.replace(made, **(plain | changes))

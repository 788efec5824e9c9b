"""Writes a shipment as a ComToHome server wants to be told: the body of creating a consignment.

Names go in that do not come out: `phone_number`, `currency_code`, countries as ISO codes.
"""

from __future__ import annotations

from typing import Any

from ulak.core.consignments import Item, Package, Party, Shipment
from ulak.dialects.comtohome import wire
from ulak.dialects.comtohome.settings import Upstream
from ulak.dialects.comtohome.shown import number

DDU = 2
"""The terms of delivery that are meant when nobody chose any, as in the vendor's drafts."""


def order_body(to: Upstream, shipment: Shipment, reference: str) -> bytes:
    """The request that books a shipment, or asks for its price. `reference` is what we call it ourselves."""
    several = len(shipment.packages) > 1
    return wire.encode(
        _chosen(to)
        | _said(
            address_resolver_type=0,
            incoterms_type=_incoterms(shipment),
            invoice_number=shipment.invoice_number,
            reference_no=reference or None,
            specific_shipping_method=shipment.method,
            generate_provider_barcode=shipment.wants_barcode or None,
            specific_provider_barcode=None if several else _brought(shipment),
            consignor=_party(shipment.sender),
            consignee=_party(shipment.recipient),
            packages=[_package(each, several) for each in shipment.packages],
            # The vendor documents no such field; another Ulak knows it.
            label_type=int(shipment.label_format) or None,
        )
    )


def _chosen(to: Upstream) -> dict[str, Any]:
    """Which carrier of the server's is to take it."""
    if to.provider_id is None:
        return {"preference": to.preference}
    return {"preference": to.preference, "provider_id": to.provider_id}


def _incoterms(shipment: Shipment) -> int | None:
    if shipment.sender.country == shipment.recipient.country:
        return None
    return shipment.incoterms if shipment.incoterms is not None else DDU


def _brought(shipment: Shipment) -> str | None:
    """The carrier's code that came with a shipment of one package."""
    return shipment.barcode or next((package.barcode for package in shipment.packages), None)


def _party(of: Party) -> dict[str, Any]:
    return _said(
        name=of.name,
        attention_name=of.attention or None,
        country=of.country,
        state=of.state,
        city=of.city,
        postal_code=of.postal_code,
        address=of.address,
        phone_number=f"+{of.phone}",
        email=of.email,
        tax_number=of.tax_number,
    )


def _package(of: Package, several: bool) -> dict[str, Any]:
    return _said(
        package_type=of.kind,
        post_type=of.purpose,
        quantity=of.quantity,
        weight=number(of.weight),
        length=number(of.length),
        width=number(of.width),
        height=number(of.height),
        dangerous_goods=of.dangerous,
        specific_provider_barcode=of.barcode if several else None,
        items=[_item(item) for item in of.items],
    )


def _item(of: Item) -> dict[str, Any]:
    return _said(
        description=of.description,
        gtip=of.tariff_code,
        origin=of.origin,
        currency_code=of.currency,
        quantity=of.quantity,
        unit_price=number(of.unit_price),
        category=of.category,
    )


def _said(**fields: Any) -> dict[str, Any]:
    """Those that have a value: what is not there is left out, because null may be refused."""
    return {name: value for name, value in fields.items() if value is not None}

"""A shipment as Karrio takes it, and what Karrio's prices and bookings say in our words."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, NamedTuple

from ulak.carriers.karrio.settings import KarrioSettings
from ulak.core import consignments as words
from ulak.core.consignments import Item, Package, Party, Shipment
from ulak.core.shipping import Booked, Booking, Declined, File, Quote, Ticket

LINE = 35
"""Characters of an address line; Karrio cuts longer ones at the carriers that take no more."""

AMOUNT_MAX = Decimal(10) ** 11
"""No price is as high, in any currency."""

_CONTENTS = {
    words.DOCUMENTS: "documents",
    words.MICRO_EXPORT: "merchandise",
    words.GIFT: "gift",
    words.SALE: "merchandise",
    words.SAMPLE: "sample",
    words.RETURNED_GOODS: "return_merchandise",
}
_PACKAGINGS = {words.ENVELOPE: "envelope", words.PALLET: "pallet"}
_TAX = re.compile(r"\b(tax|taxes|vat|gst|hst|pst|qst|iva|kdv)\b", re.IGNORECASE)
_MIMES = ((b"%PDF-", "application/pdf"), (b"\x89PNG\r\n\x1a\n", "image/png"))
_ZPL = re.compile(rb"\^XA.*?\^XZ", re.DOTALL)
_ZPL_MIME = "application/zpl"


class Rate(NamedTuple):
    """What a service of the carrier's costs, without taxes, in some currency."""

    service: str
    amount: Decimal
    currency: str


def rate_request(shipment: Shipment, service: str, incoterm: str = "") -> dict[str, object]:
    """Ask for prices, of this service if it is named."""
    return _common(shipment, incoterm) | {"services": [service] if service else []}


def ship_request(booking: Booking, service: str, label: str, incoterm: str = "") -> dict[str, object]:
    """Book this service. The system's barcode is the reference that can be found in the carrier's account."""
    return _common(booking.shipment, incoterm, booking.barcode) | {
        "service": service,
        "label_type": label,
        "reference": booking.barcode,
        "order_id": booking.key,
        "payment": {"paid_by": "sender"},
    }


def boxes(shipment: Shipment) -> int:
    """How many labels the carrier makes."""
    return sum(package.quantity for package in shipment.packages)


def read_rates(result: Any) -> list[Rate]:
    """The prices in an answer, as they came."""
    rates = []
    for rate in _objects(result):
        total = _amount(rate.get("total_charge"))
        currency = str(rate.get("currency") or "").upper()
        if total is not None and total > 0 and currency and rate.get("service"):
            rates.append(Rate(str(rate["service"]), total - _taxes(rate, total), currency))
    return rates


def choose(rates: Sequence[Rate], service: str, settings: KarrioSettings) -> tuple[str, Quote] | Declined:
    """The service that is asked for, or else the cheapest, and its price in kuruş."""
    wanted = [rate for rate in rates if not service or rate.service.lower() == service.lower()]
    if not wanted:
        offered = ", ".join(sorted({rate.service for rate in rates}))
        return Declined(f"The carrier does not offer {service} for this shipment; it offers {offered}")
    priced = []
    for rate in wanted:
        factor = Decimal(1) if rate.currency == "TRY" else settings.rates.get(rate.currency)
        if factor is not None:
            kurus = (rate.amount * factor * 100).quantize(Decimal(1), ROUND_HALF_UP)
            priced.append((int(kurus), rate.service))
    if not priced:
        currency = wanted[0].currency
        return Declined(
            f"The price came in {currency}, and this carrier was not told what one is in TRY"
            f" (setting rate_{currency.lower()})"
        )
    base, name = min(priced)
    return name, Quote(base)


def read_booked(result: Any, labels: Sequence[str], shipment: Shipment) -> Booked | None:
    """The tickets of a booking; None if the answer has no tracking number."""
    if not isinstance(result, Mapping) or not result.get("tracking_number"):
        return None
    first = str(result["tracking_number"])
    meta = result.get("meta")
    told = meta.get("tracking_numbers") if isinstance(meta, Mapping) else None
    numbers = [str(number) for number in told] if isinstance(told, list) and all(told) else []
    if len(numbers) != boxes(shipment):
        numbers = [first] * boxes(shipment)
    files = [file for file in map(read_label, labels) if file is not None]
    if len(files) == 1 and files[0].mime == _ZPL_MIME:
        files = _zpl_pages(files[0], boxes(shipment))
    tickets, box = [], 0
    for package in shipment.packages:
        own = len(files) == boxes(shipment) == len(shipment.packages)
        file = files[box] if own else files[0] if files else None
        tickets.append(Ticket(numbers[box], file=file))
        box += package.quantity
    return Booked(tuple(tickets), str(result.get("shipment_identifier") or first))


def read_label(text: str) -> File | None:
    """A label by what its bytes are, whatever it was called; None for what is no label."""
    try:
        content = base64.b64decode(text)
    except (binascii.Error, ValueError):
        return None
    for magic, mime in _MIMES:
        if content.startswith(magic):
            return File(content, mime)
    return File(content, _ZPL_MIME) if b"^XA" in content[:2048] else None


def _zpl_pages(whole: File, count: int) -> list[File]:
    pages = _ZPL.findall(whole.content)
    if count < 2 or len(pages) != count:
        return [whole]
    return [File(page, _ZPL_MIME) for page in pages]


def _common(shipment: Shipment, incoterm: str, reference: str = "") -> dict[str, object]:
    body: dict[str, object] = {
        "shipper": _address(shipment.sender),
        "recipient": _address(shipment.recipient),
        "parcels": [
            _parcel(package, reference) for package in shipment.packages for _ in range(package.quantity)
        ],
    }
    if shipment.sender.country != shipment.recipient.country:
        body["customs"] = _customs(shipment, incoterm)
    currencies = {item.currency for package in shipment.packages for item in package.items}
    if len(currencies) == 1:
        body["options"] = {"currency": currencies.pop()}
    return body


def _address(party: Party) -> dict[str, object]:
    lines = _lines(party.address)
    address: dict[str, object] = {
        "company_name": party.name,
        "person_name": party.attention or party.name,
        "country_code": party.country,
        "city": party.city,
        "postal_code": party.postal_code,
        "address_line1": lines[0],
        "phone_number": f"+{party.phone.lstrip('+')}",
    }
    if len(lines) > 1:
        address["address_line2"] = " ".join(lines[1:])
    # Carriers take the codes of states only; a province in words would be refused.
    if 2 <= len(party.state) <= 3 and party.state.isascii() and party.state.isupper():
        address["state_code"] = party.state
    if party.email:
        address["email"] = party.email
    if party.tax_number:
        address["federal_tax_id"] = party.tax_number
    return address


def _lines(address: str) -> list[str]:
    """The address, broken between words so that its first line is short enough."""
    lines = [""]
    for word in address.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > LINE:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _parcel(package: Package, reference: str) -> dict[str, object]:
    parcel: dict[str, object] = {
        "weight": package.weight,
        "weight_unit": "KG",
        "length": package.length,
        "width": package.width,
        "height": package.height,
        "dimension_unit": "CM",
        "is_document": package.purpose == words.DOCUMENTS,
    }
    if package.items:
        parcel["description"] = package.items[0].description
    if package.kind in _PACKAGINGS:
        parcel["packaging_type"] = _PACKAGINGS[package.kind]
    if reference:
        parcel["reference_number"] = reference
    return parcel


def _customs(shipment: Shipment, incoterm: str) -> dict[str, object]:
    goods = [(package, item) for package in shipment.packages for item in package.items]
    value = sum(package.quantity * item.quantity * item.unit_price for package, item in goods)
    purpose = shipment.packages[0].purpose if shipment.packages else words.SALE
    payer = "sender" if incoterm == "DDP" else "recipient"
    duty: dict[str, object] = {"paid_by": payer, "declared_value": value}
    if goods:
        duty["currency"] = goods[0][1].currency
    customs: dict[str, object] = {
        "commodities": [_commodity(package, item) for package, item in goods],
        "content_type": _CONTENTS.get(purpose, "other"),
        "signer": shipment.sender.attention or shipment.sender.name,
        "certify": True,
        "commercial_invoice": purpose != words.DOCUMENTS,
        "duty": duty,
    }
    if incoterm:
        customs["incoterm"] = incoterm
    if shipment.invoice_number:
        customs["invoice"] = shipment.invoice_number
    return customs


def _commodity(package: Package, item: Item) -> dict[str, object]:
    """Goods of all the boxes of a package. Each piece is taken to weigh the same: nobody weighed them."""
    pieces = sum(one.quantity for one in package.items)
    commodity: dict[str, object] = {
        "title": item.description,
        "description": item.description,
        "quantity": package.quantity * item.quantity,
        "weight": (package.weight / pieces).quantize(Decimal("0.001")),
        "weight_unit": "KG",
        "value_amount": item.unit_price,
        "value_currency": item.currency,
        "origin_country": item.origin,
    }
    if item.tariff_code:
        commodity["hs_code"] = item.tariff_code
    return commodity


def _taxes(rate: Mapping[str, Any], total: Decimal) -> Decimal:
    """What of a price is tax: our own VAT comes on top of the rest."""
    taxes = Decimal(0)
    for charge in _objects(rate.get("extra_charges")):
        if charge.get("charge_type") == "tax" or _TAX.search(str(charge.get("name") or "")):
            taxes += _amount(charge.get("amount")) or Decimal(0)
    return taxes if taxes < total else Decimal(0)


def _amount(value: Any) -> Decimal | None:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount) < AMOUNT_MAX else None


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list; none where it is something else."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []

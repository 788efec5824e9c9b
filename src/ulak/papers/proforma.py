"""Proforma invoices, in Turkish and English."""

from __future__ import annotations

from ulak.core.consignments import Consignment
from ulak.papers.forms import A4, Column, Table, field, numbered, party_in_full
from ulak.papers.goods import Good, goods_of, totals, weight_of
from ulak.papers.labels import day
from ulak.papers.layout import Page
from ulak.papers.words import amount, plain

INCOTERMS = {1: "DDP – Delivered Duty Paid", 2: "DDU – Delivered Duty Unpaid", 3: "DAP – Delivered at Place"}
"""By their number in `Shipment.incoterms`; another number is left out."""

_LEFT, _WIDTH, _BOTTOM = 12.0, 186.0, 280.0
_FOOT, _TOTAL = 30.0, 6.0
"""The height of what follows the lines, and of the line that it has for each currency."""


def proforma(consignment: Consignment) -> list[Page]:
    """Pages of A4. Raises ValueError where there is nothing to list."""
    goods = goods_of(consignment)
    page = Page(*A4)
    pages = [page]
    y = _head(page, consignment)
    table = _table()
    y = table.head(page, y)
    for place, good in enumerate(goods, 1):
        cells = _cells(place, good)
        height = table.height(cells, 40.0)
        if y + height > _BOTTOM:
            page = _following(pages, consignment)
            y = table.head(page, 22.0)
        y = table.row(page, y, cells, height)
    if y + _FOOT + _TOTAL * len(totals(goods)) > _BOTTOM:
        page, y = _following(pages, consignment), 22.0
    _foot(page, y + 3.0, consignment, goods)
    numbered(pages, _LEFT, 287.0, _WIDTH)
    return pages


def number_of(consignment: Consignment) -> str:
    """The invoice's: the customer's own, else the reference, else the barcode."""
    shipment = consignment.shipment
    return shipment.invoice_number or shipment.reference or consignment.barcode


def _head(page: Page, consignment: Consignment) -> float:
    shipment, half = consignment.shipment, _WIDTH / 2
    page.text(_LEFT, 10.0, 7.0, "PROFORMA FATURA / PROFORMA INVOICE", within=_WIDTH, strong=True)
    third = _WIDTH / 3
    field(page, _LEFT, 22.0, third, 10.0, "Numara / Number", number_of(consignment))
    field(page, _LEFT + third, 22.0, third, 10.0, "Tarih / Date", day(consignment.created))
    terms = INCOTERMS.get(shipment.incoterms or 0, "")
    field(page, _LEFT + 2 * third, 22.0, third, 10.0, "Teslim şekli / Incoterm", terms)
    field(page, _LEFT, 34.0, half, 46.0, "Satıcı / Seller", party_in_full(shipment.sender))
    field(page, _LEFT + half, 34.0, half, 46.0, "Alıcı / Buyer", party_in_full(shipment.recipient))
    carrier = consignment.carrier.name if consignment.carrier else ""
    field(page, _LEFT, 82.0, third, 10.0, "Taşıyıcı / Carrier", carrier)
    field(page, _LEFT + third, 82.0, third, 10.0, "Takip no / Tracking", consignment.tracking or "")
    field(page, _LEFT + 2 * third, 82.0, third, 10.0, "Gönderi / Consignment", consignment.barcode)
    return 95.0


def _following(pages: list[Page], consignment: Consignment) -> Page:
    page = Page(*A4)
    told = f"PROFORMA FATURA / PROFORMA INVOICE  {number_of(consignment)}"
    page.text(_LEFT, 10.0, 4.5, told, within=_WIDTH, strong=True, smallest=1.5)
    pages.append(page)
    return page


def _table() -> Table:
    return Table(
        _LEFT,
        [
            Column(("No", "No"), 9.0, "right"),
            Column(("Malın tanımı", "Description"), _WIDTH - 122.0),
            Column(("GTİP", "HS code"), 24.0, "middle"),
            Column(("Menşe", "Origin"), 13.0, "middle"),
            Column(("Miktar", "Quantity"), 16.0, "right"),
            Column(("Birim fiyat", "Unit price"), 28.0, "right"),
            Column(("Tutar", "Amount"), 32.0, "right"),
        ],
    )


def _cells(place: int, good: Good) -> tuple[str, ...]:
    price = f"{amount(good.price)} {good.currency}"
    value = f"{amount(good.value)} {good.currency}"
    return str(place), good.description, good.tariff_code, good.origin, str(good.pieces), price, value


def _foot(page: Page, y: float, consignment: Consignment, goods: list[Good]) -> None:
    for currency, value in totals(goods):
        told = f"Toplam / Total: {amount(value)} {currency}"
        page.text(_LEFT, y, 4.0, told, within=_WIDTH, align="right", strong=True)
        y += _TOTAL
    boxes = sum(package.quantity for package in consignment.shipment.packages)
    told = f"Koli / Packages: {boxes}    Ağırlık / Weight: {plain(weight_of(consignment))} kg"
    page.text(_LEFT, y, 3.0, told, within=_WIDTH)
    told = "Yalnız gümrük içindir, ödeme istemi değildir. / For customs only; this is no request for payment."
    page.text(_LEFT, y + 6.0, 2.8, told, within=_WIDTH)
    page.text(_LEFT, y + 13.0, 2.8, "Tarih, imza / Date, signature", within=_WIDTH)

"""Customs declarations CN22 and CN23 of the Universal Postal Union, captioned in French, English, Turkish.

CN22 is for up to 300 SDR and 2 kg. Whether a consignment is below that is for its sender to know: both forms
are printed for whatever they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from ulak.core.consignments import (
    DOCUMENTS,
    GIFT,
    MICRO_EXPORT,
    RETURNED_GOODS,
    SALE,
    SAMPLE,
    Consignment,
    PaperKind,
)
from ulak.papers.forms import A4, CAPTION, Column, Table, field, numbered, party_in_full
from ulak.papers.goods import Good, goods_of, totals, weight_of
from ulak.papers.labels import A6, day
from ulak.papers.layout import LEADING, Page, Paragraph
from ulak.papers.words import amount, plain

CN22_ITEMS = 4
"""Lines of goods on a CN22; it points to a CN23 for more."""

_OTHER = "Autre / Other / Diğer"
_CATEGORIES = {
    "Cadeau / Gift / Hediye": {GIFT},
    "Documents / Documents / Evrak": {DOCUMENTS},
    "Échantillon / Commercial sample / Numune": {SAMPLE},
    "Vente / Sale of goods / Satış": {SALE, MICRO_EXPORT},
    "Retour / Returned goods / İade": {RETURNED_GOODS},
    _OTHER: set[int](),
}

_ACCOMPANYING = frozenset(
    (
        PaperKind.INVOICE,
        PaperKind.MSDS,
        PaperKind.FDA,
        PaperKind.TSCA,
        PaperKind.CERTIFICATE_OF_ORIGIN,
        PaperKind.ELECTRONIC_TRADE,
    )
)
"""Papers that a CN23 names; those that we print are not among them."""

_DECLARED = (
    "Je certifie que ces indications sont exactes et que l'envoi ne contient aucun objet interdit.",
    "I certify that these particulars are correct and that the item holds no forbidden article.",
    "Bu bilgilerin doğru olduğunu ve gönderide yasak madde bulunmadığını beyan ederim.",
)
_SIGNED = "Date et signature / Date and signature / Tarih ve imza"
_DANGEROUS = "Marchandises dangereuses / Dangerous goods / Tehlikeli madde"


def cn22(consignment: Consignment) -> list[Page]:
    """One page of A6. Raises ValueError where there is nothing to declare."""
    goods = goods_of(consignment)
    page = Page(*A6)
    left, width = 3.0, page.width - 6.0
    _title(page, left, width, "CN 22", consignment)
    half = width / 2
    shipment = consignment.shipment
    field(page, left, 16.0, half, 24.0, "Expéditeur / From / Gönderen", party_in_full(shipment.sender))
    field(page, left + half, 16.0, half, 24.0, "Destinataire / To / Alıcı", party_in_full(shipment.recipient))
    _categories(page, left, 41.0, width, consignment, columns=2)
    table = Table(
        left,
        [
            Column(("Quantité et description", "Quantity and description", "Miktar ve tanım"), 44.0),
            Column(("Poids net (kg)", "Net weight", "Net ağırlık"), 14.0, "right"),
            Column(("Valeur", "Value", "Değer"), 17.0, "right"),
            Column(("N° tarifaire", "HS code", "GTİP"), 17.0, "middle"),
            Column(("Origine", "Origin", "Menşe"), width - 92.0, "middle"),
        ],
        2.3,
    )
    y = table.head(page, 56.0)
    for good in goods[:CN22_ITEMS]:
        y = table.row(page, y, _short(good), 8.0)
    if len(goods) > CN22_ITEMS:
        more = f"+ {len(goods) - CN22_ITEMS}: voir / see CN23"
        page.text(left, y + 0.6, 2.6, more, within=width, strong=True)
    _totals(page, left, 101.5, width, 9.0, consignment, goods)
    _declaration(page, left, 111.5, width, 17.0, consignment)
    code = consignment.tracking or consignment.barcode
    page.bars(left, 130.0, width, 9.5, code, widest=0.375)
    page.text(left, 140.5, 2.8, code, within=width, align="middle")
    return [page]


def cn23(consignment: Consignment) -> list[Page]:
    """Pages of A4. Raises ValueError where there is nothing to declare."""
    goods = goods_of(consignment)
    page, left, width = _cn23_page(consignment)
    shipment, half = consignment.shipment, 95.0
    code = consignment.tracking or consignment.barcode
    field(page, left, 28.0, half, 48.0, "De / From / Gönderen", party_in_full(shipment.sender))
    field(page, left, 76.0, half, 48.0, "À / To / Alıcı", party_in_full(shipment.recipient))
    right = left + half
    page.frame(right, 28.0, half, 32.0)
    page.text(right + 1, 28.8, CAPTION, "N° de l'envoi / Item number / Gönderi no", within=half - 2)
    page.bars(right, 33.0, half, 18.0, code)
    page.text(right, 53.0, 4.0, code, within=half, align="middle", strong=True)
    _cn23_references(page, right, 60.0, half, consignment)
    table = _cn23_table(left, width)
    y, bottom = table.head(page, 126.0), 216.0
    pages = [page]
    for place, good in enumerate(goods, 1):
        cells = _long(place, good)
        height = table.height(cells, 40.0)
        if y + height > bottom:
            page, _, _ = _cn23_page(consignment)
            pages.append(page)
            y, bottom = table.head(page, 28.0), 280.0
        y = table.row(page, y, cells, height)
    _cn23_foot(pages[0], left, width, consignment, goods)
    numbered(pages, left, 288.0, width)
    return pages


def _cn23_page(consignment: Consignment) -> tuple[Page, float, float]:
    page, left = Page(*A4), 10.0
    width = page.width - 2 * left
    page.text(left, 8.0, 5.5, "DÉCLARATION EN DOUANE / CUSTOMS DECLARATION", within=width - 32, strong=True)
    page.text(left, 15.0, 3.2, "GÜMRÜK BEYANNAMESİ", within=width - 32)
    page.text(left + width - 30, 8.0, 9.0, "CN 23", within=30.0, align="right", strong=True)
    operator = consignment.carrier.name if consignment.carrier else ""
    told = f"Opérateur désigné / Designated operator / İşletmeci: {operator}"
    page.text(left, 20.0, 2.8, told, within=width / 2)
    told = "Peut être ouvert d'office / May be opened officially"
    page.text(left + width / 2, 20.0, 2.8, told, within=width / 2, align="right")
    return page, left, width


def _cn23_references(page: Page, x: float, y: float, width: float, consignment: Consignment) -> None:
    shipment = consignment.shipment
    fee = f"{amount(Decimal(consignment.costs.total).scaleb(-2))} TRY"
    rows = (
        ("Référence de l'expéditeur / Sender's reference / Gönderen referansı", shipment.reference or ""),
        ("N° de facture / Invoice number / Fatura no", shipment.invoice_number or ""),
        (
            "Référence de l'importateur / Importer's reference / Alıcı vergi no",
            shipment.recipient.tax_number or "",
        ),
        (
            "Importateur: tél., e-mail / Importer's phone, e-mail / Alıcı iletişim",
            f"+{shipment.recipient.phone} {shipment.recipient.email or ''}",
        ),
        ("Frais de port / Postal charges / Posta ücreti", fee),
        ("Bureau d'origine / Office of origin / Çıkış yeri; date", _origin(consignment)),
    )
    height = 64.0 / len(rows)
    for place, (caption, told) in enumerate(rows):
        field(page, x, y + place * height, width, height, caption, told)


def _origin(consignment: Consignment) -> str:
    sender = consignment.shipment.sender
    return f"{sender.city}, {sender.country} – {day(consignment.created)}"


def _cn23_table(left: float, width: float) -> Table:
    return Table(
        left,
        [
            Column(("N°", "No", ""), 9.0, "right"),
            Column(
                ("Description détaillée du contenu", "Detailed description of contents", "İçeriğin tanımı"),
                width - 105.0,
            ),
            Column(("Quantité", "Quantity", "Miktar"), 15.0, "right"),
            Column(("Poids net (kg)", "Net weight (kg)", "Net ağırlık"), 19.0, "right"),
            Column(("Valeur", "Value", "Değer"), 26.0, "right"),
            Column(("N° tarifaire SH", "HS tariff number", "GTİP"), 22.0, "middle"),
            Column(("Origine", "Origin", "Menşe"), 14.0, "middle"),
        ],
    )


def _cn23_foot(
    page: Page, left: float, width: float, consignment: Consignment, goods: Sequence[Good]
) -> None:
    _totals(page, left, 217.0, width, 9.0, consignment, goods)
    _categories(page, left, 227.0, width, consignment, columns=3)
    half = width / 2
    papers = ", ".join(paper.file_name for paper in consignment.papers if paper.kind in _ACCOMPANYING)
    field(
        page,
        left,
        238.0,
        half,
        17.0,
        "Licences, certificats, factures / Licences, certificates, invoices",
        papers,
    )
    undelivered = "En cas de non-livraison / If undeliverable / Teslim edilemezse"
    page.frame(left + half, 238.0, half, 17.0)
    page.text(left + half + 1, 238.8, CAPTION, undelivered, within=half - 2)
    for place, told in enumerate(("Retour à l'expéditeur / Return / İade", "Abandon / Abandon / Terk")):
        page.tick(left + half + 1, 243.0 + 5.5 * place, 3.0, False)
        page.text(left + half + 6, 243.1 + 5.5 * place, 2.6, told, within=half - 8)
    _declaration(page, left, 256.0, width, 29.0, consignment)


def _title(page: Page, left: float, width: float, form: str, consignment: Consignment) -> None:
    page.text(left, 3.0, 3.6, "DÉCLARATION EN DOUANE", within=width - 24, strong=True)
    page.text(left, 7.2, 2.6, "CUSTOMS DECLARATION / GÜMRÜK BEYANNAMESİ", within=width - 24)
    page.text(left + width - 22, 3.0, 6.0, form, within=22.0, align="right", strong=True)
    operator = consignment.carrier.name if consignment.carrier else ""
    half = width / 2
    page.text(left, 11.2, 2.2, f"Opérateur désigné / Designated operator: {operator}", within=half - 2.0)
    told = "Peut être ouvert d'office / May be opened officially"
    page.text(left + half, 11.2, 2.2, told, within=half, align="right")


def _categories(
    page: Page, left: float, top: float, width: float, consignment: Consignment, columns: int
) -> None:
    """Every category of a package is ticked; what is none of the form's own is the other one."""
    purposes = {package.purpose for package in consignment.shipment.packages}
    known = set[int]().union(*_CATEGORIES.values())
    share, line = width / columns, 4.6
    for place, (caption, ours) in enumerate(_CATEGORIES.items()):
        ticked = bool(purposes & ours) if caption != _OTHER else bool(purposes - known)
        x, y = left + place % columns * share, top + place // columns * line
        page.tick(x, y, 3.2, ticked)
        page.text(x + 4.4, y + 0.3, 2.4, caption, within=share - 6.4)


def _totals(
    page: Page,
    left: float,
    top: float,
    width: float,
    height: float,
    consignment: Consignment,
    goods: Sequence[Good],
) -> None:
    third = width / 3
    weight = f"{plain(weight_of(consignment))} kg"
    values = "; ".join(f"{amount(value)} {currency}" for currency, value in totals(goods))
    field(page, left, top, third, height, "Poids total / Total weight / Toplam ağırlık", weight)
    field(page, left + third, top, 2 * third, height, "Valeur totale / Total value / Toplam değer", values)


def _declaration(
    page: Page, left: float, top: float, width: float, height: float, consignment: Consignment
) -> None:
    told = [Paragraph(line, 0.75) for line in _DECLARED]
    if any(package.dangerous for package in consignment.shipment.packages):
        told.insert(0, Paragraph(_DANGEROUS, 0.9, True))
    page.frame(left, top, width, height)
    page.block(left + 1, top + 1, width * 0.6, height - 2, told, 3.2, smallest=1.3)
    x, room = left + 0.64 * width, 0.35 * width
    page.text(x, top + 1, CAPTION, _SIGNED, within=room, smallest=1.0)
    page.text(x, top + 1 + CAPTION * LEADING, 2.8, day(consignment.created), within=room)


def _short(good: Good) -> tuple[str, ...]:
    value = f"{amount(good.value)} {good.currency}"
    return f"{good.pieces} × {good.description}", plain(good.net), value, good.tariff_code, good.origin


def _long(place: int, good: Good) -> tuple[str, ...]:
    value = f"{amount(good.value)} {good.currency}"
    weight = plain(good.net)
    return str(place), good.description, str(good.pieces), weight, value, good.tariff_code, good.origin

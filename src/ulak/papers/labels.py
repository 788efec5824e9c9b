"""The label that is stuck on a package: one layout for PDF, ZPL and PNG."""

from __future__ import annotations

from decimal import Decimal

from ulak.core.consignments import Consignment, Label, Package, Party
from ulak.core.countries import country as country_of
from ulak.core.times import to_local_text
from ulak.papers.layout import Page, Paragraph, lines_of
from ulak.papers.words import plain

Size = tuple[float, float]

LARGE: Size = (100.0, 150.0)
"""The usual roll of thermal labels, in mm."""

A6: Size = (105.0, 148.0)

_EDGE = 4.0
_RULE = 0.3
_SQUARE = 28.0
"""The side of the QR code's place."""


def label_page(consignment: Consignment, label: Label, size: Size = LARGE) -> Page:
    """The label's page. Heights below the top are fixed; a taller page gives what it has to the recipient."""
    page = Page(*size)
    width, bottom = page.width - 2 * _EDGE, page.height - _EDGE
    code = label.tracking or consignment.barcode
    foot = bottom - _SQUARE
    main = foot - 30.0
    facts = main - 12.0
    _head(page, consignment, label, width)
    _party(page, "GÖNDEREN / FROM", consignment, consignment.shipment.sender, (15.0, 20.0), 2.7)
    page.area(_EDGE, 36.0, width, _RULE)
    _party(page, "ALICI / TO", consignment, consignment.shipment.recipient, (37.0, facts - 38.0), 4.6)
    page.area(_EDGE, facts, width, _RULE)
    _facts(page, consignment, label, facts + 1.0, width)
    page.area(_EDGE, main, width, _RULE)
    barred = page.bars(_EDGE, main + 2.0, width, 20.0, code)
    page.text(_EDGE, main + 23.0, 5.0, code, within=width, align="middle", strong=True, smallest=1.5)
    page.area(_EDGE, foot - 0.5, width, _RULE)
    page.square(page.width - _EDGE - _SQUARE, foot, _SQUARE, code)
    _foot(page, consignment, repeated=code == consignment.barcode and barred, top=foot + 1.5)
    return page


def _head(page: Page, consignment: Consignment, label: Label, width: float) -> None:
    carrier = consignment.carrier.name if consignment.carrier else ""
    packages = max(len(consignment.shipment.packages), label.place + 1)
    page.text(_EDGE, _EDGE, 7.0, carrier, within=width - 24.0, strong=True, smallest=2.5)
    count = f"{label.place + 1} / {packages}"
    page.text(_EDGE + width - 22.0, _EDGE, 7.0, count, within=22.0, align="right", strong=True)
    page.area(_EDGE, 13.5, width, _RULE)


def _party(
    page: Page, caption: str, consignment: Consignment, party: Party, place: tuple[float, float], size: float
) -> None:
    top, height = place
    width = page.width - 2 * _EDGE
    page.text(_EDGE, top, 2.0, caption, within=width)
    abroad = consignment.shipment.sender.country != consignment.shipment.recipient.country
    page.block(_EDGE, top + 3.2, width, height - 3.2, address(party, country=abroad), size, smallest=1.3)


def address(party: Party, *, country: bool) -> list[Paragraph]:
    """A party as it is written on a letter, with its phone."""
    told = [Paragraph(party.name, 1.2, True)]
    if party.attention and party.attention != party.name:
        told.append(Paragraph(party.attention))
    told += [Paragraph(line) for line in lines_of(party.address)]
    place = [part for part in (party.city, party.state) if part]
    place = place[:1] if len(place) == 2 and place[0] == place[1] else place
    told.append(Paragraph(f"{party.postal_code} {' / '.join(place)}", 1.0, True))
    if country:
        told.append(Paragraph(country_of(party.country).name.upper(), 1.0, True))
    if party.phone:
        told.append(Paragraph("Tel: +" + party.phone))
    return told


def _facts(page: Page, consignment: Consignment, label: Label, top: float, width: float) -> None:
    package = _package(consignment, label)
    cells = [
        ("REFERANS / REFERENCE", consignment.shipment.reference or ""),
        ("AĞIRLIK / WEIGHT", _weight(package) if package else ""),
        ("TARİH / DATE", day(consignment.created)),
    ]
    dangerous = package is not None and package.dangerous
    shares = (0.42, 0.22, 0.2)
    at = _EDGE
    for (caption, value), share in zip(cells, shares, strict=True):
        page.text(at, top, 1.9, caption, within=share * width - 2.0)
        page.text(at, top + 4.0, 3.5, value, within=share * width - 2.0, strong=True, smallest=1.4)
        at += share * width
    if dangerous:
        left = _EDGE + width - 14.0
        page.frame(left, top, 14.0, 10.0, 0.6)
        page.text(left + 1.0, top + 1.4, 3.0, "TEHLİKELİ", within=12.0, align="middle", strong=True)
        page.text(left + 1.0, top + 5.2, 3.0, "DANGER", within=12.0, align="middle", strong=True)


def _package(consignment: Consignment, label: Label) -> Package | None:
    packages = consignment.shipment.packages
    return packages[label.place] if 0 <= label.place < len(packages) else None


def _weight(package: Package) -> str:
    times = f"{package.quantity} × " if package.quantity != 1 else ""
    return f"{times}{plain(package.weight.quantize(Decimal('0.001')))} kg"


def _foot(page: Page, consignment: Consignment, *, repeated: bool, top: float) -> None:
    """The system's own barcode, unless it is the large one already."""
    width = page.width - 3 * _EDGE - _SQUARE
    if not repeated:
        page.bars(_EDGE, top, width, 14.0, consignment.barcode, widest=0.375)
        page.text(_EDGE, top + 15.0, 3.4, consignment.barcode, within=width, align="middle", smallest=1.5)
    method = consignment.shipment.method
    if method:
        page.text(_EDGE, top + 20.0, 3.0, method, within=width, smallest=1.5)


def day(ms: int) -> str:
    """The day in Istanbul, as it is written there."""
    year, month, number = to_local_text(ms)[:10].split("-")
    return f"{number}.{month}.{year}"

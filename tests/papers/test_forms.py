"""Customs forms and proforma invoices: what stands in them, and on how many pages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import parcel_cast as cast
from tests.papers.reading import CODE_128, all_inside, codes_in, image_of, sizes_of, text_of

from ulak.core.consignments import (
    DOCUMENTS,
    GIFT,
    MICRO_EXPORT,
    Consignment,
    Item,
    Paper,
    PaperKind,
    PaperState,
)
from ulak.papers.customs import cn22
from ulak.papers.goods import goods_of, totals
from ulak.papers.layout import Text
from ulak.papers.printer import PaperPrinter

FORMS = (PaperKind.CN22, PaperKind.CN23, PaperKind.PROFORMA)
A4 = (210.0, 297.0)


def consignment(*items: Item, **over: Any) -> Consignment:
    """To Cologne, one package with these items."""
    package = cast.package(items=items or (cast.item(tariff_code="691110000000"),), **over.pop("package", {}))
    fields: dict[str, Any] = {
        "recipient": cast.recipient(country="DE", city="Köln", tax_number="DE123456789"),
        "packages": (package,),
        "incoterms": 2,
    }
    return cast.consignment(
        1,
        shipment=cast.shipment(**fields | over),
        barcode="C2H40516273849",
        labels=[cast.label(tracking="RR123456785TR")],
    )


def printed(made: Consignment, kind: PaperKind) -> bytes:
    """The paper's file."""
    file = PaperPrinter().paper(made, kind)
    assert file.mime == "application/pdf"
    return file.content


def lines_of(made: Consignment, kind: PaperKind) -> list[str]:
    """The paper's text."""
    return text_of(printed(made, kind)).splitlines()


MUG = cast.item(description="Kupa, el yapımı", tariff_code="691110000000", quantity=3)
TEA = cast.item(description="Çay", currency="EUR", unit_price=Decimal("4.9"), quantity=1, origin="CN")


@pytest.mark.parametrize("kind", FORMS)
def test_goods_are_listed_and_added_up(kind: PaperKind) -> None:
    text = "\n".join(lines_of(consignment(MUG, TEA), kind))
    for told in ("Kupa, el yapımı", "Çay", "691110000000", "451.50 TRY", "4.90 EUR", "CN", "2.5 kg"):
        assert told in text
    for told in ("Kuzey Depo", "Şule Çağlar", "Ece Su", "01010 Köln / Adana", "GERMANY", "DE123456789"):
        assert told in text


def test_weights_are_shares_by_pieces() -> None:
    text = "\n".join(lines_of(consignment(MUG, TEA), PaperKind.CN23))
    assert "1.875" in text
    assert "0.625" in text


def test_a_cn22_is_small_and_a_cn23_large() -> None:
    assert sizes_of(printed(consignment(), PaperKind.CN22)) == [(105.0, 148.0)]
    assert sizes_of(printed(consignment(), PaperKind.CN23)) == [A4]
    assert sizes_of(printed(consignment(), PaperKind.PROFORMA)) == [A4]


@pytest.mark.parametrize("kind", [PaperKind.CN22, PaperKind.CN23])
def test_customs_forms_carry_the_code_of_the_parcel(kind: PaperKind) -> None:
    assert codes_in(image_of(printed(consignment(), kind))) == {(CODE_128, "RR123456785TR")}


@pytest.mark.parametrize(
    ("purpose", "caption"),
    [
        (GIFT, "Cadeau / Gift / Hediye"),
        (DOCUMENTS, "Documents / Documents / Evrak"),
        (MICRO_EXPORT, "Vente / Sale of goods / Satış"),
        (99, "Autre / Other / Diğer"),
    ],
)
def test_the_purpose_is_ticked(purpose: int, caption: str) -> None:
    marks = cn22(consignment(package={"purpose": purpose}))[0].marks
    texts = [mark for mark in marks if isinstance(mark, Text)]
    ticks = [mark for mark in texts if mark.text == "X"]
    ticked = [texts[texts.index(tick) + 1].text for tick in ticks]
    assert ticked == [caption]


def test_a_cn22_points_to_a_cn23_for_more() -> None:
    items = [cast.item(description=f"Ware {number}") for number in range(6)]
    text = text_of(printed(consignment(*items), PaperKind.CN22))
    assert "Ware 3" in text
    assert "Ware 4" not in text
    assert "+ 2: voir / see CN23" in text
    assert "1806.00 TRY" in text
    assert "see CN23" not in text_of(printed(consignment(*items[:4]), PaperKind.CN22))


@pytest.mark.parametrize("kind", [PaperKind.CN23, PaperKind.PROFORMA])
def test_long_lists_go_on_over_pages(kind: PaperKind) -> None:
    items = [cast.item(description=f"Ware {number} " + "lang " * 40) for number in range(60)]
    content = printed(consignment(*items), kind)
    text, pages = text_of(content), len(sizes_of(content))
    assert pages > 2
    assert f"Page {pages} / {pages}" in text
    assert all(f"Ware {number} " in text for number in range(60))
    assert "18060.00 TRY" in text
    assert all_inside(content)


def test_a_proforma_has_its_number_date_and_term() -> None:
    lines = lines_of(consignment(invoice_number="ABC2026000000001"), PaperKind.PROFORMA)
    assert {"ABC2026000000001", "20.05.2026", "DDU – Delivered Duty Unpaid"} <= set(lines)
    assert "SO-1001" in lines_of(consignment(), PaperKind.PROFORMA)
    assert "SO-1001" not in lines_of(consignment(reference=None), PaperKind.PROFORMA)
    terms = {1: "DDP – ", 3: "DAP – "}
    for number, term in terms.items():
        assert term in "\n".join(lines_of(consignment(incoterms=number), PaperKind.PROFORMA))


def test_a_proforma_adds_up_each_currency() -> None:
    lines = lines_of(consignment(MUG, TEA, MUG), PaperKind.PROFORMA)
    assert [line for line in lines if line.startswith("Toplam / Total")] == [
        "Toplam / Total: 903.00 TRY",
        "Toplam / Total: 4.90 EUR",
    ]


def test_the_postage_is_what_was_paid() -> None:
    assert "120.96 TRY" in lines_of(consignment(), PaperKind.CN23)


def test_a_cn23_names_the_papers_that_came_along() -> None:
    made = consignment()
    alone = printed(made, PaperKind.CN23)
    made.papers = [paper(PaperKind.CN22, "cn22.pdf")]
    assert printed(made, PaperKind.CN23) == alone
    made.papers.append(paper(PaperKind.INVOICE, "fatura-ş.pdf"))
    assert "fatura-ş.pdf" in lines_of(made, PaperKind.CN23)


def paper(kind: PaperKind, file_name: str) -> Paper:
    """A document of the consignment."""
    return Paper(1, 1, 1, kind, PaperState.IN_REVIEW, file_name, "application/pdf", 100, cast.NOW)


def test_dangerous_goods_are_told() -> None:
    dangerous = consignment(package={"dangerous": True})
    for kind in (PaperKind.CN22, PaperKind.CN23):
        assert "Dangerous goods" in text_of(printed(dangerous, kind))


@pytest.mark.parametrize("kind", FORMS)
def test_nothing_to_declare_is_an_error(kind: PaperKind) -> None:
    with pytest.raises(ValueError, match=r"has no packages, so there is nothing to declare\."):
        printed(consignment(packages=()), kind)
    with pytest.raises(ValueError, match="has items"):
        printed(consignment(packages=(cast.package(items=()),)), kind)


def test_other_papers_are_not_made() -> None:
    with pytest.raises(ValueError, match="INVOICE cannot be made"):
        printed(consignment(), PaperKind.INVOICE)


quantities = st.lists(st.integers(1, 1000), min_size=1, max_size=12)


@given(quantities, st.decimals("0.001", "999", places=3), st.integers(1, 5))
def test_shares_add_up(pieces: list[int], weight: Decimal, boxes: int) -> None:
    items = tuple(cast.item(quantity=count) for count in pieces)
    goods = goods_of(consignment(*items, package={"weight": weight, "quantity": boxes}))
    assert sum(good.net for good in goods) == weight * boxes
    assert all(good.net >= 0 for good in goods)
    assert totals(goods) == [("TRY", Decimal("150.50") * sum(pieces) * boxes)]


anything = st.text(max_size=60)
parties = st.builds(
    cast.party, name=anything, attention=anything, address=anything, city=anything, email=anything
)
items = st.builds(cast.item, description=anything, tariff_code=anything, origin=anything)


@settings(max_examples=25, deadline=None)
@given(parties, parties, st.lists(items, min_size=1, max_size=6), anything)
def test_whatever_is_declared_stays_on_the_page(sender: Any, recipient: Any, goods: Any, number: str) -> None:
    made = consignment(*goods, sender=sender, recipient=recipient, invoice_number=number)
    for kind in FORMS:
        assert all_inside(printed(made, kind))

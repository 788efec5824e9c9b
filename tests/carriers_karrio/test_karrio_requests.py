"""A shipment in Karrio's words, and prices, bookings and labels in ours."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import pytest
from tests.carriers_karrio.goods import booking, package, party, shipment

from ulak.carriers.karrio.requests import (
    Rate,
    choose,
    rate_request,
    read_booked,
    read_label,
    read_rates,
    ship_request,
)
from ulak.carriers.karrio.settings import parse_settings
from ulak.core.consignments import DOCUMENTS, Shipment
from ulak.core.shipping import Declined, Quote

SETTINGS = parse_settings({"carrier": "ups", "rate_eur": "48.55"})


def test_addresses() -> None:
    long = "Very Long Boulevard Of The Republic 123 Apartment 5 Floor 7"
    sent = Shipment(party("A.Ş.", "TR", long), party("GmbH", "TR"), (package(),))
    body: dict[str, Any] = rate_request(sent, "")
    shipper = body["shipper"]
    assert shipper["address_line1"] == "Very Long Boulevard Of The Republic"
    assert shipper["address_line2"] == "123 Apartment 5 Floor 7"
    assert (shipper["company_name"], shipper["person_name"]) == ("A.Ş.", "Ayşe Çelik")
    assert shipper["phone_number"] == "+905321234567"
    assert "state_code" not in shipper, "a state in words is none of the codes that carriers take"
    assert "customs" not in body


def test_every_box_is_a_parcel_and_goods_abroad_are_declared() -> None:
    body: dict[str, Any] = ship_request(
        booking(shipment(package(3), package())), "ups_standard", "ZPL", "DDP"
    )
    assert len(body["parcels"]) == 4
    assert body["parcels"][0]["weight"] == Decimal("1.5")
    assert (body["reference"], body["order_id"], body["service"]) == ("ULK0001", "key-1", "ups_standard")
    customs = body["customs"]
    assert customs["content_type"] == "merchandise"
    assert [goods["quantity"] for goods in customs["commodities"]] == [6, 2]
    assert customs["commodities"][0]["weight"] == Decimal("0.750")
    assert customs["duty"] == {"paid_by": "sender", "declared_value": Decimal("100.00"), "currency": "EUR"}


def test_documents_need_no_invoice() -> None:
    body: dict[str, Any] = rate_request(shipment(package(purpose=DOCUMENTS, items=())), "")
    assert body["customs"]["commercial_invoice"] is False
    assert body["parcels"][0]["is_document"] is True


def test_prices_are_told_without_taxes() -> None:
    charges = [
        {"name": "BASE CHARGE", "amount": 20.1},
        {"name": "FUEL SURCHARGE", "amount": 1.9},
        {"name": "VAT", "amount": 4.4},
    ]
    told = [
        {"service": "slow", "currency": "EUR", "total_charge": 26.4, "extra_charges": charges},
        {"service": "free", "currency": "EUR", "total_charge": 0},
        {"service": "odd", "currency": "EUR", "total_charge": "NaN"},
        {"service": "bare", "currency": "try", "total_charge": 900.5, "extra_charges": None},
    ]
    assert read_rates(told) == [Rate("slow", Decimal("22.0"), "EUR"), Rate("bare", Decimal("900.5"), "TRY")]
    assert read_rates(None) == []


def test_the_cheapest_in_our_own_money_is_chosen() -> None:
    rates = [
        Rate("a", Decimal("20.01"), "EUR"),
        Rate("b", Decimal("971.48"), "TRY"),
        Rate("c", Decimal(1), "USD"),
    ]
    assert choose(rates, "", SETTINGS) == ("b", Quote(97148))
    assert choose(rates, "A", SETTINGS) == ("a", Quote(97149))  # 971.4855, rounded half up
    assert choose(rates, "c", SETTINGS) == Declined(
        "The price came in USD, and this carrier was not told what one is in TRY (setting rate_usd)"
    )
    assert choose(rates, "z", SETTINGS) == Declined(
        "The carrier does not offer z for this shipment; it offers a, b, c"
    )


def coded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    ("content", "mime"),
    [
        (b"%PDF-1.7 ...", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n...", "image/png"),
        (b"~CD,\n^XA^FDx^FS^XZ", "application/zpl"),
    ],
)
def test_a_label_is_what_its_bytes_are(content: bytes, mime: str) -> None:
    file = read_label(coded(content))
    assert file is not None
    assert (file.content, file.mime) == (content, mime)


@pytest.mark.parametrize("text", ["", "%%%", coded(b"<html>error</html>"), coded(b"GIF89a...")])
def test_what_is_no_label(text: str) -> None:
    assert read_label(text) is None


def result(*numbers: str) -> dict[str, Any]:
    return {
        "tracking_number": numbers[0],
        "shipment_identifier": "S1",
        "meta": {"tracking_numbers": list(numbers)},
    }


def test_each_package_has_its_number_and_its_page() -> None:
    pages = [coded(b"%PDF-1"), coded(b"%PDF-2")]
    booked = read_booked(result("N1", "N2"), pages, shipment(package(), package()))
    assert booked is not None
    assert booked.reference == "S1"
    assert [(ticket.tracking, ticket.file and ticket.file.content) for ticket in booked.tickets] == [
        ("N1", b"%PDF-1"),
        ("N2", b"%PDF-2"),
    ]
    whole = [coded(b"^XA1^XZ\n^XA2^XZ")]
    booked = read_booked(result("N1", "N2"), whole, shipment(package(), package()))
    assert booked is not None
    assert [ticket.file and ticket.file.content for ticket in booked.tickets] == [b"^XA1^XZ", b"^XA2^XZ"]


def test_a_package_of_several_boxes_has_the_number_of_its_first() -> None:
    booked = read_booked(result("N1", "N2", "N3"), [coded(b"%PDF-all")], shipment(package(2), package()))
    assert booked is not None
    assert [ticket.tracking for ticket in booked.tickets] == ["N1", "N3"]
    assert {ticket.file and ticket.file.content for ticket in booked.tickets} == {b"%PDF-all"}


def test_a_booking_without_numbers_of_its_packages_or_label() -> None:
    booked = read_booked({"tracking_number": "N1"}, [], shipment(package(), package()))
    assert booked is not None
    assert [(ticket.tracking, ticket.file) for ticket in booked.tickets] == [("N1", None), ("N1", None)]
    assert booked.reference == "N1"
    assert read_booked({"tracking_number": None}, [], shipment()) is None
    assert read_booked(None, [], shipment()) is None

"""What is read in a request to send something, and everything that is wrong with it (cases/fields.toml)."""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dialects.comtohome.bodies import ABROAD, DOMESTIC, SEVERAL, spoiled
from tests.dialects.comtohome.samples import KEPT

from ulak.core.consignments import Preference, Route, SavedAs, Shape
from ulak.dialects.comtohome import forms
from ulak.dialects.comtohome.fields import integer_in, number_in, phone
from ulak.dialects.comtohome.forms import Invalid, Wanted
from ulak.dialects.comtohome.jsonbody import object_in

CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "cases" / "fields.toml").read_text("utf-8")
)["case"]


def read(body: dict[str, Any], form: str = "single", language: str = "en", saved: Any = None) -> Wanted:
    """A body as it comes in, read with the form of a path."""
    fields = object_in(json.dumps(body).encode())
    if form == "draft":
        return forms.draft(fields, saved or {}, language)
    return forms.order(
        fields, saved or {}, language, many={"single": False, "multi": True, "any": None}[form]
    )


def problems(body: dict[str, Any], form: str = "single", language: str = "en") -> list[str]:
    """Everything that is wrong with it."""
    try:
        read(body, form, language)
    except Invalid as invalid:
        return list(invalid.problems)
    return []


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    assert case["source"]
    body = spoiled(case["body"], case.get("set", {}), case.get("remove", []))
    assert problems(body, case.get("form", "single")) == case["problems"]
    turkish = problems(body, case.get("form", "single"), "tr")
    paths = [text.partition(":")[0] for text in case["problems"]]
    assert [text.partition(":")[0] for text in turkish] == paths
    assert not set(turkish) & set(case["problems"]), "both languages say it"


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("invoice_number", 255),
        ("reference_no", 255),
        ("specific_shipping_method", 255),
        ("specific_provider_barcode", 255),
        ("consignor.name", 255),
        ("consignor.attention_name", 255),
        ("consignee.state", 100),
        ("consignee.city", 100),
        ("consignee.postal_code", 30),
        ("consignee.address", 1000),
        ("consignor.email", 255),
        ("consignor.tax_number", 50),
        ("packages.0.items.0.description", 255),
        ("packages.0.items.0.category", 255),
    ],
)
def test_lengths_are_counted_in_characters(path: str, most: int) -> None:
    """Specification 4.2, column max."""
    assert problems(spoiled("domestic", {path: " " + "Ğ" * most + " "}, [])) == []
    assert problems(spoiled("domestic", {path: "Ğ" * (most + 1)}, [])) == [
        f"{path}: must be at most {most} characters"
    ]


def test_a_domestic_request() -> None:
    wanted = read(DOMESTIC)
    assert (wanted.shape, wanted.route, wanted.preference) == (
        Shape.NORMAL,
        Route.DOMESTIC,
        Preference.CHEAPEST,
    )
    sender, recipient = wanted.shipment.sender, wanted.shipment.recipient
    assert (sender.attention, sender.phone, sender.country) == ("Kuzey Depo", "902320000000", "TR")
    assert (recipient.attention, recipient.phone, recipient.postal_code) == (
        "Ece Hanım",
        "905550000000",
        "01010",
    )
    package = wanted.shipment.packages[0]
    assert (package.weight, package.length, package.quantity) == (Decimal("5.4"), Decimal(15), 1)
    assert package.items[0].unit_price == Decimal("150.5")
    assert package.items[0].origin == "TR", "the default where it is optional"
    assert wanted.shipment.reference == "SO-1001"


def test_an_international_request() -> None:
    wanted = read(ABROAD)
    assert wanted.route is Route.INTERNATIONAL
    assert wanted.shipment.recipient.phone == "49301234567"
    assert wanted.shipment.incoterms == 2
    assert wanted.shipment.packages[0].items[0].tariff_code == "691110000011"


def test_several_packages() -> None:
    wanted = read(SEVERAL, "multi")
    assert wanted.shape is Shape.MULTI_PACKAGE
    assert [package.weight for package in wanted.shipment.packages] == [Decimal("5.4"), 1]


def test_barcodes_that_were_brought_along() -> None:
    single = spoiled(
        "domestic", {"specific_provider_barcode": "B1", "packages.0.specific_provider_barcode": "P1"}, []
    )
    shipment = read(single).shipment
    assert (shipment.barcode, shipment.packages[0].barcode) == ("B1", None)
    codes = {f"packages.{place}.specific_provider_barcode": f"P{place}" for place in (0, 1)}
    several = read(spoiled("several", codes | {"specific_provider_barcode": "B1"}, []), "multi").shipment
    assert (several.barcode, [package.barcode for package in several.packages]) == (None, ["P0", "P1"])


def test_a_carrier_counts_only_where_the_customer_picks() -> None:
    assert read(DOMESTIC | {"preference": 0, "provider_id": 7}).carrier_id == 7
    assert read(DOMESTIC | {"preference": 1, "provider_id": 7}).carrier_id is None


def test_saved_parties_stand_in_for_what_is_not_sent() -> None:
    body = {name: value for name, value in DOMESTIC.items() if name not in ("consignor", "consignee")}
    body |= {"warehouse_id": 3, "consignee_id": "4"}
    saved = {SavedAs.WAREHOUSE: KEPT, SavedAs.RECIPIENT: KEPT}
    assert forms.saved_ids(body) == {SavedAs.WAREHOUSE: 3, SavedAs.RECIPIENT: 4}
    shipment = read(body, saved=saved).shipment
    assert (shipment.sender, shipment.recipient) == (KEPT, KEPT)
    assert (shipment.warehouse_id, shipment.recipient_id) == (3, 4)
    own = read(DOMESTIC | {"warehouse_id": 3}, saved=saved).shipment
    assert own.sender.name == "Kuzey Depo", "what is sent wins"


def test_a_saved_sender_needs_a_tax_number_abroad_as_well() -> None:
    body = ABROAD | {"warehouse_id": 3}
    del body["consignor"]
    with pytest.raises(Invalid) as raised:
        read(body, saved={SavedAs.WAREHOUSE: KEPT})
    assert raised.value.problems == ["consignor.tax_number: is required"]


def test_too_many_of_everything() -> None:
    package = DOMESTIC["packages"][0]
    many = DOMESTIC | {"packages": [package] * 101}
    assert problems(many, "multi") == ["packages: must have at most 100 entries"]
    item = package["items"][0]
    full = DOMESTIC | {"packages": [package | {"items": [item] * 251}] * 2}
    assert problems(full, "multi") == ["packages: must have at most 500 entries"]
    assert problems(DOMESTIC | {"documents": [1] * 51}) == ["documents: must have at most 50 entries"]


def test_numbers_are_rounded_and_ids_count_once() -> None:
    """Sums of floats have more digits than anybody means."""
    item = DOMESTIC["packages"][0]["items"][0] | {"unit_price": 24.089999999999996}
    package = DOMESTIC["packages"][0] | {
        "weight": "0.30000000000000004",
        "length": "1.0000005",
        "items": [item],
    }
    found = read(DOMESTIC | {"packages": [package], "special_services": [4, "4", 5]})
    box = found.shipment.packages[0]
    assert [str(n) for n in (box.weight, box.length, box.items[0].unit_price)] == [
        "0.300000",
        "1.000001",
        "24.090000",
    ]
    assert found.service_ids == (4, 5)


PHONES = {
    ("+905386831394", "TR"): "905386831394",
    ("00905386831394", "TR"): "905386831394",
    ("905386831394", "TR"): "905386831394",
    ("0538 683 13 94", "TR"): "905386831394",
    ("0301234567", "DE"): "0301234567",
    ("+49 (30) 123-4567", "DE"): "49301234567",
}


@pytest.mark.parametrize(("written", "country"), PHONES)
def test_phones_become_digits_with_their_country_code(written: str, country: str) -> None:
    """Specification 3.3: digits only, country code first, no plus sign."""
    assert phone(written, country) == PHONES[written, country]


@given(st.decimals(-(10**9), 10**9, places=4))
def test_a_number_means_the_same_as_a_number_and_as_a_text(value: Decimal) -> None:
    assert number_in(value) == number_in(format(value, "f")) == value


@given(st.one_of(st.text(), st.integers(), st.decimals(), st.booleans(), st.none(), st.lists(st.none())))
def test_any_value_is_a_number_or_is_not(value: object) -> None:
    number, whole = number_in(value), integer_in(value)
    assert number is None or number.is_finite()
    if isinstance(value, bool):
        assert number is None
        assert whole is None

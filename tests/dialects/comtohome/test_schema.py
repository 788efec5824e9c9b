"""Every consignment that is shown has the shape of the specification's schema (section 3.8), in any state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from tests.dialects.comtohome.bodies import DOMESTIC, DRAFT, SEVERAL
from tests.dialects.comtohome.office import LINK_KEY, URL, Customer, Office
from tests.dialects.comtohome.samples import another, of_the_page

from ulak.core.accounts import Account
from ulak.core.consignments import Consignment, Original, Route, Service, Shape
from ulak.core.states import ParcelState
from ulak.dialects.comtohome import wire
from ulak.dialects.comtohome.codes import STATES, STATUSES
from ulak.dialects.comtohome.shown import Show

SCHEMA: Any = json.loads((Path(__file__).parent / "consignment.schema.json").read_text("utf-8"))
VALID = Draft202012Validator(SCHEMA, format_checker=FormatChecker())
ACCOUNT = Account(1, "Kuzey", True)

KEYS = {"label": 7, "party": 10, "detail": 6, "package": 6, "item": 8}
"""How many keys each object has."""


def document(found: Consignment, account: Account = ACCOUNT) -> Any:
    """A consignment as it is shown, read again."""
    body = wire.success(Show(lambda: URL, LINK_KEY).consignment(account, found))
    return json.loads(body)["data"]


def check(shown: Any) -> None:
    """The schema, the order of the keys, and how many there are."""
    VALID.validate(shown)
    assert list(shown) == SCHEMA["required"]
    assert len(shown) == 35
    assert list(shown["permissions"]) == SCHEMA["properties"]["permissions"]["required"]
    objects = {
        "label": shown["labels"],
        "party": [shown["consignor"], shown["consignee"]],
        "detail": shown["details"],
        "package": shown["packages"],
        "item": [item for package in shown["packages"] for item in package["items"]],
    }
    for name, found in objects.items():
        assert all(len(entry) == KEYS[name] for entry in found)
        required = SCHEMA["$defs"].get(name, {}).get("required")
        assert all(required is None or list(entry) == required for entry in found)


@pytest.mark.parametrize("state", ParcelState, ids=lambda state: state.name)
def test_every_state(state: ParcelState) -> None:
    made = of_the_page()
    seen = made.seen[0]._replace(state=state, text="")
    shown = document(another(1, 1, state=state, seen=[*made.seen, seen]))
    check(shown)
    code, name, text = STATUSES[state]
    assert (shown["status"], shown["status_message"]) == (code, text)
    assert shown["details"][1]["status_name"] == name
    assert STATES[code] is state


def test_states_of_ours_are_out_of_the_way_of_the_vendors() -> None:
    """Specification 6.1: documented are 1 and 24, ours begin at 100."""
    documented = {ParcelState.BOOKED: 1, ParcelState.DRAFT: 24}
    assert {state for state in ParcelState if state not in STATUSES} == set()
    assert all(
        status.code == documented.get(state, max(100, status.code)) for state, status in STATUSES.items()
    )
    assert len(STATES) == len(ParcelState)


def test_what_may_be_null_or_empty() -> None:
    made = of_the_page()
    draft = another(
        1,
        1,
        state=ParcelState.DRAFT,
        labels=[],
        seen=[],
        carrier=None,
        shape=Shape.RETURN,
        route=Route.INTERNATIONAL,
        parent=Original(5, made.uuid, made.barcode),
    )
    shown = document(draft)
    check(shown)
    assert (shown["type"], shown["consignmentType"], shown["provider"]) == ("DRAFT", 2, None)
    assert shown["parent"] == {"id": 5, "uuid": made.uuid, "barcode": made.barcode}


def test_extra_services() -> None:
    made = of_the_page()
    made.shipment = type(made.shipment)(
        made.shipment.sender, made.shipment.recipient, services=(Service(4, "Sigorta", 1050),)
    )
    shown = document(made)
    check(shown)
    assert shown["special_services"] == [{"id": 4, "name": "Sigorta", "fee": 10.5}]


def test_who_uses_the_account() -> None:
    settings = {"authorized_name": "Ayşe Öz", "user_firstname": "Deniz", "user_lastname": "Ay"}
    shown = document(of_the_page(), Account(7, "Kuzey", True, settings | {"can_create_cn23": "off"}))
    assert shown["customer"] == {
        "id": 7,
        "customer_code": "7",
        "name": "Kuzey",
        "authorized_name": "Ayşe Öz",
    }
    assert shown["user"] == {"id": 7, "firstname": "Deniz", "lastname": "Ay"}
    assert shown["permissions"]["can_create_cn23"] is False


@given(
    st.text(max_size=50),
    st.text(max_size=50),
    st.integers(-(10**9), 10**12),
    st.integers(0, 4_000_000_000_000),
)
def test_any_words_and_amounts(name: str, reference: str, amount: int, at: int) -> None:
    made = of_the_page()
    made.costs = type(made.costs)(rule=amount, total=amount)
    made.created = made.updated = at
    made.shipment = type(made.shipment)(made.shipment.sender, made.shipment.recipient, reference=reference)
    made.carrier = type(made.carrier)(1, name) if made.carrier else None
    shown = document(made)
    check(shown)
    assert round(shown["total_cost"] * 100) == amount


async def test_what_is_created_here(lite: Any) -> None:
    office = Office(lite)
    customer = await office.customer("owner")
    await office.has_carrier()
    ids = [
        (await office.ask(customer, "/consignments", DOMESTIC))["data"]["consignment"],
        (await office.ask(customer, "/consignments/multi-package", SEVERAL))["data"]["consignment"],
        (await office.ask(customer, "/consignments/draft", DRAFT))["data"]["id"],
    ]
    await office.ask(customer, f"/consignments/{ids[0]}/proforma", method="POST")
    for consignment_id in ids:
        check(await whole(office, customer, consignment_id))


async def whole(office: Office, customer: Customer, consignment_id: int) -> Any:
    """A consignment's document, numbers as Python's own."""
    reply = await office.call(f"/consignments/{consignment_id}/details", key=customer.key)
    return json.loads(reply.body)["data"]

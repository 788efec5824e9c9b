"""Whatever a server answers, what can be read of it is read, and the rest does no harm."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.parcel_cast import package

from ulak.core.consignments import TrackingKind
from ulak.core.shipping import Booked, Sighting, Ticket
from ulak.core.states import FINAL_PARCELS, ParcelState
from ulak.dialects.comtohome.codes import STATUSES
from ulak.dialects.comtohome.reading import (
    Document,
    Failure,
    Good,
    LabelRead,
    Unreadable,
    decimal,
    kurus,
    moment,
    parse,
    read_answer,
    read_booked,
    read_document,
    read_price,
    read_sighting,
    text,
    whole,
)
from ulak.dialects.comtohome.words import state_of

AT = 1_739_874_076_000
"""18 February 2025, 13:21:16 in Istanbul."""

DETAIL = {
    "status": 111,
    "status_name": "IN_TRANSIT",
    "status_description": "In transit",
    "message": "Left Bursa",
    "status_datetime": "2025-02-18 13:21:16",
    "location": "Bursa",
}
SEEN = Sighting(AT, ParcelState.IN_TRANSIT, "Left Bursa", "Bursa", "111 IN_TRANSIT Left Bursa")

LABEL = {
    "id": 149546,
    "file_url": "http://localhost/api/v1/public-download/consignment-label/149546?_hash=abc",
    "tracking_code": "1Z999AA10123456784",
    "label_type": 0,
    "tracking_type": 2,
}


def document(**over: Any) -> Document:
    fields = {"id": 632280, "status": 111, "status_message": "Left Bursa", "labels": [LABEL]}
    found = read_document(parse(json.dumps(fields | {"details": [DETAIL]} | over).encode()))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (200, b'{"status":true,"message":null,"data":[1],"meta":{"total":2}}', Good([1], {"total": 2})),
        (201, b'{"status":true,"data":{"a":1.50}}', Good({"a": "1.50"}, {})),
        (200, b'{"data":{"id":1}}', Good({"id": 1}, {})),
        (200, b'{"status":false,"errors":[{"message":"Konsinye bulunamad\xc4\xb1"}]}', "Konsinye bulunamadı"),
        (200, b'{"status":"false"}', "HTTP 200"),
        (200, b'{"status":true,"errors":[{"message":"no"}],"data":{}}', "no"),
        (
            422,
            b'{"status":false,"errors":[{"message":"a: b"},{"message":"c"},{"message":"a: b"}]}',
            "a: b; c",
        ),
        (422, b'{"message":"The data was invalid.","errors":{"name":["n1","n2"],"city":["c"]}}', "n1; n2; c"),
        (422, b'{"status":false,"errors":{"0":{"message":"gap"}}}', "gap"),
        (422, b'{"status":false,"errors":["plain", null, 5, {"text":1}]}', "plain; 5"),
        (401, b'{"message":"Unauthenticated."}', "Unauthenticated."),
        (500, b'{"status":true,"data":{}}', "HTTP 500"),
        (502, b'{"status":false,"errors":[]}', "HTTP 502"),
    ],
)
def test_an_answer_is_good_or_a_failure_by_its_body_first(
    status: int, body: bytes, meaning: Good | str
) -> None:
    assert read_answer(status, body) == (Failure(meaning) if isinstance(meaning, str) else meaning)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>login</html>"),
        (200, b'{"status":true,"data":{"id":63'),
        (200, b""),
        (200, b"[]"),
        (200, b"[" * 100_000),
        (200, b'{"status":"\xff"}'),
        (302, b'{"status":true}'),
        (404, b"nginx"),
    ],
)
def test_what_is_no_answer_is_told_apart(status: int, body: bytes) -> None:
    found = read_answer(status, body)
    assert isinstance(found, Unreadable)
    assert str(status) in found.why


def test_a_document_is_read() -> None:
    assert document() == Document(
        "632280",
        ParcelState.IN_TRANSIT,
        False,
        (LabelRead("1Z999AA10123456784", str(LABEL["file_url"])),),
        (SEEN,),
    )


@pytest.mark.parametrize(
    "over",
    [
        {"id": "632280", "status": "111"},
        {"status": 111.0, "surprise": {"deep": [1, 2]}},
        {"labels": {"0": LABEL}, "details": {"1": DETAIL}},
        {"labels": [None, LABEL, "x"], "details": [None, 7, DETAIL, "x", {}]},
        {"details": [DETAIL | {"status": "111", "status_datetime": "2025-02-18T10:21:16+00:00"}]},
        {"details": [DETAIL | {"status_datetime": "2025-02-18T13:21:16.0000000+03:00"}]},
        {"details": [DETAIL, DETAIL | {"status_datetime": "soon"}, DETAIL | {"status_datetime": None}]},
        {"details": [DETAIL | {"status_name": None}]},
    ],
)
def test_other_spellings_of_a_document_mean_the_same(over: dict[str, Any]) -> None:
    assert document(**over) == document()


def test_a_document_may_come_in_a_list_or_lack_nearly_everything() -> None:
    assert read_document([{"id": 5}]) == Document("5", ParcelState.UNKNOWN, False, (), ())
    for nothing in (None, [], {}, "x", 5, [None], {"labels": [LABEL]}):
        assert read_document(nothing) is None


def test_without_a_history_the_state_on_top_counts() -> None:
    found = document(details=None, status=120, status_message=None, updated_at="2025-02-18 13:21:16")
    assert found.over
    assert found.sightings == (Sighting(AT, ParcelState.DELIVERED, "DELIVERED", None, "120 DELIVERED"),)


def test_an_unknown_status_keeps_its_number_name_and_words() -> None:
    row = DETAIL | {"status": 57, "status_name": "SOMETHING_ELSE", "message": "Neler oldu"}
    assert read_sighting(row) == SEEN._replace(
        state=ParcelState.UNKNOWN, text="Neler oldu", raw="57 SOMETHING_ELSE Neler oldu"
    )


def test_a_movement_says_the_same_as_an_entry_of_the_history() -> None:
    """So that what is told in a callback and read again later is known to be the same."""
    movement = {
        "consignment": {"id": 632280},
        "status": 111,
        "statusMessage": "Left Bursa",
        "statusDatetime": "2025-02-18T13:21:16+03:00",
        "provider": {"id": 1, "name": "Ptt"},
        "createdAt": "2025-02-18T13:25:00+03:00",
        "location": "Bursa",
    }
    assert read_sighting(movement) == read_sighting(DETAIL) == SEEN


# Words


@pytest.mark.parametrize(("state", "status"), STATUSES.items())
def test_our_own_statuses_come_back(state: ParcelState, status: tuple[int, str, str]) -> None:
    code, name, said = status
    assert state_of(code, name, said) is state_of(code, "", "") is state
    assert state_of(None, name, "whatever the carrier DELIVERED") is state
    if state is not ParcelState.UNKNOWN:
        assert state_of(None, "", said) is state


@pytest.mark.parametrize(
    ("name", "message", "state"),
    [
        ("NOT_DELIVERED", "", ParcelState.DELIVERY_FAILED),
        ("UNDELIVERED", "", ParcelState.DELIVERY_FAILED),
        ("FAILED_DELIVERY", "Delivered", ParcelState.DELIVERY_FAILED),
        ("NOT_FOUND", "", ParcelState.UNKNOWN),
        ("NOT_CANCELLED", "", ParcelState.UNKNOWN),
        ("UNDELIVERABLE_RETURNING", "", ParcelState.RETURNING),
        ("DELIVERED_TO_CUSTOMER", "", ParcelState.DELIVERED),
        ("DELIVERED_TO_BRANCH", "", ParcelState.IN_TRANSIT),
        ("DELIVERED_TO_PROVIDER", "", ParcelState.IN_TRANSIT),
        ("", "Delivered to the sorting centre", ParcelState.IN_TRANSIT),
        ("", "Delivered to the recipient", ParcelState.DELIVERED),
        ("", "Delivered to Ahmet", ParcelState.DELIVERED),
        ("", "Delivered to sender", ParcelState.RETURNED),
        ("", "To be delivered tomorrow", ParcelState.OUT_FOR_DELIVERY),
        ("", "Partially delivered", ParcelState.IN_TRANSIT),
        ("", "Takip no 5: teslim edildi", ParcelState.DELIVERED),
        ("ON_DISTRIBUTION", "", ParcelState.OUT_FOR_DELIVERY),
        ("IN_DELIVERY", "", ParcelState.OUT_FOR_DELIVERY),
        ("CANCELLED_BY_CUSTOMER", "", ParcelState.CANCELLED),
        ("WAITING_CUSTOMER", "", ParcelState.UNKNOWN),
        ("AT_CUSTOMS", "", ParcelState.IN_CUSTOMS),
        ("RETURN_STARTED", "", ParcelState.RETURNING),
        ("RETURNED_TO_SENDER", "", ParcelState.RETURNED),
        ("TRANSFER_CENTER", "", ParcelState.IN_TRANSIT),
        ("UNDER_CUSTOMS_CONTROL", "", ParcelState.IN_CUSTOMS),
        ("LABEL_SENT_TO_PROVIDER", "", ParcelState.BOOKED),
        ("", "Teslim edildi", ParcelState.DELIVERED),
        ("", "Teslim edilemedi", ParcelState.DELIVERY_FAILED),
        ("", "Dağıtıma çıktı", ParcelState.OUT_FOR_DELIVERY),
        ("", "GÜMRÜK işleminde", ParcelState.IN_CUSTOMS),
        ("", "Gönderi iade edildi", ParcelState.RETURNED),
        ("", "Adreste bulunamadı", ParcelState.DELIVERY_FAILED),
        ("STEP_7", "Arrived at Ankara", ParcelState.IN_TRANSIT),
    ],
)
def test_names_and_texts_that_we_do_not_know_are_read_by_their_words(
    name: str, message: str, state: ParcelState
) -> None:
    assert state_of(None, name, message) is state


@given(st.none() | st.integers(), st.text(), st.text())
def test_no_status_is_an_error(status: int | None, name: str, message: str) -> None:
    assert isinstance(state_of(status, name, message), ParcelState)


# Bookings and prices

STARTED = {
    "consignment": 70001,
    "barcode": "C2H40516273849",
    "c2hBarcode": "C2H40516273849",
    "providerTrackingCode": "RR1TR",
    "labels": [LABEL | {"tracking_code": "RR1TR"}, LABEL | {"tracking_code": "RR2TR"}],
    "uuid": "0b7c2f1e",
}
ONE = Booked((Ticket("RR1TR"),), "70001")


@pytest.mark.parametrize(
    "data",
    [
        STARTED,
        STARTED | {"consignment": "70001"},
        STARTED | {"consignment": {"id": 70001}},
        STARTED | {"providerTrackingCode": None},
        STARTED | {"labels": None},
        {"id": 70001, "labels": [LABEL | {"tracking_code": "RR1TR"}]},
        [STARTED],
    ],
)
def test_what_was_booked_is_read_in_every_shape(data: Any) -> None:
    assert read_booked(data, [package()], None) == ONE


def test_every_package_has_its_ticket() -> None:
    two = [package(), package(barcode="RR2TR")]
    assert read_booked(STARTED, two, None) == Booked(
        (Ticket("RR1TR"), Ticket("RR2TR", TrackingKind.BROUGHT_ALONG)), "70001"
    )
    one_label = STARTED | {"labels": STARTED["labels"][:1]}  # type: ignore[index]
    assert read_booked(one_label, [package(), package()], None) == Booked(
        (Ticket("RR1TR"), Ticket("RR1TR")), "70001"
    )


def test_a_booking_may_have_no_code_yet_or_say_nothing() -> None:
    assert read_booked({"consignment": 5}, [package()], None) == Booked(
        (Ticket(None, TrackingKind.NONE),), "5"
    )
    assert read_booked({"providerTrackingCode": "RR1TR"}, [package()], None) is None
    assert read_booked(None, [package()], None) is None


PRICES = [
    {"provider": {"id": 2}, "total_cost": "192.005", "currency_code": "TRY", "currency_rate": 1},
    {"provider": 3, "total_cost": 120},
    {"provider": {"id": 4}, "total_cost": None},
    {"provider": {"id": 5}, "total_cost": "4.10", "currency_code": "USD", "currency_rate": "40.5"},
    {"provider": {"id": 6}, "total_cost": "1", "currency_code": "EUR"},
    "x",
]


@pytest.mark.parametrize(
    ("provider", "price"), [(None, 12000), (2, 19201), (3, 12000), (4, None), (5, 16605), (9, None)]
)
def test_the_price_is_that_of_the_chosen_carrier_or_the_lowest(
    provider: int | None, price: int | None
) -> None:
    assert read_price(PRICES, provider) == price


def test_a_price_in_a_currency_without_a_rate_is_none() -> None:
    assert read_price(PRICES, 6) is None
    assert read_price({"total_cost": "12.5"}, None) == 1250
    assert read_price(None, None) is None


# Values


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5),
        ("5", 5),
        (" 5 ", 5),
        ("5.0", 5),
        ("5.5", None),
        ("1e3", 1000),
        (True, None),
        (None, None),
        ("", None),
        ("٥", None),
        ([5], None),
        (10**400, None),
        ("1e999999", None),
        ("nan", None),
    ],
)
def test_whole_numbers(value: object, number: int | None) -> None:
    assert whole(value) == number


def test_decimals_keep_their_digits() -> None:
    assert decimal(parse(b'{"a":120.10}')["a"]) == Decimal("120.10")
    assert kurus("1.005") == 101
    assert kurus("-3.33") == -333
    assert kurus("1e30") is None
    assert kurus("5", "0") is None


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2025-02-18 13:21:16", AT),
        ("2025-02-18T13:21:16+03:00", AT),
        ("2025-02-18T10:21:16Z", AT),
        ("2025-02-18 13:21", AT - 16_000),
        ("2025-02-18 13:21:16.987654321", AT + 987),
        ("2025-02-30 13:21:16", None),
        ("18/02/2025 13:21", None),
        ("0001-01-01 00:00:00", None),
        ("2025-02-18", None),
        (1739874076, None),
        (None, None),
    ],
)
def test_moments(value: object, at: int | None) -> None:
    assert moment(value) == at


def test_texts_hold_nothing_that_cannot_be_stored() -> None:
    assert text(" a\0b ") == "ab"
    assert text("\ud800") == "?"
    assert text("x" * 5000) == "x" * 1000
    assert text(7) == "7"
    nothings: list[object] = ["", "  ", None, True, [], {}, 10**5000]
    for nothing in nothings:
        assert text(nothing) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["2025-02-18 13:21:16", "120"]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                [*DETAIL, *STARTED, "id", "status", "details", "labels", "total_cost", "provider", "0", "1"]
            ),
            inner,
        )
    ),
)


@given(JSON)
def test_nothing_that_can_be_sent_is_an_error(data: Any) -> None:
    found = read_document(data)
    if found is not None:
        assert found.over == (found.state in FINAL_PARCELS)
        assert all(isinstance(seen.at, int) for seen in found.sightings)
    read_booked(data, [package()], None)
    read_price(data, None)
    assert isinstance(read_answer(200, json.dumps({"data": data, "errors": data}).encode()), Good | Failure)


@given(st.binary())
def test_no_bytes_are_an_error(body: bytes) -> None:
    assert isinstance(read_answer(200, body), Good | Failure | Unreadable)

"""Sightings out of the raw answers of carriers; the payloads are small ones in their documented shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulak.carriers.karrio import reading
from ulak.carriers.karrio.worker import Answer, Exchange, Message
from ulak.core.shipping import Sighting, Unreached, Watched
from ulak.core.states import ParcelState

NUMBER = "1Z999AA10123456784"


def label(tracking: str = NUMBER, country: str = "TR") -> Watched:
    return Watched(1, tracking, "", 0, country)


def ups_url(number: str = NUMBER) -> str:
    return f"https://onlinetools.ups.com/api/track/v1/details/{number}?locale=en_US&returnSignature=true"


def answer(url: str, body: Any, status: int = 200, result: Any = None) -> Answer:
    text = body if isinstance(body, str) else json.dumps(body)
    return Answer(exchanges=[Exchange("GET", url, status, None, text)], result=result)


def ups(*activities: Any, number: str = NUMBER) -> Answer:
    package = {"trackingNumber": number, "activity": list(activities)}
    return answer(ups_url(number), {"trackResponse": {"shipment": [{"package": [package]}]}})


def sightings(carrier: str, said: Answer, watched: Watched | None = None) -> list[Sighting]:
    (found,) = reading.read(carrier, said, [watched or label()])
    assert not isinstance(found, Unreached), found
    return list(found)


OUT = {
    "date": "20260210",
    "time": "071356",
    "gmtDate": "20260210",
    "gmtTime": "121356",
    "gmtOffset": "-05:00",
    "location": {"address": {"city": "Wayne", "stateProvince": "NJ", "countryCode": "US"}},
    "status": {"type": "I", "code": "OT", "statusCode": "021", "description": "Out For Delivery Today"},
}


def test_ups_tells_utc() -> None:
    (seen,) = sightings("ups", ups(OUT))
    assert seen == Sighting(
        1_770_725_636_000,  # 2026-02-10T12:13:56Z
        ParcelState.OUT_FOR_DELIVERY,
        "Out For Delivery Today",
        "Wayne, NJ, US",
        "source=ups type=I code=OT status=021 time=exact Out For Delivery Today",
    )


def test_ups_tells_an_offset() -> None:
    (seen,) = sightings("ups", ups({key: OUT[key] for key in OUT if key not in ("gmtDate", "gmtTime")}))
    assert seen.at == 1_770_725_636_000
    assert " time=exact " in seen.raw


def test_ups_tells_local_time_only() -> None:
    plain = {key: value for key, value in OUT.items() if not key.startswith("gmt")}
    (seen,) = sightings("ups", ups(plain))
    assert (seen.at, " time=assumed-utc " in seen.raw) == (1_770_707_636_000, True)
    (seen,) = sightings("ups", ups({**plain, "location": {"address": {"country": "TR"}}}))
    assert (seen.at, " time=zone-TR " in seen.raw) == (1_770_707_636_000 - 3 * 3_600_000, True)


def test_ups_knows_the_label_and_saw_nothing() -> None:
    body = {"trackResponse": {"shipment": [{"package": [{"trackingNumber": NUMBER}]}]}}
    assert sightings("ups", answer(ups_url(), body)) == []
    assert (
        sightings("ups", answer(ups_url(), {"trackResponse": {"shipment": [{"inquiryNumber": "x"}]}})) == []
    )
    missing = {"response": {"errors": [{"code": "TW0001", "message": "Tracking Information Not Found"}]}}
    assert sightings("ups", answer(ups_url(), missing, status=404)) == []


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_a_carrier_in_trouble_is_not_reached(status: int) -> None:
    (found,) = reading.read("ups", answer(ups_url(), "busy", status), [label()])
    assert found == Unreached(f"the carrier answered with status {status}")


def test_no_answer_is_not_no_news() -> None:
    said = Answer(exchanges=[Exchange("GET", ups_url(), None, "timed out")])
    assert reading.read("ups", said, [label()]) == [Unreached("timed out")]
    login = Answer(exchanges=[Exchange("POST", "https://ups/security/v1/oauth/token", None, "no route")])
    assert reading.read("ups", login, [label()]) == [Unreached("no route")]
    inside = Answer(messages=[Message("SHIPPING_SDK_INTERNAL_ERROR", "boom")])
    assert reading.read("ups", inside, [label()]) == [Unreached("boom")]


def test_each_parcel_of_a_batch_gets_its_own() -> None:
    one, two = "1ZA", "1ZB"
    said = Answer(
        exchanges=[
            *ups(OUT, number=two).exchanges,
            Exchange("GET", ups_url(one), 503, None, ""),
            Exchange("GET", ups_url("1ZC"), 404, None, "{}"),
        ]
    )
    first, second, third = reading.read("ups", said, [label(one), label(two), label("1ZC")])
    assert isinstance(first, Unreached)
    assert not isinstance(second, Unreached)
    assert [seen.state for seen in second] == [ParcelState.OUT_FOR_DELIVERY]
    assert third == ()


def test_of_several_packages_the_one_that_was_asked_for_counts() -> None:
    packages = [
        {"trackingNumber": "1ZOTHER", "activity": [{**OUT, "status": {"type": "D"}}]},
        {"trackingNumber": NUMBER, "activity": [OUT]},
    ]
    said = answer(ups_url(), {"trackResponse": {"shipment": [{"package": packages}]}})
    assert [seen.state for seen in sightings("ups", said)] == [ParcelState.OUT_FOR_DELIVERY]


def test_a_broken_event_costs_only_itself() -> None:
    broken: list[Any] = [
        None,
        7,
        {},
        {"status": None, "location": None},
        {**OUT, "gmtDate": None, "gmtTime": "x", "date": "never"},
        {**OUT, "location": [], "status": {"type": "I", "code": None, "description": None, "new": {}}},
    ]
    found = sightings("ups", ups(*broken, OUT))
    assert [seen.state for seen in found] == [ParcelState.IN_TRANSIT, ParcelState.OUT_FOR_DELIVERY]


DHL_URL = f"https://api-eu.dhl.com/track/shipments?trackingNumber={NUMBER}&language=en"


def dhl(**event: Any) -> Answer:
    place = {"address": {"addressLocality": "Bonn", "countryCode": "DE"}}
    return answer(DHL_URL, {"shipments": [{"id": NUMBER, "events": [{"location": place, **event}]}]})


def test_dhl() -> None:
    said = dhl(
        timestamp="2026-02-10T07:13:00", statusCode="pre-transit", status="DATA", description="Told us"
    )
    (seen,) = sightings("dhl_universal", said)
    assert seen == Sighting(
        1_770_703_980_000,  # 06:13 UTC
        ParcelState.BOOKED,
        "Told us",
        "Bonn, DE",
        "source=dhl_universal status=pre-transit time=zone-DE Told us",
    )
    said = dhl(timestamp="2026-02-10T07:13:00.123+03:00", statusCode="unknown", description="?")
    (seen,) = sightings("dhl_universal", said)
    assert (seen.at, seen.state) == (1_770_696_780_000, ParcelState.UNKNOWN)


def test_dhl_tells_a_status_without_events() -> None:
    status = {"timestamp": "2026-02-10T07:13:00Z", "statusCode": "delivered", "status": "Delivered"}
    said = answer(DHL_URL, {"shipments": [{"id": NUMBER, "status": status}]})
    assert [seen.state for seen in sightings("dhl_universal", said)] == [ParcelState.DELIVERED]
    problem = {"title": "No result found", "detail": "No shipment", "status": 404}
    assert sightings("dhl_universal", answer(DHL_URL, problem, 404)) == []


def test_fedex() -> None:
    scan = {
        "date": "2026-02-10T07:13:00-07:00",
        "eventType": "SE",
        "eventDescription": "Shipment exception",
        "exceptionCode": "A12",
        "exceptionDescription": "Severe weather",
        "scanLocation": {"city": "MEMPHIS", "stateOrProvinceCode": "TN", "countryCode": "US"},
    }
    track = {"trackingNumber": NUMBER, "trackResults": [{"scanEvents": [scan]}]}
    said = answer(
        "https://apis.fedex.com/track/v1/trackingnumbers", {"output": {"completeTrackResults": [track]}}
    )
    (seen,) = sightings("fedex", said)
    assert (seen.at, seen.state) == (1_770_732_780_000, ParcelState.DELAYED)
    assert seen.location == "MEMPHIS, TN, US"
    assert seen.raw.startswith("source=fedex event=SE exception=A12 time=exact Shipment exception - Severe")
    assert sightings("fedex", said, label("another")) == []


KARRIO = [
    {
        "tracking_number": NUMBER,
        "events": [
            {
                "date": "2026-02-10",
                "time": "07:13 AM",
                "timestamp": "2026-02-10T07:13:00.000Z",
                "code": "K7",
                "description": "Sorting",
                "status": "in_transit",
                "location": "Ankara, TR",
            }
        ],
    }
]


@pytest.mark.parametrize("carrier", ["dpd", "ups"])
def test_karrio_s_own_reading_is_the_last_resort(carrier: str) -> None:
    """For a carrier without tables, and for an answer in a shape that the tables do not know."""
    said = answer(ups_url(), {"quite": "new"}, result=KARRIO)
    (seen,) = sightings(carrier, said)
    assert (seen.state, seen.location) == (ParcelState.IN_TRANSIT, "Ankara, TR")
    assert seen.at == 1_770_696_780_000  # 04:13 UTC: what Karrio stamps as UTC is local time
    assert seen.raw == "source=karrio status=in_transit code=K7 time=zone-TR Sorting"


FIELDS = """
    trackResponse shipment package trackingNumber activity status location date time gmtDate gmtTime type
    shipments events timestamp statusCode output completeTrackResults trackResults scanEvents
"""
KEYS = st.sampled_from(FIELDS.split())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(body=JSON, carrier=st.sampled_from(["ups", "dhl_universal", "fedex", "dpd"]))
def test_nothing_that_comes_breaks_the_reader(body: Any, carrier: str) -> None:
    url = DHL_URL if carrier == "dhl_universal" else ups_url()
    (found,) = reading.read(carrier, answer(url, body, result=body), [label()])
    assert isinstance(found, Unreached) or all(isinstance(seen, Sighting) for seen in found)

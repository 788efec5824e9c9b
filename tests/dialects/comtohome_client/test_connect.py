"""A ComToHome account as a carrier, against a server that misbehaves in every way."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.dialects.comtohome_client.conftest import Account, Hours
from tests.dialects.comtohome_client.upstream import (
    CODE,
    KEY,
    MISSING,
    Asked,
    Cut,
    Mute,
    Raw,
    Scripted,
    What,
    bad,
    document,
    good,
    started,
)
from tests.parcel_cast import item, package, party, recipient, shipment

from ulak.core.consignments import LabelFormat, TrackingKind
from ulak.core.shipping import Booked, Booking, Declined, Quote, Ticket, Unreached
from ulak.dialects.comtohome.connect import PATIENCE

NOW = 1_779_274_991_000
BARCODE = "C2H00000000007"
BOOKING = Booking("account-7", BARCODE, shipment(), NOW)
FIND = f"/consignments/find/reference_no/{BARCODE}"
BOOKED = Booked((Ticket(CODE),), "70001")


# Booking: what goes out


async def test_a_booking_says_everything_the_server_wants(upstream: Scripted, account: Account) -> None:
    upstream.on("POST", "/consignments", started(CODE))
    wanted = shipment(
        sender=party(tax_number="1234567890"),
        recipient=recipient(country="DE", postal_code="01010"),
        packages=(
            package(
                weight=Decimal("2.50"),
                height=Decimal("15.0"),
                dangerous=True,
                items=(item(tariff_code="691200000000", unit_price=Decimal("0.1")),),
            ),
        ),
        method="EXPRESS",
        invoice_number="F-1",
        barcode="BROUGHT",
        wants_barcode=True,
    )
    assert await account(provider_id="7").book(Booking("account-7", BARCODE, wanted, NOW)) == BOOKED
    (asked,) = upstream.asked
    assert asked.headers["apikey"] == KEY
    assert asked.headers["x-idempotency-key"] == "account-7"
    assert asked.headers["content-type"] == "application/json"
    assert b'"weight":2.5,' in asked.body
    assert b'"height":15,' in asked.body
    assert asked.json == {
        "preference": 0,
        "provider_id": 7,
        "address_resolver_type": 0,
        "incoterms_type": 2,
        "invoice_number": "F-1",
        "reference_no": BARCODE,
        "specific_shipping_method": "EXPRESS",
        "generate_provider_barcode": True,
        "specific_provider_barcode": "BROUGHT",
        "consignor": {
            "name": "Kuzey Depo",
            "attention_name": "Şule Çağlar",
            "country": "TR",
            "state": "İzmir",
            "city": "Bornova",
            "postal_code": "35040",
            "address": "Liman Cd. 4",
            "phone_number": "+902320000000",
            "email": "depo@example.com",
            "tax_number": "1234567890",
        },
        "consignee": {
            "name": "Ece Su",
            "attention_name": "Ece Su",
            "country": "DE",
            "state": "Adana",
            "city": "Seyhan",
            "postal_code": "01010",
            "address": "Çınar Sk. 9",
            "phone_number": "+905550000000",
        },
        "packages": [
            {
                "package_type": 1,
                "post_type": 4,
                "quantity": 1,
                "weight": 2.5,
                "length": 15,
                "width": 15,
                "height": 15,
                "dangerous_goods": True,
                "items": [
                    {
                        "description": "Kupa",
                        "gtip": "691200000000",
                        "origin": "TR",
                        "currency_code": "TRY",
                        "quantity": 2,
                        "unit_price": 0.1,
                        "category": "Mutfak",
                    }
                ],
            }
        ],
    }


async def test_several_packages_go_by_their_own_door_with_their_own_codes(
    upstream: Scripted, account: Account
) -> None:
    upstream.on("POST", "/consignments/multi-package", started("A1", "B2"))
    wanted = shipment(packages=(package(barcode="A1"), package(barcode="B2")))
    booked = await account().book(Booking("k", BARCODE, wanted, NOW))
    brought = TrackingKind.BROUGHT_ALONG
    assert booked == Booked((Ticket("A1", brought), Ticket("B2", brought)), "70001")
    body = upstream.asked[0].json
    assert [each["specific_provider_barcode"] for each in body["packages"]] == ["A1", "B2"]
    assert "specific_provider_barcode" not in body
    assert "incoterms_type" not in body
    assert body["preference"] == 1
    assert "label_type" not in body


async def test_the_kind_of_label_is_passed_on(upstream: Scripted, account: Account) -> None:
    upstream.on("POST", "/consignments", started(CODE))
    wanted = shipment(label_format=LabelFormat.ZPL)
    assert await account().book(Booking("account-7", BARCODE, wanted, NOW)) == BOOKED
    assert upstream.asked[0].json["label_type"] == 1


# Booking: what comes back


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (bad("a: missing", "b: wrong"), Declined("a: missing; b: wrong")),
        (bad("Bakiye yetersiz", status=200), Declined("Bakiye yetersiz")),
        (bad("Unauthenticated.", status=401), Declined("Unauthenticated.")),
        (bad("the key was used for another request", status=409), "another request"),
        (Raw(404, b"<html>nginx</html>"), Unreached("HTTP 404 with a body that is no JSON")),
        (Raw(302, b"", {"Location": "http://elsewhere.example/"}), "HTTP 302"),
    ],
)
async def test_a_no_is_final(
    upstream: Scripted, account: Account, answer: Raw, outcome: Declined | Unreached | str
) -> None:
    upstream.on("POST", "/consignments", answer)
    found = await account().book(BOOKING)
    if isinstance(outcome, str):
        assert isinstance(found, Declined | Unreached)
        assert outcome in found.why
    else:
        assert found == outcome
    assert upstream.times("POST", "/consignments") == 1


@pytest.mark.parametrize(
    "answer",
    [
        Raw(200, b'{"status":true,"message":null,"data":{"consignm'),
        Raw(200, b"<html>please log in</html>"),
        Raw(200, b'{"status":true,"data":{"consignment":1}}', cut=10),
        Raw(500, b"oops"),
        Raw(502, b""),
        bad("Server Error", status=500),
        good(None),
        good({"consignment": 70001}),
        Cut(),
    ],
    ids=lambda answer: str(answer)[:50],
)
async def test_after_an_answer_that_says_nothing_the_server_is_asked_for_the_consignment(
    upstream: Scripted, account: Account, answer: What
) -> None:
    upstream.on("POST", "/consignments", answer)
    upstream.on("GET", FIND, document(1, CODE))
    assert await account().book(BOOKING) == BOOKED
    assert upstream.times("POST", "/consignments") == 1
    assert upstream.times("GET", FIND) == 1


async def test_an_answer_that_is_too_slow_is_looked_up_as_well(upstream: Scripted, account: Account) -> None:
    upstream.on("POST", "/consignments", Mute())
    upstream.on("GET", FIND, document(1, CODE))
    assert await account(timeout="0.1").book(BOOKING) == BOOKED


async def test_a_booking_that_was_cut_off_is_sent_again_with_the_same_key_and_booked_once(
    upstream: Scripted, account: Account
) -> None:
    booked: dict[str, Raw] = {}

    def take(asked: Asked) -> What:
        key = asked.headers["x-idempotency-key"]
        if key in booked:
            return booked[key]
        booked[key] = started(CODE)
        return Cut()

    upstream.on("POST", "/consignments", take)
    upstream.on("GET", FIND, MISSING)
    assert await account().book(BOOKING) == BOOKED
    assert list(booked) == ["account-7"]
    assert upstream.times("POST", "/consignments") == 2
    first, second = (asked for asked in upstream.asked if asked.method == "POST")
    assert first.body == second.body


async def test_a_carrier_behind_the_server_that_refused_is_a_refusal(
    upstream: Scripted, account: Account
) -> None:
    upstream.on("POST", "/consignments", bad("Adres yetersiz", status=502))
    upstream.on("GET", FIND, document(101))
    assert await account().book(BOOKING) == Declined("Adres yetersiz")


@pytest.mark.parametrize("found", [MISSING, document(130, CODE), document(100), document(1), good(None)])
async def test_without_a_booking_to_be_found_it_is_unreached_after_three_tries(
    upstream: Scripted, account: Account, hours: Hours, found: Raw
) -> None:
    upstream.on("POST", "/consignments", bad("Server Error", status=500))
    upstream.on("GET", FIND, found)
    assert await account().book(BOOKING) == Unreached("Server Error")
    assert upstream.times("POST", "/consignments") == 3
    assert hours.slept == [0.5, 2.0]


async def test_a_booking_without_a_code_is_still_one(upstream: Scripted, account: Account) -> None:
    upstream.on("POST", "/consignments", started(None))
    upstream.on("GET", FIND, document(1))
    booked = await account().book(BOOKING)
    assert booked == Booked((Ticket(None, TrackingKind.NONE),), "70001")


async def test_nobody_there_is_tried_again_and_not_looked_up(upstream: Scripted, account: Account) -> None:
    carrier = account()
    await upstream.close()
    found = await carrier.book(BOOKING)
    assert isinstance(found, Unreached)
    assert "127.0.0.1" in found.why
    assert upstream.asked == []
    await upstream.start()


async def test_what_is_in_flight_is_waited_for(upstream: Scripted, account: Account, hours: Hours) -> None:
    busy = bad("in progress", status=409, Retry_After="3")
    upstream.on("POST", "/consignments", busy, busy, started(CODE))
    assert await account().book(BOOKING) == BOOKED
    assert hours.slept == [3, 3]
    assert {asked.headers["x-idempotency-key"] for asked in upstream.asked} == {"account-7"}


async def test_what_is_in_flight_is_not_waited_for_for_ever(
    upstream: Scripted, account: Account, hours: Hours
) -> None:
    upstream.on("POST", "/consignments", bad("in progress", status=409, Retry_After="60"))
    assert await account().book(BOOKING) == Unreached("the server is still busy with the same request")
    assert hours.now - NOW <= PATIENCE


# Limits


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "7", "Retry_After": "9"}, 7),
        ({"Retry_After": "9"}, 9),
        ({}, 5),
        ({"X_RateLimit_Reset": "soon"}, 5),
    ],
)
async def test_after_too_many_requests_it_waits_as_long_as_it_is_told(
    upstream: Scripted, account: Account, hours: Hours, headers: dict[str, str], wait: int
) -> None:
    upstream.on("POST", "/consignments", bad("Too Many Attempts.", status=429, **headers), started(CODE))
    assert await account().book(BOOKING) == BOOKED
    assert hours.slept == [wait]


async def test_too_many_requests_are_not_repeated_for_ever(
    upstream: Scripted, account: Account, hours: Hours
) -> None:
    upstream.on("POST", "/consignments", bad("Too Many Attempts.", status=429, X_RateLimit_Reset="1"))
    assert await account().book(BOOKING) == Unreached("there were too many requests to the account")
    assert upstream.times("POST", "/consignments") == 5
    assert hours.slept == [1, 1, 1, 1]


async def test_a_wait_that_is_too_long_is_not_begun(
    upstream: Scripted, account: Account, hours: Hours
) -> None:
    upstream.on("POST", "/consignments", bad("Too Many Attempts.", status=429, Retry_After="3600"))
    found = await account().book(BOOKING)
    assert found == Unreached("the account's requests of this minute are used up")
    assert hours.slept == []


async def test_the_limit_is_learned_from_every_answer(
    upstream: Scripted, account: Account, hours: Hours
) -> None:
    """Somebody else uses the same key, so the server has less room than we have used."""
    upstream.on("POST", "/prices", _limited(2, "0"), _limited(0, "40"), _limited(9, "0"))
    carrier = account()
    for _ in range(3):
        assert await carrier.quote(shipment()) == Quote(1200)
    assert hours.slept == [40]


def _limited(left: int, reset: str) -> Raw:
    prices = [{"provider": 1, "total_cost": 12}]
    return good(prices, X_RateLimit_Limit="10", X_RateLimit_Remaining=str(left), X_RateLimit_Reset=reset)


# Prices


async def test_the_total_of_the_server_is_our_base(upstream: Scripted, account: Account) -> None:
    prices = [{"provider": {"id": 2}, "total_cost": 192}, {"provider": {"id": 3}, "total_cost": "120.96"}]
    upstream.on("POST", "/prices", good(prices))
    assert await account().quote(shipment()) == Quote(12096)
    assert await account(provider_id="2").quote(shipment()) == Quote(19200)
    assert "reference_no" not in upstream.asked[0].json


async def test_a_server_without_prices_is_priced_by_our_own_tariff(
    upstream: Scripted, account: Account, hours: Hours
) -> None:
    """A real account has none; it is asked again after an hour."""
    carrier = account(base="50", per_kilo="10.50")
    assert await carrier.quote(shipment()) == Quote(5000, 1050)
    assert await carrier.quote(shipment()) == Quote(5000, 1050)
    assert upstream.times("POST", "/prices") == 1
    hours.now += 60 * 60 * 1000
    upstream.on("POST", "/prices", Raw(405, b"no"))
    assert await carrier.quote(shipment()) == Quote(5000, 1050)
    assert upstream.times("POST", "/prices") == 2


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (bad("consignee.city: missing"), Declined("consignee.city: missing")),
        (good([]), Declined("no carrier of the account has a price for it")),
        (Raw(200, b"<html>"), Unreached("HTTP 200 with a body that is no JSON")),
        (bad("down", status=503), Unreached("down")),
    ],
)
async def test_no_price(
    upstream: Scripted, account: Account, answer: Raw, outcome: Declined | Unreached
) -> None:
    upstream.on("POST", "/prices", answer)
    assert await account().quote(shipment()) == outcome

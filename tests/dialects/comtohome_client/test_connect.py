"""A ComToHome account as a carrier, against a server that misbehaves in every way."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from tests.dialects.comtohome_client.conftest import Account, Hours
from tests.dialects.comtohome_client.upstream import (
    KEY,
    Asked,
    Cut,
    Mute,
    Raw,
    Scripted,
    What,
    bad,
    good,
)
from tests.parcel_cast import consignment, item, label, package, party, recipient, shipment

from ulak.core.consignments import TrackingKind
from ulak.core.shipping import Booked, Booking, Declined, File, Quote, Ticket, Unreached, Watched
from ulak.core.states import ParcelState
from ulak.dialects.comtohome.connect import PATIENCE, check_settings, probe

NOW = 1_779_274_991_000
BARCODE = "C2H00000000007"
CODE = "RR123456785TR"
BOOKING = Booking("account-7", BARCODE, shipment(), NOW)
FIND = f"/consignments/find/reference_no/{BARCODE}"
MISSING = bad("Consignment not found", status=404)


def labels(*codes: str | None, url: str = "http://parcels.example/label") -> list[dict[str, Any]]:
    return [
        {"id": place, "tracking_code": code, "file_url": url, "label_type": 0, "tracking_type": 2}
        for place, code in enumerate(codes)
    ]


def started(*codes: str | None) -> Raw:
    return good(
        {
            "consignment": 70001,
            "barcode": "C2H40516273849",
            "c2hBarcode": "C2H40516273849",
            "providerTrackingCode": codes[0],
            "labels": labels(*codes),
            "uuid": "0b7c2f1e-5a0d-4a57-9d55-3f2f6a1c9e10",
        }
    )


def document(status: int = 1, *codes: str, details: list[Any] | None = None, **over: Any) -> Raw:
    fields = {"id": 70001, "status": status, "labels": labels(*codes), "details": details or []}
    return good(fields | over)


def detail(status: int, minute: int = 0, **over: Any) -> dict[str, Any]:
    return {
        "status": status,
        "message": f"event {status}",
        "status_datetime": f"2026-05-20 14:{minute:02}:00",
        "location": None,
    } | over


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
    upstream.on("GET", DETAILS, _limited(2, "0"), _limited(0, "40"), _limited(9, "0"))
    carrier = account()
    for _ in range(3):
        await carrier.track([watched(1)], NOW)
    assert hours.slept == [40]


def _limited(left: int, reset: str) -> Raw:
    return good(
        {"id": 70001}, X_RateLimit_Limit="10", X_RateLimit_Remaining=str(left), X_RateLimit_Reset=reset
    )


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


# Labels

PDF = b"%PDF-1.4 a label \n%%EOF\n"
SENT = consignment(1, carrier_reference="70001", barcode=BARCODE, uuid="u-7", labels=[label(tracking=CODE)])
LABEL = SENT.labels[0]
DETAILS = "/consignments/70001/details"


@pytest.mark.parametrize(
    ("content", "mime"),
    [
        (PDF, "application/pdf"),
        (b"\x89PNG\r\n\x1a\n....IEND\xaeB`\x82", "image/png"),
        (b"\n^XA^FO50,50^FDHi^FS^XZ\n", "application/zpl"),
    ],
)
async def test_the_label_is_fetched_with_the_key_from_the_server_itself(
    upstream: Scripted, account: Account, content: bytes, mime: str
) -> None:
    path = "/public-download/consignment-label/9?_hash=a%2Bb%3D"
    url = upstream.url + "/api/v1" + path
    upstream.on("GET", DETAILS, document(1, labels=labels("OTHER", url="x") + labels(CODE, url=url)))
    upstream.on("GET", path.partition("?")[0], Raw(200, content))
    assert await account().label(SENT, LABEL) == File(content, mime)
    assert upstream.asked[-1].path == "/api/v1" + path
    assert upstream.asked[-1].headers["apikey"] == KEY


async def test_another_host_is_not_shown_the_key_and_must_be_public(
    upstream: Scripted, account: Account
) -> None:
    other = Scripted()
    await other.start()
    other.on("GET", "/label", Raw(200, PDF))
    upstream.on("GET", DETAILS, document(1, labels=labels(CODE, url=other.url + "/api/v1/label")))
    assert isinstance(await account().label(SENT, LABEL), Unreached)
    assert other.asked == []
    await other.close()


@pytest.mark.parametrize(
    "answer",
    [
        Raw(200, b"<html>not found</html>"),
        Raw(200, b""),
        Raw(200, PDF[:12]),
        Raw(200, PDF, cut=12),
        Raw(200, PDF + b" " * 2 * 1024 * 1024),
        Raw(404, PDF),
        Raw(410, b'{"status":false,"errors":[{"message":"gone"}]}'),
        Cut(),
    ],
    ids=lambda answer: str(answer)[:40],
)
async def test_a_file_that_is_no_whole_label_is_not_kept(
    upstream: Scripted, account: Account, answer: What
) -> None:
    url = upstream.url + "/api/v1/label?_hash=secret"
    upstream.on("GET", DETAILS, document(1, labels=labels(CODE, url=url)))
    upstream.on("GET", "/label", answer)
    found = await account().label(SENT, LABEL)
    assert isinstance(found, Unreached)
    assert "secret" not in found.why


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (document(1), None),
        (document(1, labels=labels(CODE, url="")), None),
        (MISSING, Unreached("the server does not know it")),
        (bad("Unauthenticated.", status=401), Unreached("Unauthenticated.")),
        (Raw(200, b"{"), Unreached("HTTP 200 with a body that is no JSON")),
        (document(1, labels=labels(CODE, url="file:///etc/passwd")), "must be"),
    ],
)
async def test_a_consignment_without_a_file(
    upstream: Scripted, account: Account, answer: Raw, outcome: Unreached | str | None
) -> None:
    upstream.on("GET", DETAILS, answer)
    found = await account().label(SENT, LABEL)
    if isinstance(outcome, str):
        assert isinstance(found, Unreached)
        assert outcome in found.why
    else:
        assert found == outcome


# Cancelling

CANCEL = "/consignments/70001/cancel"


async def test_a_cancellation_goes_by_the_servers_id(upstream: Scripted, account: Account) -> None:
    upstream.on("POST", CANCEL, good({"consignment": 70001}))
    assert await account().cancel(SENT) is None
    assert upstream.asked[0].headers["x-idempotency-key"] == "cancel-u-7"


async def test_without_its_id_a_consignment_is_cancelled_by_what_we_call_it(
    upstream: Scripted, account: Account
) -> None:
    upstream.on("POST", f"/consignments/{BARCODE}/cancel", good({"consignment": 70001}))
    assert await account().cancel(consignment(1, barcode=BARCODE)) is None


@pytest.mark.parametrize(
    ("answer", "found", "outcome"),
    [
        (bad("Konsinye iptal edilemedi", status=409), document(130, CODE), None),
        (
            bad("Consignment cancel failed: Shipment already in transit", status=409),
            document(111, CODE),
            Declined("Shipment already in transit"),
        ),
        (MISSING, MISSING, Declined("Consignment not found")),
        (bad("no", status=200), Raw(500, b""), Declined("no")),
        (Raw(500, b"oops"), document(130, CODE), None),
        (Raw(500, b"oops"), document(1, CODE), Unreached("HTTP 500 with a body that is no JSON")),
        (Cut(), document(1, CODE), Unreached("the connection was closed before an answer came")),
    ],
)
async def test_a_cancellation_that_was_not_done_is_looked_up(
    upstream: Scripted, account: Account, answer: What, found: Raw, outcome: Declined | Unreached | None
) -> None:
    upstream.on("POST", CANCEL, answer)
    upstream.on("GET", DETAILS, found)
    assert await account().cancel(SENT) == outcome


# Tracking


def watched(number: int, code: str = CODE, reference: str = "70001") -> Watched:
    return Watched(number, code, reference, NOW, "TR")


async def test_what_was_seen_comes_back_without_what_the_booking_said(
    upstream: Scripted, account: Account
) -> None:
    details = [detail(1, 3), detail(110, 5), detail(99, 6), detail(120, 9, location="Adana")]
    upstream.on("GET", DETAILS, document(120, CODE, details=details))
    (found,) = await account().track([watched(1)], NOW)
    assert not isinstance(found, Unreached)
    assert [(seen.state, seen.text, seen.location, (seen.at - NOW) // 60_000) for seen in found] == [
        (ParcelState.PICKED_UP, "event 110", None, 1),
        (ParcelState.UNKNOWN, "event 99", None, 2),
        (ParcelState.DELIVERED, "event 120", "Adana", 5),
    ]


async def test_without_the_servers_id_it_is_found_by_its_code(upstream: Scripted, account: Account) -> None:
    code = "AB/12 ü"
    upstream.on(
        "GET",
        "/consignments/find/trackingCode/AB%2F12%20%C3%BC",
        document(111, code, details=[detail(111)]),
    )
    ((seen,),) = await account().track([watched(1, code, "")], NOW)  # type: ignore[misc]
    assert seen.state is ParcelState.IN_TRANSIT


async def test_each_label_has_its_own_answer(upstream: Scripted, account: Account) -> None:
    upstream.on("GET", "/consignments/1/details", document(111, "A", details=[detail(111)]))
    upstream.on("GET", "/consignments/2/details", MISSING)
    upstream.on("GET", "/consignments/3/details", bad("Unauthenticated.", status=401))
    upstream.on("GET", "/consignments/4/details", Raw(200, b"{]"))
    found = await account().track([watched(n, str(n), str(n)) for n in (3, 2, 1, 4)], NOW)
    assert found[0] == Unreached("Unauthenticated.")
    assert found[1] == ()
    assert not isinstance(found[2], Unreached)
    assert [seen.state for seen in found[2]] == [ParcelState.IN_TRANSIT]
    assert found[3] == Unreached("HTTP 200 with a body that is no JSON")


async def test_packages_of_one_consignment_end_together(upstream: Scripted, account: Account) -> None:
    """Nobody says which of them the first delivery is about."""
    both, details = [watched(1, "A"), watched(2, "B")], [detail(111, 1), detail(120, 2)]
    carrier = account()

    async def states() -> list[list[ParcelState]]:
        found = await carrier.track(both, NOW)
        return [[seen.state for seen in each] for each in found if not isinstance(each, Unreached)]

    upstream.on("GET", DETAILS, document(111, "A", "B", details=details))
    assert await states() == [[ParcelState.IN_TRANSIT], []]
    assert upstream.times("GET", DETAILS) == 1
    upstream.on("GET", DETAILS, document(120, "A", "B", details=[*details, detail(120, 7)]))
    delivered = [ParcelState.DELIVERED] * 2
    assert await states() == [[ParcelState.IN_TRANSIT, *delivered], delivered]


async def test_a_look_is_repeated_when_the_server_is_away(
    upstream: Scripted, account: Account, hours: Hours
) -> None:
    upstream.on(
        "GET", DETAILS, Raw(503, b""), bad("down", status=502), document(111, CODE, details=[detail(111)])
    )
    (found,) = await account().track([watched(1)], NOW)
    assert not isinstance(found, Unreached)
    assert len(found) == 1
    assert hours.slept == [0.5, 2.0]


async def test_at_most_four_requests_run_at_a_time(upstream: Scripted, account: Account) -> None:
    many = [watched(number, reference=str(number)) for number in range(40)]
    for number in range(40):
        upstream.on("GET", f"/consignments/{number}/details", document(1, str(number)))
    assert await account().track(many, NOW) == [[]] * 40
    assert 1 < upstream.most_at_once <= 4


# Settings and the try


def test_settings_spell_an_account() -> None:
    to = check_settings({"url": "https://parcels.example/", "apikey": KEY, "prefix": "", "priority": "1"})
    assert (to.url, to.preference, to.provider_id) == ("https://parcels.example/api/v1", 1, None)
    same = check_settings({"url": "https://parcels.example/api/v1", "apikey": KEY, "provider_id": "7"})
    assert (same.url, same.preference, same.provider_id) == (to.url, 0, 7)
    assert KEY not in repr(same)


GOOD = {"url": "http://localhost:8025", "apikey": KEY}


@pytest.mark.parametrize(
    ("over", "sentence"),
    [
        ({"urll": "x"}, "no setting 'urll'"),
        ({"url": ""}, "needs the setting url"),
        ({"apikey": ""}, "needs the setting apikey"),
        ({"apikey": "two words"}, "apikey must be"),
        ({"apikey": "a\r\nHost: x"}, "apikey must be"),
        ({"url": "ftp://parcels.example"}, "url must be like"),
        ({"url": "parcels.example"}, "url must be like"),
        ({"url": "http://parcels.example:99999"}, "url must be like"),
        ({"url": "http://[::1"}, "url must be like"),
        ({"url": "https://parcels.example/?key=1"}, "url must be like"),
        ({"url": "https://me:pass@parcels.example"}, "no user and no password"),
        ({"preference": "2"}, "preference must be 0"),
        ({"preference": "0"}, "goes together with provider_id"),
        ({"preference": "1", "provider_id": "7"}, "goes together with provider_id"),
        ({"provider_id": "Ptt"}, "provider_id must be the number"),
        ({"timeout": "0"}, "timeout must be"),
        ({"timeout": "nan"}, "timeout must be"),
        ({"base": "1.234"}, "base"),
        ({"hook_secret": "short"}, "hook_secret must be"),
        ({"hook_secret": "with/a/slash/in/it"}, "hook_secret must be"),
        ({"hook_key": "whsec_" + "A" * 32}, "it is missing"),
        ({"hook_secret": "x" * 20, "hook_key": "whsec_short"}, "hook_key must be"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_a_sentence(over: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)) as refused:
        check_settings(GOOD | over)
    for secret in ("apikey", "hook_secret", "hook_key"):
        assert not over.get(secret) or over[secret] not in str(refused.value)


async def test_trying_an_account_says_what_is_there(upstream: Scripted) -> None:
    upstream.on("GET", "/consignments", good([], meta={"page": 1, "limit": 1, "total": "42"}))
    words = {"url": upstream.url, "apikey": KEY}
    assert await probe(words) == "the account answers; it has 42 consignments"
    assert upstream.asked[0].path.endswith("/consignments?limit=1")
    upstream.on("GET", "/consignments", bad("Unauthenticated.", status=401))
    with pytest.raises(OSError, match="Unauthenticated"):
        await probe(words)
    upstream.on("GET", "/consignments", Cut())
    with pytest.raises(OSError, match="closed"):
        await probe(words)

"""What cannot be said with a case: troubles, nudges, files, what was saved and what is offered."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.dialects.comtohome.bodies import DOMESTIC
from tests.dialects.comtohome.office import (
    BASE,
    Away,
    Office,
    envelope,
    form,
    header,
    messages,
    opened,
    rates,
)
from tests.dialects.comtohome.samples import KEPT, another
from tests.service.parcel_carriers import ToldCarrier

from ulak.core.consignments import SavedAs
from ulak.core.shipping import Abilities, Quote, Sighting, Unreached
from ulak.core.states import ParcelState
from ulak.dialects.door import Call, Trouble
from ulak.store import parties, special_services

MINUTE = 60_000
FIND = "/consignments/find/trackingCode/1Z999AA10123456784"


@pytest.mark.parametrize(
    ("what", "status", "text"),
    [
        (Trouble.BODY_TOO_LARGE, 413, "The request is too large"),
        (Trouble.BODY_INCOMPLETE, 400, "The request's body cannot be read"),
        (Trouble.OVERLOADED, 503, "The service is not available now, please try again"),
        (Trouble.CRASHED, 500, "Something went wrong"),
    ],
)
async def test_trouble(lite: Any, what: Trouble, status: int, text: str) -> None:
    office = Office(lite)
    call = Call("POST", BASE + "/consignments", b"", ((b"accept-language", b"en"),), b"", "192.0.2.7")
    reply = office.doors.trouble(call, what)
    assert (reply.status, messages(envelope(reply))) == (status, [text])
    assert rates(reply) == ["300", "300", "0"]
    assert header(reply, "Retry-After") == ("1" if what is Trouble.OVERLOADED else None)


async def test_a_database_that_is_away() -> None:
    office = Office(Away())
    for path in (FIND, "/consignments", "/providers"):
        reply = await office.call(path, key="any")
        assert (reply.status, header(reply, "Retry-After")) == (503, "1")
        assert messages(envelope(reply)) == ["Hizmet şu anda kullanılamıyor, lütfen tekrar deneyin"]


# Parcels of which nothing was heard for long.


async def test_stale_parcels_are_told_of_once_a_minute(lite: Any) -> None:
    office, customer = await opened(lite)
    fresh = lite.clock.now - 10 * MINUTE
    for number, state, looked in [
        (1, ParcelState.IN_TRANSIT, fresh),
        (2, ParcelState.IN_TRANSIT, fresh - 1),
        (3, ParcelState.DELIVERED, None),
        (4, ParcelState.DRAFT, None),
        (5, ParcelState.BOOKED, None),
    ]:
        await office.load(another(number, customer.id, state=state, looked=looked))
    for _ in range(2):
        for number in range(1, 6):
            await office.ask(customer, f"/consignments/find/trackingCode/TRK{number:09}")
    assert office.nudged == [700_002, 700_005]
    lite.clock.advance(MINUTE)
    await office.ask(customer, "/consignments/700002/details")
    assert office.nudged == [700_002, 700_005, 700_002]


# Documents.


async def test_four_mebibytes_and_no_byte_more(lite: Any) -> None:
    """Specification 4.8: at most 4 × 1024 × 1024 bytes."""
    office, customer = await opened(lite)
    kind, body = form({"document_file:a.pdf": "%PDF-", "document_type": "1", "status": "0"})
    for extra, status in ((0, 200), (1, 413)):
        whole = body.replace(b"%PDF-", b"%PDF-" + b"\n" * (4 * 1024 * 1024 - 5 + extra))
        reply = await office.call(
            "/consignment-documents",
            whole,
            key=customer.key,
            headers={"content-type": kind, "accept-language": "en"},
        )
        assert reply.status == status
        answer = envelope(reply)
    assert messages(answer) == ["document_file: must be at most 4 MB"]


async def test_the_paper_that_cannot_be_made(lite: Any) -> None:
    office, customer = await opened(lite)
    office.printer.trouble = "packages.0.items.0.gtip: is needed for this form"
    answer = await office.ask(customer, "/consignments/632280/cn23", method="POST", status=422)
    assert messages(answer) == [office.printer.trouble]
    assert (await office.ask(customer, "/consignments/632280/documents"))["data"] == []


# What was saved, and what is offered.


async def test_saved_parties_and_extra_services(books: Any) -> None:
    office, customer = await opened(books)
    other = await office.customer("other")

    def save(tx: Any) -> tuple[int, int, int]:
        return (
            parties.insert(tx, customer.id, SavedAs.WAREHOUSE, KEPT),
            parties.insert(tx, customer.id, SavedAs.RECIPIENT, KEPT),
            special_services.insert(tx, "Sigorta", 1000),
        )

    warehouse, recipient, service = await books.write(save)
    body = {name: DOMESTIC[name] for name in ("preference", "packages")}
    body |= {"warehouse_id": warehouse, "consignee_id": recipient, "special_services": [service]}
    refused = await office.ask(other, "/consignments", body, status=422)
    assert messages(refused) == [
        "warehouse_id: does not exist",
        "consignee_id: does not exist",
        "consignor: is required",
        "consignee: is required",
    ]
    made = await office.ask(customer, "/consignments", body)
    shown = (await office.ask(customer, f"/consignments/{made['data']['consignment']}/details"))["data"]
    assert shown["consignor"]["name"] == shown["consignee"]["name"] == KEPT.name
    assert (shown["warehouse_id"], shown["consignee_id"]) == (warehouse, recipient)
    assert shown["special_services"] == [{"id": service, "name": "Sigorta", "fee": 10}]
    assert (shown["special_service_fee"], shown["total_cost"]) == (10, Decimal("132.96"))
    offered = await office.ask(other, "/special-services")
    assert offered["data"] == [{"id": service, "name": "Sigorta", "fee": 10, "currency_code": "TRY"}]


async def test_the_customer_picks_a_carrier_or_the_cheapest_is_taken(lite: Any) -> None:
    office, customer = await opened(lite)
    dear = await office.has_carrier(
        "Dear", ToldCarrier(price=Quote(50_000), abilities=Abilities(tracking=False))
    )
    await office.has_carrier("Cheap", ToldCarrier(price=Quote(100), abilities=Abilities(domestic=False)))
    prices = await office.ask(customer, "/prices", DOMESTIC)
    assert [row["provider"]["name"] for row in prices["data"]] == ["Ptt", "Dear"]
    listed = (await office.ask(customer, "/providers"))["data"]
    assert [(row["name"], row["domestic"], row["tracking"]) for row in listed] == [
        ("Ptt", True, True),
        ("Dear", True, False),
        ("Cheap", False, True),
    ]
    own = await office.ask(customer, "/consignments", DOMESTIC | {"preference": 0, "provider_id": str(dear)})
    best = await office.ask(customer, "/consignments", DOMESTIC)
    for made, name in ((own, "Dear"), (best, "Ptt")):
        found = await office.ask(customer, f"/consignments/{made['data']['consignment']}/details")
        assert found["data"]["provider"]["name"] == name


async def test_news_of_a_recheck(books: Any) -> None:
    office, customer = await opened(books)
    at = books.clock.now - 5 * MINUTE
    office.carrier.news = {
        "1Z999AA10123456784": [Sighting(at, ParcelState.OUT_FOR_DELIVERY, "Dağıtımda", "Nilüfer", "OFD")]
    }
    shown = (await office.ask(customer, "/consignments/632280/recheck", method="POST"))["data"]
    assert (shown["status"], shown["status_message"]) == (114, "Dağıtımda")
    assert shown["details"][-1]["location"] == "Nilüfer"
    found = (await office.ask(customer, FIND))["data"]
    assert found == shown
    row = (await office.ask(customer, "/consignments"))["data"][0]
    assert row == {key: shown[key] for key in row}, "the list says the same"
    events = await office.ask(customer, "/consignments/632280/events?limit=1&page=2")
    assert events["data"][0]["statusDatetime"] == "2026-05-20T13:58:11+03:00"
    assert events["data"][0]["createdAt"] == "2026-05-20T14:03:11+03:00"
    assert events["meta"] == {"page": 2, "limit": 1, "total": 2}
    office.carrier.news = {"1Z999AA10123456784": Unreached("timeout")}
    refused = await office.ask(customer, "/consignments/632280/recheck", method="POST", status=502)
    assert messages(refused) == ["timeout"]


async def test_pages_are_newest_first_and_whole(lite: Any) -> None:
    office, customer = await opened(lite)
    for number in range(1, 13):
        await office.load(another(number, customer.id))
    pages = [await office.ask(customer, f"/consignments?page={page}&limit=5") for page in (1, 2, 3, 4)]
    ids = [row["id"] for page in pages for row in page["data"]]
    assert ids == [*range(700_012, 700_000, -1), 632280]
    assert all(page["meta"]["total"] == 13 for page in pages)
    assert all(len(row) == 17 for page in pages for row in page["data"])

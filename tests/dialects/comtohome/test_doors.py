"""What cannot be said with a case: limits, labels, files, nudges, and bodies that nobody would send."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dialects.comtohome.bodies import DOMESTIC, DRAFT, SEVERAL
from tests.dialects.comtohome.office import (
    BASE,
    BOUNDARY,
    PDF,
    PNG,
    URL,
    Customer,
    Office,
    envelope,
    form,
    header,
    messages,
)
from tests.dialects.comtohome.samples import KEPT, another, of_the_page
from tests.service.parcel_carriers import ToldCarrier

from ulak.core.consignments import LabelFormat, SavedAs
from ulak.core.errors import StoreUnavailable
from ulak.core.shipping import Abilities, File, Quote, Sighting, Unreached
from ulak.core.states import ParcelState
from ulak.dialects.comtohome.shown import Show
from ulak.dialects.door import Call, Reply, Trouble
from ulak.service import accounts
from ulak.store import accounts as account_store
from ulak.store import labels, parties, special_services
from ulak.store.books import Books
from ulak.store.engine import Database
from ulak.wiring import GROUP_KINDS

MINUTE = 60_000
FIND = "/consignments/find/trackingCode/1Z999AA10123456784"


async def opened(books: Any, **options: Any) -> tuple[Office, Customer]:
    """An office with a customer, a carrier and the consignment of the vendor's page."""
    office = Office(books, **options)
    customer = await office.customer("owner")
    await office.has_carrier()
    await office.load(of_the_page(customer.id))
    return office, customer


def rates(reply: Reply) -> list[str | None]:
    """The three headers."""
    return [header(reply, f"X-RateLimit-{name}") for name in ("Limit", "Remaining", "Reset")]


# How often.


async def test_301_requests_in_a_minute_on_16_connections(lite: Any) -> None:
    office, customer = await opened(lite)
    turns = asyncio.Semaphore(16)

    async def one() -> Reply:
        async with turns:
            return await office.call(FIND, key=customer.key)

    replies = await asyncio.gather(*[one() for _ in range(301)])
    refused = [reply for reply in replies if reply.status != 200]
    assert [reply.status for reply in refused] == [429]
    assert messages(envelope(refused[0])) == ["Too Many Attempts."]
    assert rates(refused[0]) == ["300", "0", "60"]
    assert header(refused[0], "Retry-After") == "60"
    taken = sorted(
        int(header(reply, "X-RateLimit-Remaining") or "") for reply in replies if reply.status == 200
    )
    assert taken == list(range(300))


async def test_the_window_slides(lite: Any) -> None:
    office, customer = await opened(lite, limit=2)
    other = await office.customer("other")
    assert (await office.call(FIND, key=customer.key)).status == 200
    lite.clock.advance(20_000)
    assert (await office.call("/consignments/5/details", key=customer.key)).status == 404
    lite.clock.advance(20_500)
    refused = await office.call(FIND, key=customer.key)
    assert (refused.status, rates(refused)) == (429, ["2", "0", "20"])
    assert (await office.call(FIND, key=other.key)).status == 404, "each key has its own"
    posted = await office.call("/consignments", b"{", key=customer.key)
    assert posted.status == 429, "before the body is looked at"
    lite.clock.advance(19_500)
    assert rates(await office.call(FIND, key=customer.key)) == ["2", "0", "0"]


async def test_an_account_with_two_keys_has_two_windows(lite: Any) -> None:
    office, customer = await opened(lite, limit=1)
    digest, nothing = accounts.digest("second"), accounts.digest("")
    await lite.write(lambda tx: account_store.add_credential(tx, customer.id, "comtohome", digest, nothing))
    for key in (customer.key, "second"):
        assert (await office.call(FIND, key=key)).status == 200
        assert (await office.call(FIND, key=key)).status == 429


async def test_strangers_do_not_count(lite: Any) -> None:
    office, customer = await opened(lite, limit=1)
    for _ in range(3):
        assert (await office.call(FIND, key="wrong")).status == 401
        assert (await office.call("/nothing", key=customer.key)).status == 404
        assert (await office.call(FIND, method="POST", key=customer.key)).status == 405
    assert (await office.call(FIND, key=customer.key)).status == 200


# What is said when there is no answer.


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


class Away:
    """Books that cannot be opened."""

    def __getattr__(self, name: str) -> Any:
        async def away(_work: Any) -> Any:
            raise StoreUnavailable("away")

        return away


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


# Labels.


async def address_of(office: Office, customer: Customer) -> str:
    """Where the label of the vendor's page is."""
    found = await office.ask(customer, FIND)
    address: str = found["data"]["labels"][0]["file_url"]
    return address.removeprefix(URL)


async def test_a_label_is_made_once_and_kept(books: Any) -> None:
    office, customer = await opened(books)
    address = await address_of(office, customer)
    replies = [await office.call(address, whole=True) for _ in range(2)]
    assert office.printer.labels == 1
    for reply in replies:
        assert (reply.status, reply.body, reply.content_type) == (200, PDF + b"149546", b"application/pdf")
        assert header(reply, "Content-Disposition") == 'inline; filename="label_GejlkH.pdf"'
        assert header(reply, "Cache-Control") == "private, max-age=300"
        assert header(reply, "X-Content-Type-Options") == "nosniff"
        assert rates(reply) == ["300", "300", "0"]


async def test_whoever_makes_a_label_first_decides_its_bytes(lite: Any) -> None:
    office, customer = await opened(lite)
    address = await address_of(office, customer)
    await lite.write(lambda tx: labels.keep_file(tx, 149546, File(b"first", "image/png")))
    reply = await office.call(address, whole=True)
    assert (reply.body, reply.content_type) == (b"first", b"image/png")


async def test_a_carriers_own_label(lite: Any) -> None:
    office, customer = await opened(lite)
    address = await address_of(office, customer)
    office.carrier.file = File(b"^XA^XZ", "application/zpl")
    reply = await office.call(address, whole=True)
    assert (reply.body, reply.content_type, office.printer.labels) == (b"^XA^XZ", b"application/zpl", 0)


async def test_a_carrier_that_does_not_answer_for_its_label(lite: Any) -> None:
    class Silent(ToldCarrier):
        async def label(self, *_: Any) -> Unreached:
            return Unreached("timeout")

    office, customer = await opened(lite)
    office.ways[1] = Silent()
    reply = await office.call(await address_of(office, customer), whole=True)
    assert (reply.status, header(reply, "Retry-After")) == (503, "1")


async def test_a_wrong_seal_is_no_label(lite: Any) -> None:
    office, customer = await opened(lite)
    address = await address_of(office, customer)
    path, _, seal = address.partition("?_hash=")
    other = Show(lambda: URL, b"x").seal(of_the_page().labels[0])
    wrong = [
        path,
        f"{path}?_hash=",
        f"{path}?hash={seal}",
        f"{path}?_hash={seal[:-3]}",
        f"{path}?_hash={quote(other)}",
    ]
    wrong += [address.replace("149546", "149547"), f"{path}x?_hash={seal}", f"{path}?_hash=%ff%00"]
    for one in wrong:
        reply = await office.call(one, whole=True)
        assert (reply.status, messages(envelope(reply))) == (404, ["Etiket bulunamadı"]), one
    plain = await office.call(f"{path}?x=1&_hash={seal.replace('%2B', '+')}", whole=True)
    assert plain.status == 200, "a plus sign that somebody decoded"


async def test_a_label_of_what_was_cancelled_is_gone(books: Any) -> None:
    office, customer = await opened(books)
    address = await address_of(office, customer)
    assert (await office.call(address, whole=True)).status == 200
    await office.ask(customer, "/consignments/632280/cancel", method="POST")
    gone = await office.call(address, whole=True, headers={"accept-language": "en"})
    assert (gone.status, messages(envelope(gone))) == (410, ["The label is no longer valid"])
    wrong = await office.call(address + "x", whole=True)
    assert wrong.status == 404, "only who knows the address learns that it is gone"


async def test_a_revoked_label_is_gone(lite: Any) -> None:
    office = Office(lite)
    customer = await office.customer("owner")
    made = of_the_page(customer.id)
    made.labels[0] = made.labels[0]._replace(revoked=1, format=LabelFormat.ZPL)
    await office.load(made)
    assert (await office.call(await address_of(office, customer), whole=True)).status == 410


async def test_logos(lite: Any) -> None:
    office = Office(lite)
    for _ in range(2):
        reply = await office.call("/uploads/provider_logos/yurtici-kargo.png", whole=True)
        assert (reply.status, reply.body, reply.content_type) == (200, PNG + b"yurtici-kargo", b"image/png")
    assert office.drawn == ["yurtici-kargo"], "drawn once"
    for name in ("x.gif", "..%2f.png", "A.png", ".png", "a" * 81 + ".png"):
        assert (await office.call(f"/uploads/provider_logos/{name}", whole=True)).status == 404


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


# At the same time.


async def test_one_key_and_many_callers(books: Any) -> None:
    office, customer = await opened(books, limit=1000)
    body = json.dumps(DOMESTIC).encode()

    async def one() -> Reply:
        return await office.call(
            "/consignments", body, key=customer.key, headers={"X-Idempotency-Key": "same"}
        )

    replies = await asyncio.gather(*[one() for _ in range(40)])
    bodies = {reply.body for reply in replies if reply.status == 200}
    assert len(bodies) == 1
    assert {reply.status for reply in replies} <= {200, 409}
    assert all(header(reply, "Retry-After") == "1" for reply in replies if reply.status == 409)
    assert sum(header(reply, "X-Idempotency-Replayed") == "false" for reply in replies) == 1
    assert (await one()).body in bodies
    assert (await office.ask(customer, "/consignments"))["meta"]["total"] == 2


async def test_a_key_whose_request_is_under_way(lite: Any) -> None:
    office, customer = await opened(lite)
    office.carrier.open.clear()
    keyed = {"X-Idempotency-Key": "k", "Accept-Language": "en"}
    body = json.dumps(DOMESTIC).encode()
    first = asyncio.create_task(office.call("/consignments", body, key=customer.key, headers=keyed))
    await office.carrier.arrived.wait()
    second = await office.call("/consignments", body, key=customer.key, headers=keyed)
    assert (second.status, header(second, "Retry-After")) == (409, "1")
    assert messages(envelope(second)) == ["A request with this X-Idempotency-Key is still being processed"]
    found = (await office.ask(customer, "/consignments/find/reference_no/SO-1001"))["data"]
    assert (found["status"], found["status_message"]) == (100, "Waiting to be sent to provider")
    refused = await office.ask(customer, f"/consignments/{found['id']}/cancel", method="POST", status=409)
    assert messages(refused) == ["Consignment cancel failed: Shipment is being processed"]
    office.carrier.open.set()
    assert (await first).status == 200


async def test_two_changes_of_a_draft_at_once(books: Any) -> None:
    office, customer = await opened(books)
    draft = (await office.ask(customer, "/consignments/draft", DRAFT))["data"]
    changes = [{"reference_no": "A"}, {"invoice_number": "B"}, {"consignee": {"city": "Kozan"}}]
    path = f"/consignments/draft/{draft['id']}"
    await asyncio.gather(*[office.ask(customer, path, change, method="PUT") for change in changes])
    after = (await office.ask(customer, path, {}, method="PUT"))["data"]
    assert (after["reference_no"], after["invoice_number"]) == ("A", "B")
    assert after["consignee"] == draft["consignee"] | {"city": "Kozan"}
    assert (await office.stored(draft["id"])).shipment.recipient.city == "Kozan"


async def test_changes_of_a_draft_that_do_not_go_together(lite: Any) -> None:
    office, customer = await opened(lite)
    kept = await lite.write(lambda tx: parties.insert(tx, customer.id, SavedAs.WAREHOUSE, KEPT))
    draft = (await office.ask(customer, "/consignments/draft", DRAFT | {"warehouse_id": kept}))["data"]
    path = f"/consignments/draft/{draft['id']}"
    replies = await asyncio.gather(
        *[
            office.call(path, json.dumps({name: None}).encode(), method="PUT", key=customer.key)
            for name in ("consignor", "warehouse_id")
        ]
    )
    assert sorted(reply.status for reply in replies) == [200, 422]
    refused = next(reply for reply in replies if reply.status == 422)
    assert messages(envelope(refused)) == ["consignor: zorunlu alan"]
    # What was written is whole: one of the two is left.
    after = (await office.ask(customer, path, {}, method="PUT"))["data"]
    assert (after["consignor"] is None) is not (after["warehouse_id"] is None)


async def test_an_account_whose_access_was_taken(lite: Any) -> None:
    office, customer = await opened(lite)
    await office.ask(customer, "/consignments/draft", DRAFT)
    await lite.write(lambda tx: accounts.set_access(tx, "owner", on=False))
    for method, path, body in [
        ("POST", "/consignments", DOMESTIC),
        ("POST", "/consignments/draft", DRAFT),
        ("POST", "/consignments/632280/cancel", None),
    ]:
        await office.ask(customer, path, body, method=method, status=401)


# Whatever is sent.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*DOMESTIC, *DRAFT["consignor"], *DOMESTIC["packages"][0], "x"]), inner
        )
    ),
    max_leaves=12,
)
POSTED = [
    ("POST", "/consignments"),
    ("POST", "/consignments/multi-package"),
    ("POST", "/consignments/draft"),
    ("PUT", "/consignments/draft/DRAFT"),
    ("POST", "/consignments/draft/DRAFT/start-process"),
    ("POST", "/consignments/632280/cancel"),
    ("POST", "/consignment-documents"),
    ("POST", "/consignments/632280/proforma"),
    ("POST", "/consignments/632280/send-to-provider"),
    ("POST", "/prices"),
]


@st.composite
def spoiled_bodies(draw: st.DrawFn) -> bytes:
    """Bytes, JSON, and complete bodies in which one thing is something else."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=60))
    body: Any = json.loads(json.dumps(draw(st.sampled_from([DOMESTIC, SEVERAL, DRAFT]))))
    spot = body
    while True:
        key = draw(st.sampled_from(sorted(spot))) if isinstance(spot, dict) else 0
        if not isinstance(spot[key], dict | list) or draw(st.integers(0, 3)) == 0:
            break
        spot = spot[key]
    spot[key] = draw(JSON)
    return json.dumps(body).encode()


HEADERS = st.dictionaries(
    st.sampled_from(["x-idempotency-key", "content-type"]),
    st.sampled_from(["k", "", f"multipart/form-data; boundary={BOUNDARY}"]),
)


def test_anything_gets_the_envelope(sqlite_database: Database) -> None:
    async def open_books() -> tuple[Books, Office, Customer, int]:
        books = Books(sqlite_database, GROUP_KINDS)
        office, customer = await opened(books, limit=10**9)
        made = await office.ask(customer, "/consignments/draft", DRAFT)
        return books, office, customer, made["data"]["id"]

    with asyncio.Runner() as runner:
        books, office, customer, draft_id = runner.run(open_books())

        async def send(body: bytes, headers: dict[str, str]) -> None:
            for method, path in POSTED:
                path = path.replace("DRAFT", str(draft_id))
                reply = await office.call(path, body, method=method, key=customer.key, headers=headers)
                assert reply.status < 500, (path, body, envelope(reply))

        @settings(max_examples=40, deadline=None)
        @given(spoiled_bodies(), HEADERS)
        def check(body: bytes, headers: dict[str, str]) -> None:
            runner.run(send(body, headers))

        try:
            check()
        finally:
            runner.run(books.close())

"""What happens at the same time, or in between."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.dialects.comtohome.bodies import DOMESTIC, DRAFT
from tests.dialects.comtohome.office import (
    envelope,
    form,
    header,
    messages,
    opened,
)
from tests.dialects.comtohome.samples import KEPT

from ulak.core.consignments import SavedAs
from ulak.dialects.door import Reply
from ulak.service import accounts
from ulak.store import parties

pytestmark = pytest.mark.fault(
    "F12 idempotency key", "over HTTP: many callers at once, other content, access that is taken in between"
)


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


class Interrupted:
    """Books whose account loses its access just before something is written."""

    def __init__(self, books: Any) -> None:
        self.read = books.read
        self.clock = books.clock
        self.done = False
        self._books = books

    async def write(self, change: Any) -> Any:
        if self.done:
            await self._books.write(lambda tx: accounts.set_access(tx, "owner", on=False))
        return await self._books.write(change)


async def test_access_that_is_taken_in_between(lite: Any) -> None:
    """Strangers change nothing, also not those who became strangers a moment ago."""
    books = Interrupted(lite)
    office, customer = await opened(books)
    draft = (await office.ask(customer, "/consignments/draft", DRAFT))["data"]["id"]
    kind, upload = form({"document_file:a.pdf": "%PDF-1.4", "document_type": "1", "status": "0"})
    calls = [
        ("POST", "/consignments/draft", json.dumps(DRAFT).encode()),
        ("PUT", f"/consignments/draft/{draft}", b"{}"),
        ("DELETE", f"/consignments/draft/{draft}", b""),
        ("POST", "/consignments/632280/cancel", b""),
        ("POST", "/consignments/632280/cn22", b""),
        ("POST", "/consignment-documents", upload),
    ]
    for method, path, body in calls:
        books.done = True
        reply = await office.call(path, body, method=method, key=customer.key, headers={"content-type": kind})
        assert (reply.status, messages(envelope(reply))) == (401, ["Unauthenticated."]), path
        books.done = False
        await lite.write(lambda tx: accounts.set_access(tx, "owner", on=True))
    assert [row["status"] for row in (await office.ask(customer, "/consignments"))["data"]] == [24, 1]
    assert (await office.ask(customer, "/consignments/632280/documents"))["data"] == []


async def test_the_longest_key(lite: Any) -> None:
    office, customer = await opened(lite)
    for length, status in ((1, 200), (255, 200), (256, 422)):
        await office.ask(
            customer, "/consignments/draft", DRAFT, status=status, headers={"X-Idempotency-Key": "~" * length}
        )

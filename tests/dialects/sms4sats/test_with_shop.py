"""The doors over the shop itself, with a node and a source that do as they are told."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest
from tests.dialects.sms4sats.office import Office
from tests.service.shop_rig import Rig

from ulak.core.callbacks import EventRow
from ulak.core.events import EventKind
from ulak.core.purchases import MINUTE, Sold, Tariff
from ulak.dialects.sms4sats import texts
from ulak.dialects.sms4sats.callbacks import RENDERER
from ulak.service import accounts
from ulak.store import accounts as account_store
from ulak.store.engine import Tx

SECOND = 1000
CODE = {"country": 22, "service": "tg"}


class Trade:
    """A customer of a shop."""

    def __init__(self, books: Any) -> None:
        self.rig = Rig(books, books.database.directory)
        # Prices are shown here and asked for there, so both are the same.
        self.office = Office(books, shop=self.rig.shop, prices=self.rig.shop._prices)

    async def create(self, path: str = "/createorder", body: Any = CODE, **other: Any) -> Sold:
        """A new order."""
        answer = await self.office.ask(path, body, **other)
        assert list(answer) == ["status", "orderId", "payreq"]
        return Sold(answer["orderId"], answer["payreq"])

    async def paid(self, path: str = "/createorder", body: Any = CODE, **other: Any) -> str:
        """A new order that is paid; its id."""
        sold = await self.create(path, body, **other)
        assert await self.rig.pay(sold)
        return sold.public_id

    async def keys(self, order_id: str) -> str:
        """Which fields an order shows."""
        return " ".join(await self.office.status(order_id))


@pytest.fixture
def trade(audited: Any) -> Trade:
    return Trade(audited)


async def test_an_order_from_its_invoice_to_its_code(trade: Trade) -> None:
    sold = await trade.create()
    assert await trade.office.status(sold.public_id) == {"status": "OK", "paid": False}
    assert await trade.rig.pay(sold)
    assert await trade.keys(sold.public_id) == "status paid timestamp"
    await trade.rig.work()
    waiting = await trade.office.status(sold.public_id)
    assert list(waiting) == ["status", "paid", "id", "number", "timestamp", "country", "service"]
    assert (waiting["country"], waiting["service"]) == ("India", "Telegram")
    purchase = trade.rig.of(sold)
    trade.rig.source.send(purchase.id, "Telegram code 48010", code="48010")
    await trade.rig.after(5 * SECOND, step=SECOND)
    done = await trade.office.status(sold.public_id)
    assert done == waiting | {"code": 48010, "timestamp": done["timestamp"]}
    assert done["timestamp"] > waiting["timestamp"]
    refused = await trade.office.call(f"/cancelorder?orderId={sold.public_id}")
    assert (refused.status, json.loads(refused.body)["reason"]) == (409, "order already completed")


async def test_what_is_told_is_what_is_shown(trade: Trade) -> None:
    sold = await trade.create(body=CODE | {"webhookUrl": "https://example.org/hook"})
    assert await trade.rig.pay(sold)
    await trade.rig.work()
    waiting = await trade.office.status(sold.public_id)
    trade.rig.source.send(trade.rig.of(sold).id, "Telegram code 48010", code="048010")
    await trade.rig.after(5 * SECOND, step=SECOND)
    done = await trade.office.status(sold.public_id)
    purchase = trade.rig.of(sold)
    told = [
        json.loads(RENDERER.render(EventRow(n, 1, EventKind.PURCHASE_CHANGED, purchase.id, data, 0)).body)
        for n, data in enumerate(trade.rig.told(purchase))
    ]
    assert told[-2:] == [seen | {"orderId": sold.public_id} for seen in (waiting, done)]
    assert done["code"] == "048010"


async def test_cancelling_before_and_after_two_minutes(trade: Trade) -> None:
    order_id = await trade.paid()
    await trade.rig.work()
    trade.rig.books.clock.advance(30 * SECOND)
    early = await trade.office.call(f"/cancelorder?orderId={order_id}")
    assert early.status == 409
    assert json.loads(early.body) == {"status": "error", "reason": "too early to cancel", "retryAfter": 90}
    await trade.rig.after(2 * MINUTE)
    for _ in range(2):
        assert await trade.office.ask(f"/cancelorder?orderId={order_id}") == {"status": "OK"}
    assert (await trade.office.status(order_id))["error"] == texts.CANCELLED
    assert await trade.keys(order_id) == "status paid timestamp error"


async def test_cancelling_while_there_is_no_number(trade: Trade) -> None:
    order_id = await trade.paid()
    assert await trade.office.ask("/cancelorder", {"orderId": order_id}) == {"status": "OK"}
    assert await trade.keys(order_id) == "status paid timestamp error"
    unpaid = (await trade.create()).public_id
    assert await trade.office.ask(f"/cancelorder?orderId={unpaid}") == {"status": "OK"}
    assert await trade.office.status(unpaid) == {"status": "OK", "paid": False, "error": texts.WITHDRAWN}
    unknown = await trade.office.call(f"/cancelorder?orderId={'0' * 64}")
    assert (unknown.status, json.loads(unknown.body)["reason"]) == (404, "order not found")
    await trade.rig.work()


async def test_nobody_has_a_number(trade: Trade) -> None:
    order_id = await trade.paid()
    trade.rig.source.left = 0
    await trade.rig.after(2 * MINUTE, step=10 * SECOND)
    assert await trade.office.status(order_id) == {"status": "OK", "paid": True, "error": texts.NO_NUMBER}
    trade.rig.monotonic += 60
    sold_out = await trade.office.call("/createorder", CODE)
    assert (sold_out.status, json.loads(sold_out.body)["reason"]) == (409, "no numbers available")
    assert await trade.office.ask("/getnumbersstatus?country=22") == []


async def test_services_that_are_not_listed(trade: Trade) -> None:
    reply = await trade.office.call("/createorder", {"country": 22, "service": "magic"})
    assert json.loads(reply.body)["reason"] == "invalid service"
    trade.rig.source.tries_unlisted = True
    sold = await trade.create(body={"country": 22, "service": "Magic"})
    assert trade.rig.of(sold).service == "magic"


async def test_what_was_shown_is_what_is_paid(trade: Trade) -> None:
    shown = await trade.office.ask("/price?country=in&service=telegram")
    await trade.office.set_price(Tariff.RECEIVE, 9999)
    await trade.office.set_price(Tariff.HANDSET, 8888)
    await trade.office.set_price(Tariff.SEND, 7777)
    assert trade.rig.of(await trade.create()).price == shown["computed"]["price"] == 1500
    handset = await trade.create(body=CODE | {"realphone": True})
    assert trade.rig.of(handset).price == int(shown["s4s"])
    message = {"message": "Merhaba", "phone": "+905301112233"}
    assert trade.rig.of(await trade.create("/createsendorder", message)).price == shown["send"]
    other = await trade.create(address="192.0.2.99")
    assert trade.rig.of(other).price == 9999
    trade.rig.books.clock.advance(5 * MINUTE)
    assert trade.rig.of(await trade.create()).price == 9999


async def test_a_rental_costs_what_its_list_says(trade: Trade) -> None:
    await trade.office.set_price(Tariff.RENT, 21000, 22)
    (listed,) = await trade.office.ask("/getRentalCountries")
    assert listed == {"cc": 22, "country": "India", "duration": "2", "price": 21000}
    sold = await trade.create(body={"country": listed["cc"], "isRental": True})
    purchase = trade.rig.of(sold)
    assert (purchase.price, purchase.weeks, purchase.service) == (21000, 2, "full")
    assert await trade.rig.pay(sold)
    await trade.rig.work()
    keys = "status paid id number timestamp country service rental expiresAt messages"
    assert await trade.keys(sold.public_id) == keys
    trade.rig.source.send(purchase.id, "Kod 0042", sender="Bank", code="0042")
    await trade.rig.after(5 * SECOND, step=SECOND)
    shown = await trade.office.status(sold.public_id)
    assert shown["code"] == "0042"
    assert [one["text"] for one in shown["messages"]] == ["Kod 0042"]


async def test_a_message_is_created(trade: Trade) -> None:
    body = {"message": "Merhaba", "phone": "+905301112233"}
    order_id = await trade.paid("/createsendorder", body)
    shown = await trade.office.status(order_id)
    assert list(shown) == ["status", "paid", "id", "smsStatus", "timestamp"]
    assert shown["smsStatus"] == "created"
    final = await trade.office.call(f"/cancelorder?orderId={order_id}")
    assert (final.status, json.loads(final.body)["reason"]) == (409, "order cannot be canceled")


async def test_a_prepaid_account(trade: Trade) -> None:
    def create(tx: Tx) -> str:
        account_id = accounts.create(tx, "alice").account.id
        key = accounts.digest("")
        account_store.add_credential(tx, account_id, "sms4sats", accounts.digest("a-key"), key)
        return "a-key"

    key = trade.rig.write(create)
    order = CODE | {"immediate": True}
    reply = await trade.office.call("/createorder", order, key=key)
    assert (reply.status, json.loads(reply.body)["reason"]) == (402, "insufficient balance")
    order_id = await trade.paid("/fund", {"amount": 5000}, key=key)
    await trade.rig.work()
    assert await trade.keys(order_id) == "status paid timestamp"
    history = await trade.office.ask("/history", key=key)
    (row,) = history["orders"]
    assert (history["totalAmount"], row["amount"], row["price"], row["userId"]) == (5000, 5000, 5000, key)
    assert hashlib.sha256(bytes.fromhex(row["preimage"])).hexdigest() == row["preimageHash"]
    assert row["holdinvoice"] is True
    paid = await trade.create(body=order, key=key)
    assert paid.payreq == "paid"
    assert await trade.keys(paid.public_id) == "status paid timestamp"
    assert await trade.office.ask("/balance", key=key) == {"status": "OK", "balance": 3500}
    assert await trade.office.ask(f"/cancelorder?orderId={paid.public_id}") == {"status": "OK"}
    await trade.rig.work()
    assert await trade.office.ask("/balance", key=key) == {"status": "OK", "balance": 5000}
    assert (await trade.office.ask("/history", key=key))["totalAmount"] == 5000


async def test_without_a_node_nothing_can_be_paid(trade: Trade) -> None:
    trade.rig.node.down()
    for path, body in (
        ("/createorder", CODE),
        ("/createsendorder", {"message": "x", "phone": "905301112233"}),
    ):
        reply = await trade.office.call(path, body)
        assert (reply.status, json.loads(reply.body)["reason"]) == (500, "backend error")
    trade.rig.node.up()
    await trade.rig.after(2 * MINUTE)


def test_events_hold_what_is_rendered() -> None:
    """The data of an event are read strictly: a field that is missing there would be missed here."""
    with pytest.raises(msgspec.ValidationError):
        RENDERER.render(EventRow(1, 1, EventKind.PURCHASE_CHANGED, 1, b"{}", 0))

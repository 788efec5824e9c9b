"""The examples of the vendor's own pages: given the orders they tell of, their requests get their answers.

The files in seeds/ are the examples' own text. The orders are sent at the time and under the number that the
examples show. Answers are compared as texts after white space between tokens is removed: keys in their order,
numbers as they are written.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.dialects.iletimerkezi.office import Customer, Office, compact

from ulak.core.ports import ReportState
from ulak.core.times import ISTANBUL
from ulak.store import accounts

SEEDS = Path(__file__).parent / "seeds"

ENDS = {111: ReportState.DELIVERED}
ANY_NUMBER = [{"number": "+905333128320", "status": 111}]
"""The recipients of an order that an example tells nothing about."""


def seed(name: str) -> str:
    return (SEEDS / f"{name}.json").read_text("utf-8")


def response(name: str) -> Any:
    return json.loads(seed(name))["response"]


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ISTANBUL).timestamp() * 1000)


async def vendor(books: Any) -> tuple[Office, Customer]:
    office = Office(books)
    return office, await office.customer("vendor", credit=100, senders=["eMarka Test"])


async def send(office: Office, customer: Customer, order: dict[str, Any]) -> None:
    """Send an order of an example, and let it have the end that the example shows."""
    office.books.clock.now = moment(order["submitAt"])
    number = int(order["id"])
    await office.books.write(lambda tx: accounts.set_next_numbers(tx, [(customer.id, number, 1)]))
    rows = order.get("message", ANY_NUMBER)
    message = {"text": f"Metin {number}", "receipents": {"number": [row["number"] for row in rows]}}
    placed = await office.ask(customer, "send-sms", order={"sender": order["sender"], "message": message})
    assert placed["order"]["id"] == str(number)
    await office.report(customer, number, {place: ENDS[row["status"]] for place, row in enumerate(rows)})


async def asked(office: Office, customer: Customer, operation: str, request: str) -> str:
    body = request.replace("API_KEY", customer.key).replace("API_HASH", customer.hash)
    reply = await office.call(f"/v1/{operation}/json", body.encode())
    assert reply.status == 200
    return reply.body.decode()


async def test_get_report(books: Any) -> None:
    office, customer = await vendor(books)
    await send(office, customer, response("get-report.response")["order"])
    answer = await asked(office, customer, "get-report", seed("get-report.request"))
    assert answer == compact(seed("get-report.response"))


async def test_get_reports(books: Any) -> None:
    office, customer = await vendor(books)
    for order in response("get-reports.response")["orders"]:
        await send(office, customer, order)
    # The example's second order is of the day after its own range: a slip, so that day is asked for too.
    request = seed("get-reports.request").replace("2026-04-29", "2026-04-30")
    answer = await asked(office, customer, "get-reports", request)
    assert answer == compact(seed("get-reports.response"))


async def test_get_reports_of_days_without_orders(books: Any) -> None:
    office, customer = await vendor(books)
    answer = await asked(office, customer, "get-reports", seed("get-reports.request"))
    assert answer == compact(seed("get-reports.empty"))


async def test_get_reports_past_the_last_page(books: Any) -> None:
    office, customer = await vendor(books)
    [order] = response("get-reports.response")["orders"][:1]
    for place in range(response("get-reports.past-the-end")["count"]):
        await send(office, customer, order | {"id": order["id"] + place})
    request = seed("get-reports.request").replace('"page": 1', '"page": 2')
    answer = await asked(office, customer, "get-reports", request)
    assert answer == compact(seed("get-reports.past-the-end"))


async def test_cancel_order(books: Any) -> None:
    office, customer = await vendor(books)
    message = {"text": "Merhaba", "receipents": {"number": "5301234567"}}
    order = {"sender": "eMarka Test", "sendDateTime": "25/05/2026 09:30", "message": message}
    placed = await office.ask(customer, "send-sms", order=order)
    request = seed("cancel-order.request").replace("312891245", placed["order"]["id"])
    answer = await asked(office, customer, "cancel-order", request)
    assert answer == compact(seed("cancel-order.response"))

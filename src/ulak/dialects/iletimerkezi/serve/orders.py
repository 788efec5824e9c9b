"""Orders: send-sms, cancel-order, get-report, get-reports."""

from __future__ import annotations

from typing import Any

from ulak.core.accounts import Account
from ulak.core.errors import Refusal
from ulak.core.orders import OrderDraft, OrderReport, OrderSummary, Placed, Throttled
from ulak.core.points import point
from ulak.core.times import to_local_text
from ulak.dialects.iletimerkezi import fields, forms, wire
from ulak.dialects.iletimerkezi.codes import MESSAGE_CODES, ORDER_CODES, Code
from ulak.dialects.iletimerkezi.drafts import DIALECT, draft_of
from ulak.dialects.iletimerkezi.jsonbody import Fields
from ulak.dialects.iletimerkezi.serve.visit import DONE, OK, Answer, Later, Visit, credential
from ulak.service import orders
from ulak.service.guard import Attempt

LIST_ROWS = 30
"""Orders on a page of get-reports: undocumented, and what every SDK of the vendor counts with."""


async def send_sms(visit: Visit) -> Answer:
    """Place an order."""
    who, draft = await visit.parsed(_order_in)
    attempt = visit.attempt(who)
    if not isinstance(attempt, Attempt):
        return attempt
    point("order.parsed")
    submission = orders.Submission(*credential(who), visit.call.address, draft)
    placed: Placed | Refusal | Throttled = await visit.books.gather(orders.PLACE, submission)
    point("order.placed")
    if placed is Refusal.UNAUTHENTICATED:
        return await visit.wrong(attempt)
    visit.right(attempt, placed)
    if isinstance(placed, Throttled):
        return Later(placed.wait)
    if isinstance(placed, Refusal):
        return placed
    return wire.OrderTaken(OK, wire.OrderName(str(placed.number)))


async def cancel_order(visit: Visit) -> Answer:
    """Cancel a scheduled order."""
    request = await visit.parsed(forms.cancel_order)
    number = fields.order_number(request.order.id)

    def change(tx: Any, account: Account) -> Refusal | Code | wire.Plain:
        if number is None:
            return Code.NO_SUCH_ORDER
        return orders.cancel(tx, account.id, number) or DONE

    if number is None:
        return await visit.asked(request.authentication, change)
    answer = await visit.changed(request.authentication, change)
    point("order.cancelled")
    return answer


async def get_report(visit: Visit) -> Answer:
    """One order, with a page of its recipients."""
    request = await visit.parsed(forms.get_report)
    number = fields.order_number(request.order.id)
    page = fields.page_number(request.order.page)
    rows = fields.rows_wanted(request.order.rowCount)

    def question(tx: Any, account: Account) -> wire.ReportAnswer | Refusal | Code:
        if page is None:
            return Code.BAD_PAGE
        if number is None:
            return Code.NO_SUCH_ORDER
        found = orders.report(tx, account.id, number, (page - 1) * rows, rows)
        return _report(found, account) if isinstance(found, OrderReport) else found

    return await visit.asked(request.authentication, question)


async def get_reports(visit: Visit) -> Answer:
    """A list of orders, by days."""
    request = await visit.parsed(forms.get_reports)
    page = fields.page_number(request.filter.page)
    days = fields.day_range(request.filter.start, request.filter.end)

    def question(tx: Any, account: Account) -> tuple[int, list[OrderSummary]] | Code:
        if page is None:
            return Code.BAD_PAGE
        if days is None:
            return Code.BAD_RANGE
        return orders.listing(tx, account.id, DIALECT, *days, (page - 1) * LIST_ROWS, LIST_ROWS)

    found = await visit.asked(request.authentication, question)
    return _reports(*found) if isinstance(found, tuple) else found


def _order_in(request: Fields) -> tuple[wire.Authentication, OrderDraft]:
    asked = forms.send_sms(request)
    return asked.authentication, draft_of(asked.order)


def _report(found: OrderReport, account: Account) -> wire.ReportAnswer:
    order = found.order
    rows = [wire.ReportRow(row.shown, MESSAGE_CODES[row.state]) for row in found.messages]
    report = wire.Report(
        id=order.number if account.setting("report_order_id") == "int" else str(order.number),
        status=ORDER_CODES[order.state],
        total=order.total,
        delivered=order.delivered,
        undelivered=order.undelivered,
        waiting=order.waiting,
        submitAt=to_local_text(order.submitted),
        sendAt=to_local_text(order.due),
        sender=order.sender,
        price=order.price,
        message=rows,
    )
    return wire.ReportAnswer(OK, report)


def _reports(count: int, page: list[OrderSummary]) -> wire.ReportsAnswer:
    return wire.ReportsAnswer(OK, count, [_summary(order) for order in page])


def _summary(order: OrderSummary) -> wire.Summary:
    return wire.Summary(
        id=order.number,
        status=ORDER_CODES[order.state],
        total=order.total,
        delivered=order.delivered,
        undelivered=order.undelivered,
        waiting=order.waiting,
        submitAt=to_local_text(order.submitted),
        sendAt=to_local_text(order.due),
        sender=order.sender,
    )

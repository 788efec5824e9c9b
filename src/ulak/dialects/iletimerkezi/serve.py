"""The doors: each operation is parse, authenticate, work, render."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

import msgspec

from ulak.core.accounts import Account
from ulak.core.errors import Refusal, StoreUnavailable
from ulak.core.orders import OrderDraft, OrderReport, OrderSummary, Placed
from ulak.core.times import to_local_text
from ulak.dialects.door import Books, Call, Reply, Trouble
from ulak.dialects.iletimerkezi import fields, forms, wire
from ulak.dialects.iletimerkezi.codes import MESSAGE_CODES, ORDER_CODES, REFUSALS, TEXTS, Code
from ulak.dialects.iletimerkezi.drafts import DIALECT, draft_of
from ulak.dialects.iletimerkezi.jsonbody import BadRequest
from ulak.service import credits, orders
from ulak.service.accounts import authenticate
from ulak.store.accounts import senders

Result = TypeVar("Result")

LIST_ROWS = 30
"""Orders on a page of get-reports: undocumented, and what every SDK of the vendor counts with."""

_BIG_BODY = 64 * 1024
_RETRY_AFTER = ((b"retry-after", b"1"),)
_OK = wire.Status(Code.OK, TEXTS[Code.OK])
_DONE = Reply(200, wire.dump_response(wire.Plain(_OK)))

_TROUBLES = {
    Trouble.BODY_TOO_LARGE: Code.UNREADABLE,
    Trouble.BODY_INCOMPLETE: Code.UNREADABLE,
    Trouble.OVERLOADED: Code.UNAVAILABLE,
    Trouble.CRASHED: Code.CRASHED,
}


class Doors:
    """Answers everything under the dialect's prefix. `unit_price` is what one SMS is worth in TRY."""

    def __init__(self, books: Books, *, unit_price: Decimal = Decimal(0)) -> None:
        self._books = books
        self._unit_price = unit_price
        self._operations: dict[str, Callable[[Call], Awaitable[Reply]]] = {
            "/v1/send-sms/json": self._send_sms,
            "/v1/cancel-order/json": self._cancel_order,
            "/v1/get-report/json": self._get_report,
            "/v1/get-reports/json": self._get_reports,
            "/v1/get-report-summary/json": self._get_reports,
            "/v1/get-balance/json": self._get_balance,
            "/v1/get-sender/json": self._get_sender,
        }

    async def answer(self, call: Call) -> Reply:
        """Carry out a call. The path alone chooses the operation and the format, never the content type."""
        operation = self._operations.get(call.path.removesuffix("/"))
        if operation is None or call.method != "POST":
            return _error(call, Code.NO_SUCH_METHOD)
        try:
            return await operation(call)
        except BadRequest:
            return _error(call, Code.UNREADABLE)
        except StoreUnavailable:
            return _error(call, Code.UNAVAILABLE)

    def trouble(self, call: Call, what: Trouble) -> Reply:
        """The envelope for a call that could not be carried out."""
        return _error(call, _TROUBLES[what])

    async def _send_sms(self, call: Call) -> Reply:
        who, draft = await _parsed(call, _order_in)
        if not _credible(who):
            return _error(call, Code.UNAUTHENTICATED)
        submission = orders.Submission(DIALECT, who.key, who.hash, call.address, draft)
        placed: Placed | Refusal = await self._books.gather(orders.PLACE, submission)
        if isinstance(placed, Refusal):
            return _error(call, placed)
        return _reply(wire.OrderTaken(_OK, wire.OrderName(str(placed.number))))

    async def _cancel_order(self, call: Call) -> Reply:
        request = await _parsed(call, forms.cancel_order)
        number = fields.order_number(request.order.id)
        # Asked before the writer is: strangers shall not keep it busy.
        account = await self._asked(call, request.authentication, lambda _tx, account: account)
        if not isinstance(account, Account):
            return _error(call, account)
        if number is None:
            return _error(call, Code.NO_SUCH_ORDER)
        who = request.authentication

        def change(tx: Any) -> Refusal | None:
            # Once more: access may have been taken away in between.
            owner = authenticate(tx, DIALECT, who.key, who.hash, call.address)
            return Refusal.UNAUTHENTICATED if owner is None else orders.cancel(tx, owner.id, number)

        refusal = await self._books.write(change)
        return _DONE if refusal is None else _error(call, refusal)

    async def _get_report(self, call: Call) -> Reply:
        request = await _parsed(call, forms.get_report)
        number = fields.order_number(request.order.id)
        page = fields.page_number(request.order.page)
        rows = fields.rows_wanted(request.order.rowCount)

        def question(tx: Any, account: Account) -> OrderReport | Refusal | Code:
            if page is None:
                return Code.BAD_PAGE
            if number is None:
                return Code.NO_SUCH_ORDER
            return orders.report(tx, account.id, number, (page - 1) * rows, rows)

        found = await self._asked(call, request.authentication, question)
        return _reply(_report(found)) if isinstance(found, OrderReport) else _error(call, found)

    async def _get_reports(self, call: Call) -> Reply:
        request = await _parsed(call, forms.get_reports)
        page = fields.page_number(request.filter.page)
        days = fields.day_range(request.filter.start, request.filter.end)

        def question(tx: Any, account: Account) -> tuple[int, list[OrderSummary]] | Code:
            if page is None:
                return Code.BAD_PAGE
            if days is None:
                return Code.BAD_RANGE
            return orders.listing(tx, account.id, DIALECT, *days, (page - 1) * LIST_ROWS, LIST_ROWS)

        found = await self._asked(call, request.authentication, question)
        return _reply(_reports(*found)) if isinstance(found, tuple) else _error(call, found)

    async def _get_balance(self, call: Call) -> Reply:
        request = await _parsed(call, forms.get_account)
        found = await self._asked(
            call, request.authentication, lambda tx, account: credits.available(tx, account.id)
        )
        if isinstance(found, (Refusal, Code)):
            return _error(call, found)
        return _reply(wire.BalanceAnswer(_OK, wire.Balance(_money(self._unit_price * found), found)))

    async def _get_sender(self, call: Call) -> Reply:
        request = await _parsed(call, forms.get_account)
        found = await self._asked(call, request.authentication, lambda tx, account: senders(tx, account.id))
        if isinstance(found, (Refusal, Code)):
            return _error(call, found)
        return _reply(wire.SendersAnswer(_OK, wire.Senders(found)))

    async def _asked(
        self,
        call: Call,
        who: wire.Authentication,
        question: Callable[[Any, Account], Result | Refusal | Code],
    ) -> Result | Refusal | Code:
        """Who is it, and what does the store say: one transaction, one change of threads."""
        if not _credible(who):
            return Code.UNAUTHENTICATED

        def ask(tx: Any) -> Result | Refusal | Code:
            account = authenticate(tx, DIALECT, who.key, who.hash, call.address)
            return Code.UNAUTHENTICATED if account is None else question(tx, account)

        return await self._books.read(ask)


async def _parsed(call: Call, read: Callable[[bytes], Result]) -> Result:
    """Read the body, a big one on another thread so that the event loop stays free."""
    if len(call.body) > _BIG_BODY:
        return await asyncio.to_thread(read, call.body)
    return read(call.body)


def _order_in(body: bytes) -> tuple[wire.Authentication, OrderDraft]:
    request = forms.send_sms(body)
    return request.authentication, draft_of(request.order)


def _credible(who: wire.Authentication) -> bool:
    """Whether it is worth asking the store."""
    return bool(who.key and who.hash)


def _report(found: OrderReport) -> wire.ReportAnswer:
    order = found.order
    rows = [wire.ReportRow(row.shown, MESSAGE_CODES[row.state]) for row in found.messages]
    report = wire.Report(
        id=str(order.number),
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
    return wire.ReportAnswer(_OK, report)


def _reports(count: int, page: list[OrderSummary]) -> wire.ReportsAnswer:
    return wire.ReportsAnswer(_OK, count, [_summary(order) for order in page])


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


def _money(amount: Decimal) -> int | Decimal:
    """At most four decimals, as the vendor's XML has them, and none that is not needed."""
    shown = amount.quantize(Decimal("0.0001")).normalize()
    return int(shown) if shown == shown.to_integral_value() else shown


def _reply(answer: msgspec.Struct) -> Reply:
    return Reply(Code.OK.value, wire.dump_response(answer))


def _error(call: Call, why: Refusal | Code) -> Reply:
    code = REFUSALS[why] if isinstance(why, Refusal) else why
    return _envelope(code, call.path.rstrip("/").endswith("/json"))


@cache
def _envelope(code: Code, as_json: bool) -> Reply:
    status = wire.Status(code, TEXTS[code])
    headers = _RETRY_AFTER if code is Code.UNAVAILABLE else ()
    if as_json:
        return Reply(code.value, wire.dump_response(wire.Plain(status)), headers=headers)
    return Reply(code.value, wire.dump_xml_status(status), b"text/xml; charset=utf-8", headers)

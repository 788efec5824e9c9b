"""What an account sent, as get-reports and get-report tell it: every spelling that was seen becomes one.

Numbers may be texts, one object may stand where a list belongs, and what an older service leaves out is
taken from what the list of orders said. Codes decide, never texts.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec

from ulak.core import phone
from ulak.core.errors import UlakError
from ulak.core.history import PAGE_ROWS, PastMessage, PastOrder, PastPage
from ulak.core.times import parse_second

_WHOLE = re.compile(r"[0-9]{1,18}")
_AMOUNT = re.compile(r"[0-9]{1,15}(?:[.,][0-9]{1,9})?")
_COUNT_END = 2**31
_CODE_END = 2**15
_SHOWN_MAX = 64


def _decimal(text: str) -> Decimal | None:
    """A number with a fraction: it must not become a float on its way. None for one that nothing can hold."""
    try:
        return Decimal(text)
    except ArithmeticError:
        return None


_decode = msgspec.json.Decoder(float_hook=_decimal).decode


class Unreadable(UlakError):
    """What came back is no answer of this API; the text says where."""


def read(body: bytes) -> dict[str, Any]:
    """The object under `response`; empty when there is none, as in the error page of a proxy."""
    try:
        found = _decode(body)
    except (ValueError, RecursionError):
        return {}
    response = found.get("response") if isinstance(found, dict) else None
    return response if isinstance(response, dict) else {}


def code_of(response: dict[str, Any], status: int) -> int:
    """The code of an answer: its own, or the HTTP status where it has none."""
    told = response.get("status")
    code = whole(told.get("code")) if isinstance(told, dict) else None
    return status if code is None else code


def orders_in(response: dict[str, Any]) -> tuple[int, list[PastOrder]]:
    """A page of get-reports: how many orders there are in all, 0 if it is not told, and those of the page."""
    if "orders" not in response:
        raise Unreadable("a list of orders came back without the orders; is the address right?")
    return whole(response.get("count")) or 0, [_order(row, None) for row in _rows(response["orders"])]


def report_in(response: dict[str, Any], listed: PastOrder) -> PastPage:
    """A page of get-report, about an order that a list has told of."""
    order = response.get("order")
    if not isinstance(order, dict):
        raise Unreadable(f"the report of order {listed.number} came back without the order")
    rows = _rows(order.get("message"))
    if len(rows) > PAGE_ROWS:
        raise Unreadable(f"the report of order {listed.number} has more than {PAGE_ROWS} messages on a page")
    return PastPage(_order(order, listed), [_message(row) for row in rows])


def whole(value: Any) -> int | None:
    """A whole number that is not negative, as a number or a text of digits."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18:
        return value
    return None


def _order(row: Any, listed: PastOrder | None) -> PastOrder:
    """An order; `listed` is what is known of it, and fills in what is not told."""
    if not isinstance(row, dict):
        raise Unreadable("a list of orders holds something that is none")
    number = whole(row.get("id")) if listed is None else listed.number
    if not number:
        raise Unreadable("an order came back without an id")
    submitted = _moment(row.get("submitAt")) or (listed and listed.submitted)
    if submitted is None:
        raise Unreadable(f"order {number} came back without a time that can be read")
    sender = row.get("sender")
    return PastOrder(
        number,
        _number(row, "status", listed and listed.status, number, _CODE_END),
        _number(row, "total", listed and listed.total, number),
        _number(row, "delivered", listed and listed.delivered, number),
        _number(row, "undelivered", listed and listed.undelivered, number),
        submitted,
        _moment(row.get("sendAt")) or (listed.due if listed else submitted),
        sender if isinstance(sender, str) else (listed.sender if listed else ""),
        _price(row.get("price")),
    )


def _number(row: dict[str, Any], key: str, known: int | None, number: int, end: int = _COUNT_END) -> int:
    """A counter or a code. XML-minded services show a zero as nothing."""
    value = row.get(key)
    if value is None or value == "":
        return known or 0
    found = whole(value)
    if found is None or found >= end:
        raise Unreadable(f"order {number} came back with a {key} that is no number")
    return found


def _message(row: Any) -> PastMessage:
    if not isinstance(row, dict):
        raise Unreadable("a report holds a message that is none")
    status = whole(row.get("status"))
    if status is None or status >= _CODE_END:
        raise Unreadable("a report holds a message without a status")
    raw = row.get("number")
    number = phone.normalise(raw)
    shown = raw if isinstance(raw, str) else "" if raw is None else str(raw)
    return PastMessage(phone.display(number) if number else shown[:_SHOWN_MAX], status)


def _price(value: Any) -> str:
    """Credits or an amount, with a point; '' for nothing that can be read."""
    if isinstance(value, Decimal):
        value = format(value, "f") if -10 < value.adjusted() < 15 else ""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text.replace(",", ".") if _AMOUNT.fullmatch(text) else ""


def _moment(value: Any) -> int | None:
    return parse_second(value) if isinstance(value, str) else None


def _rows(value: Any) -> list[Any]:
    """A list; one object may stand for a list of it, and nothing for an empty one."""
    if isinstance(value, list):
        return value
    if value is None or value == "" or value == {}:
        return []
    return [value]

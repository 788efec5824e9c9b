"""Reads what an iletiMerkezi server answers and tells, however it strays from its documents.

A number may be a text, a list with one entry may be the entry, and any field may be missing. What cannot be
read is left out and never takes the rest with it. Only success has one spelling: the code 200 in the
envelope, and for an order an id of digits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from ulak.core.phone import normalise
from ulak.core.ports import Report, ReportState
from ulak.core.times import ISTANBUL

WHY_MAX = 200
"""Characters of a reason that are kept."""

_ID = re.compile(r"[1-9][0-9]{0,18}")
_WHOLE = re.compile(r"([0-9]{1,15})(?:[.,]0+)?")
_AMOUNT = re.compile(r"-?[0-9]{1,15}(?:[.,][0-9]{1,12})?")
_PHONE = re.compile(r"\+?([1-9][0-9]{6,14})")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_STATES = {
    "accepted": ReportState.UNDERWAY,
    "delivered": ReportState.DELIVERED,
    "undelivered": ReportState.UNDELIVERED,
    "110": ReportState.UNDERWAY,
    "111": ReportState.DELIVERED,
    "112": ReportState.UNDELIVERED,
}

# Numbers with a fraction keep the digits they came with.
_decoder = msgspec.json.Decoder(float_hook=str)


class Answered(NamedTuple):
    """An answer. `stated`: the code is the server's own; otherwise it is the HTTP status."""

    code: int
    why: str
    stated: bool
    payload: Mapping[str, Any]


class Balance(NamedTuple):
    """What is left, as far as it is told: SMS, and money."""

    sms: int | None
    amount: Decimal | None

    def above(self, other: Balance) -> bool:
        """Whether there is more than in another one."""
        pairs = ((self.sms, other.sms), (self.amount, other.amount))
        return any(more is not None and less is not None and more > less for more, less in pairs)


class Listed(NamedTuple):
    """An order of the account in a list. `submitted` is ms; what is not told is None."""

    id: str
    total: int | None
    submitted: int | None
    sender: str


class OrderList(NamedTuple):
    """A page of the list. `in_all` counts the whole range, if it is told."""

    in_all: int | None
    orders: list[Listed]


class Page(NamedTuple):
    """A page of an order: how many messages it has, and (number, state) of some."""

    total: int | None
    rows: list[tuple[int, ReportState]]


def read_answer(status: int, body: bytes) -> Answered:
    """What an answer with this HTTP status says."""
    try:
        whole_body = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Answered(status, f"HTTP {status} with a body that is no JSON", False, {})
    response = obj(obj(whole_body).get("response"))
    said = obj(response.get("status"))
    code = whole(said.get("code"))
    if code is None:
        return Answered(status, f"HTTP {status} without a code", False, {})
    return Answered(code, plain(said.get("message"))[:WHY_MAX] or f"code {code}", True, response)


def read_order_id(payload: Mapping[str, Any]) -> str | None:
    """The id of an order that was taken; None if it is not told."""
    return _id(_one(payload.get("order")).get("id"))


def read_balance(payload: Mapping[str, Any]) -> Balance:
    """What is left in the account."""
    found = _one(payload.get("balance"))
    return Balance(whole(found.get("sms")), amount(found.get("amount")))


def read_orders(payload: Mapping[str, Any]) -> OrderList:
    """A page of the list of orders."""
    rows = (obj(row) for row in listed(payload.get("orders")))
    orders = [
        Listed(order, whole(row.get("total")), _moment(row.get("submitAt")), plain(row.get("sender")))
        for row in rows
        if (order := _id(row.get("id"))) is not None
    ]
    return OrderList(whole(payload.get("count")), orders)


def read_page(payload: Mapping[str, Any]) -> Page:
    """A page of one order's report."""
    order = _one(payload.get("order"))
    rows = [obj(row) for row in listed(order.get("message"))]
    found = [(phone(row.get("number")), _STATES.get(plain(row.get("status")))) for row in rows]
    known = [(number, state) for number, state in found if number and state is not None]
    return Page(whole(order.get("total")), known)


def read_news(headers: Mapping[str, str], body: bytes) -> list[Report]:
    """What a server tells of messages over its webhook, one of them a call, or several in a list.

    Raises:
        ValueError: it is no JSON object.
    """
    del headers
    try:
        found = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("no JSON") from None
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    news = [_told(obj(each)) for each in listed(found.get("report"))]
    return [report for report in news if report is not None]


def _told(found: Mapping[str, Any]) -> Report | None:
    order, number = _id(found.get("packet_id")), phone(found.get("to"))
    said = plain(found.get("status")).lower()
    state = _STATES.get(said)
    if order is None or not number or state is None:
        return None
    return Report(reference(order, number), number, state, said)


def reference(order: str, number: int) -> str:
    """What a message is called: its order, in which a number stands once, and its number."""
    return f"{order}:{number}"


def read_reference(spelled: str) -> tuple[str, int] | None:
    """The order and the number of a message; None if it is called otherwise."""
    order, _, digits = spelled.partition(":")
    return (order, int(digits)) if _ID.fullmatch(order) and _PHONE.fullmatch(digits) else None


# Values


def obj(value: object) -> dict[str, Any]:
    """An object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def _one(value: object) -> dict[str, Any]:
    """An object, also where it comes as the only entry of a list."""
    return obj(value[0] if isinstance(value, list) and len(value) == 1 else value)


def listed(value: object) -> list[Any]:
    """A list, also where one entry comes without it."""
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, dict) else []


def plain(value: object) -> str:
    """A text, or a number as one, without what a database cannot store; else an empty one."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).encode("utf-8", "replace").decode().replace("\0", "").strip()


def whole(value: object) -> int | None:
    """A number that is not negative."""
    found = _WHOLE.fullmatch(plain(value))
    return int(found[1]) if found else None


def amount(value: object) -> Decimal | None:
    """An amount, with a point or a comma before its fraction."""
    told = plain(value)
    return Decimal(told.replace(",", ".")) if _AMOUNT.fullmatch(told) else None


def phone(value: object) -> int:
    """A phone number in any of the spellings that the API knows, 0 for what is none."""
    told = plain(value)
    found = _PHONE.fullmatch(told)
    return normalise(told) or (int(found[1]) if found else 0)


def _id(value: object) -> str | None:
    told = plain(value)
    return told if _ID.fullmatch(told) else None


def _moment(value: object) -> int | None:
    """The moment of 'YYYY-MM-DD HH:MM:SS' in Istanbul."""
    told = plain(value)
    if not _TIME.fullmatch(told):
        return None
    try:
        local = datetime.fromisoformat(told).replace(tzinfo=ISTANBUL)
    except ValueError:
        return None
    return (local - _EPOCH) // timedelta(milliseconds=1)

"""Requests as `wire` has them: every spelling a client may use becomes the one that is documented.

A plain field becomes a text, '' when it is missing, null or empty; a value that can mean nothing becomes
UNREADABLE, which no rule accepts. What stands where an object is needed and is none makes the request
unreadable as a whole (400). What a text *means* is not decided here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ulak.dialects.iletimerkezi import wire
from ulak.dialects.iletimerkezi.jsonbody import BadRequest, Fields, object_in

UNREADABLE = "?"


def send_sms(request: Fields) -> wire.SendSms:
    """Read the request of send-sms. Raises BadRequest."""
    order = object_in(request, "order")
    return wire.SendSms(
        authentication(request),
        wire.Order(
            _string(order.get("sender")),
            _send_time(order.get("sendDateTime")),
            _choice(order.get("iys")),
            _string(order.get("iysList")),
            _messages(order.get("message")),
        ),
    )


def cancel_order(request: Fields) -> wire.CancelOrder:
    """Read the request of cancel-order. Raises BadRequest."""
    order = object_in(request, "order")
    return wire.CancelOrder(authentication(request), wire.OrderName(plain(order.get("id"))))


def get_report(request: Fields) -> wire.GetReport:
    """Read the request of get-report. Raises BadRequest."""
    order = object_in(request, "order")
    page = wire.OrderPage(plain(order.get("id")), plain(order.get("page")), plain(order.get("rowCount")))
    return wire.GetReport(authentication(request), page)


def get_reports(request: Fields) -> wire.GetReports:
    """Read the request of get-reports; two SDKs put the page beside the filter. Raises BadRequest."""
    # An empty filter of PHP is an empty list.
    chosen = {} if request.get("filter") in (None, []) else object_in(request, "filter")
    page = plain(chosen.get("page")) or plain(request.get("page"))
    days = wire.Filter(_string(chosen.get("start")), _string(chosen.get("end")), page)
    return wire.GetReports(authentication(request), days)


def get_blacklist(request: Fields) -> wire.GetBlacklist:
    """Read the request of get-blacklist; what stands beside `blacklist` does not count. Raises BadRequest."""
    blacklist = _optional(request, "blacklist")
    span = _optional(blacklist, "filter")
    page = wire.BlacklistPage(
        wire.BlacklistFilter(plain(span.get("start")), plain(span.get("end"))),
        plain(blacklist.get("page")),
        plain(blacklist.get("rowCount")),
    )
    return wire.GetBlacklist(authentication(request), page)


def change_blacklist(request: Fields) -> wire.ChangeBlacklist:
    """Read the request of add-blacklist and delete-blacklist. Raises BadRequest."""
    number = _optional(request, "blacklist").get("number")
    if isinstance(number, list):
        # One of the vendor's SDKs sends the first of its list, others the list.
        number = number[0] if number else None
    return wire.ChangeBlacklist(authentication(request), wire.BlockedNumber(number))


def create_consents(request: Fields) -> wire.CreateConsents:
    """Read the request of consent/create. Raises BadRequest."""
    consent = _optional(request, "consent")
    given = consent.get("list")
    records = [_record(each) for each in given] if isinstance(given, list) else []
    return wire.CreateConsents(
        authentication(request), wire.Consents(plain(consent.get("brandCode")), records)
    )


def show_consent(request: Fields) -> wire.ShowConsent:
    """Read the request of consent/show. Raises BadRequest."""
    consent = _optional(request, "consent")
    return wire.ShowConsent(authentication(request), wire.ConsentName(*_plains(wire.ConsentName, consent)))


def get_account(request: Fields) -> wire.GetAccount:
    """Read the request of get-balance, get-sender and get-inbox. Raises BadRequest."""
    return wire.GetAccount(authentication(request))


def authentication(request: Fields) -> wire.Authentication:
    """Who asks; empty texts where nobody says. A key with its hash wins over an old log-in."""
    given = request.get("authentication")
    if not isinstance(given, dict):
        return wire.Authentication("", "")
    new = wire.Authentication(_string(given.get("key")), _string(given.get("hash")))
    if new.key and new.hash:
        return new
    old = wire.Login(plain(given.get("username")), _string(given.get("password")))
    return old if old.key and old.hash else new


def _messages(value: Any) -> list[wire.Message]:
    if value is None:
        return []
    if isinstance(value, list):
        return [_message(each) for each in value]
    return [_message(value)]


def _message(value: Any) -> wire.Message:
    if not isinstance(value, dict):
        raise BadRequest("message is not an object")
    text = value.get("text")
    if text is None:
        text = ""
    elif not isinstance(text, str):
        raise BadRequest("text is not a string")
    return wire.Message(text, wire.Receipents(_numbers(value.get("receipents"))))


def _numbers(receipents: Any) -> list[Any]:
    number = receipents.get("number") if isinstance(receipents, dict) else None
    if isinstance(number, list):
        return number
    return [] if number is None or number == "" else [number]


def _record(value: Any) -> wire.ConsentRecord | None:
    if not isinstance(value, dict):
        return None
    return wire.ConsentRecord(*_plains(wire.ConsentRecord, value))


def _plains(shape: type[msgspec.Struct], value: Fields) -> list[str]:
    return [plain(value.get(name)) for name in shape.__struct_fields__]


def _optional(parent: Fields, key: str) -> Fields:
    """An object that may be missing or null; XML has '' for an empty one, and PHP []."""
    child = parent.get(key)
    return {} if child is None or child in ("", []) else object_in(parent, key)


def _send_time(value: Any) -> str:
    """Documented as a text; some clients send it inside a list. A list of date parts means nothing."""
    if isinstance(value, list):
        if len(value) > 1:
            return UNREADABLE
        value = value[0] if value else ""
    return plain(value)


def _choice(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return plain(value)


def plain(value: Any) -> str:
    """A text or an integer as a text, '' when missing or null, UNREADABLE when it is anything else."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return UNREADABLE


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""

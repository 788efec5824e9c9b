"""What a request says: the fields of a body and the parameters of a query, and what their values mean.

As tolerant as real clients need it and no more: a country may be a number, digits, a name or an ISO code;
booleans are booleans; an empty `ref` is none.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from ulak.core.pools import FULL, pool_named, service_named
from ulak.core.purchases import CREDIT_MAX, CREDIT_MIN
from ulak.dialects.sms4sats.jsonbody import Fields
from ulak.dialects.sms4sats.texts import Reason

MESSAGE_MAX = 140
"""Characters of a message, counted as Unicode code points."""

SERVICE_MAX = 64
"""Characters of a service that is not in our table."""

REF_MAX = 320

_AROUND_DIGITS = str.maketrans("", "", " -()")
_PHONE = re.compile(r"[+]?([1-9][0-9]{6,14})")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# LUD-16: a user, and a host that is reached from everywhere.
_REF = re.compile(rf"[a-z0-9_.+-]{{1,64}}@(?:{_LABEL}[.])+{_LABEL}(?::[0-9]{{1,5}})?")


class Invalid(Exception):
    """The request cannot be carried out as it is."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


def parameters(query: bytes) -> dict[str, str]:
    """The parameters of a query; of those that come twice the first counts."""
    found: dict[str, str] = {}
    for key, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        found.setdefault(key, value)
    return found


def order_id_in(query: bytes) -> str:
    """The parameter `orderId`.

    Raises:
        Invalid: there is none, or it is empty.
    """
    # As every client sends it; anything else is taken apart.
    if query.startswith(b"orderId=") and query[8:].isalnum():
        return query[8:].decode("ascii")
    order_id = parameters(query).get("orderId")
    if not order_id:
        raise Invalid(Reason.NO_ORDER_ID)
    return order_id


def text(fields: Fields, name: str) -> str | None:
    """A field that is a text; None if it is missing.

    Raises:
        Invalid: it is something else, or holds what no database keeps: NUL, half a character.
    """
    value = fields.get(name)
    if value is None and name not in fields:
        return None
    if type(value) is not str or "\0" in value or not _is_whole(value):
        raise Invalid(Reason.UNREADABLE)
    return value


def flag(fields: Fields, name: str) -> bool:
    """A field that is true or false; false if it is missing.

    Raises:
        Invalid: it is something else.
    """
    value = fields.get(name, False)
    if type(value) is not bool:
        raise Invalid(Reason.UNREADABLE)
    return value


def country(fields: Fields) -> str | None:
    """The field `country` as a text, be it a number or a text; None if it is missing.

    Raises:
        Invalid: it is something else.
    """
    value = fields.get("country")
    return str(value) if type(value) is int else text(fields, "country")


def _is_whole(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def pool_of(value: str | None) -> int:
    """The pool of numbers that a country means.

    Raises:
        Invalid: none.
    """
    pool = None if value is None else pool_named(value)
    if pool is None:
        raise Invalid(Reason.BAD_COUNTRY)
    return pool


def service_of(value: str | None, *, rental: bool = False) -> tuple[str, bool]:
    """The code of a service, and whether it is in our table: if not, only its sources can know it.

    Raises:
        Invalid: there is none, or it is for rentals only.
    """
    if rental and not value:
        return FULL, True
    code = service_named(value or "")
    if code is not None:
        if code == FULL and not rental:
            raise Invalid(Reason.BAD_SERVICE)
        return code, True
    plain = (value or "").strip().lower()
    if not 1 <= len(plain) <= SERVICE_MAX or not plain.isprintable():
        raise Invalid(Reason.BAD_SERVICE)
    return plain, False


def said_service(value: str | None, code: str) -> str:
    """What the customer calls a service: as he sent it, or its code where he sent nothing."""
    return (value or "").strip() or code


def message_of(value: str | None) -> str:
    """The text to send.

    Raises:
        Invalid: it is missing, empty or too long.
    """
    if value is None or not 1 <= len(value) <= MESSAGE_MAX:
        raise Invalid(Reason.BAD_MESSAGE)
    return value


def phone_of(value: str | None) -> int:
    """The number to send to; E.164.

    Raises:
        Invalid: it is missing, or none.
    """
    found = _PHONE.fullmatch((value or "").translate(_AROUND_DIGITS))
    if found is None:
        raise Invalid(Reason.BAD_PHONE)
    return int(found[1])


def amount_in(fields: Fields) -> int:
    """The sats to fund.

    Raises:
        Invalid: it is missing, no whole number, too small or too large.
    """
    value = fields.get("amount")
    if type(value) is not int or not CREDIT_MIN <= value <= CREDIT_MAX:
        raise Invalid(Reason.BAD_AMOUNT)
    return value


def ref_of(value: str | None) -> str | None:
    """The Lightning Address of who referred the customer; empty means nobody.

    Raises:
        Invalid: it is something else.
    """
    if not value:
        return None
    if len(value) > REF_MAX or _REF.fullmatch(value) is None:
        raise Invalid(Reason.BAD_REF)
    return value

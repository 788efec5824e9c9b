"""Reads what an sms4sats server answers, however it strays from its documents.

Any field may be missing or unknown to us, and a number may be a text. What cannot be read is left out; it
never takes the rest with it. Only where money depends on it there is one spelling: success is HTTP 200 with
the status `OK` (or a list, where one was asked for), and an order that is paid says `paid`.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

import msgspec

from ulak.core.numbers import Text
from ulak.core.pools import POOLS, pool_named, service_named

TEXT_MAX = 2_000
"""Characters of an SMS that are kept."""

WHY_MAX = 200
"""Characters of a reason that are kept."""

CODE_MAX = 20
"""A code that is longer is a whole text, out of which the code is still to be taken."""

_CODE = re.compile(r"([0-9]{1,64})(?:\.0+)?")
_NUMBER = re.compile(r"[1-9][0-9]{6,14}")
_WHOLE = re.compile(r"([0-9]{1,15})(?:\.0+)?")
_BLANKS = re.compile(r"[\s()+-]+")
_ORDER = re.compile(r"[A-Za-z0-9_-]{1,128}")
_SERVICE = re.compile(r"[a-z0-9_]{1,32}")

# Numbers with a fraction keep the digits they came with.
_decoder = msgspec.json.Decoder(float_hook=str)


class Good(NamedTuple):
    """An answer that says it was done: an object, or the rows of a list."""

    data: Any


class Failure(NamedTuple):
    """Anything else. `stated`: the server itself says no, in its own envelope."""

    why: str
    stated: bool = False


class Order(NamedTuple):
    """What was created. `paid`: from the balance, as it was asked for."""

    reference: str
    paid: bool


class Status(NamedTuple):
    """What an order's status says; what it does not say is None."""

    number: int | None
    code: str | None
    error: str | None
    sms_status: str | None
    pool: int | None
    timestamp: int | None
    messages: tuple[Any, ...]
    expired: bool


def read_answer(status: int, body: bytes) -> Good | Failure:
    """What an answer with this HTTP status says."""
    try:
        found = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Failure(f"HTTP {status} with a body that is no JSON")
    if isinstance(found, list):
        return Good(found) if status == 200 else Failure(f"HTTP {status}")
    if not isinstance(found, dict):
        return Failure(f"HTTP {status} with JSON that is no object")
    if found.get("status") == "OK":
        return Good(found) if status == 200 else Failure(f"HTTP {status}")
    why = plain(found.get("reason")) or plain(found.get("error")) or f"HTTP {status}"
    return Failure(why[:WHY_MAX], found.get("status") == "error")


def read_prices(status: int, body: bytes) -> Good | Failure:
    """The same for prices, which come without a status."""
    try:
        found = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if status == 200 and isinstance(found, dict) and "receive" in found:
        return Good(found)
    return read_answer(status, body)


def read_order(data: Any) -> Order | None:
    """What was created; None if it cannot be told."""
    reference = data.get("orderId") if isinstance(data, dict) else None
    if not isinstance(reference, str) or not _ORDER.fullmatch(reference):
        return None
    return Order(reference, data.get("payreq") == "paid")


def read_status(data: Any) -> Status:
    """What an order's status says."""
    found = data if isinstance(data, dict) else {}
    messages = found.get("messages")
    sms_status = found.get("smsStatus")
    error = found.get("error")
    return Status(
        phone(found.get("number")),
        code(found.get("code")),
        (plain(error) or "the order has failed")[:WHY_MAX] if error else None,
        sms_status if isinstance(sms_status, str) else None,
        pool_named(plain(found.get("country"))),
        whole(found.get("timestamp")),
        tuple(messages) if isinstance(messages, list) else (),
        found.get("expired") is True,
    )


def read_texts(status: Status, reference: str, since: int, now: int) -> list[Text]:
    """What came to a number, oldest first; of one that is not rented as a whole it is at most one text."""
    rows = [row for row in status.messages if isinstance(row, dict)]
    if rows:
        return sorted((_message(row, reference, since, now) for row in rows), key=lambda text: text.at)
    if status.code is None:
        return []
    at = _moment(status.timestamp, since, now)
    mark = _mark(reference, status.code)
    if len(status.code) > CODE_MAX:
        return [Text("", status.code, at, reference=mark)]
    return [Text("", "", at, status.code, mark)]


def _message(row: dict[str, Any], reference: str, since: int, now: int) -> Text:
    sender, text, at = plain(row.get("from")), plain(row.get("text")), whole(row.get("timestamp"))
    told = code(row.get("code"))
    mark = _mark(reference, sender, text, str(at))
    short = told if told is not None and len(told) <= CODE_MAX else None
    return Text(sender, text or (told or ""), _moment(at, since, now), short, mark)


def _moment(told: int | None, since: int, now: int) -> int:
    """When something came, if that can be."""
    return told if told is not None and since <= told <= now else now


def _mark(*parts: str) -> str:
    """What makes an SMS the same when it is told again. It does not tell the code."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def read_countries(rows: Any) -> list[int] | None:
    """The countries on offer; None if it is no list of them."""
    found = _objects(rows)
    if found is None:
        return None
    shown = [row for row in found if whole(row.get("visible", 1)) != 0 and row.get("visible") is not False]
    return [pool for row in shown if (pool := _pool(row)) is not None]


def read_rentals(rows: Any, weeks: int, most: int) -> list[int] | None:
    """The countries with rentals for so many weeks at least, at at most `most` sats (0: at any price)."""
    found = _objects(rows)
    if found is None:
        return None
    return [
        pool
        for row in found
        if (pool := _pool(row)) is not None
        and (whole(row.get("duration")) or 0) >= weeks
        and affordable(row.get("price"), most)
    ]


def _pool(row: dict[str, Any]) -> int | None:
    pool = whole(row.get("cc", row.get("id")))
    return pool if pool in POOLS else None


def read_stock(rows: Any) -> dict[str, int] | None:
    """What is left of each service. What is listed without a count that can be read is there."""
    found = _objects(rows)
    if found is None:
        return None
    left: dict[str, int] = {}
    for row in found:
        name = plain(row.get("value")) or plain(row.get("key"))
        service = service_named(name) or name.casefold()
        count = whole(row.get("count"))
        if _SERVICE.fullmatch(service) and count != 0:
            left[service] = left.get(service, 0) + (1 if count is None else count)
    return left


def affordable(price: object, most: int) -> bool:
    """Whether a price is known and not above `most` sats; with 0 any price is good, also one not told."""
    told = whole(price)
    return not most or (told is not None and told <= most)


def _objects(rows: Any) -> list[dict[str, Any]] | None:
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else None


# Values


def plain(value: object) -> str:
    """A text, or a number as one, without what a database cannot store; else an empty one."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).encode("utf-8", "replace").decode().replace("\0", "").strip()[:TEXT_MAX]


def code(value: object) -> str | None:
    """A code, a number or a text; nothing that is there without saying anything, like 0."""
    told = plain(value) if value else ""
    digits = _CODE.fullmatch(told)
    return (digits[1] if digits else told) or None


def phone(value: object) -> int | None:
    """A phone number, a number or a text with a plus sign or without."""
    digits = _BLANKS.sub("", plain(value))
    return int(digits) if _NUMBER.fullmatch(digits) else None


def whole(value: object) -> int | None:
    """A number that is not negative."""
    digits = _WHOLE.fullmatch(plain(int(value) if isinstance(value, bool) else value))
    return int(digits[1]) if digits else None

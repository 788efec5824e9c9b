"""Reads what a ComToHome server answers, however it strays from its documents.

Any field may be missing, null or unknown to us, a number may be a text, a list an object with numbers as keys
(as PHP writes lists with gaps), and a failure may come with any HTTP status. What cannot be read is left out;
it never takes the rest with it. Times without a zone are Istanbul's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, NamedTuple, TypeAlias

import msgspec

from ulak.core.consignments import Package, TrackingKind
from ulak.core.shipping import Booked, Sighting, Ticket
from ulak.core.states import FINAL_PARCELS, ParcelState
from ulak.core.times import ISTANBUL
from ulak.dialects.comtohome.words import NAMES, state_of

TEXT_MAX = 1_000
"""Characters of a text that are kept."""

_WHOLE_MAX = 2**63
_AMOUNT_MAX = Decimal(10) ** 11
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")
_MOMENT = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?\s*\S{0,6}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REFUSED = "Consignment cancel failed:"

Row: TypeAlias = Mapping[str, Any]

# Numbers with a fraction keep the digits they came with.
_decoder = msgspec.json.Decoder(float_hook=str)


class Good(NamedTuple):
    """An answer that says it was done. `meta` is empty unless it is a page of a list."""

    data: Any
    meta: Row


class Failure(NamedTuple):
    """An answer that says it was not done, and why."""

    why: str


class Unreadable(NamedTuple):
    """No answer of such a server; `why` says what it is instead."""

    why: str


class LabelRead(NamedTuple):
    """A label: the carrier's code, and where its file is to be had."""

    tracking: str | None
    url: str | None


class Document(NamedTuple):
    """What we need of a consignment. `over` tells that all of it has reached a final state."""

    reference: str
    state: ParcelState
    over: bool
    labels: tuple[LabelRead, ...]
    sightings: tuple[Sighting, ...]


def parse(body: bytes) -> Row:
    """The JSON object in a body. Numbers with a fraction become the text they were written as.

    Raises:
        ValueError: there is none; the text says what there is.
    """
    try:
        found = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("a body that is no JSON") from None
    if not isinstance(found, dict):
        raise ValueError("JSON that is no object")
    return found


def read_answer(status: int, body: bytes) -> Good | Failure | Unreadable:
    """What an answer with this HTTP status says. The body decides before the status does."""
    try:
        found = parse(body)
    except ValueError as error:
        return Unreadable(f"HTTP {status} with {error}")
    failed = found.get("status") in (False, "false") or bool(found.get("errors"))
    if failed or status >= 400:
        return Failure(_messages(found) or f"HTTP {status}")
    if not 200 <= status < 300:
        return Unreadable(f"HTTP {status}")
    return Good(found.get("data"), obj(found.get("meta")))


def _messages(found: Row) -> str:
    """The sentences of a failure: in `errors`, whatever its shape, else in `message`."""
    errors = found.get("errors")
    entries: list[Any] = list(errors.values()) if isinstance(errors, dict) else as_list(errors)
    said: list[str] = []
    for entry in entries:
        parts = entry if isinstance(entry, list) else [entry]
        said += [
            told for part in parts if (told := text(part.get("message") if isinstance(part, dict) else part))
        ]
    told = "; ".join(dict.fromkeys(said)) or text(found.get("message")) or ""
    return told[:TEXT_MAX]


def reason_of(why: str) -> str:
    """Why a cancellation was refused, without the words that go before it."""
    return why.removeprefix(_REFUSED).strip() or why


# Values


def text(value: object) -> str | None:
    """A text that says something, without what a database cannot store; also from a number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    if isinstance(value, int) and abs(value) >= _WHOLE_MAX:
        return None
    plain = str(value).encode("utf-8", "replace").decode().replace("\0", "").strip()
    return plain[:TEXT_MAX] or None


def whole(value: object) -> int | None:
    """A whole number."""
    number = decimal(value)
    if number is None or number != number.to_integral_value() or abs(number) >= _WHOLE_MAX:
        return None
    return int(number)


def decimal(value: object) -> Decimal | None:
    """A number, exactly as it was written."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    written = str(value).strip() if not isinstance(value, int) or abs(value) < _WHOLE_MAX else ""
    if not _NUMBER.fullmatch(written):
        return _scientific(written)
    return Decimal(written)


def _scientific(written: str) -> Decimal | None:
    if not 0 < len(written) <= 40 or "e" not in written.lower():
        return None
    try:
        found = Decimal(written)
    except InvalidOperation:
        return None
    return found if found.is_finite() and -30 <= found.adjusted() <= 30 else None


def kurus(value: object, rate: object = 1) -> int | None:
    """An amount of money in kuruş, half up; `rate` is TRY for one unit of its currency."""
    amount, factor = decimal(value), decimal(rate)
    if amount is None or factor is None or not abs(amount) < _AMOUNT_MAX or not 0 < factor < _AMOUNT_MAX:
        return None
    return int((amount * factor * 100).quantize(Decimal(1), ROUND_HALF_UP))


def moment(value: object) -> int | None:
    """A time in ms UTC: with its offset, or Istanbul's own."""
    written = text(value)
    if written is None or not _MOMENT.fullmatch(written):
        return None
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return None
    zoned = found if found.tzinfo is not None else found.replace(tzinfo=ISTANBUL)
    return (zoned - _EPOCH) // timedelta(milliseconds=1)


def obj(value: object) -> Row:
    """An object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """A list, also one that came as an object with numbers as keys."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and value and all(key.isdigit() for key in value):
        return list(value.values())
    return []


def rows(value: object) -> list[Row]:
    """The objects in a list."""
    return [row for row in as_list(value) if isinstance(row, dict)]


# Consignments


def read_document(data: object) -> Document | None:
    """A consignment, also as the only one of a list. None if it has nothing to know it by."""
    found = obj(data) or next(iter(rows(data)), {})
    reference = text(found.get("id")) or text(found.get("barcode")) or text(found.get("uuid"))
    if reference is None:
        return None
    status, message = whole(found.get("status")), text(found.get("status_message")) or ""
    name = NAMES.get(status or 0, "")
    state = state_of(status, name, message)
    seen = [sighting for row in rows(found.get("details")) if (sighting := read_sighting(row))]
    if not seen and (at := moment(found.get("updated_at"))) is not None:
        seen = [Sighting(at, state, message or name, None, _raw(status, name, message))]
    return Document(reference, state, state in FINAL_PARCELS, read_labels(found.get("labels")), tuple(seen))


def read_labels(value: object) -> tuple[LabelRead, ...]:
    """The labels of a consignment, in the order of its packages."""
    return tuple(LabelRead(text(row.get("tracking_code")), text(row.get("file_url"))) for row in rows(value))


def read_sighting(row: Row) -> Sighting | None:
    """Something that was seen, in the words of `details[]` or of the list of events; None without a time."""
    at = moment(_first(row, "status_datetime", "statusDatetime", "createdAt", "created_at"))
    if at is None:
        return None
    status = whole(row.get("status"))
    name = text(_first(row, "status_name", "statusName")) or NAMES.get(status or 0, "")
    said = text(_first(row, "message", "statusMessage", "status_message", "status_description")) or ""
    state = state_of(status, name, said)
    return Sighting(at, state, said or name, text(row.get("location")), _raw(status, name, said))


def _raw(status: int | None, name: str, said: str) -> str:
    return " ".join(filter(None, (str(status) if status is not None else "", name, said)))


def _first(row: Row, *keys: str) -> Any:
    return next((row[key] for key in keys if row.get(key) not in (None, "")), None)


def read_booked(data: object, packages: Sequence[Package], brought: str | None) -> Booked | None:
    """What came of a booking, from its own answer or from the whole consignment.

    There is a ticket for each package; where there are fewer codes than packages, the first stands for the
    rest, and without any the tickets have none. `brought` is a code that the customer brought along. None
    if it does not say what was booked.
    """
    found = obj(data) or next(iter(rows(data)), {})
    named = found.get("consignment")
    reference = text(obj(named).get("id") if isinstance(named, dict) else named) or text(found.get("id"))
    labels = read_labels(found.get("labels"))
    whole_code = text(found.get("providerTrackingCode")) or next(
        (label.tracking for label in labels if label.tracking), None
    )
    if reference is None:
        return None
    tickets = []
    for place, package in enumerate(packages):
        code = labels[place].tracking if place < len(labels) else None
        tickets.append(_ticket(code or whole_code, package.barcode or brought))
    return Booked(tuple(tickets), reference)


def _ticket(code: str | None, brought: str | None) -> Ticket:
    if code is None:
        return Ticket(None, TrackingKind.NONE)
    return Ticket(code, TrackingKind.BROUGHT_ALONG if code == brought else TrackingKind.CARRIER)


# Prices


def read_price(data: object, provider: int | None) -> int | None:
    """What it would cost in all, in kuruş: with this carrier of the server's, or with its cheapest."""
    prices: list[int] = []
    for row in rows(data) or [obj(data)]:
        offered = row.get("provider")
        named = whole(obj(offered).get("id") if isinstance(offered, dict) else offered)
        rate = 1 if text(row.get("currency_code")) in (None, "TRY") else row.get("currency_rate")
        price = kurus(row.get("total_cost"), rate)
        if price is not None and price >= 0 and provider in (None, named):
            prices.append(price)
    return min(prices, default=None)

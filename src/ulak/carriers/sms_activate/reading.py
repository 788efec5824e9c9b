"""Reads what suppliers answer, however they stray from the protocol.

An answer is a word with something behind a colon (`ACCESS_NUMBER:12:79160001122`), or JSON. Refusals come as
either, with any HTTP status. Numbers may be texts, lists may be objects with numbers as keys (as PHP writes
them). What cannot be read is left out; it never takes the rest with it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

import msgspec

from ulak.core.numbers import Text
from ulak.core.pools import POOLS

TEXT_MAX = 2_000
"""Characters of an SMS that are kept."""

_WORD = re.compile(r"([A-Z][A-Z0-9_]{2,59})\s*(?::\s*(.*))?", re.DOTALL)
_NUMBER = re.compile(r"\+?([1-9][0-9]{5,14})")
_WHOLE = re.compile(r"[0-9]{1,9}")
_AMOUNT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,8})?")
_REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SERVICE = re.compile(r"([a-z0-9]{2,12})(?:_[01])?")
_ZONED = re.compile(r".*([+-][0-9]{2}:?[0-9]{2}|Z)", re.DOTALL)
_CODE_MAX = 12

# Half a character of UTF-16 alone, as some write an SMS that was cut: it would spoil the whole answer.
_HALF = re.compile(
    r"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?!u[dD][89a-fA-F]).)"
    r"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}",
    re.DOTALL,
)


class Word(NamedTuple):
    """An answer in the protocol's own words: `NO_NUMBERS`, or `STATUS_OK` with a `rest` behind the colon."""

    name: str
    rest: str = ""


class Data(NamedTuple):
    """An answer in JSON that is no refusal."""

    value: Any


Said: TypeAlias = Word | Data


class Row(NamedTuple):
    """A number in use, as the list of all of them tells it. `codes` are in the order told."""

    codes: Sequence[str]
    text: str


class Sold(NamedTuple):
    """A number that was bought; `pool` is the country that the supplier names, None if it names none."""

    reference: str
    number: int
    pool: int | None = None


def read_answer(body: bytes) -> Said | None:
    """What an answer says; None if it makes no sense."""
    plain = body.decode("utf-8-sig", "replace").strip()
    word = _WORD.fullmatch(plain)
    if word:
        return Word(word[1], (word[2] or "").strip())
    try:
        value = msgspec.json.decode(_HALF.sub(lambda half: half[1] or "\ufffd", plain))
    except (msgspec.DecodeError, RecursionError):
        return None
    if isinstance(value, str):
        word = _WORD.fullmatch(value.strip())
        return Word(word[1], (word[2] or "").strip()) if word else None
    if not isinstance(value, dict | list):
        return None
    return _refusal(value) or Data(value)


def _refusal(value: Any) -> Word | None:
    """The word in a refusal that came as JSON; None if it is none."""
    if not isinstance(value, dict):
        return None
    failed = value.get("status") in ("error", "false", "fail", False)
    for key in ("message", "msg", "error", "title"):
        told = value.get(key)
        word = _WORD.fullmatch(told.strip()) if isinstance(told, str) else None
        if word and (failed or key in ("error", "title")):
            return Word(word[1], (word[2] or "").strip())
    return Word("ERROR") if failed else None


def read_balance(said: Said) -> str | None:
    """What is left in the account, as it was told; None if it was not."""
    told = said.rest if isinstance(said, Word) and said.name == "ACCESS_BALANCE" else ""
    return told if _AMOUNT.fullmatch(told) else None


def read_sold(said: Said) -> Sold | None:
    """The number that was bought; None if the answer names none."""
    if isinstance(said, Word):
        reference, _, number = said.rest.partition(":")
        return _sold(reference, number) if said.name == "ACCESS_NUMBER" else None
    value = said.value
    if not isinstance(value, dict):
        return None
    rented = value.get("phone")
    if isinstance(rented, dict):
        return _sold(rented.get("id"), rented.get("number"))
    return _sold(value.get("activationId"), value.get("phoneNumber"), _whole(value.get("countryCode")))


def _sold(reference: object, number: object, pool: int | None = None) -> Sold | None:
    known, digits = _plain(reference), _NUMBER.fullmatch(_plain(number))
    if not _REFERENCE.fullmatch(known) or not digits:
        return None
    return Sold(known, int(digits[1]), pool if pool in POOLS else None)


def read_countries(said: Data, flag: str) -> list[int]:
    """The countries that are marked with this: `visible` or `rent`."""
    rows = (row for row in _rows(said.value) if isinstance(row, dict))
    found = (
        _whole(row.get("id")) for row in rows if _whole(row.get(flag, 1)) != 0 and row.get(flag) is not False
    )
    return [pool for pool in found if pool in POOLS]


def read_rentals(said: Data) -> list[int]:
    """The countries that have numbers to be rented."""
    value = said.value.get("countries") if isinstance(said.value, dict) else None
    return [pool for pool in map(_whole, _rows(value)) if pool in POOLS]


def read_stock(said: Data) -> dict[str, int]:
    """What is left of each service in one country. `vk_0` is vk; `vk_1` does not add to it."""
    left: dict[str, int] = {}
    for key, told in said.value.items() if isinstance(said.value, dict) else ():
        service = _SERVICE.fullmatch(key)
        count = _whole(told)
        if service and count:
            left[service[1]] = max(left.get(service[1], 0), count)
    return left


def read_prices(said: Data, max_price: str = "") -> dict[int, dict[str, int]]:
    """What is left by country and service, without what costs more than `max_price`."""
    most = float(max_price) if max_price else None
    found: dict[int, dict[str, int]] = {}
    for country, services in said.value.items() if isinstance(said.value, dict) else ():
        pool = _whole(country)
        if pool in POOLS and isinstance(services, dict):
            rows = ((key, row) for key, row in services.items() if isinstance(row, dict))
            found[pool] = {
                key: count
                for key, row in rows
                if (count := _whole(row.get("count"))) and _affordable(row.get("cost"), most)
            }
    return found


def _affordable(cost: object, most: float | None) -> bool:
    told = _plain(cost)
    return most is None or not _AMOUNT.fullmatch(told) or float(told) <= most


def read_active(said: Data) -> dict[str, Row]:
    """The numbers in use, by what the supplier knows them by."""
    value = said.value
    if isinstance(value, dict):
        value = value.get("activeActivations", value.get("data"))
    rows = (row for row in _rows(value) if isinstance(row, dict))
    return {
        _plain(row.get("activationId")): Row(
            _texts(row.get("smsCode")), "\n".join(_texts(row.get("smsText")))
        )
        for row in rows
    }


def read_full(said: Said) -> tuple[str, str]:
    """The code and the whole text of the newest SMS, empty where they are not told."""
    sms = said.value.get("sms") if isinstance(said, Data) and isinstance(said.value, dict) else None
    if not isinstance(sms, dict):
        return "", ""
    return _unquoted(_plain(sms.get("code"))), _plain(sms.get("text"))[:TEXT_MAX]


def read_rented(said: Data, reference: str, now: int) -> list[Text]:
    """What came to a rented number, oldest first. They are told newest first."""
    values = said.value.get("values") if isinstance(said.value, dict) else None
    rows = [row for row in _rows(values) if isinstance(row, dict)]
    rows.reverse()
    if all(isinstance(row.get("date"), str) for row in rows):
        rows.sort(key=lambda row: str(row["date"]))
    return [_rented(row, reference, now) for row in rows]


def _rented(row: Mapping[str, Any], reference: str, now: int) -> Text:
    sender, text, date = (_plain(row.get(key)) for key in ("phoneFrom", "text", "date"))
    mark = _mark(reference, date, sender, text)
    return Text(sender[:TEXT_MAX], text[:TEXT_MAX], min(_moment(date, now), now), reference=mark)


def _moment(date: str, now: int) -> int:
    """When something was, if it is told with a zone; a time without one is some supplier's own."""
    if not _ZONED.fullmatch(date):
        return now
    try:
        return int(datetime.fromisoformat(date).timestamp() * 1000)
    except (ValueError, OverflowError):
        return now


def text_of(reference: str, code: str, text: str, now: int) -> Text:
    """An SMS that is told by its code. One that is no code but a whole text is left for us to read."""
    told = _unquoted(code)
    mark = _mark(reference, told)
    if len(told) > _CODE_MAX or " " in told:
        return Text("", told[:TEXT_MAX], now, reference=mark)
    return Text("", text if told in text else "", now, told, mark)


def _mark(*parts: str) -> str:
    """What makes an SMS the same when it is told again. It does not tell the code."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _rows(value: Any) -> Iterable[Any]:
    """The items of a list, or of an object that is one."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _texts(value: object) -> list[str]:
    found = value if isinstance(value, list) else [value]
    return [text for text in (_unquoted(_plain(item)) for item in found) if text]


def _unquoted(text: str) -> str:
    return text.strip().strip("'\"").strip()


def _plain(value: object) -> str:
    """A text without what a database cannot store, or a number as one; nothing else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).replace("\0", "").strip()


def _whole(value: object) -> int | None:
    """A number that is not negative."""
    told = _plain(int(value) if isinstance(value, bool) else value)
    return int(told) if _WHOLE.fullmatch(told) else None

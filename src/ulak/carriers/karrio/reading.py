"""What carriers saw of parcels, from their raw answers.

UPS, DHL (Shipment Tracking Unified) and FedEx are read by `states` and `times`. Of other carriers, and of an
answer that has another shape than these know, Karrio's own reading is taken; `raw` then says `source=karrio`,
and elsewhere the name of the carrier whose words these are. Whatever is null, missing or new in an answer
costs at most the one event it is in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from ulak.carriers.karrio import states
from ulak.carriers.karrio.times import When, read_iso, read_parts
from ulak.carriers.karrio.worker import Answer, Exchange
from ulak.core.shipping import Sighting, Unreached, Watched
from ulak.core.states import ParcelState

TEXT_MAX = 500

Found: TypeAlias = Sequence[Sighting] | Unreached | None
"""What an answer says of a parcel; None if it says nothing about it at all."""

_NO_NEWS = 404
_FINE = range(200, 300)


def read(carrier: str, answer: Answer, labels: Sequence[Watched]) -> list[Sequence[Sighting] | Unreached]:
    """What is known of each label, in their order."""
    reader = _READERS.get(carrier)
    said: list[Sequence[Sighting] | Unreached] = []
    for label in labels:
        found = reader(answer, label) if reader else None
        if found is None:
            found = _by_karrio(answer, label)
        said.append(_trouble(answer) if found is None else found)
    return said


def _trouble(answer: Answer) -> Unreached | Sequence[Sighting]:
    """An answer without this parcel: no news, unless something went wrong."""
    for exchange in answer.exchanges:
        if exchange.status is None or (exchange.status not in _FINE and exchange.status != _NO_NEWS):
            return Unreached(_failure(exchange))
    texts = [message.message for message in answer.messages if message.code.startswith("SHIPPING_SDK")]
    return Unreached(texts[0][:TEXT_MAX]) if texts else ()


def _failure(exchange: Exchange) -> str:
    return exchange.error or f"the carrier answered with status {exchange.status}"


# UPS


def _by_ups(answer: Answer, label: Watched) -> Found:
    exchange = _exchange_of(answer, lambda url: unquote(url.path).rpartition("/")[2] == label.tracking)
    if exchange is None or exchange.status not in _FINE:
        return _not_found(exchange)
    packages = [
        package
        for shipment in _list(_at(_json(exchange.body), "trackResponse", "shipment"))
        for package in _list(_at(shipment, "package"))
    ]
    if not packages:
        return () if _at(_json(exchange.body), "trackResponse") is not None else None
    own = [package for package in packages if _word(package, "trackingNumber") == label.tracking]
    activities = _list(_at((own or packages)[0], "activity"))
    return [seen for activity in activities if (seen := _ups_activity(activity, label)) is not None]


def _ups_activity(activity: Any, label: Watched) -> Sighting | None:
    kind, code = _word(activity, "status", "type").strip(), _word(activity, "status", "code").strip()
    status = _word(activity, "status", "statusCode").strip()
    text = _word(activity, "status", "description").strip()
    address = _at(activity, "location", "address")
    country = _word(address, "countryCode") or _word(address, "country")
    when = read_parts(_word(activity, "gmtDate"), _word(activity, "gmtTime"), "Z")
    if when is None or not _word(activity, "gmtTime"):
        offset = _word(activity, "gmtOffset")
        when = read_parts(_word(activity, "date"), _word(activity, "time"), offset, country, label.country)
    state = states.ups_state(kind, code, status, text)
    place = _place(_word(address, "city"), _word(address, "stateProvince"), country)
    return _sighting(when, state, text or code, place, ("ups", f"type={kind} code={code} status={status}"))


# DHL, Shipment Tracking Unified


def _by_dhl(answer: Answer, label: Watched) -> Found:
    exchange = _exchange_of(
        answer, lambda url: label.tracking in parse_qs(url.query).get("trackingNumber", ())
    )
    if exchange is None or exchange.status not in _FINE:
        return _not_found(exchange)
    shipments = _list(_at(_json(exchange.body), "shipments"))
    if not shipments:
        return None
    events = _list(_at(shipments[0], "events")) or [_at(shipments[0], "status")]
    return [seen for event in events if (seen := _dhl_event(event, label)) is not None]


def _dhl_event(event: Any, label: Watched) -> Sighting | None:
    code = _word(event, "statusCode")
    status, described = _word(event, "status"), _word(event, "description")
    address = _at(event, "location", "address")
    country = _word(address, "countryCode")
    when = read_iso(_word(event, "timestamp"), country, label.country)
    state = states.dhl_state(code, f"{status} {described}")
    place = _place(_word(address, "addressLocality"), country)
    return _sighting(when, state, described or status, place, ("dhl_universal", f"status={code}"))


# FedEx


def _by_fedex(answer: Answer, label: Watched) -> Found:
    results = [
        result
        for exchange in answer.exchanges
        if exchange.status in _FINE
        for result in _list(_at(_json(exchange.body), "output", "completeTrackResults"))
        if _word(result, "trackingNumber") == label.tracking
    ]
    if not results:
        return None
    tracks = _list(_at(results[0], "trackResults"))
    scans = [scan for track in tracks for scan in _list(_at(track, "scanEvents"))]
    return [seen for scan in scans if (seen := _fedex_scan(scan, label)) is not None]


def _fedex_scan(scan: Any, label: Watched) -> Sighting | None:
    event, exception = _word(scan, "eventType"), _word(scan, "exceptionCode")
    text = " - ".join(
        part for part in (_word(scan, "eventDescription"), _word(scan, "exceptionDescription")) if part
    )
    address = _at(scan, "scanLocation")
    country = _word(address, "countryCode")
    when = read_iso(_word(scan, "date"), country, label.country)
    place = _place(_word(address, "city"), _word(address, "stateOrProvinceCode"), country)
    state = states.fedex_state(event, text)
    return _sighting(when, state, text or event, place, ("fedex", f"event={event} exception={exception}"))


# Karrio's own reading, for all others


def _by_karrio(answer: Answer, label: Watched) -> Found:
    for details in _list(answer.result):
        if _word(details, "tracking_number") == label.tracking:
            events = _list(_at(details, "events"))
            return [seen for event in events if (seen := _karrio_event(event, label)) is not None]
    return None


def _karrio_event(event: Any, label: Watched) -> Sighting | None:
    status, code = _word(event, "status"), _word(event, "code")
    text, place = _word(event, "description").strip(), _word(event, "location")
    last = place.rpartition(",")[2].strip()
    scan = last if len(last) == 2 and last.isascii() and last.isupper() else ""
    when = read_parts(_word(event, "date"), _word(event, "time"), "", scan, label.country)
    state = states.karrio_state(status)
    return _sighting(when, state, text or code, place or None, ("karrio", f"status={status} code={code}"))


_READERS: dict[str, Callable[[Answer, Watched], Found]] = {
    "ups": _by_ups,
    "dhl_universal": _by_dhl,
    "fedex": _by_fedex,
}

RE_READ = frozenset(_READERS)
"""The carriers whose raw answers are read here."""


def _sighting(
    when: When | None, state: ParcelState, text: str, place: str | None, source: tuple[str, str]
) -> Sighting | None:
    """None for an event without a time: there is nowhere to put it."""
    if when is None:
        return None
    raw = f"source={source[0]} {source[1]} time={when.basis} {text}"
    return Sighting(when.at, state, text[:TEXT_MAX], place, raw[: 2 * TEXT_MAX])


def _exchange_of(answer: Answer, about: Callable[[Any], bool]) -> Exchange | None:
    return next((one for one in reversed(answer.exchanges) if about(urlsplit(one.url))), None)


def _not_found(exchange: Exchange | None) -> Found:
    """A label that was made and not scanned yet is not found: no news, and no error."""
    if exchange is None:
        return None
    return () if exchange.status == _NO_NEWS else Unreached(_failure(exchange))


# Answers of any shape


def _json(body: str) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return None


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _word(value: Any, *keys: str) -> str:
    """A text without what a database cannot store, or a number as text; empty for everything else."""
    found = _at(value, *keys)
    if isinstance(found, str):
        return found.replace("\0", "")
    return str(found) if isinstance(found, int | float) and not isinstance(found, bool) else ""


def _place(*parts: str) -> str | None:
    return ", ".join(_said(parts)) or None


def _said(parts: Sequence[str]) -> Iterator[str]:
    return (part.strip() for part in parts if part.strip())

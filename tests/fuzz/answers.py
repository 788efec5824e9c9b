"""What others answer us and tell us: accounts at other servers, carriers, suppliers of numbers, hooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from tests.fuzz.checks import now, storable

from ulak.carriers.karrio import reading as karrio
from ulak.carriers.karrio import requests as karrio_requests
from ulak.carriers.karrio.settings import KarrioSettings
from ulak.carriers.karrio.worker import Answer, Exchange, Message
from ulak.carriers.sms_activate import reading as sms_activate
from ulak.core.consignments import Package
from ulak.core.history import PastOrder
from ulak.core.numbers import Text
from ulak.core.ports import Report
from ulak.core.shipping import Sighting, Unreached, Watched
from ulak.dialects.comtohome import reading as comtohome
from ulak.dialects.comtohome.callbacks import read_news as comtohome_news
from ulak.dialects.door import Call
from ulak.dialects.hooks import HookDoors, Reader
from ulak.dialects.iletimerkezi.connect import past_reading
from ulak.dialects.iletimerkezi.connect import reading as iletimerkezi
from ulak.dialects.sms4sats.connect import reading as sms4sats
from ulak.service.carriers import Carrier

NOW = 1_779_274_991_000
_STATUSES = (200, 201, 204, 301, 400, 401, 404, 429, 500, 503)


def _answer(data: bytes) -> tuple[int, bytes]:
    """An HTTP status, which the first byte chooses, and a body."""
    return _STATUSES[data[0] % len(_STATUSES)] if data else 200, data[1:]


# Accounts at other servers


def iletimerkezi_answer(data: bytes) -> None:
    """An answer to a request of ours, whatever was asked."""
    said = iletimerkezi.read_answer(*_answer(data))
    storable(said.why)
    payload = said.payload
    storable(iletimerkezi.read_order_id(payload))
    balance = iletimerkezi.read_balance(payload)
    assert (balance.sms or 0) >= 0
    assert not balance.above(balance)
    orders = iletimerkezi.read_orders(payload)
    storable(orders)
    page = iletimerkezi.read_page(payload)
    for number, _ in page.rows:
        assert 10**6 <= number < 10**15
        reference = iletimerkezi.reference("300000001", number)
        assert iletimerkezi.read_reference(reference) == ("300000001", number)


_LISTED = PastOrder(300000001, 114, 2, 1, 1, NOW, NOW, "ULAK", "")


def iletimerkezi_past(data: bytes) -> None:
    """An answer that an import reads."""
    status, body = _answer(data)
    response = past_reading.read(body)
    past_reading.code_of(response, status)
    for read in (
        lambda: past_reading.orders_in(response),
        lambda: past_reading.report_in(response, _LISTED),
    ):
        try:
            found = read()
        except past_reading.Unreadable as error:
            storable(str(error))
            continue
        storable(found)
        if not isinstance(found, tuple):
            assert all(0 <= row.status < 2**15 for row in found.messages)


_PACKAGES = (
    Package(0, 1, 4, 1, Decimal(1), Decimal(1), Decimal(1), Decimal(1), False, (), "C2H1"),
    Package(0, 1, 4, 2, Decimal(1), Decimal(1), Decimal(1), Decimal(1), False, ()),
)


def comtohome_answer(data: bytes) -> None:
    """An answer about a parcel, a booking or a price."""
    said = comtohome.read_answer(*_answer(data))
    if not isinstance(said, comtohome.Good):
        storable(said.why)
        assert said.why
        return
    document = comtohome.read_document(said.data)
    if document is not None:
        storable(document)
        _sightings(document.sightings)
    booked = comtohome.read_booked(said.data, _PACKAGES, "C2H1")
    assert booked is None or len(booked.tickets) == len(_PACKAGES)
    storable(booked)
    for provider in (None, 1):
        price = comtohome.read_price(said.data, provider)
        assert price is None or 0 <= price < 10**26
    for row in comtohome.rows(said.data):
        comtohome.read_sighting(row)


def _sightings(found: Sequence[Sighting]) -> None:
    for seen in found:
        storable((seen.text, seen.location, seen.raw))
        assert -(2**50) < seen.at < 2**50


def sms4sats_answer(data: bytes) -> None:
    """An answer about an order, or a list of what is on offer."""
    status, body = _answer(data)
    for read in (sms4sats.read_answer, sms4sats.read_prices):
        said = read(status, body)
        if isinstance(said, sms4sats.Failure):
            storable(said.why)
            assert 0 < len(said.why) <= sms4sats.WHY_MAX
            continue
        storable(sms4sats.read_order(said.data))
        told = sms4sats.read_status(said.data)
        _texts(sms4sats.read_texts(told, "order", NOW - 60_000, NOW))
        sms4sats.read_countries(said.data)
        sms4sats.read_rentals(said.data, 2, 15000)
        stock = sms4sats.read_stock(said.data)
        assert stock is None or all(count > 0 for count in stock.values())


def _texts(found: Sequence[Text]) -> None:
    for text in found:
        storable(text)
        assert len(text.text) <= sms4sats.TEXT_MAX
        assert len(text.sender) <= sms4sats.TEXT_MAX
        assert text.at <= NOW
        assert text.reference


def sms_activate_answer(data: bytes) -> None:
    """An answer of a supplier: a word with something behind it, or JSON."""
    said = sms_activate.read_answer(data)
    if said is None:
        return
    storable((sms_activate.read_balance(said), sms_activate.read_sold(said)))
    code, text = sms_activate.read_full(said)
    storable((code, text))
    _texts([sms_activate.text_of("order", code, text, NOW)])
    if isinstance(said, sms_activate.Word):
        return
    sms_activate.read_countries(said, "visible")
    sms_activate.read_rentals(said)
    assert all(count > 0 for count in sms_activate.read_stock(said).values())
    for most in ("", "1.5"):
        assert all(
            count > 0 for row in sms_activate.read_prices(said, most).values() for count in row.values()
        )
    for row in sms_activate.read_active(said).values():
        storable(tuple(row))
    _texts(sms_activate.read_rented(said, "order", NOW))


# Carriers of parcels, behind Karrio

_TRACKING = "1Z999AA10123456784"
_WATCHED = (Watched(1, _TRACKING, "", NOW, "US"), Watched(2, "RR1TR", "", NOW, "TR"))
_KARRIO = KarrioSettings("ups", rates={"USD": Decimal(40)})
_URLS = (
    f"https://onlinetools.ups.com/api/track/v1/details/{_TRACKING}",
    f"https://api-eu.dhl.com/track/shipments?trackingNumber={_TRACKING}",
    "https://apis.fedex.com/track/v1/trackingnumbers",
)


def karrio_answer(data: bytes) -> None:
    """A carrier's own answer, as UPS, DHL and FedEx are read, and as Karrio's reading of it."""
    status, body = _answer(data)
    text = body.decode("utf-8", "replace")
    result = karrio._json(text)
    for carrier, url in zip(("ups", "dhl_universal", "fedex"), _URLS, strict=True):
        exchange = Exchange("GET", url, status, None, text)
        answer = Answer(result, [Message("SHIPPING_SDK_ERROR", text[:50])], [], [exchange])
        said = karrio.read(carrier, answer, _WATCHED)
        assert len(said) == len(_WATCHED)
        for found in said:
            if isinstance(found, Unreached):
                assert found.why or not text
            else:
                _sightings(found)
    rates = karrio_requests.read_rates(result)
    assert all(rate.amount.is_finite() for rate in rates)
    if rates:
        karrio_requests.choose(rates, "", _KARRIO)
    label = karrio_requests.read_label(text)
    assert label is None or label.content


# Hooks

_CARRIERS = {
    "plain": '{"plain":{"hook_secret":"0123456789abcdef"},"sealed":{}}',
    "signed": '{"plain":{"hook_secret":"0123456789abcdef","hook_key":"whsec_AAAA"},"sealed":{}}',
}


class _HookBooks:
    """A store with one carrier of each kind, which takes every report."""

    def __init__(self) -> None:
        self.taken: list[Report] = []

    async def read(self, _question: Callable[[Any], Any]) -> Any:
        kinds = ("comtohome", "iletimerkezi")
        return [
            Carrier(place, f"{kind}-{name}", kind, document)
            for place, (kind, (name, document)) in enumerate(
                (kind, each) for kind in kinds for each in _CARRIERS.items()
            )
        ]

    async def gather(self, _kind: str, item: Any) -> None:
        self.taken += item.reports


def hook(data: bytes) -> None:
    """A call of a carrier: its path behind /hooks/ and two headers by lines, then its body."""
    path, stamp, signature, body = [*data.split(b"\n", 3), b"", b"", b""][:4]
    books: Any = _HookBooks()
    told: list[tuple[int, str, Sequence[Sighting]]] = []

    async def seen(carrier_id: int, tracking: str, sightings: Sequence[Sighting]) -> None:
        told.append((carrier_id, tracking, sightings))

    readers: dict[str, Reader] = {"comtohome": comtohome_news, "iletimerkezi": iletimerkezi.read_news}
    vault: Any = None
    doors = HookDoors(books, readers, seen, vault, lambda: NOW)
    headers = (
        (b"webhook-id", b"msg_1"),
        (b"webhook-timestamp", stamp),
        (b"webhook-signature", signature),
    )
    call = Call("POST", f"/hooks/{path.decode('utf-8', 'replace')}", b"", headers, body, "192.0.2.1")
    reply = now(doors.answer(call))
    assert reply.status in (204, 400, 401, 404), reply
    storable((books.taken, told))
    for _, tracking, sightings in told:
        assert tracking
        _sightings(sightings)
    for report in books.taken:
        assert iletimerkezi.read_reference(report.reference) is not None

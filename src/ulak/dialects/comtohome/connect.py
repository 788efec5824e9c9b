"""A ComToHome account, or another Ulak, as a carrier of parcels.

Every booking carries its key, so that it may be sent again whatever became of the request before: what the
server took already it answers again. Where no answer comes, it is also asked for the consignment by our own
barcode, which it knows as `reference_no`.

A server of this kind shows what was seen of a consignment and not of which package, so what ends a parcel is
told of a consignment of several packages only when all of it has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from ulak.core.consignments import Consignment, Label, Shipment
from ulak.core.shipping import (
    Abilities,
    Booked,
    Booking,
    Declined,
    File,
    Quote,
    Sighting,
    Unreached,
    Watched,
)
from ulak.core.states import FINAL_PARCELS, ParcelState
from ulak.core.times import Clock
from ulak.dialects.comtohome.pacing import Pacer
from ulak.dialects.comtohome.reading import (
    Document,
    Failure,
    Good,
    Unreadable,
    read_answer,
    read_booked,
    read_document,
    read_price,
    reason_of,
    whole,
)
from ulak.dialects.comtohome.settings import Upstream
from ulak.dialects.comtohome.settings import check_settings as check_settings
from ulak.dialects.comtohome.writing import order_body
from ulak.outbound import Answer, Outbound, OutboundError

PATIENCE = 50_000
"""How long one call may take with all its tries, ms; less than a request's claim holds (`core.once`)."""

IN_FLIGHT = 4
LOOKS_IN_FLIGHT = 3
"""Requests at a time, and how many of them may be looks: a customer who books never waits for those."""

PAUSES = (0.5, 2.0)
"""Seconds between the tries of a request that had no answer; there is one try more than there are pauses."""

LIMITED_TRIES = 5
"""How often a request is sent that was refused because there were too many."""

BUSY_TRIES = 10
BUSY_PAUSE_MAX = 10.0
"""How often a request is sent that the server is still busy with, and how many seconds apart at most."""

ANSWER_MAX = 4 * 1024 * 1024
LABEL_MAX = 2 * 1024 * 1024
"""Bytes that are read of an answer, and of a label's file."""

PRICELESS = 60 * 60 * 1000
"""For how long a server that told no prices is not asked for them again, ms."""

# How a label's file begins, and what stands near its end.
_FILES = (
    (b"%PDF-", b"%%EOF", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", b"IEND", "image/png"),
    (b"^XA", b"^XZ", "application/zpl"),
)
_PASSING = (502, 503, 504)
_LATER = (408, 425)
_NOT_BOOKED = (ParcelState.WAITING, ParcelState.REJECTED, ParcelState.CANCELLED, ParcelState.DRAFT)
_TOLD_AT_BOOKING = (ParcelState.DRAFT, ParcelState.WAITING, ParcelState.REJECTED, ParcelState.BOOKED)

Sleep = Callable[[float], Awaitable[object]]


class _Said(NamedTuple):
    """An answer, and what it says."""

    status: int
    headers: Mapping[str, str]
    read: Good | Failure | Unreadable

    @property
    def good(self) -> Good | None:
        """The answer, if it says that it was done."""
        return self.read if isinstance(self.read, Good) else None

    @property
    def why(self) -> str:
        """What else it says."""
        return "the answer lacks what was asked for" if isinstance(self.read, Good) else self.read.why

    @property
    def refused(self) -> bool:
        """Whether it is a plain no. A failure of the server's own may or may not be one."""
        return isinstance(self.read, Failure) and self.status < 500 and self.status not in _LATER

    @property
    def again(self) -> bool:
        """Whether another try may help: the server failed, or what it did cannot be read."""
        unread = 200 <= self.status < 300 and not isinstance(self.read, Failure)
        return unread or self.status >= 500 or self.status in _LATER


class _Silence(NamedTuple):
    """No answer, and why. `sent`: the request may have arrived; `again`: another try may help."""

    why: str
    sent: bool = False
    again: bool = True


class _Request(NamedTuple):
    """What is asked. `own`: of the account's own server; one that is not `urgent` lets others go first."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""
    own: bool = True
    urgent: bool = True
    limit: int = ANSWER_MAX


class ComToHomeCarrier:
    """Books with an account at a ComToHome server."""

    def __init__(
        self,
        settings: Mapping[str, str],
        outbound: Outbound,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Of the clock only differences count. `outbound` is not closed here.

        Raises:
            ValueError: the settings are none.
        """
        self._to = check_settings(settings)
        self._line = _Line(self._to, outbound, clock, sleep)
        self._clock = clock
        self._sleep = sleep
        self._priceless_until = clock()

    @property
    def abilities(self) -> Abilities:
        """What it can do."""
        return Abilities(desi_divisor=self._to.tariff.desi_divisor)

    async def quote(self, shipment: Shipment) -> Quote | Declined | Unreached:
        """What the server asks for in all; where it tells no prices, what our own tariff says."""
        if self._clock() < self._priceless_until:
            return self._to.tariff.quote(shipment)
        body = order_body(self._to, shipment, "")
        said = await self._line.ask("POST", "/prices", self._clock() + PATIENCE, body=body)
        if isinstance(said, _Silence):
            return Unreached(said.why)
        if said.status in (404, 405):
            self._priceless_until = self._clock() + PRICELESS
            return self._to.tariff.quote(shipment)
        if said.good is None:
            return Declined(said.why) if said.refused else Unreached(said.why)
        price = read_price(said.good.data, self._to.provider_id)
        return Quote(price) if price is not None else Declined("no carrier of the account has a price for it")

    async def book(self, booking: Booking) -> Booked | Declined | Unreached:
        """Take it. Tried again with the same key until somebody says what became of it."""
        until = self._clock() + PATIENCE
        several = len(booking.shipment.packages) > 1
        path = "/consignments/multi-package" if several else "/consignments"
        body = order_body(self._to, booking.shipment, booking.barcode)
        for pause in (*PAUSES, None):
            said = await self._line.post(path, until, body, booking.key)
            outcome = self._outcome(said, booking) or await self._look_up(said, booking, until)
            if outcome is not None:
                return outcome
            if pause is None or not said.again:
                break
            await self._sleep(pause)
        return Unreached(said.why)

    def _outcome(self, said: _Said | _Silence, booking: Booking) -> Booked | Declined | None:
        """What came of a booking, if its answer says so beyond doubt."""
        if isinstance(said, _Silence):
            return None
        if said.refused:
            return Declined(said.why)
        booked = _booked(said, booking)
        return booked if booked is not None and booked.tickets[0].tracking else None

    async def _look_up(
        self, said: _Said | _Silence, booking: Booking, until: int
    ) -> Booked | Declined | None:
        """What came of a booking, by asking for the consignment that should be there now."""
        if isinstance(said, _Silence) and not (said.sent and said.again):
            return None
        booked = _booked(said, booking)
        found = await self._line.ask(
            "GET", f"/consignments/find/reference_no/{_part(booking.barcode)}", until
        )
        document = read_document(found.good.data) if isinstance(found, _Said) and found.good else None
        if document is None:
            return booked
        if document.state is ParcelState.REJECTED and isinstance(said, _Said):
            return Declined(said.why)
        if document.state in _NOT_BOOKED or not any(label.tracking for label in document.labels):
            return booked
        return _booked(found, booking)

    async def label(self, consignment: Consignment, label: Label) -> File | Unreached | None:
        """The server's file, looked at: a page that says something else is none."""
        until = self._clock() + PATIENCE
        document = await self._document(consignment.carrier_reference, label.tracking, until)
        if not isinstance(document, Document):
            return document if isinstance(document, Unreached) else Unreached("the server does not know it")
        if not document.labels:
            return None
        same = [found for found in document.labels if label.tracking and found.tracking == label.tracking]
        chosen = same[0] if same else document.labels[min(label.place, len(document.labels) - 1)]
        return await self._line.download(chosen.url, until) if chosen.url else None

    async def cancel(self, consignment: Consignment) -> Declined | Unreached | None:
        """Take it back. When that is refused, a look tells whether it was done before."""
        until = self._clock() + PATIENCE
        known_as = consignment.carrier_reference or consignment.barcode
        path = f"/consignments/{_part(known_as)}/cancel"
        for pause in (PAUSES[0], None):
            said = await self._line.post(path, until, b"", f"cancel-{consignment.uuid}")
            if isinstance(said, _Said) and said.good is not None:
                return None
            document = await self._document(consignment.carrier_reference, consignment.tracking, until)
            if isinstance(document, Document) and document.state is ParcelState.CANCELLED:
                return None
            if pause is None or not said.again:
                break
            await self._sleep(pause)
        refused = isinstance(said, _Said) and said.refused
        return Declined(reason_of(said.why)) if refused else Unreached(said.why)

    async def track(self, labels: Sequence[Watched], now: int) -> Sequence[Sequence[Sighting] | Unreached]:
        """What was seen of each. The packages of one consignment are asked about once."""
        del now
        until = self._clock() + PATIENCE
        groups: dict[tuple[str, str], list[int]] = {}
        for place, label in enumerate(labels):
            groups.setdefault((label.reference, "" if label.reference else label.tracking), []).append(place)
        asked = (self._seen(labels[places[0]], len(places), until) for places in groups.values())
        results: list[Sequence[Sighting] | Unreached] = [()] * len(labels)
        for places, found in zip(groups.values(), await asyncio.gather(*asked), strict=True):
            for place, seen in zip(places, found, strict=True):
                results[place] = seen
        return results

    async def _seen(self, label: Watched, count: int, until: int) -> Sequence[Sequence[Sighting] | Unreached]:
        """What was seen of a consignment, shared out to so many of its labels."""
        document = await self._document(label.reference, label.tracking, until, urgent=False)
        if not isinstance(document, Document):
            return [document if document is not None else ()] * count
        news = [seen for seen in document.sightings if seen.state not in _TOLD_AT_BOOKING]
        if count == 1 and len(document.labels) < 2:
            return [news]
        last = [seen for seen in news if seen.state in FINAL_PARCELS]
        under_way = [seen for seen in news if seen.state not in FINAL_PARCELS]
        return [news if document.over else under_way] + [last if document.over else ()] * (count - 1)

    async def _document(
        self, reference: str, tracking: str | None, until: int, *, urgent: bool = True
    ) -> Document | Unreached | None:
        """The consignment as the server shows it; None if it knows none."""
        if reference.isascii() and reference.isdigit():
            path = f"/consignments/{reference}/details"
        elif tracking:
            path = f"/consignments/find/trackingCode/{_part(tracking)}"
        else:
            return None
        said = await self._line.ask("GET", path, until, urgent=urgent)
        if isinstance(said, _Silence):
            return Unreached(said.why)
        if said.good is not None:
            return read_document(said.good.data) or Unreached(said.why)
        return None if said.refused and said.status in (200, 404) else Unreached(said.why)

    async def close(self) -> None:
        """Nothing is held open here."""


class _Line:
    """Requests to one account: in their turn, and again when that may help."""

    def __init__(self, to: Upstream, outbound: Outbound, clock: Clock, sleep: Sleep) -> None:
        self._to = to
        self._outbound = outbound
        self._clock = clock
        self._sleep = sleep
        self._pacer = Pacer()
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._looks = asyncio.Semaphore(LOOKS_IN_FLIGHT)
        self._origin = _origin(to.url)

    async def ask(
        self, method: str, path: str, until: int, *, body: bytes = b"", urgent: bool = True
    ) -> _Said | _Silence:
        """A request that changes nothing, so it is repeated when there was no good answer."""
        request = _Request(method, self._to.url + path, self._headers(), body, urgent=urgent)
        for pause in (*PAUSES, None):
            async with contextlib.nullcontext() if urgent else self._looks:
                said = await self._send(request, until)
            passing = said.again if isinstance(said, _Silence) else said.status in _PASSING
            if not passing or pause is None or self._clock() + pause * 1000 >= until:
                break
            await self._sleep(pause)
        return said

    async def post(self, path: str, until: int, body: bytes, key: str) -> _Said | _Silence:
        """A request that is done once for its key. While the server is busy with it, it is repeated."""
        headers = self._headers() | {"X-Idempotency-Key": key}
        for _ in range(BUSY_TRIES):
            said = await self._send(_Request("POST", self._to.url + path, headers, body), until)
            if isinstance(said, _Silence) or said.status != 409 or "retry-after" not in said.headers:
                return said
            pause = min(whole(said.headers["retry-after"]) or 1, BUSY_PAUSE_MAX)
            if self._clock() + pause * 1000 >= until:
                break
            await self._sleep(pause)
        return _Silence("the server is still busy with the same request", sent=True, again=False)

    async def download(self, url: str, until: int) -> File | Unreached:
        """A label's file. Only the server itself is shown the key, and only it may be a private address."""
        own = _origin(url) == self._origin
        headers = self._headers() if own else {}
        answer = await self._exchange(_Request("GET", url, headers, own=own, limit=LABEL_MAX), until)
        if isinstance(answer, _Silence):
            return Unreached(answer.why)
        if answer.status != 200:
            return Unreached(f"HTTP {answer.status} instead of the label")
        for start, end, mime in _FILES:
            if answer.body.lstrip()[:16].startswith(start) and end in answer.body[-1024:]:
                return File(answer.body, mime)
        return Unreached("what came instead of the label is no PDF, PNG or ZPL")

    async def _send(self, request: _Request, until: int) -> _Said | _Silence:
        """One request; sent again when there were too many in the last minute."""
        for _ in range(LIMITED_TRIES):
            answer = await self._exchange(request, until)
            if isinstance(answer, _Silence):
                return answer
            if answer.status != 429:
                return _Said(answer.status, answer.headers, read_answer(answer.status, answer.body))
            self._pacer.refused(answer.headers, self._clock())
        return _Silence("there were too many requests to the account", again=False)

    async def _exchange(self, request: _Request, until: int) -> Answer | _Silence:
        """Send one request when its turn has come."""
        async with self._slots:
            if request.own and not await self._turn(until, request.urgent):
                return _Silence("the account's requests of this minute are used up", again=False)
            left = (until - self._clock()) / 1000
            if left <= 0:
                return _Silence("it took too long", again=False)
            try:
                answer = await self._outbound.request(
                    request.method,
                    request.url,
                    headers=request.headers,
                    body=request.body or None,
                    timeout=min(self._to.timeout, left),
                    limit=request.limit,
                    guard=not request.own,
                )
            except OutboundError as error:
                return _Silence(str(error), sent=error.sent)
        if request.own:
            self._pacer.learn(answer.headers, self._clock())
        return answer

    async def _turn(self, until: int, urgent: bool) -> bool:
        """Wait for a place in the minute; False if none comes in time."""
        while pause := self._pacer.wait(self._clock(), urgent=urgent):
            if self._clock() + pause > until:
                return False
            await self._sleep(pause / 1000)
        return True

    def _headers(self) -> dict[str, str]:
        return {
            "APIKEY": self._to.apikey,
            "Accept": "application/json",
            "Accept-Language": "en",
            "Content-Type": "application/json",
        }


async def probe(settings: Mapping[str, str], outbound: Outbound | None = None) -> str:
    """Ask for the newest consignment, as `ulak carrier test` does; a sentence about the account.

    Raises:
        OSError: the server does not answer, or not to this key.
    """
    to = check_settings(settings)
    way = outbound or Outbound()
    try:
        answer = await way.request(
            "GET",
            f"{to.url}/consignments?limit=1",
            headers={"APIKEY": to.apikey, "Accept": "application/json", "Accept-Language": "en"},
            timeout=to.timeout,
            limit=ANSWER_MAX,
            guard=False,
        )
    except OutboundError as error:
        raise ConnectionError(str(error)) from None
    finally:
        if outbound is None:
            await way.close()
    read = read_answer(answer.status, answer.body)
    if not isinstance(read, Good):
        raise ConnectionError(f"the server says: {read.why}")
    total = whole(read.meta.get("total"))
    return "the account answers" + (f"; it has {total} consignments" if total is not None else "")


def _booked(said: _Said | _Silence, booking: Booking) -> Booked | None:
    """What an answer says was booked."""
    if isinstance(said, _Silence) or said.good is None:
        return None
    return read_booked(said.good.data, booking.shipment.packages, booking.shipment.barcode)


def _part(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="")


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an address; None if it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname.lower(), port) if parts.hostname and port else None

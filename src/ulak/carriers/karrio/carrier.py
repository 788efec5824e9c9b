"""A parcel carrier through Karrio: `ulak.core.shipping.ParcelCarrier`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ulak.carriers.karrio import reading, requests
from ulak.carriers.karrio.journal import Keys, read_booked
from ulak.carriers.karrio.settings import KarrioSettings, parse_settings
from ulak.carriers.karrio.worker import Answer, Exchange, Lost, NotAsked, Worker
from ulak.core.consignments import Consignment, Label, Shipment
from ulak.core.errors import StoreUnavailable, UlakError
from ulak.core.journal import Journal, KeyState, Known
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
    clear_command,
)

BATCH = 10
"""Parcels that are asked about at once."""

_INTERNAL = "SHIPPING_SDK_"
_UNSUPPORTED = "SHIPPING_SDK_NON_SUPPORTED_ERROR"
_LOGIN = re.compile(r"oauth|token|/auth\b|/login\b|/session\b", re.IGNORECASE)
_GONE = re.compile(r"already.{0,40}(void|cancel)|(void|cancel)l?ed already", re.IGNORECASE)
_ASK_LATER = frozenset((401, 408, 429))
_WORDS = (
    ("get_rates", "quote"),
    ("create_shipment", "book"),
    ("cancel_shipment", "cancel"),
    ("get_tracking", "track"),
)


class KarrioCarrier:
    """One account with one carrier that Karrio knows."""

    def __init__(
        self,
        settings: KarrioSettings,
        journal: Journal,
        *,
        folder: Path | None = None,
        worker: Worker | None = None,
    ) -> None:
        """`journal` keeps the keys of bookings; in `folder` versions before kept them."""
        self._settings = settings
        self._worker = worker or Worker(settings)
        self._keys = Keys(journal, folder)

    @property
    def abilities(self) -> Abilities:
        """Everything; what the carrier's connector lacks it declines when it is asked."""
        return Abilities(desi_divisor=self._settings.desi_divisor)

    async def quote(self, shipment: Shipment) -> Quote | Declined | Unreached:
        """The price of the shipment's service, or of the cheapest."""
        chosen = await self._choose(shipment)
        return chosen[1] if isinstance(chosen, tuple) else chosen

    async def book(self, booking: Booking) -> Booked | Declined | Unreached:
        """Book once. After an answer that was lost the same key is refused until an operator has looked."""
        shipment = booking.shipment
        if shipment.barcode or any(package.barcode for package in shipment.packages):
            return Declined("This carrier makes its own tracking codes and takes none that came along")
        service = shipment.method or self._settings.service
        if not service:
            chosen = await self._choose(shipment)
            if not isinstance(chosen, tuple):
                return chosen
            service = chosen[0]
        try:
            known = await self._keys.begin(booking.key)
        except (StoreUnavailable, OSError) as error:
            return Unreached(f"The carrier was not asked: its journal cannot be written ({error})")
        return await self._book(booking, service) if known is None else self._repeated(booking, known)

    def _repeated(self, booking: Booking, known: Known) -> Booked | Unreached:
        """The carrier was asked with this key before."""
        if known.state is KeyState.KEPT:
            return Unreached("This parcel was booked before, and what the carrier answered is with it")
        return read_booked(known.answer) or self._unclear(booking)

    async def label(self, consignment: Consignment, label: Label) -> File | Unreached:  # noqa: ARG002
        """Asked only for a label that did not come with the booking. One of ours would not be theirs."""
        return Unreached("The carrier gave no label that can be read; print it from its own account")

    async def cancel(self, consignment: Consignment) -> Declined | Unreached | None:
        """Take the whole booking back."""
        identifier = consignment.carrier_reference or consignment.tracking
        if not identifier:
            return Declined("The carrier knows nothing of this consignment")
        try:
            answer = await self._worker.ask("cancel", {"shipment_identifier": identifier})
        except (NotAsked, Lost) as error:
            return Unreached(str(error))
        if isinstance(answer.result, dict) and answer.result.get("success"):
            return None
        if any(_GONE.search(message.message) for message in answer.messages):
            return None
        return _refusal(answer)

    async def track(
        self,
        labels: Sequence[Watched],
        now: int,  # noqa: ARG002
    ) -> Sequence[Sequence[Sighting] | Unreached]:
        """Ask in batches. If one is not answered at all, the rest are not asked."""
        said: list[Sequence[Sighting] | Unreached] = []
        while len(said) < len(labels):
            batch = labels[len(said) : len(said) + BATCH]
            numbers = list(dict.fromkeys(label.tracking for label in batch))
            try:
                answer = await self._worker.ask("track", {"tracking_numbers": numbers})
            except (NotAsked, Lost) as error:
                why = Unreached(str(error))
                return said + [why for _ in labels[len(said) :]]
            said += reading.read(self._settings.carrier, answer, batch)
        return said

    async def close(self) -> None:
        """End the child process."""
        await self._worker.close()

    async def _choose(self, shipment: Shipment) -> tuple[str, Quote] | Declined | Unreached:
        """The service to use, by its name, and its price."""
        service = shipment.method or self._settings.service
        body = requests.rate_request(shipment, service, self._settings.incoterm)
        try:
            answer = await self._worker.ask("rate", body)
        except (NotAsked, Lost) as error:
            return Unreached(str(error))
        rates = requests.read_rates(answer.result)
        return requests.choose(rates, service, self._settings) if rates else _refusal(answer)

    async def _book(self, booking: Booking, service: str) -> Booked | Declined | Unreached:
        """Ask. What is then not written down makes a repetition be refused; the answer itself is good."""
        settings = self._settings
        body = requests.ship_request(booking, service, settings.label, settings.incoterm)
        try:
            answer = await self._worker.ask("ship", body, requests.boxes(booking.shipment))
        except NotAsked as error:
            await self._forget(booking)
            return Unreached(str(error))
        except Lost as error:
            return self._unclear(booking, f"{error}. ")
        booked = requests.read_booked(answer.result, answer.labels, booking.shipment)
        if booked is not None:
            with contextlib.suppress(StoreUnavailable):
                await self._keys.finish(booking.key, booked)
            return booked
        if _may_be_done(answer):
            return self._unclear(booking, f"{_said(answer)}. ")
        await self._forget(booking)
        return _refusal(answer)

    async def _forget(self, booking: Booking) -> None:
        with contextlib.suppress(StoreUnavailable):
            await self._keys.forget(booking.key)

    def _unclear(self, booking: Booking, why: str = "") -> Unreached:
        return Unreached(
            f"{why}It is not known whether {self._settings.carrier} booked this parcel."
            f" Look for the reference {booking.barcode} in the account there and void what you find; then"
            f" `{clear_command(booking.barcode)}` lets it be booked again"
        )


def check(words: Mapping[str, str]) -> None:
    """Whether a carrier of kind `karrio` can be told this. Raises ValueError."""
    parse_settings(words)


async def probe(settings: KarrioSettings) -> str:
    """Start the library and open the account, without asking the carrier. Raises UlakError."""
    worker = Worker(settings)
    try:
        about = await worker.about()
    except NotAsked as error:
        raise UlakError(str(error)) from None
    finally:
        await worker.close()
    can = [word for ability, word in _WORDS if ability in about.abilities]
    return f"Karrio {about.version} can {', '.join(can) or 'do nothing'} with {settings.carrier}"


def _refusal(answer: Answer) -> Declined | Unreached:
    """Why there is no result."""
    if any(message.code == _UNSUPPORTED for message in answer.messages):
        return Declined("Karrio cannot do this with this carrier")
    if any(_failed(exchange) for exchange in answer.exchanges):
        return Unreached(_said(answer))
    return Declined(_said(answer))


def _may_be_done(answer: Answer) -> bool:
    """Whether a booking without a result may exist: it was sent, and no clear refusal came back."""
    asked = [exchange for exchange in answer.exchanges if not _LOGIN.search(exchange.url)]
    refused = any(
        message.message and not message.code.startswith(_INTERNAL) and message.level != "warning"
        for message in answer.messages
    )
    return any(
        exchange.status is None or exchange.status >= 500 or (exchange.status < 300 and not refused)
        for exchange in asked
    )


def _failed(exchange: Exchange) -> bool:
    return exchange.status is None or exchange.status >= 500 or exchange.status in _ASK_LATER


def _said(answer: Answer) -> str:
    """What went wrong, in the carrier's words if there are any."""
    texts = [message.message.strip() for message in answer.messages if message.message.strip()]
    errors = [exchange.error for exchange in answer.exchanges if exchange.error]
    statuses = [
        f"the carrier answered with status {exchange.status}"
        for exchange in answer.exchanges
        if exchange.status is not None and exchange.status >= 400
    ]
    said = errors or texts or statuses or ["the carrier gave no reason"]
    return "; ".join(dict.fromkeys(said))[:500].rstrip(".")

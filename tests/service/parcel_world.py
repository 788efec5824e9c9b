"""The world outside a parcel desk: carriers that remember what they did, and that fail in their own ways.

A carrier books a key once, whatever it answers: an answer can be lost after it was done. What a call ended in
is left in `SAID` for whoever writes it down next in the same task.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from random import Random
from typing import Any

from ulak.core.consignments import Consignment, Label, Shipment, TrackingKind
from ulak.core.shipping import (
    Abilities,
    Booked,
    Booking,
    Declined,
    Quote,
    Sighting,
    Ticket,
    Unreached,
    Watched,
)

SAID: ContextVar[tuple[Any, ...] | None] = ContextVar("SAID", default=None)
"""("book", key, since, outcome), ("cancel", key, outcome) or ("track", [(label id, sightings or None)])."""

NO = Declined("adres bulunamadı")
SILENCE = Unreached("zaman aşımı")


@dataclass
class Journey:
    """What a carrier booked for a key."""

    booked: Booked
    reference: str | None
    packages: int
    cancelled: bool = False


@dataclass
class WorldCarrier:
    """`ulak.core.shipping.ParcelCarrier`. `whims` is how often it declines or does not answer."""

    name: str
    net: int
    rng: Random
    pause: Callable[[], Awaitable[None]]
    whims: float = 0.0
    tracked: bool = True
    codes: int = 10**6
    """It has so many tracking codes, and uses them again."""
    id: int = 0
    journeys: dict[str, Journey] = field(default_factory=dict)
    unheard: set[str] = field(default_factory=set)
    """Keys of which an answer was lost, or never came."""
    verdicts: dict[tuple[str, int], Declined] = field(default_factory=dict)
    seen: dict[str, list[Sighting]] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)
    """Keys that it was asked to cancel and never booked."""
    given: int = 0

    @property
    def abilities(self) -> Abilities:
        return Abilities(tracking=self.tracked)

    def _whim(self, often: float = 1.0) -> bool:
        return self.rng.random() < self.whims * often

    async def quote(self, shipment: Shipment) -> Quote | Declined | Unreached:
        await self.pause()
        if self._whim(0.3):
            return NO if self.rng.random() < 0.5 else SILENCE
        return Quote(self.net * len(shipment.packages))

    async def book(self, booking: Booking) -> Booked | Declined | Unreached:
        attempt = booking.key, booking.at
        SAID.set(("book", *attempt, SILENCE))
        if self._whim(0.5):
            self.unheard.add(booking.key)
            return SILENCE
        await self.pause()
        if booking.key not in self.journeys and (attempt in self.verdicts or self._whim()):
            self.verdicts[attempt] = NO
            await self.pause()
            SAID.set(("book", *attempt, NO))
            return NO
        if booking.key not in self.journeys:
            self.journeys[booking.key] = self._journey(booking)
        answer = self.journeys[booking.key].booked
        if self._whim(0.6):
            self.unheard.add(booking.key)
        await self.pause()
        if booking.key in self.unheard and self._whim():
            if self._whim(2):
                raise ConnectionError("reset")
            return SILENCE
        SAID.set(("book", *attempt, answer))
        return answer

    def _journey(self, booking: Booking) -> Journey:
        packages = len(booking.shipment.packages)
        if not self.tracked:
            tickets = [Ticket(None, TrackingKind.NONE)] * (packages - 1) + [Ticket(booking.barcode)]
        else:
            numbers = range(self.given, self.given + packages)
            tickets = [Ticket(f"{self.name}{number % self.codes}") for number in numbers]
        self.given += packages
        return Journey(Booked(tuple(tickets), f"ref {self.given}"), booking.shipment.reference, packages)

    async def label(self, consignment: Consignment, label: Label) -> None:  # noqa: ARG002
        return None

    async def cancel(self, consignment: Consignment) -> Declined | Unreached | None:
        key = consignment.uuid
        SAID.set(("cancel", key, SILENCE))
        if self._whim(0.5):
            return SILENCE
        await self.pause()
        if self._whim():
            SAID.set(("cancel", key, NO))
            return NO
        if key not in self.journeys:
            self.strangers.append(key)
            return NO
        self.journeys[key].cancelled = True
        if self._whim(0.5):
            raise ConnectionError("reset")
        await self.pause()
        SAID.set(("cancel", key, None))
        return None

    async def track(self, labels: Sequence[Watched], now: int) -> Sequence[Sequence[Sighting] | Unreached]:
        assert all(watched.booked <= now for watched in labels)
        SAID.set(("track", [(watched.label_id, None) for watched in labels]))
        if self._whim(0.5):
            raise ConnectionError("reset")
        await self.pause()
        answers = [
            SILENCE if self._whim(0.3) else tuple(self.seen.get(watched.tracking, ())) for watched in labels
        ]
        await self.pause()
        told = [None if isinstance(answer, Unreached) else answer for answer in answers]
        SAID.set(("track", [(watched.label_id, one) for watched, one in zip(labels, told, strict=True)]))
        return answers

    async def close(self) -> None:
        """Nothing is open."""

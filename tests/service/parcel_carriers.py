"""A carrier of parcels that does as it is told, and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ulak.core.consignments import Consignment, Label, Shipment, TrackingKind
from ulak.core.shipping import (
    Abilities,
    Booked,
    Booking,
    Declined,
    File,
    ParcelCarrier,
    Quote,
    Sighting,
    Ticket,
    Unreached,
    Watched,
)
from ulak.service.carriers import Carrier
from ulak.service.fleet import Fleet


@dataclass
class ToldCarrier:
    """Answers what its attributes say; an exception among them is raised.

    `booked` counts bookings by key, `kept` holds what was answered to each: a key is booked once. While
    `open` is cleared, bookings and cancellations wait; `arrived` tells that one does.
    """

    price: Quote | Declined | Unreached | Exception = field(default_factory=lambda: Quote(2000, 6400))
    abilities: Abilities = field(default_factory=Abilities)
    booking: Declined | Unreached | Exception | None = None
    file: File | None = None
    cancelling: Declined | Unreached | Exception | None = None
    news: dict[str, Sequence[Sighting] | Unreached] = field(default_factory=dict)
    tracking: Exception | None = None
    code: Callable[[int], str] = "RR{:09}TR".format
    booked: Counter[str] = field(default_factory=Counter)
    kept: dict[str, Booked] = field(default_factory=dict)
    bookings: list[Booking] = field(default_factory=list)
    cancelled: Counter[str] = field(default_factory=Counter)
    asked: list[list[Watched]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    async def _wait(self) -> None:
        self.arrived.set()
        await self.open.wait()

    async def quote(self, shipment: Shipment) -> Quote | Declined | Unreached:
        assert shipment.packages
        if isinstance(self.price, Exception):
            raise self.price
        return self.price

    async def book(self, booking: Booking) -> Booked | Declined | Unreached:
        self.booked[booking.key] += 1
        self.bookings.append(booking)
        await self._wait()
        if isinstance(self.booking, Exception):
            raise self.booking
        if self.booking is not None:
            return self.booking
        if booking.key not in self.kept:
            first = 1 + sum(len(booked.tickets) for booked in self.kept.values())
            tickets = tuple(
                Ticket(self.code(first + place), TrackingKind.CARRIER, self.file)
                for place in range(len(booking.shipment.packages))
            )
            self.kept[booking.key] = Booked(tickets, f"ref-{first}")
        return self.kept[booking.key]

    async def label(self, consignment: Consignment, label: Label) -> File | Unreached | None:
        assert label in consignment.labels
        return self.file

    async def cancel(self, consignment: Consignment) -> Declined | Unreached | None:
        self.cancelled[consignment.uuid] += 1
        await self._wait()
        if isinstance(self.cancelling, Exception):
            raise self.cancelling
        return self.cancelling

    async def track(self, labels: Sequence[Watched], now: int) -> Sequence[Sequence[Sighting] | Unreached]:
        assert all(watched.booked <= now for watched in labels)
        self.asked.append(list(labels))
        if self.tracking is not None:
            raise self.tracking
        return [self.news.get(watched.tracking, ()) for watched in labels]

    async def close(self) -> None:
        self.open.set()


def fleet_of(ways: dict[int, ToldCarrier]) -> Fleet:
    """A fleet in which the carriers with these ids are the ones given; others take no parcels."""

    def make(row: Carrier) -> ParcelCarrier | None:
        return ways.get(row.id)

    return Fleet(make)

"""The ways to carriers at work: one object for each configured carrier, made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, Protocol, TypeVar

import structlog

from ulak.core.numbers import NumberSource
from ulak.core.shipping import ParcelCarrier
from ulak.service.carriers import Carrier

log = structlog.get_logger("ulak.carriers")


class Closable(Protocol):
    """What every way to a carrier can do."""

    async def close(self) -> None:
        """Hang up."""


Way = TypeVar("Way", bound=Closable)


class Contact(NamedTuple, Generic[Way]):
    """A configured carrier that does what is wanted, and the way to it."""

    row: Carrier
    way: Way


class Ways(Generic[Way]):
    """Keeps the ways to carriers of one sort. Used on the event loop only."""

    def __init__(self, make: Callable[[Carrier], Way | None]) -> None:
        """`make` builds the way to a configured carrier, None if it is not of this sort or cannot be used."""
        self._make = make
        self._ways: dict[int, tuple[Carrier, Way | None]] = {}

    async def of(self, rows: Iterable[Carrier]) -> dict[int, Contact[Way]]:
        """The ways to those of these configured carriers that are of this sort, by id. What was changed is
        made anew."""
        found: dict[int, Contact[Way]] = {}
        changed: list[tuple[Carrier, Way | None]] = []
        for row in rows:
            known = self._ways.get(row.id)
            if known is None or known[0] != row:
                if known is not None:
                    changed.append(known)
                # Put there before anything is waited for: others ask at the same time.
                known = self._ways[row.id] = (row, self._made(row))
            if known[1] is not None:
                found[row.id] = Contact(row, known[1])
        await _hang_up(changed)
        return found

    async def names(self, rows: Iterable[Carrier]) -> list[str]:
        """The names of those of these configured carriers that are of this sort."""
        return [contact.row.name for contact in (await self.of(rows)).values()]

    def _made(self, row: Carrier) -> Way | None:
        """The way to a carrier. One that cannot be made must not take the others along."""
        try:
            return self._make(row)
        except Exception:
            log.exception("carrier.cannot_start", carrier=row.name)
            return None

    async def close(self) -> None:
        """Hang up everywhere."""
        ways, self._ways = self._ways, {}
        await _hang_up(ways.values())


async def _hang_up(ways: Iterable[tuple[Carrier, Closable | None]]) -> None:
    for row, way in ways:
        try:
            if way is not None:
                await way.close()
        except Exception:
            log.exception("carrier.not_closed", carrier=row.name)


Courier = Contact[ParcelCarrier]
"""A carrier that takes parcels."""

Fleet = Ways[ParcelCarrier]
"""The ways to those."""

Source = Contact[NumberSource]
"""A carrier that rents out numbers."""

SourceFleet = Ways[NumberSource]
"""The ways to those."""

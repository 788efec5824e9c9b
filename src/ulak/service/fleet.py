"""The parcel carriers at work: one object for each configured carrier, made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import structlog

from ulak.core.shipping import ParcelCarrier
from ulak.service.carriers import Carrier

log = structlog.get_logger("ulak.parcels")


class Courier(NamedTuple):
    """A configured carrier that takes parcels, and the way to it."""

    row: Carrier
    way: ParcelCarrier


class Fleet:
    """Keeps the ways to parcel carriers. Used on the event loop only."""

    def __init__(self, make: Callable[[Carrier], ParcelCarrier | None]) -> None:
        """`make` builds the way to a configured carrier, None if it takes no parcels or cannot be used."""
        self._make = make
        self._ways: dict[int, tuple[Carrier, ParcelCarrier | None]] = {}

    async def of(self, rows: Iterable[Carrier]) -> dict[int, Courier]:
        """The couriers among these configured carriers, by id. What was changed is made anew."""
        found: dict[int, Courier] = {}
        changed: list[tuple[Carrier, ParcelCarrier | None]] = []
        for row in rows:
            known = self._ways.get(row.id)
            if known is None or known[0] != row:
                if known is not None:
                    changed.append(known)
                # Put there before anything is waited for: others ask at the same time.
                known = self._ways[row.id] = (row, self._made(row))
            if known[1] is not None:
                found[row.id] = Courier(row, known[1])
        await _hang_up(changed)
        return found

    def _made(self, row: Carrier) -> ParcelCarrier | None:
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


async def _hang_up(ways: Iterable[tuple[Carrier, ParcelCarrier | None]]) -> None:
    for row, way in ways:
        try:
            if way is not None:
                await way.close()
        except Exception:
            log.exception("carrier.not_closed", carrier=row.name)

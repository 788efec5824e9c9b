"""The parcel carriers at work: one object for each configured carrier, made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ulak.core.shipping import ParcelCarrier
from ulak.service.carriers import Carrier


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
        for row in rows:
            known = self._ways.get(row.id)
            if known is None or known[0] != row:
                if known is not None and known[1] is not None:
                    await known[1].close()
                known = self._ways[row.id] = (row, self._make(row))
            if known[1] is not None:
                found[row.id] = Courier(row, known[1])
        return found

    async def close(self) -> None:
        """Hang up everywhere."""
        ways, self._ways = self._ways, {}
        for _, way in ways.values():
            if way is not None:
                await way.close()

"""The ways to parcel carriers: made once, made anew after a change, and none of them in another's way."""

from __future__ import annotations

import asyncio
from typing import cast

from ulak.core.shipping import ParcelCarrier
from ulak.service.carriers import Carrier
from ulak.service.fleet import Fleet

OLD, NEW = Carrier(1, "Demo Kargo", "x", "{}"), Carrier(1, "Demo Kargo", "x", '{"plain":{}}')
OTHER = Carrier(2, "Kuzey Kargo", "x", "{}")


class Way:
    """Counts how often it was hung up, which takes a moment."""

    def __init__(self, error: Exception | None = None) -> None:
        self.closed = 0
        self._error = error

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.closed += 1
        if self._error is not None:
            raise self._error


class Shop:
    """Makes ways, and keeps them."""

    def __init__(self, *errors: Exception | None) -> None:
        self.made: list[Way] = []
        self._errors = list(errors)
        self.fleet = Fleet(self._make)

    def _make(self, row: Carrier) -> ParcelCarrier | None:
        del row
        self.made.append(Way(self._errors.pop(0) if self._errors else None))
        return cast("ParcelCarrier", self.made[-1])


async def test_whoever_asks_while_a_carrier_is_made_anew_gets_the_new_one() -> None:
    shop = Shop()
    await shop.fleet.of([OLD])
    answers = await asyncio.gather(*(shop.fleet.of([NEW, OTHER]) for _ in range(5)))
    old, new, other = shop.made
    assert {id(found[1].way) for found in answers} == {id(new)}
    assert {id(found[2].way) for found in answers} == {id(other)}
    assert [old.closed, new.closed, other.closed] == [1, 0, 0]
    await shop.fleet.close()
    assert [way.closed for way in shop.made] == [1, 1, 1]


async def test_one_that_cannot_be_hung_up_keeps_nobody() -> None:
    shop = Shop(OSError("stuck"))
    await shop.fleet.of([OLD, OTHER])
    assert list(await shop.fleet.of([NEW, OTHER])) == [1, 2]
    await shop.fleet.close()
    assert [way.closed for way in shop.made] == [1, 1, 1]


async def test_one_that_cannot_be_made_keeps_nobody() -> None:
    def make(row: Carrier) -> ParcelCarrier | None:
        if row == OLD:
            raise OSError("no space left")
        return cast("ParcelCarrier", Way())

    assert list(await Fleet(make).of([OLD, OTHER])) == [2]

"""Numbers of the operator's own as a source. SMS to them come in over carrier links, which bring them along.

What is rented, and was used for what, stands in the database behind a `Shelf`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from ulak.core.errors import StoreUnavailable
from ulak.core.numbers import Activation, Got, News, NoneLeft, Unreached, Want
from ulak.core.own_numbers import check_settings, is_service
from ulak.core.pools import FULL, SERVICES

__all__ = ["InventorySource", "Shelf", "check_settings", "probe"]

_AWAY = Unreached("the database is away")


class Shelf(Protocol):
    """The numbers of one configured carrier, where they are stored. Every call may raise StoreUnavailable."""

    async def pools(self) -> Collection[int]:
        """Where there are free numbers for codes."""

    async def rentals(self, service: str) -> Collection[int]:
        """Where there are free numbers to be rented as a whole."""

    async def stock(self, pool: int) -> tuple[Mapping[str, int], bool]:
        """Free numbers of a pool by service, and whether any, anywhere, is for all services."""

    async def take(self, want: Want) -> Got | None:
        """Give a number to a purchase; the same one if it has one."""

    async def give_back(self, activation: Activation, used: bool) -> None:
        """Free a number, if the purchase still has it."""


class InventorySource:
    """`ulak.core.numbers.NumberSource` over a shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._for_all = True

    def unlisted(self, service: str) -> bool:
        """Any service that stock does not list, as long as some number is for all (when last looked)."""
        return self._for_all and is_service(service) and service not in SERVICES and service != FULL

    @property
    def every(self) -> int | None:
        """Never: links bring what comes."""
        return None

    async def pools(self) -> Collection[int] | Unreached:
        """Where there are free numbers for codes."""
        try:
            return await self._shelf.pools()
        except StoreUnavailable:
            return _AWAY

    async def rentals(self, service: str) -> Collection[int] | Unreached:
        """Where there are free numbers; for 'full' such that are for all services."""
        if not is_service(service):
            return []
        try:
            return await self._shelf.rentals(service)
        except StoreUnavailable:
            return _AWAY

    async def stock(self, pool: int) -> Mapping[str, int] | Unreached:
        """Free numbers that a service has not seen yet."""
        try:
            counts, self._for_all = await self._shelf.stock(pool)
        except StoreUnavailable:
            return _AWAY
        return counts

    async def buy(self, want: Want) -> Got | NoneLeft | Unreached:
        """The number that was rested longest; the same one for the same key."""
        if not is_service(want.service):
            return NoneLeft("this is no service")
        try:
            got = await self._shelf.take(want)
        except StoreUnavailable:
            return _AWAY
        return NoneLeft("no such number is free") if got is None else got

    async def news(self, held: Sequence[Activation], now: int) -> Sequence[News]:  # noqa: ARG002
        """Nothing that the links had not told before."""
        return [() for _ in held]

    async def finish(self, activation: Activation, used: bool) -> Unreached | None:
        """The number is free again. Used, it does not go out for the same service any more."""
        try:
            await self._shelf.give_back(activation, used)
        except StoreUnavailable:
            return _AWAY
        return None

    async def close(self) -> None:
        """Nothing is open."""


async def probe(settings: Mapping[str, str]) -> str:
    """Whether the settings can be used; there is nobody to be asked. Raises ValueError."""
    check_settings(settings)
    return "its numbers are in the database"

"""Numbers of the operator's own: added and removed by him, rented out and taken back.

A number is rented by one purchase at a time, and for a code it goes to each service once: who has registered
with a number has it for good there. The one that was rested longest goes first, so that what comes late for
one customer does not come to the next. A number that was rented as a whole may have been used for anything,
and is not sold for codes any more; it can be rented again. Removed and added again, a number is new.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ulak.core.errors import UlakError
from ulak.core.numbers import Activation, Got, Want
from ulak.core.own_numbers import KIND
from ulak.core.pools import ANY, SERVICES
from ulak.service import carriers
from ulak.service.carriers import Carrier
from ulak.store import mailboxes, purchases
from ulak.store import own_numbers as store
from ulak.store.books import Books
from ulak.store.engine import Tx
from ulak.store.own_numbers import OwnNumber
from ulak.store.vault import Vault

NAME = "inventory"
"""What the carrier is called that is made for the first numbers."""


class Shown(NamedTuple):
    """A number, the name of the carrier it belongs to, and what it was used for."""

    own: OwnNumber
    carrier: str
    used: tuple[str, ...]


# What the operator does.


def carrier_for_numbers(tx: Tx, name: str | None, vault: Vault) -> Carrier:
    """The inventory that is named, or else the only one; the first one is made.

    Raises:
        UlakError: it is none, or several could be meant.
    """
    if name is not None:
        found = carriers.named(tx, name)
        if found.kind != KIND:
            raise UlakError(f"the carrier {name!r} is of kind {found.kind}, not {KIND}")
        return found
    known = [carrier for carrier in carriers.active(tx) if carrier.kind == KIND]
    if len(known) > 1:
        names = ", ".join(carrier.name for carrier in known)
        raise UlakError(f"there are several inventories: name one of {names}")
    return known[0] if known else carriers.add(tx, NAME, KIND, {}, lambda _settings: None, vault)


def add(
    tx: Tx, numbers: Collection[int], carrier: Carrier, pool: int, services: Sequence[str], handset: bool
) -> list[Shown]:
    """Add numbers, all or none, for some services or for all.

    Raises:
        UlakError: one is there already, or is an account's.
    """
    if any(mailboxes.find(tx, number) for number in numbers):
        raise UlakError("one of these numbers is an account's, to be written to; see `ulak inbox list`")
    if store.add(tx, numbers, carrier.id, pool, services, handset) != len(set(numbers)):
        raise UlakError("one of these numbers is there already")
    wanted = set(numbers)
    return [shown for shown in every_number(tx) if shown.own.number in wanted]


def every_number(tx: Tx) -> list[Shown]:
    """All numbers, by country."""
    names = {carrier.id: carrier.name for carrier in carriers.active(tx)}
    uses = store.uses(tx)
    return [
        Shown(own, names.get(own.carrier_id, ""), tuple(uses.get(own.number, ())))
        for own in store.all_numbers(tx)
    ]


def remove(tx: Tx, number: int) -> None:
    """Forget a number, and what it was used for.

    Raises:
        UlakError: it is rented, or there is none.
    """
    if not store.remove(tx, number):
        if store.find(tx, number) is None:
            raise UlakError("there is no such number")
        raise UlakError("the number is rented; it can be removed once that is over")


# What customers do.


def take(tx: Tx, carrier_id: int, want: Want) -> Got | None:
    """Give a free number to the purchase `want.key`, or None. A purchase that has one gets it again."""
    # Whoever else buys for it at the same time finds what it got.
    purchases.locked(tx, [want.key])
    held = store.of_purchase(tx, want.key)
    if held is not None:
        return Got(str(want.key), held.number, held.pool) if held.carrier_id == carrier_id else None
    pick = store.free_to_rent if want.weeks else store.free_for_code
    found = pick(tx, carrier_id, want.pool, want.service, want.handset)
    if found is None or not store.rent(tx, found[0], want.key):
        return None
    return Got(str(want.key), *found)


def give_back(tx: Tx, activation: Activation, used: bool) -> None:
    """Free a number, if the purchase still has it; if it was `used`, note for which service."""
    store.free(tx, activation.number, activation.key, activation.service if used else None)


def stock(tx: Tx, carrier_id: int, pool: int) -> tuple[dict[str, int], bool]:
    """Free numbers in a pool (`ANY`: anywhere) by service, and whether any, anywhere, is for all services.

    A service is listed if it is one that is traded, or if a number is for it.
    """
    groups = store.stock(tx, carrier_id, pool)
    found: dict[str, int] = {}
    for services, count, used in groups:
        for service in services or SERVICES:
            left = count - used.get(service, 0)
            if left > 0:
                found[service] = found.get(service, 0) + left
    # What numbers for all have to give to a service that is listed only because others are for it.
    for service in [service for service in found if service not in SERVICES]:
        found[service] += sum(
            count - used.get(service, 0) for services, count, used in groups if not services
        )
    everywhere = groups if pool == ANY else store.stock(tx, carrier_id, ANY)
    return found, any(not services for services, _, _ in everywhere)


class InventoryShelf:
    """The numbers of one carrier, asked from the event loop (`ulak.carriers.inventory.Shelf`)."""

    def __init__(self, books: Books, carrier_id: int) -> None:
        self._books = books
        self._carrier_id = carrier_id

    async def pools(self) -> Collection[int]:
        """Where there are free numbers for codes."""
        return await self._books.read(partial(store.pools, carrier_id=self._carrier_id))

    async def rentals(self, service: str) -> Collection[int]:
        """Where there are free numbers to be rented as a whole."""
        return await self._books.read(partial(store.rentals, carrier_id=self._carrier_id, service=service))

    async def stock(self, pool: int) -> tuple[Mapping[str, int], bool]:
        """Free numbers by service, and whether any is for all services."""
        return await self._books.read(partial(stock, carrier_id=self._carrier_id, pool=pool))

    async def take(self, want: Want) -> Got | None:
        """Give a number to a purchase."""
        return await self._books.write(partial(take, carrier_id=self._carrier_id, want=want))

    async def give_back(self, activation: Activation, used: bool) -> None:
        """Free a number."""
        await self._books.write(partial(give_back, activation=activation, used=used))

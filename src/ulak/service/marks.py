"""What consignments and labels are known by: random, and nobody else's."""

from __future__ import annotations

import random
import string
import uuid
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from ulak.core.consignments import Package
from ulak.store import bookings, ids
from ulak.store.engine import Tx

BARCODE_DIGITS = 11
"""Digits of a barcode after its prefix."""

_LETTERS = string.ascii_letters + string.digits


class Names(NamedTuple):
    """What a consignment is known by."""

    uuid: str
    barcode: str


@dataclass(frozen=True, slots=True)
class Marks:
    """Where they come from. `prefix` begins every barcode."""

    rng: random.Random = field(default_factory=random.SystemRandom)
    prefix: str = "C2H"

    def names(self, tx: Tx) -> Names:
        """A UUID, of which there are too many to meet one twice, and a barcode that no consignment has."""
        while True:
            digits = self.rng.randrange(10**BARCODE_DIGITS)
            barcode = f"{self.prefix}{digits:0{BARCODE_DIGITS}}"
            if not bookings.is_taken(tx, barcode):
                return Names(str(uuid.UUID(int=self.rng.getrandbits(128), version=4)), barcode)

    def file_name(self, ending: str) -> str:
        """What a label's file is called."""
        return f"label_{''.join(self.rng.choices(_LETTERS, k=6))}.{ending}"

    def nonce(self) -> str:
        """What makes a label's address hard to guess: 128 bits."""
        return f"{self.rng.getrandbits(128):032x}"


def numbered(tx: Tx, packages: tuple[Package, ...]) -> tuple[Package, ...]:
    """The packages and items with ids: those that have none (0) get new ones."""
    wanted = sum((not package.id) + sum(not item.id for item in package.items) for package in packages)
    if not wanted:
        return packages
    fresh = iter(ids.lease(tx, wanted, ids.PART))
    return tuple(
        msgspec.structs.replace(
            package,
            id=package.id or next(fresh),
            items=tuple(
                item if item.id else msgspec.structs.replace(item, id=next(fresh)) for item in package.items
            ),
        )
        for package in packages
    )

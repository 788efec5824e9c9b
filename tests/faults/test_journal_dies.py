"""A booking with a carrier that knows no keys, in a process that dies at every point of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.carriers_karrio.goods import booking, shipment
from tests.carriers_karrio.test_karrio_booking import GOOD, SETTINGS, Scripted
from tests.mortal import dies_at

from ulak.carriers.karrio.carrier import KarrioCarrier
from ulak.carriers.karrio.worker import Answer
from ulak.core.shipping import Booked, Declined, Unreached
from ulak.service import audit
from ulak.service.journal import BookingJournal
from ulak.store.books import Books
from ulak.store.engine import Database
from ulak.store.writer import sync_read

VISITS: dict[str, tuple[int, type[Booked | Unreached]]] = {
    "journal.begun": (0, Unreached),
    "journal.answered": (1, Unreached),
    "journal.finished": (1, Booked),
}
"""How often the carrier was asked when it dies there, and what whoever comes next says of the parcel."""


class Asked(Scripted):
    """A carrier that survives: every question is a line in a file."""

    def __init__(self, file: Path) -> None:
        super().__init__(GOOD)
        self._file = file

    async def ask(self, verb: str, body: object, pieces: int = 1) -> Answer:
        with open(self._file, "a") as file:
            print(verb, file=file)
        return await super().ask(verb, body, pieces)


def _book(database: Database, file: Path) -> Booked | Declined | Unreached:
    async def book() -> Booked | Declined | Unreached:
        books = Books(database, {})
        try:
            carrier = KarrioCarrier(SETTINGS, BookingJournal(books, 1), worker=Asked(file))
            return await carrier.book(booking(shipment()))
        finally:
            await books.close()

    return asyncio.run(book())


@pytest.mark.fault("F1 kill -9 at a point", "while a carrier is asked that knows no keys: it is asked once")
@pytest.mark.parametrize("point", VISITS)
def test_death_at_every_point(
    either_database: Database, tmp_path: Path, point: str, record_property: Callable[[str, object], None]
) -> None:
    file = tmp_path / "asked"
    file.touch()
    asked, found = VISITS[point]
    assert dies_at(point, 1, lambda: _book(either_database, file))
    assert len(file.read_text().split()) == asked
    for _ in range(2):
        assert isinstance(_book(either_database, file), found)
    assert len(file.read_text().split()) == asked
    assert sync_read(either_database, audit.check) == []
    record_property("runs", 1)

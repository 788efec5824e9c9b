"""Erasing a number dies at every step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests import cast
from tests.cast import FIRST
from tests.conftest import FakeClock
from tests.mortal import dies_at
from tests.service.test_erase import NUMBER, OTHERS, erase

from ulak.core.consents import Origin
from ulak.service import audit
from ulak.store import blocks, erasing, suppressions
from ulak.store.engine import Database
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write


def left(database: Database) -> int:
    """How often it stands anywhere."""
    return sum(erase(database).left.values())


@pytest.mark.fault(
    "erase dies", "kill -9 at every step of `ulak erase`, each run beginning where the last one died"
)
def test_death_at_every_step(
    database: Database, clock: FakeClock, record_property: Callable[[str, object], None]
) -> None:
    alice = cast.alice(database)
    cast.place(
        database, alice, [cast.text([NUMBER, OTHERS[0]], body="Ara: 0530 123 45 67"), cast.text([NUMBER])]
    )
    cast.send_all(database)
    cast.place(
        database, alice, [cast.text([NUMBER, 0], odd={1: "5301234567 (ev)"})], due=clock.now + cast.HOUR
    )
    sync_write(database, lambda tx: blocks.add(tx, alice.id, NUMBER, Origin.API))
    balance = cast.balance(database, alice)
    vault = Vault(database.directory)
    vault.derive("made before")
    nth, runs = 1, 0
    for point in ("erase.written", "erase.committed", "erase.scrubbed"):
        while dies_at(point, nth, lambda: erase(database)):
            runs += 1
            nth = nth + 1 if point != "erase.scrubbed" else 2
            assert sync_read(database, audit.check) == []
        nth = 1
    assert left(database) == 0
    assert sync_read(database, lambda tx: suppressions.with_any(tx, [alice.id])) == {alice.id}
    assert (balance.held, cast.balance(database, alice).held) == (4, 3)
    assert [row[4] is None for row in sync_read(database, erasing.log)].count(False) >= 1
    assert cast.report_of(database, alice, FIRST).order.total == 3
    record_property("runs", runs)

"""A restore that dies before it counts: the data are what they were, and the next restore is a whole one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests import cast
from tests.mortal import dies_at
from tests.store.test_backup import everything, made, nothing

from ulak.service import audit
from ulak.store import load
from ulak.store.engine import Database
from ulak.store.writer import sync_read


@pytest.mark.fault("F1 kill -9 at a point", "of a restore, when all is loaded and nothing counts yet")
def test_death_before_it_counts(
    either_database: Database, record_property: Callable[[str, object], None]
) -> None:
    point = "restore.before_commit" if either_database.postgres else "restore.before_swap"
    alice = cast.alice(either_database)
    backup, _ = made(either_database)
    kept = sync_read(either_database, everything)
    cast.place(either_database, alice, 3)
    before = sync_read(either_database, everything)
    assert before != kept
    assert dies_at(point, 1, lambda: load.load(either_database, backup, nothing))
    assert sync_read(either_database, everything) == before
    assert sync_read(either_database, audit.check) == []
    load.load(either_database, backup, nothing)
    assert sync_read(either_database, everything) == kept
    record_property("runs", 1)

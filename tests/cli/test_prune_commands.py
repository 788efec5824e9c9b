"""`ulak prune`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import psycopg
import pytest
from tests import cast
from tests.cli.conftest import Command
from tests.partition_rig import names, partitions_of

from ulak.service import audit, sandbox
from ulak.store import partitions, settings
from ulak.store.engine import Database
from ulak.store.writer import sync_read, sync_write
from ulak.wiring import now_ms

DAY = 24 * cast.HOUR


@pytest.fixture
def alice(database: Database) -> cast.Tenant:
    """Alice, with an order that is through, one that is not, and a sandbox's clock a hundred days later."""
    database.clock = now_ms
    alice = cast.alice(database)
    cast.place(database, alice, 3)
    for order in cast.claim(database):
        names = cast.accept_all(database, order)
        cast.report(database, *[cast.delivered(name) for each in names.values() for name in each])
    cast.place(database, alice, 2)
    sync_write(database, lambda tx: settings.put(tx, settings.SANDBOX, "on"))
    sync_write(database, lambda tx: sandbox.advance(tx, 100 * DAY))
    return alice


NOTHING = {"orders": 0, "messages": 0, "partitions": 0, "waiting": 0, "parcels": 0, "purchases": 0}


def test_prune(ulak: Command, database: Database, alice: cast.Tenant) -> None:
    span = {"older_than_ms": 90 * DAY, "dry_run": True}
    found = {"orders": 1, "messages": 3}
    assert ulak("prune", "--older-than", "90d", "--dry-run").value == span | NOTHING | found
    span["dry_run"] = False
    assert ulak("prune", "--older-than", "90d").value == span | NOTHING | found
    assert ulak("prune", "--older-than", "90d").value == span | NOTHING
    assert ulak("doctor").value["ok"]
    assert cast.report_of(database, alice, cast.FIRST + 1).order.waiting == 2
    assert cast.balance(database, alice).spent == 3
    assert sync_read(database, audit.check) == []


def _settled(database: Database, who: cast.Tenant, size: int) -> None:
    cast.place(database, who, size)
    for order in cast.claim(database):
        references = cast.accept_all(database, order)
        cast.report(database, *[cast.delivered(name) for each in references.values() for name in each])


@pytest.fixture
def small(postgres_database: Database) -> Iterator[Database]:
    """Partitions of a hundred messages. Asked for before `ulak`, they stay until everything was audited."""
    postgres_database.clock = now_ms
    with partitions_of(postgres_database, 100, 3):
        yield postgres_database


@pytest.mark.parametrize("either_database", ["postgresql"], indirect=True)
def test_beside_a_long_reader(small: Database, ulak: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a backup: two partitions that are to go wait for it, and everything else goes."""
    monkeypatch.setattr(partitions, "drop", partial(partitions.drop, wait=0.3))
    alice = cast.alice(small)
    for size in (60, 60, 60):
        _settled(small, alice, size)
    cast.place(small, alice, due=now_ms() + 300 * DAY)  # keeps the third partition
    sync_write(small, lambda tx: settings.put(tx, settings.SANDBOX, "on"))
    sync_write(small, lambda tx: sandbox.advance(tx, 100 * DAY))
    words = ("prune", "--older-than", "90d")
    nothing = {"older_than_ms": 90 * DAY, "dry_run": False} | NOTHING
    with psycopg.connect(str(small.url)) as backup:
        backup.execute("SELECT count(*) FROM message")
        assert ulak(*words).value == nothing | {"orders": 3, "messages": 180, "waiting": 2}
        _settled(small, alice, 10)
        sync_write(small, lambda tx: sandbox.advance(tx, 100 * DAY))
        assert ulak(*words).value == nothing | {"orders": 1, "messages": 10, "waiting": 2}
        assert sync_read(small, audit.check) == []
    assert ulak(*words).value == nothing | {"partitions": 2}
    assert names(small) == [partitions.name_of(201)]


@pytest.mark.usefixtures("alice")
def test_only_what_is_asked_for(ulak: Command) -> None:
    assert ulak("prune", "--older-than", "101d").value["orders"] == 0
    assert ulak("prune", "--older-than", "90d", "--what", "parcels").value["orders"] == 0
    assert ulak("prune", "--older-than", "90d", "--what", "all").value["orders"] == 1


@pytest.mark.parametrize(
    "words",
    [[], ["--older-than", "soon"], ["--older-than", "23h"], ["--older-than", "9d", "--what", "all-of-it"]],
)
def test_wrong_usage(ulak: Command, words: list[str]) -> None:
    ended = ulak("prune", *words)
    assert (ended.code, ended.out) == (2, "")

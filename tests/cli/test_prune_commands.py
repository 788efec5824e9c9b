"""`ulak prune`."""

from __future__ import annotations

import pytest
from tests import cast
from tests.cli.conftest import Command

from ulak.service import audit, sandbox
from ulak.store import settings
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

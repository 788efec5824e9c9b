"""Endpoints that are named in an order: told of it and of nothing else, and shared by whoever names them."""

from __future__ import annotations

import pytest
from tests import cast
from tests.conftest import FakeClock

from ulak.core.events import Event, EventKind
from ulak.service import endpoints, events, sweep
from ulak.service.sweep import NAMED_KEPT, Hand
from ulak.store import callbacks
from ulak.store import endpoints as store
from ulak.store.engine import Database, Sql, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_write

DIALECT, URL = "sms4sats", "https://alice.example/hook"

_ENDPOINTS = Sql("SELECT id, url, secret, failing, disabled FROM endpoint WHERE removed IS NULL ORDER BY id")
_QUEUED = Sql("SELECT endpoint_id, subject FROM callback ORDER BY id")
_DISABLE = Sql("UPDATE endpoint SET failing = 1, disabled = 2 WHERE id = :id")


@pytest.fixture
def alice(database: Database) -> cast.Tenant:
    return cast.alice(database)


def happen(tx: Tx, who: cast.Tenant, subject: int, endpoint_id: int | None) -> None:
    events.record(tx, [Event(who.id, EventKind.PURCHASE_CHANGED, subject, b"{}", endpoint_id)])


def test_it_is_told_of_what_it_was_named_for(database: Database, alice: cast.Tenant) -> None:
    def change(tx: Tx) -> tuple[int, list[tuple[int, int]]]:
        named = store.name(tx, alice.id, DIALECT, URL)
        for subject, endpoint_id in ((1, named), (2, None), (3, named)):
            happen(tx, alice, subject, endpoint_id)
        return named, [(row[0], row[1]) for row in tx.all(_QUEUED)]

    named, queued = sync_write(database, change)
    assert queued == [(named, 1), (named, 3)]


def test_the_account_s_own_endpoint_is_told_beside_it(database: Database, alice: cast.Tenant) -> None:
    def change(tx: Tx) -> tuple[set[int], set[int]]:
        own = endpoints.set_endpoint(tx, alice.id, DIALECT, ["purchase"], URL, Vault(database.directory))
        named = store.name(tx, alice.id, DIALECT, URL)
        happen(tx, alice, 1, named)
        return {own.endpoint.id, named}, {row[0] for row in tx.all(_QUEUED)}

    wanted, queued = sync_write(database, change)
    assert len(wanted) == 2
    assert queued == wanted


def test_one_address_is_one_endpoint_and_signed_with_the_account_s_secret(
    database: Database, alice: cast.Tenant
) -> None:
    def change(tx: Tx) -> tuple[bool, list[str]]:
        first = store.name(tx, alice.id, DIALECT, URL)
        same = store.name(tx, alice.id, DIALECT, URL) == first
        before = tx.all(_ENDPOINTS)[0][2]
        made = endpoints.set_endpoint(tx, alice.id, DIALECT, ["purchase"], URL, Vault(database.directory))
        store.name(tx, alice.id, DIALECT, URL + "?later")
        return same, [before, *(row[2] == made.endpoint.secret for row in tx.all(_ENDPOINTS))]

    assert sync_write(database, change) == (True, ["", True, True, True])


def test_naming_it_again_forgets_what_ailed_it(database: Database, alice: cast.Tenant) -> None:
    def change(tx: Tx) -> tuple[int, int]:
        named = store.name(tx, alice.id, DIALECT, URL)
        tx.run(_DISABLE, id=named)
        happen(tx, alice, 1, named)
        muted = len(tx.all(_QUEUED))
        happen(tx, alice, 2, store.name(tx, alice.id, DIALECT, URL))
        return muted, len(tx.all(_QUEUED))

    assert sync_write(database, change) == (0, 1)


def test_it_is_forgotten_when_it_was_not_named_for_long(
    database: Database, alice: cast.Tenant, clock: FakeClock
) -> None:
    def begin(tx: Tx) -> None:
        for place in ("idle", "busy", "named again"):
            store.name(tx, alice.id, DIALECT, f"{URL}/{place}")
        happen(tx, alice, 1, 2)

    def left() -> list[str]:
        rows = sync_write(database, lambda tx: tx.all(_ENDPOINTS))
        return [row[1].rpartition("/")[2] for row in rows]

    def swept(tx: Tx) -> bool:
        hand, more = Hand(), True
        while more:
            hand, more = sweep.sweep_slice(tx, hand, receipt_wait=10**12)
        return True

    sync_write(database, begin)
    clock.advance(NAMED_KEPT - 1)
    sync_write(database, lambda tx: store.name(tx, alice.id, DIALECT, f"{URL}/named again"))
    assert sync_write(database, swept)
    assert left() == ["idle", "busy", "named again"]
    clock.advance(2)
    sync_write(database, swept)
    assert left() == ["busy", "named again"]
    assert sync_write(database, lambda tx: callbacks.any_due(tx))

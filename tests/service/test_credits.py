"""Credit: granted, never more than was given, never lost between two who give at once."""

from __future__ import annotations

import threading

import pytest
from tests import cast

from ulak.core.errors import UlakError
from ulak.core.ledger import Balance
from ulak.service import credits
from ulak.store import ledger
from ulak.store.engine import Database
from ulak.store.writer import sync_read, sync_write


def test_grants_add_up(database: Database) -> None:
    alice = cast.alice(database, credit=0)
    assert sync_read(database, lambda tx: credits.available(tx, alice.id)) == 0
    granted = sync_write(database, lambda tx: credits.grant(tx, "alice", 5))
    assert granted == Balance(-5, 5, 0, 0)
    sync_write(database, lambda tx: credits.grant(tx, str(alice.id), 7))
    sync_write(database, lambda tx: credits.grant(tx, "alice", 9, "TRY"))
    assert sync_read(database, lambda tx: ledger.of_account(tx, alice.id)) == {
        "SMS": Balance(-12, 12, 0, 0),
        "TRY": Balance(-9, 9, 0, 0),
    }
    assert sync_read(database, lambda tx: credits.available(tx, alice.id)) == 12


@pytest.mark.parametrize("amount", [0, -1, credits.AMOUNT_MAX + 1])
def test_amounts_that_cannot_be_granted(database: Database, amount: int) -> None:
    cast.alice(database, credit=0)
    with pytest.raises(UlakError, match="between 1 and"):
        sync_write(database, lambda tx: credits.grant(tx, "alice", amount))
    with pytest.raises(UlakError, match="no account 'nobody'"):
        sync_write(database, lambda tx: credits.grant(tx, "nobody", 1))


def test_first_grants_at_once(database: Database) -> None:
    """Two command lines at once: there is no balance row yet that the second could wait for."""
    cast.alice(database, credit=0)
    barrier = threading.Barrier(4)

    def give() -> None:
        barrier.wait()
        sync_write(database, lambda tx: credits.grant(tx, "alice", 1))

    threads = [threading.Thread(target=give) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sync_read(database, lambda tx: credits.available(tx, 1)) == 4

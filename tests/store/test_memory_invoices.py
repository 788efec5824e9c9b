"""The invoices of the memory backend as rows: a state is left once, what was paid is found by its time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing

import pytest
from tests.conftest import FakeClock

from ulak.core.funding import InvoiceState
from ulak.store import memory_invoices
from ulak.store.engine import Database, Sql, Tx
from ulak.store.memory_invoices import MemoryInvoice, Paid
from ulak.store.writer import sync_read, sync_write

HASH = "ab" * 32
EXPIRY = 600_000

DELETE = Sql("DELETE FROM memory_invoice")


def insert(database: Database, name: str = HASH, hold: bool = True) -> None:
    def change(tx: Tx) -> bool:
        return memory_invoices.insert(
            tx, name, "lnbcrt" + name, 1500, hold, None if hold else "sealed", tx.now + EXPIRY
        )

    assert sync_write(database, change)


def found(database: Database, name: str = HASH) -> MemoryInvoice:
    invoice = sync_read(database, lambda tx: memory_invoices.find(tx, name))
    assert invoice is not None
    return invoice


STEPS: dict[str, Callable[[Tx], bool]] = {
    "pay": lambda tx: memory_invoices.pay(tx, HASH),
    "expire": lambda tx: memory_invoices.expire(tx, HASH),
    "settle": lambda tx: memory_invoices.settle(tx, HASH, "sealed"),
    "cancel": lambda tx: memory_invoices.cancel(tx, HASH),
}


def test_a_new_invoice(database: Database, clock: FakeClock) -> None:
    insert(database)
    assert found(database) == MemoryInvoice(
        HASH, "lnbcrt" + HASH, 1500, InvoiceState.OPEN, True, None, clock.now + EXPIRY, clock.now
    )
    assert sync_read(database, lambda tx: memory_invoices.find(tx, "cd" * 32)) is None


def test_a_hash_is_taken_once(database: Database) -> None:
    insert(database)
    before = found(database)
    again = sync_write(database, lambda tx: memory_invoices.insert(tx, HASH, "other", 9, False, "x", 1))
    assert not again
    assert found(database) == before


@pytest.mark.parametrize(
    ("before", "possible"),
    [
        ([], {"pay": 3, "cancel": 5}),
        (["pay"], {"settle": 4, "cancel": 5}),
        (["pay", "settle"], {}),
        (["pay", "cancel"], {}),
        (["cancel"], {}),
    ],
)
def test_what_each_state_lets_happen(database: Database, before: list[str], possible: dict[str, int]) -> None:
    for step, becomes in (dict.fromkeys(STEPS, 0) | possible).items():
        sync_write(database, lambda tx: tx.run(DELETE))
        insert(database)
        for earlier in before:
            assert sync_write(database, STEPS[earlier])
        state = found(database).state
        assert sync_write(database, STEPS[step]) == bool(becomes), step
        assert found(database).state == (becomes or state), step


def test_after_its_time_nobody_pays_it(database: Database, clock: FakeClock) -> None:
    insert(database)
    clock.advance(EXPIRY - 1)
    assert not sync_write(database, STEPS["expire"])
    clock.advance(1)
    assert not sync_write(database, STEPS["pay"])
    assert sync_write(database, STEPS["expire"])
    assert found(database).state is InvoiceState.CANCELLED


def test_what_is_held_does_not_expire(database: Database, clock: FakeClock) -> None:
    insert(database)
    assert sync_write(database, STEPS["pay"])
    clock.advance(EXPIRY * 10)
    assert not sync_write(database, STEPS["expire"])
    assert sync_write(database, STEPS["settle"])


def test_a_plain_one_is_settled_when_paid(database: Database) -> None:
    insert(database, hold=False)
    assert sync_write(database, STEPS["pay"])
    assert found(database).state is InvoiceState.SETTLED
    assert found(database).preimage == "sealed"
    assert not sync_write(database, STEPS["cancel"])


def test_what_was_paid_since(database: Database, clock: FakeClock) -> None:
    began = clock.now
    names = [f"{number:064x}" for number in range(6)]
    for number, name in enumerate(names):
        insert(database, name, hold=number != 1)
    for number in (0, 1, 2, 3):
        clock.advance(number % 2)
        assert sync_write(database, lambda tx, n=number: memory_invoices.pay(tx, names[n]))  # type: ignore[misc]
    assert sync_write(database, lambda tx: memory_invoices.settle(tx, names[3], "sealed"))
    assert sync_write(database, lambda tx: memory_invoices.cancel(tx, names[4]))

    def since(moment: int) -> list[Paid]:
        return sync_read(database, lambda tx: memory_invoices.paid_since(tx, moment))

    assert since(began)[0] == Paid(names[0], began)
    assert sorted(since(began)[1:]) == [Paid(names[1], began + 1), Paid(names[2], began + 1)]
    assert sorted(since(began + 1)) == [Paid(names[1], began + 1), Paid(names[2], began + 1)]
    assert since(began + 2) == []
    held = sync_read(database, memory_invoices.held)
    assert held == [Paid(names[0], began), Paid(names[2], began + 1)]


def test_the_first_key_stays(database: Database) -> None:
    assert sync_read(database, memory_invoices.key) is None
    assert sync_write(database, lambda tx: memory_invoices.keep_key(tx, "first")) == "first"
    assert sync_write(database, lambda tx: memory_invoices.keep_key(tx, "second")) == "first"
    assert sync_read(database, memory_invoices.key) == "first"


def at_once(database: Database, *changes: Callable[[Tx], bool]) -> list[bool]:
    """What each of these gives, begun at one time on connections of their own."""
    together = threading.Barrier(len(changes))
    results = [False] * len(changes)

    def run(number: int) -> None:
        together.wait()
        results[number] = sync_write(database, changes[number])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(changes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_two_who_pay_at_once_one_does(database: Database) -> None:
    for _ in range(5):
        sync_write(database, lambda tx: tx.run(DELETE))
        insert(database)
        assert sorted(at_once(database, STEPS["pay"], STEPS["pay"], STEPS["pay"])) == [False, False, True]
        assert found(database).state is InvoiceState.HELD


def test_it_is_settled_or_cancelled_and_never_both(database: Database) -> None:
    for _ in range(10):
        sync_write(database, lambda tx: tx.run(DELETE))
        insert(database)
        assert sync_write(database, STEPS["pay"])
        settled, cancelled = at_once(database, STEPS["settle"], STEPS["cancel"])
        assert settled != cancelled
        expected = InvoiceState.SETTLED if settled else InvoiceState.CANCELLED
        assert found(database).state is expected


def test_of_two_who_bring_a_key_one_wins(database: Database) -> None:
    kept: list[str] = []

    def bring(value: str) -> Callable[[Tx], bool]:
        def change(tx: Tx) -> bool:
            kept.append(memory_invoices.keep_key(tx, value))
            return True

        return change

    at_once(database, bring("one"), bring("two"))
    assert len(set(kept)) == 1
    assert kept[0] == sync_read(database, memory_invoices.key)


def test_a_look_is_a_range_of_its_index(sqlite_database: Database) -> None:
    with closing(sqlite3.connect(sqlite_database.path)) as db:
        for sql in (memory_invoices._PAID_SINCE, memory_invoices._HELD):
            steps = [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql.sqlite, {"since": 0})]
            assert len(steps) == 1
            assert "INDEX ix_memory_invoice_paid" in steps[0]
        assert "(changed>?)" in str(
            db.execute("EXPLAIN QUERY PLAN " + memory_invoices._PAID_SINCE.sqlite, {"since": 0}).fetchall()
        )


def test_a_look_is_a_range_of_its_index_on_postgresql(postgres_database: Database) -> None:
    def plan(tx: Tx) -> str:
        tx.run(Sql("SET LOCAL enable_seqscan = off"))
        looked = memory_invoices._PAID_SINCE.postgresql.replace("%(since)s", "0")
        return str(tx.all(Sql("EXPLAIN " + looked)))

    steps = sync_write(postgres_database, plan)
    assert "ix_memory_invoice_paid" in steps
    assert "Index Cond: (changed >= " in steps

"""Blocks: where they came from stays what weighs most, and a page of them is a walk along an index."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from tests.conftest import FakeClock

from ulak.core.consents import Origin
from ulak.store import blocks
from ulak.store.blocks import FIRST, LAST, Block
from ulak.store.engine import Database, Tx
from ulak.store.writer import sync_read, sync_write

ACCOUNT, OTHER = 7, 8
NUMBER = 905301234567

KEPT = [
    (Origin.API, Origin.API, Origin.API),
    (Origin.API, Origin.REPLY, Origin.REPLY),
    (Origin.API, Origin.OPERATOR, Origin.OPERATOR),
    (Origin.REPLY, Origin.API, Origin.REPLY),
    (Origin.REPLY, Origin.OPERATOR, Origin.REPLY),
    (Origin.OPERATOR, Origin.API, Origin.OPERATOR),
    (Origin.OPERATOR, Origin.REPLY, Origin.OPERATOR),
]


@pytest.mark.parametrize(("first", "then", "left"), KEPT)
def test_adding_again(
    database: Database, clock: FakeClock, first: Origin, then: Origin, left: Origin
) -> None:
    added = clock.now
    sync_write(database, lambda tx: blocks.add(tx, ACCOUNT, NUMBER, first))
    clock.advance(1000)
    sync_write(database, lambda tx: blocks.add(tx, ACCOUNT, NUMBER, then))
    found = sync_read(database, lambda tx: blocks.every(tx, ACCOUNT))
    assert found == [Block(NUMBER, left, added)]
    lifted = sync_write(database, lambda tx: blocks.lift(tx, ACCOUNT, NUMBER))
    assert lifted == (left is Origin.API)
    assert (sync_read(database, lambda tx: blocks.find(tx, ACCOUNT, NUMBER)) is None) == lifted
    assert sync_write(database, lambda tx: blocks.remove(tx, ACCOUNT, NUMBER)) != lifted
    assert sync_read(database, lambda tx: blocks.every(tx, ACCOUNT)) == []


def test_pages(database: Database, clock: FakeClock) -> None:
    began = clock.now
    for number in range(5):
        sync_write(database, partial(blocks.add, account_id=ACCOUNT, number=number + 1, origin=Origin.API))
        clock.advance(10)
    sync_write(database, lambda tx: blocks.add(tx, OTHER, 9, Origin.API))

    def page(start: int, end: int, offset: int, limit: int) -> tuple[int, list[int]]:
        return sync_read(database, lambda tx: blocks.page(tx, ACCOUNT, start, end, offset, limit))

    assert page(FIRST, LAST, 0, 10) == (5, [5, 4, 3, 2, 1])
    assert page(FIRST, LAST, 0, 5) == (5, [5, 4, 3, 2, 1])
    assert page(FIRST, LAST, 0, 2) == (5, [5, 4])
    assert page(FIRST, LAST, 4, 2) == (5, [1])
    assert page(FIRST, LAST, 6, 2) == (5, [])
    assert page(began + 10, began + 30, 0, 2) == (2, [3, 2])
    assert page(began + 10, began + 30, 2, 2) == (2, [])
    assert page(began + 41, LAST, 0, 2) == (0, [])
    assert page(FIRST, began, 4, 2) == (0, [])


def test_the_last_page_is_not_counted(sqlite_database: Database) -> None:
    """Its place says how many there are."""

    asked: list[str] = []

    class Counting(Tx):
        def _execute(self, sql: Any, values: dict[str, Any]) -> Any:
            asked.append(sql.sqlite)
            return super()._execute(sql, values)

    def question(tx: Tx) -> tuple[int, list[int]]:
        return blocks.page(Counting(tx._connection, tx.now, tx.postgres), ACCOUNT, FIRST, LAST, 0, 2)

    sync_write(sqlite_database, lambda tx: blocks.add(tx, ACCOUNT, NUMBER, Origin.API))
    assert sync_read(sqlite_database, question) == (1, [NUMBER])
    assert len(asked) == 1
    sync_write(sqlite_database, lambda tx: blocks.add(tx, ACCOUNT, NUMBER + 1, Origin.API))
    assert sync_read(sqlite_database, question) == (2, [NUMBER + 1, NUMBER])
    assert len(asked) == 3

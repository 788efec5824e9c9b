"""Blocks: the numbers that an account must not write to."""

from __future__ import annotations

from typing import NamedTuple

from ulak.core.consents import Origin
from ulak.store import barring
from ulak.store.engine import Sql, Tx

# A block that stands keeps its time; one that the account may lift becomes one that it may not, never back.
_ADD = Sql(
    "INSERT INTO block (account_id, number, origin, added) VALUES (:account, :number, :origin, :now)"
    " ON CONFLICT (account_id, number) DO UPDATE SET origin = excluded.origin WHERE block.origin = :liftable"
)
_LIFT = Sql("DELETE FROM block WHERE account_id = :account AND number = :number AND origin = :liftable")
_REMOVE = Sql("DELETE FROM block WHERE account_id = :account AND number = :number")
_FIND = Sql("SELECT number, origin, added FROM block WHERE account_id = :account AND number = :number")

_MATCHING = "FROM block WHERE account_id = :account AND added >= :start AND added < :end"
_COUNT = Sql(f"SELECT count(*) {_MATCHING}")
_PAGE = Sql(
    f"SELECT number {_MATCHING} ORDER BY added DESC, number DESC LIMIT :rows OFFSET :skip",
)
_ALL = Sql(
    "SELECT number, origin, added FROM block WHERE account_id = :account ORDER BY added DESC, number DESC"
)

FIRST, LAST = -(2**62), 2**62
"""Moments before and after every block, ms."""


class Block(NamedTuple):
    """A number that must not be written to, since when (ms UTC), and where that came from."""

    number: int
    origin: Origin
    added: int


def add(tx: Tx, account_id: int, number: int, origin: Origin) -> None:
    """Block a number. One that is blocked stays so since when it was; only an origin of API gives way."""
    barring.speak(tx, account_id)
    values = {"origin": int(origin), "liftable": int(Origin.API)}
    tx.run(_ADD, account=account_id, number=number, now=tx.now, **values)


def lift(tx: Tx, account_id: int, number: int) -> bool:
    """Take away a block that the account itself asked for; whether there was one."""
    return tx.run(_LIFT, account=account_id, number=number, liftable=int(Origin.API)) == 1


def remove(tx: Tx, account_id: int, number: int) -> bool:
    """Take away a block, wherever it came from; whether there was one."""
    return tx.run(_REMOVE, account=account_id, number=number) == 1


def find(tx: Tx, account_id: int, number: int) -> Block | None:
    """The block of a number."""
    row = tx.one(_FIND, account=account_id, number=number)
    return None if row is None else Block(row[0], Origin(row[1]), row[2])


def every(tx: Tx, account_id: int) -> list[Block]:
    """All blocks of an account, the newest first."""
    return [Block(row[0], Origin(row[1]), row[2]) for row in tx.all(_ALL, account=account_id)]


def page(tx: Tx, account_id: int, start: int, end: int, offset: int, limit: int) -> tuple[int, list[int]]:
    """How many numbers were blocked in [start, end) ms, and one page of them, the newest first."""
    matching = {"account": account_id, "start": start, "end": end}
    numbers = [row[0] for row in tx.all(_PAGE, **matching, rows=limit, skip=offset)]
    if len(numbers) < limit and (numbers or not offset):
        # The last page says how many there are; otherwise all have to be counted.
        return offset + len(numbers), numbers
    row = tx.one(_COUNT, **matching)
    assert row is not None
    return row[0], numbers

"""The partitions that messages are in on PostgreSQL: each holds a range of ids.

They follow each other without a gap, and a new one is made when ids are leased behind the last (`ids`). Names
have the first id with leading zeros, so they sort as their ranges do. SQLite has none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import psycopg

from ulak.core.errors import StoreUnavailable
from ulak.core.points import point
from ulak.store.engine import Database, Sql, Tx

SIZE = 10_000_000
"""Ids of a partition: about 1.2 GB of messages with their index."""

FILL = 80
"""Per cent of a page that inserted rows may fill: their changes find room beside them (HOT)."""

DETACH = 60
"""Seconds to wait for others who still look at a partition that is to go. Its orders are gone by then."""

_DROPPING = 7_955_820
"""Any constant."""

_BOUNDS = re.compile(r"FROM \('?(\d+|MINVALUE)'?\) TO \('?(\d+)'?\)")
_OF_MESSAGES = (
    "SELECT child.relname, pg_get_expr(child.relpartbound, child.oid), inhdetachpending FROM pg_inherits"
    " JOIN pg_class AS child ON child.oid = inhrelid WHERE inhparent = to_regclass('message')"
)
_ALL = Sql(f"{_OF_MESSAGES} ORDER BY child.relname")
_AT = Sql(f"{_OF_MESSAGES} AND child.relname <= :name ORDER BY child.relname DESC LIMIT 1")
_ATTACHED = f"{_OF_MESSAGES} AND (inhdetachpending OR child.relname = %s) ORDER BY inhdetachpending DESC"


class Partition(NamedTuple):
    """The messages with ids from `first` to `last`. `leaving`: for who comes now it is detached already."""

    name: str
    first: int
    last: int
    leaving: bool = False


def name_of(first: int) -> str:
    """The table of the partition that begins with this id."""
    return f"message_{first:019}"


def every(tx: Tx) -> list[Partition]:
    """All partitions, by their ids; none on SQLite."""
    return [_read(*row) for row in tx.all(_ALL)] if tx.postgres else []


def room(tx: Tx, first: int, count: int, size: int = SIZE) -> int:
    """Where `count` ids from `first` on lie in one partition: `first`, or the beginning of a later one, which
    is made if need be. Whoever asks holds the lock on the leased ids."""
    assert count <= size, "an order lies in one partition"
    while (found := _at(tx, first)) is not None and first <= found.last:
        if first + count - 1 <= found.last and not found.leaving:
            return first
        first = found.last + 1
    make(tx, first, first + size - 1)
    return first


def make(tx: Tx, first: int, last: int) -> None:
    """A new partition at the end. Nobody who reads or writes messages waits for it, or it for them."""
    name = name_of(first)
    tx.run(Sql(f"CREATE TABLE {name} (LIKE message INCLUDING ALL) WITH (fillfactor = {FILL})"))
    tx.run(Sql(f"ALTER TABLE message ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({last + 1})"))


def drop(database: Database, first: int, *, wait: float = DETACH) -> bool:
    """Take the partition that begins with this id away with all that is in it; whether it is gone. Otherwise
    somebody still looks at it, and the next call ends what this one began: PostgreSQL lets one partition of a
    table leave at a time, which no new question sees; another one stays until that is gone. It goes on
    wherever a call before was stopped, and done again does no harm.

    Raises:
        StoreUnavailable: the database could not do it.
    """
    assert database.url is not None
    name = name_of(max(1, first))
    try:
        # Not in a transaction: it has to wait for those of others while it shows them what it has begun.
        with psycopg.connect(database.url, autocommit=True) as server:
            server.execute(f"SET statement_timeout = {int(wait * 1000)}".encode())
            # Whoever was first may have done it.
            server.execute("SELECT pg_advisory_lock(%s)", (_DROPPING,))
            for attached, _, leaving in server.execute(_ATTACHED.encode(), (name,)).fetchall():
                how = "FINALIZE" if leaving else "CONCURRENTLY"
                server.execute(f"ALTER TABLE message DETACH PARTITION {attached} {how}".encode())
            point("partition.detached")
            server.execute(f"DROP TABLE IF EXISTS {name}".encode())
    except psycopg.errors.QueryCanceled:
        return False
    except psycopg.Error as error:
        raise StoreUnavailable(f"PostgreSQL: {error}") from error
    return True


def _at(tx: Tx, message_id: int) -> Partition | None:
    """The last partition that does not begin behind this id."""
    row = tx.one(_AT, name=name_of(message_id))
    return None if row is None else _read(*row)


def _read(name: str, bounds: str, leaving: bool) -> Partition:
    found = _BOUNDS.search(bounds)
    assert found is not None, f"{name} is no partition of ours: {bounds}"
    first = 0 if found[1] == "MINVALUE" else int(found[1])
    return Partition(name, first, int(found[2]) - 1, bool(leaving))

"""What partitions cost on PostgreSQL: the statements of a message's life beside a table without any, and with
one, ten and a hundred partitions of which the last is in use."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import count

import psycopg

from benchmarks import postgres
from benchmarks.machine import cpu_of
from benchmarks.postgres import Postgres
from benchmarks.rig import Bench, Figure
from ulak.core.states import MessageState
from ulak.store import messages, partitions, schema
from ulak.store.engine import Connection, Database, Tx
from ulak.store.postgres import PostgresConnection

GROUPS = (10, 100, 1_000)
"""Messages that are written together."""

TOGETHER = 200
"""Groups in a turn."""

OLD, NEWER = 1_000, 100_000
"""Messages in each partition that is full, and in the one that is in use."""

_PLAIN = (
    "CREATE TABLE message (id int8 PRIMARY KEY, number int8 NOT NULL, state int2 NOT NULL,"
    " parts int2 NOT NULL, open_parts int2 NOT NULL, changed int8 NOT NULL) WITH (fillfactor = 80)"
)


def run(bench: Bench) -> None:
    """All of them by turns, several times."""
    turns = 2 if bench.quick else 5
    with postgres.server(bench) as server:
        tables = {name: _Table(bench, server, parts) for name, parts in _KINDS.items()}
        for group in GROUPS:
            found: dict[str, list[float]] = {name: [] for name in tables}
            for _ in range(turns):
                for name, table in tables.items():
                    found[name].append(table.live(group, TOGETHER * group))
            _show(bench, group, {name: statistics.median(values) for name, values in found.items()})
        for table in tables.values():
            table.connection.close()


_KINDS: dict[str, int] = {"no partitions": 0, "1 partition": 1, "10 partitions": 10, "100 partitions": 100}


def _show(bench: Bench, group: int, found: dict[str, float]) -> None:
    ceiling = found.pop("no partitions")
    bench.add(Figure(f"partitions: ceiling, one table, {group:,} together", ceiling, "µs/message"))
    for name, value in found.items():
        most = 1.3 if group > GROUPS[0] else None
        bench.add(Figure(f"{name}, {group:,} together, beside it", value / ceiling, "x", at_most=most))


class _Table:
    """A database with so many partitions, and a connection to it; 0: the table is as it was before."""

    def __init__(self, bench: Bench, server: Postgres, parts: int) -> None:
        database = Database(bench.fresh("partitions"), server.database(), lambda: 1)
        schema.prepare(database)
        with psycopg.connect(str(database.url), autocommit=True) as db:
            # Nobody waits for the disk here: CPU is measured.
            db.execute(f"ALTER DATABASE {db.info.dbname} SET synchronous_commit = off".encode())
            db.execute(f"DROP TABLE {partitions.name_of(1)}".encode())
            if not parts:
                db.execute("DROP TABLE message")
                db.execute(_PLAIN.encode())
        connection = database.connect()
        assert isinstance(connection, PostgresConnection)
        for place in range(parts):
            connection.writing(lambda tx: _full(tx, place))  # noqa: B023
        first = 1 + max(0, parts - 1) * partitions.SIZE + OLD
        connection.writing(lambda tx: messages.insert(tx, _rows(range(first, first + NEWER)), []))
        with psycopg.connect(str(database.url), autocommit=True) as db:
            db.execute("VACUUM ANALYZE message")
            db.execute("CHECKPOINT")
        self.connection = connection
        self._next = count(first + NEWER)
        (self._pid,) = connection.reading(_backend)
        self.live(10, 1_000)

    def live(self, group: int, wanted: int) -> float:
        """Let so many messages live, in groups: microseconds of the server's CPU for one."""
        before = cpu_of(self._pid)
        for _ in range(wanted // group):
            _life(self.connection, [next(self._next) for _ in range(group)])
        return (cpu_of(self._pid) - before) * 1e6 / wanted


def _full(tx: Tx, place: int) -> None:
    first = 1 + place * partitions.SIZE
    partitions.make(tx, first, first + partitions.SIZE - 1)
    messages.insert(tx, _rows(range(first, first + OLD)), [])


def _rows(ids: Sequence[int]) -> list[tuple[int, int, int, int, int]]:
    return [(one, 905_300_000_000 + one % 1_000_000, int(MessageState.QUEUED), 1, 1) for one in ids]


def _life(connection: Connection, ids: Sequence[int]) -> None:
    """Accepted, claimed, sent, reported on, and shown: a transaction each."""
    connection.writing(lambda tx: messages.insert(tx, _rows(ids), []))
    assert len(connection.writing(lambda tx: messages.queued(tx, [(ids[0] - 1, ids[-1])]))) == len(ids)
    connection.writing(lambda tx: messages.accept(tx, [(one, 1) for one in ids]))
    connection.writing(lambda tx: _report(tx, ids))
    assert len(connection.reading(lambda tx: messages.page(tx, ids[0] - 1, ids[-1], len(ids)))) == len(ids)


def _report(tx: Tx, ids: Sequence[int]) -> None:
    copies = messages.copies(tx, [(one, ids[0]) for one in ids])
    for copy in copies.values():
        copy.state, copy.open_parts, copy.touched = MessageState.DELIVERED, 0, True
    messages.save(tx, copies.values())


def _backend(tx: Tx) -> tuple[int]:
    row = tx.one(postgres.BACKEND)
    assert row is not None
    return (int(row[0]),)

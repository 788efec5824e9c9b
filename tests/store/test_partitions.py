"""Messages in partitions on PostgreSQL: made before ids are leased there, left out by what is asked often."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests import cast
from tests.conftest import FakeClock, Postgres
from tests.partition_rig import names, partitions_of

from ulak.core.states import MessageState
from ulak.store import barring, ids, messages, partitions, schema
from ulak.store.engine import Database, Sql, Tx
from ulak.store.ids import BLOCK, REST_KEPT, Ids, lease
from ulak.store.writer import sync_read, sync_write

SMALL = 1_000


@pytest.fixture
def small(postgres_database: Database) -> Iterator[Database]:
    """Three partitions of a thousand messages."""
    with partitions_of(postgres_database, SMALL, 3):
        yield postgres_database


def leased(database: Database, count: int, partition: int = SMALL) -> range:
    return sync_write(database, lambda tx: lease(tx, count, partition=partition))


def rows(first: int, count: int) -> list[tuple[int, int, int, int, int]]:
    return [(i, 905301000000 + i, int(MessageState.QUEUED), 1, 1) for i in range(first, first + count)]


# Leases.


def test_a_block_never_crosses_a_border(small: Database) -> None:
    assert leased(small, 400) == range(1, 401)
    assert leased(small, 600) == range(401, 1001), "up to the last id of the partition"
    assert leased(small, 700) == range(1001, 1701)
    assert leased(small, 301) == range(2001, 2302), "what is left of the second is not enough"
    assert leased(small, 1) == range(2302, 2303)


def test_the_partition_is_made_before_its_ids_are_leased(small: Database) -> None:
    leased(small, SMALL), leased(small, SMALL), leased(small, SMALL)
    before = names(small)
    block = leased(small, 10)
    assert block == range(3001, 3011)
    assert names(small) == [*before, partitions.name_of(3001)]
    sync_write(small, lambda tx: messages.insert(tx, rows(3001, 10), []))
    assert len(sync_read(small, lambda tx: messages.page(tx, 3000, 3010, 100))) == 10


def test_a_partition_is_as_its_table_and_leaves_room_in_its_pages(small: Database) -> None:
    with psycopg.connect(str(small.url)) as server:
        found = server.execute(
            "SELECT reloptions, (SELECT count(*) FROM pg_index WHERE indrelid = c.oid AND indisprimary)"
            " FROM pg_class c WHERE relispartition AND relkind = 'r' ORDER BY relname"
        ).fetchall()
    assert found == [(["fillfactor=80"], 1)] * 3


def test_a_lease_that_is_undone_makes_no_partition(small: Database) -> None:
    def change(tx: Tx) -> None:
        for _ in range(4):
            lease(tx, SMALL, partition=SMALL)
        raise KeyError("a mistake of ours")

    with pytest.raises(KeyError):
        sync_write(small, change)
    assert len(names(small)) == 3
    assert leased(small, 1) == range(1, 2)


def test_several_processes_lease_at_once(small: Database) -> None:
    """Each with its own connection; the border comes several times."""
    found: list[range] = []

    def work() -> None:
        found.extend(leased(small, 300) for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 40
    taken = sorted(found, key=lambda block: block.start)
    assert all(a.stop <= b.start for a, b in pairwise(taken)), "nothing twice"
    assert all((block.start - 1) // SMALL == (block.stop - 2) // SMALL for block in taken)
    assert len(names(small)) == 14, "three blocks fit into one"


# The rest of a block.


def test_the_rest_of_a_block_is_not_used_after_an_hour() -> None:
    now = [0.0]
    left = Ids(lambda: now[0])
    left.refill(range(1, BLOCK + 1))
    now[0] = REST_KEPT
    assert left.short(10) == 0
    assert left.take(10) == 1
    now[0] += 1
    assert left.short(10) == BLOCK
    left.refill(range(500_000, 600_000))
    assert left.short(10) == 0
    assert left.take(1) == 500_000


def test_a_partition_may_be_used_while_a_rest_may_be(postgres_database: Database, clock: FakeClock) -> None:
    def may(first: int, last: int) -> bool:
        return sync_read(postgres_database, lambda tx: ids.may_be_used(tx, first, last))

    with partitions_of(postgres_database, 2 * BLOCK, 2):
        assert may(1, 2 * BLOCK)
        leased(postgres_database, BLOCK, 2 * BLOCK), leased(postgres_database, BLOCK, 2 * BLOCK)
        assert may(1, 2 * BLOCK), "a process has its ids"
        clock.advance(ids.LEASE_KEPT)
        leased(postgres_database, BLOCK, 2 * BLOCK)
        assert not may(1, 2 * BLOCK)
        assert may(BLOCK + 1, 2 * BLOCK + 1)
        assert may(2 * BLOCK + 1, 4 * BLOCK), "not wholly leased"
        assert not may(1, 1)


# Dropping.


def test_a_partition_that_somebody_looks_at_goes_later(small: Database) -> None:
    sync_write(small, lambda tx: messages.insert(tx, rows(1, 5) + rows(1001, 5), []))
    first = sync_read(small, partitions.every)[0]
    with psycopg.connect(str(small.url)) as reader:
        assert reader.execute("SELECT count(*) FROM message").fetchone() == (10,)
        assert not partitions.drop(small, first.first, wait=0.2)
        pending = sync_read(small, partitions.every)[0]
        assert (pending.name, pending.leaving) == (first.name, True)
        assert len(sync_read(small, lambda tx: messages.page(tx, 0, 3000, 100))) == 5, (
            "gone for new questions"
        )
    assert leased(small, 10) == range(1001, 1011), "nobody leases in it any more"
    assert partitions.drop(small, first.first)
    assert partitions.drop(small, first.first), "again: it is gone already"
    assert names(small) == [partitions.name_of(1001), partitions.name_of(2001)]


def test_another_one_stays_until_the_first_is_gone(small: Database) -> None:
    """PostgreSQL lets one leave at a time; whoever asks for the second ends what was begun with the first."""
    first, second, third = (partition.first for partition in sync_read(small, partitions.every))
    with psycopg.connect(str(small.url)) as reader:
        reader.execute("SELECT count(*) FROM message")
        assert not partitions.drop(small, first, wait=0.2)
        assert not partitions.drop(small, second, wait=0.2)
        assert not partitions.drop(small, first, wait=0.2)
        leaving = [(one.first, one.leaving) for one in sync_read(small, partitions.every)]
        assert leaving == [(first, True), (second, False), (third, False)]
    assert partitions.drop(small, second)
    assert names(small) == [partitions.name_of(third)]
    assert partitions.drop(small, first), "it had left; now its rows go too"
    there = Sql("SELECT to_regclass(:name) IS NOT NULL")
    assert sync_read(small, lambda tx: tx.one(there, name=partitions.name_of(first))) == (False,)
    assert partitions.drop(small, third)


# The migration.


def test_the_table_becomes_the_first_partition_as_it_is(postgres: Postgres, tmp_path: Path) -> None:
    database = _at_0005(postgres, tmp_path)
    with psycopg.connect(str(database.url), autocommit=True) as server:
        server.execute("INSERT INTO id_block (name, next) VALUES ('message', 7000001)")
        server.execute(
            "INSERT INTO message SELECT i, 905301000000 + i, 20, 1, 1, 5"
            " FROM generate_series(1, 7000000, 70000) i"
        )
        before = server.execute("SELECT pg_relation_filenode('message')").fetchone()
        # A run that was killed between its steps.
        server.execute("ALTER TABLE message ADD CONSTRAINT message_first_partition CHECK (id < 5) NOT VALID")
    schema.prepare(database)
    (first,) = sync_read(database, partitions.every)
    assert (first.first, first.last) == (0, 2 * partitions.SIZE), "room for processes of the version before"
    with psycopg.connect(str(database.url)) as server:
        assert server.execute("SELECT pg_relation_filenode(%s)", (first.name,)).fetchone() == before
        assert server.execute("SELECT count(*) FROM message WHERE id <= 7000000").fetchone() == (100,)
        assert server.execute(
            "SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass",
            (first.name,),
        ).fetchone() == (0,)
    assert sync_write(database, lambda tx: lease(tx, BLOCK)) == range(7000001, 7000001 + BLOCK)


def _at_0005(postgres: Postgres, tmp_path: Path) -> Database:
    """A database as the version before made it."""
    from alembic import command
    from alembic.config import Config

    database = Database(tmp_path / "old", postgres.create(), FakeClock())
    database.directory.mkdir()
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    config.attributes["engine"] = schema.engine(database)
    command.upgrade(config, "0005")
    return database


# Plans.

OFTEN: list[tuple[Sql, dict[str, Any]]] = [
    (messages._FACTS, {"wanted": [(2001, 2001), (2100, 2001)]}),
    (messages._QUEUED, {"ranges": [(2010, 2100), (2200, 2300)]}),
    (messages._STILL_QUEUED, {"wanted": [2001, 2002]}),
    (messages._ACCEPT, {"fresh": [(2001, 1), (2002, 1)], "seconds": 1}),
    (messages._COPIES, {"wanted": [(2001, 2001), (2100, 2001)]}),
    (messages._SAVE, {"fresh": [(2001, 23, 0), (2002, 23, 0)], "seconds": 1}),
    (messages._EXPIRED, {"ranges": [(2010, 2100)], "before": 1, "limit": 10}),
    (messages._PAGE, {"after": 2010, "last": 2100, "limit": 10}),
    (messages._UNTOLD, {"after": 2010, "upto": 2100}),
    (messages._REACHED, {"first": 2001, "last": 2100}),
    (messages._CANCEL_RANGE, {"after": 2010, "last": 2100, "seconds": 1, "queued": 20, "undelivered": 24}),
    (barring._BARRED_SINCE, {"ranges": [(2001, 2010, 2100)], "channel": 1, "decision": 1, "overlap": 1}),
]


@pytest.mark.parametrize("generic", [False, True], ids=["planned for its values", "planned once"])
def test_what_is_asked_often_leaves_other_partitions_out(small: Database, generic: bool) -> None:
    sync_write(
        small, lambda tx: messages.insert(tx, [row for i in (1, 1001, 2001) for row in rows(i, 1000)], [])
    )
    with psycopg.connect(str(small.url), autocommit=True, prepare_threshold=0) as server:
        server.execute("ANALYZE message")
        server.execute(f"SET plan_cache_mode = force_{'generic' if generic else 'custom'}_plan".encode())
        for sql, values in OFTEN:
            plan = "\n".join(
                row[0]
                for row in server.execute("EXPLAIN " + sql.postgresql, sql.for_postgresql(dict(values)))
            )
            touched = set(re.findall(r" (?:on|using) \w*(message_\d{19})", plan))
            assert touched == {partitions.name_of(2001)}, plan


def test_a_span_covers_all_rows_that_are_asked_for(small: Database) -> None:
    """In whatever order, and over the border of two partitions."""
    sync_write(small, lambda tx: messages.insert(tx, rows(991, 20), []))
    assert sync_read(small, lambda tx: messages.still_queued(tx, {1005, 992, 1001})) == {992, 1001, 1005}
    assert sync_read(small, lambda tx: messages.still_queued(tx, set())) == set()
    found = sync_read(small, lambda tx: messages.queued(tx, [(1004, 1010), (990, 993)]))
    assert [row.id for row in found] == [991, 992, 993, *range(1005, 1011)]


def test_orders_go_their_way_over_several_partitions(small: Database) -> None:
    alice = cast.alice(small, credit=3000)
    placed = [cast.place(small, alice, 700) for _ in range(3)]
    assert [cast.order_id(small, alice, number) for number in placed] == [1, 1001, 2001]
    for order in cast.claim(small, slots=3000):
        cast.accept_all(small, order)  # of a large order the first hundred
    cast.report(small, *[cast.delivered(f"r{first + i}-0") for first in (1, 1001, 2001) for i in range(100)])
    assert [cast.report_of(small, alice, number).order.delivered for number in placed] == [100] * 3

"""Loading a backup: into a new SQLite file that then takes the place of the old one, or into PostgreSQL in
one transaction. Until it is there as a whole, what was there before is untouched.

The schema is made as it was when the backup was taken, filled, and then brought to that of this version.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg

from ulak.core.errors import StoreUnavailable, UlakError
from ulak.core.points import point
from ulak.store import partitions, schema, settings
from ulak.store.dump import Backup, TableNote
from ulak.store.engine import Database, Row, Sql, Tx
from ulak.store.presence import at_work
from ulak.store.tables import metadata
from ulak.store.writer import sync_read, sync_write

BATCH = 5_000
"""Rows that are inserted at once."""

GAP = 1_000_000
"""How far ids are put ahead. Those that were given after the backup was taken are known to others, and must
not be given again."""

BEFORE = "ulak.db.before-restore"
"""What was there before, on SQLite."""

_PARTITIONS = (
    "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    " AND tablename ~ '^message_[0-9]{19}$'"
)
_EXTENT = (
    "SELECT (SELECT coalesce(min(id), 1) FROM sms_order), greatest("
    " (SELECT coalesce(max(id + total), 1) FROM sms_order),"
    " (SELECT coalesce(max(next), 1) FROM id_block WHERE name = 'message')) - 1"
)
_ORDER_AT = "SELECT id, id + total - 1 FROM sms_order WHERE id <= %s ORDER BY id DESC LIMIT 1"
_PAUSE = (
    "INSERT INTO setting (name, value) VALUES (%s, %s)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)

After = Callable[[Tx], Any]
"""What is changed in the data once they are loaded, before anybody sees them."""


def is_empty(database: Database) -> bool:
    """Whether nothing would be lost.

    Raises:
        UlakError: it was made by a newer version.
        StoreUnavailable: it cannot be reached.
    """
    version = schema.version(database)
    if version is None:
        return True
    if version > schema.HEAD:
        raise UlakError(
            f"the database has schema {version}, this version knows {schema.HEAD}: use a newer ulak"
        )
    return sync_read(database, _has_no_rows)


def _has_no_rows(tx: Tx) -> bool:
    there = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = :name"
    if not tx.postgres:
        there = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = :name"
    for name in metadata.tables:
        # Where numbering goes on, and switches of the installation, are nothing that would be missed.
        if name in ("id_block", "setting") or tx.all(Sql(there), name=name) == [(0,)]:
            continue
        if tx.one(Sql(f'SELECT 1 FROM "{name}" LIMIT 1')) is not None:
            return False
    return True


def load(database: Database, backup: Backup, after: After, *, ahead: int = GAP) -> Any:
    """Put the backup in the place of what is there; returns what `after` did. New ids begin `ahead` of what
    the backup knows.

    Raises:
        UlakError: it needs a newer version, or is damaged. Nothing was changed.
        StoreUnavailable: the database could not take it. Nothing was changed.
    """
    wanted = backup.manifest.schema
    if wanted > schema.HEAD:
        raise UlakError(f"the backup has schema {wanted}, this version knows {schema.HEAD}: use a newer ulak")
    database.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if database.url is None:
        return _load_sqlite(database, backup, after, ahead)
    return _load_postgres(database, backup, after, ahead)


def _batches(backup: Backup, note: TableNote) -> Iterator[list[Sequence[Any]]]:
    rows = backup.rows(note)
    while batch := list(islice(rows, BATCH)):
        yield batch


# SQLite


def _load_sqlite(database: Database, backup: Backup, after: After, ahead: int) -> Any:
    scratch = Path(tempfile.mkdtemp(prefix="restoring-", dir=database.directory))
    fresh = Database(scratch, None, database.clock)
    try:
        schema.migrate(fresh, backup.manifest.schema)
        _fill_sqlite(fresh.path, backup, ahead)
        schema.prepare(fresh)
        done = sync_write(fresh, after)
        _settle(fresh.path)
        point("restore.before_swap")
        _swap(fresh.path, database.path)
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{scratch}: {error}") from error
    finally:
        shutil.rmtree(scratch)
    return done


def _fill_sqlite(path: Path, backup: Backup, ahead: int) -> None:
    # Nobody else knows of the file, and it is synced as a whole before it counts.
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        for note in backup.manifest.tables:
            db.execute(f'DELETE FROM "{note.name}"')
            places = ", ".join("?" * len(note.columns))
            insert = f'INSERT INTO "{note.name}" ({", ".join(note.columns)}) VALUES ({places})'
            for batch in _batches(backup, note):
                db.executemany(insert, batch)
        # Only some tables remember on SQLite what they gave; the others go on behind what is there.
        remembering = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
        for (name,) in db.execute(remembering).fetchall():
            found = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (name,)).fetchone()
            last = max(found[0] if found else 0, backup.manifest.sequences.get(name, 0)) + ahead
            db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, last))
        db.execute("UPDATE id_block SET next = next + ?", (ahead,))
        db.execute("COMMIT")
    finally:
        db.close()


def _settle(path: Path) -> None:
    """Bring everything into the one file, and that to the disk."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    _sync(path)


def _swap(fresh: Path, place: Path) -> None:
    """Let the new file take the place of the old one, which is kept."""
    if place.exists():
        # What its log holds belongs to it, and must not be taken for the log of the new one.
        old = sqlite3.connect(place, timeout=20, isolation_level=None)
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        old.close()
        for leftover in ("-wal", "-shm"):
            Path(f"{place}{leftover}").unlink(missing_ok=True)
        kept = place.with_name(BEFORE)
        kept.unlink(missing_ok=True)
        os.link(place, kept)
    os.replace(fresh, place)
    _sync(place.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# PostgreSQL


def _load_postgres(database: Database, backup: Backup, after: After, ahead: int) -> Any:
    assert database.url is not None
    try:
        with schema.transaction(database) as (server, migrate):
            count = at_work(server)
            if count:
                raise UlakError(
                    f"{count} processes of ulak work on this PostgreSQL database: stop them first"
                )
            for name in metadata.tables:
                server.execute(f'DROP TABLE IF EXISTS "{name}" CASCADE'.encode())
            # Partitions that were taken off and not dropped yet.
            leftover = server.execute(_PARTITIONS).fetchall()
            for (name,) in leftover:
                server.execute(f'DROP TABLE "{name}"'.encode())
            server.execute(b"DROP TABLE IF EXISTS alembic_version")
            migrate(backup.manifest.schema)
            _fill_postgres(server, backup, ahead)
            point("restore.before_commit")
            if backup.manifest.schema == schema.HEAD:
                # In the same transaction: nobody sees the data without it.
                return after(Tx(server, database.clock(), postgres=True))
            if ahead:
                # `after` comes in a transaction of its own; if it does not come, nothing must be sent.
                server.execute(_PAUSE, (settings.DISPATCH, settings.PAUSED))
    except psycopg.Error as error:
        raise StoreUnavailable(f"PostgreSQL: {error}") from error
    schema.prepare(database)
    return sync_write(database, after)


def _fill_postgres(server: psycopg.Connection[Row], backup: Backup, ahead: int) -> None:
    # Messages last: how they are parted depends on the orders they belong to.
    for note in sorted(backup.manifest.tables, key=lambda note: note.name == "message"):
        if note.name == "message":
            _part(server)
        server.execute(f'DELETE FROM "{note.name}"'.encode())
        columns = ", ".join(note.columns)
        with server.cursor().copy(f'COPY "{note.name}" ({columns}) FROM STDIN'.encode()) as copy:
            for batch in _batches(backup, note):
                for row in batch:
                    copy.write_row(row)
        _go_on_behind(server, backup, note, ahead)
    server.execute(b"UPDATE id_block SET next = next + %s", (ahead,))


def _part(server: psycopg.Connection[Row]) -> None:
    """Make partitions for all messages, none of which parts an order: on SQLite orders know no borders."""
    kind = server.execute("SELECT relkind::text FROM pg_class WHERE oid = 'message'::regclass").fetchone()
    if kind != ("p",):
        return  # It is the schema of a version before partitions.
    tx = Tx(server, 0, postgres=True)
    for made in partitions.every(tx):
        server.execute(f'DROP TABLE "{made.name}"'.encode())
    ends = server.execute(_EXTENT).fetchone()
    assert ends is not None
    lowest, end = ends
    first = 1
    if lowest > partitions.SIZE:
        # What was there is pruned.
        partitions.make(tx, 1, lowest - 1)
        first = lowest
    while first <= end:
        last = first + partitions.SIZE - 1
        order = server.execute(_ORDER_AT, (last,)).fetchone()
        if order is not None and order[1] > last and order[0] > first:
            last = order[0] - 1
        partitions.make(tx, first, last)
        first = last + 1


def _go_on_behind(server: psycopg.Connection[Row], backup: Backup, note: TableNote, ahead: int) -> None:
    """Let a table that gives ids go on behind those that it gave."""
    if "id" not in note.columns:
        return
    named = server.execute("SELECT pg_get_serial_sequence(%s, 'id')", (note.name,)).fetchone()
    if named is None or named[0] is None:
        return
    greatest = server.execute(f'SELECT coalesce(max(id), 0) FROM "{note.name}"'.encode()).fetchone()
    assert greatest is not None
    last = max(greatest[0], backup.manifest.sequences.get(note.name, 0)) + ahead
    server.execute("SELECT setval(%s::regclass, %s, %s)", (named[0], max(last, 1), last > 0))

"""A backup holds everything, and can be loaded into either database."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger, Integer, LargeBinary, SmallInteger
from tests import cast
from tests.conftest import Postgres

from ulak.core.errors import UlakError
from ulak.core.points import on_point
from ulak.store import load, partitions, schema
from ulak.store.dump import Backup, dump, opened, tables
from ulak.store.engine import Database, Row, Sql, Tx
from ulak.store.tables import metadata
from ulak.store.writer import sync_read, sync_write

TEXT = "Çağrı \"1\", 'iki'\n\tüç \\ {x} :y %s 🚚 \ufffd"


@pytest.fixture
def other_database(either_database: Database, request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A place that has nothing yet, of the other kind."""
    if either_database.postgres:
        return Database(tmp_path / "elsewhere", None, either_database.clock)
    server: Postgres = request.getfixturevalue("postgres")
    return Database(tmp_path / "elsewhere", server.create(), either_database.clock)


def value(column: Any, row: int) -> Any:
    """Something of a column's kind; the second row has the largest, and nothing where nothing may be."""
    kind = column.type
    if column.nullable and row == 2:
        return None
    if isinstance(kind, LargeBinary):
        return bytes(range(256)) if row == 1 else b""
    if isinstance(kind, SmallInteger) or column.name == "total":
        return row
    if isinstance(kind, BigInteger):
        return row if column.name in ("id", "account_id") or row == 1 else 2**62 + row
    if isinstance(kind, Integer):
        return row if column.primary_key or row == 1 else 2**31 - 1
    return f"{TEXT} {column.table.name} {row}"


def fill(tx: Tx) -> None:
    """Two rows in every table, whatever they mean."""
    for table in metadata.sorted_tables:
        tx.run(Sql(f'DELETE FROM "{table.name}"'))
        names = [f"v{'_' * place}" for place, _ in enumerate(table.columns)]
        columns = ", ".join(column.name for column in table.columns)
        insert = Sql(f'INSERT INTO "{table.name}" ({columns}) VALUES ({", ".join(":" + n for n in names)})')
        for row in (1, 2):
            values = [value(column, row) for column in table.columns]
            if table.name == "balance":
                values[2:] = [-7 * row, row, row, 5 * row]
            tx.run(insert, **dict(zip(names, values, strict=True)))


def everything(tx: Tx) -> dict[str, list[Row]]:
    """All rows of all tables."""
    found = {}
    for table in tables():
        key = ", ".join(column.name for column in table.primary_key.columns)
        found[table.name] = tx.all(Sql(f'SELECT * FROM "{table.name}" ORDER BY {key}'))
    return found


def made(database: Database, **more: Any) -> tuple[Backup, bytes]:
    """A backup, and its octets."""
    file = io.BytesIO()
    sync_read(database, lambda tx: dump(tx, file, version="1", **more))
    return opened(file), file.getvalue()


def nothing(_tx: Tx) -> None:
    """Change nothing after loading."""


def test_every_row_of_every_table_comes_back(either_database: Database, other_database: Database) -> None:
    sync_write(either_database, fill)
    backup, _ = made(either_database)
    assert backup.manifest.rows == 2 * len(tables())
    assert load.is_empty(other_database)
    load.load(other_database, backup, nothing, ahead=0)
    assert schema.version(other_database) == schema.HEAD
    assert sync_read(other_database, everything) == sync_read(either_database, everything)
    assert not load.is_empty(other_database)


def test_no_order_is_parted_where_messages_have_partitions(
    sqlite_database: Database, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite orders know no borders; and what was there first may be pruned."""
    alice = cast.alice(sqlite_database, credit=1000)
    for count in (7, 7, 3, 9, 1, 6):
        cast.place(sqlite_database, alice, count)
    first = cast.order_id(sqlite_database, alice, cast.FIRST + 1)
    sync_write(
        sqlite_database, lambda tx: tx.run(Sql("DELETE FROM sms_order WHERE id < :first"), first=first)
    )
    sync_write(sqlite_database, lambda tx: tx.run(Sql("DELETE FROM message WHERE id < :first"), first=first))
    orders = sync_read(sqlite_database, lambda tx: tx.all(Sql("SELECT id, id + total - 1 FROM sms_order")))
    backup, _ = made(sqlite_database)
    there = Database(tmp_path / "there", postgres.create(), sqlite_database.clock)
    with monkeypatch.context() as small:
        small.setattr("ulak.store.partitions.SIZE", 10)
        load.load(there, backup, nothing, ahead=0)
    found = sync_read(there, partitions.every)
    assert len(found) > 3
    assert [one.first for one in found[1:]] == [one.last + 1 for one in found[:-1]]
    for order in orders:
        assert any(one.first <= order[0] and order[1] <= one.last for one in found), order
    assert sync_read(there, everything)["message"] == sync_read(sqlite_database, everything)["message"]


def test_ids_go_on_far_behind_those_that_are_known(either_database: Database) -> None:
    """Also behind those that were given and whose rows are gone. It takes the place of what is there."""
    account = Sql(
        "INSERT INTO account (name, api_access, settings, next_number, created)"
        " VALUES (:name, 1, '{}', 1, 1) RETURNING id"
    )
    event = Sql(
        "INSERT INTO event (account_id, kind, subject, data, at) VALUES (1, 'x', 1, '', 1) RETURNING id"
    )

    def before(tx: Tx) -> None:
        for _ in range(5):
            tx.all(event)
        tx.all(account, name="first")
        tx.run(Sql("DELETE FROM event"))
        tx.run(Sql("INSERT INTO id_block (name, next) VALUES ('message', 7)"))

    def new(tx: Tx) -> tuple[int, int]:
        return tx.all(account, name="second")[0][0], tx.all(event)[0][0]

    sync_write(either_database, before)
    backup, _ = made(either_database)
    sync_write(either_database, new)
    load.load(either_database, backup, nothing)
    after = sync_write(either_database, new)
    # SQLite does not remember what it gave to accounts, of which none is ever deleted.
    assert after[0] in (2, load.GAP + 2)
    assert after[1] == load.GAP + 6
    assert sync_read(either_database, lambda tx: tx.all(Sql("SELECT next FROM id_block"))) == [
        (load.GAP + 7,)
    ]


def test_an_older_backup_is_brought_to_this_version(either_database: Database) -> None:
    columns = ["id", "name", "api_access", "settings", "next_number", "created"]
    row = json.dumps([3, "alice", 1, "{}", 300000001, 5])
    manifest = {
        "format": 1,
        "version": "0",
        "schema": "0001",
        "database": "sqlite",
        "taken": 1,
        "sequences": {},
    }
    manifest["tables"] = [{"name": "account", "columns": columns, "binary": [], "rows": 1}]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        written.writestr("manifest.json", json.dumps(manifest))
        written.writestr("account.jsonl", row + "\n")
    load.load(either_database, opened(file), nothing)
    assert schema.version(either_database) == schema.HEAD
    found = sync_read(either_database, lambda tx: tx.all(Sql("SELECT id, name, next_message FROM account")))
    assert found == [(3, "alice", 1)]


def test_what_is_no_backup_or_a_damaged_one_is_known_for_it(sqlite_database: Database) -> None:
    alice = cast.alice(sqlite_database)
    cast.place(sqlite_database, alice, 3)
    _, octets = made(sqlite_database)
    for wrong in (b"", b"PK", octets[: len(octets) // 2], b"x" * 1000):
        with pytest.raises(UlakError, match="no backup of ulak"):
            opened(io.BytesIO(wrong))

    with zipfile.ZipFile(io.BytesIO(octets)) as read:
        whole = {name: read.read(name) for name in read.namelist()}

    def changed(name: str, content: bytes | None) -> Backup:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as write:
            for member, old in whole.items():
                if member != name:
                    write.writestr(member, old)
                elif content is not None:
                    write.writestr(member, content)
        return opened(file)

    def all_of(backup: Backup) -> None:
        for table in backup.manifest.tables:
            list(backup.rows(table))

    rows = "message.jsonl"
    damages = [(None, "damaged: message"), (whole[rows][:-5], "damaged: message")]
    damages += [(whole[rows].split(b"\n", 1)[1], "has 2 rows"), (whole[rows] + b"\xff\n", "damaged")]
    for damage, said in damages:
        with pytest.raises(UlakError, match=said):
            all_of(changed(rows, damage))
    with pytest.raises(UlakError, match="format 2"):
        changed("manifest.json", whole["manifest.json"].replace(b'"format": 1', b'"format": 2'))
    newer = whole["manifest.json"].replace(f'"schema": "{schema.HEAD}"'.encode(), b'"schema": "9999"')
    with pytest.raises(UlakError, match="use a newer ulak"):
        load.load(sqlite_database, changed("manifest.json", newer), nothing)
    # Octets that were changed where they are packed.
    torn = bytearray(octets)
    place = octets.index(b"sms_order.jsonl") + 60
    torn[place : place + 8] = b"damaged!"
    with pytest.raises(UlakError, match="damaged: sms_order"):
        all_of(opened(io.BytesIO(bytes(torn))))


@pytest.mark.fault("restore stopped", "the restore fails after everything is loaded, before it counts")
def test_a_restore_that_is_stopped_changes_nothing(
    either_database: Database, record_property: Callable[[str, object], None]
) -> None:
    record_property("runs", 1)
    alice = cast.alice(either_database)
    backup, _ = made(either_database)
    cast.place(either_database, alice, 3)
    before = sync_read(either_database, everything)

    def stop(name: str) -> None:
        if name.startswith("restore."):
            raise KeyboardInterrupt

    on_point(stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            load.load(either_database, backup, nothing)
    finally:
        on_point(None)
    assert sync_read(either_database, everything) == before
    assert [path.name for path in either_database.directory.glob("restoring-*")] == []


def test_the_backup_is_of_one_moment(either_database: Database) -> None:
    """Pages of the same table are read beside whoever writes."""
    alice = cast.alice(either_database, credit=100)
    cast.place(either_database, alice, 5)

    class Busy(io.BytesIO):
        """While the backup is written, orders are placed."""

        left = 3

        def write(self, content: Any) -> int:
            if self.left:
                self.left -= 1
                cast.place(either_database, alice, 5)
            return super().write(content)

    file = Busy()
    manifest = sync_read(either_database, lambda tx: dump(tx, file, version="1"))
    rows = {table.name: table.rows for table in manifest.tables}
    assert (rows["message"], rows["sms_order"], rows["posting"]) == (5, 1, 2)
    assert sync_read(either_database, lambda tx: tx.all(Sql("SELECT count(*) FROM message"))) == [(20,)]


def test_pages_follow_each_other(either_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ulak.store.dump.PAGE", 1)
    sync_write(either_database, fill)
    backup, _ = made(either_database, key="the-key", key_check="abc")
    for table in backup.manifest.tables:
        assert len(list(backup.rows(table))) == 2
    assert (backup.key, backup.manifest.key_check) == ("the-key", "abc")

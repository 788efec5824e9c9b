"""`ulak backup`, `ulak restore` and `ulak dispatch`: nothing is lost, and nothing goes twice by itself."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import cast
from tests.cli.conftest import Command

from ulak.core.keys import write_key
from ulak.core.leases import Role
from ulak.core.ledger import Balance
from ulak.service import pausing
from ulak.store import pruning
from ulak.store.engine import Database, Sql, Tx
from ulak.store.load import GAP
from ulak.store.lock import serving
from ulak.store.presence import Presence
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write

LATER = 10**11
"""After the clock of the machine as well, in ms; commands go by that."""


def a_day(database: Database) -> cast.Tenant:
    """Two messages a carrier has, two with a link, three that are due, one that is for later."""
    alice = cast.alice(database, credit=100)
    cast.place(database, alice, 2)
    cast.send_all(database)
    cast.place(database, alice, [cast.text(cast.numbers(2), "iki")])
    cast.claim(database)
    cast.place(database, alice, [cast.text(cast.numbers(3), "üç")])
    cast.place(database, alice, 1, due=database.clock() + LATER)
    return alice


def test_messages_whose_partition_was_being_dropped_do_not_come_back(
    ulak: Command, database: Database, tmp_path: Path
) -> None:
    alice = cast.alice(database)
    first = cast.order_id(database, alice, cast.place(database, alice, 2))
    cast.send_all(database)
    cast.report(database, cast.delivered(f"r{first}-0"), cast.delivered(f"r{first + 1}-0"))
    last = cast.order_id(database, alice, cast.place(database, alice, 2))

    def drop(tx: Tx) -> None:
        # As while a partition goes in which there is an order that has still to go.
        pruning.begin_drop(tx, first, last + 1)
        assert pruning.delete(tx, [(first, first + 1)], messages=False).orders == 1
        tx.run(Sql("DELETE FROM reference"))  # they go after a day

    sync_write(database, drop)
    ulak("backup", str(tmp_path / "one.zip"))
    ulak("restore", str(tmp_path / "one.zip"), "--force", "--exact")
    assert sync_read(database, lambda tx: tx.all(Sql("SELECT id FROM message ORDER BY id"))) == [
        (last,),
        (last + 1,),
    ]
    assert sync_read(database, pruning.dropped) == []


def test_what_is_restored_sends_nothing_by_itself(ulak: Command, database: Database, tmp_path: Path) -> None:
    alice = a_day(database)
    ulak("carrier", "add", "sim", "--kind", "simulator")
    made = ulak("backup", str(tmp_path / "one.zip"))
    assert list(made.value) == ["file", "schema", "rows", "bytes", "key"]
    assert (made.value["file"], made.value["key"]) == (str(tmp_path / "one.zip"), False)
    assert stat.S_IMODE((tmp_path / "one.zip").stat().st_mode) == 0o600
    # What comes after the backup is lost, and known to others.
    lost = cast.place(database, alice, 5)

    ended = ulak("restore", str(tmp_path / "one.zip"))
    assert (ended.code, ended.err) == (1, "ulak: there are data already: --force replaces them\n")
    told = ulak("restore", str(tmp_path / "one.zip"), "--force")
    assert told.value["rows"] == made.value["rows"]
    assert (told.value["dispatch"], told.value["unsure"], told.value["broken"]) == ("paused", 2, [])
    assert told.value["late"] == {"orders": 1, "messages": 3}
    assert "ulak dispatch resume" in told.err

    assert ulak("doctor").value["dispatch"] == "paused"
    assert [row["order"] for row in ulak("message", "unsure", "list").value] == [cast.FIRST + 1] * 2
    assert cast.claim(database) == [], "dispatch is paused"
    assert cast.balance(database, alice) == Balance(issued=-100, available=92, held=8, spent=0)
    assert cast.place(database, alice) == cast.FIRST + 4 + GAP, f"{lost} was told to somebody already"
    assert ulak("dispatch", "resume").value == {"dispatch": "on", "orders_due": 2}
    assert sum(len(order.rows) for order in cast.claim(database)) == 4
    assert ulak("message", "unsure", "fail", "--all").value == {"ids": [3, 4]}
    assert cast.balance(database, alice).held == 7


def test_what_was_due_can_be_given_up(ulak: Command, database: Database, tmp_path: Path) -> None:
    alice = a_day(database)
    ulak("backup", str(tmp_path / "one.zip"))
    told = ulak("restore", str(tmp_path / "one.zip"), "--force", "--late", "give-up").value
    assert told["late"] == {"orders": 1, "messages": 3}
    assert cast.balance(database, alice) == Balance(issued=-100, available=95, held=5, spent=0)
    report = cast.report_of(database, alice, cast.FIRST + 2)
    assert (report.order.undelivered, report.order.waiting) == (3, 0)
    ulak("dispatch", "resume")
    assert cast.claim(database) == []


def test_data_move_as_they_are(ulak: Command, command: Command, database: Database, tmp_path: Path) -> None:
    """Here to a SQLite file elsewhere."""
    alice = a_day(database)
    ulak("backup", str(tmp_path / "one.zip"))
    there = ["--data", str(tmp_path / "there"), "--json"]
    told = command("restore", str(tmp_path / "one.zip"), "--exact", *there).value
    assert (told["dispatch"], told["unsure"], told["broken"]) == ("on", 0, [])
    moved = Database(tmp_path / "there", None, database.clock)
    assert cast.place(moved, alice) == cast.FIRST + 4
    assert cast.balance(moved, alice).held == 9
    refused = command("restore", str(tmp_path / "one.zip"), "--exact", "--late", "give-up", *there)
    assert refused.code == 2


def test_where_a_backup_is_written(ulak: Command, command: Command, where: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    file = Path(ulak("backup", str(folder)).value["file"])
    assert (file.parent, file.suffix) == (folder, ".zip")
    assert "is there already" in ulak("backup", str(file)).err
    assert ulak("backup", str(file), "--force").code == 0
    assert [path.name for path in folder.iterdir()] == [file.name]
    assert ulak("backup", str(tmp_path / "none" / "x.zip")).code == 1
    assert "no backup of ulak" in ulak("restore", str(tmp_path / "ulak.db"), "--force").err or where
    assert command("restore", str(tmp_path / "missing"), *where).code == 1


def test_the_key_is_in_it_only_when_asked_for(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = (["--data", str(tmp_path / name), "--json"] for name in ("here", "there"))
    assert "there is no key" in command("backup", str(tmp_path / "k.zip"), "--with-key", *here).err
    settings = ("host=h", "system_id=u", "password=geheim12")
    command("carrier", "add", "op", "--kind", "smpp", "--set", *settings, *here)
    key = (tmp_path / "here" / "key").read_text()
    told = command("backup", str(tmp_path / "bare.zip"), *here)
    assert "The key is not in it" in told.err
    command("backup", str(tmp_path / "key.zip"), "--with-key", *here)
    for name in ("bare.zip", "key.zip"):
        with zipfile.ZipFile(tmp_path / name) as file:
            content = b"".join(file.read(member) for member in file.namelist())
        assert b"geheim12" not in content
        assert (key.strip().encode() in content) is (name == "key.zip")

    assert "The key here is not the one" in command("restore", str(tmp_path / "bare.zip"), *there).err
    restored = command("restore", str(tmp_path / "key.zip"), "--force", *there)
    assert restored.code == 0
    assert "key here" not in restored.err
    assert (tmp_path / "there" / "key").read_text() == key
    assert stat.S_IMODE((tmp_path / "there" / "key").stat().st_mode) == 0o600
    # Another key that is here is not thrown away without a word.
    (tmp_path / "there" / "key").write_text(write_key(bytes(32)))
    ended = command("restore", str(tmp_path / "key.zip"), *there)
    assert (ended.code, "another key" in ended.err) == (1, True)
    monkeypatch.setenv("ULAK_KEY", key.strip())
    assert command("restore", str(tmp_path / "bare.zip"), "--force", *there).err.count("key") == 0
    assert Vault(tmp_path / "there").path.read_text() == write_key(bytes(32))


def test_nobody_may_work_on_what_is_restored(ulak: Command, database: Database, tmp_path: Path) -> None:
    ulak("backup", str(tmp_path / "one.zip"))
    presence = Presence(database, Role.ALL)
    with serving(database):
        presence.start()
        try:
            said = ulak("restore", str(tmp_path / "one.zip"), "--force").err
        finally:
            presence.stop()
    assert ("1 processes of ulak work" if database.postgres else "another ulak serves") in said


@pytest.mark.parametrize("change", [pausing.pause, pausing.resume])
def test_dispatch_is_paused_and_resumed(
    ulak: Command, database: Database, change: Callable[..., None]
) -> None:
    cast.place(database, cast.alice(database), 2)
    sync_write(database, change)
    assert ulak("dispatch", "pause").value == {"dispatch": "paused", "orders_due": 1}
    assert ulak("dispatch", "status").value == {"dispatch": "paused", "orders_due": 1}
    assert sync_read(database, pausing.late) == (1, 2)
    assert cast.claim(database) == []
    assert ulak("dispatch", "resume").value == {"dispatch": "on", "orders_due": 1}
    assert len(cast.claim(database)) == 1

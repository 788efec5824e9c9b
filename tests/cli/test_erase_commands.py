"""`ulak erase`."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from tests import cast
from tests.cli.conftest import Command

from ulak.core.phone import ERASED, display
from ulak.service import audit
from ulak.store.engine import Database, Sql
from ulak.store.writer import sync_read, sync_write

NUMBER = 905301234567


def test_erase(ulak: Command, database: Database) -> None:
    alice = cast.alice(database)
    number = cast.place(database, alice, [cast.text([NUMBER, NUMBER + 1])])
    kept = database.directory / "carriers" / "1"
    kept.mkdir(parents=True)
    (kept / "a.json").write_text("to +90 530 123 45 67")
    found = ulak("erase", "0530 123 45 67", "--yes", "--by", "Ayşe's letter of 3 May").value
    assert (found["rows"], found["cancelled"]) == ({"message": 1}, 1)
    assert (found["files"], found["left"], found["left_files"], found["scrubbed"]) == (1, {}, [], True)
    assert [row.shown for row in cast.report_of(database, alice, number).messages] == [
        display(ERASED),
        f"+{NUMBER + 1}",
    ]
    (logged,) = ulak("erase", "--log").value
    assert logged == {
        "digest": found["digest"],
        "who": "Ayşe's letter of 3 May",
        "rows": {"message": 1, "cancelled": 1},
        "began": logged["began"],
        "ended": logged["ended"],
    }
    assert logged["ended"]
    assert ulak("doctor").value["ok"]


def test_blocked_and_erased(ulak: Command, database: Database) -> None:
    cast.alice(database)
    ulak("blacklist", "add", "alice", "05301234567")
    assert ulak("erase", "5301234567", "--yes").value["rows"] == {"block": 1}
    assert ulak("blacklist", "list", "alice").value == []
    assert ulak("blacklist", "remove", "alice", "05301234567").value == []
    assert ulak("blacklist", "remove", "alice", "05301234567").code == 1
    assert sync_read(database, audit.check) == []


def test_what_is_left_is_a_failure(ulak: Command, database: Database) -> None:
    own = "INSERT INTO mailbox (number, account_id, created) VALUES (905301234567, 1, 1)"
    sync_write(database, lambda tx: tx.run(Sql(own)))
    ended = ulak("erase", "5301234567", "--yes")
    assert ended.code == 1
    assert '"left":{"mailbox":1}' in ended.out
    assert "5301234567" not in ended.out + ended.err


def test_another_database_beside_ours_is_named(ulak: Command, database: Database) -> None:
    """Numbers in it are no texts, so nobody can say that it has none."""
    with contextlib.closing(sqlite3.connect(database.directory / "ulak.db.before-restore")) as old:
        old.execute("CREATE TABLE block (number INTEGER)")
        old.commit()
    ended = ulak("erase", "5301234567", "--yes")
    assert ended.code == 1
    assert '"left_files":["ulak.db.before-restore"]' in ended.out


def test_a_number_of_another_country(ulak: Command, database: Database) -> None:
    alice = cast.alice(database)
    cast.place(database, alice, [cast.text([NUMBER], body="Arayın: 0151 12345678")])
    assert ulak("erase", "+49 151 12345678", "--yes").value["rows"] == {"order_text": 1}
    assert sync_read(database, lambda tx: tx.all(Sql("SELECT body FROM order_text"))) == [
        ("Arayın: **** ********",)
    ]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["soon", "--yes"],
        ["0312 123 45 67", "--yes"],
        ["05301234567"],
        ["+4915112345678"],
        ["4915112345678", "--yes"],
        ["0151 12345678", "--yes"],
        ["+5301234567", "--yes"],
    ],
)
def test_wrong_usage(ulak: Command, words: list[str]) -> None:
    ended = ulak("erase", *words)
    assert (ended.code, ended.out) == (2, "")

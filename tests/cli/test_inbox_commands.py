"""`ulak inbox`: numbers that people can write to, and what they wrote."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Command
from tests.conftest import FakeClock

from ulak.cli.common import now_ms
from ulak.core.ports import Inbound
from ulak.service import inbound
from ulak.store.engine import Database
from ulak.store.writer import sync_write

SPELLINGS = [
    ("4930", "4930"),
    ("444 1 234", "4441234"),
    ("+90 850 222 11 00", "+908502221100"),
    ("00908502221100", "+908502221100"),
    ("+48501234563", "+48501234563"),
    ("0532 123 45 67", "+905321234567"),
    ("5321234567", "+905321234567"),
    ("905321234567", "+905321234567"),
]


@pytest.mark.parametrize(("written", "shown"), SPELLINGS)
def test_a_number_is_given_and_taken(ulak: Command, written: str, shown: str) -> None:
    ulak("account", "create", "alice")
    assert ulak("inbox", "add", "alice", written).value == {"number": shown, "account": "alice"}
    assert ulak("inbox", "add", "1", written).value == {"number": shown, "account": "alice"}
    (row,) = ulak("inbox", "list").value
    assert (row["number"], row["account"], len(row["created"])) == (shown, "alice", 20)
    assert ulak("inbox", "remove", written).value == {"number": shown, "removed": True}
    assert ulak("inbox", "list").value == []


def test_what_came_in_is_shown(ulak: Command, database: Database, clock: FakeClock) -> None:
    ulak("account", "create", "alice")
    ulak("account", "create", "bob")
    ulak("inbox", "add", "alice", "4930")
    assert ulak("inbox", "show", "alice").value == []
    clock.now = now_ms()
    batch = [Inbound(4930, "905301234567", "RET", "r1"), Inbound(4931, "905301234567", "RET", "r2")]
    sync_write(database, lambda tx: inbound.take(tx, 1, batch))
    (mail,) = ulak("inbox", "show", "alice").value
    assert mail.pop("at").endswith("Z")
    assert mail == {"sender": "905301234567", "number": "4930", "text": "RET"}
    (block,) = ulak("blacklist", "list", "alice").value
    assert (block["number"], block["origin"]) == ("+905301234567", "reply")
    assert ulak("inbox", "show", "bob").value == ulak("blacklist", "list", "bob").value == []


WRONG = [
    (["add", "nobody", "4930"], 1, "no account 'nobody'"),
    (["show", "nobody"], 1, "no account 'nobody'"),
    (["add", "bob", "4930"], 1, "another account"),
    (["add", "bob", "+905301234561"], 1, "rented out"),
    (["remove", "4931"], 1, "no account"),
    (["add", "bob", "12"], 2, "3 to 8 digits"),
    (["add", "bob", "0493"], 2, "3 to 8 digits"),
    (["add", "bob", "8502221100"], 2, "+908502221100"),
    (["add", "bob", "+4930"], 2, "country code"),
    (["add", "bob", "RET"], 2, "3 to 8 digits"),
    (["add", "bob", "٤٩٣٠"], 2, "3 to 8 digits"),
    (["remove", ""], 2, "3 to 8 digits"),
]


def test_what_cannot_be_done(ulak: Command) -> None:
    for name in ("alice", "bob"):
        ulak("account", "create", name)
    ulak("inbox", "add", "alice", "4930")
    ulak("number", "add", "+905301234561", "--country", "tr")
    for words, code, text in WRONG:
        ended = ulak("inbox", *words)
        assert (ended.code, ended.out) == (code, ""), words
        assert text in ended.err
    assert [row["account"] for row in ulak("inbox", "list").value] == ["alice"]

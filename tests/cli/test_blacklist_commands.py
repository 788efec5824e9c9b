"""`ulak blacklist`: the operator blocks for an account, and lifts whatever stands."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Command

from ulak.service import blacklist
from ulak.store import accounts
from ulak.store.engine import Database, Tx
from ulak.store.writer import sync_write

ADDED = "2026-05-20T11:03:11Z"


def shown(number: str, origin: str) -> dict[str, str]:
    return {"number": number, "origin": origin, "added": ADDED}


def without_time(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    assert all(len(row["added"]) == len(ADDED) for row in rows)
    return [row | {"added": ADDED} for row in rows]


def test_the_operator_blocks_and_lifts_everything(ulak: Command, database: Database) -> None:
    ulak("account", "create", "alice")

    def said(tx: Tx) -> None:
        alice = accounts.find(tx, "alice")
        assert alice is not None
        blacklist.block(tx, alice.id, 905301234561)
        blacklist.opted_out(tx, alice.id, 905301234562)

    sync_write(database, said)
    made = ulak("blacklist", "add", "alice", "0530 123 45 63", "+905301234562").value
    assert without_time(made) == [shown("+905301234563", "operator"), shown("+905301234562", "reply")]
    rows = ulak("blacklist", "list", "alice").value
    assert sorted(without_time(rows), key=lambda row: row["number"]) == [
        shown("+905301234561", "api"),
        shown("+905301234562", "reply"),
        shown("+905301234563", "operator"),
    ]
    lifted = ulak("blacklist", "remove", "alice", "905301234561", "905301234562", "905301234563").value
    assert [row["origin"] for row in lifted] == ["api", "reply", "operator"]
    assert ulak("blacklist", "list", "alice").value == []


def test_all_or_none_are_lifted(ulak: Command) -> None:
    ulak("account", "create", "alice")
    ulak("blacklist", "add", "alice", "905301234561")
    refused = ulak("blacklist", "remove", "alice", "905301234561", "905301234569")
    assert (refused.code, refused.out) == (1, "")
    assert "not blocked" in refused.err
    assert len(ulak("blacklist", "list", "alice").value) == 1


WRONG = [
    (["list", "nobody"], 1, "no account 'nobody'"),
    (["add", "nobody", "905301234561"], 1, "no account 'nobody'"),
    (["remove", "nobody", "905301234561"], 1, "no account 'nobody'"),
    (["add", "alice"], 2, "no number"),
    (["remove", "alice"], 2, "no number"),
    (["add", "alice", "905301234561", "02121234567"], 2, "Turkish mobile number"),
    (["remove", "alice", "9999999999"], 2, "Turkish mobile number"),
]


@pytest.mark.parametrize(("words", "code", "text"), WRONG)
def test_what_cannot_be_done(ulak: Command, words: list[str], code: int, text: str) -> None:
    ulak("account", "create", "alice")
    ended = ulak("blacklist", *words)
    assert (ended.code, ended.out) == (code, "")
    assert text in ended.err
    assert not [word for word in words[2:] if word in ended.err], "numbers are nobody's business"
    assert ulak("blacklist", "list", "alice").value == []

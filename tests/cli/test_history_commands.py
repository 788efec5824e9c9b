"""`ulak history` and how `ulak import` is called; what an import does is tested beside its dialect."""

from __future__ import annotations

import io
from typing import Any

import pytest
from tests.cli.conftest import Command

from ulak.core.errors import UlakError
from ulak.core.history import PastMessage, PastOrder
from ulak.core.times import parse_second
from ulak.service import accounts
from ulak.store import history
from ulak.store.engine import Database, Tx
from ulak.store.writer import sync_write

ORDER = PastOrder(312988299, 114, 2, 1, 1, 1_776_836_194_000, 1_776_837_600_000, "eMarka", "2")
SHOWN = {
    "number": 312988299,
    "source": "iletimerkezi",
    "status": 114,
    "total": 2,
    "delivered": 1,
    "undelivered": 1,
    "waiting": 0,
    "submitted": "2026-04-22T05:36:34Z",
    "due": "2026-04-22T06:00:00Z",
    "sender": "eMarka",
    "price": "2",
    "messages": 2,
}
ROWS = [PastMessage("+905333128320", 111), PastMessage("+905333128321", 112)]


@pytest.fixture
def past(database: Database) -> None:
    """Alice has sent three orders elsewhere, on three days; Bob has sent nothing."""

    def change(tx: Tx) -> None:
        accounts.create(tx, "bob")
        alice = accounts.create(tx, "alice").account.id
        history.put(tx, alice, "iletimerkezi", ORDER)
        history.put_messages(tx, alice, "iletimerkezi", ORDER.number, 0, ROWS)
        for number, day in ((312988298, "2026-04-21 23:59:59"), (312988300, "2026-04-23 00:00:00")):
            moment = parse_second(day)
            assert moment is not None
            history.put(
                tx,
                alice,
                "iletimerkezi",
                ORDER._replace(number=number, submitted=moment, price="", status=113, undelivered=0),
            )

    sync_write(database, change)


@pytest.mark.usefixtures("past")
def test_a_history_is_listed_by_days(ulak: Command) -> None:
    listed = ulak("history", "list", "alice").value
    assert [order["number"] for order in listed] == [312988300, 312988299, 312988298]
    assert listed[1] == SHOWN
    assert listed[0]["price"] is None
    assert (listed[0]["waiting"], listed[0]["messages"]) == (1, 0)

    def numbers(*words: str) -> list[int]:
        return [order["number"] for order in ulak("history", "list", "alice", *words).value]

    assert numbers("--limit", "1") == [312988300]
    assert numbers("--since", "2026-04-22", "--until", "2026-04-22") == [312988299]
    assert numbers("--since", "2026-04-23") == [312988300]
    assert numbers("--until", "2026-04-21") == [312988298]
    assert ulak("history", "list", "bob").value == []


@pytest.mark.usefixtures("past")
def test_an_order_of_the_past_is_shown(ulak: Command, command: Command, where: list[str]) -> None:
    shown = ulak("history", "show", "alice", "312988299").value
    assert shown == SHOWN | {"recipients": [row._asdict() for row in ROWS]}
    assert list(shown) == [*SHOWN, "recipients"]
    people = command("history", "show", "alice", "312988299", *where).out
    assert "+905333128321" in people
    assert "2026-04-22T05:36:34Z" in people


@pytest.mark.usefixtures("past")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["show", "bob", "312988299"], 1),
        (["show", "alice", "1"], 1),
        (["show", "alice", "9999999999999999999999"], 1),
        (["show", "alice", "x"], 2),
        (["show", "nobody", "312988299"], 1),
        (["list", "nobody"], 1),
        (["list", "alice", "--since", "22/04/2026"], 2),
        (["list", "alice", "--until", "2026-02-30"], 2),
        (["list", "alice", "--limit", "0"], 2),
        (["list", "alice", "--limit", "99999999999999999999"], 2),
    ],
)
def test_what_is_not_there(ulak: Command, words: list[str], code: int) -> None:
    ended = ulak("history", *words)
    assert (ended.code, ended.out) == (code, "")


KEYS = ["--key", "k", "--hash", "h", "--url", "http://127.0.0.1:1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["alice", *KEYS], "since"),
        (["alice", "--since", "01/01/2026", *KEYS], "--since must be a day like 2026-01-01"),
        (["alice", "--since", "2026-02-30", *KEYS], "--since must be a day like 2026-01-01"),
        (["alice", "--since", "2026-1-1", *KEYS], "--since must be a day like 2026-01-01"),
        (["alice", "--since", "٢٠٢٦-01-01", *KEYS], "--since must be a day like 2026-01-01"),
        (["alice", "--since", "2199-01-01", *KEYS], "--since must be from 2000-01-01 to today ("),
        (["alice", "--since", "1999-12-31", *KEYS], "--since must be from 2000-01-01 to today ("),
        (["alice", "--since", "2026-01-02", "--until", "2026-01-01", *KEYS], "must not be before --since"),
        (["alice", "--since", "2026-01-02", "--until", "x", *KEYS], "--until must be a day"),
        (["alice", "--since", "2026-01-02", *KEYS[:4], "--url", "ftp://x"], "url must be like"),
        (["alice", "--since", "2026-01-02", "--key", "a b", "--hash", "h"], "the key must be"),
        (["alice", "--since", "2026-01-02"], "the key of the account there is missing"),
        (["alice", "--since", "2026-01-02", "--key", "k"], "put it into ULAK_IMPORT_HASH"),
    ],
)
def test_imports_that_cannot_be(
    command: Command,
    sqlite_database: Database,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    said: str,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    where = ["--data", str(sqlite_database.directory), "--json"]
    command("account", "create", "alice", *where)
    ended = command("import", "iletimerkezi", *words, *where)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


def test_an_import_for_nobody(ulak: Command) -> None:
    ended = ulak("import", "iletimerkezi", "nobody", "--since", "2026-01-01", *KEYS)
    assert (ended.code, ended.out, ended.err) == (1, "", "ulak: no account 'nobody'\n")


def test_the_only_account_need_not_be_named(ulak: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """With none or several, it must be."""
    owners: list[int] = []

    async def refuse(_config: Any, account: int, *_rest: Any) -> None:
        owners.append(account)
        raise UlakError("nothing more is wanted")

    monkeypatch.setattr("ulak.wiring.pasts.import_iletimerkezi", refuse)
    asked = ("import", "iletimerkezi", "--since", "2026-01-01", *KEYS)
    nobody = ulak(*asked)
    assert (nobody.code, nobody.out) == (2, "")
    assert "say which account it is for" in nobody.err
    only = ulak("account", "create", "alice").value["id"]
    assert ulak(*asked).code == 1
    ulak("account", "create", "bob")
    assert ulak(*asked).code == 2
    assert owners == [only]


def test_an_import_from_a_service_that_says_no(ulak: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The credentials come from the environment, where nothing else may be misspelt."""
    monkeypatch.setenv("ULAK_IMPORT_KEY", "from-here")
    monkeypatch.setenv("ULAK_IMPORT_HASH", "and-here")
    given: dict[str, Any] = {}

    async def refuse(_config: Any, _account: int, to: Any, days: Any, _tell: Any, _say: Any) -> None:
        given.update(key=to.key, hash=to.hash, days=days)
        raise UlakError("it does not let this key and hash in (401)")

    monkeypatch.setattr("ulak.wiring.pasts.import_iletimerkezi", refuse)
    ulak("account", "create", "alice")
    ended = ulak("import", "iletimerkezi", "alice", "--since", "2026-01-01")
    assert (ended.code, ended.out) == (1, "")
    assert "401" in ended.err
    assert (given["key"], given["hash"]) == ("from-here", "and-here")
    assert str(given["days"][0]) == "2026-01-01"


def test_an_import_says_that_it_waits(ulak: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it waits for may be an address that was misspelt."""
    monkeypatch.setattr("ulak.dialects.iletimerkezi.connect.past.PAUSES", (0.0,))
    ulak("account", "create", "alice")
    ended = ulak("import", "iletimerkezi", "alice", "--since", "2026-01-01", *KEYS)
    assert (ended.code, ended.out) == (1, "")
    first, last = ended.err.splitlines()
    assert first.startswith("http://127.0.0.1:1 does not answer: ")
    assert first.endswith("; asking again in 0 s")
    assert last.startswith("ulak: http://127.0.0.1:1 does not answer: ")

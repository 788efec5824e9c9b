"""`ulak callback`, and the endpoint of an account."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests import cast
from tests.cli.conftest import Command, Ended
from tests.conftest import FakeClock

from ulak import wiring
from ulak.cli.common import now_ms
from ulak.core.callbacks import EventRow, Outcome, RenderedCallback, Renderer, write_secret
from ulak.core.events import Event, EventKind
from ulak.service import callbacks, endpoints, events
from ulak.service.callbacks import Room
from ulak.store import endpoints as store
from ulak.store.engine import Database
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write

URL = "https://203-0-113-9.invalid/hook?token=geheim12"


def _render(_event: EventRow) -> RenderedCallback:
    return RenderedCallback(b"{}")


@pytest.fixture(autouse=True)
def renderers(monkeypatch: pytest.MonkeyPatch) -> None:
    families = frozenset({"consignment", "document"})
    monkeypatch.setattr(wiring, "RENDERERS", {"comtohome": Renderer(families, _render)}, raising=False)


@pytest.fixture
def alice(database: Database) -> cast.Tenant:
    return cast.alice(database)


Tell = Callable[..., Ended]


@pytest.fixture
def tell(ulak: Command) -> Tell:
    """Set or remove the endpoint of an account."""

    def call(account: str, url: str, dialect: str = "comtohome") -> Ended:
        return ulak("account", "callback", account, url, "--dialect", dialect)

    return call


def happen(database: Database, who: cast.Tenant, *subjects: int) -> None:
    news = [Event(who.id, EventKind.CONSIGNMENT_STATUS, subject, b"{}") for subject in subjects]
    sync_write(database, lambda tx: events.record(tx, news))


def answered(database: Database, *statuses: int) -> None:
    """What is due is tried, and answered this."""
    room = Room(100, 100, 100, 100, good=range(1, 100))
    claimed = sync_write(database, lambda tx: callbacks.claim(tx, room, 300_000, lambda: 0.0))
    outcomes = [
        Outcome(callback.id, database.clock(), status, 5)
        for callback, status in zip(claimed, statuses, strict=True)
    ]
    sync_write(database, lambda tx: callbacks.finish(tx, outcomes, lambda: 0.5))


def test_an_endpoint_is_set_shown_once_and_removed(
    database: Database, alice: cast.Tenant, tell: Tell
) -> None:
    made = tell("alice", URL).value
    assert list(made) == ["account", "dialect", "url", "secret"]
    assert (made["account"], made["dialect"], made["url"]) == ("alice", "comtohome", URL)
    (endpoint,) = sync_read(database, lambda tx: store.of_account(tx, alice.id))
    assert (endpoint.url, endpoint.families) == (URL, frozenset({"consignment", "document"}))
    key = endpoints.signing_key(Vault(database.directory), endpoint)
    assert made["secret"] == write_secret(key)
    assert made["secret"] not in endpoint.secret
    again = tell(str(alice.id), URL).value
    assert again["secret"] != made["secret"]
    for _ in range(2):
        assert tell("alice", "off").value == {"account": "alice", "dialect": "comtohome", "url": None}
    assert sync_read(database, lambda tx: store.of_account(tx, alice.id)) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://localhost:8080/",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "https://user:geheim12@example.com/",
        "example.com",
        "OFF",
        "",
    ],
)
def test_an_address_that_callbacks_must_not_go_to_is_not_saved(
    database: Database, alice: cast.Tenant, tell: Tell, url: str
) -> None:
    ended = tell("alice", url)
    assert (ended.code, ended.out) == (1, "")
    assert "callbacks may not go to this address" in ended.err
    assert "geheim12" not in ended.err
    assert sync_read(database, lambda tx: store.of_account(tx, alice.id)) == []


def test_the_operator_may_allow_it(alice: cast.Tenant, tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ULAK_CALLBACK_ALLOW", "hooks.internal,127.0.0.1")
    assert tell(alice.name, "http://127.0.0.1:9000/x").value["url"] == "http://127.0.0.1:9000/x"
    assert tell(alice.name, "http://example.com/").code == 1


def test_who_and_what_must_be_there(alice: cast.Tenant, tell: Tell) -> None:
    for url in (URL, "off"):
        ended = tell(alice.name, url, "pigeons")
        assert (ended.code, ended.out) == (2, "")
        assert "there are in those of comtohome" in ended.err
        assert tell("nobody", url).code == 1


def test_callbacks_are_listed_the_newest_first(
    ulak: Command, database: Database, alice: cast.Tenant, tell: Tell
) -> None:
    bob = cast.bob(database)
    tell("alice", URL)
    tell("bob", URL)
    happen(database, alice, 7, 7)
    answered(database, 500)
    happen(database, bob, 8)
    answered(database, 204)
    listed = ulak("callback", "list").value
    assert [(row["account"], row["subject"], row["state"]) for row in listed] == [
        ("bob", 8, "arrived"),
        ("alice", 7, "behind"),
        ("alice", 7, "due"),
    ]
    assert listed[2] == {
        "id": listed[2]["id"],
        "account": "alice",
        "dialect": "comtohome",
        "event": "consignment.status_changed",
        "subject": 7,
        "state": "due",
        "tries": 1,
        "next": "2026-05-20T11:03:16Z",
        "ended": None,
        "status": 500,
        "url": URL.partition("?")[0],
    }
    assert (listed[0]["ended"], listed[0]["next"]) == ("2026-05-20T11:03:11Z", None)
    assert (listed[1]["next"], listed[1]["status"]) == (None, None)
    assert ulak("callback", "list", "--account", "alice", "--limit", "1").value == [listed[1]]
    assert ulak("callback", "list", "--state", "arrived").value == [listed[0]]
    assert ulak("callback", "list", "--state", "given-up").value == []
    assert ulak("callback", "list", "--account", "nobody").code == 1
    assert ulak("callback", "list", "--state", "lost").code == 2
    for limit in ("0", str(10**20)):
        assert ulak("callback", "list", "--limit", limit).code == 2


def test_callbacks_are_sent_again(
    ulak: Command, database: Database, alice: cast.Tenant, tell: Tell, clock: FakeClock
) -> None:
    clock.now = now_ms()  # commands have no other
    tell("alice", URL)
    happen(database, alice, 1, 2)
    answered(database, 200, 410)
    failed, arrived = [row["id"] for row in ulak("callback", "list").value]
    ended = ulak("callback", "resend", str(failed))
    assert (ended.code, ended.out) == (1, "")
    assert "is disabled: set its address again" in ended.err
    tell("alice", URL)
    assert ulak("callback", "resend", "--account", "alice", "--all-failed").value == {"ids": [failed]}
    assert ulak("callback", "resend", str(arrived)).value == {"ids": [arrived]}
    assert [row["state"] for row in ulak("callback", "list").value] == ["due", "due"]
    assert ulak("callback", "resend", str(arrived)).value == {"ids": [arrived]}
    assert ulak("callback", "resend", "77").code == 1


@pytest.mark.parametrize(
    "words",
    [[], ["--all-failed"], ["--account", "alice"], ["7", "--account", "alice"], ["7", "--all-failed"], ["x"]],
)
def test_which_ones_has_to_be_said(ulak: Command, alice: cast.Tenant, words: list[str]) -> None:
    ended = ulak("callback", "resend", *words)
    assert (ended.code, ended.out, alice.name) == (2, "", "alice")

"""`ulak account`, `credit`, `sender`: what they do, and the shapes other programs rely on."""

from __future__ import annotations

import re

import pytest
from tests.cli.conftest import Command

from ulak.service.accounts import LOGIN, authenticate, login_name
from ulak.store.engine import Database
from ulak.store.writer import sync_read


def test_a_new_account_shows_its_keys_and_may_come_in(ulak: Command, database: Database) -> None:
    made = ulak("account", "create", "Alice & Co").value
    assert list(made) == ["id", "name", "iletimerkezi", "comtohome", "sms4sats"]
    assert list(made["comtohome"]) == ["apikey"]
    assert list(made["sms4sats"]) == ["api_key"]
    assert list(made["iletimerkezi"]) == ["key", "hash"]
    assert made["name"] == "Alice & Co"
    assert isinstance(made["id"], int)
    assert re.fullmatch("[0-9a-f]{32}", made["iletimerkezi"]["key"])
    assert re.fullmatch("[0-9a-f]{64}", made["iletimerkezi"]["hash"])
    admitted = sync_read(
        database,
        lambda tx: authenticate(
            tx, "iletimerkezi", made["iletimerkezi"]["key"], made["iletimerkezi"]["hash"], "192.0.2.1"
        ),
    )
    assert admitted is not None
    assert admitted.id == made["id"]
    key = made["comtohome"]["apikey"]
    assert re.fullmatch("[0-9a-f]{64}", key)
    sender = sync_read(database, lambda tx: authenticate(tx, "comtohome", key, "", "192.0.2.1"))
    assert sender is not None
    assert sender.id == made["id"]
    key = made["sms4sats"]["api_key"]
    assert re.fullmatch("[0-9a-f]{64}", key)
    buyer = sync_read(database, lambda tx: authenticate(tx, "sms4sats", key, "", "192.0.2.1"))
    assert buyer is not None
    assert buyer.id == made["id"]


def test_a_new_account_has_nothing_but_api_access(ulak: Command) -> None:
    made = ulak("account", "create", "alice").value
    shown = ulak("account", "show", "alice").value
    assert shown == {
        "id": made["id"],
        "name": "alice",
        "api_access": True,
        "settings": {
            "ips": "",
            "test_number": "",
            "iys_brand": "",
            "iys_subscription": "off",
            "iys_presumed": "off",
            "strict_schedule": "on",
            "strict_iys": "off",
            "legacy_login": "off",
            "report_order_id": "string",
            "contacts": "off",
            "inbox": "off",
            "can_create_cn22": "on",
            "can_create_cn23": "on",
            "can_create_proforma_invoice": "on",
            "can_send_to_provider_manually": "on",
            "can_recheck_manually": "on",
            "authorized_name": "",
            "velocity_minute": "",
            "velocity_hour": "",
            "velocity_day": "",
            "velocity_prefix": "",
            "velocity_prefix_digits": "",
            "velocity_number": "",
            "velocity_country_day": "",
            "velocity_countries": "",
            "user_firstname": "",
            "user_lastname": "",
        },
        "senders": [],
        "balances": {"SMS": {"available": 0, "held": 0, "spent": 0}},
    }
    assert ulak("account", "show", str(made["id"])).value == shown
    assert ulak("account", "list").value == [shown]


def test_a_name_is_given_once(ulak: Command) -> None:
    assert ulak("account", "create", "alice").code == 0
    again = ulak("account", "create", "alice")
    assert (again.code, again.out) == (1, "")
    assert again.err == "ulak: there is an account called 'alice' already\n"


def test_settings_are_changed_together_or_not_at_all(ulak: Command) -> None:
    ulak("account", "create", "alice")
    changed = ulak("account", "set", "alice", "ips=192.0.2.0/24,::1", "strict_schedule=off").value
    assert changed["settings"]["ips"] == "192.0.2.0/24,::1/128"
    assert changed["settings"]["strict_schedule"] == "off"
    failed = ulak("account", "set", "alice", "strict_schedule=on", "iys_brand=x")
    assert (failed.code, failed.out) == (1, "")
    assert ulak("account", "show", "alice").value == changed
    assert ulak("account", "set", "alice", "ips=").value["settings"]["ips"] == ""


@pytest.mark.parametrize("written", ["5301234567", "05301234567", "+90 530 123 45 67", "905301234567"])
def test_a_test_number_has_many_spellings(ulak: Command, written: str) -> None:
    ulak("account", "create", "alice")
    changed = ulak("account", "set", "alice", f"test_number={written}").value
    assert changed["settings"]["test_number"] == "905301234567"
    # Trials could never reach it, and the account would not learn why.
    failed = ulak("account", "set", "alice", "test_number=12")
    assert (failed.code, failed.out) == (1, "")
    assert "must be a Turkish mobile number" in failed.err
    assert ulak("account", "set", "alice", "test_number=").value["settings"]["test_number"] == ""


@pytest.mark.parametrize("words", [[], ["ips"], ["=x"], ["ips=", "ips="]])
def test_settings_that_are_none_are_wrong_usage(ulak: Command, words: list[str]) -> None:
    ulak("account", "create", "alice")
    ended = ulak("account", "set", "alice", *words)
    assert (ended.code, ended.out) == (2, "")


def test_an_account_is_locked_out_and_let_in(ulak: Command) -> None:
    ulak("account", "create", "alice")
    assert ulak("account", "api-access", "off", "alice").value["api_access"] is False
    assert ulak("account", "api-access", "on", "alice").value["api_access"] is True
    assert ulak("account", "api-access", "of", "alice").code == 2


def test_credit_is_granted_in_main_units(ulak: Command) -> None:
    ulak("account", "create", "alice")
    granted = ulak("credit", "grant", "alice", "100").value
    assert granted == {"account": "alice", "asset": "SMS", "available": 100, "held": 0, "spent": 0}
    assert ulak("credit", "grant", "alice", "5").value["available"] == 105
    lira = ulak("credit", "grant", "alice", "120.96", "--asset", "TRY").value
    assert lira == {
        "account": "alice",
        "asset": "TRY",
        "available": "120.96",
        "held": "0.00",
        "spent": "0.00",
    }
    assert list(ulak("account", "show", "alice").value["balances"]) == ["SMS", "TRY"]


@pytest.mark.parametrize(
    ("amount", "code"),
    [("1.5", 2), ("x", 2), ("٣", 2), ("", 2), ("-5", 2), ("1e3", 2), ("0", 1), ("9" * 16, 2)],
)
def test_amounts_that_cannot_be_granted(ulak: Command, amount: str, code: int) -> None:
    ulak("account", "create", "alice")
    ended = ulak("credit", "grant", "alice", amount)
    assert (ended.code, ended.out) == (code, "")


def test_senders_are_approved_byte_for_byte(ulak: Command) -> None:
    ulak("account", "create", "alice")
    assert ulak("sender", "approve", "alice", "ORNEKAS").value == {"account": "alice", "senders": ["ORNEKAS"]}
    ulak("sender", "approve", "alice", "ORNEKAS")
    assert ulak("sender", "approve", "alice", "ornekas").value["senders"] == ["ORNEKAS", "ornekas"]
    assert ulak("sender", "approve", "alice", "twelve chars").code == 1


@pytest.mark.parametrize(
    "words",
    [
        ["account", "show", "nobody"],
        ["account", "set", "nobody", "ips="],
        ["account", "api-access", "on", "nobody"],
        ["credit", "grant", "nobody", "1"],
        ["sender", "approve", "nobody", "X"],
    ],
)
def test_an_account_that_is_not_there(ulak: Command, words: list[str]) -> None:
    ended = ulak(*words)
    assert (ended.code, ended.out, ended.err) == (1, "", "ulak: no account 'nobody'\n")


def test_a_login_shows_its_password_once(ulak: Command, database: Database) -> None:
    made = ulak("account", "create", "alice").value
    given = ulak("account", "login", "alice", "0532 123 45 67")
    assert list(given.value) == ["account", "username", "password"]
    assert (given.value["account"], given.value["username"]) == ("alice", "0532 123 45 67")
    assert "legacy_login=on" in given.err
    password = given.value["password"]
    assert re.fullmatch("[0-9a-f]{32}", password)

    def let_in(password: str) -> int | None:
        who = (LOGIN, login_name("5321234567"), password, "192.0.2.1")
        found = sync_read(database, lambda tx: authenticate(tx, *who))
        return found.id if found else None

    assert let_in(password) is None
    ulak("account", "set", "alice", "legacy_login=on")
    assert let_in(password) == made["id"]
    again = ulak("account", "login", str(made["id"]), "+905321234567")
    assert "legacy_login" not in again.err
    assert let_in(password) is None
    assert let_in(again.value["password"]) == made["id"]


def test_a_username_that_cannot_be(ulak: Command) -> None:
    ulak("account", "create", "alice")
    ulak("account", "create", "bob")
    ulak("account", "login", "alice", "05321234567")
    taken = ulak("account", "login", "bob", "5321234567")
    assert (taken.code, taken.err) == (1, "ulak: this username is another account's\n")
    assert ulak("account", "login", "bob", " ").code == 1
    assert ulak("account", "login", "nobody", "bob").err == "ulak: no account 'nobody'\n"

"""`ulak number`: numbers of the operator's own are added, listed and removed."""

from __future__ import annotations

from tests.cli.conftest import Command

from ulak.core.numbers import Activation, Want
from ulak.service import inventory
from ulak.store.engine import Database
from ulak.store.writer import sync_write

ADD = ["number", "add", "+90 530 123 45 61", "00905301234562", "--country", "tr"]


def test_numbers_are_added_listed_and_removed(ulak: Command) -> None:
    made = ulak(*ADD, "--service", "WhatsApp, tg").value
    assert made == [
        {
            "number": number,
            "country": "Turkey",
            "pool": 62,
            "services": ["wa", "tg"],
            "handset": False,
            "carrier": "inventory",
            "state": "free",
            "used": [],
        }
        for number in ("+905301234561", "+905301234562")
    ]
    (carrier,) = ulak("carrier", "list").value
    assert (carrier["name"], carrier["kind"], carrier["settings"]) == ("inventory", "inventory", {})
    other = ulak("number", "add", "48501234563", "--country", "Poland", "--handset").value
    assert [(row["services"], row["handset"], row["pool"]) for row in other] == [([], True, 15)]
    assert ulak("number", "list").value == other + made
    assert ulak("number", "remove", "905301234561").value == {"number": "+905301234561", "removed": True}
    assert ulak("number", "list").value == [*other, made[1]]
    assert len(ulak("carrier", "list").value) == 1


def test_a_rented_number_stays(ulak: Command, database: Database) -> None:
    ulak(*ADD)
    (carrier,) = ulak("carrier", "list").value
    got = sync_write(database, lambda tx: inventory.take(tx, carrier["id"], Want(5, 62, "wa")))
    assert got is not None
    assert [row["state"] for row in ulak("number", "list").value] == ["rented", "free"]
    refused = ulak("number", "remove", f"+{got.number}")
    assert (refused.code, refused.out) == (1, "")
    assert "rented" in refused.err
    given = Activation(5, got.reference, got.number, "wa", 0)
    sync_write(database, lambda tx: inventory.give_back(tx, given, True))
    assert [row["used"] for row in ulak("number", "list").value] == [["wa"], []]
    assert ulak("number", "remove", f"+{got.number}").code == 0


WRONG: list[tuple[list[str], int, str]] = [
    (["--country", "tr"], 2, "no number"),
    (["123", "--country", "tr"], 2, "country code"),
    (["05301234561", "--country", "tr"], 2, "country code"),
    (["+90530123456x", "--country", "tr"], 2, "country code"),
    (["+9053012345678901", "--country", "tr"], 2, "country code"),
    (["+905301234561"], 2, "--country"),
    (["+905301234561", "--country", "Atlantis"], 2, "no country 'Atlantis'"),
    (["+905301234561", "--country", "999"], 2, "no country '999'"),
    (["+905301234561", "--country", "tr", "--service", "wa,%"], 2, "'%' is not a service"),
    (["+905301234561", "--country", "tr", "--service", "full"], 2, "'full' is not a service"),
    (["+905301234561", "--country", "tr", "--carrier", "nobody"], 1, "no carrier 'nobody'"),
]


def test_what_cannot_be_added(ulak: Command) -> None:
    for words, code, said in WRONG:
        ended = ulak("number", "add", *words)
        assert (ended.code, ended.out) == (code, ""), words
        assert said in ended.err
        assert "5301234561" not in ended.err
    assert ulak("number", "list").value == []
    assert ulak("carrier", "list").value == []


def test_a_number_is_added_once_and_all_or_none(ulak: Command) -> None:
    assert ulak(*ADD).code == 0
    again = ulak("number", "add", "+48501234563", "+905301234562", "--country", "15")
    assert (again.code, again.out) == (1, "")
    assert "already" in again.err
    assert len(ulak("number", "list").value) == 2
    assert ulak("number", "remove", "+48501234563").code == 1


def test_an_inventory_of_a_name_with_patterns_of_codes(ulak: Command) -> None:
    pattern = r"pattern.wa=code (\d{6})"
    made = ulak("carrier", "add", "shelf", "--kind", "inventory", "--set", pattern).value
    assert made["settings"] == {"pattern.wa": r"code (\d{6})"}
    assert ulak("carrier", "test", "shelf").value["ok"] is True
    assert [row["carrier"] for row in ulak(*ADD).value] == ["shelf", "shelf"]
    bad = ulak("carrier", "add", "bad", "--kind", "inventory", "--set", r"pattern.wa=(\d+)*")
    assert (bad.code, bad.out) == (1, "")
    assert "pattern.wa" in bad.err
    ulak("carrier", "add", "second", "--kind", "inventory")
    several = ulak("number", "add", "+48501234563", "--country", "pl")
    assert several.code == 1
    assert "several" in several.err
    assert ulak("number", "add", "+48501234563", "--country", "pl", "--carrier", "second").code == 0


def test_for_people(command: Command, where: list[str]) -> None:
    assert "+905301234561" in command(*ADD, *where).out
    listed = command("number", "list", *where).out
    assert "Turkey" in listed
    assert "free" in listed

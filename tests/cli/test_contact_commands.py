"""`ulak contact`: fields of an account's own, and a look at its contacts."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Command

from ulak.core.contacts import ContactDraft
from ulak.service import contacts
from ulak.store.engine import Database, Tx
from ulak.store.writer import sync_write


@pytest.fixture
def shop(ulak: Command, database: Database) -> str:
    """An account with two contacts; another has one too."""
    for name in ("shop", "other"):
        ulak("account", "create", name)

    def fill(tx: Tx) -> None:
        field = contacts.add_field(tx, "shop", "Şehir")
        group = contacts.add_group(tx, 1, "Müşteriler", None)
        assert isinstance(group, int)
        values = {field: "Ankara"}
        contacts.add(tx, 1, ContactDraft("Işıl", "Can", "isil@example.com", 905301234567, values, (group,)))
        contacts.add(tx, 1, ContactDraft("Ali"))
        contacts.add(tx, 2, ContactDraft("Işıl"))

    sync_write(database, fill)
    return "shop"


def test_fields_are_of_one_account(ulak: Command) -> None:
    for name in ("shop", "other"):
        ulak("account", "create", name)
    first = ulak("contact", "field", "add", "shop", "Şehir").value
    assert first == {"id": 1, "name": "Şehir"}
    assert ulak("contact", "field", "add", "other", "Şehir").value == {"id": 2, "name": "Şehir"}
    assert ulak("contact", "field", "add", "1", "Doğum günü").value["name"] == "Doğum günü"
    assert [each["name"] for each in ulak("contact", "field", "list", "shop").value] == [
        "Şehir",
        "Doğum günü",
    ]
    again = ulak("contact", "field", "add", "shop", "Şehir")
    assert (again.code, "already" in again.err) == (1, True)
    assert ulak("contact", "field", "add", "nobody", "x").code == 1
    assert ulak("contact", "field", "list", "nobody").code == 1


def test_contacts_are_listed(ulak: Command, shop: str) -> None:
    isil, ali = ulak("contact", "list", shop).value
    assert isil == {
        "id": 1,
        "name": "Işıl",
        "surname": "Can",
        "email": "isil@example.com",
        "gsm": "+905301234567",
        "fields": {"Şehir": "Ankara"},
        "groups": ["Müşteriler"],
    }
    assert (ali["name"], ali["gsm"], ali["fields"], ali["groups"]) == ("Ali", "", {}, [])
    assert ulak("contact", "list", shop, "--page", "2").value == []


@pytest.mark.parametrize(("key", "ids"), [("IŞIL", [1]), ("0530", [1]), ("ali", [2]), ("zzz", [])])
def test_contacts_are_searched(ulak: Command, shop: str, key: str, ids: list[int]) -> None:
    assert [each["id"] for each in ulak("contact", "list", shop, "--search", key).value] == ids


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("list", "shop", "--search", "ab"), 2),
        (("list", "shop", "--page", "0"), 2),
        (("list", "shop", "--page", "9223372036854775807"), 2),
        (("list", "nobody"), 1),
        (("list",), 2),
    ],
)
@pytest.mark.usefixtures("shop")
def test_what_is_wrong(ulak: Command, words: tuple[str, ...], code: int) -> None:
    assert ulak("contact", *words).code == code


def test_people_can_read_the_list(command: Command, where: list[str], shop: str) -> None:
    shown = command("contact", "list", shop, *where)
    assert shown.code == 0
    assert "Işıl" in shown.out
    assert "Şehir=Ankara" in shown.out

"""Address books: pages, searches, what a deletion takes along, and that nobody sees another's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests import cast

from ulak.core.contacts import NOBODY, Contact, ContactDraft, Group, Objection, changed, search_for
from ulak.core.errors import UlakError
from ulak.service import contacts
from ulak.store import contacts as store
from ulak.store.engine import Database, Sql, Tx
from ulak.store.writer import sync_read, sync_write

MANY = 2_500
ROWS = 1_000

_LEFT = Sql(
    "SELECT (SELECT count(*) FROM contact), (SELECT count(*) FROM contact_group),"
    " (SELECT count(*) FROM group_member), (SELECT count(*) FROM contact_value)"
)


class Book:
    """Two tenants, and what they do with their address books."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.alice = cast.alice(database, credit=0).id
        self.bob = cast.bob(database, credit=0).id

    def do(self, change: Callable[..., Any], *arguments: Any, account: int | None = None) -> Any:
        """One change, or question, of Alice's (or of another account)."""
        return sync_write(self.database, lambda tx: change(tx, account or self.alice, *arguments))


@pytest.fixture
def book(database: Database) -> Book:
    return Book(database)


def found(book: Book, key: str, skip: int = 0, rows: int = ROWS, account: int | None = None) -> Any:
    wanted = search_for(key)
    assert wanted is not None
    return book.do(contacts.search, wanted, skip, rows, account=account)


def fill(book: Book) -> int:
    """A group of very many contacts, each with a field; the group's id. Bob has a few like them."""
    group: int = book.do(contacts.add_group, "all", None)
    field = sync_write(book.database, lambda tx: contacts.add_field(tx, "alice", "Place"))

    def add(tx: Tx) -> None:
        for place in range(MANY):
            values = {field: str(place)}
            draft = ContactDraft(f"Person {place}", number=905300000000 + place, values=values)
            store.add(tx, book.alice, changed(NOBODY, draft._replace(groups=(group,))))
            if place < 3:
                store.add(tx, book.bob, changed(NOBODY, ContactDraft(f"Person {place}")))

    sync_write(book.database, add)
    return group


def test_pages_of_very_many(book: Book) -> None:
    group = fill(book)
    pages = [book.do(contacts.members, group, skip, ROWS) for skip in range(0, MANY, ROWS)]
    assert [len(page) for page in pages] == [1000, 1000, 500]
    assert [each.name for page in pages for each in page] == [f"Person {place}" for place in range(MANY)]
    assert pages[2][-1].values == {1: str(MANY - 1)}
    assert pages[2][-1].groups == (group,)
    assert book.do(contacts.members, group, 3 * ROWS, ROWS) == []

    assert [len(found(book, "person", skip)) for skip in range(0, 4 * ROWS, ROWS)] == [1000, 1000, 500, 0]
    assert found(book, "person", MANY - 1, 10)[0].name == f"Person {MANY - 1}"
    assert [each.name for each in found(book, "0530 000 24 99")] == ["Person 2499"]
    assert found(book, "person 2500", 1) is Objection.NO_CONTACT
    assert len(found(book, "person", account=book.bob)) == 3
    assert book.do(contacts.groups) == [((group, 0, "all", MANY), [])]


def test_deleting_a_group_leaves_its_contacts(book: Book) -> None:
    top, other = book.do(contacts.add_group, "top", None), book.do(contacts.add_group, "other", None)
    below = [book.do(contacts.add_group, name, top) for name in ("a", "b")]
    ali = book.do(contacts.add, ContactDraft("Ali", groups=(top, other, *below)))
    assert book.do(contacts.delete_group, top) is None
    assert book.do(contacts.groups) == [(Group(other, 0, "other", 1), [])]
    assert book.do(contacts.contact, ali.id) == ali._replace(groups=(other,))
    assert sync_read(book.database, lambda tx: tx.one(_LEFT)) == (1, 1, 1, 0)


def test_deleting_a_contact_leaves_nothing_of_it(book: Book) -> None:
    group = book.do(contacts.add_group, "group", None)
    field = sync_write(book.database, lambda tx: contacts.add_field(tx, "alice", "Place"))
    draft = ContactDraft("Ali", values={field: "x"}, groups=(group,))
    first, second = book.do(contacts.add, draft), book.do(contacts.add, draft)
    assert book.do(contacts.delete, first.id) is None
    assert book.do(contacts.members, group, 0, ROWS) == [second]
    assert sync_read(book.database, lambda tx: tx.one(_LEFT)) == (1, 1, 1, 1)
    assert book.do(contacts.add, draft).id not in (first.id, second.id), "an id is not given again"


def test_nobody_sees_or_changes_what_another_has(book: Book) -> None:
    group = book.do(contacts.add_group, "group", None)
    field = sync_write(book.database, lambda tx: contacts.add_field(tx, "alice", "Place"))
    ali = book.do(contacts.add, ContactDraft("Ali", values={field: "x"}, groups=(group,)))
    own = book.do(contacts.add, ContactDraft("Veli"), account=book.bob)

    def of_bob(change: Callable[..., Any], *arguments: Any) -> Any:
        return book.do(change, *arguments, account=book.bob)

    for unknown in (group, group + 1_000):
        assert of_bob(contacts.group, unknown) is Objection.NO_GROUP
        assert of_bob(contacts.members, unknown, 0, ROWS) is Objection.NO_GROUP
        assert of_bob(contacts.add_group, "x", unknown) is Objection.NO_PARENT
        assert of_bob(contacts.edit_group, unknown, "x", None) is Objection.NO_GROUP
        assert of_bob(contacts.delete_group, unknown) is Objection.NO_GROUP
        assert of_bob(contacts.add, ContactDraft("x", groups=(unknown,))) is Objection.NO_GROUP
        assert of_bob(contacts.edit, own.id, ContactDraft(groups=(unknown,))) is Objection.NO_GROUP
    for unknown in (field, field + 1_000):
        assert of_bob(contacts.add, ContactDraft("x", values={unknown: "x"})) is Objection.NO_FIELD
        assert of_bob(contacts.edit, own.id, ContactDraft(values={unknown: ""})) is Objection.NO_FIELD
    for unknown in (ali.id, ali.id + 1_000):
        assert of_bob(contacts.contact, unknown) is Objection.NO_CONTACT
        assert of_bob(contacts.edit, unknown, ContactDraft("x")) is Objection.NO_CONTACT
        assert of_bob(contacts.delete, unknown) is Objection.NO_CONTACT
    assert found(book, "ali", account=book.bob) is Objection.NO_CONTACT
    assert of_bob(contacts.groups) == []
    assert of_bob(contacts.contact, own.id) == own
    assert book.do(contacts.contact, ali.id) == ali
    assert book.do(contacts.group, group) == ((group, 0, "group", 1), [])


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("ışık", ["Işık"]),
        ("IŞIK", ["Işık"]),
        ("isik", ["Işık"]),
        ("50%", ["50% _indirim_"]),
        ("% _", ["50% _indirim_"]),
        ("%i%", None),
        ("i_d", None),
        ("a!b", ["a!b\\c"]),
        ("b\\c", ["a!b\\c"]),
        ("!!!", None),
        ("'; --", ["'; --"]),
        ("ali veli", ["ali"]),
    ],
)
def test_a_search_takes_every_character_as_it_is(book: Book, key: str, names: list[str] | None) -> None:
    for name in ("Işık", "50% _indirim_", "a!b\\c", "'; --", "ali"):
        book.do(contacts.add, ContactDraft(name, "veli"))
    result = found(book, key)
    assert result is Objection.NO_CONTACT if names is None else [each.name for each in result] == names


def test_a_search_goes_by_what_a_contact_is_now(book: Book) -> None:
    ali = book.do(contacts.add, ContactDraft("Ali", email="old@example.com", number=905301234567))
    book.do(contacts.edit, ali.id, ContactDraft(email="new@example.com", number=905311234567))
    assert found(book, "old@") is Objection.NO_CONTACT
    assert found(book, "0530") is Objection.NO_CONTACT
    assert [each.id for each in found(book, "0531")] == [ali.id]
    assert [each.id for each in found(book, "new@")] == [ali.id]


def test_a_change_is_whole_or_none(book: Book) -> None:
    one, two = (book.do(contacts.add_group, name, None) for name in "ab")
    field = sync_write(book.database, lambda tx: contacts.add_field(tx, "alice", "Place"))
    ali = book.do(contacts.add, ContactDraft("Ali", values={field: "x"}, groups=(one,)))
    wrong = ContactDraft("B", values={field: "y", field + 1: "z"}, groups=(two,))
    assert book.do(contacts.edit, ali.id, wrong) is Objection.NO_FIELD
    assert book.do(contacts.contact, ali.id) == ali
    after = Contact(ali.id, "B", "", "", 0, {field: "y"}, (two,))
    assert book.do(contacts.edit, ali.id, wrong._replace(values={field: "y"})) == after
    assert book.do(contacts.contact, ali.id) == after


def test_two_who_put_groups_under_each_other_at_once(book: Book) -> None:
    """However they come, groups stay two levels deep."""
    for _ in range(5):
        one, two = (book.do(contacts.add_group, name, None) for name in "ab")
        barrier = threading.Barrier(2)

        def move(group: int, under: int, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            book.do(contacts.edit_group, group, "moved", under)

        threads = [threading.Thread(target=move, args=pair) for pair in ((one, two), (two, one))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        families = book.do(contacts.groups)
        assert [len(children) for _, children in families] == [1]
        book.do(contacts.delete_group, families[0][0].id)


@pytest.mark.parametrize("name", ["", " ", " a", "a\n", "x" * 101])
def test_names_that_no_field_can_have(book: Book, name: str) -> None:
    with pytest.raises(UlakError, match="1 to 100 printable"):
        sync_write(book.database, lambda tx: contacts.add_field(tx, "alice", name))

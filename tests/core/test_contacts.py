"""Contacts: what is searched, and as what; what a draft changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulak.core.contacts import (
    NOBODY,
    ContactDraft,
    changed,
    folded,
    is_empty,
    search_for,
    searchable,
    tidy,
)

ALIKE = [
    ("ŞÜKRÜ IŞIK", "Şükrü Işık", "sukru isik", "şükrü ışık", "SUKRU ISIK"),
    ("İstanbul", "istanbul", "ISTANBUL", "ıstanbul", "i\u0307stanbul"),
    ("Ağrı", "AĞRI", "agri"),
    ("Straße", "STRASSE"),
    ("Éloïse", "eloise"),
    ("ﬁx", "FIX"),
    ("Ωμέγα", "ΩΜΈΓΑ", "ωμεγα"),
]


@pytest.mark.parametrize("spellings", ALIKE, ids=lambda spellings: spellings[0])
def test_spellings_of_one_word(spellings: tuple[str, ...]) -> None:
    assert len({folded(spelling) for spelling in spellings}) == 1


@given(st.text())
def test_what_is_folded_stays(text: str) -> None:
    assert folded(folded(text)) == folded(text)


@given(st.text())
def test_a_tidy_text_is_one_line_that_xml_can_hold(text: str) -> None:
    kept = tidy(text)
    assert kept == tidy(kept) == kept.strip()
    assert len(kept.splitlines()) <= 1
    assert not any(ord(c) < 0x20 or c in "\ufffe\uffff" for c in kept)


@given(st.text(min_size=1, max_size=30), st.text(max_size=30), st.data())
def test_every_part_of_a_name_finds_it(name: str, surname: str, data: st.DataObject) -> None:
    contact = changed(NOBODY, ContactDraft(name=tidy(name), surname=tidy(surname)))
    begin = data.draw(st.integers(0, len(contact.name)))
    wanted = search_for(contact.name[begin:])
    assert wanted is None or wanted.text in searchable(contact)


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("5301234567", True),
        ("05301234567", True),
        ("+90 530 123 45 67", True),
        ("00905301234567", True),
        ("(0530) 123-45.67", True),
        ("0530", True),
        ("4567", True),
        ("0531", False),
        ("+9053012345678", False),
        ("...", False),
    ],
)
def test_a_number_is_found_as_people_write_it(key: str, found: bool) -> None:
    wanted = search_for(key)
    assert wanted is not None
    where = searchable(changed(NOBODY, ContactDraft(number=905301234567)))
    assert (wanted.text in where or wanted.digits in where) == found


@pytest.mark.parametrize("key", ["\udcff\udcff\udcff", "", "ab", " ab ", "a\n", "\u0301\u0301\u0301", "ﬁ"])
def test_a_key_that_is_too_short(key: str) -> None:
    assert search_for(key) is None


def test_a_key_does_not_reach_from_one_field_into_the_next() -> None:
    contact = changed(NOBODY, ContactDraft(name="Ali", email="can@example.com"))
    for key in ("ali\ncan", "ali can", "alican"):
        wanted = search_for(key)
        assert wanted is not None
        assert wanted.text not in searchable(contact)


def test_a_draft_changes_what_it_says() -> None:
    ali = changed(NOBODY, ContactDraft("Ali", "Can", "a@b.c", 905301234567, {1: "x", 2: ""}, (3, 4)))
    assert tuple(ali) == (0, "Ali", "Can", "a@b.c", 905301234567, {1: "x"}, (3, 4))
    assert changed(ali, ContactDraft()) == ali
    after = changed(ali, ContactDraft(name="", number=0, groups=()))
    assert tuple(after) == (0, "", "Can", "a@b.c", 0, {1: "x"}, ())


def test_one_of_four_is_enough() -> None:
    assert is_empty(NOBODY)
    assert is_empty(changed(NOBODY, ContactDraft(values={1: "x"}, groups=(1,))))
    for said in (
        ContactDraft(name="x"),
        ContactDraft(surname="x"),
        ContactDraft(email="x"),
        ContactDraft(number=905301234567),
    ):
        assert not is_empty(changed(NOBODY, said))

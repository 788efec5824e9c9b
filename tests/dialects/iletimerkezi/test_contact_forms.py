"""Requests about contacts: whatever comes is read as something the core can work with, or refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulak.core.contacts import LISTED_MAX, NAME_MAX, VALUE_MAX, ContactDraft
from ulak.dialects.iletimerkezi import contact_drafts, contact_forms, contact_wire, xmlanswer
from ulak.dialects.iletimerkezi import wire as shared
from ulak.dialects.iletimerkezi.codes import Code
from ulak.dialects.iletimerkezi.jsonbody import BadRequest, request_in
from ulak.dialects.iletimerkezi.wire import Authentication, dump_request

WHO = Authentication("k", "h")

DOCUMENTED = [
    (contact_forms.ask_group, contact_wire.AskGroup(WHO, contact_wire.GroupName("5"))),
    (contact_forms.add_group, contact_wire.AddGroup(WHO, contact_wire.NewGroup("A", "5"))),
    (contact_forms.edit_group, contact_wire.EditGroup(WHO, contact_wire.EditedGroup("6", "A", "5"))),
    (
        contact_forms.get_group_contacts,
        contact_wire.GetGroupContacts(WHO, contact_wire.GroupPage("5", "1", "1000")),
    ),
    (contact_forms.ask_contact, contact_wire.AskContact(WHO, contact_wire.ContactName("7"))),
    (
        contact_forms.search_contacts,
        contact_wire.SearchContacts(WHO, contact_wire.SearchPage("ali", "1", "9")),
    ),
    (
        contact_forms.put_contact,
        contact_wire.PutContact(
            WHO,
            contact_wire.SentContact(
                "7",
                "Ali",
                "Can",
                "a@b.c",
                "5301234567",
                contact_wire.SentValues([contact_wire.SentValue("1", "x")]),
                contact_wire.SentGroups(["10", "12"]),
            ),
        ),
    ),
    (contact_forms.put_contact, contact_wire.PutContact(WHO, contact_wire.SentContact("7"))),
]


@pytest.mark.parametrize(("read", "request_"), DOCUMENTED, ids=lambda value: type(value).__name__)
def test_the_documented_request_is_what_a_client_dumps(read: Any, request_: msgspec.Struct) -> None:
    sent = request_in(dump_request(request_))
    assert read(sent) == request_


MEMBERS = ["id", "name", "surname", "email", "gsm", "parent", "page", "rowCount", "key", "value", "group"]
MEMBERS += ["groups", "custom_field", "custom_fields", "other"]

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.integers(0, 20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["", "0", "12", "5301234567", "?", "x" * (NAME_MAX + 1), "y" * (VALUE_MAX + 1)])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=6),
    max_leaves=25,
)
OBJECTS = st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=8) | JSON
READERS = [
    contact_forms.ask_group,
    contact_forms.add_group,
    contact_forms.edit_group,
    contact_forms.get_group_contacts,
    contact_forms.ask_contact,
    contact_forms.put_contact,
    contact_forms.search_contacts,
]


def drafted(sent: contact_wire.SentContact) -> None:
    """What a contact becomes is fit for the store, or has a code."""
    draft = contact_drafts.contact_draft(sent)
    if not isinstance(draft, ContactDraft):
        assert draft is Code.BAD_NUMBER or (isinstance(draft, shared.Invalid) and draft.errors)
        return
    assert all(text is None or len(text) <= NAME_MAX for text in (draft.name, draft.surname, draft.email))
    assert not draft.number or 905000000000 <= draft.number <= 905999999999
    assert all(0 <= each < 2**31 for each in [*(draft.groups or ()), *(draft.values or {})])
    assert len(draft.groups or ()) <= LISTED_MAX
    assert all(len(value) <= VALUE_MAX for value in (draft.values or {}).values())


@given(OBJECTS)
def test_whatever_comes_is_read_or_refused(value: Any) -> None:
    request = {"authentication": {"key": "k", "hash": "h"}, "group": value, "contact": value, "search": value}
    for read in READERS:
        try:
            asked = read(request)
        except BadRequest:
            continue
        # Every text is one: encoding and decoding strictly gives the same again.
        assert msgspec.json.decode(msgspec.json.encode(asked), type=type(asked), strict=True) == asked
        if isinstance(asked, contact_wire.PutContact):
            drafted(asked.contact)
        elif isinstance(asked, contact_wire.EditGroup):
            assert isinstance(contact_drafts.group_name(asked.group.name), str | Code | shared.Invalid)
            parent = contact_drafts.parent_of(asked.group.parent)
            assert parent is None or 0 <= parent < 2**31


def test_every_list_of_an_answer_has_a_name_for_its_items() -> None:
    """Whoever adds a list to an answer must say what an item of it is called in the XML form."""
    lists = {
        (kind, field.name)
        for kind in vars(contact_wire).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in _REQUESTS
        for field in msgspec.structs.fields(kind)
        if getattr(field.type, "__origin__", None) is list
    }
    assert lists == {key for key in xmlanswer.ITEMS if key[0].__module__ == contact_wire.__name__}


_REQUESTS = (contact_wire.SentValues, contact_wire.SentGroups)

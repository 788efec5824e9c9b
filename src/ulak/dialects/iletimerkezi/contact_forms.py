"""Requests about contacts and groups: every spelling a client may use becomes the one of `contact_wire`.

As in `forms`, a plain value is a text, and one that can mean nothing becomes UNREADABLE. An empty text where
an object may stand is an empty object: an empty element of the XML form. Of a contact, a member that is
missing or null was not said, while an empty one was: it makes empty what the contact has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ulak.dialects.iletimerkezi import contact_wire as wire
from ulak.dialects.iletimerkezi.forms import UNREADABLE, authentication, plain
from ulak.dialects.iletimerkezi.jsonbody import BadRequest, Fields, object_in


def ask_group(request: Fields) -> wire.AskGroup:
    """Read the request of get-group and delete-group. Raises BadRequest."""
    group = _object(request, "group")
    return wire.AskGroup(authentication(request), wire.GroupName(plain(group.get("id"))))


def add_group(request: Fields) -> wire.AddGroup:
    """Read the request of add-group. Raises BadRequest."""
    group = _object(request, "group")
    new = wire.NewGroup(_text(group.get("name")), _parent(group.get("parent")))
    return wire.AddGroup(authentication(request), new)


def edit_group(request: Fields) -> wire.EditGroup:
    """Read the request of edit-group. Raises BadRequest."""
    group = _object(request, "group")
    edited = wire.EditedGroup(plain(group.get("id")), _text(group.get("name")), _parent(group.get("parent")))
    return wire.EditGroup(authentication(request), edited)


def get_group_contacts(request: Fields) -> wire.GetGroupContacts:
    """Read the request of get-group-contacts. Raises BadRequest."""
    group = _object(request, "group")
    page = wire.GroupPage(plain(group.get("id")), plain(group.get("page")), plain(group.get("rowCount")))
    return wire.GetGroupContacts(authentication(request), page)


def ask_contact(request: Fields) -> wire.AskContact:
    """Read the request of get-contact and delete-contact. Raises BadRequest."""
    contact = _object(request, "contact")
    return wire.AskContact(authentication(request), wire.ContactName(plain(contact.get("id"))))


def put_contact(request: Fields) -> wire.PutContact:
    """Read the request of add-contact and edit-contact. Raises BadRequest."""
    contact = _object(request, "contact")
    gsm = contact.get("gsm")
    values, groups = contact.get("custom_fields"), contact.get("groups")
    sent = wire.SentContact(
        id=plain(contact.get("id")),
        name=_said(contact.get("name")),
        surname=_said(contact.get("surname")),
        email=_said(contact.get("email")),
        gsm=None if gsm is None else plain(gsm),
        custom_fields=None if values is None else wire.SentValues(list(_values(values))),
        groups=None if groups is None else wire.SentGroups(list(_ids(groups))),
    )
    return wire.PutContact(authentication(request), sent)


def search_contacts(request: Fields) -> wire.SearchContacts:
    """Read the request of search-contacts. Raises BadRequest."""
    search = _object(request, "search")
    page = wire.SearchPage(_text(search.get("key")), plain(search.get("page")), plain(search.get("rowCount")))
    return wire.SearchContacts(authentication(request), page)


def _object(request: Fields, key: str) -> Fields:
    return {} if request.get(key) == "" else object_in(request, key)


def _parent(value: Any) -> str:
    """Documented as a text in one place and as a list in another, where an empty one is the top."""
    if isinstance(value, list):
        if len(value) > 1:
            return UNREADABLE
        value = value[0] if value else ""
    return plain(value)


def _values(value: Any) -> Iterator[wire.SentValue]:
    """From `{custom_field: [{id, value}]}`, where an object may stand for a list of one, or the list alone.

    One without id and value is a template that nobody filled in.
    """
    if isinstance(value, list):
        for each in value:
            yield from _values(each)
    elif isinstance(value, dict) and "custom_field" in value:
        yield from _values(value["custom_field"])
    elif isinstance(value, dict) and (not value or "id" in value or "value" in value):
        sent = wire.SentValue(plain(value.get("id")), _text(value.get("value")))
        if sent.id or sent.value:
            yield sent
    elif value is not None and value != "":
        raise BadRequest("custom_fields are none")


def _ids(value: Any) -> Iterator[str]:
    """From `{group: {id}}`, `{id: [10, 12]}`, lists of those, and plain ids."""
    if isinstance(value, list):
        for each in value:
            yield from _ids(each)
    elif isinstance(value, dict):
        # What is misspelled must not empty the list that a contact has.
        if value and not value.keys() & {"group", "id"}:
            raise BadRequest("groups are none")
        yield from _ids(value.get("group"))
        yield from _ids(value.get("id"))
    elif value is not None and value != "":
        yield plain(value)


def _said(value: Any) -> str | None:
    return None if value is None else _text(value)


def _text(value: Any) -> str:
    """A text for people: '' when missing or null.

    Raises:
        BadRequest: it is neither a text nor an integer.
    """
    text = plain(value)
    if text == UNREADABLE and value != UNREADABLE:
        raise BadRequest("a text is none")
    return text

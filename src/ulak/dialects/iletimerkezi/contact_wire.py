"""What travels about contacts and groups, keys in the order the vendor's pages show them.

A member of a sent contact that is None was not said.

Source: the contact pages of the apidocs (2024-11), wire specification 2.10.
"""

from __future__ import annotations

import msgspec

from ulak.dialects.iletimerkezi.wire import Answer, Authentication


class GroupName(msgspec.Struct):
    """A group by its id."""

    id: str


class NewGroup(msgspec.Struct):
    """`parent` is the id of what it stands under; '' or '0': it is at the top."""

    name: str
    parent: str = ""


class EditedGroup(msgspec.Struct):
    """What a group is to become."""

    id: str
    name: str
    parent: str = ""


class GroupPage(msgspec.Struct):
    """Which contacts of which group."""

    id: str
    page: str = ""
    rowCount: str = ""


class SearchPage(msgspec.Struct):
    """Which of the contacts that are found."""

    key: str
    page: str = ""
    rowCount: str = ""


class ContactName(msgspec.Struct):
    """A contact by its id."""

    id: str


class SentValue(msgspec.Struct):
    """What a contact has in a field of the account's own."""

    id: str
    value: str


class SentValues(msgspec.Struct):
    """All of them."""

    custom_field: list[SentValue]


class SentGroups(msgspec.Struct):
    """The ids of all groups that a contact is in."""

    id: list[str]


class SentContact(msgspec.Struct):
    """What is said of a contact; the id only of one that is there already."""

    id: str | None = None
    name: str | None = None
    surname: str | None = None
    email: str | None = None
    gsm: str | None = None
    custom_fields: SentValues | None = None
    groups: SentGroups | None = None


class AskGroup(msgspec.Struct):
    """The request of get-group and delete-group."""

    authentication: Authentication
    group: GroupName


class AddGroup(msgspec.Struct):
    """The request of add-group."""

    authentication: Authentication
    group: NewGroup


class EditGroup(msgspec.Struct):
    """The request of edit-group."""

    authentication: Authentication
    group: EditedGroup


class GetGroupContacts(msgspec.Struct):
    """The request of get-group-contacts."""

    authentication: Authentication
    group: GroupPage


class AskContact(msgspec.Struct):
    """The request of get-contact and delete-contact."""

    authentication: Authentication
    contact: ContactName


class PutContact(msgspec.Struct):
    """The request of add-contact and edit-contact."""

    authentication: Authentication
    contact: SentContact


class SearchContacts(msgspec.Struct):
    """The request of search-contacts."""

    authentication: Authentication
    search: SearchPage


class Group(msgspec.Struct):
    """A group. `count` is of the contacts in itself."""

    id: int
    name: str
    count: int


class Parent(Group):
    """A group with those under it."""

    children: list[Group]


class GroupsAnswer(Answer):
    """The answer of get-groups: those at the top, as `Parent` where others stand under one."""

    groups: list[Group]


class GroupAnswer(Answer):
    """The answer of get-group."""

    group: Parent


class ShortGroup(msgspec.Struct):
    """A group that was just made or changed."""

    id: int
    name: str


class GroupPut(Answer):
    """The answer of add-group and edit-group."""

    group: ShortGroup


class Value(msgspec.Struct):
    """What a contact has in a field of the account's own."""

    id: int
    value: str


class Contact(msgspec.Struct):
    """A contact. `gsm` is '+90…', or '' where no number is known."""

    id: int
    name: str
    surname: str
    email: str
    gsm: str
    custom_fields: list[Value]
    groups: list[int]


class ContactAnswer(Answer):
    """The answer of add-contact, edit-contact and get-contact."""

    contact: Contact


class ContactsAnswer(Answer):
    """The answer of get-group-contacts and search-contacts."""

    contacts: list[Contact]

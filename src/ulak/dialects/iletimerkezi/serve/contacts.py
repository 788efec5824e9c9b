"""Contacts and groups, for accounts with the setting `contacts`; to others these operations do not exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ulak.core.accounts import Account
from ulak.core.contacts import Contact, Group, Objection, search_for
from ulak.core.errors import Refusal
from ulak.core.phone import display
from ulak.dialects.iletimerkezi import contact_drafts as drafts
from ulak.dialects.iletimerkezi import contact_forms as forms
from ulak.dialects.iletimerkezi import contact_wire as wire
from ulak.dialects.iletimerkezi import fields
from ulak.dialects.iletimerkezi.codes import Code
from ulak.dialects.iletimerkezi.forms import get_account
from ulak.dialects.iletimerkezi.serve.visit import DONE, OK, Answer, Operation, Visit
from ulak.dialects.iletimerkezi.wire import Answer as Payload
from ulak.dialects.iletimerkezi.wire import Authentication
from ulak.service import contacts

Result = TypeVar("Result")
Work = Callable[[Any, Account], Result | Objection | Refusal | Code]

_CODES = {
    Objection.NO_GROUP: Code.NO_SUCH_GROUP,
    Objection.NO_PARENT: Code.NO_SUCH_GROUP,
    Objection.NO_CONTACT: Code.NO_SUCH_CONTACT,
    Objection.NO_FIELD: Code.NO_SUCH_FIELD,
    Objection.NOTHING_SAID: Code.CONTACT_EMPTY,
}


async def get_groups(visit: Visit) -> Answer:
    """All groups."""
    request = await visit.parsed(get_account)

    def question(tx: Any, account: Account) -> wire.GroupsAnswer:
        return wire.GroupsAnswer(OK, [_family(*each) for each in contacts.groups(tx, account.id)])

    return await visit.asked(request.authentication, _allowed(question))


async def get_group(visit: Visit) -> Answer:
    """One group."""
    request = await visit.parsed(forms.ask_group)

    def question(tx: Any, account: Account) -> wire.GroupAnswer | Objection:
        found = contacts.group(tx, account.id, drafts.id_of(request.group.id))
        if isinstance(found, Objection):
            return found
        return wire.GroupAnswer(OK, _parent(*found))

    return await visit.asked(request.authentication, _allowed(question))


async def add_group(visit: Visit) -> Answer:
    """Make a group."""
    request = await visit.parsed(forms.add_group)
    name, parent = drafts.group_name(request.group.name), drafts.parent_of(request.group.parent)
    if not isinstance(name, str):
        return await _refused(visit, request.authentication, name)

    def change(tx: Any, account: Account) -> wire.GroupPut | Objection:
        made = contacts.add_group(tx, account.id, name, parent)
        return made if isinstance(made, Objection) else wire.GroupPut(OK, wire.ShortGroup(made, name))

    return await visit.changed(request.authentication, _allowed(change))


async def edit_group(visit: Visit) -> Answer:
    """Call a group otherwise, or put it elsewhere. A group that is not there is 462 here, and only here."""
    request = await visit.parsed(forms.edit_group)
    group_id, parent = drafts.id_of(request.group.id), drafts.parent_of(request.group.parent)
    name = drafts.group_name(request.group.name)
    if not isinstance(name, str):
        return await _refused(visit, request.authentication, name)

    def change(tx: Any, account: Account) -> wire.GroupPut | Objection | Code:
        objection = contacts.edit_group(tx, account.id, group_id, name, parent)
        if objection is Objection.NO_GROUP:
            return Code.GROUP_ID_EMPTY
        return objection or wire.GroupPut(OK, wire.ShortGroup(group_id, name))

    return await visit.changed(request.authentication, _allowed(change))


async def delete_group(visit: Visit) -> Answer:
    """Take a group away, and those under it."""
    request = await visit.parsed(forms.ask_group)
    group_id = drafts.id_of(request.group.id)

    def change(tx: Any, account: Account) -> Payload | Objection:
        return contacts.delete_group(tx, account.id, group_id) or DONE

    return await visit.changed(request.authentication, _allowed(change))


async def get_group_contacts(visit: Visit) -> Answer:
    """A page of the contacts of a group."""
    request = await visit.parsed(forms.get_group_contacts)
    group_id = drafts.id_of(request.group.id)
    page, rows = fields.page_number(request.group.page), fields.rows_wanted(request.group.rowCount)
    if page is None:
        return await _refused(visit, request.authentication, Code.BAD_PAGE)
    skip = (page - 1) * rows

    def question(tx: Any, account: Account) -> wire.ContactsAnswer | Objection:
        return _listed(contacts.members(tx, account.id, group_id, skip, rows))

    return await visit.asked(request.authentication, _allowed(question))


async def search_contacts(visit: Visit) -> Answer:
    """A page of the contacts that are found."""
    request = await visit.parsed(forms.search_contacts)
    page, rows = fields.page_number(request.search.page), fields.rows_wanted(request.search.rowCount)
    wanted = search_for(request.search.key)
    if page is None or wanted is None:
        wrong = Code.BAD_PAGE if page is None else Code.SEARCH_TOO_SHORT
        return await _refused(visit, request.authentication, wrong)
    skip = (page - 1) * rows

    def question(tx: Any, account: Account) -> wire.ContactsAnswer | Objection:
        return _listed(contacts.search(tx, account.id, wanted, skip, rows))

    return await visit.asked(request.authentication, _allowed(question))


async def get_contact(visit: Visit) -> Answer:
    """One contact."""
    request = await visit.parsed(forms.ask_contact)
    contact_id = drafts.id_of(request.contact.id)

    def question(tx: Any, account: Account) -> wire.ContactAnswer | Objection:
        return _shown(contacts.contact(tx, account.id, contact_id))

    return await visit.asked(request.authentication, _allowed(question))


async def add_contact(visit: Visit) -> Answer:
    """Keep a new contact."""
    request = await visit.parsed(forms.put_contact)
    draft = drafts.contact_draft(request.contact)
    if isinstance(draft, drafts.Wrong):
        return await _refused(visit, request.authentication, draft)

    def change(tx: Any, account: Account) -> wire.ContactAnswer | Objection:
        return _shown(contacts.add(tx, account.id, draft))

    return await visit.changed(request.authentication, _allowed(change))


async def edit_contact(visit: Visit) -> Answer:
    """Change what is said of a contact."""
    request = await visit.parsed(forms.put_contact)
    contact_id = drafts.id_of(request.contact.id or "")
    draft = drafts.contact_draft(request.contact)
    if isinstance(draft, drafts.Wrong):
        return await _refused(visit, request.authentication, draft)

    def change(tx: Any, account: Account) -> wire.ContactAnswer | Objection:
        return _shown(contacts.edit(tx, account.id, contact_id, draft))

    return await visit.changed(request.authentication, _allowed(change))


async def delete_contact(visit: Visit) -> Answer:
    """Forget a contact."""
    request = await visit.parsed(forms.ask_contact)
    contact_id = drafts.id_of(request.contact.id)

    def change(tx: Any, account: Account) -> Payload | Objection:
        return contacts.delete(tx, account.id, contact_id) or DONE

    return await visit.changed(request.authentication, _allowed(change))


OPERATIONS: dict[str, Operation] = {
    "get-groups": get_groups,
    "get-group": get_group,
    "add-group": add_group,
    "edit-group": edit_group,
    "delete-group": delete_group,
    "get-group-contacts": get_group_contacts,
    "add-contact": add_contact,
    "edit-contact": edit_contact,
    "delete-contact": delete_contact,
    "get-contact": get_contact,
    "search-contacts": search_contacts,
}
"""By the name in their path."""


def _allowed(work: Work[Result]) -> Callable[[Any, Account], Result | Refusal | Code]:
    """Do it for an account that may have contacts; what is objected to becomes its code."""

    def do(tx: Any, account: Account) -> Result | Refusal | Code:
        if not account.switch("contacts"):
            return Code.NO_SUCH_METHOD
        result = work(tx, account)
        return _CODES[result] if isinstance(result, Objection) else result

    return do


async def _refused(visit: Visit, who: Authentication, wrong: drafts.Wrong) -> Answer:
    """Say what is wrong with a request, to those who may hear it."""
    return await visit.asked(who, _allowed(lambda _tx, _account: wrong))


def _family(group: Group, children: list[Group]) -> wire.Group:
    return _parent(group, children) if children else _group(group)


def _parent(group: Group, children: list[Group]) -> wire.Parent:
    return wire.Parent(group.id, group.name, group.size, [_group(child) for child in children])


def _group(group: Group) -> wire.Group:
    return wire.Group(group.id, group.name, group.size)


def _listed(found: list[Contact] | Objection) -> wire.ContactsAnswer | Objection:
    if isinstance(found, Objection):
        return found
    return wire.ContactsAnswer(OK, [_contact(each) for each in found])


def _shown(found: Contact | Objection) -> wire.ContactAnswer | Objection:
    return found if isinstance(found, Objection) else wire.ContactAnswer(OK, _contact(found))


def _contact(found: Contact) -> wire.Contact:
    return wire.Contact(
        id=found.id,
        name=found.name,
        surname=found.surname,
        email=found.email,
        gsm=display(found.number) if found.number else "",
        custom_fields=[wire.Value(field, value) for field, value in found.values.items()],
        groups=list(found.groups),
    )

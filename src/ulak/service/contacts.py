"""The address book of an account: what is in it, and changes to it.

Changes first lock the account, so that nobody takes a group away, or puts it under another, in between.
"""

from __future__ import annotations

from ulak.core.contacts import NOBODY, Contact, ContactDraft, Group, Objection, Search, changed, is_empty
from ulak.core.errors import UlakError
from ulak.service.accounts import named
from ulak.store import accounts
from ulak.store import contacts as store
from ulak.store.engine import Tx

FIELD_NAME_MAX = 100
"""Characters in the name of a field, at most."""

Family = tuple[Group, list[Group]]
"""A group, and those under it."""


def groups(tx: Tx, account_id: int) -> list[Family]:
    """The groups at the top, each with those under it; the oldest first."""
    families: dict[int, Family] = {}
    for group in store.groups(tx, account_id):
        if group.parent:
            families[group.parent][1].append(group)
        else:
            families[group.id] = (group, [])
    return list(families.values())


def group(tx: Tx, account_id: int, group_id: int) -> Family | Objection:
    """One group with those under it."""
    found = store.group(tx, account_id, group_id)
    return Objection.NO_GROUP if found is None else (found, store.children(tx, account_id, group_id))


def add_group(tx: Tx, account_id: int, name: str, parent: int | None) -> int | Objection:
    """A new group under another, or at the top (`parent` None); its id."""
    accounts.lock(tx, account_id)
    if not _may_have_children(tx, account_id, parent):
        return Objection.NO_PARENT
    return store.add_group(tx, account_id, name, parent or 0)


def edit_group(tx: Tx, account_id: int, group_id: int, name: str, parent: int | None) -> Objection | None:
    """Call a group otherwise, and put it under another, or at the top (`parent` None)."""
    accounts.lock(tx, account_id)
    if store.group(tx, account_id, group_id) is None:
        return Objection.NO_GROUP
    if parent is not None:
        itself = parent == group_id
        if itself or not _may_have_children(tx, account_id, parent):
            return Objection.NO_PARENT
        if store.children(tx, account_id, group_id):
            return Objection.NO_PARENT
    store.change_group(tx, account_id, group_id, name, parent or 0)
    return None


def delete_group(tx: Tx, account_id: int, group_id: int) -> Objection | None:
    """Take a group away with those under it; the contacts stay."""
    accounts.lock(tx, account_id)
    if store.group(tx, account_id, group_id) is None:
        return Objection.NO_GROUP
    below = [child.id for child in store.children(tx, account_id, group_id)]
    store.remove_groups(tx, account_id, [group_id, *below])
    return None


def members(tx: Tx, account_id: int, group_id: int, skip: int, rows: int) -> list[Contact] | Objection:
    """Contacts of a group, the oldest first. Past the end there is nobody, but an empty group is refused."""
    found = store.group(tx, account_id, group_id)
    if found is None:
        return Objection.NO_GROUP
    if not found.size:
        return Objection.NO_CONTACT
    return store.members(tx, account_id, group_id, skip, rows)


def search(tx: Tx, account_id: int, wanted: Search, skip: int, rows: int) -> list[Contact] | Objection:
    """Contacts that are found, the oldest first. Past the end there is nobody; finding nobody is refused."""
    found = store.search(tx, account_id, wanted, skip, rows)
    if not found and not (skip and store.search(tx, account_id, wanted, 0, 1)):
        return Objection.NO_CONTACT
    return found


def contact(tx: Tx, account_id: int, contact_id: int) -> Contact | Objection:
    """One contact."""
    return store.contact(tx, account_id, contact_id) or Objection.NO_CONTACT


def add(tx: Tx, account_id: int, draft: ContactDraft) -> Contact | Objection:
    """A new contact."""
    new = changed(NOBODY, draft)
    if is_empty(new):
        return Objection.NOTHING_SAID
    accounts.lock(tx, account_id)
    return _objection(tx, account_id, draft) or store.add(tx, account_id, new)


def edit(tx: Tx, account_id: int, contact_id: int, draft: ContactDraft) -> Contact | Objection:
    """Change what a draft says of a contact; the contact as it is then."""
    accounts.lock(tx, account_id)
    before = store.contact(tx, account_id, contact_id)
    if before is None:
        return Objection.NO_CONTACT
    after = changed(before, draft)
    if is_empty(after):
        return Objection.NOTHING_SAID
    objection = _objection(tx, account_id, draft)
    if objection is None:
        store.change(tx, account_id, before, after)
    return objection or after


def delete(tx: Tx, account_id: int, contact_id: int) -> Objection | None:
    """Forget a contact."""
    accounts.lock(tx, account_id)
    return None if store.remove(tx, account_id, contact_id) else Objection.NO_CONTACT


def add_field(tx: Tx, account: str, name: str) -> int:
    """A further field for the contacts of an account, called by id or name; the field's id.

    Raises:
        UlakError: no such account, no such name, or there is a field of this name.
    """
    found = named(tx, account)
    if not 1 <= len(name) <= FIELD_NAME_MAX or not name.isprintable() or name != name.strip():
        raise UlakError(f"a field's name is 1 to {FIELD_NAME_MAX} printable characters, no blanks around it")
    field_id = store.add_field(tx, found.id, name)
    if field_id is None:
        raise UlakError(f"there is a field called {name!r} already")
    return field_id


def _may_have_children(tx: Tx, account_id: int, parent: int | None) -> bool:
    """Whether there is such a group, at the top; nothing (None) is above that."""
    if parent is None:
        return True
    found = store.group(tx, account_id, parent)
    return found is not None and found.parent == 0


def _objection(tx: Tx, account_id: int, draft: ContactDraft) -> Objection | None:
    """Whether a draft names a group or a field that is not there."""
    if draft.groups and store.own_groups(tx, account_id, draft.groups) != set(draft.groups):
        return Objection.NO_GROUP
    if draft.values and not draft.values.keys() <= store.fields(tx, account_id).keys():
        return Objection.NO_FIELD
    return None

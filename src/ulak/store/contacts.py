"""Address books: contacts, groups, and what is known of contacts in fields of an account's own.

Every question names the account: what another one has is not there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ulak.core.contacts import Contact, Group, Search, searchable
from ulak.store.engine import Row, Sql, Tx

_COUNT = "(SELECT count(*) FROM group_member WHERE group_member.group_id = contact_group.id)"
_GROUP = f"SELECT contact_group.id, parent_id, name, {_COUNT} FROM contact_group WHERE account_id = :account"
_GROUPS = Sql(f"{_GROUP} ORDER BY parent_id, contact_group.id")
_ONE_GROUP = Sql(f"{_GROUP} AND contact_group.id = :id")
_CHILDREN = Sql(f"{_GROUP} AND parent_id = :id ORDER BY contact_group.id")
_OWN_GROUPS = Sql(
    "SELECT contact_group.id FROM {ids} AS wanted JOIN contact_group ON contact_group.id = wanted.id"
    " WHERE contact_group.account_id = :account",
    ids=("id int8",),
)
_ADD_GROUP = Sql(
    "INSERT INTO contact_group (account_id, parent_id, name) VALUES (:account, :parent, :name) RETURNING id"
)
_CHANGE_GROUP = Sql(
    "UPDATE contact_group SET parent_id = :parent, name = :name WHERE id = :id AND account_id = :account"
)
_REMOVE_GROUPS = Sql(
    "DELETE FROM contact_group WHERE account_id = :account AND id IN (SELECT id FROM {ids} AS gone)",
    ids=("id int8",),
)
_EMPTY_GROUPS = Sql(
    "DELETE FROM group_member WHERE group_id IN (SELECT id FROM {ids} AS gone)", ids=("id int8",)
)

_CONTACT = "contact.id, contact.name, contact.surname, contact.email, contact.number"
# By the index of the account, so that no row of another's is touched: it would take longer than none.
_ONE_CONTACT = Sql(f"SELECT {_CONTACT} FROM contact WHERE account_id = :account AND id BETWEEN :id AND :id")
_SEARCH = Sql(
    f"SELECT {_CONTACT} FROM contact WHERE account_id = :account"
    " AND (folded LIKE :one ESCAPE '!' OR folded LIKE :other ESCAPE '!')"
    " ORDER BY id LIMIT :rows OFFSET :skip"
)
_MEMBERS = Sql(
    f"SELECT {_CONTACT} FROM group_member JOIN contact ON contact.id = group_member.contact_id"
    " WHERE group_member.group_id = :group AND contact.account_id = :account"
    " ORDER BY group_member.contact_id LIMIT :rows OFFSET :skip"
)
_VALUES = Sql(
    "SELECT contact_id, field_id, value FROM {ids} AS wanted"
    " JOIN contact_value ON contact_value.contact_id = wanted.id ORDER BY contact_id, field_id",
    ids=("id int8",),
)
_GROUPS_OF = Sql(
    "SELECT contact_id, group_id FROM {ids} AS wanted"
    " JOIN group_member ON group_member.contact_id = wanted.id ORDER BY contact_id, group_id",
    ids=("id int8",),
)
_ADD_CONTACT = Sql(
    "INSERT INTO contact (account_id, name, surname, email, number, folded)"
    " VALUES (:account, :name, :surname, :email, :number, :folded) RETURNING id"
)
_CHANGE_CONTACT = Sql(
    "UPDATE contact SET name = :name, surname = :surname, email = :email, number = :number, folded = :folded"
    " WHERE id = :id AND account_id = :account"
)
_REMOVE_CONTACT = Sql("DELETE FROM contact WHERE id = :id AND account_id = :account")
_LEAVE_GROUPS = Sql("DELETE FROM group_member WHERE contact_id = :contact")
_JOIN_GROUPS = Sql(
    "INSERT INTO group_member (group_id, contact_id) SELECT id, :contact FROM {ids} AS joined",
    ids=("id int8",),
)
_CLEAR_VALUES = Sql("DELETE FROM contact_value WHERE contact_id = :contact")
_SET_VALUES = Sql(
    "INSERT INTO contact_value (contact_id, field_id, value)"
    " SELECT :contact, field_id, value FROM {given} AS given",
    given=("field_id int8", "value text"),
)

_FIELDS = Sql("SELECT id, name FROM contact_field WHERE account_id = :account ORDER BY id")
_ADD_FIELD = Sql(
    "INSERT INTO contact_field (account_id, name) VALUES (:account, :name)"
    " ON CONFLICT (account_id, name) DO NOTHING RETURNING id"
)


def groups(tx: Tx, account_id: int) -> list[Group]:
    """All groups: those at the top first, then by what they stand under; the oldest first."""
    return [Group(*row) for row in tx.all(_GROUPS, account=account_id)]


def group(tx: Tx, account_id: int, group_id: int) -> Group | None:
    """One group."""
    row = tx.one(_ONE_GROUP, account=account_id, id=group_id)
    return None if row is None else Group(*row)


def children(tx: Tx, account_id: int, group_id: int) -> list[Group]:
    """The groups under one, the oldest first."""
    return [Group(*row) for row in tx.all(_CHILDREN, account=account_id, id=group_id)]


def own_groups(tx: Tx, account_id: int, ids: Collection[int]) -> set[int]:
    """Which of these are groups of the account."""
    return {row[0] for row in tx.all(_OWN_GROUPS, account=account_id, ids=list(ids))}


def add_group(tx: Tx, account_id: int, name: str, parent: int) -> int:
    """A new group under another, or with 0 at the top; its id."""
    return _made(tx.one(_ADD_GROUP, account=account_id, name=name, parent=parent))


def change_group(tx: Tx, account_id: int, group_id: int, name: str, parent: int) -> None:
    """Call a group otherwise, and put it under another."""
    tx.run(_CHANGE_GROUP, account=account_id, id=group_id, name=name, parent=parent)


def remove_groups(tx: Tx, account_id: int, ids: Sequence[int]) -> None:
    """Take groups of the account away; the contacts in them stay."""
    tx.run(_EMPTY_GROUPS, ids=ids)
    tx.run(_REMOVE_GROUPS, account=account_id, ids=ids)


def contact(tx: Tx, account_id: int, contact_id: int) -> Contact | None:
    """One contact."""
    row = tx.one(_ONE_CONTACT, account=account_id, id=contact_id)
    return None if row is None else _whole(tx, [row])[0]


def members(tx: Tx, account_id: int, group_id: int, skip: int, rows: int) -> list[Contact]:
    """Contacts of a group, the oldest first."""
    found = tx.all(_MEMBERS, account=account_id, group=group_id, skip=skip, rows=rows)
    return _whole(tx, found)


def search(tx: Tx, account_id: int, wanted: Search | None, skip: int, rows: int) -> list[Contact]:
    """Contacts that are found by a search, or all of them; the oldest first."""
    one, other = (_anywhere(wanted.text), _anywhere(wanted.digits)) if wanted else ("%", "%")
    return _whole(tx, tx.all(_SEARCH, account=account_id, one=one, other=other, skip=skip, rows=rows))


def add(tx: Tx, account_id: int, new: Contact) -> Contact:
    """Keep a new contact; as it is kept, with its id."""
    contact_id = _made(tx.one(_ADD_CONTACT, account=account_id, **_columns(new)))
    kept = new._replace(id=contact_id)
    _join(tx, kept)
    _fill(tx, kept)
    return kept


def change(tx: Tx, account_id: int, before: Contact, after: Contact) -> None:
    """Keep what a contact has become."""
    tx.run(_CHANGE_CONTACT, account=account_id, id=after.id, **_columns(after))
    if before.groups != after.groups:
        tx.run(_LEAVE_GROUPS, contact=after.id)
        _join(tx, after)
    if before.values != after.values:
        tx.run(_CLEAR_VALUES, contact=after.id)
        _fill(tx, after)


def remove(tx: Tx, account_id: int, contact_id: int) -> bool:
    """Forget a contact; whether there was one."""
    if tx.run(_REMOVE_CONTACT, account=account_id, id=contact_id) == 0:
        return False
    tx.run(_LEAVE_GROUPS, contact=contact_id)
    tx.run(_CLEAR_VALUES, contact=contact_id)
    return True


def fields(tx: Tx, account_id: int) -> dict[int, str]:
    """The fields that the account has added, id to name, the oldest first."""
    return {row[0]: row[1] for row in tx.all(_FIELDS, account=account_id)}


def add_field(tx: Tx, account_id: int, name: str) -> int | None:
    """A further field for the account's contacts; its id, or None when there is one of this name."""
    row = tx.one(_ADD_FIELD, account=account_id, name=name)
    return None if row is None else _made(row)


def _columns(given: Contact) -> dict[str, str | int]:
    return {
        "name": given.name,
        "surname": given.surname,
        "email": given.email,
        "number": given.number,
        "folded": searchable(given),
    }


def _join(tx: Tx, given: Contact) -> None:
    if given.groups:
        tx.run(_JOIN_GROUPS, contact=given.id, ids=given.groups)


def _fill(tx: Tx, given: Contact) -> None:
    if given.values:
        tx.run(_SET_VALUES, contact=given.id, given=list(given.values.items()))


def _whole(tx: Tx, rows: Sequence[Row]) -> list[Contact]:
    """Contacts with their values and groups: three statements, however many they are."""
    if not rows:
        return []
    ids = [row[0] for row in rows]
    values: dict[int, dict[int, str]] = {}
    for contact_id, field_id, value in tx.all(_VALUES, ids=ids):
        values.setdefault(contact_id, {})[field_id] = value
    joined: dict[int, list[int]] = {}
    for contact_id, group_id in tx.all(_GROUPS_OF, ids=ids):
        joined.setdefault(contact_id, []).append(group_id)
    return [_read(row, values.get(row[0], {}), joined.get(row[0], ())) for row in rows]


def _read(row: Row, values: Mapping[int, str], joined: Sequence[int]) -> Contact:
    contact_id, name, surname, email, number = row
    return Contact(contact_id, name, surname, email, number, values, tuple(joined))


def _anywhere(part: str) -> str:
    """A pattern of LIKE for a text that has this part somewhere."""
    for special in "!%_":
        part = part.replace(special, "!" + special)
    return f"%{part}%"


def _made(row: Row | None) -> int:
    assert row is not None
    made: int = row[0]
    return made

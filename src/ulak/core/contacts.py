"""The address book of an account: contacts, the groups they are in, and fields of the account's own.

Groups are two levels deep: one stands at the top, or under one that does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

NAME_MAX = 255
"""Characters in a name, a surname, an e-mail address and a group's name, at most."""

VALUE_MAX = 1_000
"""Characters in what a contact has in a field of the account's own, at most."""

LISTED_MAX = 1_000
"""Groups, and values, that one contact can be given, at most."""

KEY_MIN = 3
"""Characters that people must at least be searched by."""

_MARK = "Mn"
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]
_HALVES_AND_NONE = [*range(0xD800, 0xE000), 0xFFFE, 0xFFFF]
_UNSEEN = dict.fromkeys(_CONTROLS + _HALVES_AND_NONE, " ")
_DOTLESS = str.maketrans("ı", "i")
_PHONE = re.compile(r"[0-9 +().\-/]+").fullmatch
_NOT_DIGITS = re.compile(r"[^0-9]+")


class Objection(Enum):
    """Why something in an address book is not found or not changed."""

    NO_GROUP = "no_group"
    NO_PARENT = "no_parent"
    """What a group shall stand under is no group at the top, or it has groups under itself."""
    NO_CONTACT = "no_contact"
    NO_FIELD = "no_field"
    NOTHING_SAID = "nothing_said"
    """A contact needs a name, a surname, a number or an e-mail address."""


class Group(NamedTuple):
    """A group. `parent` 0: at the top. `size` is how many contacts are in itself, not in those under it."""

    id: int
    parent: int
    name: str
    size: int


class Contact(NamedTuple):
    """A person. `number` 0: none is known. `values` are by field, and `groups` are ids, both in order."""

    id: int
    name: str
    surname: str
    email: str
    number: int
    values: Mapping[int, str]
    groups: tuple[int, ...]


class ContactDraft(NamedTuple):
    """What is said of a contact. None: nothing is, and a contact that is there already keeps what it has.

    A list of groups, and the values, are always the whole of it. 0 among their ids is what no id can be.
    """

    name: str | None = None
    surname: str | None = None
    email: str | None = None
    number: int | None = None
    values: Mapping[int, str] | None = None
    groups: tuple[int, ...] | None = None


NOBODY = Contact(0, "", "", "", 0, {}, ())
"""Whom a new contact is before anything is said of it."""


class Search(NamedTuple):
    """What is looked for in the searchable text of contacts: either of two parts of it."""

    text: str
    digits: str


def tidy(text: str) -> str:
    """A text in one line, without characters that nobody sees (and XML cannot hold), or blanks around it."""
    return text.translate(_UNSEEN).strip()


def changed(contact: Contact, draft: ContactDraft) -> Contact:
    """A contact after what a draft says of it. An empty value is none."""
    said = {name: value for name, value in draft._asdict().items() if value is not None}
    after = contact._replace(**said)
    return after._replace(values={field: value for field, value in after.values.items() if value})


def is_empty(contact: Contact) -> bool:
    """Whether nothing is known by which the person could be told from others."""
    return not (contact.name or contact.surname or contact.email or contact.number)


def folded(text: str) -> str:
    """A text as it is compared: no case, no accents, and one letter for the Turkish i and ı.

    'ŞÜKRÜ IŞIK', 'Şükrü Işık' and 'sukru isik' are one.
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(c for c in plain if unicodedata.category(c) != _MARK).translate(_DOTLESS)


def searchable(contact: Contact) -> str:
    """What a search looks through: a line of names, one of the address, and the number as people write it."""
    lines = [f"{contact.name} {contact.surname}".strip(), contact.email]
    if contact.number:
        lines += [str(contact.number), f"0{contact.number % 10**10}"]
    return folded("\n".join(lines))


def search_for(key: str) -> Search | None:
    """What a key looks for, None when it is too short.

    A key that is written as telephone numbers are is also looked for as the digits alone.
    """
    text = tidy(key)
    whole = folded(text)
    if min(len(text), len(whole)) < KEY_MIN:
        return None
    digits = _NOT_DIGITS.sub("", text).removeprefix("00") if _PHONE(text) else ""
    return Search(whole, digits if len(digits) >= KEY_MIN else whole)

"""What a request says of a contact or a group, as values the core can work with."""

from __future__ import annotations

from ulak.core import phone
from ulak.core.contacts import LISTED_MAX, NAME_MAX, VALUE_MAX, ContactDraft, tidy
from ulak.dialects.iletimerkezi import contact_wire as wire
from ulak.dialects.iletimerkezi import fields
from ulak.dialects.iletimerkezi.codes import TEXTS, Code
from ulak.dialects.iletimerkezi.wire import Invalid, Status

Wrong = Code | Invalid
"""Why a request cannot be carried out, whoever asks."""

NO_ID = 0
"""Stands for what is no id: nothing has it."""


def group_name(text: str) -> str | Wrong:
    """What a group shall be called."""
    name = tidy(text)
    if not name:
        return Code.GROUP_NAME_EMPTY
    return name if len(name) <= NAME_MAX else _invalid({"name": _too_long("name", NAME_MAX)})


def parent_of(text: str) -> int | None:
    """What a group shall stand under; None: it shall be at the top."""
    return None if text in ("", "0") else id_of(text)


def id_of(text: str) -> int:
    """An id, or NO_ID."""
    return fields.listed_id(text) or NO_ID


def contact_draft(sent: wire.SentContact) -> ContactDraft | Wrong:
    """What is said of a contact.

    Its number is wrong (466) before anything else is; what is too long, or too much, is 422.
    """
    number = None
    if sent.gsm is not None:
        number = phone.normalise(sent.gsm)
        if number == 0 and tidy(sent.gsm):
            return Code.BAD_NUMBER
    draft = ContactDraft(
        name=None if sent.name is None else tidy(sent.name),
        surname=None if sent.surname is None else tidy(sent.surname),
        email=None if sent.email is None else tidy(sent.email),
        number=number,
        values=None if sent.custom_fields is None else _values(sent.custom_fields),
        groups=None if sent.groups is None else tuple(sorted({id_of(each) for each in sent.groups.id})),
    )
    errors = _errors(draft)
    return _invalid(errors) if errors else draft


def _values(sent: wire.SentValues) -> dict[int, str]:
    """By field. Of a field that comes twice the last counts."""
    given = {id_of(each.id): tidy(each.value) for each in sent.custom_field}
    return dict(sorted(given.items()))


def _errors(draft: ContactDraft) -> dict[str, str]:
    texts = {"name": draft.name, "surname": draft.surname, "email": draft.email}
    errors = {
        field: _too_long(field, NAME_MAX) for field, text in texts.items() if len(text or "") > NAME_MAX
    }
    values = draft.values or {}
    if len(values) > LISTED_MAX:
        errors["custom_fields"] = f"custom_fields en fazla {LISTED_MAX} alan içerebilir."
    elif any(len(value) > VALUE_MAX for value in values.values()):
        errors["custom_fields"] = _too_long("custom_fields", VALUE_MAX)
    if len(draft.groups or ()) > LISTED_MAX:
        errors["groups"] = f"groups en fazla {LISTED_MAX} grup içerebilir."
    return errors


def _too_long(field: str, limit: int) -> str:
    return f"{field} en fazla {limit} karakter olabilir."


def _invalid(errors: dict[str, str]) -> Invalid:
    return Invalid(Status(Code.BAD_VALUES, TEXTS[Code.BAD_VALUES]), errors)

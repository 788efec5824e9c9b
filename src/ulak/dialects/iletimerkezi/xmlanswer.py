"""Answers in XML, made of the same structs as those in JSON.

Old plugins read them with one-line regular expressions and by literal search: so there is an XML declaration,
each element has a line of its own with two blanks for every level, and a value never breaks its line. A list
repeats its element, unless `ITEMS` says that it has a wrapper.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec

from ulak.dialects.iletimerkezi import contact_wire, wire

CONTENT_TYPE = b"text/xml; charset=utf-8"

ITEMS: dict[tuple[type[msgspec.Struct], str], str] = {
    (contact_wire.GroupsAnswer, "groups"): "group",
    (contact_wire.Parent, "children"): "child",
    (contact_wire.ContactsAnswer, "contacts"): "contact",
    (contact_wire.Contact, "custom_fields"): "custom_field",
    (contact_wire.Contact, "groups"): "id",
}
"""Lists with a wrapper: of the field of a struct, what each item in its element is called."""

FOUR_DECIMALS = frozenset([(wire.Balance, "amount")])
"""Fields whose amount is shown as 134.0000."""

_INDENT = "  "
_SPECIAL = re.compile("[&<>\t\n\r]|[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]")


def dump_response(answer: wire.Answer) -> bytes:
    """The body of an answer."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<response>"]
    _struct(lines, _INDENT, answer)
    lines.append("</response>\n")
    return "\n".join(lines).encode()


def _struct(lines: list[str], indent: str, value: msgspec.Struct) -> None:
    kind = type(value)
    for name, field in zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True):
        item = getattr(value, field)
        if isinstance(item, list) and (kind, field) in ITEMS:
            _list(lines, indent, name, ITEMS[kind, field], item)
        elif isinstance(item, list):
            for each in item:
                _element(lines, indent, name, each)
        elif (kind, field) in FOUR_DECIMALS:
            _element(lines, indent, name, f"{Decimal(item):.4f}")
        elif item is not msgspec.UNSET:
            _element(lines, indent, name, item)


def _list(lines: list[str], indent: str, name: str, item_name: str, items: list[Any]) -> None:
    lines.append(f"{indent}<{name}>")
    for each in items:
        _element(lines, indent + _INDENT, item_name, each)
    lines.append(f"{indent}</{name}>")


def _element(lines: list[str], indent: str, name: str, value: Any) -> None:
    if isinstance(value, msgspec.Struct | dict):
        lines.append(f"{indent}<{name}>")
        if isinstance(value, dict):
            for key, each in value.items():
                _element(lines, indent + _INDENT, _NOT_IN_A_NAME.sub("_", key), each)
        else:
            _struct(lines, indent + _INDENT, value)
        lines.append(f"{indent}</{name}>")
    else:
        lines.append(f"{indent}<{name}>{_text(value)}</{name}>")


def _text(value: str | int | None) -> str:
    if value is None:
        return ""
    return _SPECIAL.sub(_escaped, value) if isinstance(value, str) else str(value)


def _escaped(found: re.Match[str]) -> str:
    # What XML cannot carry at all is shown as a character that could not be read.
    return _ESCAPES.get(found[0], "\ufffd")

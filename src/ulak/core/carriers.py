"""What the engine has to know of a configured carrier, whatever its kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from ulak.core.doubts import OnUncertain
from ulak.core.references import IdForm

Choice = TypeVar("Choice", bound=Enum)

SECRETS = frozenset({"password"})
"""Settings that are encrypted where they are stored, and never shown."""

MASK = "***"
"""Shown in place of a secret."""

_PREFIX = re.compile(r"[1-9][0-9]{0,14}")
_PRIORITY = re.compile(r"-?[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms the engine uses a carrier.

    `id_form` is how the carrier spells references, `on_uncertain` what happens to a message whose answer
    never came. It takes orders whose numbers all begin with `prefix`; lower `priority` goes first.
    """

    id_form: IdForm = IdForm.TEXT
    on_uncertain: OnUncertain = OnUncertain.RESEND
    prefix: str = ""
    priority: int = 0


TERMS = ("id_form", "on_uncertain", "prefix", "priority")
"""The settings that are read here. All others belong to the carrier's kind."""


def terms_of(settings: Mapping[str, str]) -> Terms:
    """The terms that a carrier's settings spell, defaults for the rest.

    Raises:
        ValueError: a value does not fit; the text says which.
    """
    default = Terms()
    return Terms(
        _choice("id_form", IdForm, settings.get("id_form", default.id_form.value)),
        _choice("on_uncertain", OnUncertain, settings.get("on_uncertain", default.on_uncertain.value)),
        _prefix(settings.get("prefix", default.prefix)),
        _priority(settings.get("priority", str(default.priority))),
    )


def check_simulator(settings: Mapping[str, str]) -> None:
    """Whether a carrier of kind `simulator` can be told this.

    Raises:
        ValueError: an unknown key, or something that it does not carry.
    """
    for key, value in settings.items():
        if key in TERMS:
            continue
        if key != "carries":
            raise ValueError(f"a simulator has no setting {key!r}; it has {', '.join(('carries', *TERMS))}")
        if value in ("numbers", "parcels"):
            raise ValueError(f"a simulator that carries {value} is not there yet; it carries sms")
        if value != "sms":
            raise ValueError(f"carries must be sms, numbers or parcels, not {value!r}")


def _choice(key: str, choices: type[Choice], value: str) -> Choice:
    try:
        return choices(value)
    except ValueError:
        known = ", ".join(str(choice.value) for choice in choices)
        raise ValueError(f"{key} must be one of {known}, not {value!r}") from None


def _prefix(value: str) -> str:
    if value and not _PREFIX.fullmatch(value):
        raise ValueError(
            f"prefix must be the first digits of numbers with their country code, like 90530, not {value!r}"
        )
    return value


def _priority(value: str) -> int:
    if not _PRIORITY.fullmatch(value):
        raise ValueError(f"priority must be a whole number of at most 6 digits, not {value!r}")
    return int(value)

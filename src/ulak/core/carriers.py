"""What the engine has to know of a configured carrier, whatever its kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TypeVar

from ulak.core.carrier_words import known_only
from ulak.core.doubts import OnUncertain
from ulak.core.references import IdForm
from ulak.core.tariffs import TARIFF, Tariff, tariff_of

Choice = TypeVar("Choice", bound=Enum)

_SECRET = re.compile(r"apikey|(.*[_.])?(secret|password|passphrase|key|hash|token|pin)([_.].*)?")

MASK = "***"
"""Shown in place of a secret."""

_PREFIX = re.compile(r"[1-9][0-9]{0,14}")
_SECONDS = re.compile(r"[1-9][0-9]{0,5}")
_PRIORITY = re.compile(r"-?[0-9]{1,6}")


def is_secret(key: str) -> bool:
    """Whether a setting of this name is encrypted where it is stored, and never shown."""
    return _SECRET.fullmatch(key) is not None


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


SIMULATED_TARIFF = Tariff(base=2000, per_kilo=1600, abroad=Decimal(3))


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a simulator of parcels is told. A day of its journeys takes `day` ms, 24 hours unless hurried."""

    tariff: Tariff = SIMULATED_TARIFF
    day: int = 24 * 60 * 60 * 1000


SIMULATION = (*TARIFF, "day")
"""The settings of a simulator that carries parcels, beside `carries` and the terms."""


def simulation_of(settings: Mapping[str, str]) -> Simulation:
    """What a simulator of parcels is told, defaults for the rest.

    Raises:
        ValueError: a value does not fit; the text says which.
    """
    default = Simulation()
    seconds = settings.get("day", str(default.day // 1000))
    if not _SECONDS.fullmatch(seconds):
        raise ValueError(
            f"day must be the seconds that a day of a journey takes, 1 to 999999, not {seconds!r}"
        )
    return Simulation(tariff_of(settings, default.tariff), int(seconds) * 1000)


CODE_DELAY = 2000
"""After how long a simulated code comes, ms."""

_DELAY_MAX = 1800


def code_delay_of(settings: Mapping[str, str]) -> int:
    """After how long a simulator of numbers shall bring a code, ms.

    Raises:
        ValueError: `delay` is not a number of seconds; the text says so.
    """
    seconds = settings.get("delay", str(CODE_DELAY // 1000))
    if not _SECONDS.fullmatch(seconds) or int(seconds) > _DELAY_MAX:
        raise ValueError(
            f"delay must be the seconds after which a code comes, 1 to {_DELAY_MAX}, not {seconds!r}"
        )
    return int(seconds) * 1000


SIMULATORS: dict[str, tuple[Sequence[str], Callable[[Mapping[str, str]], object]]] = {
    "sms": ((), lambda _settings: None),
    "numbers": (("delay",), code_delay_of),
    "parcels": (SIMULATION, simulation_of),
}
"""What simulators carry: the settings of each beside `carries` and the terms, and how they are read."""


def check_simulator(settings: Mapping[str, str]) -> None:
    """Whether a carrier of kind `simulator` can be told this.

    Raises:
        ValueError: an unknown key, something that it does not carry, or a value that does not fit.
    """
    carries = settings.get("carries", "sms")
    if carries not in SIMULATORS:
        raise ValueError(f"carries must be sms, numbers or parcels, not {carries!r}")
    own, told = SIMULATORS[carries]
    known_only(settings, ("carries", *own, *TERMS), "a simulator", f" if it carries {carries}")
    told(settings)


def check_manual(settings: Mapping[str, str]) -> None:
    """Whether a carrier of kind `manual` can be told this.

    Raises:
        ValueError: an unknown key, or a value that does not fit.
    """
    known_only(settings, (*TARIFF, *TERMS), "a manual carrier")
    tariff_of(settings, Tariff())


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

"""Who may be written to: blocks, and the consent that a registry keeps.

The words are those of Turkey's registry of commercial messages (İYS): a person or a business (`Audience`)
agreed or refused (`Decision`) to be reached over a `Channel`, and it is known where that was said (`Source`).

The numbers are stored; all lie between 2 and 127 (see `core.states`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from enum import Enum, IntEnum
from typing import NamedTuple

from ulak.core import phone, times


class Origin(IntEnum):
    """Where a block came from."""

    API = 2
    """The account asked for it, and may lift it."""
    REPLY = 3
    """The person answered that no more is wanted. Only the operator can lift it."""
    OPERATOR = 4
    """Set from the command line. Only the operator can lift it."""


class Audience(IntEnum):
    """Whom a registry entry is about: a consumer or a merchant."""

    BIREYSEL = 2
    TACIR = 3


class Channel(IntEnum):
    """How somebody is reached: a message, an e-mail, a call."""

    MESAJ = 2
    EPOSTA = 3
    ARAMA = 4


class Decision(IntEnum):
    """What was said: yes or no."""

    ONAY = 2
    RET = 3


class Source(IntEnum):
    """Where it was said (iletiMerkezi's iys-register page)."""

    HS_FIZIKSEL_ORTAM = 2
    HS_ISLAK_IMZA = 3
    HS_WEB = 4
    HS_CAGRI_MERKEZI = 5
    HS_SOSYAL_MEDYA = 6
    HS_EPOSTA = 7
    HS_MESAJ = 8
    HS_MOBIL = 9
    HS_EORTAM = 10
    HS_ETKINLIK = 11
    HS_2015 = 12
    HS_ATM = 13
    HS_KARAR = 14


class Person(NamedTuple):
    """Somebody as a registry knows them: how they are reached, as what, and where.

    The recipient is the digits of a telephone number, or an e-mail address in small letters.
    """

    channel: Channel
    audience: Audience
    recipient: str


class Word(NamedTuple):
    """What a person said, where, and when (ms UTC)."""

    person: Person
    decision: Decision
    source: Source
    given: int


class Fault(Enum):
    """Why a registry does not take a word."""

    IN_FUTURE = "in_future"
    BEFORE_REGISTRY = "before_registry"
    TOO_OLD = "too_old"
    NOT_OF_2015 = "not_of_2015"
    FIRST_IS_REFUSAL = "first_is_refusal"
    UNCHANGED = "unchanged"


BEGINNING = times.day_start(date(2015, 5, 1))
"""Nothing said before this moment counts; what was agreed until then is dated so, with its own source."""

WORKING_DAYS_MAX = 3
"""How many working days (Monday to Friday) after the day it was said a word is still taken."""

_SATURDAY = 5
_EMAIL_MAX = 254  # RFC 5321 §4.5.3.1.3, without the angle brackets
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(rf"(?!.*\.\.)(?!\.)[a-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}(?<!\.)@(?:{_LABEL}\.)+{_LABEL}")


def recipient_of(channel: Channel, text: str) -> str:
    """Where somebody is reached over a channel, as it is stored; '' for what does not fit the channel.

    Case makes no difference in an e-mail address, though the standard would let it before the @.
    """
    if channel is not Channel.EPOSTA:
        number = phone.normalise(text)
        return str(number) if number else ""
    small = text.lower() if text.isascii() and len(text) <= _EMAIL_MAX else ""
    return small if _EMAIL.fullmatch(small) else ""


def display(person: Person) -> str:
    """Where somebody is reached, as the wire shows it: '+905301234567', or an e-mail address."""
    if person.channel is Channel.EPOSTA:
        return person.recipient
    return phone.display(int(person.recipient))


def time_fault(source: Source, given: int, now: int) -> Fault | None:
    """What is wrong with the time of a word that is told now."""
    if source is Source.HS_2015:
        return None if given == BEGINNING else Fault.NOT_OF_2015
    if given > now:
        return Fault.IN_FUTURE
    if given < BEGINNING:
        return Fault.BEFORE_REGISTRY
    return Fault.TOO_OLD if given < times.day_start(_oldest_day(times.local_day(now))) else None


def _oldest_day(today: date) -> date:
    """The first day after which not more than the allowed working days have begun."""
    day, begun = today, 0
    while True:
        if day.weekday() < _SATURDAY:
            begun += 1
        if begun > WORKING_DAYS_MAX:
            return day
        day -= timedelta(days=1)


def state_faults(known: Mapping[Person, Decision], words: Iterable[Word]) -> Iterator[tuple[int, Fault]]:
    """What is wrong with words by what is known already, by their places; each sees those before it."""
    state = dict(known)
    for place, word in enumerate(words):
        before = state.get(word.person)
        if before is None and word.decision is Decision.RET:
            yield place, Fault.FIRST_IS_REFUSAL
        elif before is word.decision:
            yield place, Fault.UNCHANGED
        else:
            state[word.person] = word.decision

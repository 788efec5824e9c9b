"""Who may be written to: blocks, and the consent that a registry keeps.

The words are those of Turkey's registry of commercial messages (İYS): a person or a business (`Audience`)
agreed or refused (`Decision`) to be reached over a `Channel`, and it is known where that was said (`Source`).

The numbers are stored; all lie between 2 and 127 (see `core.states`).
"""

from __future__ import annotations

from enum import IntEnum


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

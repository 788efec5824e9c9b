"""What the statuses of a ComToHome server mean, of which most are not documented.

The names and numbers that are documented, and those of our own server, are in a table. Others are read by the
words in them: first the status's name, then the text of the event.
"""

from __future__ import annotations

import re

from ulak.core.states import ParcelState
from ulak.dialects.comtohome.codes import STATES, STATUSES

NAMES: dict[int, str] = {status.code: status.name for status in STATUSES.values()}
"""The names of the statuses that we know by number."""

# 2 and 3 are documented without a name: a label exists, and the carrier was told.
_BY_STATUS = STATES | {2: ParcelState.BOOKED, 3: ParcelState.BOOKED}
_BY_NAME = {status.name: state for state, status in STATUSES.items()}

_NEGATED = re.compile(
    r"\b(NOT|NEVER|CANNOT|COULDNT|FAIL\w*|UN(?!DER|TIL|IT|LOAD|PACK)\w+|EDILEMEDI|EDILMEDI|BULUNAMADI|BASARISIZ)\b"
)
_TO_DOOR = re.compile(r"DELIVER|DISTRIBUT|TESLIM|DAGITI|ATTEMPT|ADDRESS|ADRES|RECIPIENT|CONSIGNEE|HOME|ALICI")
_BACK = re.compile(r"\b(RETURN|IADE)")

# A parcel that is said to be delivered to one of these, or in part, has only gone a part of its way.
_ON_THE_WAY = (
    r"PARTIAL\w* DELIVERED|DELIVERED TO (\w+ ){0,3}(BRANCH|CARRIER|CARGO|PROVIDER|COURIER|PARTNER"
    r"|AGENT|HUB|DEPOT|WAREHOUSE|CENT(ER|RE)|STATION|FACILITY|AIRPORT|CUSTOMS|POST OFFICE)\b"
)

# The first that is found counts.
_WORDS = tuple(
    (re.compile(pattern), state)
    for pattern, state in (
        (
            r"\bRETURNED\b|\bRETURN (IS )?(COMPLETE|DELIVERED)|DELIVERED TO SENDER|IADE EDILDI",
            ParcelState.RETURNED,
        ),
        (_BACK.pattern, ParcelState.RETURNING),
        (r"\bCANCEL|\bIPTAL", ParcelState.CANCELLED),
        (r"\bLOST\b|\bKAYIP\b|\bKAYBOL", ParcelState.LOST),
        (r"\bDAMAGE|\bHASAR", ParcelState.DAMAGED),
        (r"PROVIDER (ERROR|REJECT|REFUS)", ParcelState.REJECTED),
        (r"\bDRAFT\b|\bTASLAK\b", ParcelState.DRAFT),
        (r"\bATTEMPT", ParcelState.DELIVERY_FAILED),
        (_ON_THE_WAY, ParcelState.IN_TRANSIT),
        (r"\bBE(ING)? DELIVERED", ParcelState.OUT_FOR_DELIVERY),
        (r"\bDELIVERED\b|DELIVERY (IS )?COMPLETE|TESLIM EDILDI", ParcelState.DELIVERED),
        (r"(READY|AVAILABLE|WAITING) FOR (PICKUP|PICK UP|COLLECTION)", ParcelState.READY_FOR_PICKUP),
        (r"DELIVER|DISTRIBUT|DAGITI|KURYEDE", ParcelState.OUT_FOR_DELIVERY),
        (r"PICKED UP|\bPICKUP|\bCOLLECTED\b|\bACCEPTED\b|KABUL EDILDI|TESLIM ALINDI", ParcelState.PICKED_UP),
        (r"\bCUSTOMS?\b|\bGUMRUK", ParcelState.IN_CUSTOMS),
        (r"\bHOLD\b|\bHELD\b|BEKLETIL", ParcelState.ON_HOLD),
        (r"\bDELAY|\bGECIK", ParcelState.DELAYED),
        (r"\bTRANSIT\b|\bTRANSFER|\bDEPART|\bARRIV|ON THE WAY|\bYOLDA\b", ParcelState.IN_TRANSIT),
        (r"WAITING PROVIDER|WAITING TO BE SENT", ParcelState.WAITING),
        (r"\bPROVIDER\b", ParcelState.BOOKED),
    )
)

_LETTERS = str.maketrans("çğıöşüÇĞİÖŞÜ", "cgiosuCGIOSU")
_OTHERS = re.compile(r"[^A-Z0-9]+")


def state_of(status: int | None, name: str, message: str) -> ParcelState:
    """What a status is in our words; UNKNOWN for what cannot be placed."""
    known = _BY_NAME.get(name.upper())
    if known is not None:
        return known
    for said in (name, message):
        found = _by_words(said)
        if found is not None:
            return found
    return _BY_STATUS.get(status or 0, ParcelState.UNKNOWN)


def _by_words(said: str) -> ParcelState | None:
    words = _OTHERS.sub(" ", said.translate(_LETTERS).upper()).strip()
    if _NEGATED.search(words):
        if _BACK.search(words) and "NOT RETURN" not in words:
            return ParcelState.RETURNING
        return ParcelState.DELIVERY_FAILED if _TO_DOOR.search(words) else None
    return next((state for pattern, state in _WORDS if pattern.search(words)), None)

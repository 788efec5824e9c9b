"""The closed list of what can be refused, and the errors people at a command line read.

The core does not know HTTP: one refusal is 455 in one dialect and a line of text in another, and only the
dialect can say which.
"""

from __future__ import annotations

from enum import Enum


class Refusal(Enum):
    """Why a request was not carried out. Expected trouble is a value, never an exception."""

    UNAUTHENTICATED = "unauthenticated"
    SENDER_NOT_APPROVED = "sender_not_approved"
    BAD_SCHEDULE = "bad_schedule"
    CONSENT_CHOICE_MISSING = "consent_choice_missing"
    CONSENT_LIST_MISSING = "consent_list_missing"
    CONSENT_BRAND_MISSING = "consent_brand_missing"
    TEXT_EMPTY = "text_empty"
    TOO_LARGE = "too_large"
    NO_RECIPIENT = "no_recipient"
    REPEATED = "repeated"
    TOO_FAST = "too_fast"
    NO_CREDIT = "no_credit"
    NOT_FOUND = "not_found"
    NOT_DUE = "not_due"
    WRONG_STATE = "wrong_state"
    IN_PROGRESS = "in_progress"
    KEY_REUSED = "key_reused"
    NO_CARRIER = "no_carrier"
    CARRIER_DECLINED = "carrier_declined"
    CARRIER_UNREACHED = "carrier_unreached"
    NO_NUMBERS = "no_numbers"
    FUNDING_DOWN = "funding_down"
    TOO_EARLY = "too_early"
    COMPLETED = "completed"
    FINAL = "final"


OF_PARCELS = frozenset(
    (
        Refusal.WRONG_STATE,
        Refusal.IN_PROGRESS,
        Refusal.KEY_REUSED,
        Refusal.NO_CARRIER,
        Refusal.CARRIER_DECLINED,
        Refusal.CARRIER_UNREACHED,
    )
)
"""What only a parcel can be refused for."""


class UlakError(Exception):
    """Something an operator asked for cannot be done; the text says what to do about it."""


class StoreUnavailable(Exception):
    """The database cannot take or answer anything now. Nothing was changed."""


class OutcomeUnknown(StoreUnavailable):
    """The database went away during a COMMIT and stayed away: nobody knows whether anything was changed.

    What can be done twice without harm is simply done again; who asked for it is not told that it was not
    done.
    """


OF_PURCHASES = frozenset(
    (Refusal.NO_NUMBERS, Refusal.FUNDING_DOWN, Refusal.TOO_EARLY, Refusal.COMPLETED, Refusal.FINAL)
)
"""What only a number, or a message paid by itself, can be refused for."""

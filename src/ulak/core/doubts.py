"""Messages that may have gone twice, and what is done about them."""

from __future__ import annotations

from enum import Enum, IntEnum


class OnUncertain(Enum):
    """A carrier's policy for a message whose bytes left and whose answer never came."""

    RESEND = "resend"
    HOLD = "hold"
    FAIL = "fail"


class Doubt(IntEnum):
    """What became of an uncertain message. The rows stay: they are the list of possible duplicates."""

    HELD = 1
    """Waits for an operator."""
    RESENT = 2
    """Was sent again."""
    FAILED = 3
    """Was given up and its credit given back."""
    ASKED = 4
    """An operator asked for it to be sent again; the link has not done so yet."""
    UNSENT = 5
    """Certainly never left: a link was stopped while it waited. It is sent without being in doubt."""

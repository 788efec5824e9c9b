"""Work to do later."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class JobKind(IntEnum):
    """What is to be done."""

    BOOK = 1
    """Go on with a booking whose process ended in the middle; the subject is a consignment."""
    TRACK = 2
    """Ask the carrier what it saw; the subject is a consignment."""
    BUY = 3
    """Get a number; the subject is a purchase."""
    RESOLVE = 4
    """Settle or cancel a payment at the Lightning node, as was decided; the subject is a purchase."""
    FINISH = 5
    """Tell a source that a number is not needed any more; the subject is a purchase."""
    REFER = 6
    """Pay who referred a customer; the subject is a purchase."""
    CLOSE = 7
    """Cancel an invoice at the Lightning node that nobody has paid; the subject is a purchase. Some nodes
    cannot, and are asked for hours: what is paid must not wait behind that."""


OF_PARCELS = (JobKind.BOOK, JobKind.TRACK)
OF_PURCHASES = (JobKind.BUY, JobKind.RESOLVE, JobKind.FINISH, JobKind.REFER, JobKind.CLOSE)


class Job(NamedTuple):
    """A claimed job. `tries` counts the claims before this one that came to nothing."""

    id: int
    kind: JobKind
    subject: int
    tries: int

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


class Job(NamedTuple):
    """A claimed job. `tries` counts the claims before this one that came to nothing."""

    id: int
    kind: JobKind
    subject: int
    tries: int

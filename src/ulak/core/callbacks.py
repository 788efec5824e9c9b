"""Callbacks: when they are tried again, and when no more."""

from __future__ import annotations

from enum import IntEnum


class CallbackState(IntEnum):
    """Where a callback stands. Of those about one subject, one at a time is due or being tried."""

    DUE = 2
    TRYING = 3
    BEHIND = 4
    """It waits until an earlier one about the same subject has ended."""
    ARRIVED = 5
    GIVEN_UP = 6

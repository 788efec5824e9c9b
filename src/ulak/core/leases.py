"""Processes that work on the same data, and what only one of them at a time may work on."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Role(IntEnum):
    """What a process does."""

    ALL = 1
    API = 2
    WORKER = 3

    @property
    def works(self) -> bool:
        """Whether it hands things to carriers."""
        return self is not Role.API

    @property
    def answers(self) -> bool:
        """Whether it answers requests of customers."""
        return self is not Role.WORKER


class Duty(IntEnum):
    """What is done by one process for all. A link's lease has the id of its carrier, which is above 0."""

    UPKEEP = -1
    """What time does by itself, and the messages of large orders that are to be announced."""
    PURCHASES = -2
    """Numbers, their sources and their money."""


class Tenure(NamedTuple):
    """Who has a lease: `fence` counts its holders, `holder` is a process, 0 for nobody.

    Of a link: whether it is up, and why it is not.
    """

    id: int
    fence: int
    holder: int
    up: bool
    why: str


class Peer(NamedTuple):
    """A process that works on the data."""

    id: int
    role: Role

"""What happened, counted: whole numbers that are read when somebody asks for metrics.

Counting must cost next to nothing where orders and messages pass by the thousand, so a count is a key in a
dictionary and nothing is locked: each object has one thread that counts, and readers take copies.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Key: TypeAlias = tuple[str, ...]
"""What is counted: a name, then the values of its labels. Of each there are few, and none is a number or a
word that a customer chose."""

Counts: TypeAlias = Mapping[Key, int]

SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bounds of times that should be short, in seconds."""

LONG = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Bounds of times in which somebody else is waited for, in seconds."""

SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0)
"""Bounds of how many are done together."""


class Histogram:
    """How values are spread: how many were at most each bound and above the one before, and their sum."""

    __slots__ = ("bounds", "buckets", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.buckets = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """A value came so many times."""
        self.buckets[bisect_left(self.bounds, value)] += times
        self.total += value * times


@dataclass(slots=True)
class WriterFigures:
    """What the one writer of a process did. `counts` are of what is committed, by what decided it."""

    counts: dict[Key, int] = field(default_factory=dict)
    items: Histogram = field(default_factory=lambda: Histogram(SIZES))
    """Gathered items that were decided together."""
    commits: Histogram = field(default_factory=lambda: Histogram(SHORT))
    """Seconds from the begin of a transaction until it is on disk."""
    failed: int = 0
    """Transactions that the database did not take."""

    def add(self, counted: Counts) -> None:
        """What a transaction counted holds now."""
        for key, by in counted.items():
            self.counts[key] = self.counts.get(key, 0) + by


@dataclass(slots=True)
class LinkFigures:
    """What happened on one link since this process has it."""

    sent: int = 0
    """Messages handed over to be sent, again ones included."""
    accepted: int = 0
    refused: int = 0
    unknown: int = 0
    connects: int = 0
    losses: int = 0
    """How often it was up and went down."""
    answered: Histogram = field(default_factory=lambda: Histogram(LONG))
    """Seconds until the carrier answered a message."""

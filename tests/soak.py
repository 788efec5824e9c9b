"""The long forms of tests (`make soak`), and what chance begins with in both forms."""

from __future__ import annotations

import os
import random

SOAK = bool(os.environ.get("ULAK_TEST_SOAK"))
"""Whether these are the long forms."""


def seed(default: int) -> int:
    """What chance begins with: always the same in `make test`, a new one in a soak, or ULAK_TEST_SEED.

    It is printed, so that a run can be done again.
    """
    fresh = random.SystemRandom().randrange(10**9) if SOAK else default
    chosen = int(os.environ.get("ULAK_TEST_SEED") or fresh)
    print(f"seed {chosen}")
    return chosen


def turns(count: int) -> range:
    """How often a test is done again with other chances: once, and so often in a soak."""
    return range(count if SOAK else 1)


def seeds(count: int, default: int = 0) -> range:
    """So many seeds in turn: always the same in `make test`, in a soak from ULAK_TEST_SEED on."""
    first = int(os.environ.get("ULAK_TEST_SEED") or default) if SOAK else default
    return range(first, first + count)

"""The machine's clock."""

from __future__ import annotations

import time


def now_ms() -> int:
    """The machine's clock; the only place where it is read for stored times."""
    return time.time_ns() // 1_000_000

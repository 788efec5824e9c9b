"""What a test lets this process do at a point in the code (`ulak.core.points`), as the environment says.

ULAK_TEST_POINT holds `NAME[:NTH]=ACT` one or more times, comma separated: at the NTH time (the first) that
the code comes to the point of this name, the process dies as by `kill -9` (`kill`), the point raises
(`fail`), waits so many seconds (`delay:0.2`) or for ever (`hang`). Each is done once, and told on standard
error.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import NamedTuple

from ulak.cli.errors import UsageError
from ulak.core.points import on_point

_FOR_EVER = 3_600.0


class PointFailed(Exception):
    """What a point raises that was told to fail."""


class Act(NamedTuple):
    """What is done at a point, the NTH time that the code comes there. `seconds`: how long a wait is."""

    point: str
    nth: int
    what: str
    seconds: float = 0.0


def arm(text: str) -> None:
    """From now on do what this says; empty: nothing.

    Raises:
        UsageError: it cannot be read.
    """
    on_point(_Trap([read(word) for word in text.split(",")]) if text else None)


def read(word: str) -> Act:
    """What one `NAME[:NTH]=ACT` says. Raises UsageError."""
    place, _, said = word.partition("=")
    name, _, nth = place.partition(":")
    what, _, seconds = said.partition(":")
    try:
        act = Act(name, int(nth or 1), what, float(seconds or 0))
    except ValueError:
        raise UsageError(f"ULAK_TEST_POINT: {word!r} is no NAME[:NTH]=ACT") from None
    if not name or act.nth < 1 or what not in ("kill", "fail", "delay", "hang"):
        raise UsageError(f"ULAK_TEST_POINT: {word!r} is no NAME[:NTH]=ACT")
    return act


class _Trap:
    """Counts how often the code came to each armed point. Points are met on several threads."""

    def __init__(self, acts: list[Act]) -> None:
        self._acts = {act.point: act for act in acts}
        self._met = dict.fromkeys(self._acts, 0)
        self._lock = threading.Lock()

    def __call__(self, name: str) -> None:
        act = self._acts.get(name)
        if act is None:
            return
        with self._lock:
            self._met[name] += 1
            if self._met[name] != act.nth:
                return
        os.write(2, f"point {name}: {act.what}\n".encode())
        if act.what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if act.what == "fail":
            raise PointFailed(name)
        time.sleep(act.seconds if act.what == "delay" else _FOR_EVER)

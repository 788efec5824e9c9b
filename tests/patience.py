"""No test waits for ever: one that does is told where it waits, and fails; the others go on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Generator
from types import FrameType

import pytest

PATIENCE = 400
"""Seconds that a test may take, with what it needs first and puts away afterwards. Long forms have no bound.
What does not listen to this is ended by pytest's own `faulthandler_timeout` (pyproject.toml)."""

AGAIN = 20
"""Seconds until the next try, where the first has hit a task that nobody waits for."""


class WaitsForEver(BaseException):
    """A test has used up the patience that we have. Nothing in a test catches it."""


def _tell(_signal: int, frame: FrameType | None) -> None:
    """Say what every coroutine of the test waits for, and end it."""
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:
        tasks = set()
    for task in tasks:
        task.print_stack(file=sys.stderr)
    traceback.print_stack(frame, limit=8, file=sys.stderr)
    raise WaitsForEver(f"{PATIENCE} s are over")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Let an alarm ring when a test does not end."""
    if "ULAK_TEST_SOAK" in os.environ:
        return (yield)
    before = signal.signal(signal.SIGALRM, _tell)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE, AGAIN)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

"""A process that dies at a point in the code, as by `kill -9`: a fork of the test's own, with nothing of its
connections."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from ulak.core.points import on_point


def dies_at(point: str, nth: int, work: Callable[[], object]) -> bool:
    """Let another process do this and die when it comes to a point for the n-th time; whether it came there,
    or was done before. What goes wrong in it is raised here."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        _live(point, nth, work, write)
    os.close(write)
    with open(read, encoding="utf-8") as said:
        words = said.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, words
        return True
    assert os.WEXITSTATUS(status) == 0, words
    return False


def _live(point: str, nth: int, work: Callable[[], object], write: int) -> None:
    met = 0

    def act(name: str) -> None:
        nonlocal met
        met += name == point
        if met == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        on_point(act)
        work()
    except BaseException as error:
        os.write(write, repr(error).encode())
        os._exit(1)
    os._exit(0)

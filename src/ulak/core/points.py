"""Places in the code that have a name, at which a test can let the process die, fail, or wait.

A crash between two steps is met only if something can stop exactly there. Outside of such tests a point costs
a call that does nothing.
"""

from __future__ import annotations

from collections.abc import Callable

_act: Callable[[str], None] | None = None


def point(name: str) -> None:
    """The code has come to the place of this name."""
    if _act is not None:
        _act(name)


def on_point(act: Callable[[str], None] | None) -> None:
    """Do this at every point from now on, in this process; None: nothing."""
    global _act
    _act = act

"""How commands end badly. Apart from the rest, so that help is shown without loading what commands need."""

from __future__ import annotations


class UsageError(Exception):
    """The command line cannot mean anything; exit code 2."""


class Failed(Exception):
    """A command has shown its result, and the result is bad; exit code 1."""

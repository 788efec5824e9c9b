"""The log of a server: lines of JSON, and no secrets in them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from ulak import logs


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    handlers = logging.root.handlers[:]
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers


def fail(stream: io.StringIO) -> str:
    """What is written when code with a secret in its hands breaks."""
    logs.configure(stream)
    try:
        password = "geheim" + "12"
        raise ValueError(f"{len(password)} characters")
    except ValueError:
        structlog.get_logger("ulak").exception("it.broke", carrier="op")
    structlog.get_logger("ulak").debug("not.this")
    logging.getLogger("uvicorn.error").warning("from a %s", "library")
    return stream.getvalue()


def test_machines_read_lines() -> None:
    ours, theirs = [json.loads(line) for line in fail(io.StringIO()).splitlines()]
    assert (ours["event"], ours["level"], ours["carrier"]) == ("it.broke", "error", "op")
    assert ours["exception"][0]["exc_value"] == "8 characters"
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"]) == ("from a library", "warning")


@pytest.mark.parametrize("stream", [io.StringIO(), Screen()])
def test_a_traceback_tells_no_secrets(stream: io.StringIO) -> None:
    said = fail(stream)
    assert "8 characters" in said
    assert "geheim12" not in said

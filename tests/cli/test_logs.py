"""The log of a server: lines of JSON, and no secrets in them."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from ulak.cli import logs


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


def test_a_volume_of_logs_that_is_full_stops_nobody() -> None:
    with contextlib.suppress(OSError), open("/dev/full", "w") as full:
        logs.configure(full)
        structlog.get_logger("ulak").warning("something.happened", size=10_000)
        logging.getLogger("library").warning("something %s", "happened")
    full.close()
    structlog.get_logger("ulak").warning("after.that")


def test_trouble_that_goes_on_is_told_so_often_only() -> None:
    now = 0.0
    flood = logs.Flood(lambda: now)

    def said(name: str) -> dict[str, object] | None:
        try:
            return dict(flood(None, "warning", {"event": name}))
        except structlog.DropEvent:
            return None

    again = [said("look.failed") for _ in range(100)]
    assert again == [{"event": "look.failed"}] * logs.FLOOD_LINES + [None] * (100 - logs.FLOOD_LINES)
    assert flood(None, "info", {"event": "look.failed"}) == {"event": "look.failed"}
    assert said("look.ended") == {"event": "look.ended"}
    now = logs.FLOOD_SECONDS
    assert said("look.failed") == {"event": "look.failed", "left_out": 100 - logs.FLOOD_LINES}
    assert said("look.failed") == {"event": "look.failed"}

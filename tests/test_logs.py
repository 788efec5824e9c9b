"""The log of a server: lines of JSON, and no secrets in them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest
import structlog

from ulak import logs
from ulak.core.masking import Masker


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    handlers = logging.root.handlers[:]
    for module in (sys, threading):
        monkeypatch.setattr(module, "excepthook", module.excepthook)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    monkeypatch.setattr("ulak.logs.MASKER", Masker())
    yield
    logging.captureWarnings(False)
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


NUMBERS = ("905301234567", "+90 530 123 45 67", "05301234567", "5301234567", "4915112345678")
SECRETS = (
    "geheim12",
    "3468c2efaf2612ef607bc4de77f27140",
    "whsec_Ni1YSUDlJ1+jsZj2oYqEFn41bjMkBLIgTjqUvJWCeek=",
    "macaroon-that-nobody-may-see",
)


def say_everything() -> None:
    """In every way in which something gets into a log."""
    log = structlog.get_logger("ulak")
    for one in (*NUMBERS, *SECRETS):
        log.warning("it.failed", why=f"no answer about {one!r}", number=one, password=one, args=[{"x": one}])
        logging.getLogger("aiohttp.client").error("GET http://u:%s@h/x?key=%s and %s", one, one, one)
        warnings.showwarning(f"{one} is odd", UserWarning, "file.py", 1)
        try:
            try:
                raise KeyError(one)
            except KeyError as error:
                raise ValueError(f"cannot use {one}") from error
        except ValueError:
            log.exception("it.broke", order=300000001, took=0.25, at=1779274991000)
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application: %s", one)
        loop = asyncio.new_event_loop()
        loop.call_exception_handler({"message": f"task for {one}", "exception": OSError(one)})
        loop.close()
        crash(one)


def crash(one: str) -> None:
    """What nobody catches: in a thread, where Python can only complain, and in the end."""

    def fail() -> None:
        raise RuntimeError(f"thread {one}")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

    class Broken:
        def __del__(self) -> None:
            raise RuntimeError(f"deleted {one}")

    Broken()
    gc.collect()
    error = RuntimeError(f"in the end {one}")
    sys.excepthook(RuntimeError, error, None)


@pytest.mark.parametrize("form", ["json", "logfmt", "text"])
def test_no_number_and_no_secret_is_written(form: str) -> None:
    stream = io.StringIO()
    logs.configure(stream, form, secrets=["geheim12", "macaroon-that-nobody-may-see"], hooks=True)
    before = logs.lines["critical"]
    say_everything()
    said = stream.getvalue()
    assert [one for one in (*NUMBERS, *SECRETS) if one in said] == []
    # A line or more each: nothing went elsewhere, and what an operator needs is there.
    for words in ("it.failed", "it.broke", "in ASGI", "is odd", "task for", "thread.crashed", "deleted"):
        assert said.count(words) >= len(NUMBERS) + len(SECRETS), words
    assert said.count("300000001") == said.count("1779274991000") == len(NUMBERS) + len(SECRETS)
    assert logs.lines["critical"] - before == 2 * (len(NUMBERS) + len(SECRETS))
    if form == "json":
        assert all(json.loads(line) for line in said.splitlines())


def test_a_line_says_in_which_request_it_was_written() -> None:
    stream = io.StringIO()
    logs.configure(stream, "logfmt")
    token = logs.request.set(b"a1-7")
    structlog.get_logger("ulak").warning("it.failed", why="a b")
    logs.request.reset(token)
    structlog.get_logger("ulak").warning("it.failed")
    first, second = stream.getvalue().splitlines()
    assert first.endswith('level=warning event=it.failed why="a b" request=a1-7')
    assert "request" not in second

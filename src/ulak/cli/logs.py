"""Where the log of a server goes: standard error, as lines of JSON unless a person is looking."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO, cast

import structlog
from structlog.tracebacks import ExceptionDictTransformer

FLOOD_LINES, FLOOD_SECONDS = 20, 60.0
"""How many lines may say the same in how many seconds."""

FLOOD_NAMES = 1_000
"""Different things that are remembered to have been said."""


class Forgiving:
    """A stream that takes what it can: a volume of logs that is full, or a reader that is gone, must not stop
    what only wanted to say something."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or leave it."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Let out what can be."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether a person is looking."""
        return self._stream.isatty()


class Flood:
    """Lets the same trouble be told so often: what fails many times a second, because a database is away for
    example, must not fill a volume. The next line after a pause says how many were left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: dict[object, tuple[float, int]] = {}

    def __call__(
        self, _logger: object, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if method in ("debug", "info"):
            return event
        now, name = self._clock(), event.get("event")
        began, count = self._said.get(name, (now, 0))
        if now - began >= FLOOD_SECONDS:
            if count > FLOOD_LINES:
                event["left_out"] = count - FLOOD_LINES
            began, count = now, 0
        if len(self._said) >= FLOOD_NAMES:
            self._said.clear()
        self._said[name] = began, count + 1
        if count >= FLOOD_LINES:
            raise structlog.DropEvent
        return event


def configure(stream: TextIO | None = None) -> None:
    """Send our own log and that of libraries to standard error, or to `stream`."""
    target = cast(TextIO, Forgiving(stream or sys.stderr))
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = _for_people() if target.isatty() else _for_machines()
    structlog.configure(
        processors=[Flood(), *shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


# Both without the local variables of a traceback, which is where secrets and numbers are.


def _for_people() -> list[Any]:
    return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]


def _for_machines() -> list[Any]:
    tracebacks = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    return [tracebacks, structlog.processors.JSONRenderer()]

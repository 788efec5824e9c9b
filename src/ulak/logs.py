"""The log of a server: standard error, a line of JSON (or key=value) each, unless a person is looking.

Everything goes the same way: our own lines, those of libraries, warnings of Python, and what nobody caught.
On the way numbers and secrets are masked (`core.masking`), whoever wrote them.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TextIO, cast

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from ulak.core.masking import MASKER

FLOOD_LINES, FLOOD_SECONDS = 20, 60.0
"""How many lines may say the same in how many seconds."""

FLOOD_NAMES = 1_000
"""Different things that are remembered to have been said."""

lines: Counter[str] = Counter()
"""How many lines of each level were written that say that something is wrong; for metrics."""

_COUNTED = ("warning", "error", "critical")
_KEPT = ("event", "level", "timestamp", "logger")

request: ContextVar[bytes] = ContextVar("request", default=b"")
"""What the request is called that is answered here; its answer says so too (`x-request-id`)."""

Event = MutableMapping[str, Any]


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
        before = self._left_out(event.get("event"))
        if before is None:
            raise structlog.DropEvent
        if before:
            event["left_out"] = before
        return event

    def filter(self, record: logging.LogRecord) -> bool:
        """The same of what libraries say (`logging.Filter`)."""
        return record.levelno < logging.WARNING or self._left_out((record.name, record.msg)) is not None

    def _left_out(self, name: object) -> int | None:
        """How many lines that say this were left out before this one; None if this one is to be, too."""
        now, before = self._clock(), 0
        began, count = self._said.get(name, (now, 0))
        if now - began >= FLOOD_SECONDS:
            before = max(0, count - FLOOD_LINES)
            began, count = now, 0
        if len(self._said) >= FLOOD_NAMES:
            self._said.clear()
        self._said[name] = began, count + 1
        return None if count >= FLOOD_LINES else before


def configure(
    stream: TextIO | None = None, form: str = "auto", secrets: Iterable[str] = (), *, hooks: bool = False
) -> None:
    """Send our own log and that of libraries to standard error, or to `stream`. `secrets` are masked word by
    word, beside what looks like one. With `hooks` warnings and what nobody catches are written there too."""
    target = cast(TextIO, Forgiving(stream or sys.stderr))
    MASKER.know(*secrets)
    flood = Flood()
    shared: list[Any] = [
        named,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = _last(form if form != "auto" else "text" if target.isatty() else "json")
    structlog.configure(
        processors=[flood, *shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(target)
    handler.addFilter(flood)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    if hooks:
        logging.captureWarnings(True)
        _hook()


def _last(form: str) -> list[Any]:
    """How a line is written. None of them shows the local variables of a traceback."""
    if form == "json":
        tracebacks: Any = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
        return [tracebacks, _masked, structlog.processors.JSONRenderer()]
    # Before masking, so that what an exception says is masked with the rest.
    plain = [structlog.processors.format_exc_info, _masked]
    if form == "logfmt":
        order = ["timestamp", "level", "event"]
        return [*plain, structlog.processors.LogfmtRenderer(key_order=order, drop_missing=True)]
    return [*plain, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]


def named(_logger: object, _method: str, event: Event) -> Event:
    """Say in which request it happened."""
    name = request.get()
    if name:
        event.setdefault("request", name.decode())
    return event


def _masked(_logger: object, _method: str, event: Event) -> Mapping[str, Any]:
    level = event.get("level")
    if level in _COUNTED:
        lines[level] += 1
    return {
        name: value if name in _KEPT and name != "event" else MASKER.field(_safe(name), value)
        for name, value in event.items()
    }


def _safe(name: str) -> str:
    """What happened is named by a word; what a library says there is free text."""
    return "said" if name == "event" else name


def _hook() -> None:
    """Write down what nobody catches: in the main thread, in others, and where Python can only complain."""
    log = structlog.get_logger("ulak")

    def crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.critical("process.crashed", exc_info=(kind, error, trace))

    def thread_crashed(given: threading.ExceptHookArgs) -> None:
        if given.exc_type is not SystemExit and given.exc_value is not None:
            name = given.thread.name if given.thread is not None else ""
            log.critical(
                "thread.crashed",
                thread=name,
                exc_info=(given.exc_type, given.exc_value, given.exc_traceback),
            )

    def unraisable(given: sys.UnraisableHookArgs) -> None:
        error = given.exc_value or given.exc_type()
        log.error("not.raised", why=given.err_msg, exc_info=(given.exc_type, error, given.exc_traceback))

    sys.excepthook = crashed
    threading.excepthook = thread_crashed
    sys.unraisablehook = unraisable

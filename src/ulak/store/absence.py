"""A database that is away, as far as this process knows.

Who finds it gone says so. From then on everybody is told at once instead of waiting for the same in vain, and
one thread tries now and then until it is back.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import structlog

from ulak.core.errors import StoreUnavailable

LEAVE = 10.0
"""Seconds that who ends waits for a look that is under way."""

PROBE = 0.25
"""Seconds between two tries. One try takes as long as a server lets us wait for it, a few seconds at most."""

Told = Callable[[StoreUnavailable], None]
"""Is told that the database is gone, on the thread that noticed."""

log = structlog.get_logger("ulak.store")


class Absence:
    """What is known of one database. Used from many threads.

    Nothing is remembered while nobody serves: a command that finds its database gone says so and ends.
    """

    def __init__(self, probe: Callable[[], None]) -> None:
        """`probe` tries whether the database answers; raises StoreUnavailable when it does not."""
        self._probe = probe
        self._changed = threading.Condition()
        self._serving: list[Told] = []
        self._why: str | None = None
        self._prober: threading.Thread | None = None

    def check(self) -> None:
        """Raises StoreUnavailable while the database is known to be away."""
        why = self._why
        if why is not None:
            raise StoreUnavailable(why)

    def noticed(self, why: str) -> None:
        """It does not answer."""
        with self._changed:
            if self._why is not None or not self._serving:
                return
            self._why = why
            told = list(self._serving)
            self._prober = threading.Thread(target=self._until_back, name="ulak-prober", daemon=True)
            self._prober.start()
        log.warning("store.away", why=why)
        for tell in told:
            tell(StoreUnavailable(why))

    @contextlib.contextmanager
    def remembered(self, told: Told) -> Iterator[None]:
        """As long as this lasts, remember that the database is away, and look for it."""
        with self._changed:
            self._serving.append(told)
        try:
            yield
        finally:
            with self._changed:
                self._serving.remove(told)
                self._changed.notify_all()
                prober = None if self._serving else self._prober
            if prober is not None:
                prober.join(LEAVE)

    def _until_back(self) -> None:
        began = time.monotonic()
        while not self._answers():
            with self._changed:
                if self._changed.wait_for(lambda: not self._serving, PROBE):
                    break
        with self._changed:
            self._why = self._prober = None
        log.info("store.back", seconds=round(time.monotonic() - began, 3))

    def _answers(self) -> bool:
        try:
            self._probe()
        except StoreUnavailable as error:
            self._why = str(error)
            return False
        return True

"""How often a key may ask: an exact sliding window, kept in memory."""

from __future__ import annotations

from collections import OrderedDict, deque
from threading import Lock
from typing import NamedTuple

_SECOND = 1_000


class Rate(NamedTuple):
    """Where a key stands: `wait` is the seconds until it may ask again, 0 while it may."""

    allowed: bool
    limit: int
    remaining: int
    wait: int


class Window:
    """Lets each key ask `limit` times in any `span` ms. Requests that are refused do not count.

    Asked from many threads. A key is forgotten once its last request has left the window.
    """

    def __init__(self, limit: int, span: int) -> None:
        self._limit = limit
        self._span = span
        self._lock = Lock()
        # The key that asked last stands last, so that the forgotten ones are found at the front.
        self._asked: OrderedDict[str, deque[int]] = OrderedDict()

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._asked)

    @property
    def unasked(self) -> Rate:
        """Where a key stands that has not asked for long."""
        return Rate(True, self._limit, self._limit, 0)

    def ask(self, key: str, now: int) -> Rate:
        """Count a request of `key` at `now` (ms), if it is allowed."""
        with self._lock:
            asked = self._asked.get(key)
            if asked is None:
                asked = self._asked[key] = deque()
            else:
                self._asked.move_to_end(key)
                now = self._in_order(asked, now)
            while asked and asked[0] <= now - self._span:
                asked.popleft()
            self._forget(now)
            if len(asked) >= self._limit:
                wait = -((now - asked[0] - self._span) // _SECOND) if asked else self._span // _SECOND
                return Rate(False, self._limit, 0, wait)
            asked.append(now)
            return Rate(True, self._limit, self._limit - len(asked), 0)

    def _in_order(self, asked: deque[int], now: int) -> int:
        """The moment that counts. Threads come in any order; a clock that was set back begins anew."""
        if not asked or now >= asked[-1]:
            return now
        if asked[-1] - now >= self._span:
            asked.clear()
            return now
        return asked[-1]

    def _forget(self, now: int) -> None:
        """Let go of keys that did not ask within the window, a few at a time."""
        for _ in range(2):
            key, asked = next(iter(self._asked.items()))
            if len(self._asked) == 1 or (asked and asked[-1] > now - self._span):
                return
            del self._asked[key]

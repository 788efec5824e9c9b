"""How often an account at a ComToHome server may be asked.

The server counts the requests of the last minute for each key and says in every answer what is left. We count
too, so that a request is not sent only to be refused; what others use of the same key is learned from the
answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

LIMIT = 300
"""Requests in a window, until an answer says otherwise."""

WINDOW = 60_000
"""Length of the sliding window, ms."""

PAUSE = 5_000
"""How long to wait after a refusal that does not say it, ms."""

_LONGEST = 10 * WINDOW
_GLANCE = 1_000
_RESERVED = 5


class Pacer:
    """A sliding window of requests. All times are ms of one clock; only their differences count."""

    def __init__(self, limit: int = LIMIT, window: int = WINDOW) -> None:
        self._limit = limit
        self._window = window
        self._asked: deque[int] = deque()
        self._others = 0
        self._others_until = 0
        self._paused = 0

    def wait(self, now: int, *, urgent: bool = True) -> int:
        """How long a request has to wait before it asks here again, ms; 0: it goes now, and is counted.

        Those that are not urgent leave a part of the window to the others.
        """
        self._forget(now)
        limit = self._limit if urgent else self._limit - self._limit // _RESERVED
        if now < self._paused:
            return self._paused - now
        if len(self._asked) >= limit:
            return self._asked[len(self._asked) - limit] + self._window - now
        if len(self._asked) + self._others >= limit:
            # The answers under way say more.
            return min(_GLANCE, self._others_until - now)
        self._asked.append(now)
        return 0

    def learn(self, headers: Mapping[str, str], now: int) -> None:
        """What an answer says about the limit. Names of headers are lower case."""
        self._limit = _whole(headers, "x-ratelimit-limit") or self._limit
        left = _whole(headers, "x-ratelimit-remaining")
        if left is None:
            return
        self._forget(now)
        self._others = max(0, self._limit - len(self._asked) - left)
        self._others_until = now + self._window
        if left == 0:
            self._pause(now, _whole(headers, "x-ratelimit-reset") or 0)

    def refused(self, headers: Mapping[str, str], now: int) -> None:
        """An answer says that there were too many: nothing is asked until the time that it names."""
        seconds = _whole(headers, "x-ratelimit-reset") or _whole(headers, "retry-after")
        self._pause(now, seconds or PAUSE // 1000)

    def _pause(self, now: int, seconds: int) -> None:
        """Ask nothing for so long. What others use is then to be learned anew."""
        self._paused = max(self._paused, now + min(seconds * 1000, _LONGEST))
        if seconds:
            self._others = 0

    def _forget(self, now: int) -> None:
        while self._asked and self._asked[0] <= now - self._window:
            self._asked.popleft()
        if now >= self._others_until:
            self._others = 0


def _whole(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name, "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 9 else None

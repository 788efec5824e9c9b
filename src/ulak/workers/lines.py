"""Connections to good endpoints of callbacks, kept for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from ulak.core.callbacks import Endpoint
from ulak.outbound import KEEP
from ulak.outbound.line import PostLine

MOST = 256
"""Free connections that are kept at most: an address may be named for a single order."""

LOOK_IDLE = 1.0
"""Seconds between looks for connections that nobody has used for a while."""


class Way(Protocol):
    """What makes connections (`ulak.outbound.Outbound`)."""

    async def line(self, url: str, *, limit: int) -> PostLine:
        """A connection to an address, made now."""


class Lines:
    """Only the free ones are here, by endpoint, the endpoint whose connections are unused longest first."""

    def __init__(self, way: Way, *, timeout: float, limit: int, most: int = MOST) -> None:
        """`timeout` (seconds) is for making a connection; `limit` bounds the bytes of an answer's body."""
        self._way = way
        self._timeout = timeout
        self._limit = limit
        self._most = most
        self._count = 0
        self._kept: dict[int, list[tuple[float, PostLine]]] = {}
        self._looked = 0.0

    def free(self, endpoint: Endpoint) -> PostLine | None:
        """A connection to an endpoint that can be used now: the one that was put back last."""
        kept = self._kept.get(endpoint.id, [])
        while kept:
            _, line = kept.pop()
            self._count -= 1
            if line.url == endpoint.url and line.usable:
                return line
            line.close()
        return None

    async def opened(self, endpoint: Endpoint) -> PostLine | None:
        """A new connection, None where there is none to be had: an attempt in full will say why."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._way.line(endpoint.url, limit=self._limit)
        except Exception:
            return None

    def put_back(self, endpoint: Endpoint, line: PostLine) -> None:
        """A connection is free again. If it leads elsewhere than the endpoint by now, it is closed."""
        if not line.usable or line.url != endpoint.url:
            line.close()
            return
        kept = self._kept.pop(endpoint.id, [])
        kept.append((asyncio.get_running_loop().time(), line))
        self._kept[endpoint.id] = kept
        self._count += 1
        while self._count > self._most:
            self.close(next(iter(self._kept)))

    def close_idle(self) -> None:
        """Close what nobody has used for a while; looked at now and then."""
        now = asyncio.get_running_loop().time()
        if now < self._looked + LOOK_IDLE:
            return
        self._looked = now
        for endpoint_id, kept in list(self._kept.items()):
            while kept and (kept[0][0] <= now - KEEP or not kept[0][1].usable):
                kept.pop(0)[1].close()
                self._count -= 1
            if not kept:
                del self._kept[endpoint_id]

    def close(self, endpoint_id: int) -> None:
        """Close the connections to an endpoint."""
        kept = self._kept.pop(endpoint_id, [])
        self._count -= len(kept)
        for _, line in kept:
            line.close()

    def close_all(self, busy: Iterable[PostLine]) -> None:
        """Close everything, and these."""
        for endpoint_id in list(self._kept):
            self.close(endpoint_id)
        for line in busy:
            line.close()

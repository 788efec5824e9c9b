"""Work that one process does for all, as long as it has the lease for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from ulak.core.leases import Duty
from ulak.service.leases import Leases

LOOK = 1.0
"""Seconds between looks who is on duty."""

log = structlog.get_logger("ulak.work")

Work = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
"""Works until the event is set, and ends soon after that."""


class OnDuty:
    """Does a duty's work while it is this process's."""

    def __init__(self, leases: Leases, duty: Duty, work: Sequence[Work]) -> None:
        self._leases = leases
        self._duty = duty
        self._work = work

    async def run(self, stop: asyncio.Event) -> None:
        """Take the duty whenever nobody has it, until stopped."""
        while not stop.is_set():
            fence = await self._taken()
            if fence is not None:
                await self._serve(fence, stop)
            await _pause(stop)

    async def _taken(self) -> int | None:
        try:
            return await self._leases.acquire(self._duty) if await self._leases.is_free(self._duty) else None
        except Exception as error:
            log.warning("duty.not_taken", duty=self._duty.name.lower(), error=str(error))
            return None

    async def _serve(self, fence: int, stop: asyncio.Event) -> None:
        log.info("duty.taken", duty=self._duty.name.lower())
        done = asyncio.Event()
        work = [asyncio.create_task(each(done)) for each in self._work]
        try:
            while not stop.is_set() and await self._is_ours(fence):
                await _pause(stop)
        finally:
            done.set()
            for ended in await asyncio.gather(*work, return_exceptions=True):
                if isinstance(ended, BaseException):
                    log.error("duty.failed", duty=self._duty.name.lower(), exc_info=ended)
        try:
            await self._leases.release(self._duty, fence)
        except Exception as error:
            # The database is away; the others will see that this process is gone.
            log.warning("duty.not_released", duty=self._duty.name.lower(), error=str(error))

    async def _is_ours(self, fence: int) -> bool:
        try:
            return await self._leases.is_ours(self._duty, fence)
        except Exception as error:
            # Without the database none of this work does anything.
            log.warning("duty.not_looked_at", duty=self._duty.name.lower(), error=str(error))
            return True


async def _pause(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), LOOK)
    except TimeoutError:
        return

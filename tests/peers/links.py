"""A link and a simulator of ours that run for the length of a `with`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.peers.desk import RecordingDesk, until

from ulak.dialects.smpp.connect import SmppLink
from ulak.dialects.smpp.serve import Simulator, start_simulator
from ulak.dialects.smpp.settings import LinkSettings


async def soon(_: float) -> None:
    """In place of sleeping between two connections."""
    await asyncio.sleep(0.01)


@asynccontextmanager
async def linked(
    port: int, desk: RecordingDesk | None = None, *, wait: bool = True, **settings: Any
) -> AsyncIterator[tuple[SmppLink, RecordingDesk]]:
    """A started link to a port here, and its desk. It reconnects at once; `wait` until it is up."""
    desk = desk or RecordingDesk()
    words: dict[str, Any] = {"host": "127.0.0.1", "port": port, "system_id": "ulak"}
    link = SmppLink(LinkSettings(**words | settings), sleep=soon)
    await link.start(desk)
    try:
        if wait:
            await until(lambda: desk.up, "the link is up")
        yield link, desk
    finally:
        await link.stop()


@asynccontextmanager
async def simulated(**options: Any) -> AsyncIterator[Simulator]:
    """A simulator on a free port, with the options of `start_simulator`."""
    simulator = await start_simulator(**options)
    try:
        yield simulator
    finally:
        await simulator.close()

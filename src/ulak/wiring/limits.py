"""What slows customers who ask too much and strangers who guess, as it is configured."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import NamedTuple

from ulak.config import AUTH_FAILURES, Config
from ulak.service.guard import Guard
from ulak.service.limits import Counts, Penalty
from ulak.wiring.clock import now_ms


class Limits(NamedTuple):
    """What the doors count with. `shared` None: each process counts for itself."""

    guard: Guard
    shared: Counts | None


async def limits_of(config: Config, at_end: AsyncExitStack, *, share: bool) -> Limits:
    """Those of a server, which hangs up in the end where it shares them. `share` False: it answers nobody.

    Raises:
        UlakError: they cannot be shared as the configuration says.
    """
    shared = None
    if share and config.limits_url is not None:
        from ulak.shared import connect

        shared = await connect(config.limits_url, wait=config.limits_wait / 1000)
        at_end.push_async_callback(shared.close)
    failures = AUTH_FAILURES if config.auth_failures is None else config.auth_failures
    penalty = Penalty(failures, first=config.auth_pause) if failures else None
    return Limits(Guard(penalty, now_ms, shared=shared), shared)

"""`ulak smsc`: the simulated operator alone."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

from cyclopts import Parameter

from ulak.cli.common import DEFAULTS, Common


def smsc(
    *,
    port: Annotated[int, Parameter(help="port to listen on, 0 for any that is free")] = 2775,
    host: Annotated[str, Parameter(help="address to listen on")] = "127.0.0.1",
    password: Annotated[str | None, Parameter(help="the only password that may bind")] = None,
    common: Common = DEFAULTS,
) -> None:
    """Run the simulated operator until stopped. It keeps no data; any system_id and password may bind.

    With --password, five wrong ones in a minute are refused for a minute, and longer each further time.

    Prints its port and what numbers with certain last digits do; with --json {"port", "endings": {digits:
    what happens}}.
    """
    asyncio.run(_simulate(host, port, password, common))


async def _simulate(host: str, port: int, password: str | None, common: Common) -> None:
    from ulak import logs
    from ulak.wiring import ENDINGS, simulated_operator

    logs.configure(hooks=True)
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    async with simulated_operator(host, port, password) as bound:
        if common.json:
            common.show({"port": bound, "endings": ENDINGS})
        else:
            print(f"a simulated operator speaks SMPP 3.4 at {host} port {bound}", flush=True)
            print(endings(), flush=True)
        await stop.wait()


def endings() -> str:
    """The magic numbers, for people."""
    from ulak.wiring import ENDINGS

    lines = [f"  …{digits}  {what}" for digits, what in ENDINGS.items()]
    return "\n".join(["Numbers that end in these digits are special, all others are delivered:", *lines])

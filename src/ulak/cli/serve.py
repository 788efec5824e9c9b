"""`ulak serve`: the server in the foreground."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ulak.cli.common import Common, now_ms
from ulak.config import OPTIONS, Config, load
from ulak.store.engine import Database
from ulak.store.lock import serving

if TYPE_CHECKING:
    from ulak.wiring import Running


def _flag(name: str) -> Parameter:
    default = OPTIONS[name].default
    return Parameter(help=OPTIONS[name].help + (f" [{default}]" if default else ""), show_default=False)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ServerFlags(Common):
    """The flags of commands that serve."""

    host: Annotated[str | None, _flag("host")] = None
    port: Annotated[str | None, _flag("port")] = None
    role: Annotated[str | None, _flag("role")] = None
    public_url: Annotated[str | None, _flag("public_url")] = None
    trusted_proxy: Annotated[list[str] | None, _flag("trusted_proxy"), Parameter(negative="")] = None
    receipt_wait: Annotated[str | None, _flag("receipt_wait")] = None
    unit_price: Annotated[str | None, _flag("unit_price")] = None

    def server_options(self, data_name: str = "ulak") -> Config:
        """The options in force."""
        flags = {
            "data": self.data,
            "database": self.database,
            "config": self.config,
            "host": self.host,
            "port": self.port,
            "role": self.role,
            "public_url": self.public_url,
            "trusted_proxy": ",".join(self.trusted_proxy) if self.trusted_proxy else None,
            "receipt_wait": self.receipt_wait,
            "unit_price": self.unit_price,
        }
        return load(flags, data_name=data_name)


DEFAULTS = ServerFlags()
"""No flag given."""


def serve(*, flags: ServerFlags = DEFAULTS) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun.

    Prints one line once requests are answered: the address, or with --json {"url", "port", "pid"}. One server
    works on a directory of data at a time; with --database any number, each with a role.
    """
    from ulak.wiring import run_server

    config = flags.server_options()

    def ready(running: Running) -> None:
        if flags.json:
            flags.show({"url": running.url, "port": running.port, "pid": os.getpid()})
        else:
            print(f"ulak serves at {running.url} (data: {config.data})", flush=True)

    run(config, lambda stop: run_server(config, stop, ready))


def run(config: Config, work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Do a server's work until the process is asked to stop.

    Raises:
        UlakError: another server has the data.
    """
    import uvloop

    from ulak.cli import logs

    logs.configure()
    with (
        serving(Database(config.data, config.database, now_ms)),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_until_stopped(work))


async def _until_stopped(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    await work(stop)

"""`ulak serve`: the server in the foreground."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qsl, unquote, urlsplit

from cyclopts import Parameter

from ulak.cli.common import Common, now_ms
from ulak.cli.notify import READY, STOPPING, notify
from ulak.config import OPTIONS, Config, load
from ulak.core.keys import write_key
from ulak.store.engine import Database
from ulak.store.lock import serving

if TYPE_CHECKING:
    from ulak.wiring import Running

STOP_MAX = 15.0
"""Seconds that stopping may take: requests under way have five, then links and whoever is told have some."""


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


_SANDBOX_DATA = f"{OPTIONS['data'].help.removesuffix(']')}-sandbox]"


# Here, as the flags it inherits are read with the names of its own module.
@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SandboxFlags(ServerFlags):
    """The flags of a sandbox, whose data are not those of a server."""

    data: Annotated[str | None, Parameter(help=_SANDBOX_DATA, show_default=False)] = None


DEFAULTS = ServerFlags()
"""No flag given."""


def serve(*, flags: ServerFlags = DEFAULTS) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun.

    Prints one line once requests are answered: the address, or with --json {"url", "port", "pid"}. One server
    works on a directory of data at a time; with --database any number, each with a role.

    Options that have no flag here are variables (ULAK_DRAIN) or lines of the file that --config names: the
    README has all of them.
    """
    from ulak.wiring import run_server

    config = flags.server_options()

    def ready(running: Running) -> None:
        notify(READY)
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

    from ulak import logs

    logs.configure(form=config.log_format, secrets=_secrets(config), hooks=True)
    with (
        serving(Database(config.data, config.database, now_ms)),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_until_stopped(work, STOP_MAX + config.drain / 1000))


def _secrets(config: Config) -> list[str]:
    """What the options say that must not be in a log, as it may be written."""
    found = [config.metrics_token, config.nwc_uri, config.lnd_macaroon, config.lnbits_key]
    if config.nwc_uri is not None:
        found += [value for _, value in parse_qsl(urlsplit(config.nwc_uri).query)]
    for url in (config.database, config.limits_url):
        password = (urlsplit(url).password or "") if url is not None else ""
        found += [password, unquote(password)]
    if config.key is not None:
        found += [config.key.hex(), write_key(config.key)]
    return [secret for secret in found if secret]


async def _until_stopped(work: Callable[[asyncio.Event], Awaitable[None]], patience: float) -> None:
    """Work until a signal asks to stop. Who asks again, or waits for longer than `patience` seconds, gets an
    end without ceremony: what was not finished is found by whoever comes next, as after a crash."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked(sign: signal.Signals) -> None:
        if stop.is_set():
            os._exit(128 + sign)
        notify(STOPPING)
        stop.set()
        # In a thread: what does not end may be the loop itself.
        late = threading.Timer(patience, _end_late)
        late.daemon = True
        late.start()

    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, asked, sign)
    await work(stop)


def _end_late() -> None:
    import structlog

    structlog.get_logger("ulak").critical("stop.forced")
    os._exit(1)

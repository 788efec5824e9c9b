"""A server, put together and run."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from ulak.config import Config
from ulak.core.errors import UlakError
from ulak.core.leases import Role
from ulak.core.velocity import Velocities
from ulak.dialects import hooks
from ulak.dialects.door import Dialect, Reply
from ulak.dialects.iletimerkezi import manifest
from ulak.dialects.iletimerkezi.serve import Doors as IletimerkeziDoors
from ulak.outbound import Outbound
from ulak.service import dispatch, keys, orders, reports
from ulak.service.suppressions import Digest, NumberDigests
from ulak.store import schema
from ulak.store.engine import PATIENCE, Database
from ulak.store.presence import Presence
from ulak.store.vault import Vault
from ulak.store.writer import GroupKind
from ulak.wiring import http
from ulak.wiring.bells import Bells, Placing
from ulak.wiring.clock import now_ms
from ulak.wiring.hands import Hands
from ulak.wiring.kinds import Outside
from ulak.wiring.limits import limits_of
from ulak.wiring.numbers import Numbers
from ulak.wiring.parcels import Parcels
from ulak.wiring.readiness import Readiness
from ulak.wiring.watch import POLL, Watch
from ulak.workers.main import every
from ulak.workers.send import LinkRunner

LOCKED = 5.0
"""Seconds to wait for others that write to a SQLite file. Commands wait longer; who asks a server is told."""

ALIVE = 1.0
"""Seconds between signs that the event loop moves."""

GROUP_KINDS: dict[str, GroupKind] = {
    dispatch.STEP: GroupKind(dispatch.step_group),
    reports.REPORTS: GroupKind(reports.report_group),
    orders.PLACE: GroupKind(orders.place_group, orders.ids_needed),
    dispatch.CLAIM: GroupKind(dispatch.claim_group),
}
"""What is gathered, in the order in which a group decides it: what frees the windows goes first."""


def group_kinds(velocities: Velocities, digest: Digest) -> dict[str, GroupKind]:
    """The same, where orders have velocity limits, and erased numbers are known by digests."""
    place = partial(orders.place_group, velocities=velocities, digest=digest)
    return GROUP_KINDS | {orders.PLACE: GroupKind(place, orders.ids_needed)}


log = structlog.get_logger("ulak")


def open_database(config: Config, patience: float = PATIENCE) -> Database:
    """The configured database, at the schema this version needs. `patience`: seconds to wait for others that
    write to a SQLite file."""
    database = Database(config.data, config.database, now_ms, patience=patience)
    schema.prepare(database)
    return database


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    port: int
    url: str


async def run_server(
    config: Config, stop: asyncio.Event, ready: Callable[[Running], None] = lambda _running: None
) -> None:
    """Serve until `stop` is set, then finish what was begun. `ready` is called when the server listens,
    before it answers anybody."""
    connections_max = _connections(_more_files())
    role = Role[config.role.upper()]
    database = open_database(config, LOCKED)
    async with contextlib.AsyncExitStack() as at_end:
        listener = at_end.enter_context(contextlib.closing(_listen(config.host, config.port)))
        port = listener.getsockname()[1]
        url = config.public_url or f"http://{_shown(config.host)}:{port}"
        vault = Vault(config.data, config.key)
        presence = Presence(database, role)
        await asyncio.to_thread(presence.start)
        at_end.push_async_callback(asyncio.to_thread, presence.stop)
        velocities = Velocities(config.velocity)
        books = Placing(database, group_kinds(velocities, NumberDigests(vault)))
        at_end.push_async_callback(books.close)
        await books.write(partial(keys.agree, vault=vault))
        outbound = await at_end.enter_async_context(Outbound(config.callback_allow))
        outside = Outside(outbound, now_ms, config.data, books)
        parcels = Parcels(config, books, vault, outside, presence.name)
        at_end.push_async_callback(parcels.close)
        numbers = Numbers(config, books, vault, outside, presence.name, velocities)
        at_end.push_async_callback(numbers.close)
        watch = Watch(config, books, asyncio.get_running_loop().time)
        hands = None
        if role.works:
            hands = Hands(config, books, vault, outside, presence, parcels, numbers, watch.link)
            watch.links(partial(_runners, hands))
        books.bells = Bells(presence, numbers, hands)
        limits = await limits_of(config, at_end, share=role.answers)
        watch.guard(limits.guard)
        number_doors = numbers.doors(limits)
        doors: list[tuple[str, Dialect]] = []
        if role.answers:
            parcel_doors = parcels.doors(url, limits)
            doors = [
                (hooks.PREFIX, parcels.hooks(limits)),
                ("/v1/", IletimerkeziDoors(books, unit_price=config.unit_price, guard=limits.guard)),
                *((prefix, parcel_doors) for prefix in ("/api/", "/uploads/")),
                *await numbers.own_doors(limits),
                ("/", number_doors),
            ]
        pages = {manifest.PATH: Reply(200, manifest.manifest(url, now_ms()))} if role.answers else {}
        web = watch.web(doors, Readiness(books, hands, parcels, numbers).look, pages, presence.name[:6])
        server = http.server(web, connections_max)
        watch.connections(lambda: len(server.server_state.connections))
        server.on_start = lambda: ready(Running(port, url))
        await watch.look()
        if hands is not None:
            await hands.dispatcher.look()
        _calm_collector()
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        workers = [
            asyncio.create_task(every(ALIVE, partial(_show, presence), stop)),
            asyncio.create_task(every(POLL, watch.look, stop)),
        ]
        if hands is not None:
            workers += [asyncio.create_task(work(stop)) for work in hands.work]
        await _first(stop, serving)
        web.stopping = True
        # Whoever shares out requests has so long to notice.
        await asyncio.wait({serving}, timeout=config.drain / 1000)
        server.should_exit = True
        await serving
        stop.set()
        await asyncio.gather(*workers)


def _runners(hands: Hands) -> list[LinkRunner]:
    return hands.dispatcher.runners


async def _show(presence: Presence) -> None:
    presence.alive()


FILES = 16_384
"""Open files that a server may want: a connection is one, and a thousand callbacks may be on their way."""


def files_for(soft: int, hard: int) -> int:
    """How many files may be open, if so many may be now, and so many without asking for rights."""
    if soft == resource.RLIM_INFINITY:
        return FILES
    return max(soft, FILES if hard == resource.RLIM_INFINITY else min(FILES, hard))


def _more_files() -> int:
    """Let this process open as many files as it wants, if it may; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = files_for(soft, hard)
    if soft not in (resource.RLIM_INFINITY, files):
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return files


def _connections(files: int) -> int:
    """How many connections there may be at a time."""
    most = http.connections_for(files)
    if most < http.CONNECTIONS_MAX:
        log.warning("http.fewer_connections", connections=most, files=files)
    return most


def _calm_collector() -> None:
    """Keep the garbage collector from walking everything that was imported, again and again.

    What is there now stays for good; and what comes with a request has no cycles worth a look every 700
    objects. Full collections took a twentieth of the time and made the longest answers.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


async def _first(stop: asyncio.Event, serving: asyncio.Task[None]) -> None:
    """Wait until somebody wants us to stop, or the HTTP server has ended by itself."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; the port is free or there is a plain sentence about it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UlakError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    listener.listen(2048)
    return listener


def _shown(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host

"""A server, put together and run."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import resource
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from ulak.config import Config
from ulak.core.errors import UlakError
from ulak.core.ports import MessageLink
from ulak.dialects import hooks
from ulak.dialects.door import Dialect, Reply
from ulak.dialects.iletimerkezi import manifest
from ulak.dialects.iletimerkezi.serve import Doors as IletimerkeziDoors
from ulak.outbound import Outbound
from ulak.service import carriers as carrier_service
from ulak.service import dispatch, orders, reports
from ulak.service.carriers import Carrier
from ulak.service.endpoints import signing_key
from ulak.store import orders as order_store
from ulak.store import reports as report_store
from ulak.store import schema
from ulak.store.books import Books
from ulak.store.engine import Database, Tx
from ulak.store.vault import Vault
from ulak.store.writer import GroupKind
from ulak.web import Web
from ulak.wiring import http
from ulak.wiring.clock import now_ms
from ulak.wiring.kinds import CARRIER_KINDS, RENDERERS, Outside, carries_messages
from ulak.wiring.numbers import Numbers
from ulak.wiring.parcels import Parcels
from ulak.workers.announce import Announcer
from ulak.workers.callback import CallbackSender
from ulak.workers.main import Dispatcher, Outlook, every
from ulak.workers.send import Channel
from ulak.workers.sweep import Sweeper

SWEEP = 30.0
"""Seconds between passes of what time does by itself."""

ANNOUNCE = 0.25
"""Seconds between looks for large orders whose messages are to be announced."""

GROUP_KINDS: dict[str, GroupKind] = {
    dispatch.STEP: GroupKind(dispatch.step_group),
    reports.REPORTS: GroupKind(reports.report_group),
    orders.PLACE: GroupKind(orders.place_group, orders.ids_needed),
    dispatch.CLAIM: GroupKind(dispatch.claim_group),
}
"""What is gathered, in the order in which a group decides it: what frees the windows goes first."""


log = structlog.get_logger("ulak")


def open_database(config: Config) -> Database:
    """The configured database, at the schema this version needs."""
    database = Database(config.data, config.database, now_ms)
    schema.prepare(database)
    return database


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    port: int
    url: str


class _Placing(Books):
    """Books that wake the dispatcher when an order comes.

    They do so before it is placed: the claim then comes right behind it, mostly into the same transaction.
    """

    wake: Callable[[], None] = staticmethod(lambda: None)

    def gather(self, kind: str, item: Any) -> asyncio.Future[Any]:
        ticket = super().gather(kind, item)
        if kind == orders.PLACE:
            self.wake()
        return ticket


def _look(tx: Tx) -> Outlook:
    return Outlook(
        order_store.any_due(tx),
        frozenset(report_store.carriers_asked(tx)),
        carrier_service.active(tx),
    )


def _maker(vault: Vault, outside: Outside) -> Callable[[Carrier], tuple[Channel, MessageLink] | None]:
    def make(carrier: Carrier) -> tuple[Channel, MessageLink] | None:
        kind = CARRIER_KINDS.get(carrier.kind)
        if kind is None:
            raise UlakError(f"carrier {carrier.name!r}: this version knows no kind {carrier.kind!r}")
        if kind.link is None or not carries_messages(carrier):
            return None
        link = kind.link(carrier.settings(vault), outside)
        terms = carrier.terms
        channel = Channel(
            carrier.id, carrier.name, terms.prefix, terms.priority, terms.id_form, terms.on_uncertain
        )
        return channel, link

    return make


async def run_server(
    config: Config, stop: asyncio.Event, ready: Callable[[Running], None] = lambda _running: None
) -> None:
    """Serve until `stop` is set, then finish what was begun. `ready` is called when the server listens,
    before it answers anybody."""
    _more_files()
    database = open_database(config)
    async with contextlib.AsyncExitStack() as at_end:
        listener = at_end.enter_context(contextlib.closing(_listen(config.host, config.port)))
        port = listener.getsockname()[1]
        url = config.public_url or f"http://{_shown(config.host)}:{port}"
        vault = Vault(config.data, config.key)
        books = _Placing(database, GROUP_KINDS)
        at_end.push_async_callback(books.close)
        outbound = await at_end.enter_async_context(Outbound(config.callback_allow))
        outside = Outside(outbound, now_ms, config.data, books)
        process = secrets.token_hex(8)
        parcels = Parcels(config, books, vault, outside, process)
        at_end.push_async_callback(parcels.close)
        numbers = Numbers(config, books, vault, outside, process)
        at_end.push_async_callback(numbers.close)
        dispatcher = Dispatcher(books, look=_look, make=_maker(vault, outside), on_text=numbers.shop.wake)
        books.wake = dispatcher.wake
        sender = CallbackSender(
            books, outbound, RENDERERS, partial(signing_key, vault), random.random, now_ms
        )
        parcel_doors, number_doors = parcels.doors(url), numbers.doors()
        doors: list[tuple[str, Dialect]] = [
            (hooks.PREFIX, parcels.hooks),
            ("/v1/", IletimerkeziDoors(books, unit_price=config.unit_price)),
            *((prefix, parcel_doors) for prefix in ("/api/", "/uploads/")),
            *await numbers.own_doors(),
            ("/", number_doors),
        ]
        readiness = partial(_readiness, books, dispatcher, parcels, numbers)
        pages = {manifest.PATH: Reply(200, manifest.manifest(url, now_ms()))}
        web = Web(doors, readiness, trusted_proxies=config.trusted_proxy, pages=pages)
        server = http.server(web)
        server.on_start = lambda: ready(Running(port, url))
        await dispatcher.look()
        _calm_collector()
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        workers = [
            asyncio.create_task(dispatcher.run(stop)),
            asyncio.create_task(every(SWEEP, Sweeper(books, config.receipt_wait).sweep, stop)),
            asyncio.create_task(every(ANNOUNCE, Announcer(books, sender.wake).announce, stop)),
            *(asyncio.create_task(work(stop)) for work in (*parcels.work, *numbers.work, sender.run)),
        ]
        await _first(stop, serving)
        server.should_exit = True
        await serving
        stop.set()
        await asyncio.gather(*workers)


FILES = 16_384
"""Open files that a server may want: a connection is one, and a thousand callbacks may be on their way."""


def _more_files() -> None:
    """Let this process open as many files as it may without asking for rights."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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


async def _readiness(
    books: Books, dispatcher: Dispatcher, parcels: Parcels, numbers: Numbers
) -> dict[str, object]:
    """Whether orders can be taken and sent. Where no messages are carried, something else must be."""
    try:
        waiting = await asyncio.wait_for(books.read(order_store.waiting), 5)
        carriers, sources = await parcels.names(), await numbers.names()
    except Exception as error:
        return {"ready": False, "database": str(error) or type(error).__name__}
    links = {runner.channel.name: "up" if runner.up else "down" for runner in dispatcher.runners}
    ready = dispatcher.ready or (not links and bool(carriers or sources))
    return {
        "ready": ready,
        "database": "ok",
        "links": links,
        "parcel_carriers": carriers,
        "number_sources": sources,
        "orders_waiting": waiting,
    }


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

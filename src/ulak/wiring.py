"""Who gets what: the only file that knows everything."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import resource
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import structlog
import uvicorn

from ulak.carriers.karrio.carrier import KarrioCarrier
from ulak.carriers.karrio.carrier import check as check_karrio
from ulak.carriers.karrio.carrier import probe as probe_karrio
from ulak.carriers.karrio.settings import parse_settings as parse_karrio
from ulak.carriers.manual import ManualCarrier
from ulak.carriers.parcel_simulator import ENDINGS as FATES
from ulak.carriers.parcel_simulator import ParcelSimulator
from ulak.carriers.simulator import SimulatorLink
from ulak.config import Config
from ulak.core.callbacks import Renderer
from ulak.core.carriers import check_manual, check_simulator
from ulak.core.errors import StoreUnavailable, UlakError
from ulak.core.jobs import Job, JobKind
from ulak.core.ports import MessageLink
from ulak.core.pricing import Rates
from ulak.core.shipping import ParcelCarrier
from ulak.dialects import hooks
from ulak.dialects.comtohome import connect as comtohome
from ulak.dialects.comtohome.callbacks import RENDERER as COMTOHOME_CALLBACKS
from ulak.dialects.comtohome.callbacks import read_news as read_comtohome_news
from ulak.dialects.comtohome.serve import Doors as ComToHomeDoors
from ulak.dialects.iletimerkezi.serve import Doors as IletimerkeziDoors
from ulak.dialects.smpp.connect import LinkSettings, SmppLink, parse_settings, probe
from ulak.dialects.smpp.serve import MAGIC, start_simulator
from ulak.outbound import Outbound
from ulak.papers.logo import logo
from ulak.papers.printer import PaperPrinter
from ulak.service import carriers as carrier_service
from ulak.service import dispatch, orders, reports
from ulak.service.carriers import Carrier
from ulak.service.desk import Desk
from ulak.service.endpoints import signing_key
from ulak.service.fleet import Fleet
from ulak.store import jobs, schema
from ulak.store import orders as order_store
from ulak.store import reports as report_store
from ulak.store.books import Books
from ulak.store.engine import Database, Tx
from ulak.store.vault import Vault
from ulak.store.writer import GroupKind
from ulak.web import Web
from ulak.workers.callback import CallbackSender
from ulak.workers.main import Dispatcher, Outlook, every
from ulak.workers.parcels import ParcelWorker
from ulak.workers.send import Channel
from ulak.workers.sweep import Sweeper

SWEEP = 30.0
"""Seconds between passes of what time does by itself."""

GROUP_KINDS: dict[str, GroupKind] = {
    dispatch.STEP: GroupKind(dispatch.step_group),
    reports.REPORTS: GroupKind(reports.report_group),
    orders.PLACE: GroupKind(orders.place_group, orders.ids_needed),
    dispatch.CLAIM: GroupKind(dispatch.claim_group),
}
"""What is gathered, in the order in which a group decides it: what frees the windows goes first."""


class Outside(NamedTuple):
    """What the way to a parcel carrier is made with; in `directory` it keeps what it has to remember."""

    outbound: Outbound
    clock: Callable[[], int]
    directory: Path


@dataclass(frozen=True, slots=True)
class CarrierKind:
    """A kind of configured carrier: how its settings are checked, how its ways are made, and one is tried.

    `link` makes a way for messages, where `messages` says that it takes them with these settings; `parcels`
    makes one for parcels, None where it takes none. `news` reads what a carrier of this kind calls us about.
    """

    check: Callable[[Mapping[str, str]], object]
    probe: Callable[[Mapping[str, str]], Any]
    messages: Callable[[Mapping[str, str]], bool] = lambda _settings: False
    link: Callable[[Mapping[str, str]], MessageLink] | None = None
    parcels: Callable[[Mapping[str, str], Outside], ParcelCarrier | None] = lambda _settings, _outside: None
    news: hooks.Reader | None = None


SIMULATOR_WINDOW = 100

ENDINGS = {digits.decode(): fate.what for digits, fate in MAGIC.items()}
"""What the simulated operator does with numbers that end in these digits; all others are delivered."""

PARCEL_ENDINGS = {digits: fate.what for digits, fate in FATES.items()}
"""The same of the simulated carrier, with barcodes that customers bring along."""


def _to_simulator(port: int) -> MessageLink:
    return SmppLink(LinkSettings("127.0.0.1", "simulator", port, window=SIMULATOR_WINDOW))


async def _probe_own() -> str:
    return "it is part of the server"


def _simulated_link(_settings: Mapping[str, str]) -> MessageLink:
    return SimulatorLink(start_simulator, _to_simulator, SIMULATOR_WINDOW)


def _simulated_parcels(settings: Mapping[str, str], _outside: Outside) -> ParcelCarrier | None:
    return ParcelSimulator(settings) if settings.get("carries") == "parcels" else None


def _karrio(settings: Mapping[str, str], outside: Outside) -> ParcelCarrier:
    return KarrioCarrier(parse_karrio(settings), journal=outside.directory)


@contextlib.asynccontextmanager
async def simulated_operator(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
    """An operator that is made up, reached over SMPP; the port it listens on."""
    try:
        simulator = await start_simulator(host, port)
    except OSError as error:
        raise UlakError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    try:
        yield simulator.port
    finally:
        await simulator.close()


CARRIER_KINDS: dict[str, CarrierKind] = {
    "smpp": CarrierKind(
        check=parse_settings,
        probe=lambda settings: probe(parse_settings(settings)),
        messages=lambda _settings: True,
        link=lambda settings: SmppLink(parse_settings(settings)),
    ),
    "simulator": CarrierKind(
        check=check_simulator,
        probe=lambda _settings: _probe_own(),
        messages=lambda settings: settings.get("carries", "sms") == "sms",
        link=_simulated_link,
        parcels=_simulated_parcels,
    ),
    "manual": CarrierKind(
        check=check_manual,
        probe=lambda _settings: _probe_own(),
        parcels=lambda settings, _outside: ManualCarrier(settings),
    ),
    "comtohome": CarrierKind(
        check=comtohome.check_settings,
        probe=comtohome.probe,
        parcels=lambda settings, outside: comtohome.ComToHomeCarrier(
            settings, outside.outbound, outside.clock
        ),
        news=read_comtohome_news,
    ),
    "karrio": CarrierKind(
        check=check_karrio,
        probe=lambda settings: probe_karrio(parse_karrio(settings)),
        parcels=_karrio,
    ),
}


def carries_messages(carrier: Carrier) -> bool:
    """Whether a configured carrier takes messages."""
    kind = CARRIER_KINDS.get(carrier.kind)
    return kind is not None and kind.messages(carrier.shown)


RENDERERS: dict[str, Renderer] = {"comtohome": COMTOHOME_CALLBACKS}
"""The dialects that tell of events, and how."""

log = structlog.get_logger("ulak")


def now_ms() -> int:
    """The machine's clock; the only place where it is read for stored times."""
    return time.time_ns() // 1_000_000


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


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: the caller decides when to stop."""

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        return contextlib.nullcontext()


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


def _maker(vault: Vault) -> Callable[[Carrier], tuple[Channel, MessageLink] | None]:
    def make(carrier: Carrier) -> tuple[Channel, MessageLink] | None:
        kind = CARRIER_KINDS.get(carrier.kind)
        if kind is None:
            raise UlakError(f"carrier {carrier.name!r}: this version knows no kind {carrier.kind!r}")
        if kind.link is None or not carries_messages(carrier):
            return None
        link = kind.link(carrier.settings(vault))
        terms = carrier.terms
        channel = Channel(
            carrier.id, carrier.name, terms.prefix, terms.priority, terms.id_form, terms.on_uncertain
        )
        return channel, link

    return make


async def run_server(
    config: Config, stop: asyncio.Event, ready: Callable[[Running], None] = lambda _running: None
) -> None:
    """Serve until `stop` is set, then finish what was begun. `ready` is called once requests are answered."""
    _more_files()
    database = open_database(config)
    listener = _listen(config.host, config.port)
    port = listener.getsockname()[1]
    url = config.public_url or f"http://{_shown(config.host)}:{port}"
    vault = Vault(config.data, config.key)
    books = _Placing(database, GROUP_KINDS)
    dispatcher = Dispatcher(books, look=_look, make=_maker(vault))
    books.wake = dispatcher.wake
    parcels = _Parcels(config, books, vault)
    parcel_doors = parcels.doors(url)
    web = Web(
        [
            (hooks.PREFIX, parcels.hooks),
            ("/v1/", IletimerkeziDoors(books, unit_price=config.unit_price)),
            *((prefix, parcel_doors) for prefix in ("/api/", "/uploads/")),
        ],
        lambda: _readiness(books, dispatcher, parcels),
        trusted_proxies=config.trusted_proxy,
    )
    server = _Server(
        uvicorn.Config(
            web,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    )
    try:
        await dispatcher.look()
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        workers = [
            asyncio.create_task(dispatcher.run(stop)),
            asyncio.create_task(every(SWEEP, Sweeper(books, config.receipt_wait).sweep, stop)),
            *(asyncio.create_task(work(stop)) for work in parcels.work),
        ]
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        _calm_collector()
        ready(Running(port, url))
        await _first(stop, serving)
        server.should_exit = True
        await serving
        stop.set()
        await asyncio.gather(*workers)
    finally:
        listener.close()
        await parcels.close()
        await books.close()


class _Parcels:
    """All that has to do with parcels, and callbacks."""

    def __init__(self, config: Config, books: Books, vault: Vault) -> None:
        self._config = config
        self._books = books
        self._vault = vault
        self._outbound = Outbound(config.callback_allow)
        outside = Outside(self._outbound, now_ms, config.data)
        self._fleet = Fleet(partial(_way, vault, outside))
        rates = Rates(config.parcel_fee, config.parcel_vat, config.parcel_vat_abroad)
        process = secrets.token_hex(8)
        self._desk = Desk(books, self._fleet, rates, process=process)
        self._worker = ParcelWorker(books, self._desk, _Jobs(process))
        self._sender = CallbackSender(
            books, self._outbound, RENDERERS, partial(signing_key, vault), random.random, now_ms
        )
        self._nudges: set[asyncio.Task[None]] = set()

    def doors(self, url: str) -> ComToHomeDoors:
        """Where customers call us; `url` is how they reach the server."""
        return ComToHomeDoors(
            self._books,
            self._desk,
            printer=PaperPrinter(),
            public_url=lambda: url,
            link_key=self._vault.derive("links to labels"),
            logo=logo,
            limit=self._config.parcel_rate,
            nudge=self._nudge,
        )

    def _nudge(self, consignment_id: int) -> None:
        """Somebody asked for a parcel that its carrier was not asked about for long."""

        async def ask() -> None:
            try:
                await self._books.write(lambda tx: jobs.put(tx, JobKind.TRACK, consignment_id, tx.now))
            except StoreUnavailable:
                log.warning("parcel.not_nudged", consignment_id=consignment_id)

        task = asyncio.create_task(ask())
        self._nudges.add(task)
        task.add_done_callback(self._nudges.discard)

    @property
    def hooks(self) -> hooks.HookDoors:
        """Where carriers call us."""
        readers = {name: kind.news for name, kind in CARRIER_KINDS.items() if kind.news is not None}
        return hooks.HookDoors(self._books, readers, self._desk.told, self._vault, now_ms)

    @property
    def work(self) -> tuple[Callable[[asyncio.Event], Coroutine[Any, Any, None]], ...]:
        """What is to be done all the time. Each ends within seconds of being told to stop, by itself."""
        return self._worker.run, self._sender.run

    async def names(self) -> list[str]:
        """The parcel carriers that there are."""
        rows = await self._books.read(carrier_service.active)
        return [courier.row.name for courier in (await self._fleet.of(rows)).values()]

    async def close(self) -> None:
        """Hang up everywhere."""
        await self._fleet.close()
        await self._outbound.close()


LEASE = 120_000
"""How long a claimed job may take, ms, before somebody else takes it."""


class _Jobs:
    """The queue of jobs about parcels, with this process's name in its claims."""

    def __init__(self, process: str) -> None:
        self._process = process

    def due(self, tx: Tx) -> list[JobKind]:
        return [kind for kind in JobKind if jobs.any_due(tx, kind)]

    def claim(self, tx: Tx, kind: JobKind, limit: int) -> list[Job]:
        return jobs.claim(tx, kind, limit, LEASE, self._process)

    def release(self, tx: Tx) -> None:
        jobs.release(tx, claim_not=self._process)


def _way(vault: Vault, outside: Outside, carrier: Carrier) -> ParcelCarrier | None:
    """The way to a configured carrier of parcels; None where it is none, or cannot be used."""
    kind = CARRIER_KINDS.get(carrier.kind)
    if kind is None:
        log.error("carrier.unknown_kind", carrier=carrier.name, kind=carrier.kind)
        return None
    try:
        own = outside._replace(directory=outside.directory / "carriers" / str(carrier.id))
        return kind.parcels(carrier.settings(vault), own)
    except (UlakError, ValueError) as error:
        log.error("carrier.cannot_start", carrier=carrier.name, error=str(error))
        return None


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


async def _readiness(books: Books, dispatcher: Dispatcher, parcels: _Parcels) -> dict[str, object]:
    """Whether orders can be taken and sent. Where nothing but parcels is carried, those are what counts."""
    try:
        waiting = await asyncio.wait_for(books.read(order_store.waiting), 5)
        carriers = await parcels.names()
    except Exception as error:
        return {"ready": False, "database": str(error) or type(error).__name__}
    links = {runner.channel.name: "up" if runner.up else "down" for runner in dispatcher.runners}
    ready = dispatcher.ready or (not links and bool(carriers))
    return {
        "ready": ready,
        "database": "ok",
        "links": links,
        "parcel_carriers": carriers,
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

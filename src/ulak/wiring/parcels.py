"""All that has to do with parcels."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from ulak.config import Config
from ulak.core.errors import StoreUnavailable, UlakError
from ulak.core.jobs import OF_PARCELS, JobKind
from ulak.core.pricing import Rates
from ulak.core.shipping import ParcelCarrier
from ulak.dialects import hooks
from ulak.dialects.comtohome.serve import Doors as ComToHomeDoors
from ulak.papers.logo import logo
from ulak.papers.printer import PaperPrinter
from ulak.service import carriers as carrier_service
from ulak.service.carriers import Carrier
from ulak.service.desk import Desk
from ulak.service.fleet import Fleet
from ulak.store import jobs
from ulak.store.books import Books
from ulak.store.vault import Vault
from ulak.wiring.clock import now_ms
from ulak.wiring.kinds import CARRIER_KINDS, Outside
from ulak.wiring.limits import Limits
from ulak.wiring.queue import Queue
from ulak.workers.parcels import ParcelWorker

log = structlog.get_logger("ulak")


class Parcels:
    """The desk, its doors and its worker."""

    def __init__(self, config: Config, books: Books, vault: Vault, outside: Outside, process: str) -> None:
        """`process` names this process in claims of jobs."""
        self._config = config
        self._books = books
        self._vault = vault
        self._fleet = Fleet(partial(_way, vault, outside))
        rates = Rates(config.parcel_fee, config.parcel_vat, config.parcel_vat_abroad)
        self._desk = Desk(books, self._fleet, rates, process=process)
        self._worker = ParcelWorker(books, self._desk, Queue(process, OF_PARCELS))
        self._nudges: set[asyncio.Task[None]] = set()

    def doors(self, url: str, limits: Limits) -> ComToHomeDoors:
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
            guard=limits.guard,
            shared=limits.shared,
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

    def hooks(self, limits: Limits) -> hooks.HookDoors:
        """Where carriers call us."""
        readers = {name: kind.news for name, kind in CARRIER_KINDS.items() if kind.news is not None}
        return hooks.HookDoors(self._books, readers, self._desk.told, self._vault, now_ms, limits.guard)

    async def work(self, stop: asyncio.Event) -> None:
        """What is to be done all the time. It ends within seconds of being told to stop, by itself."""
        await self._worker.run(stop)

    async def names(self) -> list[str]:
        """The parcel carriers that there are."""
        return await self._fleet.names(await self._books.read(carrier_service.active))

    async def close(self) -> None:
        """Hang up everywhere."""
        await self._fleet.close()


def _way(vault: Vault, outside: Outside, carrier: Carrier) -> ParcelCarrier | None:
    """The way to a configured carrier of parcels; None where it is none, or cannot be used."""
    kind = CARRIER_KINDS.get(carrier.kind)
    if kind is None:
        log.error("carrier.unknown_kind", carrier=carrier.name, kind=carrier.kind)
        return None
    try:
        return kind.parcels(carrier, carrier.settings(vault), outside)
    except (UlakError, ValueError) as error:
        log.error("carrier.cannot_start", carrier=carrier.name, error=str(error))
        return None

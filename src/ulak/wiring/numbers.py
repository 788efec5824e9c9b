"""All that has to do with rented numbers, and with messages and credit that are paid by themselves."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from ulak.config import Config
from ulak.core.errors import UlakError
from ulak.core.jobs import OF_PURCHASES, JobKind
from ulak.core.numbers import NumberSource
from ulak.core.velocity import Velocities
from ulak.dialects import sandbox
from ulak.dialects.door import Dialect
from ulak.dialects.sms4sats.serve import Doors as Sms4satsDoors
from ulak.funding.lnurl import LightningAddresses
from ulak.outbound import check_url
from ulak.service import carriers as carrier_service
from ulak.service.carriers import Carrier
from ulak.service.fleet import SourceFleet
from ulak.service.prices import Prices
from ulak.service.referrals import Payouts
from ulak.service.shop import Shop
from ulak.store import settings
from ulak.store.books import Books
from ulak.store.vault import Vault
from ulak.wiring.clock import now_ms
from ulak.wiring.funding import funding_of
from ulak.wiring.kinds import CARRIER_KINDS, Outside
from ulak.wiring.limits import Limits
from ulak.wiring.queue import Queue
from ulak.workers.purchases import PurchaseWorker

log = structlog.get_logger("ulak")


class Numbers:
    """The shop, its doors, its worker and the node that takes the money."""

    def __init__(
        self,
        config: Config,
        books: Books,
        vault: Vault,
        outside: Outside,
        process: str,
        velocities: Velocities,
    ) -> None:
        """`process` names this process in claims of jobs."""
        self._config = config
        self._books = books
        self._funding = funding_of(config, books, vault, outside.outbound)
        self._fleet = SourceFleet(partial(_source, vault, outside))
        self._prices = Prices(config.prices)
        self.shop = Shop(
            books,
            funding=self._funding,
            sources=self._fleet,
            prices=self._prices,
            vault=vault,
            sender=config.number_sender,
            velocities=velocities,
        )
        payouts = Payouts(books, self._funding, LightningAddresses(outside.outbound))
        self._more = {JobKind.REFER: payouts.carry_out}
        self._queue = Queue(process, OF_PURCHASES)

    def doors(self, limits: Limits) -> Sms4satsDoors:
        """Where customers call us."""
        return Sms4satsDoors(
            self._books,
            self.shop,
            self._prices,
            limit=self._config.number_rate,
            errors_as_500=self._config.compat_errors,
            check_url=lambda url: check_url(url, self._config.callback_allow),
            clock=now_ms,
            guard=limits.guard,
            shared=limits.shared,
        )

    async def own_doors(self, limits: Limits) -> list[tuple[str, Dialect]]:
        """Where invoices of the node in memory can be paid; in a sandbox only."""
        is_sandbox = await self._books.read(lambda tx: settings.get(tx, settings.SANDBOX) == "on")
        if not is_sandbox or self._config.funding != "memory":
            return []
        from ulak.funding.memory import hash_in

        return [(sandbox.PREFIX, sandbox.SandboxDoors(self._books, hash_in, limits.guard))]

    async def work(self, stop: asyncio.Event) -> None:
        """What one process does all the time. It ends within seconds of being told to stop, by itself."""
        worker = PurchaseWorker(self._books, self.shop, self._queue, funding=self._funding, more=self._more)
        await worker.run(stop)

    async def names(self) -> list[str]:
        """The sources of numbers that there are."""
        return await self._fleet.names(await self._books.read(carrier_service.active))

    async def close(self) -> None:
        """Hang up everywhere."""
        await self.shop.close()
        await self._fleet.close()
        if self._funding is not None:
            await self._funding.close()


def _source(vault: Vault, outside: Outside, carrier: Carrier) -> NumberSource | None:
    """The way to a configured source of numbers; None where it is none, or cannot be used."""
    kind = CARRIER_KINDS.get(carrier.kind)
    if kind is None:
        return None  # The parcels' fleet has told of it.
    try:
        return kind.numbers(carrier, carrier.settings(vault), outside)
    except (UlakError, ValueError) as error:
        log.error("carrier.cannot_start", carrier=carrier.name, error=str(error))
        return None

"""What a process does that hands things to carriers: links, callbacks, parcels, numbers, and the upkeep."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from functools import partial

from ulak.config import Config
from ulak.core.errors import UlakError
from ulak.core.leases import Duty
from ulak.core.ports import MessageLink
from ulak.service import carriers as carrier_service
from ulak.service.carriers import Carrier
from ulak.service.endpoints import signing_key
from ulak.service.leases import Leases
from ulak.store import leases, processes
from ulak.store import orders as order_store
from ulak.store import reports as report_store
from ulak.store.books import Books
from ulak.store.engine import Tx
from ulak.store.presence import Presence
from ulak.store.vault import Vault
from ulak.wiring.clock import now_ms
from ulak.wiring.kinds import CARRIER_KINDS, RENDERERS, Outside, carries_messages
from ulak.wiring.numbers import Numbers
from ulak.wiring.parcels import Parcels
from ulak.workers.announce import Announcer
from ulak.workers.callback import CallbackSender
from ulak.workers.duty import OnDuty, Work
from ulak.workers.links import Outlook
from ulak.workers.main import Dispatcher, every
from ulak.workers.runs import Channel
from ulak.workers.sweep import Sweeper

SWEEP = 30.0
"""Seconds between passes of what time does by itself."""

ANNOUNCE = 0.25
"""Seconds between looks for large orders whose messages are to be announced."""


class Hands:
    """The workers of a process."""

    def __init__(
        self,
        config: Config,
        books: Books,
        vault: Vault,
        outside: Outside,
        presence: Presence,
        parcels: Parcels,
        numbers: Numbers,
        watched: Callable[[str, MessageLink], MessageLink],
    ) -> None:
        """`watched` makes of a link, whose carrier has this name, one that is looked at."""
        held = Leases(books, lambda: presence.id)
        self.dispatcher = Dispatcher(
            books, look=_look, make=_maker(vault, outside, watched), leases=held, on_text=numbers.shop.wake
        )
        self.callbacks = CallbackSender(
            books,
            outside.outbound,
            RENDERERS,
            partial(signing_key, vault),
            random.random,
            now_ms,
            lambda: presence.id,
        )
        sweeper = Sweeper(books, config.receipt_wait)
        announcer = Announcer(books, self.callbacks.wake)

        async def sweep(stop: asyncio.Event) -> None:
            await every(SWEEP, sweeper.sweep, stop)

        async def announce(stop: asyncio.Event) -> None:
            await every(ANNOUNCE, announcer.announce, stop)

        self.work: Sequence[Work] = (
            self.dispatcher.run,
            self.callbacks.run,
            parcels.work,
            OnDuty(held, Duty.UPKEEP, (sweep, announce)).run,
            OnDuty(held, Duty.PURCHASES, (numbers.work,)).run,
        )
        """What is to be done all the time. Each ends within seconds of being told to stop, by itself."""


def _look(tx: Tx) -> Outlook:
    return Outlook(
        order_store.any_due(tx),
        frozenset(report_store.carriers_asked(tx)),
        carrier_service.active(tx),
        leases.tenures(tx),
        frozenset(peer.id for peer in processes.peers(tx) if peer.role.works),
    )


def _maker(
    vault: Vault, outside: Outside, watched: Callable[[str, MessageLink], MessageLink]
) -> Callable[[Carrier], tuple[Channel, MessageLink] | None]:
    def make(carrier: Carrier) -> tuple[Channel, MessageLink] | None:
        kind = CARRIER_KINDS.get(carrier.kind)
        if kind is None:
            raise UlakError(f"carrier {carrier.name!r}: this version knows no kind {carrier.kind!r}")
        if kind.link is None or not carries_messages(carrier):
            return None
        link = watched(carrier.name, kind.link(carrier.settings(vault), outside))
        terms = carrier.terms
        channel = Channel(
            carrier.id, carrier.name, terms.prefix, terms.priority, terms.id_form, terms.on_uncertain
        )
        return channel, link

    return make

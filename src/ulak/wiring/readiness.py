"""Whether orders can be taken and sent."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from ulak.core.leases import Tenure
from ulak.service import carriers as carrier_service
from ulak.service.carriers import Carrier
from ulak.store import leases, processes
from ulak.store import orders as order_store
from ulak.store.books import Books
from ulak.store.engine import Tx
from ulak.wiring.hands import Hands
from ulak.wiring.kinds import CARRIER_KINDS, carries_messages
from ulak.wiring.numbers import Numbers
from ulak.wiring.parcels import Parcels
from ulak.workers.measured import PAUSED

WAITING_MAX = 10_000
"""Orders that wait are counted so far; whoever looks must not cost more, the more of them there are."""

PATIENCE = 5.0
"""Seconds that the database has to say how things stand."""


class _Stand(NamedTuple):
    waiting: int
    carriers: list[Carrier]
    tenures: dict[int, Tenure]
    present: set[int]


class Readiness:
    """Looks at the database, and at the links wherever they are worked."""

    def __init__(self, books: Books, hands: Hands | None, parcels: Parcels, numbers: Numbers) -> None:
        self._books = books
        self._hands = hands
        self._parcels = parcels
        self._numbers = numbers
        self._looking: asyncio.Task[dict[str, object]] | None = None

    async def look(self) -> dict[str, object]:
        """What is in order and what is not. Whoever asks meanwhile gets the same answer."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())
        return await asyncio.shield(self._looking)

    async def _look(self) -> dict[str, object]:
        """Where no messages are carried, something else must be in order."""
        try:
            async with asyncio.timeout(PATIENCE):
                stand = await self._books.read(_stand)
                parcels, sources = await self._parcels.names(), await self._numbers.names()
        except Exception as error:
            return {"ready": False, "database": str(error) or type(error).__name__}
        links = self._links(stand)
        # A link that is paused is up: orders are taken, and wait on purpose.
        able = any(state != "down" for state in links.values())
        return {
            "ready": able or (not links and bool(parcels or sources)),
            "database": "ok",
            "links": links,
            "parcel_carriers": parcels,
            "number_sources": sources,
            "orders_waiting": stand.waiting,
        }

    def _links(self, stand: _Stand) -> dict[str, str]:
        """The links by name, and how each stands: up, paused or down. Of our own we know best."""
        ours = (
            {} if self._hands is None else {r.channel.carrier_id: r for r in self._hands.dispatcher.runners}
        )
        links = {}
        for carrier in stand.carriers:
            kind = CARRIER_KINDS.get(carrier.kind)
            if kind is None or kind.link is None or not carries_messages(carrier):
                continue
            if carrier.id in ours:
                links[carrier.name] = _state(ours[carrier.id].up, ours[carrier.id].why)
                continue
            tenure = stand.tenures.get(carrier.id)
            is_worked = tenure is not None and tenure.holder in stand.present
            links[carrier.name] = _state(tenure.up, tenure.why) if tenure and is_worked else "down"
        return links


def _state(up: bool, why: str) -> str:
    return "up" if up else "paused" if why == PAUSED else "down"


def _stand(tx: Tx) -> _Stand:
    return _Stand(
        order_store.waiting(tx, WAITING_MAX),
        carrier_service.active(tx),
        leases.tenures(tx),
        {peer.id for peer in processes.peers(tx)},
    )

"""Who is woken when there is something to do: workers of this process, and those of others.

Nothing depends on a bell: everything that is due is also found by looking.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ulak.service import orders
from ulak.store.books import Books
from ulak.store.presence import Presence
from ulak.wiring.hands import Hands
from ulak.wiring.numbers import Numbers

ORDERS, PURCHASES = "orders", "purchases"


class Placing(Books):
    """Books that tell when an order comes."""

    bells: Bells | None = None

    def gather(self, kind: str, item: Any) -> asyncio.Future[Any]:
        ticket = super().gather(kind, item)
        if kind == orders.PLACE and self.bells is not None:
            self.bells.order_comes(ticket)
        return ticket


class Bells:
    """The bells of a process."""

    def __init__(self, presence: Presence, numbers: Numbers, hands: Hands | None) -> None:
        self._presence = presence
        self._numbers = numbers
        self._hands = hands
        loop = asyncio.get_running_loop()

        def hear(what: str) -> None:
            loop.call_soon_threadsafe(self._heard, what)

        presence.on_news = hear
        numbers.shop.on_wake = lambda: presence.ring(PURCHASES)

    def order_comes(self, ticket: asyncio.Future[Any]) -> None:
        """An order is to be placed.

        Our own dispatcher is woken before it is: the claim then comes right behind it, mostly into the same
        transaction. Others are told after it is on disk.
        """
        if self._hands is not None:
            self._hands.dispatcher.wake()
        if len(self._presence.peers) > 1:
            ticket.add_done_callback(lambda _: self._presence.ring(ORDERS))

    def _heard(self, what: str) -> None:
        if self._hands is None:
            return
        if what == ORDERS:
            self._hands.dispatcher.wake()
        elif what == PURCHASES:
            self._numbers.shop.woken.set()

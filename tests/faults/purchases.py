"""Numbers and messages that are bought and paid for over Lightning, on a server that dies on their way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.chain.number_rig import MINUTE, SECOND, Buyer, Order
from tests.chain.test_number_crash import (
    NUMBERS,
    SATS,
    Seen,
    Story,
    check_money,
    check_what_was_seen,
    time_runs_out,
)
from tests.faults.lives import Mortal

from ulak.store.engine import Database

PAID = ("wait1", "wait1", "none", "message", "refused")
"""What is bought: codes that come, a number that there is not, a message that arrives, one that does not."""


class Purchases:
    """The customers and their payers, who survive; and what they know."""

    def __init__(self, server: Mortal, chance: random.Random) -> None:
        self.server = server
        self.story = Story()
        self._chance = chance
        self._key = server.key("alice", SATS)

    # What is done on the way to a point

    async def visit(self, point: str, nth: int = 1, *more: str) -> None:
        """Die at a point, the nth time that the code comes there; `more` is what is done at others."""
        await VISITS[point](self, point, [f"{point}:{nth}=kill", *more])

    async def selling(self, point: str, acts: list[str]) -> None:
        """Orders that nobody has paid yet."""
        await self.server.life(*acts)
        async for _ in self.server.living():
            await self._order("wait1")
        await self.server.dies(point)

    async def prepaying(self, point: str, acts: list[str]) -> None:
        """Orders that a balance pays for."""
        await self.server.life(*acts)
        async for _ in self.server.living():
            await self._order("wait1", immediate=True)
        await self.server.dies(point)

    async def paying(self, point: str, acts: list[str]) -> None:
        """Orders that are paid, until the server dies of what follows; the time that a code takes passes."""
        await self.server.life(*acts)
        async for _ in self.server.living():
            seen = await self._order(self._chance.choice(PAID))
            if seen is not None:
                seen.payment = await asyncio.to_thread(self.server.pay, seen.order.payreq)
            self.server.advance(SECOND)
            await asyncio.sleep(0.02)
        await self.server.dies(point)

    async def cancelling(self, point: str, acts: list[str]) -> None:
        """Orders that their customer does not want any more."""
        await self.server.life(*acts)
        async for _ in self.server.living():
            seen = await self._order("wait1")
            if seen is not None:
                await self._asked(lambda buyer: buyer.ask("GET", f"/cancelorder?orderId={seen.order.id}"))  # noqa: B023
        await self.server.dies(point)

    async def ageing(self, point: str, acts: list[str]) -> None:
        """Orders that nobody pays in the time there is."""
        await self.server.life()
        await self._order("wait1")
        self.server.kill()
        self.server.advance(22 * MINUTE)
        await self.server.life(*acts)
        await self.server.dies(point)

    # What customers do

    async def _order(self, kind: str, **fields: Any) -> Seen | None:
        """One order; None if the server dies over it: nobody knows what became of it."""

        async def ask(buyer: Buyer) -> Order:
            if kind in NUMBERS:
                return await buyer.message(NUMBERS[kind], **fields)
            return await buyer.order(kind, **fields)

        order = await self._asked(ask)
        if order is None:
            self.story.lost += 1
            return None
        self.story.seen.append(Seen(order))
        return self.story.seen[-1]

    async def _asked(self, ask: Callable[[Buyer], Awaitable[Any]]) -> Any:
        buyer = Buyer(self.server, self._key)
        try:
            return await ask(buyer)
        except OSError:
            return None
        finally:
            await buyer.close()

    # What must be true in the end

    async def end(self) -> None:
        """A last life, in which time runs out for everything; and look at all that was seen."""
        await self.server.life()
        await time_runs_out(self.server)
        await check_what_was_seen(self.server, self.story)
        check_money(self.server, self.story)
        assert self.server.findings() == []


Visit = Callable[[Purchases, str, list[str]], Awaitable[None]]

_PAYING = (
    *("payment.heard", "payment.noted", "number.buying", "number.bought", "number.assigned", "code.heard"),
    *("code.stored", "money.moving", "money.moved", "money.concluded", "number.finishing", "number.finished"),
)

VISITS: dict[str, Visit] = {
    **dict.fromkeys(("purchase.opened", "purchase.invoiced", "purchase.sold"), Purchases.selling),
    "purchase.prepaid": Purchases.prepaying,
    **dict.fromkeys(_PAYING, Purchases.paying),
    "purchase.cancelled": Purchases.cancelling,
    "purchase.aged": Purchases.ageing,
}
"""How each point is come to."""


OFTEN = frozenset((*_PAYING, "purchase.opened", "purchase.invoiced", "purchase.sold", "purchase.prepaid"))
"""Those that are come to again and again."""


@asynccontextmanager
async def purchases(database: Database, chance: random.Random) -> AsyncIterator[Purchases]:
    """Customers, and no server yet."""
    server = Mortal(database, funding="memory")
    server.source()
    server.source("operator", carries="sms")
    try:
        yield Purchases(server, chance)
    finally:
        await server.close()

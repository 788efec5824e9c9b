"""Parcels that are booked, labelled, followed and taken back, on a server that dies on their way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from tests.chain.parcel_rig import CREDIT, PRICE, Shop, Upstream, account, add_carrier
from tests.chain.rig import Answer, Http, until
from tests.faults.lives import Mortal

from ulak.core.ledger import TRY
from ulak.service import accounts
from ulak.store import ledger
from ulak.store.engine import Database, Tx

HOUR = 60 * 60 * 1_000
ENDS = 30.0
"""Seconds until everything is as it is to be, on a machine however busy."""


CANCELLED = 130

_JOBS = "SELECT count(*) FROM job WHERE kind = 1"


@dataclass
class Wish:
    """A parcel that a customer wants under a key, by a carrier, and what is known of it."""

    point: str
    key: str
    carrier: str
    made: dict[str, Any] | None = None
    cancelled: bool = False
    label: bytes | None = None


class Parcels:
    """The customer and the carrier, who survive; and what they know."""

    def __init__(self, server: Mortal, upstream: Upstream, chance: random.Random) -> None:
        self.server = server
        self.wishes: list[Wish] = []
        self._upstream = upstream
        self._chance = chance
        self._numbers = count(1)
        self._key = account(server, "acme")
        self._carriers: dict[str, int] = dict(server.sql("SELECT name, id FROM carrier"))

    # What is done on the way to a point

    async def visit(self, point: str, nth: int = 1, *more: str) -> None:
        """Die at a point, the nth time that the code comes there; `more` is what is done at others."""
        await VISITS[point](self, point, [f"{point}:{nth}=kill", *more])

    async def booking(self, point: str, acts: list[str]) -> None:
        """Parcels are booked until the server dies of it."""
        await self.server.life(*acts)
        async for _ in self.server.living():
            await self._ask(self._wish(point, "way"))
        await self.server.dies(point)

    async def resuming(self, point: str, acts: list[str]) -> None:
        """The booking that one process began is found by the next."""
        await self.booking("booking.begun", ["booking.begun=kill"])
        await self.server.life(*acts)
        await self.server.dies(point)

    async def cancelling(self, point: str, acts: list[str]) -> None:
        """Parcels are taken back until the server dies of it."""
        await self.server.life(*acts)
        async for _ in self.server.living():
            wish = self._wish(point, "way")
            await self._ask(wish)
            if wish.made is not None:
                wish.cancelled = True
                await self._answered("POST", f"/consignments/{wish.key}/cancel")
        await self.server.dies(point)

    async def labelling(self, point: str, acts: list[str]) -> None:
        """Labels are downloaded until the server dies of it."""
        await self.server.life(*acts)
        async for _ in self.server.living():
            wish = self._wish(point, "sim")
            await self._ask(wish)
            if wish.made is not None:
                wish.label = await self._label(wish)
        await self.server.dies(point)

    async def following(self, point: str, acts: list[str]) -> None:
        """A parcel travels, and its carrier is asked about it."""
        await self.server.life()
        await self._ask(self._wish(point, "sim"))
        self.server.kill()
        self.server.advance(3 * HOUR)
        await self.server.life(*acts)
        await self.server.dies(point)

    # What the customer does

    def _wish(self, point: str, carrier: str) -> Wish:
        wish = Wish(point, f"order-{next(self._numbers)}", carrier)
        self.wishes.append(wish)
        return wish

    async def _ask(self, wish: Wish) -> Answer | None:
        """Ask for a parcel, once; None if the server dies over it."""
        shop = Shop(self.server, self._key)
        chosen = {"preference": 0, "provider_id": self._carriers[wish.carrier]}
        try:
            answer = await shop.post(wish.key, reference_no=wish.key, **chosen)
        except OSError:
            return None
        if answer.status == 200:
            data = answer.json["data"]
            assert wish.made in (None, data), wish
            wish.made = data
        else:
            assert (answer.status, answer.headers.get("retry-after")) == (409, "1"), answer.body
        return answer

    async def _answered(self, method: str, path: str) -> Answer | None:
        try:
            return await Shop(self.server, self._key).ask(method, path)
        except OSError:
            return None

    async def _label(self, wish: Wish) -> bytes | None:
        """The file of its label; None if the server dies over it."""
        http = Http(self.server.port)
        self.server.closes(http)
        assert wish.made is not None
        url = urlsplit(wish.made["labels"][0]["file_url"])._replace(scheme="", netloc="").geturl()
        try:
            answer = await http.ask("GET", url)
        except OSError:
            return None
        assert (answer.status, answer.body[:5]) == (200, b"%PDF-"), answer
        return answer.body

    # What must be true in the end

    async def end(self) -> None:
        """A last life, in which everybody comes until he is answered; and look at all that was seen."""
        server = self.server
        await server.life()
        for wish in self.wishes:
            while wish.made is None:
                await self._ask(wish)
                await asyncio.sleep(0.02)
        await until(lambda: server.sql(_JOBS) == [(0,)], ENDS, "no booking is open")
        await self._check_cancelled()
        await self._check_rows()
        await self._check_labels()
        self._check_carrier()
        self._check_money()

    async def _check_cancelled(self) -> None:
        """Whoever comes again is told that it was done before, or it is done now."""
        for wish in self.wishes:
            if wish.cancelled:
                again = await self._answered("POST", f"/consignments/{wish.key}/cancel")
                assert again is not None, wish
                assert again.status in (200, 409), (wish, again.body)

    async def _check_rows(self) -> None:
        """Every key is one consignment, as it was answered, and what was seen of it was noted once."""
        rows = await Shop(self.server, self._key).every()
        known = {row["reference_no"]: row for row in rows}
        assert sorted(known) == sorted(wish.key for wish in self.wishes)
        assert len(rows) == len(known)
        for wish in self.wishes:
            row = known[wish.key]
            assert wish.made is not None
            assert (row["id"], row["barcode"]) == (wish.made["consignment"], wish.made["barcode"]), wish
            assert row["status"] == CANCELLED if wish.cancelled else row["status"] != CANCELLED, wish
        doubled = "SELECT consignment_id, label_id, digest FROM sighting GROUP BY 1, 2, 3 HAVING count(*) > 1"
        assert self.server.sql(doubled) == []

    async def _check_labels(self) -> None:
        """A label is what it was when somebody had it first."""
        for wish in self.wishes:
            if wish.carrier == "sim":
                first, again = await self._label(wish), await self._label(wish)
                assert first == again
                assert wish.label in (None, first), wish

    def _check_carrier(self) -> None:
        """The carrier was asked for each of its parcels with one key and one body, and has no other."""
        bookings = self._upstream.bookings
        assert {len({asked.body for asked in known}) for known in bookings.values()} <= {1}
        keys = [known[0].json["reference_no"] for known in bookings.values()]
        made = {row[0] for row in self.server.sql("SELECT barcode FROM consignment")}
        assert len(keys) == len(set(keys)) == sum(wish.carrier == "way" for wish in self.wishes)
        assert set(keys) <= made

    def _check_money(self) -> None:
        """What was spent is the price of the parcels that were not taken back."""
        paid = PRICE * sum(not wish.cancelled for wish in self.wishes)

        def purse(tx: Tx) -> tuple[int, int, int]:
            found = ledger.of_account(tx, accounts.named(tx, "acme").id)[TRY]
            return found.available, found.held, found.spent

        assert self.server.read(purse) == (CREDIT - paid, 0, paid)
        assert self.server.findings() == []


Visit = Callable[[Parcels, str, list[str]], Awaitable[None]]

_BOOKING = ("booking.begun", "booking.answered", "booking.decided", "booking.concluded")

VISITS: dict[str, Visit] = {
    **dict.fromkeys(_BOOKING, Parcels.booking),
    "booking.resuming": Parcels.resuming,
    **dict.fromkeys(("parcel.cancelling", "parcel.cancel_answered", "parcel.cancelled"), Parcels.cancelling),
    **dict.fromkeys(("label.printed", "label.kept"), Parcels.labelling),
    **dict.fromkeys(("parcel.looked", "parcel.merged"), Parcels.following),
}
"""How each point is come to."""


OFTEN = frozenset(_BOOKING)
"""Those that are come to again and again."""


@asynccontextmanager
async def parcels(database: Database, chance: random.Random) -> AsyncIterator[Parcels]:
    """A customer and a carrier, and no server yet."""
    server = Mortal(database)
    upstream = Upstream((0.0, 0.01))
    url = await upstream.start()
    try:
        add_carrier(server, "way", "comtohome", url=url, apikey="key", base="20", per_kilo="16")
        add_carrier(server, "sim", "simulator", carries="parcels")
        yield Parcels(server, upstream, chance)
    finally:
        await server.close()
        await upstream.close()

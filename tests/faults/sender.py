"""Sending as a server does it, in this process: the real writer and dispatcher, links that reconnect at once.

So a link can break a thousand times in a second or two, and time is a clock that tests move.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from tests import cast
from tests.chain.rig import HOST, until
from tests.chain.smsc import Smsc
from tests.conftest import ClockedBooks, FakeClock
from tests.peers.links import soon

from ulak.core.leases import Role
from ulak.core.orders import Placed, TextDraft
from ulak.dialects.smpp.connect import SmppLink
from ulak.dialects.smpp.settings import parse_settings
from ulak.service import audit, carriers, doubts
from ulak.service.carriers import Carrier
from ulak.service.leases import Leases
from ulak.service.orders import PLACE
from ulak.store import leases, processes
from ulak.store import orders as order_store
from ulak.store import reports as report_store
from ulak.store.engine import Database, Sql, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_read, sync_write
from ulak.wiring import CARRIER_KINDS, GROUP_KINDS
from ulak.workers.links import Outlook
from ulak.workers.main import Dispatcher
from ulak.workers.runs import Channel

Operator = TypeVar("Operator", bound=Smsc)

FINAL = 20.0
"""Seconds until everything is final, on a machine however busy."""

CREDIT = 1_000_000
_OPEN = Sql("SELECT count(*) FROM sms_order WHERE state NOT IN (13, 14, 15)")
_STRAYS = Sql("SELECT count(*) FROM stray_report")


class Sender:
    """A customer's orders, sent over links."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.who = cast.alice(database, CREDIT)
        self.orders: list[int] = []
        self._numbers = 905_300_000_000
        self._stop = asyncio.Event()
        self.books = ClockedBooks(database, GROUP_KINDS)
        self._vault = Vault(database.directory)
        self._process = sync_write(database, _begin)
        own = Leases(self.books, lambda: self._process)
        self._dispatcher = Dispatcher(self.books, look=self._look, make=self._make, leases=own)
        self._running = asyncio.create_task(self._dispatcher.run(self._stop))

    def carrier(self, port: int, **words: Any) -> None:
        """A link to an operator at this port, named `link`."""
        settings = {"host": HOST, "port": str(port), "system_id": "link", "password": "secret"}
        settings |= {name: str(value) for name, value in words.items()}
        check = CARRIER_KINDS["smpp"].check
        sync_write(self.database, lambda tx: carriers.add(tx, "link", "smpp", settings, check, self._vault))

    def _make(self, carrier: Carrier) -> tuple[Channel, SmppLink]:
        link = SmppLink(parse_settings(carrier.settings(self._vault)), sleep=soon)
        terms = carrier.terms
        words = (terms.prefix, terms.priority, terms.id_form, terms.on_uncertain)
        return Channel(carrier.id, carrier.name, *words), link

    def _look(self, tx: Tx) -> Outlook:
        return Outlook(
            order_store.any_due(tx),
            frozenset(report_store.carriers_asked(tx)),
            carriers.active(tx),
            leases.tenures(tx),
            frozenset([self._process]),
        )

    async def up(self) -> None:
        """The link is up."""
        await until(lambda: self._dispatcher.ready, 10, "the link is up", pause=0.002)

    async def order(self, size: int, parts: int = 1) -> list[int]:
        """An order to so many numbers that nobody has; the numbers."""
        numbers = cast.numbers(size, self._numbers + 1)
        self._numbers += size
        texts: Sequence[TextDraft] = [cast.text(numbers, "x" * (60, 200, 350)[parts - 1], parts)]
        self._dispatcher.wake()
        placed = await self.books.gather(PLACE, cast.submission(self.who, cast.draft(self.who.sender, texts)))
        assert isinstance(placed, Placed)
        self.orders.append(placed.number)
        return numbers

    async def open(self) -> int:
        """How many orders are not final."""
        rows: list[tuple[int]] = await self.books.read(lambda tx: tx.all(_OPEN))
        return rows[0][0]

    async def final(self) -> None:
        """Wait until all are."""

        async def none_open() -> bool:
            return await self.open() == 0

        await until(none_open, FINAL, "everything is final", pause=0.005)

    def unsure(self) -> set[int]:
        """Numbers whose messages may have gone twice."""
        return {message.number for message in self.read(lambda tx: list(doubts.listing(tx)))}

    def resend(self) -> list[int]:
        """Let everything that is held go again; what that is."""
        return sync_write(self.database, lambda tx: doubts.resend(tx, None))

    def strays(self) -> int:
        """Reports that are kept because they had no effect, or none yet."""
        return int(self.read(lambda tx: tx.all(_STRAYS))[0][0])

    def read(self, question: Any) -> Any:
        """A question beside the sender."""
        return sync_read(self.database, question)

    def states(self) -> dict[int, int]:
        """What became of each number, as the customer sees it."""
        reports = [cast.report_of(self.database, self.who, number) for number in self.orders]
        return {int(row.shown): int(row.state) for report in reports for row in report.messages}

    def in_order(self, smsc: Smsc) -> None:
        """Nothing went twice that is not listed, and everything is as it must be."""
        repeated = {number for (number, _), times in smsc.counts.items() if times > 1}
        assert repeated <= self.unsure(), repeated - self.unsure()
        assert self.read(audit.check) == []

    async def close(self) -> None:
        """Stop the link and the store."""
        self._stop.set()
        await self._running
        await self.books.close()


def _begin(tx: Tx) -> int:
    """It knows that those before it are gone."""
    for peer in processes.peers(tx):
        processes.bury(tx, peer.id)
    return processes.register(tx, secrets.token_hex(8), Role.ALL, "here", "1")


@asynccontextmanager
async def sending(database: Database) -> AsyncIterator[Sender]:
    """A sender for the length of a `with`."""
    sender = Sender(database)
    try:
        yield sender
    finally:
        await sender.close()


@asynccontextmanager
async def operating(smsc: Operator) -> AsyncIterator[Operator]:
    """An operator for the length of a `with`."""
    await smsc.open()
    try:
        yield smsc
    finally:
        await smsc.close()


def advance(clock: FakeClock, hours: float) -> None:
    """Put the clock of a database forward."""
    clock.advance(round(hours * cast.HOUR))


until_soon = partial(until, pause=0.002)

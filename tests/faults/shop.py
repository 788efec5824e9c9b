"""Customers who order all the time, whatever becomes of the database, and remember what they were told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from tests import cast
from tests.chain.rig import until
from tests.dialects.iletimerkezi.office import Office
from tests.faults.flows import refused

from ulak.service import audit
from ulak.store.books import Books
from ulak.store.engine import Database, Sql
from ulak.store.writer import sync_read
from ulak.wiring import GROUP_KINDS

CUSTOMERS = 8
CREDIT = 1_000_000
AGAIN = 30.0
"""Seconds in which a server has to take orders again, on a machine however busy."""

Record = Callable[[str, object], None]

_TEXTS = Sql("SELECT body FROM order_text ORDER BY body")


class Shop:
    """Customers who order all the time, and what they were told."""

    def __init__(self, database: Database, text: str = "") -> None:
        """`text` follows the name of each order, which begins its text."""
        self.database = database
        self._text = text
        self.alice = cast.alice(database, CREDIT)
        self.books = Books(database, GROUP_KINDS)
        self.accepted: list[str] = []
        self.refused: list[str] = []
        self._asked = 0
        self._customers = [asyncio.create_task(self._order_on()) for _ in range(CUSTOMERS)]

    async def order(self) -> bool:
        """One order; whether it was accepted."""
        self._asked += 1
        text = f"order {self._asked:06} {self._text}"
        order = {
            "sender": self.alice.sender,
            "sendDateTime": "",
            "iys": "0",
            "message": {"text": text, "receipents": {"number": ["5301234567"]}},
        }
        authentication = {"key": self.alice.key, "hash": self.alice.secret}
        body = json.dumps({"request": {"authentication": authentication, "order": order}}).encode()
        was_refused = refused(await Office(self.books).call("/v1/send-sms/json", body))
        (self.refused if was_refused else self.accepted).append(text)
        return not was_refused

    async def _order_on(self) -> None:
        while True:
            if not await self.order():
                await asyncio.sleep(0.01)

    async def takes_orders(self, count: int = 20) -> None:
        """So many more are accepted."""
        wanted = len(self.accepted) + count
        await until(lambda: len(self.accepted) >= wanted, AGAIN, "orders are taken")

    async def refuses(self, count: int = 50) -> None:
        """Who asks now is refused, while nobody is there."""
        assert not any(await asyncio.gather(*[self.order() for _ in range(count)]))

    async def close(self) -> None:
        """The last ones get their answers."""
        for customer in self._customers:
            customer.cancel()
        await asyncio.gather(*self._customers, return_exceptions=True)
        await self.books.close()

    def check(self, record: Record) -> None:
        """What was accepted is there once, and nothing else; but for those who hung up before they were
        answered."""
        stored = [row[0] for row in sync_read(self.database, lambda tx: tx.all(_TEXTS))]
        assert len(set(stored)) == len(stored)
        assert set(self.accepted) <= set(stored)
        assert not set(self.refused) & set(stored)
        assert not sync_read(self.database, audit.check)
        record("runs", len(self.accepted) + len(self.refused))

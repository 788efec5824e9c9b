"""Many spend the same money at the same time."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest
from tests import cast
from tests.conftest import FakeClock
from tests.dialects.iletimerkezi.office import Office
from tests.faults.cutting import SOAK
from tests.faults.shop import Record

from ulak.core.ledger import Balance
from ulak.store.books import Books
from ulak.store.engine import Database
from ulak.wiring import GROUP_KINDS

ORDERS, CREDIT = 1_000, 100


@pytest.mark.fault("parallel spending", "1,000 orders at once, over HTTP doors, on credit for 100")
async def test_a_thousand_orders_at_once_on_credit_for_a_hundred(
    database: Database, clock: FakeClock, record_property: Record
) -> None:
    """On PostgreSQL through two processes."""
    both = [Books(database, GROUP_KINDS) for _ in range(2 if database.postgres else 1)]
    offices = [Office(books) for books in both]
    rounds = 50 if SOAK else 1
    for turn in range(rounds):
        clock.advance(cast.HOUR)
        who = cast.tenant(database, f"tenant{turn}", CREDIT)
        authentication = {"key": who.key, "hash": who.secret}

        async def order(number: int, who: cast.Tenant = who, login: dict[str, str] = authentication) -> int:
            message = {"text": f"order {number}", "receipents": {"number": ["5301234567"]}}
            wanted = {"sender": who.sender, "sendDateTime": "", "iys": "0", "message": message}
            body = json.dumps({"request": {"authentication": login, "order": wanted}}).encode()
            return (await offices[number % len(offices)].call("/v1/send-sms/json", body)).status

        answers = Counter(await asyncio.gather(*[order(number) for number in range(ORDERS)]))
        assert answers == {200: CREDIT, 402: ORDERS - CREDIT}
        assert cast.balance(database, who) == Balance(-CREDIT, 0, CREDIT, 0)
    for books in both:
        await books.close()
    record_property("runs", rounds * ORDERS)

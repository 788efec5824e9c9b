"""A thousand orders at once, on credit for a hundred."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from tests.chain.rig import Customer, Server

from ulak.service import audit
from ulak.store.engine import Database

ORDERS, CREDIT, CONNECTIONS = 1_000, 100, 64
NO_CREDIT = 402
FIRST_NUMBER = 905_310_000_001


@pytest.mark.fault(
    "F11 parallel spending",
    "1,000 orders over 64 connections, on credit for 100 (PostgreSQL: 2 processes)",
)
async def test_a_thousand_orders_on_credit_for_a_hundred(
    either_database: Database, record_property: Callable[[str, object], None]
) -> None:
    database = either_database
    roles = ("api", "api") if database.postgres else ("all",)
    servers = [Server(database.directory, database.url, role) for role in roles]
    keys = servers[0].account(credit=CREDIT)
    numbers = iter(range(FIRST_NUMBER, FIRST_NUMBER + ORDERS))
    answers: Counter[int] = Counter()

    async def order_on(customer: Customer) -> None:
        for number in numbers:
            status, _ = await customer.send(f"{number}", [number])
            answers[status] += 1

    try:
        await asyncio.gather(*(server.start() for server in servers))
        customers = [servers[place % len(servers)].customer(keys) for place in range(CONNECTIONS)]
        await asyncio.gather(*(order_on(customer) for customer in customers))
        assert answers == {200: CREDIT, NO_CREDIT: ORDERS - CREDIT}
        assert await customers[0].balance() == 0
        assert servers[0].sql("SELECT available, held, spent FROM balance") == [(0, CREDIT, 0)]
        assert servers[0].sql("SELECT count(*), sum(total) FROM sms_order") == [(CREDIT, CREDIT)]
        assert servers[0].read(audit.check) == []
    finally:
        for server in servers:
            await server.close()
    record_property("runs", ORDERS)

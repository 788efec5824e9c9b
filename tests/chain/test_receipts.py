"""Receipts that are quicker than the answers which name their messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from tests.chain.rig import Server
from tests.chain.smsc import Smsc

from ulak.service import audit

pytestmark = pytest.mark.fault(
    "F6 receipts", "all to one number before the answers, under short ids that read as another's"
)

NUMBER = 905_321_234_567
MESSAGES = 40
WINDOW = 4


async def test_an_early_receipt_is_not_taken_for_another_message(
    server: Server, open_smsc: Callable[..., Awaitable[Smsc]]
) -> None:
    """All to one number, under short hexadecimal ids: read as decimal, many are another message's."""
    smsc = await open_smsc(answer_delay=(0.05, 0.05), receipt_delay=(-0.05, -0.05), reference=b"%x", first=1)
    keys = server.account()
    server.carrier("hasty", smsc.port, window=WINDOW)
    await server.start()
    customer = server.customer(keys)
    orders = [await customer.order(f"mesaj {i}", [NUMBER]) for i in range(MESSAGES)]
    for order in orders:
        assert (await customer.final(order))["message"] == [{"number": f"+{NUMBER}", "status": 111}]
    assert smsc.receipts == len(smsc.submits) == MESSAGES
    assert server.sql("SELECT count(*) FROM stray_report") == [(0,)]
    assert server.read(audit.check) == []

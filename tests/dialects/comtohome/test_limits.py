"""How often a key may ask, and what every answer says about it."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.dialects.comtohome.office import (
    envelope,
    header,
    messages,
    opened,
    rates,
)

from ulak.dialects.door import Reply
from ulak.service import accounts
from ulak.store import accounts as account_store

FIND = "/consignments/find/trackingCode/1Z999AA10123456784"


async def test_301_requests_in_a_minute_on_16_connections(lite: Any) -> None:
    office, customer = await opened(lite)
    turns = asyncio.Semaphore(16)

    async def one() -> Reply:
        async with turns:
            return await office.call(FIND, key=customer.key)

    replies = await asyncio.gather(*[one() for _ in range(301)])
    refused = [reply for reply in replies if reply.status != 200]
    assert [reply.status for reply in refused] == [429]
    assert messages(envelope(refused[0])) == ["Too Many Attempts."]
    assert rates(refused[0]) == ["300", "0", "60"]
    assert header(refused[0], "Retry-After") == "60"
    taken = sorted(
        int(header(reply, "X-RateLimit-Remaining") or "") for reply in replies if reply.status == 200
    )
    assert taken == list(range(300))


async def test_the_window_slides(lite: Any) -> None:
    office, customer = await opened(lite, limit=2)
    other = await office.customer("other")
    assert (await office.call(FIND, key=customer.key)).status == 200
    lite.clock.advance(20_000)
    assert (await office.call("/consignments/5/details", key=customer.key)).status == 404
    lite.clock.advance(20_500)
    refused = await office.call(FIND, key=customer.key)
    assert (refused.status, rates(refused)) == (429, ["2", "0", "20"])
    assert (await office.call(FIND, key=other.key)).status == 404, "each key has its own"
    posted = await office.call("/consignments", b"{", key=customer.key)
    assert posted.status == 429, "before the body is looked at"
    lite.clock.advance(19_500)
    assert rates(await office.call(FIND, key=customer.key)) == ["2", "0", "0"]


async def test_an_account_with_two_keys_has_two_windows(lite: Any) -> None:
    office, customer = await opened(lite, limit=1)
    digest, nothing = accounts.digest("second"), accounts.digest("")
    await lite.write(lambda tx: account_store.add_credential(tx, customer.id, "comtohome", digest, nothing))
    for key in (customer.key, "second"):
        assert (await office.call(FIND, key=key)).status == 200
        assert (await office.call(FIND, key=key)).status == 429


async def test_strangers_do_not_count(lite: Any) -> None:
    office, customer = await opened(lite, limit=1)
    for _ in range(3):
        assert (await office.call(FIND, key="wrong")).status == 401
        assert (await office.call("/nothing", key=customer.key)).status == 404
        assert (await office.call(FIND, method="POST", key=customer.key)).status == 405
    assert (await office.call(FIND, key=customer.key)).status == 200

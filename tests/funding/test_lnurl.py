"""Lightning Addresses are asked as LUD-16 says, and what they give is checked before it is paid."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from bolt11 import Bolt11, MilliSatoshi, Tag, TagChar, Tags
from bolt11 import encode as encode_invoice

from ulak.core.referrals import NoBill
from ulak.funding.invoices import MAINNET, REGTEST
from ulak.funding.lnurl import LightningAddresses
from ulak.outbound import Outbound

HASH = "11" * 32


def invoice(msat: int, currency: str = "bcrt") -> str:
    tags = Tags(
        [
            Tag(TagChar.payment_hash, HASH),
            Tag(TagChar.payment_secret, "22" * 32),
            Tag(TagChar.description, "a share"),
        ]
    )
    return encode_invoice(
        Bolt11(currency=currency, date=1_779_274_991, amount_msat=MilliSatoshi(msat), tags=tags), "33" * 32
    )


class Provider:
    """A host with one address, that does as it is told."""

    def __init__(self) -> None:
        self.terms: Any = {
            "tag": "payRequest",
            "minSendable": 1000,
            "maxSendable": 1_000_000,
            "metadata": "[]",
        }
        self.pays: Any = {"pr": invoice(150_000)}
        self.asked: list[str] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        found = self.pays if request.path == "/pay" else self.terms
        if isinstance(found, web.Response):
            return found
        if request.path != "/pay" and isinstance(found, dict) and "callback" not in found:
            found = found | {"callback": f"{self.url}/pay?user=bob"}
        return web.Response(text=json.dumps(found), content_type="application/json")


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    app = web.Application()
    app.router.add_get("/{path:.*}", provider.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield provider
    await runner.cleanup()


@pytest.fixture
async def addresses(provider: Provider) -> AsyncIterator[LightningAddresses]:
    async with Outbound({"127.0.0.1"}) as outbound:
        yield LightningAddresses(outbound, REGTEST, lambda _host: provider.url)


async def test_a_bill_comes_from_the_callback(addresses: LightningAddresses, provider: Provider) -> None:
    bill = await addresses.bill("bob@example.org", 150)
    assert (bill.payreq, bill.payment_hash) == (provider.pays["pr"], HASH)
    assert provider.asked == ["/.well-known/lnurlp/bob", "/pay?user=bob&amount=150000"]


@pytest.mark.parametrize(
    ("terms", "pays"),
    [
        ({"tag": "withdrawRequest"}, None),
        ({"tag": "payRequest", "minSendable": 200_000, "maxSendable": 300_000}, None),
        ({"tag": "payRequest", "minSendable": "1", "maxSendable": 300_000}, None),
        ({"status": "ERROR", "reason": "no such user"}, None),
        ([], None),
        (web.Response(status=404), None),
        (web.Response(status=302, headers={"location": "http://127.0.0.1:1/"}), None),
        (
            {"tag": "payRequest", "minSendable": 1, "maxSendable": 10**9, "callback": "file:///etc/"},
            None,
        ),
        ({"tag": "payRequest", "minSendable": 1, "maxSendable": 10**9, "callback": "http://10.0.0.1/"}, None),
        (None, {"pr": invoice(149_000)}),
        (None, {"pr": invoice(150_000, "bc")}),
        (None, {"pr": "lnbcrt1nothing"}),
        (None, {"pr": 7}),
        (None, {"status": "ERROR", "reason": "x"}),
        (None, web.Response(text="<html>")),
    ],
)
async def test_what_is_wrong_is_not_paid(
    addresses: LightningAddresses, provider: Provider, terms: Any, pays: Any
) -> None:
    provider.terms = provider.terms if terms is None else terms
    provider.pays = provider.pays if pays is None else pays
    with pytest.raises(NoBill):
        await addresses.bill("bob@example.org", 150)


async def test_private_hosts_are_not_asked(provider: Provider) -> None:
    async with Outbound() as outbound:
        with pytest.raises(NoBill):
            await LightningAddresses(outbound, MAINNET, lambda _host: provider.url).bill(
                "bob@example.org", 150
            )
    assert provider.asked == []

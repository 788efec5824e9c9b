"""The whole chain with numbers of the operator's own: an order, its payment, a number from the shelf, an SMS
that a stranger's SMSC delivers over SMPP, and the code in the order's status."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest_asyncio
from tests.chain.number_rig import Buyer, NumberServer
from tests.chain.rig import until
from tests.peers.texting import TextingSmsc, texting_smsc

from ulak.store import own_numbers
from ulak.store.engine import Database
from ulak.store.own_numbers import OwnNumber

FIRST, SECOND = 905301234561, 905301234562
OTHER = 905309999999


@pytest_asyncio.fixture
async def smsc() -> AsyncIterator[TextingSmsc]:
    async with texting_smsc() as found:
        yield found


@pytest_asyncio.fixture
async def shop(database: Database, smsc: TextingSmsc) -> AsyncIterator[NumberServer]:
    """A server with a link to the stranger and two numbers of its own."""
    server = NumberServer(database, funding="memory")
    server.sandbox()
    server.carrier("stranger", smsc.port)
    await server.start()
    await until(lambda: smsc.bound, 15, "the link is up")
    yield server
    await server.close()


WISHES = [
    ("wa", FIRST, "udh", "WhatsApp code 048-291", "048291"),
    ("wa", SECOND, "udh", "Şifreniz 552190, kimseyle paylaşmayınız. " + "Sağlıklı günler! 🚚 " * 9, 552190),
    ("tg", FIRST, "sar", "Do not share this with anyone, whoever asks. " * 3 + "Your code is 771025", 771025),
    ("newthing", SECOND, "payload", "您的验证码是 662913 " + "请勿转发" * 30, 662913),
]
"""What is ordered, the number that rested longest, and how its code comes and is shown."""


def is_free(shop: NumberServer, number: int) -> bool:
    found: OwnNumber = shop.read(lambda tx: own_numbers.find(tx, number))
    return found.purchase_id is None


async def test_codes_come_over_a_strangers_smsc(shop: NumberServer, smsc: TextingSmsc) -> None:
    await shop.cli("number", "add", "+48501234563", "--country", "PL", "--service", "tg")
    early = Buyer(shop)
    shop.closes(early.http)
    for service in ("wa", "newthing"):
        wish = {"country": "Turkey", "service": service}
        refused = await early.post("/createorder", 400 if service == "newthing" else 409, **wish)
        assert refused["status"] == "error"
    await shop.cli("number", "add", f"+{FIRST}", f"+{SECOND}", "--country", "TR")
    for service, number, form, text, code in WISHES:
        buyer = Buyer(shop)
        shop.closes(buyer.http)
        order = await buyer.order(service, country="Turkey")
        shop.pay(order.payreq)
        shown = await buyer.sees(order, number=...)
        assert shown["number"] == number
        assert set(await smsc.write("Service", OTHER, "Your code is 999999", form=form)) == {0}
        assert "code" not in await buyer.status(order)
        assert set(await smsc.write("Service", number, text, form=form)) == {0}
        shown = await buyer.sees(order, code=code)
        assert (shown["number"], shown["country"], shown["paid"]) == (number, "Turkey", True)
        await until(partial(is_free, shop, number), 10, "it is free again")
    assert [row["used"] for row in await shop.cli("number", "list")] == [
        [],
        ["wa", "tg"],
        ["wa", "newthing"],
    ]
    assert shop.findings() == []
    secrets = {str(value) for _, number, _, _, code in WISHES for value in (number, code)}
    assert not [word for word in secrets if word in shop.log()]

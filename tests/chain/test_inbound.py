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


ALPHANUMERIC, INTERNATIONAL, NATIONAL, NETWORK = 5, 1, 2, 3
SHORT_CODE, LANDLINE = "4930", "+908502221100"

OPT_OUTS = [
    ("905321111101", "4930", "RET", (INTERNATIONAL, NETWORK)),
    ("+905321111102", "4930", '"ret" lütfen 🙏', (INTERNATIONAL, 0)),
    ("05321111103", "908502221100", "Ret.", (0, INTERNATIONAL)),
    ("5321111104", "08502221100", "RET " + "yeter artık yazmayın " * 9, (NATIONAL, NATIONAL)),
]
"""Who writes to which of an account's numbers, and the types of both addresses."""

OTHERS = [
    ("BANKA", "4930", "RET", (ALPHANUMERIC, NETWORK)),
    ("905321111105", "4930", "Merhaba", (INTERNATIONAL, NETWORK)),
    ("905321111106", "4931", "RET", (INTERNATIONAL, NETWORK)),
]


async def test_people_opt_out_over_a_strangers_smsc(shop: NumberServer, smsc: TextingSmsc) -> None:
    keys = shop.account("acme")
    acme, other = shop.customer(keys), shop.customer(shop.account("other"))
    await shop.cli("account", "set", "acme", "inbox=on")
    for number in (SHORT_CODE, LANDLINE):
        await shop.cli("inbox", "add", "acme", number)
    assert (await acme.ask("add-blacklist", blacklist={"number": "905321111101"}))[0] == 200
    for source, destination, text, tons in OPT_OUTS + OTHERS:
        assert set(await smsc.write(source, destination, text, tons=tons)) == {0}
    wanted = [f"+9053211111{place:02}" for place in range(1, 5)]
    status, found = await acme.ask("get-blacklist", blacklist={"page": 1, "rowCount": 1000})
    assert (status, found["blacklist"]["count"], sorted(found["blacklist"]["number"])) == (200, 4, wanted)
    assert (await other.ask("get-blacklist"))[1]["blacklist"] == {"count": 0, "number": []}
    for number in wanted:
        assert (await acme.ask("delete-blacklist", blacklist={"number": number}))[0] == 474
    status, found = await acme.ask("get-inbox")
    rows = [(row["sender"], row["account"], row["content"].strip()) for row in reversed(found["inbox"])]
    assert rows == [
        *[(wanted[i], SHORT_CODE, OPT_OUTS[i][2]) for i in (0, 1)],
        *[(wanted[i], LANDLINE, OPT_OUTS[i][2].strip()) for i in (2, 3)],
        ("BANKA", SHORT_CODE, "RET"),
        ("+905321111105", SHORT_CODE, "Merhaba"),
    ]
    assert (await other.ask("get-inbox"))[0] == 404
    await shop.cli("blacklist", "remove", "acme", wanted[0])
    assert (await acme.ask("get-blacklist"))[1]["blacklist"]["count"] == 3
    assert shop.findings() == []
    assert not [number for number in wanted if number.removeprefix("+") in shop.log()]

"""SMS that come in: kept once, joined from their parts, and brought to the purchase that has the number."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ClockedBooks
from tests.peers.links import simulated

from ulak.core.consents import Origin
from ulak.core.errors import UlakError
from ulak.core.funding import InvoiceNews, InvoiceState
from ulak.core.numbers import Activation, Want
from ulak.core.own_numbers import check_settings
from ulak.core.pools import ANY, FULL
from ulak.core.ports import Inbound, MessageLink
from ulak.core.purchases import Purchase, Tariff, Wish
from ulak.core.states import PurchaseKind, PurchaseState
from ulak.dialects.smpp.connect import SmppLink
from ulak.dialects.smpp.settings import LinkSettings
from ulak.service import (
    accounts,
    blacklist,
    carriers,
    inbound,
    inventory,
    mailboxes,
    purchases,
    resolving,
)
from ulak.service.prices import Prices
from ulak.service.purchases import Offer
from ulak.service.resolving import Heard
from ulak.service.suppressions import no_key
from ulak.service.texting import Sending
from ulak.store import blocks
from ulak.store import incoming as parts_store
from ulak.store import purchases as store
from ulak.store.blocks import Block
from ulak.store.engine import Sql, Tx
from ulak.store.vault import Vault
from ulak.workers.runs import Channel
from ulak.workers.send import LinkRunner

LINK, OTHER_LINK = 501, 502
NUMBER, SECOND = 905301234561, 905301234562
TURKEY = 62

_UNCLAIMED = Sql(
    "SELECT number, sender, text, carrier_id FROM incoming WHERE purchase_id IS NULL ORDER BY id"
)
_PARTS = Sql("SELECT count(*) FROM incoming_part")


def numbers(tx: Tx, **settings: str) -> int:
    """An inventory with two numbers; its id."""
    carrier = carriers.add(tx, "own", "inventory", settings, check_settings, Vault(Path("/nowhere")))
    inventory.add(tx, [NUMBER, SECOND], carrier, TURKEY, [], False)
    return carrier.id


def bought(tx: Tx, carrier_id: int, service: str, kind: PurchaseKind = PurchaseKind.CODE) -> int:
    """A paid purchase that has a number; its id."""
    count = len(tx.all(Sql("SELECT id FROM purchase")))
    offer = Offer(f"{count:064x}", "sealed", f"{count + 1000:064x}")
    wish = Wish("test", kind, ANY, service)
    purchase = purchases.open_(tx, wish, None, "127.0.0.1", offer, Prices(dict.fromkeys(Tariff, 1500)))
    assert isinstance(purchase, Purchase)
    news = InvoiceNews(InvoiceState.HELD, purchase.price)
    resolving.verified(tx, [Heard(purchase.id, PurchaseState.UNPAID, news)], Sending("ULAK"))
    got = inventory.take(tx, carrier_id, Want(purchase.id, ANY, service, purchase.weeks))
    assert got is not None
    assert purchases.assign(tx, purchase.id, carrier_id, got, None)
    return purchase.id


def loaded(tx: Tx, purchase_id: int) -> Purchase:
    return store.load(tx, [purchase_id])[purchase_id]


def texts(tx: Tx, purchase_id: int) -> list[str]:
    return [sms.text for sms in store.incoming(tx, purchase_id)]


def sms(text: str, reference: str = "r1", number: int = NUMBER, part: int = 1, parts: int = 1) -> Inbound:
    return Inbound(number, "WhatsApp", text, reference, part, parts)


def taking(*batch: Inbound, link: int = LINK) -> Callable[[Tx], bool]:
    return partial(inbound.take, carrier_id=link, batch=batch)


async def unclaimed(books: ClockedBooks) -> Sequence[Any]:
    return await books.read(lambda tx: tx.all(_UNCLAIMED))


async def test_a_code_goes_to_the_purchase_that_has_the_number(books: ClockedBooks) -> None:
    own = await books.write(numbers)
    purchase_id = await books.write(lambda tx: bought(tx, own, "wa"))
    assert await books.write(taking(sms("Your WhatsApp code: 048-291"))) is True
    purchase = await books.read(lambda tx: loaded(tx, purchase_id))
    assert (purchase.number, purchase.code, purchase.state) == (NUMBER, "048291", PurchaseState.SETTLING)
    (row,) = await books.read(lambda tx: store.incoming(tx, purchase_id))
    assert (row.sender, row.text, row.code, row.at) == (
        "WhatsApp",
        "Your WhatsApp code: 048-291",
        "048291",
        books.clock.now,
    )
    assert await unclaimed(books) == []


async def test_what_is_told_again_has_one_effect(books: ClockedBooks) -> None:
    own = await books.write(numbers)
    purchase_id = await books.write(lambda tx: bought(tx, own, FULL, PurchaseKind.RENTAL))
    assert await books.write(taking(sms("hello"), sms("hello"))) is True
    books.clock.advance(inbound.REPEAT - 1)
    assert await books.write(taking(sms("hello"))) is False
    assert await books.write(taking(sms("hello", "r2"))) is True, "its sender sent it twice"
    assert await books.write(taking(sms("hello"), link=OTHER_LINK)) is True, "another operator"
    assert await books.read(lambda tx: texts(tx, purchase_id)) == ["hello"] * 3
    books.clock.advance(1)
    assert await books.write(taking(sms("hello"))) is True, "that was long ago"
    assert await books.write(taking(sms("hello"))) is False
    assert await books.read(lambda tx: texts(tx, purchase_id)) == ["hello"] * 4


async def test_a_text_for_nobody_is_kept_for_30_days(books: ClockedBooks) -> None:
    own = await books.write(numbers)
    purchase_id = await books.write(lambda tx: bought(tx, own, "wa"))
    stray = [sms("free number", "a", SECOND), sms("no number of ours", "b", 4930), sms("none", "c", 0)]
    assert await books.write(taking(*stray)) is False
    assert await books.write(taking(*stray)) is False
    await books.write(taking(sms("code 1234")))
    assert await unclaimed(books) == [
        (SECOND, "WhatsApp", "free number", LINK),
        (4930, "WhatsApp", "no number of ours", LINK),
        (0, "WhatsApp", "none", LINK),
    ]
    books.clock.advance(inbound.UNCLAIMED_KEPT - 1)
    assert await books.write(partial(inbound.forget_unclaimed, after=0, limit=2)) == 2
    assert len(await unclaimed(books)) == 3
    books.clock.advance(1)
    assert await books.write(partial(inbound.forget_unclaimed, after=0, limit=100)) is None
    assert await unclaimed(books) == []
    assert await books.read(lambda tx: texts(tx, purchase_id)) == ["code 1234"]


SHORT, LANDLINE = 4930, 908502221100
WRITER = 905321234567


def written(text: str, number: int = SHORT, sender: str = "905321234567", **more: Any) -> Inbound:
    return Inbound(number, sender, text, more.pop("reference", text), **more)


def mailbox(tx: Tx) -> int:
    """An account with a short code and a number; its id."""
    account = accounts.create(tx, "shop").account
    for number in (SHORT, LANDLINE):
        mailboxes.add(tx, "shop", number)
    return account.id


async def block_of(books: ClockedBooks, account: int, number: int = WRITER) -> Block | None:
    return await books.read(lambda tx: blocks.find(tx, account, number))


async def came_in(books: ClockedBooks, account: int) -> list[tuple[int, str, str]]:
    found = await books.read(lambda tx: mailboxes.inbox(tx, account))
    return [(mail.number, mail.sender, mail.text) for mail in found]


async def test_who_answers_ret_is_not_written_to_any_more(books: ClockedBooks) -> None:
    account = await books.write(mailbox)
    other = await books.write(lambda tx: accounts.create(tx, "other").account.id)
    assert await books.write(taking(written("Merhaba"))) is False
    assert await block_of(books, account) is None
    books.clock.advance(1)
    ret = written("ret")
    assert await books.write(taking(ret, ret)) is False
    assert await block_of(books, account) == Block(WRITER, Origin.REPLY, books.clock.now)
    assert await block_of(books, other) is None
    assert await came_in(books, account) == [
        (SHORT, "905321234567", "ret"),
        (SHORT, "905321234567", "Merhaba"),
    ]
    assert await came_in(books, other) == []


async def test_ret_takes_the_block_out_of_the_accounts_hands(books: ClockedBooks) -> None:
    account = await books.write(mailbox)
    await books.write(lambda tx: blacklist.block(tx, account, WRITER))
    added = books.clock.now
    books.clock.advance(1)
    await books.write(taking(written("RET", sender="0532 123 45 67")))
    assert await block_of(books, account) == Block(WRITER, Origin.REPLY, added)
    assert await books.write(lambda tx: blacklist.lift(tx, account, WRITER)) is False
    await books.write(lambda tx: blacklist.lift_all(tx, "shop", [WRITER], no_key))
    await books.write(taking(written("RET", sender="0532 123 45 67")))
    assert await block_of(books, account) is None, "told again, it has no second effect"


async def test_a_number_without_its_country_is_the_same_mailbox(books: ClockedBooks) -> None:
    account = await books.write(mailbox)
    await books.write(taking(written("RET", number=8502221100)))
    assert await block_of(books, account) is not None
    assert await came_in(books, account) == [(LANDLINE, "905321234567", "RET")]


async def test_ret_in_parts(books: ClockedBooks) -> None:
    account = await books.write(mailbox)
    await books.write(taking(written("lutfen", reference="x", part=2, parts=2)))
    assert await block_of(books, account) is None
    await books.write(taking(written("RET ", reference="x", part=1, parts=2)))
    assert await block_of(books, account) is not None
    assert await came_in(books, account) == [(SHORT, "905321234567", "RET lutfen")]


@pytest.mark.parametrize(
    ("first", "second", "late", "out"),
    [
        ("RET lutfen, ", "tesekkurler", 1, True),
        ("Siparisimin neden ", "ret edildigini bilmiyorum", 1, False),
        ("Siparisimin neden ", "ret edildigini bilmiyorum", 2, False),
    ],
)
async def test_of_a_message_that_is_torn_only_the_beginning_counts(
    books: ClockedBooks, first: str, second: str, late: int, out: bool
) -> None:
    """What begins a later part is the middle of a message, whatever word it is like."""
    account = await books.write(mailbox)
    parts = [written(text, reference="x", part=n, parts=2) for n, text in ((1, first), (2, second))]
    await books.write(taking(parts[2 - late]))
    books.clock.advance(60_000)
    await books.write(inbound.give_up_waiting)
    assert await block_of(books, account) is None
    for _ in range(2):
        await books.write(taking(parts[late - 1]))
    assert (await block_of(books, account) is not None) == out
    assert len(await came_in(books, account)) == 2


async def test_ret_to_a_rented_number_is_its_renters(books: ClockedBooks) -> None:
    own = await books.write(numbers)
    account = await books.write(mailbox)
    purchase_id = await books.write(lambda tx: bought(tx, own, FULL, PurchaseKind.RENTAL))
    assert await books.write(taking(written("RET", number=NUMBER))) is True
    await books.write(taking(written("RET", number=SECOND), written("RET", number=4931)))
    assert await books.read(lambda tx: texts(tx, purchase_id)) == ["RET"]
    assert await block_of(books, account) is None
    assert await came_in(books, account) == []


async def test_a_number_is_rented_out_or_an_accounts(books: ClockedBooks) -> None:
    own = await books.write(numbers)
    await books.write(mailbox)
    with pytest.raises(UlakError, match="rented out"):
        await books.write(lambda tx: mailboxes.add(tx, "shop", NUMBER))
    carrier = await books.read(lambda tx: carriers.named(tx, "own"))
    assert carrier.id == own
    with pytest.raises(UlakError, match="an account's"):
        await books.write(lambda tx: inventory.add(tx, [LANDLINE], carrier, TURKEY, [], False))


async def test_a_mailbox_begins_empty(books: ClockedBooks) -> None:
    """What came before, or to the account that had the number, is nobody else's business."""
    await books.write(taking(written("too early")))
    books.clock.advance(1)
    account = await books.write(mailbox)
    await books.write(taking(written("mine")))
    books.clock.advance(1)
    other = await books.write(lambda tx: accounts.create(tx, "other").account.id)
    with pytest.raises(UlakError, match="another account"):
        await books.write(lambda tx: mailboxes.add(tx, "other", SHORT))
    await books.write(lambda tx: mailboxes.add(tx, "shop", SHORT))
    assert [text for _, _, text in await came_in(books, account)] == ["mine"], "it had it already"
    await books.write(lambda tx: mailboxes.remove(tx, SHORT))
    await books.write(lambda tx: mailboxes.add(tx, "other", SHORT))
    await books.write(taking(written("theirs")))
    assert [text for _, _, text in await came_in(books, other)] == ["theirs"]
    assert await came_in(books, account) == []


async def test_the_newest_of_several_mailboxes(books: ClockedBooks, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await books.write(mailbox)
    for turn in range(6):
        books.clock.advance(1)
        await books.write(taking(written(f"m{turn}", number=LANDLINE if turn % 2 else SHORT)))
    assert [text for _, _, text in await came_in(books, account)] == ["m5", "m4", "m3", "m2", "m1", "m0"]
    monkeypatch.setattr(mailboxes, "ROWS_MAX", 3)
    assert [text for _, _, text in await came_in(books, account)] == ["m5", "m4", "m3"]


async def test_a_number_that_was_given_back_is_nobodys(books: ClockedBooks) -> None:
    own = await books.write(numbers)
    first = await books.write(lambda tx: bought(tx, own, "wa"))
    await books.write(lambda tx: inventory.give_back(tx, Activation(first, "", NUMBER, "wa", 0), True))
    assert await books.write(taking(sms("Your code: 1111"))) is False
    assert (await books.read(lambda tx: loaded(tx, first))).code is None
    assert [row[2] for row in await unclaimed(books)] == ["Your code: 1111"]


async def test_parts_are_joined_in_order_over_transactions_and_links(books: ClockedBooks) -> None:
    own = await books.write(numbers)
    purchase_id = await books.write(lambda tx: bought(tx, own, "wa"))
    assert await books.write(taking(sms(" is 77", "long", part=2, parts=3))) is False
    assert await books.write(taking(sms("3311", "long", part=3, parts=3))) is False
    assert await books.write(taking(sms(" is 77", "long", part=2, parts=3))) is False, "told again"
    assert await books.write(taking(sms("Your code", "long", part=1, parts=3))) is True
    assert await books.read(lambda tx: texts(tx, purchase_id)) == ["Your code is 773311"]
    assert (await books.read(lambda tx: loaded(tx, purchase_id))).code == "773311"
    assert await books.write(taking(sms("3311", "long", part=3, parts=3))) is False, "told again later"
    assert await books.write(inbound.give_up_waiting) is False
    assert await books.read(lambda tx: texts(tx, purchase_id)) == ["Your code is 773311"]


async def test_a_message_whose_parts_never_all_come_is_what_there_is(books: ClockedBooks) -> None:
    own = await books.write(numbers)
    purchase_id = await books.write(lambda tx: bought(tx, own, FULL, PurchaseKind.RENTAL))
    await books.write(taking(sms("two", "long", part=2, parts=4), sms("three", "long", part=3, parts=4)))
    books.clock.advance(inbound.PARTS_WAIT - 1)
    assert await books.write(inbound.give_up_waiting) is False
    books.clock.advance(1)
    assert await books.write(inbound.give_up_waiting) is True
    assert await books.read(lambda tx: texts(tx, purchase_id)) == ["…twothree…"]
    assert await books.write(taking(sms("two", "long", part=2, parts=4))) is False, "told again"
    assert await books.write(taking(sms("one", "long", part=1, parts=4))) is True, "late, and not lost"
    assert await books.write(taking(sms("one", "long", part=1, parts=4))) is False
    assert await books.read(lambda tx: texts(tx, purchase_id)) == ["…twothree…", "one"]


async def test_another_message_under_the_same_reference(books: ClockedBooks) -> None:
    """Some senders always count from the same number, and eight bits soon come round."""
    own = await books.write(numbers)
    purchase_id = await books.write(lambda tx: bought(tx, own, FULL, PurchaseKind.RENTAL))

    async def part(text: str, place: int) -> None:
        await books.write(taking(sms(text, "7", part=place, parts=2)))

    await part("a1 ", 1)
    await part("a2", 2)
    await part("b1 ", 1)
    await part("b2", 2)
    await part("c1 ", 1)
    await part("d1 ", 1)
    await part("d2", 2)
    books.clock.advance(inbound.REPEAT)
    await part("d1 ", 1)
    await part("d2", 2)
    found = await books.read(lambda tx: texts(tx, purchase_id))
    assert sorted(found) == ["a1 a2", "b1 b2", "c1 …", "d1 d2", "d1 d2"]


async def test_traces_are_forgotten_and_what_waits_is_not(books: ClockedBooks) -> None:
    await books.write(taking(sms("x", "1"), sms("y", "2"), sms("half", "3", part=1, parts=2)))
    books.clock.advance(inbound.REPEAT - 1)
    assert await books.write(partial(inbound.forget_traces, after=0, limit=2)) is None
    assert await books.read(lambda tx: tx.all(_PARTS)) == [(3,)]
    books.clock.advance(1)
    assert await books.write(partial(inbound.forget_traces, after=0, limit=100)) is None
    assert await books.read(lambda tx: tx.all(_PARTS)) == [(1,)]
    (left,) = await books.read(lambda tx: parts_store.overdue(tx, tx.now, 10))
    assert (left.carrier_id, left.number) == (LINK, NUMBER)


async def test_the_operators_pattern_is_used_for_his_numbers(books: ClockedBooks) -> None:
    own = await books.write(lambda tx: numbers(tx, **{"pattern.zz": r"token is (\w+)"}))
    purchase_id = await books.write(lambda tx: bought(tx, own, "zz"))
    await books.write(taking(sms("Code page 1252, your token is Ab12")))
    assert (await books.read(lambda tx: loaded(tx, purchase_id))).code == "Ab12"


async def test_words_that_no_database_likes(books: ClockedBooks) -> None:
    own = await books.write(numbers)
    purchase_id = await books.write(lambda tx: bought(tx, own, FULL, PurchaseKind.RENTAL))
    odd = "'; DROP TABLE incoming; -- %s :now {x} \ufffd 🚚\\"
    assert await books.write(taking(sms(odd))) is True
    assert await books.write(taking(sms("", "empty"))) is True
    assert await books.read(lambda tx: texts(tx, purchase_id)) == [odd, ""]


async def test_over_a_link_it_is_acknowledged_when_it_is_stored(books: ClockedBooks) -> None:
    own = await books.write(numbers)
    purchase_id = await books.write(lambda tx: bought(tx, own, "wa"))
    async with simulated(delay=0) as operator:
        link: MessageLink = SmppLink(LinkSettings("127.0.0.1", "ulak", operator.port))
        runner = LinkRunner(books, Channel(LINK, "operator"), link)
        heard = asyncio.Event()
        runner.on_text = heard.set
        await runner.start()
        async with asyncio.timeout(10):
            while not operator.sessions:
                await asyncio.sleep(0.005)
            operator.send_in("+90530", NUMBER, "WhatsApp code 5512 " + "ş" * 200)
            await heard.wait()
        purchase = await books.read(lambda tx: loaded(tx, purchase_id))
        assert purchase.code == "5512"
        async with asyncio.timeout(10):
            while operator.counts["acknowledged"] < 2:
                await asyncio.sleep(0.005)
        await runner.stop()


async def test_what_cannot_be_stored_comes_again(books: ClockedBooks) -> None:
    class Away:
        """Books that cannot be written for a while."""

        def __init__(self) -> None:
            self.failures = 2

        async def read(self, question: Callable[[Any], Any]) -> Any:
            return await books.read(question)

        async def write(self, change: Callable[[Any], Any]) -> Any:
            if getattr(change, "func", None) is inbound.take and self.failures:
                self.failures -= 1
                raise OSError("the text of somebody")
            return await books.write(change)

        def gather(self, kind: str, item: Any) -> asyncio.Future[Any]:
            return books.gather(kind, item)

    async with simulated(delay=0, time_scale=0.01) as operator:
        settings = LinkSettings("127.0.0.1", "ulak", operator.port)
        runner = LinkRunner(Away(), Channel(LINK, "operator"), SmppLink(settings))
        await runner.start()
        async with asyncio.timeout(10):
            while not operator.sessions:
                await asyncio.sleep(0.005)
            operator.send_in("Bank", NUMBER, "code 5512")
            while operator.counts["acknowledged"] < 1:
                await asyncio.sleep(0.005)
        assert operator.counts["turned_away"] == 2
        assert [row[2] for row in await unclaimed(books)] == ["code 5512"]
        await runner.stop()

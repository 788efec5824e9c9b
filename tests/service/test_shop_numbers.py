"""Numbers from several sources, and what comes to them."""

from __future__ import annotations

from functools import partial

import pytest
from tests.conftest import ClockedBooks
from tests.service.shop_rig import ON_SQLITE, Rig, code, rental
from tests.service.shop_source import SOURCE_POOL, ToldSource

from ulak.core.jobs import JobKind
from ulak.core.numbers import Got, NoneLeft, Text, Unreached
from ulak.core.purchases import BUY_WITHIN, CANCEL_AFTER, MINUTE, SECOND
from ulak.core.states import PurchaseState
from ulak.service import carriers, purchases
from ulak.store import purchases as store


@pytest.fixture
def rig(books: ClockedBooks) -> Rig:
    return Rig(books, books.database.directory, more=[ToldSource(("tg", "vk"))])


def other(rig: Rig) -> ToldSource:
    """The source that is asked second."""
    return list(rig.sources.values())[1]


async def test_who_has_a_number_is_asked_first(rig: Rig) -> None:
    first = await rig.waiting(code("tg"))
    assert (rig.source.asked["buy"], other(rig).asked["buy"]) == (1, 0)
    assert rig.source.wanted[0].key == first.id
    await rig.waiting(code("vk"))
    assert (rig.source.asked["buy"], other(rig).asked["buy"]) == (1, 1)


async def test_the_next_source_is_asked_where_one_has_none(rig: Rig) -> None:
    rig.source.buying = lambda _want: NoneLeft("sold out")
    purchase = await rig.waiting()
    assert (purchase.state, purchase.pool) == (PurchaseState.WAITING, SOURCE_POOL)
    assert list(other(rig).sold) == [purchase.id]


async def test_where_nobody_has_one_the_money_goes_back_at_once(rig: Rig) -> None:
    for source in rig.sources.values():
        source.buying = lambda _want: NoneLeft("sold out")
    purchase = await rig.waiting()
    assert purchase.state is PurchaseState.NO_NUMBER
    assert rig.shown(purchase).paid
    assert purchase.resolved is not None


@ON_SQLITE
async def test_a_source_that_is_away_has_a_minute(rig: Rig) -> None:
    for source in rig.sources.values():
        source.buying = lambda _want: Unreached("away")
    first, second = await rig.waiting(), await rig.waiting()
    await rig.after(30 * SECOND, step=SECOND)
    assert 8 <= sum(want.key == first.id for want in rig.source.wanted) <= 12
    assert rig.get(first.id).state is PurchaseState.PAID
    rig.source.buying = lambda want: None if want.key == first.id else Unreached("away")
    await rig.after(BUY_WITHIN - 30 * SECOND, step=SECOND)
    assert rig.get(first.id).state is PurchaseState.WAITING
    assert rig.get(second.id).state is PurchaseState.NO_NUMBER
    assert rig.get(second.id).resolved is not None


async def test_a_source_that_breaks_its_promise_is_as_if_it_were_away(rig: Rig) -> None:
    def broken(_want: object) -> NoneLeft:
        raise ValueError("broken")

    rig.source.buying = broken
    purchase = await rig.waiting()
    assert list(other(rig).sold) == [purchase.id]


async def test_a_number_that_comes_after_the_cancel_goes_back(rig: Rig) -> None:
    purchase = await rig.paid()
    rig.source.meanwhile = lambda: rig.cancel(purchase)
    await rig.work(JobKind.BUY)
    after = rig.get(purchase.id)
    assert (after.state, after.reference) == (PurchaseState.CANCELLED, str(7000 + purchase.id))
    assert rig.shown(purchase).number is None
    assert (JobKind.FINISH, purchase.id) in rig.jobs()
    await rig.work()
    assert rig.source.finished == [(purchase.id, False)]


async def test_a_second_number_goes_back_at_once(rig: Rig) -> None:
    """Another process was faster, with another source."""
    purchase = await rig.paid()

    async def faster() -> None:
        got = Got("another", 4915511111111, SOURCE_POOL)
        other_id = list(rig.sources)[1]
        assert rig.write(lambda tx: purchases.assign(tx, purchase.id, other_id, got, 1000))

    rig.source.meanwhile = faster
    await rig.work()
    assert rig.get(purchase.id).number == 4915511111111
    assert rig.source.finished == [(purchase.id, False)]


async def test_a_number_is_noted_once(rig: Rig) -> None:
    purchase = await rig.waiting()
    assert purchase.carrier_id is not None
    carrier_id = purchase.carrier_id
    rig.books.clock.advance(1)
    got = Got(str(7000 + purchase.id), 919876500000 + purchase.id, SOURCE_POOL)
    assert rig.write(lambda tx: purchases.assign(tx, purchase.id, carrier_id, got, 1000))
    assert rig.get(purchase.id).assigned == purchase.assigned


@ON_SQLITE
async def test_telling_a_source_is_tried_for_half_an_hour(rig: Rig) -> None:
    purchase = await rig.waiting()
    rig.source.finishing = Unreached("away")
    rig.books.clock.advance(CANCEL_AFTER)
    await rig.cancel(purchase)
    await rig.after(25 * MINUTE, step=30 * SECOND)
    assert rig.jobs() == [(JobKind.FINISH, purchase.id)]
    await rig.after(15 * MINUTE, step=30 * SECOND)
    assert rig.jobs() == []
    assert rig.source.asked["finish"] == 35


# What comes.


async def test_a_text_without_a_code_is_kept_and_waited_on(rig: Rig) -> None:
    purchase = await rig.waiting()
    rig.source.send(purchase.id, "Welcome!")
    await rig.after(SECOND)
    assert rig.get(purchase.id).state is PurchaseState.WAITING
    rig.source.send(purchase.id, "hush", code="007")
    await rig.after(SECOND)
    assert rig.shown(purchase).code == "007"
    texts = rig.read(lambda tx: store.incoming(tx, purchase.id))
    assert [(text.text, text.code) for text in texts] == [("Welcome!", None), ("hush", "007")]


async def test_the_first_code_stays(rig: Rig) -> None:
    purchase = await rig.waiting()
    for number in ("12345", "67890"):
        text = Text("Example", f"Your code is {number}", 1)
        assert rig.write(partial(purchases.text_came, purchase_id=purchase.id, text=text))
        await rig.work()
    assert rig.shown(purchase).code == "12345"
    assert len(rig.read(lambda tx: store.incoming(tx, purchase.id))) == 2


async def test_the_same_text_comes_once(rig: Rig) -> None:
    purchase = await rig.waiting(rental())
    text = Text("Example", "hello", 1)
    assert rig.write(lambda tx: purchases.text_came(tx, purchase.id, text))
    assert not rig.write(lambda tx: purchases.text_came(tx, purchase.id, text))
    assert rig.write(lambda tx: purchases.text_came(tx, purchase.id, text._replace(at=2)))
    assert not rig.write(lambda tx: purchases.text_came(tx, 99, text))
    assert len(rig.shown(purchase).texts) == 2


async def test_a_number_that_its_source_took_back(rig: Rig) -> None:
    purchase, rented = await rig.waiting(), await rig.waiting(rental())
    rig.source.gone = {purchase.id, rented.id}
    await rig.after(SECOND)
    assert rig.get(purchase.id).state is PurchaseState.TIMED_OUT
    assert rig.get(purchase.id).resolved is not None
    assert (rig.get(rented.id).state, rig.get(rented.id).look) == (PurchaseState.ACTIVE, None)


@ON_SQLITE
async def test_a_source_is_asked_ever_more_rarely(rig: Rig) -> None:
    purchase = await rig.waiting()
    await rig.after(MINUTE, step=SECOND)
    assert 25 <= rig.source.asked["news"] <= 40
    await rig.after(19 * MINUTE, step=15 * SECOND)
    assert rig.get(purchase.id).state is PurchaseState.WAITING
    assert 50 <= rig.source.asked["news"] <= 80


async def test_a_source_that_tells_by_itself_is_not_asked(books: ClockedBooks) -> None:
    rig = Rig(books, books.database.directory, source=ToldSource(every=None))
    purchase = await rig.waiting()
    assert purchase.look is None
    await rig.after(MINUTE)
    assert rig.source.asked["news"] == 0


async def test_a_source_that_was_removed_is_not_asked(rig: Rig) -> None:
    purchase = await rig.waiting()
    rig.write(lambda tx: carriers.remove(tx, "source 0"))
    rig.books.clock.advance(CANCEL_AFTER)
    await rig.work()
    assert rig.get(purchase.id).state is PurchaseState.WAITING
    await rig.cancel(purchase)
    await rig.work()
    assert rig.jobs() == []


async def test_news_that_cannot_be_had_changes_nothing(rig: Rig) -> None:
    purchase = await rig.waiting()
    rig.source.silent = True
    await rig.after(SECOND)
    rig.source.silent = False
    rig.source.send(purchase.id, "Your code is 12345")
    await rig.after(SECOND)
    assert rig.shown(purchase).code == "12345"

"""Velocity limits at work: what is refused, for how long, and that an attack stops."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

import pytest
from tests import cast
from tests.conftest import ClockedBooks, FakeClock
from tests.service.shop_rig import CALLER, PRICES, Rig, message

from ulak.core.errors import Refusal
from ulak.core.orders import Placed, TextDraft, Throttled
from ulak.core.purchases import Denied, Sold, Tariff
from ulak.core.states import MessageState, PurchaseState
from ulak.core.velocity import SPANS, Kind
from ulak.service import accounts
from ulak.service.house import House
from ulak.service.sweep import Hand, sweep_slice
from ulak.store.engine import Database, Sql
from ulak.store.writer import sync_read, sync_write

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def limit(database: Database, account: str, **settings: str) -> None:
    sync_write(
        database,
        lambda tx: accounts.configure(
            tx, account, {f"velocity_{key}": value for key, value in settings.items()}
        ),
    )


def send(
    database: Database, who: cast.Tenant, *texts: Sequence[int] | TextDraft
) -> Placed | Refusal | Throttled:
    """Place one order, of a text for each of these."""
    drafts = [each if isinstance(each, TextDraft) else cast.text(each) for each in texts]
    (result,) = cast.place_all(database, [cast.submission(who, cast.draft(who.sender, drafts))])
    return result


def rows(database: Database) -> int:
    found = sync_read(database, lambda tx: tx.one(Sql("SELECT count(*) FROM velocity")))
    assert found is not None
    count: int = found[0]
    return count


def test_without_limits_nothing_is_counted(database: Database) -> None:
    alice = cast.alice(database)
    assert isinstance(send(database, alice, cast.numbers(100)), Placed)
    assert rows(database) == 0


@pytest.mark.parametrize(
    ("name", "span", "step"), [("minute", MINUTE, 1_000), ("hour", HOUR, MINUTE), ("day", DAY, 15 * MINUTE)]
)
def test_so_many_messages_in_a_while(
    database: Database, clock: FakeClock, name: str, span: int, step: int
) -> None:
    alice, bob = cast.alice(database), cast.bob(database)
    limit(database, "alice", **{name: "10"})
    clock.now -= clock.now % step
    assert isinstance(send(database, alice, cast.numbers(4), cast.numbers(4)), Placed)
    clock.advance(step)
    assert send(database, alice, cast.numbers(3)) == Throttled(span // 1000)
    assert isinstance(send(database, alice, cast.numbers(2)), Placed)
    assert isinstance(send(database, bob, cast.numbers(50)), Placed), "only hers are counted"
    clock.advance(span - 1)
    assert send(database, alice, cast.numbers(1)) == Throttled(1)
    clock.advance(1)
    assert isinstance(send(database, alice, cast.numbers(8)), Placed)
    assert isinstance(send(database, alice, cast.numbers(1)), Throttled)


def test_what_waiting_does_not_help(database: Database) -> None:
    alice = cast.alice(database)
    limit(database, "alice", hour="10", prefix="5")
    assert send(database, alice, cast.numbers(11)) is Refusal.TOO_LARGE
    assert send(database, alice, cast.numbers(6)) is Refusal.TOO_LARGE
    spread = [905301000001 + 1_000 * n for n in range(10)]
    assert isinstance(send(database, alice, spread), Placed)
    assert rows(database) == 1 + 10


def test_an_order_that_is_refused_counts_nothing(database: Database) -> None:
    alice = cast.alice(database, credit=5)
    limit(database, "alice", hour="10")
    assert send(database, alice, cast.numbers(6)) is Refusal.NO_CREDIT
    assert rows(database) == 0
    assert isinstance(send(database, alice, cast.numbers(5)), Placed)


def test_who_gets_nothing_counts_nothing(database: Database) -> None:
    alice = cast.alice(database)
    limit(database, "alice", hour="10")
    to = cast.numbers(12)
    barred = cast.text(to, barred=frozenset(to[:4]))
    assert isinstance(send(database, alice, barred), Placed)
    assert isinstance(send(database, alice, cast.text([0, to[0], to[1]], odd={0: "nobody"})), Placed)
    assert isinstance(send(database, alice, [to[0]]), Throttled)


def test_one_number_gets_so_many(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    limit(database, "alice", number="3")
    one, other = cast.numbers(2)
    assert isinstance(send(database, alice, cast.text([one]), cast.text([one], "noch eins")), Placed)
    assert isinstance(send(database, alice, [one, other]), Placed)
    assert send(database, alice, [one, other]) == Throttled(SPANS[Kind.NUMBER].span // 1000 + 9)
    assert isinstance(send(database, alice, [other]), Placed)
    clock.advance(10 * MINUTE + 10_000)
    assert isinstance(send(database, alice, [one, other]), Placed)


def test_orders_of_one_group_count_one_after_the_other(database: Database) -> None:
    alice, bob = cast.alice(database), cast.bob(database)
    limit(database, "alice", prefix="50")
    items = [
        cast.submission(who, cast.draft(who.sender, [cast.text([905301000000 + n])]))
        for n in range(200)
        for who in (alice, bob)
    ]
    results = cast.place_all(database, items)
    assert [isinstance(result, Placed) for result in results[::2]] == [True] * 50 + [False] * 150
    assert all(isinstance(result, Placed) for result in results[1::2])


def test_ten_thousand_to_one_block_stop_at_fifty(sqlite_database: Database, clock: FakeClock) -> None:
    """With what docs/ulak.example.toml sets, spread over as long as somebody likes within an hour."""
    alice = cast.alice(sqlite_database, credit=20_000)
    limit(sqlite_database, "alice", minute="100", hour="1000", day="5000", prefix="50", number="3")
    out = 0
    for start in range(0, 10_000, 1_000):
        to = [905301234000 + n % 1000 for n in range(start, start + 1_000)]
        items = [cast.submission(alice, cast.draft(alice.sender, [cast.text([number])])) for number in to]
        out += sum(isinstance(result, Placed) for result in cast.place_all(sqlite_database, items))
        clock.advance(HOUR // 12)
    assert out == 50


def test_countries(database: Database) -> None:
    """Who lives elsewhere gets nothing; an order to nobody else is refused."""
    alice = cast.alice(database)
    limit(database, "alice", countries="90", country_day="2")
    turkish, german = 905301000001, 4915112345678
    assert send(database, alice, [german]) is Refusal.NO_RECIPIENT
    placed = send(database, alice, [turkish, german])
    assert isinstance(placed, Placed)
    states = [row.state for row in cast.report_of(database, alice, placed.number).messages]
    assert states == [MessageState.QUEUED, MessageState.UNDELIVERED]
    assert cast.balance(database, alice).held == 1
    limit(database, "alice", countries="off")
    assert isinstance(send(database, alice, [german, german + 1]), Placed)
    assert isinstance(send(database, alice, [german + 2]), Throttled)
    assert isinstance(send(database, alice, [turkish + 1]), Placed)


def test_never_more_than_the_limit_in_any_span(sqlite_database: Database, clock: FakeClock) -> None:
    """Random orders: what goes out is within the limits in every span of their length, and what is refused
    would not have been within them in a span that is one step longer."""
    rng = random.Random(20261122)
    alice = cast.alice(sqlite_database, credit=100_000)
    most = {Kind.MINUTE: 12, Kind.HOUR: 60, Kind.PREFIX: 25}
    limit(sqlite_database, "alice", minute="12", hour="60", prefix="25")
    sent: list[tuple[int, int]] = []
    refused = 0
    for _ in range(150):
        clock.advance(rng.choice((0, 300, 5_000, 40_000, 300_000)))
        to = [905301000000 + rng.randrange(3) * 1000 + n for n in rng.sample(range(1000), rng.randint(1, 6))]
        result = send(sqlite_database, alice, to)
        now = clock.now
        if isinstance(result, Placed):
            sent += [(now, number // 1000) for number in to]
            assert all(within(sent, kind, count, now, 0) for kind, count in most.items())
        else:
            refused += 1
            assert isinstance(result, Throttled)
            more = sent + [(now, number // 1000) for number in to]
            assert not all(within(more, kind, count, now, SPANS[kind].step) for kind, count in most.items())
    assert 15 < refused < 135


def within(sent: list[tuple[int, int]], kind: Kind, most: int, now: int, longer: int) -> bool:
    """Whether in the span up to now, made so much longer, there are no more than allowed."""
    late = [prefix for at, prefix in sent if at > now - SPANS[kind].span - longer]
    if kind is Kind.PREFIX:
        return all(late.count(prefix) <= most for prefix in set(late))
    return len(late) <= most


def test_what_is_over_is_swept(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database)
    limit(database, "alice", minute="100", number="3")
    send(database, alice, cast.numbers(20))
    assert rows(database) == 21

    def sweep() -> None:
        hand, more = Hand(), True
        while more:
            hand, more = sync_write(database, partial(sweep_slice, hand=hand, receipt_wait=DAY))

    clock.advance(2 * MINUTE)
    sweep()
    assert rows(database) == 20
    clock.advance(10 * MINUTE)
    sweep()
    assert rows(database) == 0


# Messages that are bought.


@pytest.fixture
def rig(books: ClockedBooks) -> Rig:
    return Rig(books, books.database.directory)


async def test_messages_from_a_balance(rig: Rig) -> None:
    alice = rig.account(sats=10 * PRICES[Tariff.SEND])
    limit(rig.books.database, "alice", prefix="2", countries="90")
    wish = message(prepaid=True)
    assert [isinstance(await rig.shop.buy(wish, alice, CALLER), Sold) for _ in range(2)] == [True, True]
    denied = await rig.shop.buy(wish, alice, CALLER)
    assert isinstance(denied, Denied)
    assert denied.refusal is Refusal.TOO_FAST
    assert 3_600 < denied.wait <= 3_660
    abroad = message(prepaid=True, number=4915112345678)
    assert await rig.shop.buy(abroad, alice, CALLER) == Denied(Refusal.NO_RECIPIENT)
    assert rig.balance(alice).held == 2 * PRICES[Tariff.SEND]


async def test_messages_that_strangers_pay_for(rig: Rig) -> None:
    """What is not paid takes nobody's room; what is paid when there is none left is given back."""
    await rig.order(message())
    limit(rig.books.database, House.WALK_IN.value, prefix="2")
    bought = [await rig.order(message()) for _ in range(4)]
    for sold in bought:
        await rig.pay(sold)
    states = [rig.of(sold).state for sold in bought]
    assert states == [PurchaseState.PAID] * 2 + [PurchaseState.FAILED] * 2
    denied = await rig.shop.buy(message(), None, CALLER)
    assert isinstance(denied, Denied)
    assert denied.refusal is Refusal.TOO_FAST
    await rig.work()
    assert rig.house(House.WALK_IN).held == 2 * PRICES[Tariff.SEND]
    assert len(cast.claim(rig.books.database)) == 2

"""The consent registry: all of a batch or nothing, each word judged after those before it."""

from __future__ import annotations

import random
import threading
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from tests import cast
from tests.conftest import FakeClock

from ulak.core.consents import (
    BEGINNING,
    Audience,
    Channel,
    Decision,
    Fault,
    Person,
    Source,
    Word,
    recipient_of,
    state_faults,
    time_fault,
)
from ulak.core.times import day_start
from ulak.service import consents
from ulak.store import consents as store
from ulak.store.engine import Database, Sql, Tx
from ulak.store.writer import sync_read, sync_write

BRAND = 100200
AYSE = Person(Channel.MESAJ, Audience.BIREYSEL, "905301234567")
MEHMET = Person(Channel.EPOSTA, Audience.TACIR, "mehmet@ornek.com")

_CHANGED = Sql("SELECT recipient, changed FROM consent")


def said(who: Person, decision: Decision = Decision.ONAY, given: int = 1) -> Word:
    return Word(who, decision, Source.HS_WEB, given)


def record(database: Database, account: int, *words: Word, brand: int = BRAND) -> list[tuple[int, Fault]]:
    return sync_write(database, lambda tx: consents.record(tx, account, brand, words))


def find(database: Database, account: int, who: Person, brand: int = BRAND) -> Word | None:
    return sync_read(database, lambda tx: store.find(tx, account, brand, who))


def test_the_newest_word_counts(database: Database) -> None:
    alice = cast.alice(database).id
    assert record(database, alice, said(AYSE), said(MEHMET, given=2)) == []
    assert find(database, alice, AYSE) == said(AYSE)
    assert record(database, alice, said(AYSE, Decision.RET, 3)) == []
    assert find(database, alice, AYSE) == said(AYSE, Decision.RET, 3)
    assert find(database, alice, MEHMET) == said(MEHMET, given=2)
    for other in (AYSE._replace(channel=Channel.ARAMA), AYSE._replace(audience=Audience.TACIR)):
        assert find(database, alice, other) is None
    assert find(database, alice, AYSE, BRAND + 1) is None
    assert find(database, alice + 1, AYSE) is None


def test_all_or_nothing(database: Database) -> None:
    alice = cast.alice(database).id
    no = said(AYSE, Decision.RET)
    assert record(database, alice, said(MEHMET), no) == [(1, Fault.FIRST_IS_REFUSAL)]
    assert find(database, alice, MEHMET) is None
    assert record(database, alice, said(AYSE), said(AYSE), no, no, said(AYSE, given=9)) == [
        (1, Fault.UNCHANGED),
        (3, Fault.UNCHANGED),
    ]
    assert find(database, alice, AYSE) is None
    assert record(database, alice, said(AYSE), no, said(AYSE, given=9)) == []
    assert find(database, alice, AYSE) == said(AYSE, given=9)


def test_when_it_was_told_is_kept(database: Database, clock: FakeClock) -> None:
    alice = cast.alice(database).id
    record(database, alice, said(AYSE), said(MEHMET))
    clock.advance(5)
    record(database, alice, said(AYSE, Decision.RET, 2))
    rows = sync_read(database, lambda tx: tx.all(_CHANGED))
    assert dict(rows) == {AYSE.recipient: clock.now, MEHMET.recipient: clock.now - 5}


def test_a_large_batch_is_a_few_statements(database: Database) -> None:
    alice = cast.alice(database).id
    words = [said(AYSE._replace(recipient=str(905300000000 + each))) for each in range(5_000)]
    asked: list[str] = []

    class Counting(Tx):
        def _execute(self, sql: Any, values: dict[str, Any]) -> Any:
            asked.append(sql.sqlite)
            return super()._execute(sql, values)

    def change(tx: Tx) -> list[tuple[int, Fault]]:
        counting = Counting(tx._connection, tx.now, tx.postgres)
        return consents.record(counting, alice, BRAND, words)

    assert sync_write(database, change) == []
    assert len(asked) == (4 if database.postgres else 3), "on PostgreSQL a lock besides"
    assert find(database, alice, words[-1].person) == words[-1]
    assert len(record(database, alice, *words)) == 5_000


def test_two_batches_at_once_see_each_other(database: Database) -> None:
    alice = cast.alice(database).id
    outcomes: list[list[tuple[int, Fault]]] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(record(database, alice, said(AYSE))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [[], *[[(0, Fault.UNCHANGED)]] * 3]


def test_working_days_against_a_count_day_by_day() -> None:
    for offset in range(400):
        today = date(2026, 1, 1) + timedelta(days=offset)
        now = day_start(today) + 60_000
        for back in range(9):
            day = today - timedelta(days=back)
            since = [day + timedelta(days=each) for each in range(1, back + 1)]
            late = sum(each.isoweekday() < 6 for each in since) > 3
            fault = time_fault(Source.HS_WEB, day_start(day), now)
            assert fault is (Fault.TOO_OLD if late else None), (today, day)


def test_states_against_a_plain_walk() -> None:
    """Whatever was known, what is taken alternates and begins with a yes."""
    chance = random.Random(5)
    people = [AYSE, MEHMET, AYSE._replace(recipient="905301234568")]
    for _ in range(300):
        known = {who: chance.choice(list(Decision)) for who in people if chance.random() < 0.5}
        words = [said(chance.choice(people), chance.choice(list(Decision))) for _ in range(6)]
        faults = dict(state_faults(known, words))
        for who in people:
            taken = [word.decision for i, word in enumerate(words) if word.person == who and i not in faults]
            chain = [known.get(who, Decision.RET), *taken]
            assert all(one is not other for one, other in pairwise(chain))


TIMES = [
    (Source.HS_2015, BEGINNING, None),
    (Source.HS_2015, BEGINNING + 1000, Fault.NOT_OF_2015),
    (Source.HS_WEB, BEGINNING - 1000, Fault.BEFORE_REGISTRY),
    (Source.HS_WEB, BEGINNING, Fault.TOO_OLD),
    (Source.HS_WEB, 1_779_274_991_000, None),
    (Source.HS_WEB, 1_779_274_991_001, Fault.IN_FUTURE),
]


@pytest.mark.parametrize(("source", "given", "fault"), TIMES)
def test_times(source: Source, given: int, fault: Fault | None) -> None:
    assert time_fault(source, given, 1_779_274_991_000) is fault


def test_a_long_address_is_looked_at_quickly() -> None:
    """What no address can be costs no more than its length."""
    for odd in ("a" * 100_000, "a." * 100_000, "a@" + "a-" * 100_000, "a@" + "a." * 120, "İ@ornek.com"):
        assert recipient_of(Channel.EPOSTA, odd) == ""
    assert recipient_of(Channel.EPOSTA, "A+b@X-1.example") == "a+b@x-1.example"
    assert recipient_of(Channel.ARAMA, "0530 123 45 67") == "905301234567"

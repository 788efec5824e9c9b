"""Requests with a key of their own: one wins, the others learn what became of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.conftest import FakeClock
from tests.parcel_cast import NOW

from ulak.core.once import CLAIM, KEPT, Earlier, Once, ReplyState
from ulak.store import replies
from ulak.store.engine import Database
from ulak.store.replies import Claimed
from ulak.store.writer import sync_read, sync_write

ALICE, BOB = 1, 2
ORDER = Once("POST /consignments", "key\0-1", "digest-1")
CHANGED = Once(ORDER.scope, ORDER.key, "digest-2")


def claim(database: Database, once: Once = ORDER, account_id: int = ALICE) -> Claimed:
    return sync_write(database, lambda tx: replies.claim(tx, account_id, once, until=tx.now + CLAIM))


def find(database: Database, account_id: int = ALICE) -> Earlier | None:
    return sync_read(database, lambda tx: replies.find(tx, account_id, ORDER.scope, ORDER.key))


def attach(database: Database, consignment_id: int) -> None:
    sync_write(database, lambda tx: replies.attach(tx, ALICE, ORDER, consignment_id))


def test_a_request_that_was_done_is_known_for_a_day(either_database: Database, clock: FakeClock) -> None:
    assert find(either_database) is None
    assert claim(either_database) == Claimed(True, None)
    running = Earlier(ReplyState.RUNNING, ORDER.digest, NOW + CLAIM, None, None)
    assert find(either_database) == running
    assert claim(either_database) == Claimed(False, running)
    assert find(either_database, BOB) is None
    assert claim(either_database, account_id=BOB) == Claimed(True, None)

    sync_write(either_database, lambda tx: replies.finish(tx, ALICE, ORDER, 7, b"\0body"))
    clock.advance(KEPT - 1)
    done = Earlier(ReplyState.DONE, ORDER.digest, NOW, 7, b"\0body")
    assert find(either_database) == done
    assert claim(either_database, CHANGED) == Claimed(False, done)
    clock.advance(1)
    assert find(either_database) is None
    assert claim(either_database, CHANGED) == Claimed(True, None)
    assert find(either_database) == Earlier(ReplyState.RUNNING, CHANGED.digest, clock.now + CLAIM, None, None)


def test_one_that_failed_is_begun_again_about_the_same_consignment(either_database: Database) -> None:
    claim(either_database)
    attach(either_database, 7)
    sync_write(either_database, lambda tx: replies.fail(tx, ALICE, ORDER, 7))
    failed = Earlier(ReplyState.FAILED, ORDER.digest, NOW, 7, None)
    assert find(either_database) == failed
    assert claim(either_database, CHANGED) == Claimed(True, failed)
    assert find(either_database) == Earlier(ReplyState.RUNNING, CHANGED.digest, NOW + CLAIM, 7, None)


def test_one_whose_claim_is_over_is_gone_on_with(either_database: Database, clock: FakeClock) -> None:
    claim(either_database)
    attach(either_database, 7)
    left = Earlier(ReplyState.RUNNING, ORDER.digest, NOW + CLAIM, 7, None)
    clock.advance(CLAIM - 1)
    assert claim(either_database) == Claimed(False, left)
    clock.advance(1)
    assert claim(either_database, CHANGED) == Claimed(False, left)
    assert claim(either_database) == Claimed(True, left)
    assert claim(either_database) == Claimed(
        False, Earlier(ReplyState.RUNNING, ORDER.digest, clock.now + CLAIM, 7, None)
    )


def test_what_a_process_left_is_found_by_its_consignment(either_database: Database) -> None:
    claim(either_database)
    attach(either_database, 7)

    def running(account_id: int, consignment_id: int) -> list[Once]:
        return sync_read(either_database, lambda tx: replies.running(tx, account_id, consignment_id))

    assert running(ALICE, 7) == [Once(ORDER.scope, "key\ufffd-1", ORDER.digest)]
    assert running(BOB, 7) == running(ALICE, 8) == []
    sync_write(either_database, lambda tx: replies.finish(tx, ALICE, ORDER, 7, None))
    assert running(ALICE, 7) == []


def test_of_many_at_once_one_wins(either_database: Database) -> None:
    with ThreadPoolExecutor(8) as threads:
        for begun in (False, True):
            if begun:
                sync_write(either_database, lambda tx: replies.fail(tx, ALICE, ORDER, 7))
            claims = list(threads.map(lambda _: claim(either_database), range(24)))
            assert sorted(claimed.won for claimed in claims) == [False] * 23 + [True]
            assert all(
                claimed.won or (claimed.earlier and claimed.earlier.state is ReplyState.RUNNING)
                for claimed in claims
            )

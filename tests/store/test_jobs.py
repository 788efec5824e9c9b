"""Jobs as rows: one of a kind for a subject, taken by one worker at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.conftest import FakeClock
from tests.parcel_cast import NOW

from ulak.core.jobs import Job, JobKind
from ulak.store import jobs
from ulak.store.engine import Database, Sql
from ulak.store.writer import sync_read, sync_write

BOOK, TRACK = JobKind.BOOK, JobKind.TRACK
LEASE = 1000


def put(database: Database, subject: int, due: int, kind: JobKind = TRACK) -> None:
    sync_write(database, lambda tx: jobs.put(tx, kind, subject, due))


def take(database: Database, limit: int = 10, kind: JobKind = TRACK, claim: str = "me") -> list[Job]:
    return sync_write(database, lambda tx: jobs.claim(tx, kind, limit, LEASE, claim))


def rows(database: Database) -> list[tuple[Any, ...]]:
    """(kind, subject, due after now, tries, claim) of every job."""
    question = Sql("SELECT kind, subject, due - :now, tries, claim FROM job ORDER BY kind, subject")
    return sync_read(database, lambda tx: tx.all(question, now=NOW))


def test_due_jobs_are_taken_the_longest_due_first(either_database: Database) -> None:
    for subject, due in ((1, NOW - 1), (2, NOW), (3, NOW - 2), (4, NOW + 1)):
        put(either_database, subject, due)
    put(either_database, 5, NOW - 9, BOOK)
    assert [job.subject for job in take(either_database, 2)] == [3, 1]
    (last,) = take(either_database)
    assert last == Job(last.id, TRACK, 2, 0)
    assert take(either_database) == []
    assert sync_read(either_database, lambda tx: [jobs.any_due(tx, kind) for kind in (BOOK, TRACK)]) == [
        True,
        False,
    ]


def test_a_job_is_due_again_when_its_lease_is_over(either_database: Database, clock: FakeClock) -> None:
    put(either_database, 1, NOW)
    (first,) = take(either_database)
    clock.advance(LEASE - 1)
    assert take(either_database, claim="other") == []
    clock.advance(1)
    assert take(either_database, claim="other") == [first._replace(tries=1)]


def test_the_earlier_time_counts_unless_somebody_is_at_it(either_database: Database) -> None:
    put(either_database, 1, NOW + 5)
    put(either_database, 1, NOW + 9)
    assert rows(either_database) == [(TRACK, 1, 5, 0, "")]
    put(either_database, 1, NOW)
    take(either_database)
    put(either_database, 1, NOW - 7)
    assert rows(either_database) == [(TRACK, 1, LEASE, 1, "me")]


def test_jobs_end_or_come_again(either_database: Database) -> None:
    for subject in (1, 2, 3):
        put(either_database, subject, NOW + subject - 3)
    one, two, three = take(either_database)
    sync_write(either_database, lambda tx: jobs.done(tx, [one.id]))
    sync_write(either_database, lambda tx: jobs.again(tx, [(two.id, NOW + 50)]))
    sync_write(either_database, lambda tx: jobs.again(tx, [(three.id, NOW + 60)], failed=False))
    assert rows(either_database) == [(TRACK, 2, 50, 1, ""), (TRACK, 3, 60, 0, "")]
    sync_write(either_database, lambda tx: jobs.done(tx, [two.id]))
    sync_write(either_database, lambda tx: jobs.again(tx, [(two.id, NOW)]))
    assert rows(either_database)[0] == (TRACK, 2, 50, 1, "")
    sync_write(either_database, lambda tx: jobs.done(tx, []))
    sync_write(either_database, lambda tx: jobs.again(tx, []))
    assert len(rows(either_database)) == 2


def test_jobs_are_dropped_by_their_subject(either_database: Database) -> None:
    for kind in (BOOK, TRACK):
        for subject in (1, 2, 3):
            put(either_database, subject, NOW, kind)
    take(either_database, 1)
    sync_write(either_database, lambda tx: jobs.remove(tx, TRACK, [1, 3, 9]))
    sync_write(either_database, lambda tx: jobs.remove(tx, TRACK, []))
    assert [(kind, subject) for kind, subject, *_ in rows(either_database)] == [
        (BOOK, 1),
        (BOOK, 2),
        (BOOK, 3),
        (TRACK, 2),
    ]


def test_what_dead_processes_had_is_due_at_once(either_database: Database) -> None:
    for subject, claim in ((1, "dead"), (2, "me")):
        put(either_database, subject, NOW, BOOK)
        take(either_database, kind=BOOK, claim=claim)
    put(either_database, 3, NOW + 50, BOOK)
    assert sync_write(either_database, lambda tx: jobs.release(tx, claim_not="me")) == 1
    assert rows(either_database) == [(BOOK, 1, 0, 1, ""), (BOOK, 2, LEASE, 1, "me"), (BOOK, 3, 50, 0, "")]


def test_no_two_workers_take_the_same_job(either_database: Database) -> None:
    for subject in range(40):
        put(either_database, subject, NOW)
    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(lambda place: take(either_database, 5, claim=str(place)), range(8)))
    subjects = [job.subject for group in taken for job in group]
    assert len(subjects) == len(set(subjects))
    assert sorted(subjects + [job.subject for job in take(either_database, 40)]) == list(range(40))

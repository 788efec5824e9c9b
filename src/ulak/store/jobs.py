"""Work to do later: one job of a kind for a subject."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ulak.core.jobs import Job, JobKind
from ulak.store.engine import Sql, Tx

_PUT = Sql(
    "INSERT INTO job (kind, subject, due, tries, claim) VALUES (:kind, :subject, :due, 0, '')"
    " ON CONFLICT (kind, subject) DO UPDATE SET due = excluded.due"
    " WHERE job.claim = '' AND excluded.due < job.due"
)
_DUE = Sql(
    "SELECT id FROM job WHERE kind = :kind AND due <= :now ORDER BY due LIMIT :limit",
    lock="FOR UPDATE SKIP LOCKED",
)
_CLAIM = Sql(
    "UPDATE job SET due = :until, claim = :claim, tries = tries + 1"
    " WHERE id IN (SELECT id FROM {wanted} AS wanted) RETURNING id, kind, subject, tries - 1",
    wanted=("id int8",),
)
# Only claimed ones: where ids are used again, what comes late must not touch a job that nobody took yet.
_DONE = Sql(
    "DELETE FROM job WHERE id IN (SELECT id FROM {wanted} AS wanted) AND claim <> ''", wanted=("id int8",)
)
_AGAIN = Sql(
    "UPDATE job SET due = wanted.due, claim = '', tries = CASE :failed WHEN 1 THEN job.tries ELSE 0 END"
    " FROM {wanted} AS wanted WHERE job.id = wanted.id AND job.claim <> ''",
    wanted=("id int8", "due int8"),
)
_REMOVE = Sql(
    "DELETE FROM job WHERE kind = :kind AND subject IN (SELECT subject FROM {wanted} AS wanted)",
    wanted=("subject int8",),
)
_RELEASE = Sql(
    "UPDATE job SET due = :now, claim = '' WHERE claim <> '' AND claim <> :claim"
    " AND claim NOT IN (SELECT name FROM process)"
)
_HELD = Sql("SELECT 1 FROM job WHERE id = :id AND claim <> '' AND tries = :tries", lock="FOR UPDATE")
_ANY_DUE = Sql("SELECT 1 FROM job WHERE kind = :kind AND due <= :now LIMIT 1")


def put(tx: Tx, kind: JobKind, subject: int, due: int) -> None:
    """Queue a job. If there is one of the kind for the subject, the earlier time counts; one that somebody
    works on stays as it is."""
    tx.run(_PUT, kind=int(kind), subject=subject, due=due)


def claim(tx: Tx, kind: JobKind, limit: int, lease_ms: int, claim: str) -> list[Job]:
    """Take due jobs, longest due first. Each is due again when the lease is over, unless it is ended before.

    `claim` names who takes them.
    """
    wanted = [row[0] for row in tx.all(_DUE, kind=int(kind), now=tx.now, limit=limit)]
    if not wanted:
        return []
    taken = {
        row[0]: Job(row[0], JobKind(row[1]), row[2], row[3])
        for row in tx.all(_CLAIM, wanted=wanted, until=tx.now + lease_ms, claim=claim)
    }
    return [taken[job_id] for job_id in wanted]


def held(tx: Tx, job: Job) -> bool:
    """Whether a claimed job was not claimed again since: whoever took long may have lost it to somebody else.
    It stays so until the transaction ends."""
    return tx.one(_HELD, id=job.id, tries=job.tries + 1) is not None


def done(tx: Tx, job_ids: Sequence[int]) -> None:
    """End claimed jobs."""
    if job_ids:
        tx.run(_DONE, wanted=job_ids)


def again(tx: Tx, pairs: Sequence[tuple[int, int]], *, failed: bool = True) -> None:
    """Put claimed jobs back: (job id, when it is due). Unless they failed, tries count from 0 again."""
    if pairs:
        tx.run(_AGAIN, wanted=pairs, failed=int(failed))


def remove(tx: Tx, kind: JobKind, subjects: Iterable[int]) -> None:
    """Drop the jobs of a kind for these subjects, claimed or not."""
    wanted = list(subjects)
    if wanted:
        tx.run(_REMOVE, kind=int(kind), wanted=wanted)


def release(tx: Tx, *, claim_not: str = "") -> int:
    """Make the jobs due at once that processes claimed which are gone, unless it is this one; how many."""
    return tx.run(_RELEASE, now=tx.now, claim=claim_not)


def any_due(tx: Tx, kind: JobKind) -> bool:
    """Whether there is something to claim."""
    return tx.one(_ANY_DUE, kind=int(kind), now=tx.now) is not None

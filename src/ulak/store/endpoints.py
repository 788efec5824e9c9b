"""Endpoints of accounts as rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ulak.core.callbacks import Endpoint
from ulak.store.engine import Row, Sql, Tx

_COLUMNS = "endpoint.id, endpoint.account_id, dialect, families, url, secret, failing, disabled"

_INSERT = Sql(
    "INSERT INTO endpoint (account_id, dialect, families, url, secret, created)"
    " VALUES (:account, :dialect, :families, :url, :secret, :now)"
    " ON CONFLICT (account_id, dialect) WHERE removed IS NULL AND named = 0"
    " DO UPDATE SET families = excluded.families, url = excluded.url, secret = excluded.secret,"
    " failing = NULL, disabled = NULL"
    f" RETURNING {_COLUMNS}"
)
# The secret is the one of the account's own endpoint, so that one key checks all that an account is told.
_NAME = Sql(
    "INSERT INTO endpoint (account_id, dialect, families, url, secret, created, named)"
    " SELECT :account, :dialect, '', :url, coalesce((SELECT secret FROM endpoint"
    " WHERE account_id = :account AND dialect = :dialect AND removed IS NULL AND named = 0), ''), :now, 1"
    " WHERE true ON CONFLICT (account_id, dialect, url) WHERE removed IS NULL AND named = 1"
    " DO UPDATE SET created = excluded.created,"
    " failing = NULL, disabled = NULL RETURNING id"
)
_NAMED = Sql("SELECT id FROM endpoint WHERE id > :after AND named = 1 ORDER BY id LIMIT :limit")
_FORGET_NAMED = Sql(
    "DELETE FROM endpoint WHERE id IN (SELECT id FROM {wanted} AS wanted) AND created < :before"
    " AND NOT EXISTS (SELECT 1 FROM callback"
    " WHERE callback.endpoint_id = endpoint.id AND state IN (2, 3, 4))",
    wanted=("id int8",),
)
_SHARE_SECRET = Sql(
    "UPDATE endpoint SET secret = :secret WHERE account_id = :account AND dialect = :dialect"
    " AND removed IS NULL AND named = 1"
)
_REMOVE = Sql(
    "UPDATE endpoint SET removed = :now WHERE account_id = :account AND dialect = :dialect"
    " AND removed IS NULL AND named = 0 RETURNING id"
)
_OF_ACCOUNT = Sql(
    f"SELECT {_COLUMNS} FROM endpoint WHERE account_id = :account AND removed IS NULL AND named = 0"
    " ORDER BY id"
)
# Whoever adds to an endpoint's queue or lets it move on holds this lock: which callback of a subject is
# next must not be decided twice at a time.
_TOLD = Sql(
    f"SELECT {_COLUMNS} FROM {{accounts}} AS wanted"
    " JOIN endpoint ON endpoint.account_id = wanted.account_id"
    " WHERE removed IS NULL AND named = 0 AND disabled IS NULL"
    " AND ',' || families || ',' LIKE '%,' || wanted.family || ',%' ORDER BY endpoint.id",
    lock="FOR NO KEY UPDATE OF endpoint",
    accounts=("account_id int8", "family text"),
)
_LISTENING = Sql(
    "SELECT DISTINCT endpoint.account_id FROM {accounts} AS wanted"
    " JOIN endpoint ON endpoint.account_id = wanted.id"
    " WHERE removed IS NULL AND named = 0 AND disabled IS NULL"
    " AND ',' || families || ',' LIKE '%,' || :family || ',%'",
    accounts=("id int8",),
)
_LOCKED = Sql(
    f"SELECT {_COLUMNS} FROM {{ids}} AS wanted JOIN endpoint ON endpoint.id = wanted.id ORDER BY endpoint.id",
    lock="FOR NO KEY UPDATE OF endpoint",
    ids=("id int8",),
)
_BY_ID = Sql(
    f"SELECT {_COLUMNS} FROM {{ids}} AS wanted JOIN endpoint ON endpoint.id = wanted.id"
    " WHERE removed IS NULL AND disabled IS NULL",
    ids=("id int8",),
)
_REMOVED = Sql(
    "SELECT endpoint.id FROM {ids} AS wanted JOIN endpoint ON endpoint.id = wanted.id"
    " WHERE removed IS NOT NULL",
    ids=("id int8",),
)
_SEALED = Sql(f"SELECT {_COLUMNS} FROM endpoint WHERE removed IS NULL AND named = 0 ORDER BY id")
_HEALTH = Sql(
    "UPDATE endpoint SET failing = fresh.failing, disabled = fresh.disabled"
    " FROM {fresh} AS fresh WHERE endpoint.id = fresh.id",
    fresh=("id int8", "failing int8", "disabled int8"),
)


def put(tx: Tx, account_id: int, dialect: str, families: Iterable[str], url: str, secret: str) -> Endpoint:
    """Where an account is told in a dialect's words from now on; whatever ailed it before is forgotten."""
    row = tx.one(
        _INSERT,
        account=account_id,
        dialect=dialect,
        families=",".join(sorted(families)),
        url=url,
        secret=secret,
        now=tx.now,
    )
    assert row is not None
    tx.run(_SHARE_SECRET, account=account_id, dialect=dialect, secret=secret)
    return _read(row)


def sealed(tx: Tx) -> list[Endpoint]:
    """The accounts' own ones; those that were only named share their secrets."""
    return [_read(row) for row in tx.all(_SEALED)]


def name(tx: Tx, account_id: int, dialect: str, url: str) -> int:
    """An endpoint at this address that is told only what it is named for; its id. Whatever ailed it before is
    forgotten: the address is shared by all who name it, and none of them can set it again."""
    row = tx.one(_NAME, account=account_id, dialect=dialect, url=url, now=tx.now)
    assert row is not None
    endpoint_id: int = row[0]
    return endpoint_id


def forget_named(tx: Tx, after: int, before: int, limit: int) -> int | None:
    """Delete what was last named before that moment and has nothing left to be told: a stretch of the walk
    over all endpoints. The last id it looked at, None at the end."""
    ids = [row[0] for row in tx.all(_NAMED, after=after, limit=limit)]
    if ids:
        tx.run(_FORGET_NAMED, wanted=ids, before=before)
    return ids[-1] if len(ids) == limit else None


def remove(tx: Tx, account_id: int, dialect: str) -> int | None:
    """Tell an account no more; the endpoint's id, None if it had none. The row stays: callbacks name it."""
    row = tx.one(_REMOVE, account=account_id, dialect=dialect, now=tx.now)
    return row[0] if row else None


def of_account(tx: Tx, account_id: int) -> list[Endpoint]:
    """The endpoints of an account, disabled ones too."""
    return [_read(row) for row in tx.all(_OF_ACCOUNT, account=account_id)]


def told(tx: Tx, families: Iterable[tuple[int, str]]) -> dict[int, Endpoint]:
    """The endpoints that want to be told of these (account, family), by id; locked, so that one transaction
    at a time adds to their queues."""
    return {row[0]: _read(row) for row in tx.all(_TOLD, accounts=sorted(set(families)))}


def listening(tx: Tx, accounts: Collection[int], family: str) -> set[int]:
    """Those of the accounts that have an endpoint which wants to be told of a family; not locked."""
    return {row[0] for row in tx.all(_LISTENING, accounts=sorted(accounts), family=family)}


def locked(tx: Tx, ids: Collection[int]) -> dict[int, Endpoint]:
    """Endpoints by id, removed and disabled ones too, locked as by `told`."""
    return {row[0]: _read(row) for row in tx.all(_LOCKED, ids=sorted(set(ids)))}


def in_use(tx: Tx, ids: Collection[int]) -> dict[int, Endpoint]:
    """Those of the endpoints that are neither removed nor disabled, by id."""
    return {row[0]: _read(row) for row in tx.all(_BY_ID, ids=sorted(set(ids)))}


def removed(tx: Tx, ids: Collection[int]) -> set[int]:
    """Those of the endpoints that were removed."""
    return {row[0] for row in tx.all(_REMOVED, ids=sorted(set(ids)))}


def save_health(tx: Tx, rows: Sequence[tuple[int, int | None, int | None]]) -> None:
    """Set (id, failing, disabled) of endpoints."""
    if rows:
        tx.run(_HEALTH, fresh=rows)


def _read(row: Row) -> Endpoint:
    families = frozenset(row[3].split(",")) if row[3] else frozenset[str]()
    return Endpoint(row[0], row[1], row[2], families, *row[4:])

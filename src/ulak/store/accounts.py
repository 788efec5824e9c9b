"""Accounts, their credentials and their senders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ulak.core.accounts import Account
from ulak.store.engine import Row, Sql, Tx

_COLUMNS = "account.id, account.name, account.api_access, account.settings"

_INSERT = Sql(
    "INSERT INTO account (name, api_access, settings, next_number, created)"
    " VALUES (:name, 1, '{}', :number, :now) ON CONFLICT (name) DO NOTHING RETURNING id"
)
_ALL = Sql(f"SELECT {_COLUMNS} FROM account ORDER BY account.id")
_BY_ID = Sql(f"SELECT {_COLUMNS} FROM account WHERE id = :id")
_BY_NAME = Sql(f"SELECT {_COLUMNS} FROM account WHERE name = :name")
_SET_ACCESS = Sql("UPDATE account SET api_access = :on WHERE id = :id")
_SET_SETTINGS = Sql("UPDATE account SET settings = :settings WHERE id = :id")

_ADD_CREDENTIAL = Sql(
    "INSERT INTO credential (account_id, dialect, key_digest, secret_digest, created)"
    " VALUES (:account, :dialect, :key, :secret, :now)"
    " ON CONFLICT (dialect, key_digest) DO NOTHING RETURNING id"
)
_REMOVE_CREDENTIALS = Sql("DELETE FROM credential WHERE account_id = :account AND dialect = :dialect")
_FOUND = (
    "credential.dialect, credential.key_digest, credential.secret_digest, account.next_number,"
    f" account.next_message, {_COLUMNS}"
)
_OWNER = "JOIN account ON account.id = credential.account_id"
# For a key that nobody has another's row is read, which takes as long (decision 0016).
_OTHER = "(SELECT id FROM credential WHERE id > 0 ORDER BY id LIMIT 1) AS other"
_OWN_OR_OTHER = (
    "JOIN credential ON credential.id = COALESCE((SELECT own.id FROM credential AS own"
    " WHERE own.dialect = {dialect} AND own.key_digest = {key}), other.id)"
)
_CREDENTIAL = Sql(
    f"SELECT {_FOUND} FROM {_OTHER} {_OWN_OR_OTHER.format(dialect=':dialect', key=':key')} {_OWNER}"
)
_CREDENTIALS = Sql(
    f"SELECT wanted.dialect, wanted.key_digest, {_FOUND} FROM {{keys}} AS wanted"
    f" JOIN {_OTHER} ON other.id IS NOT NULL"
    f" {_OWN_OR_OTHER.format(dialect='wanted.dialect', key='wanted.key_digest')} {_OWNER}",
    keys=("dialect text", "key_digest text"),
)
_CREDENTIALS_LOCKED = Sql(
    f"SELECT wanted.dialect, wanted.key_digest, {_FOUND} FROM {{keys}} AS wanted JOIN credential"
    f" ON credential.dialect = wanted.dialect AND credential.key_digest = wanted.key_digest {_OWNER}"
    " ORDER BY account.id",
    lock="FOR UPDATE OF account",
    keys=("dialect text", "key_digest text"),
)
_LOCK = Sql("SELECT 1 FROM account WHERE id = :id", lock="FOR UPDATE")
_ALL_NEXT = Sql("SELECT id, next_number, next_message FROM account ORDER BY id")
_NEXT_NUMBER = Sql("SELECT next_number FROM account WHERE id = :id")
_SET_NEXT_NUMBER = Sql(
    "UPDATE account SET next_number = fresh.number, next_message = fresh.message FROM {fresh} AS fresh"
    " WHERE account.id = fresh.id",
    fresh=("id int8", "number int8", "message int8"),
)

_APPROVE = Sql(
    "INSERT INTO sender (account_id, name, approved) VALUES (:account, :name, :now)"
    " ON CONFLICT (account_id, name) DO NOTHING"
)
_SENDERS = Sql("SELECT name FROM sender WHERE account_id = :account ORDER BY approved, name")
_APPROVED = Sql(
    "SELECT sender.account_id, sender.name FROM {wanted} AS wanted"
    " JOIN sender ON sender.account_id = wanted.account_id AND sender.name = wanted.name",
    wanted=("account_id int8", "name text"),
)

_settings = msgspec.json.Decoder(dict[str, str])


def _account(row: Row) -> Account:
    return Account(row[0], row[1], bool(row[2]), _settings.decode(row[3]))


def insert(tx: Tx, name: str, first_number: int) -> int | None:
    """A new account with API access; None if the name is taken."""
    row = tx.one(_INSERT, name=name, number=first_number, now=tx.now)
    return row[0] if row else None


def every(tx: Tx) -> list[Account]:
    """All accounts, oldest first."""
    return [_account(row) for row in tx.all(_ALL)]


def find(tx: Tx, account: str) -> Account | None:
    """By id (digits) or by name; a name wins where an account is called by digits."""
    row = tx.one(_BY_NAME, name=account)
    if row is None and account.isascii() and account.isdigit() and len(account) < 19:
        row = tx.one(_BY_ID, id=int(account))
    return _account(row) if row else None


def by_id(tx: Tx, account_id: int) -> Account | None:
    """By its id."""
    row = tx.one(_BY_ID, id=account_id)
    return _account(row) if row else None


def lock(tx: Tx, account_id: int) -> None:
    """Let nobody else change the account, or begin a balance of it, until this transaction ends."""
    tx.one(_LOCK, id=account_id)


def set_access(tx: Tx, account_id: int, on: bool) -> None:
    """The API-access switch."""
    tx.run(_SET_ACCESS, id=account_id, on=int(on))


def set_settings(tx: Tx, account_id: int, settings: Mapping[str, str]) -> None:
    """Replace the account's settings."""
    tx.run(_SET_SETTINGS, id=account_id, settings=msgspec.json.encode(settings).decode())


def add_credential(tx: Tx, account_id: int, dialect: str, key_digest: str, secret_digest: str) -> bool:
    """Let the account in with this key and secret, of which digests are kept; False if it is taken."""
    row = tx.one(
        _ADD_CREDENTIAL, account=account_id, dialect=dialect, key=key_digest, secret=secret_digest, now=tx.now
    )
    return row is not None


def remove_credentials(tx: Tx, account_id: int, dialect: str) -> None:
    """Let the account in no more with what it has in this dialect."""
    tx.run(_REMOVE_CREDENTIALS, account=account_id, dialect=dialect)


class Credential(msgspec.Struct, frozen=True):
    """A key's row: what its secret must digest to, whose it is, the number of the account's next order and
    the name of its next message. Not `is_known`: nobody has the key, and the row is another's."""

    is_known: bool
    dialect: str
    secret_digest: str
    next_number: int
    next_message: int
    owner: Row

    @property
    def account(self) -> Account:
        """Whose it is; read only when somebody is let in."""
        return _account(self.owner)


def credential(tx: Tx, dialect: str, key_digest: str) -> Credential | None:
    """What is known of a key; of one that nobody has another's row, so that it takes as long. None: there is
    no key at all."""
    row = tx.one(_CREDENTIAL, dialect=dialect, key=key_digest)
    return None if row is None else _credential((dialect, key_digest), row)


def credentials(
    tx: Tx, keys: Iterable[tuple[str, str]], *, lock: bool = False
) -> dict[tuple[str, str], Credential]:
    """The same of several (dialect, key digest) pairs. With `lock` those that nobody has are left out, and
    the accounts of the others stay locked, by id."""
    rows = tx.all(_CREDENTIALS_LOCKED if lock else _CREDENTIALS, keys=list(keys))
    return {row[:2]: _credential(row[:2], row[2:]) for row in rows}


def _credential(asked: Row, row: Row) -> Credential:
    return Credential(row[:2] == asked, row[0], row[2], row[3], row[4], row[5:])


def next_number(tx: Tx, account_id: int) -> int:
    """The number the account's next order gets."""
    row = tx.one(_NEXT_NUMBER, id=account_id)
    assert row is not None
    number: int = row[0]
    return number


def next_numbers(tx: Tx) -> list[tuple[int, int, int]]:
    """(account, number of its next order, what callbacks call its next message) of all."""
    return [(row[0], row[1], row[2]) for row in tx.all(_ALL_NEXT)]


def set_next_numbers(tx: Tx, rows: Sequence[tuple[int, int, int]]) -> None:
    """(account, the number its next order gets, the name its next message gets)."""
    tx.run(_SET_NEXT_NUMBER, fresh=rows)


def approve_sender(tx: Tx, account_id: int, name: str) -> None:
    """Let the account send under this name, byte for byte."""
    tx.run(_APPROVE, account=account_id, name=name, now=tx.now)


def senders(tx: Tx, account_id: int) -> list[str]:
    """The approved senders, oldest first."""
    return [row[0] for row in tx.all(_SENDERS, account=account_id)]


def approved(tx: Tx, wanted: Iterable[tuple[int, str]]) -> set[tuple[int, str]]:
    """Which of these (account, sender) pairs are approved."""
    return {(row[0], row[1]) for row in tx.all(_APPROVED, wanted=list(wanted))}

"""Endpoints: where an account is told of events, one for each dialect."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from ulak.core.callbacks import Endpoint, read_secret, write_secret
from ulak.core.errors import UlakError
from ulak.store import callbacks
from ulak.store import endpoints as store
from ulak.store.engine import Tx
from ulak.store.vault import Vault

SECRET_SIZE = 32
"""Octets of a signing key."""


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint and its secret in the clear, shown this once."""

    endpoint: Endpoint
    secret: str


def set_endpoint(
    tx: Tx, account_id: int, dialect: str, families: Iterable[str], url: str, vault: Vault
) -> NewEndpoint:
    """Tell an account of events at this address from now on, with a new secret.

    An endpoint that the account has for the dialect already gets the address, and is enabled again; what
    waits for it goes there. Whether callbacks may go to the address is checked before (`outbound`).
    """
    secret = write_secret(secrets.token_bytes(SECRET_SIZE))
    sealed = vault.seal(secret, _purpose(account_id, dialect))
    return NewEndpoint(store.put(tx, account_id, dialect, families, url, sealed), secret)


def remove(tx: Tx, account_id: int, dialect: str) -> bool:
    """Tell an account no more in this dialect; whether it was told before. What still waited is given up."""
    endpoint_id = store.remove(tx, account_id, dialect)
    if endpoint_id is not None:
        callbacks.give_up(tx, [endpoint_id])
    return endpoint_id is not None


def signing_key(vault: Vault, endpoint: Endpoint) -> bytes:
    """The key that callbacks to an endpoint are signed with.

    Raises:
        UlakError: it cannot be read.
    """
    secret = vault.open(endpoint.secret, _purpose(endpoint.account_id, endpoint.dialect))
    try:
        return read_secret(secret)
    except ValueError:
        raise UlakError(f"the secret of endpoint {endpoint.id} is none") from None


def _purpose(account_id: int, dialect: str) -> str:
    return f"callbacks of account {account_id}, {dialect}"

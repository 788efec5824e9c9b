"""Digests of numbers that were erased, and what is still known by them."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Mapping
from functools import cached_property

from ulak.core.errors import UlakError
from ulak.store import suppressions as store
from ulak.store.engine import Tx
from ulak.store.vault import Vault

Digest = Callable[[int], str]
"""Makes the digest of a number, with a key that is not in the database."""


def no_key(_number: int) -> str:
    """Where nobody has erased a number, none is needed."""
    raise UlakError("numbers were erased here, and the key is missing by which they are known")


class NumberDigests:
    """Digests with the installation's key, which is read when it is first needed."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    @cached_property
    def _key(self) -> bytes:
        return self._vault.derive("erased numbers")

    def __call__(self, number: int) -> str:
        """128 bits, hexadecimal."""
        return hmac.digest(self._key, str(number).encode(), "sha256")[:16].hex()


def blocked(tx: Tx, numbers: Mapping[int, Collection[int]], digest: Digest) -> dict[int, set[int]]:
    """Of each account's numbers those that were blocked when they were erased."""
    return _known(tx, {account_id: (store.ALL, found) for account_id, found in numbers.items()}, digest)


def refused(
    tx: Tx, account_id: int, brand: int, audience: int, numbers: Collection[int], digest: Digest
) -> set[int]:
    """The numbers that had refused messages of a brand, to such an audience, when they were erased."""
    return _known(tx, {account_id: ((brand, audience), numbers)}, digest).get(account_id, set())


def _known(
    tx: Tx, wanted: Mapping[int, tuple[tuple[int, int], Collection[int]]], digest: Digest
) -> dict[int, set[int]]:
    accounts = store.with_any(tx, wanted.keys()) if wanted else set()
    keys = {
        (account_id, *wanted[account_id][0], digest(number)): number
        for account_id in accounts
        for number in wanted[account_id][1]
        if number
    }
    known: dict[int, set[int]] = {}
    for key in store.found(tx, list(keys)) if keys else ():
        known.setdefault(key[0], set()).add(keys[key])
    return known

"""Configured carriers: added, changed and removed by the operator, noticed by the running server."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import msgspec

from ulak.core.carriers import MASK, Terms, is_secret, terms_of
from ulak.core.errors import UlakError
from ulak.core.masking import MASKER
from ulak.store import carriers as store
from ulak.store.engine import Tx
from ulak.store.vault import Vault

Check = Callable[[dict[str, str]], object]
"""Raises ValueError when a kind of carrier cannot be told these settings."""


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    """The settings as they are stored: secrets apart, so that no plain value can look like one."""

    plain: dict[str, str]
    sealed: dict[str, str]


_documents = msgspec.json.Decoder(_Document)


@dataclass(frozen=True, slots=True)
class Carrier:
    """A configured carrier. Two are equal, and hash alike, as long as nothing about it was changed."""

    id: int
    name: str
    kind: str
    document: str

    @property
    def terms(self) -> Terms:
        """On which terms the engine uses it."""
        return terms_of(_documents.decode(self.document).plain)

    def settings(self, vault: Vault, but: Collection[str] = ()) -> dict[str, str]:
        """Everything it was told, secrets in the clear, `but` some keys.

        Raises:
            UlakError: a secret cannot be read with this key.
        """
        document = _documents.decode(self.document)
        secrets = {
            key: vault.open(text, _purpose(self.name, key))
            for key, text in document.sealed.items()
            if key not in but
        }
        MASKER.know(*secrets.values())
        return {key: value for key, value in document.plain.items() if key not in but} | secrets

    @property
    def shown(self) -> dict[str, str]:
        """Everything it was told, for people to see."""
        document = _documents.decode(self.document)
        return document.plain | dict.fromkeys(document.sealed, MASK)


def active(tx: Tx) -> list[Carrier]:
    """The carriers in use, oldest first. Cheap enough to be asked every second."""
    return [Carrier(*row) for row in store.active(tx)]


def removed_at_work(tx: Tx) -> list[Carrier]:
    """Carriers that were removed while orders were with them, and still are."""
    return [Carrier(*row) for row in store.removed_at_work(tx)]


def named(tx: Tx, name: str) -> Carrier:
    """The carrier in use under this name.

    Raises:
        UlakError: there is none.
    """
    for carrier in active(tx):
        if carrier.name == name:
            return carrier
    raise UlakError(f"no carrier {name!r}")


def add(tx: Tx, name: str, kind: str, settings: dict[str, str], check: Check, vault: Vault) -> Carrier:
    """A new carrier. A running server begins to use it within two seconds.

    Raises:
        UlakError: the name is not one or is taken, or a setting does not fit.
    """
    if not name.strip() or name != name.strip() or len(name) > 60 or not name.isprintable() or "/" in name:
        raise UlakError("a carrier's name is 1 to 60 printable characters without a slash")
    carrier_id = store.insert(tx, name, kind, _sealed(name, settings, check, vault))
    if carrier_id is None:
        raise UlakError(f"there is a carrier called {name!r} already")
    return named(tx, name)


def change(tx: Tx, name: str, settings: dict[str, str], check: Check, vault: Vault) -> Carrier:
    """Other settings for a carrier. It stays the same one: what it was working on goes on.

    Raises:
        UlakError: there is no such carrier, or a setting does not fit.
    """
    store.replace(tx, named(tx, name).id, _sealed(name, settings, check, vault))
    return named(tx, name)


def remove(tx: Tx, name: str) -> None:
    """Take a carrier out of use.

    Raises:
        UlakError: there is none.
    """
    if not store.remove(tx, name):
        raise UlakError(f"no carrier {name!r}")


def _sealed(name: str, settings: dict[str, str], check: Check, vault: Vault) -> str:
    try:
        terms_of(settings)
        check(settings)
    except ValueError as error:
        raise UlakError(str(error)) from None
    plain = {key: value for key, value in settings.items() if not is_secret(key)}
    sealed = {
        key: vault.seal(value, _purpose(name, key)) for key, value in settings.items() if is_secret(key)
    }
    return msgspec.json.encode(_Document(plain, sealed)).decode()


def _purpose(name: str, key: str) -> str:
    """What a secret is for; it cannot be opened for anything else."""
    return f"carrier {name}, {key}"

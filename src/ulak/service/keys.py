"""One key for all: every process and command on the same data seals with it, or says that it cannot."""

from __future__ import annotations

from ulak.core.errors import UlakError
from ulak.store import settings
from ulak.store.engine import Tx
from ulak.store.vault import Vault


def agree(tx: Tx, vault: Vault) -> None:
    """What a server does before it begins. The first one makes the key, if there is none.

    Raises:
        UlakError: others have another key, or this process has none.
    """
    check(tx, vault)
    if settings.get(tx, settings.KEY_CHECK) is None:
        settings.put(tx, settings.KEY_CHECK, _shown(vault))


def check(tx: Tx, vault: Vault) -> None:
    """What a command does before it seals something.

    A key that is made where servers have theirs elsewhere would seal what no server can read.

    Raises:
        UlakError: as `agree`.
    """
    known = settings.get(tx, settings.KEY_CHECK)
    if known is None:
        return
    if not vault.has_key:
        raise UlakError(f"the key is missing with which the data are sealed: {_REMEDY.format(vault.path)}")
    if known != _shown(vault):
        raise UlakError(f"the data are sealed with another key: {_REMEDY.format(vault.path)}")


_REMEDY = "give every process and command the same one, as ULAK_KEY or in {}"


def _shown(vault: Vault) -> str:
    """What tells one key from another, and nothing else about it."""
    return vault.derive("the same for all processes").hex()[:32]

"""One key for all: every process and command on the same data seals with it, or says that it cannot."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ulak.core.errors import UlakError
from ulak.service import carriers
from ulak.service.endpoints import signing_key
from ulak.store import endpoints, settings
from ulak.store.engine import Tx
from ulak.store.vault import Vault


def agree(tx: Tx, vault: Vault) -> None:
    """What a server does before it begins, and a command that has sealed something. The first one makes the
    key, if there is none.

    Raises:
        UlakError: others have another key, or this process has none, or what is sealed cannot be opened.
    """
    check(tx, vault)
    if settings.get(tx, settings.KEY_CHECK) is None:
        lost = unreadable(tx, vault)
        if lost:
            raise UlakError(f"this key does not open what is sealed for {', '.join(lost)}: {_remedy(vault)}")
        settings.put(tx, settings.KEY_CHECK, _shown(vault))


def accept(tx: Tx, vault: Vault) -> list[str]:
    """Go on with this key, made if there is none, where the one before is lost; what it cannot open."""
    settings.put(tx, settings.KEY_CHECK, _shown(vault))
    return unreadable(tx, vault)


def unreadable(tx: Tx, vault: Vault) -> list[str]:
    """The carriers and endpoints whose secrets were sealed with another key."""
    tries: list[tuple[str, Callable[[], object]]] = [
        (f"carrier {each.name}", partial(each.settings, vault)) for each in carriers.active(tx)
    ]
    tries += [
        (f"callbacks of account {each.account_id}, {each.dialect}", partial(signing_key, vault, each))
        for each in endpoints.sealed(tx)
    ]
    return [name for name, read in tries if _fails(read)]


def _fails(read: Callable[[], object]) -> bool:
    try:
        read()
    except UlakError:
        return True
    return False


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
        raise UlakError(f"the key is missing with which the data are sealed: {_remedy(vault)}")
    if known != _shown(vault):
        raise UlakError(f"the data are sealed with another key: {_remedy(vault)}")


def _remedy(vault: Vault) -> str:
    return (
        f"give every process and command the same one, as ULAK_KEY or in {vault.path}"
        " (`ulak key accept` if it is lost)"
    )


def _shown(vault: Vault) -> str:
    """What tells one key from another, and nothing else about it."""
    return vault.derive("the same for all processes").hex()[:32]

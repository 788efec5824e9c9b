"""`ulak callback`: what was and is told to accounts' endpoints; and the endpoint of an account."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from ulak.cli.common import DEFAULTS, Common, check_limit, note, stamp
from ulak.cli.errors import UsageError
from ulak.config import Config
from ulak.core.callbacks import CallbackState
from ulak.core.errors import UlakError
from ulak.service import accounts, callbacks, endpoints
from ulak.store import callbacks as store
from ulak.store.callbacks import ListedCallback
from ulak.store.engine import Tx
from ulak.store.vault import Vault

app = App(name="callback", help="Callbacks: what accounts are told of.")

State = Literal["due", "trying", "behind", "arrived", "given-up"]

AllFailed = Annotated[
    bool,
    Parameter(name="--all-failed", negative="", help="all of --account given up", show_default=False),
]


@app.command(name="list")
def list_(
    *, account: str | None = None, state: State | None = None, limit: int = 100, common: Common = DEFAULTS
) -> None:
    """List callbacks, the newest first; of all accounts or of one, in any state or in one.

    Shows [{"id", "account", "dialect", "event", "subject", "state", "tries", "next", "ended", "status",
    "url"}, ...]. `state` is due, trying, behind (an earlier one about the same subject goes first), arrived
    or given-up; `next` is when it is tried (null if that is over), `status` what its last attempt was
    answered (0: there was no answer); `url` is shown without its query.
    """
    check_limit(limit)
    wanted = None if state is None else CallbackState[state.replace("-", "_").upper()]

    def found(tx: Tx) -> list[ListedCallback]:
        account_id = None if account is None else accounts.named(tx, account).id
        return store.listing(tx, account_id, wanted, limit)

    common.show([_shown(callback) for callback in common.read(found)])


@app.command
def resend(
    *ids: int, account: str | None = None, all_failed: AllFailed = False, common: Common = DEFAULTS
) -> None:
    """Send callbacks of the last 30 days again: by their ids, or all that an account missed.

    Shows {"ids": [...]}. They begin the schedule anew, and keep their `webhook-id`.
    """
    if bool(ids) == all_failed or all_failed != (account is not None):
        raise UsageError("name callbacks by their ids, or all of an account with --account A --all-failed")

    def again(tx: Tx) -> list[int]:
        if account is None:
            return callbacks.resend(tx, ids)
        return callbacks.resend_failed(tx, accounts.named(tx, account).id)

    common.show({"ids": common.write(again)})


def set_callback(account: str, url: str, dialect: str, common: Common) -> None:
    """Tell an account of events at this address, or no more (`off`), in the words of a dialect.

    Shows {"account", "dialect", "url", "secret"}, the only time the secret is shown; {"account", "dialect",
    "url": null} when off.
    """
    from ulak.wiring import RENDERERS

    config = common.options()
    if url != "off":
        asyncio.run(_check(url, config))
    if dialect not in RENDERERS:
        known = ", ".join(RENDERERS)
        raise UsageError(f"there are no callbacks in the words of {dialect!r}; there are in those of {known}")
    if url == "off":
        common.show(common.write(lambda tx: _off(tx, account, dialect)))
        return
    families = RENDERERS[dialect].families

    def change(tx: Tx, vault: Vault) -> dict[str, Any]:
        owner = accounts.named(tx, account)
        made = endpoints.set_endpoint(tx, owner.id, dialect, families, url, vault)
        return {"account": owner.name, "dialect": dialect, "url": url, "secret": made.secret}

    common.show(common.seal(change))
    note("Keep the secret: callbacks are signed with it, and it is not shown again.")


def _off(tx: Tx, account: str, dialect: str) -> dict[str, Any]:
    owner = accounts.named(tx, account)
    endpoints.remove(tx, owner.id, dialect)
    return {"account": owner.name, "dialect": dialect, "url": None}


async def _check(url: str, config: Config) -> None:
    """Whether callbacks may go there, as far as can be known now.

    Raises:
        UlakError: they may not; the text says why, and what would let them.
    """
    from ulak.outbound import Outbound

    async with Outbound(config.callback_allow) as outbound:
        try:
            await outbound.check_address(url)
        except ValueError as error:
            raise UlakError(
                f"callbacks may not go to this address: {error} (ULAK_CALLBACK_ALLOW names exceptions)"
            ) from None


def _shown(callback: ListedCallback) -> dict[str, Any]:
    open_ = callback.state in (CallbackState.DUE, CallbackState.TRYING)
    return {
        "id": callback.id,
        "account": callback.account,
        "dialect": callback.dialect,
        "event": callback.event,
        "subject": callback.subject,
        "state": callback.state.name.lower().replace("_", "-"),
        "tries": callback.tries,
        "next": stamp(callback.due) if open_ else None,
        "ended": None if callback.ended is None else stamp(callback.ended),
        "status": callback.status,
        "url": callbacks.shown_url(callback.url),
    }

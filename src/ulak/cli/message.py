"""`ulak message`: messages that may have gone twice."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated, Any

from cyclopts import App, Parameter

from ulak.cli.common import DEFAULTS, Common, stamp
from ulak.cli.errors import UsageError
from ulak.core.phone import display
from ulak.service import doubts
from ulak.store.doubts import UnsureMessage
from ulak.store.engine import Tx

app = App(name="message", help="Messages that may have gone twice.")
unsure = App(name="unsure", help="Messages whose bytes left and whose answer never came.")
app.command(unsure)

Every = Annotated[bool, Parameter(name="--all", negative="", help="all that are held", show_default=False)]


@unsure.command(name="list")
def list_(*, common: Common = DEFAULTS) -> None:
    """List them all, and what was done: `held` ones wait for `resend` or `fail`.

    Shows [{"id", "account", "order", "number", "carrier", "state", "doubt", "why", "at"}, ...]. `state` is
    the message's (unsure, queued, sent, delivered, undelivered), `doubt` is held, asked, resent or failed.
    """
    common.show(common.read(lambda tx: [_shown(message) for message in doubts.listing(tx)]))


@unsure.command
def resend(*ids: int, every: Every = False, common: Common = DEFAULTS) -> None:
    """Send held messages again, by their ids or all: it may be their second time. Shows {"ids": [...]}."""
    _settle(doubts.resend, ids, every, common)


@unsure.command
def fail(*ids: int, every: Every = False, common: Common = DEFAULTS) -> None:
    """Give held messages up, by their ids or all; their credit is given back. Shows {"ids": [...]}."""
    _settle(doubts.fail, ids, every, common)


def _settle(
    decide: Callable[[Tx, Collection[int] | None], list[int]],
    ids: tuple[int, ...],
    every: bool,
    common: Common,
) -> None:
    if bool(ids) == every:
        raise UsageError("name messages by their ids, or all with --all")
    common.show({"ids": common.write(lambda tx: decide(tx, None if every else ids))})


def _shown(message: UnsureMessage) -> dict[str, Any]:
    return message._asdict() | {
        "number": display(message.number),
        "state": message.state.name.lower(),
        "doubt": message.doubt.name.lower(),
        "at": stamp(message.at),
    }

"""`ulak history`: what an account sent elsewhere, as it was told there. Nothing here can be changed.

An order is shown as {"number", "source", "status", "total", "delivered", "undelivered", "waiting",
"submitted", "due", "sender", "price", "messages"}: `status` is a code of the service, `price` what it told
(credits, or an amount; null where it did not), `messages` how many recipients are here.
"""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from ulak.cli.common import DEFAULTS, Common, check_limit, stamp
from ulak.cli.errors import UsageError
from ulak.core.errors import UlakError
from ulak.core.history import PastMessage, PastOrder
from ulak.core.times import day_start, parse_day
from ulak.service import accounts
from ulak.store import history
from ulak.store.engine import Tx

app = App(name="history", help="What accounts sent elsewhere before.")

SOURCE = "iletimerkezi"
"""Where orders were sent, unless something else is said."""

_DAY_MS = 24 * 60 * 60 * 1_000
_ALL = 2**62

Day = Annotated[str | None, Parameter(show_default=False, help="a day like 2026-01-01, in Istanbul")]


@app.command(name="list")
def list_(
    account: str, /, *, since: Day = None, until: Day = None, limit: int = 100, common: Common = DEFAULTS
) -> None:
    """List orders, the newest first; of all days or of some, both ends included. Shows an array of orders."""
    check_limit(limit)
    start = 0 if since is None else _start("since", since)
    end = _ALL if until is None else _start("until", until) + _DAY_MS

    def found(tx: Tx) -> list[tuple[str, PastOrder]]:
        return history.listing(tx, accounts.named(tx, account).id, start, end, limit)

    common.show([_shown(source, order) for source, order in common.read(found)])


@app.command
def show(account: str, number: int, /, *, source: str = SOURCE, common: Common = DEFAULTS) -> None:
    """Show an order by its number at the service, with "recipients": [{"number", "status"}, ...] beside."""

    def found(tx: Tx) -> tuple[PastOrder, list[PastMessage]]:
        account_id = accounts.named(tx, account).id
        order = history.find(tx, account_id, source, number) if 0 < number < _ALL else None
        if order is None:
            raise UlakError(f"the history of {account!r} has no order {number}")
        return order, history.messages(tx, account_id, source, number)

    order, messages = common.read(found)
    shown = _shown(source, order)
    if common.json:
        common.show(shown | {"recipients": [message._asdict() for message in messages]})
        return
    common.show(shown)
    print()
    common.show([message._asdict() for message in messages])


def _start(flag: str, text: str) -> int:
    day = parse_day(text)
    if day is None:
        raise UsageError(f"--{flag} must be a day like 2026-01-01, not {text[:40]!r}")
    return day_start(day)


def _shown(source: str, order: PastOrder) -> dict[str, Any]:
    return {
        "number": order.number,
        "source": source,
        "status": order.status,
        "total": order.total,
        "delivered": order.delivered,
        "undelivered": order.undelivered,
        "waiting": order.waiting,
        "submitted": stamp(order.submitted),
        "due": stamp(order.due),
        "sender": order.sender,
        "price": order.price or None,
        "messages": order.taken,
    }

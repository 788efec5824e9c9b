"""What an operator decides about messages that may have gone already."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ulak.core.doubts import Doubt
from ulak.core.errors import UlakError
from ulak.core.points import point
from ulak.core.states import MessageEvent, MessageState
from ulak.service import carriers
from ulak.service.settlement import Settlement
from ulak.store import doubts as store
from ulak.store import reports
from ulak.store.doubts import UnsureMessage
from ulak.store.engine import Tx

_PAGE = 1000


def listing(tx: Tx) -> Iterator[UnsureMessage]:
    """Every message in doubt, whatever was done about it, by id."""
    after = 0
    while page := store.listing(tx, after, _PAGE):
        yield from page
        after = page[-1].id


def resend(tx: Tx, ids: Collection[int] | None) -> list[int]:
    """Let held messages be sent again, `ids` or all; returns which. The running server does it.

    Raises:
        UlakError: one of `ids` does not wait for a decision, or its carrier is gone.
    """
    in_use = {carrier.id for carrier in carriers.active(tx)}
    wanted = _held(tx, ids)
    gone = [message for message, (_, carrier) in wanted.items() if carrier not in in_use]
    if gone:
        raise UlakError(f"the carrier of {_named(gone)} was removed: these can only be failed")
    return _settle(tx, ids, wanted, MessageEvent.RESENT, Doubt.ASKED)


def fail(tx: Tx, ids: Collection[int] | None) -> list[int]:
    """Give held messages up, `ids` or all, and their credit back; returns which.

    Raises:
        UlakError: one of `ids` does not wait for a decision.
    """
    return _settle(tx, ids, _held(tx, ids), MessageEvent.EXPIRED, Doubt.FAILED)


def _held(tx: Tx, ids: Collection[int] | None) -> dict[int, tuple[int, int]]:
    """Held messages -> (order, carrier)."""
    held = {message: (order, carrier) for message, order, carrier in store.held(tx)}
    if ids is None:
        return held
    _refuse([message for message in ids if message not in held])
    return {message: held[message] for message in ids}


def _settle(
    tx: Tx,
    ids: Collection[int] | None,
    wanted: dict[int, tuple[int, int]],
    event: MessageEvent,
    doubt: Doubt,
) -> list[int]:
    settlement = Settlement(tx, [(message, order) for message, (order, _) in wanted.items()])
    # A report may have decided one meanwhile, and another operator may have been quicker.
    unsure = [copy for copy in settlement.messages.values() if copy.state is MessageState.UNSURE]
    if ids is not None:
        _refuse(sorted(set(ids) - {copy.id for copy in unsure}))
    for copy in unsure:
        copy.step(event)
    settlement.save()
    settled = [copy.id for copy in unsure]
    reports.settle(tx, settled, doubt)
    point("unsure.settled")
    return settled


def _refuse(messages: list[int]) -> None:
    if messages:
        raise UlakError(f"{_named(messages)} does not wait for a decision")


def _named(messages: list[int]) -> str:
    more = f" and {len(messages) - 5} more" if len(messages) > 5 else ""
    return "message " + ", ".join(map(str, messages[:5])) + more

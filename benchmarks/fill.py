"""Orders that are through, written straight into a database: what a server has after a day's work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.rig import SENDER, Home
from ulak.core.orders import OrderDraft, Placed, Ruling, TextDraft
from ulak.core.ports import ReportState
from ulak.core.states import MessageEvent, MessageState
from ulak.dialects.iletimerkezi.drafts import DIALECT
from ulak.service.orders import Submission, ids_needed, place_group
from ulak.service.settlement import Settlement
from ulak.store import orders
from ulak.store.engine import Tx
from ulak.store.ids import Ids, lease
from ulak.store.writer import sync_write

UNREADABLE_EVERY, UNDELIVERED_EVERY = 1_000, 30
"""One number in so many cannot be read; one message in so many does not arrive."""

_TEXT = "Bu hafta sonu tum urunlerde %20 indirim var, kacirmayin"
_FIRST_NUMBER = 905_300_000_000
_CARRIER = 1
_AT_ONCE = 50_000


def fill(home: Home, sizes: Sequence[int]) -> list[int]:
    """Orders with so many recipients each, all reported on; returns the numbers their account knows."""
    numbers: list[int] = []
    for group in _groups(home, sizes):
        numbers += sync_write(home.database, lambda tx: _write(tx, group))  # noqa: B023
    return numbers


def _groups(home: Home, sizes: Sequence[int]) -> Iterator[list[Submission]]:
    """What is written in one transaction."""
    group: list[Submission] = []
    first, messages = _FIRST_NUMBER, 0
    for size in sizes:
        group.append(_submission(home, first, size))
        first, messages = first + size, messages + size
        if messages >= _AT_ONCE:
            yield group
            group, messages = [], 0
    if group:
        yield group


def _submission(home: Home, first: int, size: int) -> Submission:
    numbers = list(range(first, first + size))
    odd = dict.fromkeys(range(UNREADABLE_EVERY // 2, size, UNREADABLE_EVERY), "yok")
    for index in odd:
        numbers[index] = 0
    text = TextDraft(_TEXT, 1, numbers, odd)
    draft = OrderDraft(DIALECT, SENDER, [text], lambda _account, _now: Ruling(), ())
    return Submission(DIALECT, home.key, home.hash, "127.0.0.1", draft)


def _write(tx: Tx, group: Sequence[Submission]) -> list[int]:
    block = lease(tx, sum(map(ids_needed, group)))
    ids = Ids()
    ids.refill(block)
    placed = [order for order in place_group(tx, group, ids) if isinstance(order, Placed)]
    assert len(placed) == len(group), "an order was refused"
    ranges, first = [], block.start
    for submission in group:
        ranges.append(range(first, first + ids_needed(submission)))
        first = ranges[-1].stop
    _finish(tx, ranges)
    return [order.number for order in placed]


def _finish(tx: Tx, ranges: Sequence[range]) -> None:
    """A carrier has taken all messages of these orders, and has reported on each."""
    orders.claim(tx, [(ids.start, _CARRIER, ids[-1]) for ids in ranges])
    orders.advance(tx, [(ids.start, ids[-1], ids[-1]) for ids in ranges])
    settlement = Settlement(tx, [(message_id, ids.start) for ids in ranges for message_id in ids])
    for copy in settlement.messages.values():
        if copy.state is MessageState.QUEUED:
            arrived = copy.id % UNDELIVERED_EVERY
            copy.step(MessageEvent.ACCEPTED)
            copy.report(0, ReportState.DELIVERED if arrived else ReportState.UNDELIVERED)
    settlement.save()

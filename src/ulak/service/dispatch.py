"""Handing messages to carrier links: claimed, opened, answered, and taken up again after a crash."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ulak.core.doubts import Doubt, OnUncertain
from ulak.core.messages import QueuedMessage
from ulak.core.points import point
from ulak.core.ports import Accepted, Outcome, Refused, Unknown
from ulak.core.references import IdForm, key_of
from ulak.core.routing import Route, choose
from ulak.core.states import MessageEvent
from ulak.service import barring, carriers
from ulak.service.reports import FreshReference, unpark
from ulak.service.settlement import Settlement
from ulak.store import leases, messages, orders, settings
from ulak.store import reports as report_store
from ulak.store.engine import Tx
from ulak.store.ids import Ids

CLAIM = "claim"
"""The gathered kind whose items are `Claim`."""

STEP = "step"
"""The gathered kind whose items are `Step`."""

SMALL = 100
"""Messages of an order that are read when it is claimed; of a larger order the rest is read while these are
being sent."""

ANY_SIZE = 2**31 - 1

GIVE_BACK = 1_000
"""Orders of a removed carrier that are looked at together."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Take orders that are due: at most so many `small` and `large` ones. `slots` tells how many parts each
    carrier's window has room for, and `fences` under which we have their links; an order never goes to a link
    that is not ours any more. Carriers that are `full` take small ones only."""

    routes: Sequence[Route]
    slots: Mapping[int, int]
    small: int
    large: int
    turn: int
    full: frozenset[int] = frozenset()
    fences: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClaimedOrder:
    """An order in the hands of a link.

    `rows` are queued messages up to `covered`; those up to `opened` may be sent at once, and `again` are
    older ones that have to go (again). Messages after `covered` are still to be read.
    """

    id: int
    carrier_id: int
    sender: str
    last_id: int
    texts: tuple[tuple[int, str], ...]
    rows: tuple[QueuedMessage, ...]
    covered: int
    opened: int
    now: int
    again: tuple[QueuedMessage, ...] = ()


@dataclass(slots=True)
class Sent:
    """A message that was handed to a link at `opened` (ms)."""

    id: int
    order_id: int
    number: int
    opened: int


@dataclass(frozen=True, slots=True)
class Step:
    """What became of messages, and which come next: committed before those leave.

    `advances` are (order, last message opened, last message up to which all have an outcome); `leaving` are
    (order, message) of all that are to leave, those that were open before too. `repeated`: nobody knows
    whether it was committed already. `fence` is the one under which we have the link.
    """

    carrier_id: int
    id_form: IdForm
    on_uncertain: OnUncertain
    outcomes: Sequence[tuple[Sent, Outcome]]
    advances: Sequence[tuple[int, int, int]]
    leaving: Sequence[tuple[int, int]]
    repeated: bool = False
    fence: int = 0


def claim_group(tx: Tx, items: Sequence[Claim], _ids: Ids) -> list[list[ClaimedOrder]]:
    """Give due orders to links that are up, and open as much of them as the windows have room for."""
    if settings.paused(tx):
        return [[] for _ in items]
    return [_claim(tx, item) for item in items]


def _claim(tx: Tx, item: Claim) -> list[ClaimedOrder]:
    ours = leases.held(tx, [(carrier_id, item.fences.get(carrier_id, 0)) for carrier_id in item.slots])
    routes = [replace(route, up=route.up and route.carrier_id in ours) for route in item.routes]
    taken = _take(tx, item, routes, item.small, (1, SMALL))
    large = [replace(route, up=route.up and route.carrier_id not in item.full) for route in routes]
    taken += _take(tx, item, large, item.large, (SMALL + 1, ANY_SIZE))
    if not taken:
        return []
    covers = {order.id: min(order.last_id, order.id + SMALL - 1) for order, _ in taken}
    held = barring.withheld(tx, [(order.id, order.id - 1, covers[order.id]) for order, _ in taken])
    queued = messages.queued(tx, [(order.id - 1, covers[order.id]) for order, _ in taken])
    rows = _by_order([row for row in queued if row.id not in held] if held else queued, covers)
    texts = _texts(tx, [order.id for order, _ in taken])
    slots = dict(item.slots)
    claimed = []
    for order, carrier_id in taken:
        mine = rows.get(order.id, ())
        opened = _open(mine, slots, carrier_id, order.id - 1, covers[order.id])
        claimed.append(
            ClaimedOrder(
                order.id,
                carrier_id,
                order.sender,
                order.last_id,
                texts[order.id],
                mine,
                covers[order.id],
                opened,
                tx.now,
            )
        )
    orders.claim(tx, [(order.id, order.carrier_id, order.opened) for order in claimed])
    barring.withhold(tx, held)
    # Of some nothing may be left to send.
    return [order for order in claimed if order.rows or order.covered < order.last_id] if held else claimed


def _take(
    tx: Tx, item: Claim, routes: Sequence[Route], limit: int, sizes: tuple[int, int]
) -> list[tuple[orders.DueOrder, int]]:
    """Due orders of some sizes, each with its carrier. With a single way out there is nothing to choose: the
    question was asked for orders that it can take."""
    due = orders.due(tx, [(route.prefix, route.up) for route in routes], limit, sizes=sizes)
    if len(routes) == 1:
        return [(order, routes[0].carrier_id) for order in due]
    chosen = [(order, choose(routes, order.prefix, item.turn + i)) for i, order in enumerate(due)]
    return [(order, route.carrier_id) for order, route in chosen if route is not None]


def _open(
    rows: Sequence[QueuedMessage], slots: dict[int, int], carrier_id: int, before: int, covered: int
) -> int:
    """How far an order can be opened with the room that is left; takes the room."""
    opened = before
    for row in rows:
        need = max(1, row.price)
        if slots.get(carrier_id, 0) < need:
            return opened
        slots[carrier_id] -= need
        opened = row.id
    return covered


def _by_order(
    rows: Sequence[QueuedMessage], covers: Mapping[int, int]
) -> dict[int, tuple[QueuedMessage, ...]]:
    """Rows in id order, shared out to the orders (first id -> last id) they belong to."""
    shared: dict[int, list[QueuedMessage]] = {}
    firsts = iter(sorted(covers))
    first, last = -1, -1
    for row in rows:
        while row.id > last:
            first = next(firsts)
            last = covers[first]
        shared.setdefault(first, []).append(row)
    return {order_id: tuple(mine) for order_id, mine in shared.items()}


def _texts(tx: Tx, order_ids: Sequence[int]) -> dict[int, tuple[tuple[int, str], ...]]:
    found: dict[int, list[tuple[int, str]]] = {order_id: [] for order_id in order_ids}
    for text in orders.texts(tx, order_ids):
        found[text.order_id].append((text.first_id, text.body))
    return {order_id: tuple(texts) for order_id, texts in found.items()}


def more_rows(tx: Tx, covered: int, last_id: int, limit: int) -> tuple[int, list[QueuedMessage]]:
    """The next messages of an order after `covered`: (how far was looked, what is queued there)."""
    upto = min(last_id, covered + limit)
    return upto, messages.queued(tx, [(covered, upto)])


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step is committed. What leaves may be reported on from `now` on; those `withheld` must not leave, and
    are undelivered already. A step for a link that another process has is `lost`: nothing of it was done, and
    nothing may leave."""

    now: int
    withheld: frozenset[int] = frozenset()
    lost: bool = False


def step_group(tx: Tx, items: Sequence[Step], _ids: Ids) -> list[Stepped]:
    """Commit outcomes and open what comes next, of the links that are ours.

    Steps of one link that came together are one: the last advance of an order counts.
    """
    wanted = {(item.carrier_id, item.fence) for item in items}
    ours = leases.held(tx, wanted)
    if all(carrier_id in ours for carrier_id, _ in wanted):
        return [_step(tx, items)] * len(items)
    done = _step(tx, [item for item in items if item.carrier_id in ours])
    return [done if item.carrier_id in ours else Stepped(tx.now, lost=True) for item in items]


def _step(tx: Tx, items: Sequence[Step]) -> Stepped:
    advances: dict[int, tuple[int, int, int]] = {}
    answers: dict[int, list[Step]] = {}
    for item in items:
        advances.update((advance[0], advance) for advance in item.advances)
        if item.outcomes:
            answers.setdefault(item.carrier_id, []).append(item)
    held, ended = barring.stopped(tx, [pair for item in items for pair in item.leaving])
    if advances:
        orders.advance(tx, list(advances.values()))
    for steps in answers.values():
        _answer(tx, steps[0], [outcome for step in steps for outcome in step.outcomes])
    barring.withhold(tx, held)
    again = [message_id for item in items if item.repeated for _, message_id in item.leaving]
    # What was withheld the first time is not queued any more, and no news.
    ended |= set(again) - messages.still_queued(tx, again) if again else set()
    return Stepped(tx.now, frozenset(held) | ended)


def _answer(tx: Tx, item: Step, outcomes: Sequence[tuple[Sent, Outcome]]) -> None:
    accepted: list[tuple[int, int]] = []
    fresh: dict[int, FreshReference] = {}
    events: list[tuple[Sent, MessageEvent]] = []
    doubts: list[tuple[int, int, Doubt, str]] = []
    for sent, outcome in outcomes:
        match outcome:
            case Accepted(references):
                accepted.append((sent.id, (1 << len(references)) - 1))
                for part, spelled in enumerate(references):
                    if not spelled:
                        continue  # An operator that gives no name cannot report by one.
                    key = key_of(spelled, item.id_form)
                    fresh[key] = FreshReference(
                        key, spelled, sent.id, sent.order_id, part, sent.number, sent.opened
                    )
            case Refused():
                events.append((sent, MessageEvent.REFUSED))
            case Unknown(why):
                what, event = _POLICY[item.on_uncertain]
                doubts.append((sent.id, sent.order_id, what, why))
                if event is not None:
                    events.append((sent, event))
    if accepted:
        messages.accept(tx, accepted)
        _refer(tx, item, list(fresh.values()))
    if doubts:
        report_store.doubt(tx, item.carrier_id, doubts)
    early = unpark(tx, item.carrier_id, list(fresh.values())) if fresh else []
    if events or early:
        settlement = Settlement(
            tx, {(s.id, s.order_id) for s, _ in events} | {(r.message_id, r.order_id) for r, _ in early}
        )
        for sent, event in events:
            settlement.messages[sent.id].step(event)
        for reference, state in early:
            settlement.messages[reference.message_id].report(reference.part, state)
        settlement.save()


_POLICY: dict[OnUncertain, tuple[Doubt, MessageEvent | None]] = {
    OnUncertain.RESEND: (Doubt.RESENT, None),
    OnUncertain.HOLD: (Doubt.HELD, MessageEvent.DOUBTED),
    OnUncertain.FAIL: (Doubt.FAILED, MessageEvent.EXPIRED),
}


def _refer(tx: Tx, item: Step, fresh: Sequence[FreshReference]) -> None:
    text = item.id_form is IdForm.TEXT
    report_store.refer(
        tx,
        item.carrier_id,
        [(r.key, r.message_id, r.order_id, r.part, r.spelled if text else "") for r in fresh],
    )


def take_over(
    tx: Tx, carrier_id: int, policy: OnUncertain, after: int, limit: int, fence: int = 0
) -> tuple[int, list[ClaimedOrder]]:
    """Take up orders that a link (of a process that is no more) was working on, `limit` at a time.

    Since the link has its new `fence` nobody else changes what is open of them. If another process has it
    meanwhile, there is nothing to take up.

    Messages that were open and have no outcome may have gone: they are marked, and handled by the carrier's
    policy. Returns the id to go on after (0 at the end) and the orders in which there is something to send.
    """
    if not leases.held(tx, [(carrier_id, fence)]):
        return 0, []
    found = orders.sending(tx, carrier_id, after, limit)
    if not found:
        return 0, []
    open_rows = messages.queued(
        tx, [(order.settled, order.opened) for order in found if order.settled < order.opened]
    )
    known = {row[0] for row in report_store.doubts_of(tx, [row.id for row in open_rows]) if _is_asked(row[3])}
    again = _by_order(
        [row for row in open_rows if row.id not in known], {order.id: order.last_id for order in found}
    )
    what, event = _POLICY[policy]
    pairs = [(row.id, order_id) for order_id, rows in again.items() for row in rows]
    if pairs:
        report_store.doubt(
            tx, carrier_id, [(message, order, what, "ulak was stopped") for message, order in pairs]
        )
    if pairs and event is not None:
        settlement = Settlement(tx, pairs)
        for copy in settlement.messages.values():
            copy.step(event)
        settlement.save()
        again = {}
    if policy is OnUncertain.RESEND:
        # Those that are marked as asked for or unsent are looked at when they are taken, with their marks.
        held = _withheld(tx, [(order_id, row.id) for order_id, rows in again.items() for row in rows])
        barring.withhold(tx, held)
        again = _without(again, held) if held else again
    busy = [order for order in found if order.opened < order.last_id or order.id in again]
    texts = _texts(tx, [order.id for order in busy])
    claimed = [
        ClaimedOrder(
            order.id,
            carrier_id,
            order.sender,
            order.last_id,
            texts[order.id],
            (),
            order.opened,
            order.opened,
            tx.now,
            again.get(order.id, ()),
        )
        for order in busy
    ]
    return (found[-1].id if len(found) == limit else 0), claimed


def _withheld(tx: Tx, leaving: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Those of (order, message) that must not leave any more: message -> order."""
    return barring.withheld(tx, [(order_id, message_id - 1, message_id) for order_id, message_id in leaving])


def _without(
    shared: Mapping[int, tuple[QueuedMessage, ...]], held: Container[int]
) -> dict[int, tuple[QueuedMessage, ...]]:
    """Orders' rows without those that are held back, and without orders of which nothing is left."""
    left = {order_id: tuple(row for row in rows if row.id not in held) for order_id, rows in shared.items()}
    return {order_id: rows for order_id, rows in left.items() if rows}


def _is_asked(doubt: int) -> bool:
    return doubt in (Doubt.ASKED, Doubt.UNSENT)


def take_asked(tx: Tx, carrier_id: int, limit: int, fence: int = 0) -> list[ClaimedOrder]:
    """Messages that are to be sent although their order is past them: asked for by an operator, or left
    behind unsent when a link was stopped. None if the link is not ours any more."""
    if not leases.held(tx, [(carrier_id, fence)]):
        return []
    rows = report_store.asked(tx, carrier_id, limit)
    if not rows:
        return []
    report_store.settle(tx, [row[0] for row in rows if row[2] == Doubt.ASKED], Doubt.RESENT)
    report_store.forget_unsent(tx, [row[0] for row in rows if row[2] == Doubt.UNSENT])
    held = _withheld(tx, [(order_id, message_id) for message_id, order_id, *_ in rows])
    again: dict[int, list[QueuedMessage]] = {}
    for message_id, order_id, _, number, price in rows:
        if message_id not in held:
            again.setdefault(order_id, []).append(QueuedMessage(message_id, number, price))
    texts = _texts(tx, sorted(again))
    sending = orders.sending_by_id(tx, sorted(again))
    # Until they are with the link they must be found again after a crash.
    orders.advance(
        tx, [(order.id, order.opened, min(order.settled, again[order.id][0].id - 1)) for order in sending]
    )
    barring.withhold(tx, held)
    return [
        ClaimedOrder(
            order.id,
            carrier_id,
            order.sender,
            order.last_id,
            texts[order.id],
            (),
            order.last_id,
            order.opened,
            tx.now,
            tuple(again[order.id]),
        )
        for order in sending
    ]


def leave_unsent(tx: Tx, carrier_id: int, sent: Sequence[Sent], fence: int = 0) -> None:
    """A link was stopped before these left: they go first the next time, and are not in doubt.

    One that may have gone before is marked already, and stays so. Who has lost the link has no say.
    """
    if not leases.held(tx, [(carrier_id, fence)]):
        return
    before = {row[0]: row[3] for row in report_store.doubts_of(tx, [item.id for item in sent])}
    marks = [
        (item.id, item.order_id, Doubt.ASKED if before.get(item.id) == Doubt.RESENT else Doubt.UNSENT)
        for item in sent
    ]
    report_store.doubt(tx, carrier_id, [(*mark, "the link was stopped") for mark in marks])
    point("unsent.marked")


def give_back(tx: Tx) -> int:
    """Let other carriers take what removed ones had not sent; returns how many orders that were.

    Removed ones whose link is still at work, here or in another process, are passed over: it has to be
    stopped first.

    What a clean stop left open is settled or marked already. After a crash it is not, and the removed
    carrier's policy decides about it as if it were taking over itself.
    """
    free = []
    for carrier in carriers.removed_at_work(tx):
        fence = leases.seize(tx, carrier.id)
        if fence is None:
            continue
        free.append(carrier.id)
        after = 0
        while True:
            policy = carrier.terms.on_uncertain
            after, _ = take_over(tx, carrier.id, policy, after, GIVE_BACK, fence)
            if not after:
                break
    returned = orders.give_back(tx, free) if free else []
    if returned:
        report_store.forget_asked(tx, returned)
    return len(returned)

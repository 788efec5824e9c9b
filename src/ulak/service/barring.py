"""Nobody is written to who does not want it: looked at when an order is accepted and before it leaves."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import replace

from ulak.core.consents import Decision
from ulak.core.orders import ConsentNeeded, TextDraft
from ulak.core.states import MessageEvent
from ulak.service import suppressions
from ulak.service.settlement import Settlement
from ulak.service.suppressions import Digest
from ulak.store import barring as store
from ulak.store import messages
from ulak.store.engine import Tx


def blocked(tx: Tx, wanted: Iterable[tuple[int, Sequence[TextDraft]]], digest: Digest) -> dict[int, set[int]]:
    """Which numbers are blocked, by account, of the recipients of several accounts' texts; those too that
    were erased since."""
    orders = list(wanted)
    blocking, suppressing = store.with_blocks(tx, {account_id for account_id, _ in orders})
    found = _blocked(tx, orders, blocking) if blocking else {}
    if suppressing:
        numbers: dict[int, set[int]] = {account_id: set() for account_id in suppressing}
        for account_id, texts in orders:
            if account_id in suppressing:
                numbers[account_id].update(number for text in texts for number in text.numbers)
        for account_id, erased in suppressions.blocked(tx, numbers, digest).items():
            found.setdefault(account_id, set()).update(erased)
    return found


def _blocked(
    tx: Tx, orders: Sequence[tuple[int, Sequence[TextDraft]]], blocking: Container[int]
) -> dict[int, set[int]]:
    pairs = {
        (account_id, number)
        for account_id, texts in orders
        if account_id in blocking
        for text in texts
        for number in text.numbers
    }
    found: dict[int, set[int]] = {}
    for account_id, number in store.blocked(tx, pairs):
        found.setdefault(account_id, set()).add(number)
    return found


def without(texts: Sequence[TextDraft], barred: Collection[int]) -> list[TextDraft]:
    """The texts with these numbers barred as well."""
    more = [frozenset(number for number in text.numbers if number in barred) for text in texts]
    return [
        replace(text, barred=text.barred | found) if found else text
        for text, found in zip(texts, more, strict=True)
    ]


def unwilling(
    tx: Tx, orders: Sequence[tuple[int, ConsentNeeded | None, Sequence[TextDraft]]], digest: Digest
) -> dict[int, set[int]]:
    """Whom orders (account, consent that is needed, texts) must not reach, by the order's place."""
    asked = {
        place: (needed, {number for text in texts for number in text.numbers} - {0})
        for place, (_, needed, texts) in enumerate(orders)
        if needed is not None
    }
    wanted = [
        (place, orders[place][0], needed.brand, int(needed.audience), int(_decisive(needed)), number)
        for place, (needed, numbers) in asked.items()
        for number in numbers
    ]
    said: dict[int, set[int]] = {}
    for place, number in store.decided(tx, wanted) if wanted else ():
        said.setdefault(place, set()).add(number)
    for place, (needed, numbers) in asked.items():
        if needed.presumed:
            said.setdefault(place, set()).update(_refused(tx, orders[place][0], needed, numbers, digest))
    return {
        place: said.get(place, set()) if needed.presumed else numbers - said.get(place, set())
        for place, (needed, numbers) in asked.items()
    }


def _refused(
    tx: Tx, account_id: int, needed: ConsentNeeded, numbers: Collection[int], digest: Digest
) -> set[int]:
    """Who had refused, was erased, and has not agreed since."""
    audience = int(needed.audience)
    erased = suppressions.refused(tx, account_id, needed.brand, audience, numbers, digest)
    if not erased:
        return erased
    agreed = [(0, account_id, needed.brand, audience, int(Decision.ONAY), number) for number in erased]
    return erased - {number for _, number in store.decided(tx, agreed)}


def _decisive(needed: ConsentNeeded) -> Decision:
    """What decides about a recipient: a refusal where agreement is presumed, otherwise agreement."""
    return Decision.RET if needed.presumed else Decision.ONAY


def withheld(tx: Tx, ranges: Sequence[tuple[int, int, int]]) -> dict[int, int]:
    """Queued messages in (order, after, up to and with) that must not leave any more: message -> order."""
    if not ranges or not store.any_news(tx, {order_id for order_id, _, _ in ranges}):
        return {}
    return store.barred_since(tx, ranges)


def stopped(tx: Tx, leaving: Sequence[tuple[int, int]]) -> tuple[dict[int, int], set[int]]:
    """Of (order, message) that a link is about to send: those to be withheld, message -> order, and those
    that have ended already, as their number was erased."""
    if not leaving or not store.any_news(tx, {order_id for order_id, _ in leaving}):
        return {}, set()
    held = store.barred_since(tx, [(order_id, message - 1, message) for order_id, message in leaving])
    ids = [message for _, message in leaving]
    return held, set(ids) - messages.still_queued(tx, ids)


def withhold(tx: Tx, held: dict[int, int]) -> None:
    """Make messages (message -> order) undelivered before they leave."""
    if held:
        settlement = Settlement(tx, held.items())
        for copy in settlement.messages.values():
            copy.step(MessageEvent.REFUSED)
        settlement.save()

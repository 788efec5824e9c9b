"""What a change of messages does to their orders and to money: counters, postings, the end of an order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ulak.core.ledger import SMS, Balance, Move, Posting
from ulak.core.messages import MessageCopy
from ulak.core.states import MessageState, OrderState
from ulak.service import announcing
from ulak.store import ledger, messages, orders
from ulak.store.engine import Tx


class Settlement:
    """Working copies of messages and their orders, locked: accounts first, then orders, then messages.

    Steps of a link change rows of their own orders before this. On PostgreSQL they may so deadlock with an
    operator who settles doubts beside them; the database ends one of the two, and it is done again.

    Messages are changed by stepping their copies; `save` counts what became final, posts or voids their
    price (one posting an order and move), finishes orders in which nothing waits, writes it all, and tells
    whoever wants to hear of it. Save last in a transaction: events lock endpoints.
    """

    def __init__(self, tx: Tx, wanted: Iterable[tuple[int, int]]) -> None:
        """`wanted`: (message, order) pairs."""
        self._tx = tx
        pairs = list(wanted)
        owners = orders.owners(tx, {order for _, order in pairs})
        self._balances: dict[tuple[int, str], Balance] = ledger.locked(
            tx, {(account, SMS) for account in owners.values()}
        )
        self._orders = orders.counters(tx, owners)
        self.messages: dict[int, MessageCopy] = messages.copies(tx, pairs)

    def save(self) -> None:
        """Write what changed."""
        changed = [copy for copy in self.messages.values() if copy.touched]
        if not changed:
            return
        messages.save(self._tx, changed)
        postings = self._count(changed)
        ledger.save(self._tx, self._balances, postings)
        announcing.ended(self._tx, self._orders, changed)

    def _count(self, changed: Sequence[MessageCopy]) -> list[Posting]:
        posted: dict[int, int] = {}
        voided: dict[int, int] = {}
        counted = set()
        delivered = final = 0
        for copy in changed:
            order = self._orders[copy.order_id]
            if copy.state is MessageState.DELIVERED:
                order.delivered += 1
                order.held -= copy.price
                order.posted += copy.price
                posted[order.id] = posted.get(order.id, 0) + copy.price
            elif copy.state is MessageState.UNDELIVERED:
                order.undelivered += 1
                order.held -= copy.price
                voided[order.id] = voided.get(order.id, 0) + copy.price
            else:
                continue
            counted.add(order.id)
            delivered += copy.state is MessageState.DELIVERED
            final += 1
        self._tx.count("messages_final", "delivered", by=delivered)
        self._tx.count("messages_final", "undelivered", by=final - delivered)
        for order_id in counted:
            self._finish(self._orders[order_id])
        orders.save_counters(self._tx, [self._orders[order_id] for order_id in counted])
        return self._postings(Move.POST, posted) + self._postings(Move.VOID, voided)

    def _finish(self, order: orders.Counters) -> None:
        if order.waiting:
            return
        reached = order.delivered or messages.reached(self._tx, order.id, order.id + order.total - 1)
        order.state = OrderState.DONE if reached else OrderState.FAILED

    def _postings(self, move: Move, amounts: dict[int, int]) -> list[Posting]:
        postings = []
        for order_id, amount in amounts.items():
            if amount:
                order = self._orders[order_id]
                posting = Posting(order.account_id, SMS, move, amount, order_id)
                self._balances[order.account_id, SMS].apply(posting)
                postings.append(posting)
        return postings

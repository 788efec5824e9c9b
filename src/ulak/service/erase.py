"""Erasing a person's telephone number everywhere: messages, people, parcels, purchases, and every text.

What was done stays: orders and their counters, postings, and that a message went, to a number that is shown
without its digits. What was to be sent is undelivered first, and its credit back. What the person had said
against being written to stays too, under a digest that only the installation's key makes. Each step is a
short transaction beside whoever works, and what was erased is not found again: it may be stopped, and done
again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec

from ulak.core.consents import Channel, Decision
from ulak.core.doubts import Doubt
from ulak.core.points import point
from ulak.core.spellings import Spellings
from ulak.core.states import MessageEvent, MessageState, PurchaseEvent, PurchaseKind, PurchaseState
from ulak.service import erase_texts
from ulak.service.settlement import Settlement
from ulak.service.suppressions import Digest
from ulak.service.till import Till
from ulak.store import barring, orders, reports, scrubbing, suppressions
from ulak.store import erasing as store
from ulak.store.engine import Database, Tx
from ulak.store.erasing import Found
from ulak.store.writer import write_on

Result = TypeVar("Result")
Count = Counter[str]
"""Rows, by their table; `cancelled` are messages that were still to be sent."""

TOGETHER = 500
"""Messages that one transaction changes."""

ROUNDS = 3
"""How often it is looked again: what others wrote meanwhile may hold the number."""

_CLOSED = frozenset(PurchaseState) - {
    PurchaseState.UNPAID,
    PurchaseState.PAID,
    PurchaseState.WAITING,
    PurchaseState.SETTLING,
    PurchaseState.ACTIVE,
}


class Erased(NamedTuple):
    """What was done: how many rows, where the number is left (rows that are an operator's to change), the
    parcels whose papers are gone, by their barcodes, and whether the database's files were cleaned wholly."""

    rows: Count
    left: Count
    barcodes: list[str]
    scrubbed: bool


class Erase:
    """One erasure."""

    def __init__(self, database: Database, number: int, digest: Digest, who: str) -> None:
        """`who` says who wanted it, for the log."""
        self._database = database
        self._connection = database.connect()
        self._spellings = Spellings(number)
        self._number = number
        self._digits = str(number)
        self._digest = digest(number)
        self._who = who
        self._rows: Count = Counter()
        self._barcodes: list[str] = []

    def run(self) -> Erased:
        """Erase it.

        Raises:
            UlakError: a parcel is being booked, so it has to be done again later.
            StoreUnavailable: the database could not go on; what was erased by then stays so.
        """
        try:
            return self._run()
        finally:
            self._connection.close()

    def _run(self) -> Erased:
        erasure = self._write(partial(store.begin, digest=self._digest, who=self._who))
        for _ in range(ROUNDS):
            before = self._rows.total()
            self._once()
            if self._rows.total() == before:
                break
        tables = {*store.NUMBERS, "sms_order", *self._rows} - {"cancelled"}
        if self._barcodes:
            tables.update(store.WITH_PARCELS)
        scrubbed = scrubbing.scrub(self._database, tables)
        point("erase.scrubbed")
        rows = msgspec.json.encode(dict(self._rows)).decode()
        self._write(partial(store.end, erasure_id=erasure, found=rows))
        left = Counter(found.table for found in self._find())
        left.update({table: len(self._keys(table)) for table in store.NUMBERS})
        return Erased(self._rows, +left, self._barcodes, scrubbed)

    def _find(self) -> Iterator[Found]:
        """Every row in whose texts it stands."""
        for table in store.searched():
            after, more = None, True
            while more:
                found, after = self._read(
                    partial(store.find, table=table, spellings=self._spellings, after=after)
                )
                yield from found
                more = after is not None

    def _read(self, question: Callable[[Tx], Result]) -> Result:
        return self._connection.reading(question)

    def _write(self, change: Callable[[Tx], Result]) -> Result:
        """One short transaction."""

        def whole(tx: Tx) -> Result:
            result = change(tx)
            point("erase.written")
            return result

        result = write_on(self._connection, whole)
        point("erase.committed")
        return result

    def _change(self, change: Callable[[Tx], Count]) -> None:
        self._rows.update(+self._write(change))

    def _keys(self, table: str) -> list[int]:
        """The first columns of the keys of the rows of a table whose number it is."""
        return [row[0] for row in self._read(partial(store.with_number, table=table, number=self._number))]

    def _once(self) -> None:
        """Look through everything once."""
        self._change(self._said)
        # A message is stored before its purchase says so: whoever asks in this order misses none of the two.
        sent = self._keys("message")
        bought = self._read(partial(store.purchases, number=self._number))
        of_message = {message_id: purchase_id for purchase_id, message_id in bought if message_id is not None}
        for purchase_id, message_id in bought:
            if message_id not in sent:
                self._change(partial(self._purchase, purchase_id=purchase_id))
        for first in range(0, len(sent), TOGETHER):
            ids = sent[first : first + TOGETHER]
            self._change(partial(self._messages, ids=ids, bought=of_message))
        for contact_id in self._keys("contact"):
            self._change(partial(_contact, contact_id=contact_id))
        for report_id in self._keys("stray_report"):
            self._change(partial(_stray, report_id=report_id))
        self._change(self._mail)
        for found in self._find():
            done = self._write(partial(erase_texts.erase, found=found, spellings=self._spellings))
            self._rows[found.table] += done.rows
            self._barcodes += [done.barcode] if done.barcode else []
        self._rows = +self._rows

    # People.

    def _said(self, tx: Tx) -> Count:
        """What the person said against messages is kept under a digest, and the words are forgotten."""
        blocking = store.blocks(tx, self._number)
        for account_id in blocking:
            suppressions.add(tx, account_id, *suppressions.ALL, self._digest)
            store.delete(tx, "block", {"account_id": account_id, "number": self._number})
        said = store.consents(tx, self._digits)
        for account_id, brand, channel, audience, decision in said:
            if (channel, decision) == (Channel.MESAJ, Decision.RET):
                suppressions.add(tx, account_id, brand, audience, self._digest)
        for account_id in {row[0] for row in said}:
            store.delete_consents(tx, account_id, self._digits)
        return Counter(block=len(blocking), consent=len(said))

    def _mail(self, tx: Tx) -> Count:
        return Counter(
            incoming=store.erase_mail(tx, self._number), incoming_part=store.erase_parts(tx, self._number)
        )

    # Messages, and what was bought.

    def _messages(self, tx: Tx, ids: Sequence[int], bought: Mapping[int, int]) -> Count:
        """Take the number out of messages; those that are still to be sent are undelivered first."""
        pairs = store.orders_of(tx, ids)
        wanted = sorted({order_id for _, order_id in pairs})
        # What leaves just now goes first, and what links open after this sees it.
        for account_id in sorted(set(orders.owners(tx, wanted).values())):
            barring.speak(tx, account_id)
        settlement = Settlement(tx, pairs)
        opened = {order.id: order.opened for order in orders.sending_by_id(tx, wanted)}
        cancelled, unsure = 0, []
        for copy in settlement.messages.values():
            if copy.state is MessageState.UNSURE:
                unsure.append(copy.id)
            if copy.state in (MessageState.QUEUED, MessageState.UNSURE):
                # One whose bytes may have left may have arrived.
                may_have_left = copy.id <= opened[copy.order_id]
                cancelled += copy.step(MessageEvent.EXPIRED if may_have_left else MessageEvent.REFUSED)
        settlement.save()
        reports.settle(tx, unsure, Doubt.FAILED)
        found = list(settlement.messages)
        store.erase_messages(tx, found, wanted, self._digits)
        store.empty_texts(tx, _own_texts(tx, wanted, set(found)))
        purchases = [bought[message_id] for message_id in found if message_id in bought]
        store.erase_purchases(tx, purchases, self._number)
        return Counter(message=len(found), cancelled=cancelled, purchase=len(purchases))

    def _purchase(self, tx: Tx, purchase_id: int) -> Count:
        """Take the number out of a purchase that has no message. One that is not paid for is withdrawn."""
        till = Till(tx, [purchase_id])
        purchase = till.get(purchase_id)
        if purchase is None or purchase.message_id is not None:
            return Counter()
        if purchase.kind is PurchaseKind.MESSAGE:
            till.step(purchase, PurchaseEvent.WITHDRAWN)
            till.save()
        if purchase.state not in _CLOSED:
            return Counter()
        store.erase_purchases(tx, [purchase_id], self._number)
        return Counter(purchase=1)


def _own_texts(tx: Tx, wanted: Sequence[int], ids: set[int]) -> list[tuple[int, int]]:
    """The texts of orders that went to nobody but one of these messages, as (order, first message)."""
    ends = {order.id: order.last_id for order in orders.sending_by_id(tx, wanted)}
    found = []
    for text in reversed(orders.texts(tx, wanted)):
        if text.first_id == ends[text.order_id] and text.first_id in ids:
            found.append((text.order_id, text.first_id))
        ends[text.order_id] = text.first_id - 1
    return found


def _contact(tx: Tx, contact_id: int) -> Count:
    store.delete_contact(tx, contact_id)
    return Counter(contact=1)


def _stray(tx: Tx, report_id: int) -> Count:
    return Counter(stray_report=store.delete(tx, "stray_report", {"id": report_id}))

"""What was planned by a clock that has been set back since.

Plans are moments: an hour from now is written as the time that it will be then. If the clock is set back by
a day, it would come a day late. So the latest time that was seen is kept, and by how much the clock is behind
it all plans that lie ahead come earlier; but not what was ordered for a certain time.
"""

from __future__ import annotations

from ulak.core.jobs import JobKind
from ulak.core.states import OrderState, PurchaseState
from ulak.store import settings
from ulak.store.engine import Sql, Tx

SEEN = "clock_seen"
"""The latest time that was seen, ms."""

# One process does it, even if two notice.
_MOVE = Sql("UPDATE setting SET value = :fresh WHERE name = :name AND value = :seen")

# Accepted by the clock as it was, and not sent yet; it was not to wait at all.
_ORDERS = Sql(
    "UPDATE sms_order SET due = due - :back, submitted = submitted - :back"
    " WHERE state IN (10, 11) AND due > :now AND state = :ready"
)
_JOBS = Sql("UPDATE job SET due = due - :back WHERE kind = :kind AND due > :now")
_PURCHASES = (
    # That a rental ends is a promise about a certain time.
    Sql("UPDATE purchase SET due = due - :back WHERE due > 0 AND due > :now AND state <> :rented"),
    Sql("UPDATE purchase SET look = look - :back WHERE look > 0 AND look > :now"),
    Sql("UPDATE purchase SET verify = verify - :back WHERE verify > 0 AND verify > :now"),
)
_CALLBACKS = Sql("UPDATE callback SET due = due - :back WHERE state IN (2, 3) AND due > :now")


def seen(tx: Tx) -> int | None:
    """The latest time that was noted, ms."""
    found = settings.get(tx, SEEN)
    return None if found is None else int(found)


def note(tx: Tx, before: int | None) -> bool:
    """Note the time as it is; whether nobody else did since it was `before`."""
    if before is None:
        settings.put(tx, SEEN, str(tx.now))
        return True
    return tx.run(_MOVE, name=SEEN, seen=str(before), fresh=str(tx.now)) == 1


def bring_forward(tx: Tx, back: int) -> int:
    """All plans come earlier by `back` ms; how many those are."""
    count = tx.run(_ORDERS, back=back, now=tx.now, ready=int(OrderState.READY))
    for kind in JobKind:
        count += tx.run(_JOBS, back=back, now=tx.now, kind=int(kind))
    due, look, verify = _PURCHASES
    count += tx.run(due, back=back, now=tx.now, rented=int(PurchaseState.ACTIVE))
    for plan in (look, verify):
        count += tx.run(plan, back=back, now=tx.now)
    return count + tx.run(_CALLBACKS, back=back, now=tx.now)

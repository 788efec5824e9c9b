"""Every event in every state of every kind of purchase: what it makes of it, and of its money."""

from __future__ import annotations

from tests.service.shop_rig import DIALECT

from ulak.core.purchases import Purchase
from ulak.core.states import PurchaseEvent, PurchaseKind, PurchaseState, Resolve
from ulak.service import accounts
from ulak.service.till import Till
from ulak.store import purchases as store
from ulak.store.engine import Database, Tx
from ulak.store.writer import sync_write

K, S, E = PurchaseKind, PurchaseState, PurchaseEvent

# Kind, state: what each event makes of it. Everything that is not here changes nothing.
TABLE = """
CODE    UNPAID   HELD PAID, LAPSED EXPIRED, WITHDRAWN WITHDRAWN
CODE    PAID     ASSIGNED WAITING, NONE_LEFT NO_NUMBER, WITHDRAWN CANCELLED
CODE    PAID     TIMED_OUT TIMED_OUT, GONE TIMED_OUT
CODE    WAITING  CODE SETTLING, WITHDRAWN CANCELLED, TIMED_OUT TIMED_OUT, GONE TIMED_OUT
CODE    SETTLING SETTLED DONE, GONE LOST
RENTAL  UNPAID   HELD PAID, LAPSED EXPIRED, WITHDRAWN WITHDRAWN
RENTAL  PAID     ASSIGNED SETTLING, NONE_LEFT NO_NUMBER, WITHDRAWN CANCELLED
RENTAL  PAID     TIMED_OUT TIMED_OUT, GONE TIMED_OUT
RENTAL  SETTLING SETTLED ACTIVE, GONE LOST
RENTAL  ACTIVE   ENDED ENDED, WITHDRAWN CANCELLED
MESSAGE UNPAID   HELD PAID, LAPSED EXPIRED, WITHDRAWN WITHDRAWN
MESSAGE PAID     SENT SENT, DELIVERED DELIVERED, FAILED FAILED
MESSAGE SENT     DELIVERED DELIVERED, FAILED FAILED
CREDIT  UNPAID   HELD SETTLING, LAPSED EXPIRED, WITHDRAWN WITHDRAWN
CREDIT  SETTLING SETTLED DONE, GONE LOST
"""

# What becomes of the money in the states in which that is decided; in all others it is not.
DECIDED = {
    Resolve.CANCEL: (S.EXPIRED, S.WITHDRAWN, S.NO_NUMBER, S.CANCELLED, S.TIMED_OUT, S.FAILED),
    Resolve.SETTLE: (S.SETTLING, S.DELIVERED),
}


def expected() -> dict[tuple[PurchaseKind, PurchaseState, PurchaseEvent], PurchaseState]:
    found = {}
    for line in TABLE.strip().splitlines():
        kind, state, rest = line.split(maxsplit=2)
        for pair in rest.split(","):
            event, following = pair.split()
            found[K[kind], S[state], E[event]] = S[following]
    return found


def purchase(kind: PurchaseKind, state: PurchaseState, account_id: int, name: str) -> Purchase:
    """One in this state, of which 100 sats are held."""
    return Purchase(
        id=0,
        public_id=name,
        account_id=account_id,
        dialect=DIALECT,
        kind=kind,
        state=state,
        price=100,
        created=1,
        changed=1,
        held=100,
        payment_hash=name,
        preimage="sealed",
        payreq="lnbc1",
        service="tg",
        pool=22,
        weeks=2 if kind is K.RENTAL else 0,
        carrier_id=1,
        reference="r",
        number=919876500001,
        paid=1,
        assigned=1,
        due=5,
    )


def test_every_event_in_every_state(sqlite_database: Database) -> None:
    table = expected()

    def every(tx: Tx) -> None:
        account_id = accounts.create(tx, "alice").account.id
        for kind in K:
            for state in S:
                for event in E:
                    name = f"{kind.name} {state.name} {event.name}"
                    made = store.insert(tx, purchase(kind, state, account_id, name))
                    till = Till(tx, [made])
                    copy = till.get(made)
                    assert copy is not None
                    following = table.get((kind, state, event))
                    assert till.step(copy, event) is (following is not None), name
                    till.save()
                    stored = store.load(tx, [made])[made]
                    assert stored.state is (following or state), name
                    decided = [what for what, where in DECIDED.items() if following in where]
                    assert stored.resolve is (decided[0] if decided else Resolve.OPEN), name

    sync_write(sqlite_database, every)


def test_money_is_decided_once(sqlite_database: Database) -> None:
    """A message that failed after its money was decided to be taken keeps it."""

    def change(tx: Tx) -> Purchase:
        account_id = accounts.create(tx, "alice").account.id
        made = store.insert(tx, purchase(K.MESSAGE, S.PAID, account_id, "a"))
        for event in (E.SENT, E.FAILED, E.DELIVERED):
            till = Till(tx, [made])
            copy = till.get(made)
            assert copy is not None
            till.step(copy, event)
            if event is E.SENT:
                till.decide(copy, Resolve.SETTLE)
            till.save()
        return store.load(tx, [made])[made]

    stored = sync_write(sqlite_database, change)
    assert (stored.state, stored.resolve) == (S.FAILED, Resolve.SETTLE)

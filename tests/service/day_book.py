"""What the database says of random days, beside what the auditor thinks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from tests import cast
from tests.service.auditor import Auditor

from ulak.core.doubts import Doubt
from ulak.service import audit, orders
from ulak.store import ledger
from ulak.store.engine import Sql, Tx

_EVENTS = Sql("SELECT kind, subject FROM event ORDER BY id")
_DOUBTS = Sql("SELECT message_id, doubt FROM unsure")
_STRAYS = Sql("SELECT why, count(*) FROM stray_report GROUP BY why")
_REFERENCES = Sql("SELECT count(*) FROM reference")
_DOUBT_NAMES = {
    "held": Doubt.HELD,
    "resent": Doubt.RESENT,
    "failed": Doubt.FAILED,
    "asked": Doubt.ASKED,
    "unsent": Doubt.UNSENT,
}


def compare(
    tx: Tx, auditor: Auditor, tenants: Mapping[str, cast.Tenant], received: Counter[int], listener: str
) -> None:
    """Everything. `received` counts how often an operator got each message; `listener` is told of its own."""
    findings = audit.check(tx)
    assert not findings, "\n".join(findings)
    for who in tenants.values():
        mine = [order for order in auditor.orders.values() if order.owner == who.name]
        mine.sort(key=lambda order: (order.submitted, order.id))
        listed = orders.listing(tx, who.id, cast.DIALECT, 0, 2**60, 0, 10_000)
        assert listed == (len(mine), [order.summary() for order in mine])
        if auditor.granted[who.name]:
            assert ledger.of_account(tx, who.id)["SMS"] == auditor.balance(who.name)
    known = {message_id: _DOUBT_NAMES[name] for message_id, name in auditor.doubts.items()}
    assert dict(tx.all(_DOUBTS)) == known
    twice = {message_id for message_id, times in received.items() if times > 1}
    assert twice <= set(known), "what may have gone twice is on the list"
    assert dict(tx.all(_STRAYS)) == _counted({1: len(auditor.parked), 2: len(auditor.contradictions)})
    assert tx.all(_REFERENCES) == [(len(auditor.references),)]
    told = [(row[0].removeprefix("message."), row[1]) for row in tx.all(_EVENTS)]
    assert sorted(told) == sorted(auditor.told(listener))
    place = {news: at for at, news in enumerate(told)}
    assert all(place.get(("accepted", subject), at) <= at for (_, subject), at in place.items())


def _counted(counts: dict[int, int]) -> dict[int, int]:
    return {key: count for key, count in counts.items() if count}

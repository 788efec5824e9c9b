"""Reports of carriers: matched with their messages, parked, or noted as contradicting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ulak.core.ports import Report, ReportState
from ulak.core.references import IdForm, Stray, key_of, other_keys
from ulak.core.states import FINAL_MESSAGES
from ulak.service import carriers
from ulak.service.clocks import TOLERANCE
from ulak.service.settlement import Settlement
from ulak.store import leases
from ulak.store import reports as store
from ulak.store.engine import Tx
from ulak.store.ids import Ids

ANSWERED = 2 * 60 * 1000
"""ms after a report until the answer to what was on its way then has come, or does not count any more."""

LOOKED_BACK = 10 * 60 * 1000
"""ms for which parked reports are looked at again."""

REPORTS = "reports"
"""The gathered kind whose items are `ReportBatch`."""


@dataclass(frozen=True, slots=True)
class ReportBatch:
    """Reports that came together over a link of this carrier."""

    carrier_id: int
    id_form: IdForm
    reports: Sequence[Report]


def report_group(tx: Tx, items: Sequence[ReportBatch], _ids: Ids) -> list[None]:
    """Give every report its effect, once, whatever its order, repetition or spelling."""
    by_carrier: dict[tuple[int, IdForm], list[Report]] = {}
    for item in items:
        by_carrier.setdefault((item.carrier_id, item.id_form), []).extend(item.reports)
    # All leases that have to be waited for come before anything else is locked, and in order.
    named = {group: _named(tx, *group, by_carrier[group]) for group in sorted(by_carrier)}
    for (carrier_id, form), reports in by_carrier.items():
        _apply(tx, carrier_id, form, reports, *named[carrier_id, form])
    return [None] * len(items)


def awaited(tx: Tx, carrier_id: int, after: int, limit: int) -> tuple[int | None, list[str]]:
    """References of which final news are awaited, among the next `limit` after a key.

    Returns the key to go on after, None at the end, and the references as they were spelled.
    """
    rows = store.stretch(tx, carrier_id, after, limit)
    found = [spelled for _, spelled, state in rows if state not in FINAL_MESSAGES]
    return (rows[-1][0] if len(rows) == limit else None), found


def kept(tx: Tx, carrier_id: int, form: IdForm, spelled: Sequence[str]) -> dict[str, bool]:
    """Those of these references that are kept, and whether final news of each are awaited."""
    names = {key_of(name, form): name for name in spelled}
    rows = store.states(tx, carrier_id, names)
    return {names[key]: state not in FINAL_MESSAGES for key, _, state in rows}


def _apply(
    tx: Tx,
    carrier_id: int,
    form: IdForm,
    reports: list[Report],
    keys: Sequence[int],
    found: dict[int, store.Referred],
) -> None:
    guesses = _guess(
        tx, carrier_id, form, [r for r, key in zip(reports, keys, strict=True) if key not in found]
    )
    named = [found.get(key) for key in keys]
    settlement = Settlement(tx, {(n.message_id, n.order_id) for n in (*found.values(), *guesses.values())})
    strays = []
    applied = 0
    for report, key, exact in zip(reports, keys, named, strict=True):
        target = exact or _agreed(guesses, settlement, report)
        if target is None and report.state is ReportState.UNDERWAY:
            continue
        if target is None:
            strays.append((key, report.reference, report.number, report.state, report.raw, Stray.PARKED))
        elif settlement.messages[target.message_id].report(target.part, report.state):
            strays.append(
                (key, report.reference, report.number, report.state, report.raw, Stray.CONTRADICTION)
            )
        else:
            applied += 1
    settlement.save()
    if strays:
        store.keep(tx, carrier_id, strays)
    _count(tx, len(reports), applied, [stray[-1] for stray in strays])


def _named(
    tx: Tx, carrier_id: int, form: IdForm, reports: Sequence[Report]
) -> tuple[list[int], dict[int, store.Referred]]:
    """The keys of these reports' references, and what they name.

    An operator may report over any session of ours, and while a link moves there are two, in two processes.
    What is parked here must be seen by the step which commits the answer there, or that step be seen here:
    a step has the lease of its link until it is committed, so before anything is parked those are waited for.
    """
    keys = [key_of(report.reference, form) for report in reports]
    found = store.look_up(tx, carrier_id, set(keys))
    missed = {
        key
        for key, report in zip(keys, reports, strict=True)
        if key not in found and report.state is not ReportState.UNDERWAY
    }
    if missed and tx.postgres:
        leases.calm(tx, carrier_id)
        found |= store.look_up(tx, carrier_id, missed)
    return keys, found


def _count(tx: Tx, all_of_them: int, applied: int, strays: Sequence[Stray]) -> None:
    """For the metrics: what became of these reports."""
    parked = strays.count(Stray.PARKED)
    contradicting = len(strays) - parked
    effects = {"applied": applied, "parked": parked, "contradicting": contradicting}
    effects["idle"] = all_of_them - sum(effects.values())
    for effect, count in effects.items():
        if count:
            tx.count("reports", effect, by=count)


def _guess(tx: Tx, carrier_id: int, form: IdForm, missed: Sequence[Report]) -> dict[str, store.Referred]:
    """What the references that matched nothing would name, had they been written in another base."""
    if not missed:
        return {}
    others = {report.reference: other_keys(report.reference, form) for report in missed}
    found = store.look_up(tx, carrier_id, {key for keys in others.values() for key in keys})
    guesses: dict[str, store.Referred] = {}
    for spelled, keys in others.items():
        for key in keys:
            if key in found:
                guesses.setdefault(spelled, found[key])
    return guesses


def _agreed(
    guesses: dict[str, store.Referred], settlement: Settlement, report: Report
) -> store.Referred | None:
    """A guess is believed only when the destination is the message's own and the part still waits for news.

    Otherwise the report has more likely come before the answer that names its message, and waits for it.
    """
    guess = guesses.get(report.reference)
    if guess is None:
        return None
    guessed = settlement.messages[guess.message_id]
    waits = bool(guessed.open_parts & (1 << guess.part))
    return guess if guessed.number == report.number and waits else None


@dataclass(slots=True)
class FreshReference:
    """A part that a carrier has just accepted. `opened` is when its bytes were given leave to go (ms)."""

    key: int
    spelled: str
    message_id: int
    order_id: int
    part: int
    number: int
    opened: int


def unpark(
    tx: Tx, carrier_id: int, fresh: Sequence[FreshReference]
) -> list[tuple[FreshReference, ReportState]]:
    """Reports that came before the answer which names their message, and now find it.

    A reference may be one that the operator used before, so a parked report counts only for a message that
    was on its way when the report came, as far as the clocks of two machines agree, and to the same
    destination.
    """
    parked = store.parked(tx, carrier_id, [reference.key for reference in fresh])
    if not parked:
        return []
    by_key = {reference.key: reference for reference in fresh}
    matched, gone = [], []
    for report in parked:
        reference = by_key[report.key]
        if report.number == reference.number and reference.opened <= report.at + TOLERANCE:
            matched.append((reference, report.state))
            gone.append(report.id)
    if gone:
        store.unpark(tx, gone)
    return matched


def look_again(tx: Tx, before: int, limit: int) -> int | None:
    """Let reports that came before an answer, and write its reference in another base, find the message.

    Right after the answer nobody can tell: what such a report names exactly may be answered next. So it waits
    until no answer is on its way any more, and then means a message to its number that was accepted since.
    Looks at the next `limit` reports below an id; returns the id to go on below, None at the end.
    """
    rows = store.newest(tx, before, limit)
    waiting: dict[int, list[store.KeptReport]] = {}
    for row in rows:
        if row.why is Stray.PARKED and ANSWERED <= tx.now - row.at <= LOOKED_BACK:
            waiting.setdefault(row.carrier_id, []).append(row)
    if waiting:
        _find_late(tx, waiting)
    return rows[-1].id if len(rows) == limit and tx.now - rows[-1].at <= LOOKED_BACK else None


def _may_be(at: int, accepted: int) -> bool:
    """Whether a report (ms) may have come before the answer that was committed in this second."""
    return at - TOLERANCE < (accepted + 1) * 1000 <= at + ANSWERED + 1000


def _find_late(tx: Tx, waiting: dict[int, list[store.KeptReport]]) -> None:
    """Give parked reports, by carrier, the effect they have if their references are in another base."""
    forms = {c.id: c.terms.id_form for c in (*carriers.active(tx), *carriers.removed_at_work(tx))}
    late: list[tuple[store.KeptReport, Report, dict[str, store.Referred]]] = []
    for carrier_id in waiting.keys() & forms.keys():
        reports = [Report(row.spelled, row.number, row.state, "") for row in waiting[carrier_id]]
        guesses = _guess(tx, carrier_id, forms[carrier_id], reports)
        late += [(row, report, guesses) for row, report in zip(waiting[carrier_id], reports, strict=True)]
    named = {guess for _, _, guesses in late for guess in guesses.values()}
    if not named:
        return
    settlement = Settlement(tx, {(guess.message_id, guess.order_id) for guess in named})
    changed = store.changed(tx, settlement.messages)
    gone = []
    for row, report, guesses in reversed(late):  # as they came
        target = _agreed(guesses, settlement, report)
        if target is not None and _may_be(row.at, changed[target.message_id]):
            settlement.messages[target.message_id].report(target.part, report.state)
            gone.append(row.id)
    settlement.save()
    store.unpark(tx, gone)
    tx.count("reports", "applied", by=len(gone))

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
"""ms for which a parked report waits for the answer that names it exactly, at least."""

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


def look_again(tx: Tx, after: int, limit: int) -> None:
    """Let reports that came before an answer, and write its reference in another base, find the message.

    Right after the answer nobody can tell: what such a report names exactly may be answered next. So it waits
    for a while, and as long as any message to its number has no answer; then it means one whose order was due
    when it came. Looks at the next `limit` reports after an id.
    """
    waiting: dict[int, list[store.OldReport]] = {}
    for report in store.still_parked(tx, after, tx.now - ANSWERED, limit):
        waiting.setdefault(report.carrier_id, []).append(report)
    if not waiting:
        return
    found: list[tuple[store.OldReport, store.Referred]] = []
    for carrier in (*carriers.active(tx), *carriers.removed_at_work(tx)):
        if carrier.id in waiting:
            found += _found_late(tx, carrier.id, carrier.terms.id_form, waiting[carrier.id])
    if found:
        _believe(tx, found)


def _found_late(
    tx: Tx, carrier_id: int, form: IdForm, waiting: Sequence[store.OldReport]
) -> list[tuple[store.OldReport, store.Referred]]:
    """Of a carrier's reports those that something fits, now that no answer can fit better."""
    guesses = _guess(tx, carrier_id, form, [_as_told(report) for report in waiting])
    if not guesses:
        return []
    open_numbers = store.unanswered(tx, carrier_id)
    return [
        (report, guesses[report.spelled])
        for report in waiting
        if report.spelled in guesses and report.number not in open_numbers
    ]


def _believe(tx: Tx, found: Sequence[tuple[store.OldReport, store.Referred]]) -> None:
    """Give parked reports their effect on what they seem to name."""
    settlement = Settlement(tx, {(named.message_id, named.order_id) for _, named in found})
    due = store.due(tx, (named.order_id for _, named in found))
    gone = []
    for report, named in found:
        target = _agreed({report.spelled: named}, settlement, _as_told(report))
        if target is not None and due[target.order_id] <= report.at + TOLERANCE:
            settlement.messages[target.message_id].report(target.part, report.state)
            gone.append(report.id)
    settlement.save()
    store.unpark(tx, gone)
    tx.count("reports", "applied", by=len(gone))


def _as_told(report: store.OldReport) -> Report:
    return Report(report.spelled, report.number, report.state, "")

"""From a send-sms request to an order that the core can place.

Everything that the request alone decides is decided once, here; what needs the account or the time waits in
the draft's `judge`. Rules: section 2.1 of the wire specification, choices of ours in this folder's README.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

from ulak.core import phone, times
from ulak.core.accounts import Account
from ulak.core.consents import Audience
from ulak.core.errors import Refusal
from ulak.core.orders import RECIPIENTS_MAX, ConsentNeeded, OrderDraft, Ruling, TextDraft, fingerprint
from ulak.core.text import priced_parts
from ulak.dialects.iletimerkezi import wire

DIALECT = "iletimerkezi"
TRIAL_SENDER = "APITEST"
TRIAL_TEXT = "Bu bir deneme mesajıdır. API bağlantınız çalışıyor."

CHECKS = (
    Refusal.UNAUTHENTICATED,
    Refusal.SENDER_NOT_APPROVED,
    Refusal.BAD_SCHEDULE,
    Refusal.CONSENT_CHOICE_MISSING,
    Refusal.CONSENT_LIST_MISSING,
    Refusal.CONSENT_BRAND_MISSING,
    Refusal.TEXT_EMPTY,
    Refusal.TOO_LARGE,
    Refusal.NO_RECIPIENT,
    Refusal.REPEATED,
    Refusal.TOO_FAST,
    Refusal.NO_CREDIT,
)

_SUFFIX_UNITS = 5  # the operator code " B186", appended to every SMS by law
_PARTS_MAX = 7
_CHARACTERS_MAX = 7 * 153  # no alphabet has room for more in 7 parts, so longer texts are not measured
_ODD_SHOWN_MAX = 64

_MINUTE = 60 * 1_000
_PAST_MAX = 24 * 60 * _MINUTE
_AHEAD_MAX = 365 * 24 * 60 * _MINUTE

_CONSENT_LISTS = tuple(audience.name for audience in Audience)


def draft_of(order: wire.Order) -> OrderDraft:
    """The order as the core takes it."""
    trial = order.sender == TRIAL_SENDER
    parts = [_parts(message.text) for message in order.message]
    faults = _faults(order, trial, max(parts, default=0))
    # An order with a fault is never placed, so its recipients need not be read.
    texts = [] if faults else _texts(order.message, parts)
    if not faults and not any(text.usable() for text in texts):
        faults.add(Refusal.NO_RECIPIENT)
    judge = partial(_trial_ruling if trial else _ruling, order, texts, frozenset(faults))
    mark = None if faults else fingerprint((text.text, text.numbers) for text in texts)
    return OrderDraft(DIALECT, order.sender, texts, judge, CHECKS, mark)


def _faults(order: wire.Order, trial: bool, parts_most: int) -> set[Refusal]:
    """What is wrong whoever sends it, but for the recipients."""
    faults = set()
    if not order.sender:
        faults.add(Refusal.SENDER_NOT_APPROVED)
    if not trial and order.iys not in ("", "0", "1"):
        faults.add(Refusal.CONSENT_CHOICE_MISSING)
    if not trial and order.iys == "1" and order.iysList not in _CONSENT_LISTS:
        faults.add(Refusal.CONSENT_LIST_MISSING)
    if not order.message or not all(message.text.strip() for message in order.message):
        faults.add(Refusal.TEXT_EMPTY)
    recipients = sum(len(message.receipents.number) for message in order.message)
    if recipients > RECIPIENTS_MAX or parts_most > _PARTS_MAX:
        faults.add(Refusal.TOO_LARGE)
    return faults


def _parts(text: str) -> int:
    """What the text costs one recipient, exactly so up to _PARTS_MAX."""
    return priced_parts(text, _SUFFIX_UNITS) if len(text) <= _CHARACTERS_MAX else _PARTS_MAX + 1


def _ruling(
    order: wire.Order, _texts: list[TextDraft], faults: frozenset[Refusal], account: Account, now: int
) -> Ruling:
    due, found = _due(order.sendDateTime, account, now)
    if not order.iys and account.switch("strict_iys"):
        found |= {Refusal.CONSENT_CHOICE_MISSING}
    brand = account.setting("iys_brand")
    if order.iys == "1" and not brand:
        found |= {Refusal.CONSENT_BRAND_MISSING}
    found |= faults
    if order.iys != "1" or found:
        return Ruling(due, found)
    needed = ConsentNeeded(int(brand), Audience[order.iysList], account.switch("iys_presumed"))
    return Ruling(due, found, consent=needed)


def _trial_ruling(
    order: wire.Order, texts: list[TextDraft], faults: frozenset[Refusal], account: Account, now: int
) -> Ruling:
    """A trial is free, says a text of ours, and reaches nobody but the account's own test number."""
    due, found = _due(order.sendDateTime, account, now)
    only = phone.normalise(account.setting("test_number"))
    trial = [
        replace(text, text=TRIAL_TEXT, parts=0, barred=frozenset(text.numbers) - {0, only}) for text in texts
    ]
    if not any(text.usable() for text in trial):
        found |= {Refusal.NO_RECIPIENT}
    return Ruling(due, faults | found, sender_free=True, texts=trial)


def _due(text: str, account: Account, now: int) -> tuple[int | None, frozenset[Refusal]]:
    """When to send (None: at once), and what is wrong with that."""
    nothing: frozenset[Refusal] = frozenset()
    if not text:
        return None, nothing
    due = times.parse_minute(text)
    if due is None:
        # The vendor ignores a time that has seconds and sends at once; an account may want that.
        seconds_added = times.parse_minute_with_seconds(text) is not None
        if seconds_added and not account.switch("strict_schedule"):
            return None, nothing
        return None, frozenset({Refusal.BAD_SCHEDULE})
    if not now - _PAST_MAX <= due <= now + _AHEAD_MAX:
        return None, frozenset({Refusal.BAD_SCHEDULE})
    return (due if due > now else None), nothing


def _texts(messages: list[wire.Message], parts: list[int]) -> list[TextDraft]:
    """Each text with its recipients, in the order submitted; nobody gets the same text twice."""
    taken: dict[str, set[int | str]] = {}
    texts = []
    for message, price in zip(messages, parts, strict=True):
        recipients = _distinct(message.receipents.number)
        if len(messages) > 1:
            before = taken.setdefault(message.text, set())
            recipients = [each for each in recipients if each not in before]
            before.update(recipients)
        if recipients:
            texts.append(_text(message.text, price, recipients))
    return texts


def _text(text: str, price: int, recipients: list[int | str]) -> TextDraft:
    odd = {place: each for place, each in enumerate(recipients) if isinstance(each, str)}
    return TextDraft(text, price, [0 if isinstance(each, str) else each for each in recipients], odd)


def _distinct(submitted: list[Any]) -> list[int | str]:
    """Each recipient once: a number, or what was submitted where that is none."""
    numbers = phone.normalise_all(submitted)
    if 0 not in numbers:
        return list(dict.fromkeys(numbers))
    pairs = zip(numbers, submitted, strict=True)
    return list(dict.fromkeys(number or _shown(value) for number, value in pairs))


def _shown(value: Any) -> str:
    """What is no number, as the report will show it: the text itself, anything else in its JSON spelling."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:_ODD_SHOWN_MAX]

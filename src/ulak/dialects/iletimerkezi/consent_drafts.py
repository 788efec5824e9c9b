"""From a request about consent to words that the core can take, and what is wrong with them, field by field.

Everything that the request alone decides is decided once, here; the account and the time come in `faults`.
Rules: section 2.8 of the wire specification, choices of ours in this folder's README.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from itertools import islice
from typing import NamedTuple, TypeVar

from ulak.core import times
from ulak.core.consents import (
    Audience,
    Channel,
    Decision,
    Fault,
    Person,
    Source,
    Word,
    recipient_of,
    time_fault,
)
from ulak.dialects.iletimerkezi import fields, wire

RECORDS_MAX = 5_000
ERRORS_MAX = 100
"""Fields of records that are named in an answer; who has more wrong has the first of them."""

Named = TypeVar("Named", bound=IntEnum)
Errors = dict[str, str]

_FAULTS: dict[Fault, tuple[str, str]] = {
    Fault.IN_FUTURE: ("consentDate", "consentDate gelecekte bir tarih olamaz."),
    Fault.BEFORE_REGISTRY: ("consentDate", "consentDate 2015-05-01 tarihinden önce olamaz."),
    Fault.TOO_OLD: ("consentDate", "consentDate en fazla 3 iş günü öncesi olabilir."),
    Fault.NOT_OF_2015: (
        "consentDate",
        "HS_2015 kaynağı ile consentDate yalnızca 2015-05-01 00:00:00 olabilir.",
    ),
    Fault.FIRST_IS_REFUSAL: ("status", "Alıcının ilk kaydı RET olamaz."),
    Fault.UNCHANGED: ("status", "Alıcının kayıtlı durumu zaten bu."),
}


class ConsentsDraft(NamedTuple):
    """A batch as far as the request decides: of each record its word, or what is wrong with its fields.

    `brand` is None for what is no brand code; of a batch that is empty or too large there are no entries.
    """

    brand: int | None
    entries: list[Word | Errors]

    @property
    def readable(self) -> bool:
        """Whether the account may find nothing wrong with it."""
        return bool(self.entries) and all(isinstance(entry, Word) for entry in self.entries)

    @property
    def words(self) -> list[Word]:
        """What people said."""
        return [entry for entry in self.entries if isinstance(entry, Word)]


def draft_of(consents: wire.Consents) -> ConsentsDraft:
    """A batch as it came."""
    records = consents.records if len(consents.records) <= RECORDS_MAX else []
    return ConsentsDraft(fields.brand_code(consents.brandCode), [_entry(record) for record in records])


def faults(draft: ConsentsDraft, brand: int, now: int) -> Errors:
    """What is wrong with a batch for the account with this brand code, but for what the registry knows."""
    found = _brand_fault(draft.brand, brand)
    if not draft.entries:
        found["list"] = f"list 1 ile {RECORDS_MAX} arasında kayıt içermeli."
    wrong = (
        (f"list.{place}.{field}" if field else f"list.{place}", text)
        for place, entry in enumerate(draft.entries)
        for field, text in (_time_errors(entry, now) if isinstance(entry, Word) else entry).items()
    )
    return found | dict(islice(wrong, ERRORS_MAX))


def registry_errors(found: Iterable[tuple[int, Fault]]) -> Errors:
    """What the registry has against records, by their places."""
    told = ((place, *_FAULTS[fault]) for place, fault in islice(found, ERRORS_MAX))
    return {f"list.{place}.{field}": text for place, field, text in told}


def person_of(name: wire.ConsentName, brand: int) -> Person | Errors:
    """Whose consent the account with this brand code asks for, or what is wrong with that."""
    errors = _brand_fault(fields.brand_code(name.brandCode), brand)
    person = _person(name, errors)
    return person if person is not None and not errors else errors


def not_there() -> Errors:
    """Nobody has said anything."""
    return {"recipient": "Bu alıcıya ait bir kayıt bulunamadı."}


def _brand_fault(given: int | None, brand: int) -> Errors:
    return {} if given == brand else {"brandCode": "brandCode hesabınızın İYS marka kodu ile aynı olmalı."}


def _entry(record: wire.ConsentRecord | None) -> Word | Errors:
    if record is None:
        return {"": "Kayıt bir nesne olmalı."}
    errors: Errors = {}
    person = _person(record, errors)
    decision = _one_of(Decision, "status", record.status, errors)
    source = _one_of(Source, "source", record.source, errors)
    given = times.parse_second(record.consentDate)
    if not record.consentDate:
        errors["consentDate"] = _missing("consentDate")
    elif given is None:
        errors["consentDate"] = fields.no_such_time("consentDate")
    if person is None or decision is None or source is None or given is None:
        return errors
    return Word(person, decision, source, given)


def _person(name: wire.ConsentName | wire.ConsentRecord, errors: Errors) -> Person | None:
    audience = _one_of(Audience, "recipientType", name.recipientType, errors)
    channel = _one_of(Channel, "type", name.type, errors)
    if not name.recipient:
        errors["recipient"] = _missing("recipient")
    if channel is None or not name.recipient:
        return None
    recipient = recipient_of(channel, name.recipient)
    if not recipient:
        kind = "e-posta adresi" if channel is Channel.EPOSTA else "cep telefonu numarası"
        errors["recipient"] = f"recipient geçerli bir {kind} olmalı."
    return Person(channel, audience, recipient) if recipient and audience is not None else None


def _one_of(words: type[Named], field: str, text: str, errors: Errors) -> Named | None:
    found = words.__members__.get(text)
    if found is None:
        errors[field] = f"{field} değeri geçersiz." if text else _missing(field)
    return found


def _missing(field: str) -> str:
    return f"{field} alanı zorunlu."


def _time_errors(word: Word, now: int) -> Errors:
    fault = time_fault(word.source, word.given, now)
    return {} if fault is None else dict([_FAULTS[fault]])

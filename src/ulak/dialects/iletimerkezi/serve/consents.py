"""The consent registry: consent/create, consent/show."""

from __future__ import annotations

from typing import Any

from ulak.core.accounts import Account
from ulak.core.consents import Word, display
from ulak.core.times import to_local_text
from ulak.dialects.iletimerkezi import consent_drafts, forms, wire
from ulak.dialects.iletimerkezi.codes import Code
from ulak.dialects.iletimerkezi.consent_drafts import ConsentsDraft
from ulak.dialects.iletimerkezi.jsonbody import Fields
from ulak.dialects.iletimerkezi.serve.visit import DONE, OK, Answer, Visit, invalid
from ulak.service import consents
from ulak.store import consents as store


async def create(visit: Visit) -> Answer:
    """Take in what people said, all of it or nothing."""
    who, draft = await visit.parsed(_batch_in)

    def change(tx: Any, account: Account) -> wire.Plain | wire.Invalid | Code:
        brand = _brand(account)
        if isinstance(brand, Code):
            return brand
        errors = consent_drafts.faults(draft, brand, tx.now)
        if not errors:
            errors = consent_drafts.registry_errors(consents.record(tx, account.id, brand, draft.words))
        return invalid(errors) if errors else DONE

    return await (visit.changed if draft.readable else visit.asked)(who, change)


async def show(visit: Visit) -> Answer:
    """What somebody said last."""
    request = await visit.parsed(forms.show_consent)

    def question(tx: Any, account: Account) -> wire.ConsentAnswer | wire.Invalid | Code:
        brand = _brand(account)
        if isinstance(brand, Code):
            return brand
        person = consent_drafts.person_of(request.consent, brand)
        if isinstance(person, dict):
            return invalid(person)
        word = store.find(tx, account.id, brand, person)
        return invalid(consent_drafts.not_there()) if word is None else _shown(brand, word)

    return await visit.asked(request.authentication, question)


def _batch_in(request: Fields) -> tuple[wire.Authentication, ConsentsDraft]:
    asked = forms.create_consents(request)
    return asked.authentication, consent_drafts.draft_of(asked.consent)


def _brand(account: Account) -> int | Code:
    """The account's brand code, or why it cannot use the registry."""
    if not account.switch("iys_subscription"):
        return Code.NO_SUBSCRIPTION
    code = account.setting("iys_brand")
    return int(code) if code else Code.IYS_BRAND_MISSING


def _shown(brand: int, word: Word) -> wire.ConsentAnswer:
    person = word.person
    return wire.ConsentAnswer(
        OK,
        wire.Consent(
            brandCode=brand,
            recipient=display(person),
            recipientType=person.audience.name,
            type=person.channel.name,
            status=word.decision.name,
            source=word.source.name,
            consentDate=to_local_text(word.given),
        ),
    )

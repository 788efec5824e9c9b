"""What customers send: the bodies, forms and queries of the dialects that are served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fuzz.checks import storable, told

from ulak.core.accounts import Account
from ulak.core.orders import RECIPIENTS_MAX
from ulak.core.pools import ANY, POOLS
from ulak.core.purchases import CREDIT_MAX, CREDIT_MIN
from ulak.dialects.comtohome import drafts as parcel_drafts
from ulak.dialects.comtohome import forms as parcel_forms
from ulak.dialects.comtohome import jsonbody as parcel_json
from ulak.dialects.comtohome import upload
from ulak.dialects.comtohome.fields import identifier
from ulak.dialects.iletimerkezi import (
    consent_drafts,
    contact_drafts,
    contact_forms,
    drafts,
    fields,
    forms,
    jsonbody,
    querybody,
    wire,
    xmlbody,
)
from ulak.dialects.iletimerkezi.jsonbody import BadRequest, Fields
from ulak.dialects.sms4sats import forms as number_forms
from ulak.dialects.sms4sats import jsonbody as number_json
from ulak.dialects.sms4sats.forms import Invalid

NOW = 1_779_274_991_000

_PLAIN = Account(1, "plain", True)
_FULL = Account(
    2,
    "full",
    True,
    {"iys_brand": "100200", "strict_iys": "on", "strict_schedule": "off", "test_number": "905301234567"},
)


# iletimerkezi


def _orders(request: Fields) -> None:
    asked = forms.send_sms(request)
    storable(asked.order.sender)
    for account in (_PLAIN, _FULL):
        draft = drafts.draft_of(asked.order)
        ruling = draft.judge(account, NOW)
        assert draft.first_of(ruling.faults) is not None or not ruling.faults
        for text in draft.texts:
            storable((text.text, text.odd))
            assert 1 <= text.parts <= 7
            assert 0 < len(text.numbers) <= RECIPIENTS_MAX
            assert all(number == 0 or 905_000_000_000 <= number <= 905_999_999_999 for number in text.numbers)
            assert text.odd.keys() == {place for place, number in enumerate(text.numbers) if not number}


def _consents(request: Fields) -> None:
    draft = consent_drafts.draft_of(forms.create_consents(request).consent)
    storable((draft.words, consent_drafts.faults(draft, 100200, NOW)))
    storable(consent_drafts.person_of(forms.show_consent(request).consent, 100200))


def _contacts(request: Fields) -> None:
    draft = contact_drafts.contact_draft(contact_forms.put_contact(request).contact)
    storable(draft)
    group = contact_forms.edit_group(request).group
    assert contact_drafts.id_of(group.id) >= 0
    assert (contact_drafts.parent_of(group.parent) or 0) >= 0
    storable(contact_drafts.group_name(group.name))


def _pages(request: Fields) -> None:
    page = forms.get_report(request).order
    assert (fields.page_number(page.page) or 1) >= 1
    assert 1 <= fields.rows_wanted(page.rowCount) <= fields.ROWS_MAX
    assert 1 <= (fields.order_number(page.id) or 1) < 2**31
    days = forms.get_reports(request).filter
    span = fields.day_range(days.start, days.end)
    assert span is None or 0 < span[1] - span[0] <= 11 * 86_400_000


_UNDERSTOOD: tuple[Callable[[Fields], object], ...] = (
    _orders,
    _consents,
    _contacts,
    _pages,
    forms.cancel_order,
    forms.get_blacklist,
    forms.change_blacklist,
    forms.get_account,
    contact_forms.ask_group,
    contact_forms.ask_contact,
    contact_forms.add_group,
    contact_forms.get_group_contacts,
    contact_forms.search_contacts,
)


def _iletimerkezi(data: bytes, read: Callable[[bytes], Fields]) -> None:
    try:
        request = read(data)
    except BadRequest:
        return
    storable(request)
    assert isinstance(forms.authentication(request), wire.Authentication)
    for understand in _UNDERSTOOD:
        try:
            understand(request)
        except BadRequest:
            continue


def iletimerkezi_json(data: bytes) -> None:
    """A body of the JSON form, read for every operation."""
    _iletimerkezi(data, jsonbody.request_in)


def iletimerkezi_xml(data: bytes) -> None:
    """A body of the XML form, or a form with one in it."""
    _iletimerkezi(data, xmlbody.request_in)


def iletimerkezi_query(data: bytes) -> None:
    """The query of the GET form."""
    _iletimerkezi(data, querybody.request_in)


# comtohome


def comtohome_json(data: bytes) -> None:
    """A body of the parcels' API: an order, a draft, and a draft that is kept and loaded."""
    try:
        body = parcel_json.object_in(data)
    except (parcel_json.Unreadable, parcel_json.TooLarge):
        return
    assert len(parcel_json.digest_of(body)) == 64
    parcel_forms.saved_ids(body)
    assert all(number > 0 for number in parcel_forms.paper_ids(body))
    for many in (False, True, None):
        try:
            wanted = parcel_forms.order(body, {}, "en", many=many)
        except parcel_forms.Invalid as invalid:
            told(invalid.problems)
            continue
        storable(wanted)
        _measured(wanted)
    _parcel_draft(body)


def _measured(wanted: parcel_forms.Wanted) -> None:
    for package in wanted.shipment.packages:
        assert 0 < package.weight <= parcel_forms.WEIGHT_MAX
        assert all(0 < side <= parcel_forms.LENGTH_MAX for side in (package.length, package.width))
        assert 1 <= package.quantity <= parcel_forms.BOXES_MAX
        assert all(item.quantity >= 1 and item.unit_price >= 0 for item in package.items)


def _parcel_draft(body: dict[str, Any]) -> None:
    draft = parcel_drafts.merged({}, body)
    assert parcel_drafts.merged(draft, {}) == draft
    try:
        storable(parcel_forms.draft(draft, {}, "tr"))
    except parcel_forms.Invalid as invalid:
        storable(invalid.problems)
        return
    kept = parcel_drafts.dump(draft)
    assert parcel_drafts.dump(parcel_drafts.load(kept)) == kept


def comtohome_upload(data: bytes) -> None:
    """A form with a document: the first line is its content type."""
    content_type, _, body = data.partition(b"\n")
    try:
        found = upload.upload(content_type.decode("latin-1"), body, "tr")
    except (parcel_json.Unreadable, parcel_json.TooLarge):
        return
    except parcel_forms.Invalid as invalid:
        told(invalid.problems)
        return
    assert 0 < len(found.content) <= upload.FILE_MAX
    assert found.content in body
    assert found.file_name.isprintable()
    assert "/" not in found.file_name
    storable((found.file_name, found.reference))


# sms4sats


def sms4sats_json(data: bytes) -> None:
    """A body of the numbers' API, each of its fields read as every operation reads it."""
    try:
        body = number_json.object_in(data)
    except (number_json.Unreadable, number_json.TooLarge):
        return
    for read in _FIELDS:
        try:
            storable(read(body))
        except Invalid:
            continue


_FIELDS: tuple[Callable[[dict[str, Any]], object], ...] = (
    lambda body: number_forms.flag(body, "isRental"),
    lambda body: number_forms.text(body, "webhookUrl"),
    lambda body: _ref(number_forms.ref_of(number_forms.text(body, "ref"))),
    lambda body: _pool(number_forms.pool_of(number_forms.country(body))),
    lambda body: number_forms.service_of(number_forms.text(body, "service")),
    lambda body: number_forms.service_of(number_forms.text(body, "service"), rental=True),
    lambda body: number_forms.message_of(number_forms.text(body, "message")),
    lambda body: _phone(number_forms.phone_of(number_forms.text(body, "phone"))),
    lambda body: _amount(number_forms.amount_in(body)),
)


def _ref(found: str | None) -> str | None:
    assert found is None or (found.isascii() and found.count("@") == 1)
    return found


def _pool(found: int) -> None:
    assert found == ANY or found in POOLS


def _phone(found: int) -> None:
    assert 10**6 <= found < 10**15


def _amount(found: int) -> None:
    assert CREDIT_MIN <= found <= CREDIT_MAX


def sms4sats_query(data: bytes) -> None:
    """A query of the numbers' API, and what stands in a path of the parcels' one."""
    found = number_forms.parameters(data)
    try:
        order_id = number_forms.order_id_in(data)
        assert order_id == found["orderId"]
    except Invalid:
        assert not found.get("orderId")
    for value in found.values():
        assert (identifier(value) or 0) < 10**18
        try:
            _pool(number_forms.pool_of(value))
        except Invalid:
            continue

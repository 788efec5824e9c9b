"""Drafts in the words of their owner: kept as JSON, changed by the field, and shown as they were told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ulak.core.consignments import Consignment, Preference
from ulak.core.times import to_local_text
from ulak.dialects.comtohome import wire
from ulak.dialects.comtohome.codes import STATUSES
from ulak.dialects.comtohome.jsonbody import Fields

_PARTY = (
    "name",
    "attention_name",
    "country",
    "state",
    "city",
    "postal_code",
    "address",
    "phone_number",
    "email",
    "tax_number",
)
_ITEM = (
    "description",
    "gtip",
    "origin",
    "currency_code",
    "quantity",
    "unit_price",
    "category",
)
_PACKAGE = (
    "package_type",
    "post_type",
    "quantity",
    "weight",
    "length",
    "width",
    "height",
    "dangerous_goods",
    "specific_provider_barcode",
    "items",
)
_DEFAULTS: Mapping[str, Any] = {
    "provider_id": None,
    "preference": None,
    "address_resolver_type": 0,
    "incoterms_type": 2,
    "invoice_number": None,
    "reference_no": None,
    "specific_shipping_method": None,
    "generate_provider_barcode": False,
    "specific_provider_barcode": None,
    "warehouse_id": None,
    "consignee_id": None,
    "special_services": [],
    "documents": [],
    "consignor": None,
    "consignee": None,
    "packages": [],
    "label_type": 0,
}
"""Every field of a draft and its default, in the order they are shown; the vendor has `provider_id` first."""

_PARTIES = ("consignor", "consignee")
_NEEDED_ABROAD = ("address_resolver_type", "incoterms_type")


def merged(kept: Fields, change: Fields) -> Fields:
    """A draft after a change. Fields that were not sent stay, also those of a party; packages are replaced as
    a whole; what is sent as null or as an empty text is taken back."""
    whole = dict(kept)
    for name, value in change.items():
        before = whole.get(name)
        if name in _PARTIES and isinstance(value, dict) and isinstance(before, dict):
            value = before | value
        whole[name] = value
    return _known(whole, tuple(_DEFAULTS))


def complete(draft: Fields) -> Fields:
    """A draft with what it means by leaving something out: a carrier that is named is the one that is wanted,
    and what is shown as a default counts."""
    given = {"preference": int(Preference.GIVEN)} if "provider_id" in draft else {}
    return given | {name: _DEFAULTS[name] for name in _NEEDED_ABROAD} | draft


def dump(draft: Fields) -> str:
    """A draft as it is stored; one that was found to be valid."""
    return wire.encode(draft).decode()


def load(text: str | None) -> Fields:
    """A stored draft."""
    whole = json.loads(text or "{}", parse_float=Decimal)
    return whole if isinstance(whole, dict) else {}


def document(found: Consignment, draft: Fields) -> dict[str, Any]:
    """What is answered about a draft: its fields under the names of the request."""
    shown = {name: draft.get(name, default) for name, default in _DEFAULTS.items()}
    return {
        "id": found.id,
        "uuid": found.uuid,
        **shown,
        "status": STATUSES[found.state].code,
        "created_at": to_local_text(found.created),
        "updated_at": to_local_text(found.updated),
    }


def _known(fields: Fields, names: tuple[str, ...]) -> Fields:
    """The fields that have a meaning and a value."""
    found = {}
    for name in names:
        value = _cleaned(name, fields.get(name))
        if value is not None:
            found[name] = value
    return found


def _cleaned(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, dict) and name in _PARTIES:
        return _known(value, _PARTY)
    if isinstance(value, list) and name in ("packages", "items"):
        names = _PACKAGE if name == "packages" else _ITEM
        return [_known(entry, names) if isinstance(entry, dict) else entry for entry in value]
    return value

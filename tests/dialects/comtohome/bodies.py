"""Requests that are complete, and ways to spoil them."""

from __future__ import annotations

import copy
from typing import Any

CONSIGNOR: dict[str, Any] = {
    "name": "Kuzey Depo",
    "country": "TR",
    "state": "İzmir",
    "city": "Bornova",
    "address": "Liman Cd. 4",
    "postal_code": "35040",
    "phone_number": "+90 (232) 000-00 00",
    "email": "depo@example.com",
}
CONSIGNEE: dict[str, Any] = {
    "name": "Ece Su",
    "attention_name": "Ece Hanım",
    "country": "TUR",
    "state": "Adana",
    "city": "Seyhan",
    "address": "Çınar Sk. 9",
    "postal_code": "01010",
    "phone_number": "05550000000",
}
PACKAGE: dict[str, Any] = {
    "package_type": 1,
    "post_type": 4,
    "quantity": 1,
    "weight": 5.4,
    "length": 15,
    "width": 15,
    "height": 15,
    "items": [{"description": "Kupa", "currency_code": "TRY", "quantity": 2, "unit_price": 150.5}],
}
DOMESTIC: dict[str, Any] = {
    "preference": 1,
    "reference_no": "SO-1001",
    "consignor": CONSIGNOR,
    "consignee": CONSIGNEE,
    "packages": [PACKAGE],
}
ABROAD: dict[str, Any] = {
    "preference": 1,
    "address_resolver_type": 0,
    "incoterms_type": 2,
    "consignor": CONSIGNOR | {"tax_number": "1234567890"},
    "consignee": CONSIGNEE | {"country": "DE", "phone_number": "+49 30 1234567"},
    "packages": [
        PACKAGE
        | {
            "items": [
                {
                    "description": "Mug",
                    "gtip": "691110000011",
                    "origin": "TR",
                    "currency_code": "EUR",
                    "quantity": 1,
                    "unit_price": 8.03,
                }
            ]
        }
    ],
}
SEVERAL: dict[str, Any] = DOMESTIC | {"packages": [PACKAGE, PACKAGE | {"weight": 1}]}
DRAFT: dict[str, Any] = {"consignor": CONSIGNOR, "consignee": CONSIGNEE}

BODIES: dict[str, dict[str, Any]] = {
    "domestic": DOMESTIC,
    "abroad": ABROAD,
    "several": SEVERAL,
    "draft": DRAFT,
    "nothing": {},
}


def spoiled(name: str, values: dict[str, Any], removed: list[str]) -> dict[str, Any]:
    """One of these bodies with other values at some paths, and without what stands at others."""
    body = copy.deepcopy(BODIES[name])
    for path, value in values.items():
        parent, last = _parent(body, path)
        parent[last] = value
    for path in removed:
        parent, last = _parent(body, path)
        del parent[last]
    return body


def _parent(body: Any, path: str) -> tuple[Any, Any]:
    *steps, last = path.split(".")
    for step in steps:
        body = body[int(step) if isinstance(body, list) else step]
    return body, int(last) if isinstance(body, list) else last

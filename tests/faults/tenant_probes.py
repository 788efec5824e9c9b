"""What is tried at each route: a table by route, with every id that its requests can hold.

`probes_at` raises KeyError for a route that is not in it, so that nobody adds one without saying which ids
it takes and whose they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.dialects.comtohome.bodies import PACKAGE
from tests.dialects.iletimerkezi.spoken import speak
from tests.faults.tenants import FOLDER, HOOKS, OWN_PAGES, Request, Tenant, parcel_of, upload_of

from ulak.core.times import ISTANBUL
from ulak.dialects.door import Route
from ulak.dialects.sandbox import PAY

Ask = Callable[[Tenant, str], Request]
Fields = dict[str, Any]


class Probe(NamedTuple):
    """A place in a request where an id stands, and the kind of thing it is the id of.

    `uses`: what is one's own is used up; `spends`: and another kind of thing as well. `blind`: it is answered
    as what is missing is, without harm. `makes`: it holds ids of what it made, which are not compared.
    `zero`: 0 means none of them.
    """

    what: str
    kind: str
    ask: Ask
    uses: bool = False
    blind: bool = False
    makes: bool = False
    spends: str = ""
    zero: bool = False


class Entry(NamedTuple):
    """What is tried at a route. `plain` is a request without foreign ids, whose answer must tell of nobody
    else; `login` how its caller is known, empty where nobody has to be; `why` there is no id to try."""

    plain: Callable[[Tenant], Request]
    probes: tuple[Probe, ...] = ()
    login: str = ""
    why: str = ""


# Messages: the operations of iletimerkezi, in each format

Speak = Callable[[Tenant, str], Fields]


class Operation(NamedTuple):
    """An operation: a request beside its authentication, and its ids."""

    plain: Fields
    ids: tuple[tuple[str, str, Callable[[str], Fields], str], ...] = ()


def _order(**over: Any) -> Fields:
    message = {"text": "Merhaba", "receipents": {"number": ["5309990000"]}}
    return {"order": {"sender": "NOBODY", "iys": "0", "message": message} | over}


def _said(**over: Any) -> Fields:
    now = datetime.now(ISTANBUL).strftime("%Y-%m-%d %H:%M:%S")
    word = {"recipientType": "BIREYSEL", "type": "MESAJ", "status": "RET", "source": "HS_WEB"}
    return word | {"consentDate": now, "recipient": "5309990001"} | over


_ASKED = {"recipientType": "BIREYSEL", "type": "MESAJ", "recipient": "5309990001"}
_CONTACT: Fields = {"name": "Ali"}
_DAYS = {"start": "2026-05-20", "end": "2026-05-20"}

OPERATIONS: dict[str, Operation] = {
    "send-sms": Operation(_order(), (("sender", "sender", lambda id: _order(sender=id), "makes"),)),
    "cancel-order": Operation(
        {"order": {"id": "1"}}, (("order.id", "scheduled", lambda id: {"order": {"id": id}}, "uses"),)
    ),
    "get-report": Operation(
        {"order": {"id": "1"}}, (("order.id", "order", lambda id: {"order": {"id": id}}, ""),)
    ),
    "get-reports": Operation({"filter": _DAYS}),
    "get-report-summary": Operation({"filter": _DAYS}),
    "get-balance": Operation({}),
    "get-sender": Operation({}),
    "get-inbox": Operation({}),
    "add-plugin-user": Operation({"pluginUser": {}}),
    "get-blacklist": Operation({"blacklist": {}}),
    "add-blacklist": Operation(
        {"blacklist": {"number": "5309990002"}},
        (("blacklist.number", "blocked", lambda id: {"blacklist": {"number": id}}, "blind"),),
    ),
    "delete-blacklist": Operation(
        {"blacklist": {"number": "5309990003"}},
        (("blacklist.number", "blocked", lambda id: {"blacklist": {"number": id}}, "uses"),),
    ),
    "consent/create": Operation(
        {"consent": {"brandCode": "1", "list": []}},
        (
            ("list.recipient", "person", lambda id: {"consent": {"list": [_said(recipient=id)]}}, "brand"),
            ("brandCode", "brand", lambda id: {"consent": {"brandCode": id, "list": [_said()]}}, ""),
        ),
    ),
    "consent/show": Operation(
        {"consent": {"brandCode": "1", **_ASKED}},
        (
            ("recipient", "person", lambda id: {"consent": _ASKED | {"recipient": id}}, "brand"),
            ("brandCode", "brand", lambda id: {"consent": _ASKED | {"brandCode": id}}, ""),
        ),
    ),
    "get-groups": Operation({}),
    "get-group": Operation({"group": {"id": "0"}}, (("id", "group", lambda id: {"group": {"id": id}}, ""),)),
    "add-group": Operation(
        {"group": {"name": "Yeni", "parent": ""}},
        (("parent", "group", lambda id: {"group": {"name": "Yeni", "parent": id}}, "makes"),),
    ),
    "edit-group": Operation(
        {"group": {"id": "0", "name": "Yeni"}},
        (("id", "group", lambda id: {"group": {"id": id, "name": "Yeni", "parent": ""}}, ""),),
    ),
    "delete-group": Operation(
        {"group": {"id": "0"}}, (("id", "group", lambda id: {"group": {"id": id}}, "uses"),)
    ),
    "get-group-contacts": Operation(
        {"group": {"id": "0"}}, (("id", "group", lambda id: {"group": {"id": id}}, ""),)
    ),
    "search-contacts": Operation(
        {"search": {"key": "nobody"}}, (("key", "key word", lambda id: {"search": {"key": id}}, ""),)
    ),
    "get-contact": Operation(
        {"contact": {"id": "0"}}, (("id", "contact", lambda id: {"contact": {"id": id}}, ""),)
    ),
    "delete-contact": Operation(
        {"contact": {"id": "0"}}, (("id", "contact", lambda id: {"contact": {"id": id}}, "uses"),)
    ),
    "add-contact": Operation(
        {"contact": _CONTACT},
        (
            (
                "groups",
                "group",
                lambda id: {"contact": _CONTACT | {"groups": {"group": {"id": id}}}},
                "makes",
            ),
            ("custom_fields", "field", lambda id: {"contact": _CONTACT | _value_of(id)}, "makes"),
        ),
    ),
    "edit-contact": Operation(
        {"contact": {"id": "0", **_CONTACT}},
        (
            ("id", "contact", lambda id: {"contact": {"id": id, **_CONTACT}}, ""),
            ("groups", "group", lambda id: {"contact": _CONTACT | {"groups": {"group": {"id": id}}}}, "own"),
            ("custom_fields", "field", lambda id: {"contact": _CONTACT | _value_of(id)}, "own"),
        ),
    ),
}


def _value_of(field: str) -> Fields:
    return {"custom_fields": {"custom_field": [{"id": field, "value": "x"}]}}


def _messages(route: Route) -> Entry:
    """The entry of an operation in the format that a path has."""
    path = route.path.removeprefix("/v1/")
    name, form = path.removesuffix("/json"), "json" if path.endswith("/json") else "xml"
    if path == "send-sms/get":
        name, form = "send-sms", "query"
    operation = OPERATIONS[name]

    def ask(tenant: Tenant, fields: Fields) -> Request:
        spoken = speak(form, name, {"authentication": tenant.authentication, **fields})
        return Request(spoken.method, spoken.path, spoken.body, spoken.query)

    def probe(what: str, kind: str, speak: Callable[[str], Fields], how: str) -> Probe:
        def asked(tenant: Tenant, id: str) -> Request:
            fields = speak(id)
            if how == "brand":
                fields["consent"]["brandCode"] = tenant.things["brand"][0]
            if how == "own":
                fields["contact"]["id"] = tenant.things["contact"][0]
            return ask(tenant, fields)

        uses = how == "uses" or (name, what) == ("consent/create", "list.recipient")
        return Probe(what, kind, asked, uses, how == "blind", how == "makes")

    probes = tuple(probe(*each) for each in operation.ids)
    if name == "edit-group":
        probes += (Probe("parent", "group", lambda who, id: ask(who, _moved(who, id)), zero=True),)
    return Entry(lambda who: ask(who, operation.plain), probes, "messages")


def _moved(tenant: Tenant, parent: str) -> Fields:
    return {"group": {"id": tenant.things["group"][1], "name": "Yeni", "parent": parent}}


# Parcels


def _parcel(tenant: Tenant, method: str, path: str, body: Any = None, **headers: str) -> Request:
    content = b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, path, content, headers={"apikey": tenant.apikey, **named})


def _at(method: str, path: str, kind: str, *, uses: bool = False, makes: bool = False) -> Entry:
    """A route with one id in its path, and nothing in a body."""

    def ask(tenant: Tenant, id: str) -> Request:
        return _parcel(tenant, method, path.format(id=id, rest=id))

    return Entry(
        lambda who: ask(who, "0"), (Probe("path", kind, ask, uses=uses, makes=makes),), login="parcels"
    )


def _sending(method: str, path: str, kind: str = "", *, many: bool = False) -> Entry:
    """A route with a shipment in its body, which may refer to what the account keeps."""

    def ask(tenant: Tenant, drop: str = "", **over: Any) -> Request:
        body = parcel_of(tenant, 90) | ({"packages": [PACKAGE, PACKAGE]} if many else {}) | over
        body.pop(drop, None)
        id = tenant.things[kind][0] if kind else ""
        return _parcel(tenant, method, path.format(id=id), body)

    # A draft that was started is none any more, and a document belongs to one parcel.
    starts = kind if path.endswith("start-process") else ""

    def probe(what: str, of: str, asked: Ask, *, uses: bool = False) -> Probe:
        return Probe(what, of, asked, uses=uses, makes=True, spends=starts if of != kind else "")

    probes = [
        probe("warehouse_id", "warehouse", lambda who, id: ask(who, "consignor", warehouse_id=id)),
        probe("consignee_id", "recipient", lambda who, id: ask(who, "consignee", consignee_id=id)),
    ]
    if path != "/api/v1/prices":
        probes.append(probe("documents", "document", lambda who, id: ask(who, documents=[id]), uses=True))
    if kind:
        body = {"reference_no": "REF-new"}
        probes.append(
            probe(
                "path",
                kind,
                lambda who, id: _parcel(who, method, path.format(id=id), body),
                uses=bool(starts),
            )
        )
    return Entry(lambda who: ask(who, preference=7), tuple(probes), login="parcels")


def _uploading(tenant: Tenant, consignment: str) -> Request:
    form = {"document_file:a.pdf": "%PDF-1.7", "document_type": "1", "status": "1"}
    content_type, body = upload_of(form | {"consignment_id": consignment})
    headers = {"apikey": tenant.apikey, "content-type": content_type}
    return Request("POST", "/api/v1/consignment-documents", body, headers=headers)


def _label(number: str, seal: str) -> Request:
    path = f"/api/v1/public-download/consignment-label/{number}"
    return Request("GET", path, query=f"_hash={seal}".encode())


def _cancelled_once(tenant: Tenant, both: str) -> Request:
    number, _, key = both.partition(" ")
    return _parcel(tenant, "POST", f"{FOLDER}/{number}/cancel", x_idempotency_key=key or "none")


def _cancel(tenant: Tenant, id: str) -> Request:
    return _parcel(tenant, "POST", f"{FOLDER}/{id}/cancel")


_LISTED = "a list of the account's own"
_PUBLIC = "the same for everybody"

PARCELS: dict[tuple[str, str], Entry] = {
    **{
        ("GET", f"{FOLDER}/find/{key}/{{rest}}"): _at("GET", f"{FOLDER}/find/{key}/{{rest}}", kind)
        for key, kind in (
            ("trackingCode", "tracking"),
            ("barcode", "barcode"),
            ("reference_no", "reference"),
            ("uuid", "uuid"),
        )
    },
    **{
        ("GET", f"{FOLDER}/{{id}}/{what}"): _at("GET", f"{FOLDER}/{{id}}/{what}", "parcel")
        for what in ("details", "events", "documents")
    },
    **{
        ("POST", f"{FOLDER}/{{id}}/{what}"): _at("POST", f"{FOLDER}/{{id}}/{what}", "parcel")
        for what in ("proforma", "cn22", "cn23", "send-to-provider", "recheck")
    },
    **{
        ("GET", f"/api/v1/consignment-documents/{{id}}{what}"): _at(
            "GET", f"/api/v1/consignment-documents/{{id}}{what}", "document"
        )
        for what in ("", "/download")
    },
    ("POST", FOLDER): _sending("POST", FOLDER),
    ("POST", f"{FOLDER}/multi-package"): _sending("POST", f"{FOLDER}/multi-package", many=True),
    ("POST", f"{FOLDER}/draft"): _sending("POST", f"{FOLDER}/draft"),
    ("PUT", f"{FOLDER}/draft/{{id}}"): _sending("PUT", f"{FOLDER}/draft/{{id}}", "draft"),
    ("DELETE", f"{FOLDER}/draft/{{id}}"): _at("DELETE", f"{FOLDER}/draft/{{id}}", "draft", uses=True),
    ("POST", f"{FOLDER}/draft/{{id}}/start-process"): _sending(
        "POST", f"{FOLDER}/draft/{{id}}/start-process", "draft"
    ),
    ("POST", "/api/v1/prices"): _sending("POST", "/api/v1/prices"),
    ("GET", FOLDER): Entry(lambda who: _parcel(who, "GET", FOLDER), login="parcels", why=_LISTED),
    ("POST", f"{FOLDER}/{{rest}}/cancel"): Entry(
        lambda who: _cancel(who, "0"),
        (
            Probe("key", "once", _cancelled_once),
            Probe("id", "parcel", _cancel, uses=True),
            Probe("barcode", "barcode", _cancel),
            Probe("reference", "reference", _cancel),
        ),
        login="parcels",
    ),
    ("POST", "/api/v1/consignment-documents"): Entry(
        lambda who: _uploading(who, "x"),
        (Probe("consignment_id", "parcel", _uploading, makes=True),),
        login="parcels",
    ),
    ("GET", "/api/v1/public-download/consignment-label/{id}"): Entry(
        lambda _who: _label("0", "x"),
        (
            Probe("path", "label", lambda who, id: _label(id, who.things["seal"][0])),
            Probe("_hash", "seal", lambda who, seal: _label(who.things["label"][0], seal)),
        ),
    ),
    ("GET", "/api/v1/providers"): Entry(
        lambda who: _parcel(who, "GET", "/api/v1/providers"), login="parcels", why=_PUBLIC
    ),
    ("GET", "/api/v1/special-services"): Entry(
        lambda who: _parcel(who, "GET", "/api/v1/special-services"), login="parcels", why=_PUBLIC
    ),
    ("GET", "/uploads/provider_logos/{logo}.png"): Entry(
        lambda _who: Request("GET", "/uploads/provider_logos/parsel.png"), why=_PUBLIC
    ),
}


# Numbers


def _number(
    tenant: Tenant,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] = MappingProxyType({}),
    **query: str,
) -> Request:
    asked = "&".join(f"{name}={quote(value)}" for name, value in query.items()).encode()
    content = b"" if body is None else json.dumps(body).encode()
    return Request(method, path, content, asked, {"x-api-key": tenant.number_key, **headers})


def _bought(path: str, body: Fields, place: int) -> Entry:
    """A purchase of an account. Under a key that this account has used already it is refused."""

    def ask(tenant: Tenant, once: str) -> Request:
        return _number(tenant, "POST", path, body, {"idempotency-key": once})

    return Entry(
        lambda who: _number(who, "POST", path, body),
        (Probe("key", f"bought once {place}", ask, makes=True),),
        "numbers",
    )


def _shown(path: str, **query: str) -> Entry:
    return Entry(lambda who: _number(who, "GET", path, None, {}, **query), why=_PUBLIC)


def _order_in_query(path: str) -> Entry:
    def ask(tenant: Tenant, id: str) -> Request:
        return _number(tenant, "GET", path, orderId=id)

    return Entry(lambda who: ask(who, "0"), (Probe("orderId", "purchase", ask),))


NUMBERS: dict[tuple[str, str], Entry] = {
    ("GET", "/"): _shown("/"),
    ("HEAD", "/"): _shown("/"),
    ("GET", "/orderstatus"): _order_in_query("/orderstatus"),
    ("GET", "/cancelorder"): _order_in_query("/cancelorder"),
    ("POST", "/cancelorder"): Entry(
        lambda who: _number(who, "POST", "/cancelorder", {"orderId": "0"}),
        (
            Probe(
                "orderId",
                "purchase",
                lambda who, id: _number(who, "POST", "/cancelorder", {"orderId": id}),
            ),
        ),
    ),
    ("POST", "/createorder"): _bought(
        "/createorder", {"country": "22", "service": "dr", "immediate": True}, 0
    ),
    ("POST", "/createsendorder"): _bought(
        "/createsendorder", {"message": "a", "phone": "+905309990004", "immediate": True}, 1
    ),
    ("POST", "/fund"): _bought("/fund", {"amount": 1600}, 2),
    ("GET", "/balance"): Entry(lambda who: _number(who, "GET", "/balance"), login="numbers", why=_LISTED),
    ("GET", "/history"): Entry(lambda who: _number(who, "GET", "/history"), login="numbers", why=_LISTED),
    ("GET", "/getCountries"): _shown("/getCountries"),
    ("GET", "/getnumbersstatus"): _shown("/getnumbersstatus", country="22"),
    ("GET", "/getServices"): _shown("/getServices", country="22"),
    ("GET", "/getRentalCountries"): _shown("/getRentalCountries", service="full"),
    ("GET", "/price"): _shown("/price", country="22", service="tg"),
    ("GET", "/getPrice"): _shown("/getPrice", country="22", service="tg"),
}


def _page(path: str) -> Entry:
    return Entry(lambda _who: Request("GET", path), why=_PUBLIC)


_HOOK = ("POST", "/hooks/{carrier}/{secret}")
_PAID = "whoever has an invoice can pay it, and is told that it is paid"

OTHERS: dict[tuple[str, str], Entry] = {
    _HOOK: Entry(
        lambda _who: Request("POST", "/hooks/nobody/x", b"{}"),
        (Probe("secret", "hook", lambda _who, both: Request("POST", f"/hooks/{both}", b"{}")),),
    ),
    ("POST", PAY): Entry(lambda _who: Request("POST", PAY, b'{"payreq":"x"}'), why=_PAID),
    **{route: _page(route.path) for route in OWN_PAGES},
}

_TABLE = PARCELS | NUMBERS | OTHERS


def probes_at(route: Route) -> Entry:
    """What is tried at a route. Raises KeyError for one that nobody has thought of."""
    return _messages(route) if route.path.startswith("/v1/") else _TABLE[route.method, route.path]


# What there is to be asked for

MISSING: dict[str, str] = {
    "sender": "NOBODY",
    "brand": "999999",
    "field": "999999",
    "warehouse": "999999",
    "recipient": "999999",
    "order": "300099999",
    "scheduled": "300099999",
    "group": "999999",
    "contact": "999999",
    "blocked": "5308880000",
    "person": "5308880001",
    "key word": "nobody1",
    "parcel": "999999",
    "draft": "999999",
    "document": "999999",
    "label": "999999",
    "barcode": "C2H00000000000",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "reference": "REF-none-9",
    "tracking": "RR000000005TR",
    "seal": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D",
    "once": "999999 key-of-nobody",
    "purchase": "0f" * 32,
    **{f"bought once {place}": f"once-nobody-{place}" for place in range(3)},
    "hook": "nobody/0123456789abcdef-kargo",
}
"""By kind, an id that nothing ever had."""

MALFORMED = ("0", "-1", "9223372036854775808", "' OR 1=1 --", "\u0663", "9" * 300)
"""What is no id at all."""


def own_hook() -> str:
    """A carrier's name and its secret."""
    return f"kargo/{HOOKS['kargo']}"


def others_hooks() -> tuple[str, ...]:
    """A carrier's name with another's secret, and with one that is nearly right."""
    return f"kargo/{HOOKS['kurye']}", f"kargo/{HOOKS['kargo'][:-1]}x"

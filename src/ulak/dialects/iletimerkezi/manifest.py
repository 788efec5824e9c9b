"""What this server can be asked, for the vendor's MCP server and other programs: `/api/manifest.json`.

Every operation that a tool exists for, with a JSON Schema (2020-12) of what stands under `request` beside
`authentication`. A schema takes what the doors take, in the documented spellings; names that the doors would
ignore are refused, because whoever writes them means something that would silently not happen.

Source: the fields that the vendor's MCP server reads (its source, 2026-05). The texts are ours, and there is
no `doc_url`, since the vendor's pages are about its own service.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec

from ulak import __version__
from ulak.core.consents import Audience, Channel, Decision, Source
from ulak.core.orders import RECIPIENTS_MAX

PATH = "/api/manifest.json"

SCHEMA_VERSION = "1.0"

CONSENTS_MAX = 5_000

Schema = dict[str, Any]

_DATE_TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$"


class Tool(NamedTuple):
    """An operation as a tool has it. `summary` is in English and Turkish."""

    name: str
    path: str
    summary: tuple[str, str]
    notes: tuple[str, ...]
    schema: Schema


def manifest(base_url: str, generated_at: int) -> bytes:
    """The document for a server at `base_url`; `generated_at` is ms UTC."""
    return msgspec.json.encode(
        {
            "schema_version": SCHEMA_VERSION,
            "generated_at": datetime.fromtimestamp(generated_at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "source": f"ulak {__version__}",
            "base_url": base_url,
            "authentication": {
                "type": "body",
                "location": "request.authentication",
                "fields": ["key", "hash"],
            },
            "endpoints": [_endpoint(tool, base_url) for tool in TOOLS],
        }
    )


def _endpoint(tool: Tool, base_url: str) -> dict[str, Any]:
    english, turkish = tool.summary
    return {
        "method": "POST",
        "path": tool.path,
        "base_url": base_url,
        "mcp_tool": tool.name,
        "summary": {"en": english, "tr": turkish},
        "notes": list(tool.notes),
        "input_schema": {"$schema": "https://json-schema.org/draft/2020-12/schema"} | tool.schema,
    }


def _object(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    """An object of these members and no others."""
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return found | {"required": list(required)} if required else found


def _names(words: type[IntEnum]) -> list[str]:
    return [word.name for word in words]


def _text(about: str, **rules: Any) -> Schema:
    return {"type": "string", "description": about} | rules


def _whole(about: str, most: int = 999_999_999) -> Schema:
    """A number from 1, which may also be a text of digits; empty is as good as missing."""
    return {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": most},
            {"type": "string", "pattern": "^([0-9]{0,8}[1-9][0-9]{0,8})?$", "maxLength": 9},
        ],
        "description": about,
    }


_ORDER_ID: Schema = {
    "anyOf": [
        {"type": "string", "pattern": "^[1-9][0-9]{0,9}$"},
        {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
    ],
    "description": "The id that send_sms answered.",
}
_NUMBER: Schema = {
    "anyOf": [
        {"type": "string", "minLength": 10, "maxLength": 32},
        {"type": "integer", "minimum": 5_000_000_000, "maximum": 905_999_999_999},
    ],
    "description": "A Turkish mobile number: 5XXXXXXXXX, 05XXXXXXXXX, 905XXXXXXXXX or +905XXXXXXXXX.",
}
_DAY = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"

_MESSAGE = _object(
    ("text", "receipents"),
    text=_text("What is sent; at most 7 SMS long.", minLength=1, pattern="\\S"),
    receipents=_object(
        ("number",),
        number={
            "anyOf": [
                {"type": "array", "items": _NUMBER, "minItems": 1, "maxItems": RECIPIENTS_MAX},
                _NUMBER,
            ],
        },
    )
    | {"description": "Who gets it. The spelling is the service's own."},
)
_MINUTE = _text(
    "When to send, in Istanbul: DD/MM/YYYY HH:MM. Empty or left out: now.",
    pattern="^([0-9]{2}/[0-9]{2}/[0-9]{4} [0-9]{2}:[0-9]{2})?$",
)
_SEND = _object(
    ("order",),
    order=_object(
        ("sender", "message"),
        sender=_text("An approved sender, exactly as get_sender lists it.", minLength=1, maxLength=11),
        sendDateTime=_MINUTE,
        iys={
            "enum": ["0", "1", 0, 1],
            "description": "1: commercial, recipients without consent are left out. 0: informative.",
        },
        iysList={
            "enum": _names(Audience),
            "description": "Which consents count when iys is 1: those of consumers or of merchants.",
        },
        message={
            "anyOf": [_MESSAGE, {"type": "array", "items": _MESSAGE, "minItems": 1}],
            "description": "One text with its recipients, or several.",
        },
    )
    | {
        # A commercial order has to say whose consents count.
        "if": {"properties": {"iys": {"enum": ["1", 1]}}, "required": ["iys"]},
        "then": {"required": ["iysList"]},
    },
)

_ONE_NUMBER = _object(("blacklist",), blacklist=_object(("number",), number=_NUMBER))

_BRAND: Schema = {
    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]{1,18}$"}],
    "description": "The brand code of the account.",
}
_RECIPIENT = _text("A telephone number, or an e-mail address where type is EPOSTA.", minLength=3)
_AUDIENCE: Schema = {"enum": _names(Audience), "description": "A consumer or a merchant."}
_CHANNEL: Schema = {"enum": _names(Channel), "description": "Message, e-mail or call."}

TOOLS = (
    Tool(
        "send_sms",
        "/v1/send-sms/json",
        ("Send an SMS to one or many recipients.", "Bir veya çok alıcıya SMS gönderir."),
        (
            "Credit is taken for every SMS that is delivered; ask get_balance first.",
            "Code 451: the same text went to the same recipients within ten minutes.",
            "Only orders with sendDateTime can be cancelled.",
        ),
        _SEND,
    ),
    Tool(
        "get_report",
        "/v1/get-report/json",
        ("What became of an order, by recipient.", "Bir siparişin alıcı bazında sonucunu verir."),
        (
            "Order status: 113 under way, 114 done, 115 failed or cancelled.",
            "Message status: 110 waiting, 111 delivered, 112 not delivered.",
            "Code 456: the order's time has not come.",
        ),
        _object(
            ("order",),
            order=_object(
                ("id",), id=_ORDER_ID, page=_whole("From 1."), rowCount=_whole("At most 1000.", 1000)
            ),
        ),
    ),
    Tool(
        "get_reports",
        "/v1/get-reports/json",
        ("The orders of some days, with counters.", "Seçilen günlerin siparişlerini listeler."),
        ("At most ten days lie between start and end.", "Ask for pages until orders is empty."),
        _object(
            ("filter",),
            filter=_object(
                ("start", "end"),
                start=_text("The first day, YYYY-MM-DD.", pattern=_DAY),
                end=_text("The last day, YYYY-MM-DD.", pattern=_DAY),
                page=_whole("From 1."),
            ),
        ),
    ),
    Tool(
        "cancel_order",
        "/v1/cancel-order/json",
        (
            "Cancel an order whose time has not come.",
            "Gönderim zamanı gelmemiş bir siparişi iptal eder.",
        ),
        ("Code 455: there is no such order, or it cannot be cancelled any more.",),
        _object(("order",), order=_object(("id",), id=_ORDER_ID)),
    ),
    Tool(
        "get_balance",
        "/v1/get-balance/json",
        ("The credit that is left.", "Kalan bakiyeyi verir."),
        (),
        _object(),
    ),
    Tool(
        "get_sender",
        "/v1/get-sender/json",
        ("The approved senders.", "Onaylı başlıkları listeler."),
        (),
        _object(),
    ),
    Tool(
        "get_blacklist",
        "/v1/get-blacklist/json",
        ("The numbers that are not written to.", "Gönderim yapılmayan numaraları listeler."),
        ("Filter and page stand inside blacklist.",),
        _object(
            blacklist=_object(
                filter=_object(
                    start=_text("Added from then on, YYYY-MM-DD HH:MM:SS.", pattern=_DATE_TIME),
                    end=_text("Added until then, YYYY-MM-DD HH:MM:SS.", pattern=_DATE_TIME),
                ),
                page=_whole("From 1."),
                rowCount=_whole("At most 1000.", 1000),
            )
        ),
    ),
    Tool(
        "add_blacklist",
        "/v1/add-blacklist/json",
        ("Write to a number no more.", "Bir numarayı kara listeye ekler."),
        ("A number that is on the list already may be added again.",),
        _ONE_NUMBER,
    ),
    Tool(
        "delete_blacklist",
        "/v1/delete-blacklist/json",
        ("Take a number off the blacklist.", "Bir numarayı kara listeden çıkarır."),
        ("Code 474: it is not on the list, or its owner has put it there.",),
        _ONE_NUMBER,
    ),
    Tool(
        "iys_register",
        "/v1/consent/create/json",
        (
            "Register who agreed or refused to be written to.",
            "İleti izinlerini ve retlerini kaydeder.",
        ),
        ("All are registered, or none (422).", "A decision is registered within three business days."),
        _object(
            ("consent",),
            consent=_object(
                ("brandCode", "list"),
                brandCode=_BRAND,
                list={
                    "type": "array",
                    "minItems": 1,
                    "maxItems": CONSENTS_MAX,
                    "items": _object(
                        ("recipient", "recipientType", "type", "status", "source", "consentDate"),
                        recipient=_RECIPIENT,
                        recipientType=_AUDIENCE,
                        type=_CHANNEL,
                        status={"enum": _names(Decision), "description": "Agreed, or refused."},
                        source={"enum": _names(Source), "description": "Where that was said."},
                        consentDate=_text("When, in Istanbul: YYYY-MM-DD HH:MM:SS.", pattern=_DATE_TIME),
                    ),
                },
            ),
        ),
    ),
    Tool(
        "iys_check",
        "/v1/consent/show/json",
        ("Whether somebody agreed to be written to.", "Bir alıcının izin durumunu sorgular."),
        ("Code 422: nothing is registered.",),
        _object(
            ("consent",),
            consent=_object(
                ("brandCode", "recipient", "recipientType", "type"),
                brandCode=_BRAND,
                recipient=_RECIPIENT,
                recipientType=_AUDIENCE,
                type=_CHANNEL,
            ),
        ),
    ),
)
"""What the vendor's MCP server has tools for."""

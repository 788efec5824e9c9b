"""The formats of a request and its answer. The path alone chooses, never the content type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ulak.dialects.iletimerkezi import jsonbody, querybody, wire, xmlanswer, xmlbody
from ulak.dialects.iletimerkezi.jsonbody import Fields


@dataclass(frozen=True, slots=True)
class Format:
    """How the object under `request` is read from a body (of a GET: from the query), and an answer written.

    `read` raises BadRequest where there is none.
    """

    read: Callable[[bytes], Fields]
    write: Callable[[wire.Answer], bytes]
    content_type: bytes


JSON = Format(jsonbody.request_in, wire.dump_response, b"application/json")
XML = Format(xmlbody.request_in, xmlanswer.dump_response, xmlanswer.CONTENT_TYPE)
QUERY = Format(querybody.request_in, xmlanswer.dump_response, xmlanswer.CONTENT_TYPE)

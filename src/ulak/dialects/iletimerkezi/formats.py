"""The formats of a request and its answer. The path alone chooses, never the content type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ulak.dialects.iletimerkezi import wire
from ulak.dialects.iletimerkezi.jsonbody import Fields, request_in


@dataclass(frozen=True, slots=True)
class Format:
    """How the object under `request` is read from a body, and an answer written.

    `read` raises BadRequest where there is none.
    """

    read: Callable[[bytes], Fields]
    write: Callable[[wire.Answer], bytes]
    content_type: bytes


JSON = Format(request_in, wire.dump_response, b"application/json")

"""Requests in each of the three formats, made of one and the same object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode
from xml.sax.saxutils import escape

FORMATS = ("json", "xml", "query")


class Spoken(NamedTuple):
    """One HTTP request."""

    method: str
    path: str
    query: bytes
    body: bytes


def speak(form: str, operation: str, request: Mapping[str, Any]) -> Spoken:
    """A request in a format; `request` is what JSON has under that key. A query is of send-sms."""
    if form == "json":
        return Spoken("POST", f"/v1/{operation}/json", b"", json.dumps({"request": request}).encode())
    if form == "xml":
        return Spoken("POST", f"/v1/{operation}", b"", document(request).encode())
    assert operation == "send-sms"
    return Spoken("GET", "/v1/send-sms/get/", urlencode(parameters(request)).encode(), b"")


def document(request: Mapping[str, Any]) -> str:
    """The XML document of a request."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{element("request", request)}\n'


def element(name: str, value: Any) -> str:
    """A value as an element; a list is the element repeated."""
    if isinstance(value, list):
        return "".join(element(name, each) for each in value)
    if isinstance(value, Mapping):
        inside = "".join(element(key, each) for key, each in value.items())
    else:
        inside = "" if value is None else escape(str(value))
    return f"<{name}>{inside}</{name}>"


def parameters(request: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a query: one text, its numbers, and what else there is, but for the time."""
    order = request.get("order", {})
    message = order.get("message", {})
    found = dict(request.get("authentication", {}))
    found |= {name: order[name] for name in ("sender", "iys", "iysList") if name in order}
    if "text" in message:
        found["text"] = message["text"]
    if "receipents" in message:
        found["receipents"] = ",".join(map(str, message["receipents"]["number"]))
    return found

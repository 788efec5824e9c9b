"""The query string of send-sms, in the shape the JSON form has.

All parameters are plain; of one that comes twice the last counts, unknown ones are ignored. There is no
parameter for a time. A plus sign that was not encoded arrives as a blank, which numbers tolerate.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from ulak.dialects.iletimerkezi.jsonbody import BadRequest, Fields

_PARAMETERS_MAX = 100
_WHO = ("key", "hash", "username", "password")
_PLAIN = ("sender", "iys", "iysList")


def request_in(query: bytes) -> Fields:
    """What a request of the JSON form would have under `request`.

    Raises:
        BadRequest: the query is not UTF-8, holds U+0000, or has too many parameters.
    """
    try:
        pairs = parse_qsl(
            query.decode(), keep_blank_values=True, errors="strict", max_num_fields=_PARAMETERS_MAX
        )
    except ValueError:
        raise BadRequest("not a query string in UTF-8") from None
    given = dict(pairs)
    if any("\0" in value for value in given.values()):
        raise BadRequest("U+0000 in a text")
    numbers = [number for number in given.get("receipents", "").split(",") if number.strip()]
    return {
        "authentication": {name: given[name] for name in _WHO if name in given},
        "order": {
            **{name: given[name] for name in _PLAIN if name in given},
            "message": {"text": given.get("text", ""), "receipents": {"number": numbers}},
        },
    }

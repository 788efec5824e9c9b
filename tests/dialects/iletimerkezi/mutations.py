"""Requests of every operation, and what may go wrong with them: for the fuzzer.

`call_of` makes the request of one turn. It depends on nothing but the seed and the number of the turn, so any
can be made again. Which requests there are is in `examples`.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

from tests.dialects.iletimerkezi.examples import EXAMPLES, Turn
from tests.dialects.iletimerkezi.office import ADDRESS, Customer
from tests.dialects.iletimerkezi.spoken import Spoken, document, parameters

from ulak.dialects.door import Call

BIG = 200_000
"""Characters that make a body go to another thread."""

_EXAMPLES = [example for example in EXAMPLES for _ in range(example.weight)]


# A request is made


def call_of(turn: Turn, callers: Sequence[Sequence[Customer]]) -> tuple[str, Call]:
    """The operation that a turn has in mind, and its request. `callers` are accounts in all their log-ins."""
    chance = turn.random
    example = chance.choice(_EXAMPLES)
    form = chance.choice(example.formats)
    # The first is an account without faults, each other one has a fault of its own.
    account = callers[0] if chance.random() < 0.8 else chance.choice(callers)
    request = {"authentication": _who(chance, chance.choice(account))} | example.request(turn)
    spoken = _SPEAK[form](chance, example.operation, request)
    if chance.random() < 0.1:
        spoken = _damaged(chance, spoken)
    if chance.random() < 0.03:
        spoken = _astray(chance, spoken)
    return example.operation, Call(spoken.method, spoken.path, spoken.query, (), spoken.body, ADDRESS)


def _who(chance: random.Random, customer: Customer) -> Any:
    given: dict[str, Any] = dict(customer.credentials)
    if chance.random() > 0.05:
        return given
    name = chance.choice(list(given))
    given[name] = chance.choice((given[name][:-1], given[name].upper() + "x", "", None, [given[name]], {}, 7))
    return chance.choice((given, given, None, [given], "x", {}))


def _astray(chance: random.Random, spoken: Spoken) -> Spoken:
    """Another verb or another path."""
    if chance.random() < 0.3:
        return spoken._replace(method=chance.choice(("GET", "PUT", "HEAD", "post", "POST")))
    path = spoken.path.rstrip("/")
    other = chance.choice(
        (f"{path}/", f"{path}//", f"{path}/json", path.removesuffix("/json"), path[:-1], path.upper(), "/v1/")
    )
    return spoken._replace(path=other)


def _damaged(chance: random.Random, spoken: Spoken) -> Spoken:
    """Bytes changed, whatever they mean."""
    data = spoken.query or spoken.body
    at, other = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    piece = data[at:other]
    changed = chance.choice(
        (
            data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
            data[:at] + chance.randbytes(chance.randrange(1, 5)) + data[at:],
            data[:at],
            data[:at] + data[other:],
            data[:other] + piece + data[other:],
            data[:at] + piece * 3 + data[other:],
            data + chance.choice((b"\0", b"\n", b"{}", b"<a/>", b"&a=b")),
            chance.randbytes(len(piece)),
        )
    )
    return spoken._replace(query=changed) if spoken.query else spoken._replace(body=changed)


# The object, whatever its format

ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 1.5, 1e300, 2**31, 2**63, 10**30, [], {}, [[]], [None], {"a": {}}),
    *(
        "",
        " ",
        "0",
        "1",
        "2",
        "-1",
        "x",
        "٣",
        "１",
        "1e3",
        "+1",
        "0x1",
        "2147483648",
        "9" * 30,
        "\0",
        "\ud800",
    ),
    *(
        "\u0001",
        "\ufffe",
        "\u202e",
        "😀",
        "İ",
        "ß",
        "]]>",
        "&amp;",
        "&a;",
        "<a>",
        "%00",
        "%",
        "'\"\\",
        "\r\n\t",
    ),
    *(
        "2026-02-30",
        "2026-05-20",
        "20/05/2026",
        "30/02/2026 09:30",
        "25/05/2026 09:30:00",
        "99/99/9999 99:99",
    ),
    *("01/01/2020 00:00", "01/01/2999 00:00", "2026-05-25 09:30", "BIREYSEL", "TACIR", "APITEST", "ornekas"),
    *("a" * 1066, "a" * 1067, "ğ" * 465, "😀" * 300, "5301234567", 5301234567, "5301234567,5301234568"),
    *("../../x", "' OR 1=1 --", "null", "true", "NaN", "data=", "<!DOCTYPE a>", "300000001"),
]

ODD_FOR: dict[str, list[Any]] = {
    "text": ["a" * 1067, "ğ" * 520, " \n", ""],
    "sendDateTime": ["2026-05-25 09:30:00", "30/02/2027 09:30", "01/01/2020 00:00", ["25", "05"]],
    "iys": ["1", 1, True, "2"],
    "iysList": ["bireysel", "", None],
    "page": [0, "0", "-1"],
    "id": [1, "0", 2**31 - 1],
    "start": ["2026-05-01", "22/04/2026"],
    "end": ["2026-05-25 09:30:00", "2026-05-25", "25/05/2026 09:30:00"],
    "brandCode": [0, "100200", "1002OO", ["100200"]],
    "recipient": ["5301234500", "a@example.com", "a@b", "A" * 300],
    "recipientType": ["TACIR", "bireysel"],
    "type": ["MESAJ", "EPOSTA", "SMS"],
    "status": ["RET", "ONAY", "onay"],
    "source": ["HS_2015", "HS_WEB", "WEB"],
    "consentDate": ["2015-05-01 00:00:00", "2014-01-01 00:00:00", "2999-01-01 00:00:00", "2026-05-20"],
    "list": [[], [None], "x", {}],
    "parent": ["0", [], ["1"], ["1", "2"]],
    "name": ["", " \u0001", "a" * 256],
    "value": ["", "a" * 1001],
    "key": ["al", "a" * 5000, "%_%", "ı ı"],
    "group": [[], [{"id": 1}], {"id": [1, 2]}, ""],
    "groups": [[], {}, {"id": []}, {"id": list(range(1, 1003))}, {"ids": 1}, [1, "2", {"id": 3}]],
    "custom_field": [[], {}, {"id": 1}, {"id": "", "value": ""}],
    "custom_fields": [[], {}, [{"id": 1, "value": "x"}], {"1": "x"}],
}
"""What rules look for, by the name of a member: left to chance alone, some would hardly ever be met."""

RENAMES = (
    "{}s",
    "{}_",
    "{} ",
    "X{}",
    "recipients",
    "row_count",
    "page",
    "id",
    "key",
    "number",
    "text",
    "group",
    "",
)


def mutated(chance: random.Random, request: dict[str, Any]) -> dict[str, Any]:
    """A request with up to three changes beside `authentication`."""
    changed = copy.deepcopy(request)
    for _ in range(chance.choice((0, 0, 1, 1, 1, 2, 3))):
        spots = [spot for spot in _spots(changed) if spot[1] != "authentication"]
        if not spots:
            break
        parent, key = chance.choice(spots)
        chance.choice(_CHANGES)(chance, parent, key)
    if chance.random() < 0.002:
        changed["big"] = ["x" * BIG, BIG]
    return changed


def _spots(value: Any) -> list[tuple[Any, Any]]:
    """Every place below a value: what it stands in, and under which key or at which index."""
    if isinstance(value, dict):
        keys: list[Any] = [key for key in value if key != "authentication"]
    else:
        keys = list(range(len(value))) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [spot for key in keys for spot in _spots(value[key])]


def _replace(chance: random.Random, parent: Any, key: Any) -> None:
    odd = ODD_FOR.get(key, ODD) if isinstance(key, str) and chance.random() < 0.5 else ODD
    parent[key] = copy.deepcopy(chance.choice(odd))


def _remove(_chance: random.Random, parent: Any, key: Any) -> None:
    del parent[key]


def _wrap(chance: random.Random, parent: Any, key: Any) -> None:
    value = parent[key]
    wrapped: list[Any] = [[value], [value, copy.deepcopy(value)], {"a": value}, {str(key): value}, [[value]]]
    parent[key] = chance.choice(wrapped)


def _nest(chance: random.Random, parent: Any, key: Any) -> None:
    for _ in range(chance.choice((3, 25, 40))):
        parent[key] = chance.choice(([parent[key]], {"a": parent[key]}))


def _repeat(chance: random.Random, parent: Any, key: Any) -> None:
    if isinstance(parent[key], list | str):
        parent[key] *= chance.choice((2, 30))


def _rename(chance: random.Random, parent: Any, key: Any) -> None:
    if isinstance(parent, MutableMapping):
        parent[chance.choice(RENAMES).format(key)] = parent.pop(key)


def _retype(_chance: random.Random, parent: Any, key: Any) -> None:
    value = parent[key]
    if isinstance(value, str) and len(value) < 4000 and value.isascii() and value.isdigit():
        parent[key] = int(value)
    else:
        parent[key] = json.dumps(value)


_CHANGES = (_replace, _replace, _replace, _remove, _wrap, _nest, _repeat, _rename, _retype)


# Its formats


def _json(chance: random.Random, operation: str, request: dict[str, Any]) -> Spoken:
    text = json.dumps({"request": mutated(chance, request)}, ensure_ascii=chance.random() < 0.7)
    if chance.random() < 0.2:
        text = chance.choice(_JSON_STYLES)(text)
    return Spoken("POST", f"/v1/{operation}/json", b"", text.encode("utf-8", "surrogatepass"))


_JSON_STYLES: list[Callable[[str], str]] = [
    lambda text: text.replace(": ", " :\n\t").replace(", ", "\r\n,"),
    lambda text: text.replace('"order": {', '"order": {"sender": "X", "id": 1, ', 1),
    lambda text: f'{{"request": 1, {text[1:]}',
    lambda text: text.replace("/", "\\/").replace("e", "\\u0065"),
    lambda text: "\ufeff" + text,
    lambda text: f" {text}\n\n",
    lambda text: text.replace("null", "NaN"),
    lambda text: text.replace('"', "'"),
    lambda text: text.replace("}", ",}"),
    lambda text: text + text,
    lambda text: text.replace("A", "\\ud83d").replace("K", "\\u0000"),
    lambda text: f"[{text}]",
]


def _xml(chance: random.Random, operation: str, request: dict[str, Any]) -> Spoken:
    text = document(_named(mutated(chance, request)))
    encoding = "utf-8"
    if chance.random() < 0.4:
        text = chance.choice(_XML_STYLES)(text)
    elif chance.random() < 0.2:
        encoding = chance.choice(("iso-8859-9", "windows-1254", "utf-16", "ascii", "utf-8-sig", "utf-7"))
        text = text.replace("UTF-8", encoding)
    if chance.random() < 0.1:
        text = f"data={quote_plus(text, errors='replace')}"
    errors = "surrogatepass" if encoding == "utf-8" else "replace"
    return Spoken("POST", f"/v1/{operation}", b"", text.encode(encoding, errors))


def _named(value: Any) -> Any:
    """The same without names that no element can have: those are for the damaged bytes."""
    if isinstance(value, Mapping):
        return {key.strip() or "a": _named(each) for key, each in value.items()}
    return [_named(each) for each in value] if isinstance(value, list) else value


_XML_STYLES: list[Callable[[str], str]] = [
    lambda text: text.replace("><", ">\r\n\t  <"),
    lambda text: text.replace("<text>", "<text><![CDATA[").replace("</text>", "]]></text>"),
    lambda text: text.replace("<order>", "<order a=\"b\" c='&lt;'>"),
    lambda text: text.replace("<request>", '<request xmlns="urn:a" xmlns:b="urn:c">'),
    lambda text: text.replace("<request>", "<!-- a -- b --><request>"),
    lambda text: text.replace("<order>", "<?a b?><!-- c --><order>"),
    lambda text: text.replace("<request>", '<!DOCTYPE request [<!ENTITY a "b">]><request>'),
    lambda text: text.replace("<request>", '<!DOCTYPE request SYSTEM "http://127.0.0.1:9/"><request>'),
    lambda text: text.partition("\n")[2],
    lambda text: text.replace("UTF-8", "unknown-8"),
    lambda text: text.replace("<id>", "<id> \n").replace("<number>", "<number>\t "),
    lambda text: text.replace("a", "&#97;").replace("&#97;", "a", 12),
    lambda text: text.replace("<request>", "<request>x"),
    lambda text: text.replace("<order>", "<b:order>").replace("</order>", "</b:order>"),
    lambda text: text.replace("</request>", f"{'<a/>' * 1000}</request>"),
    lambda text: f"\n {text}",
    lambda text: text.replace("rowCount", "row_count"),
]


def _query(chance: random.Random, operation: str, request: dict[str, Any]) -> Spoken:
    message = request["order"]["message"]
    order = request["order"] | {"message": message[0] if isinstance(message, list) else message}
    who = request["authentication"]
    flat = parameters({"authentication": who if isinstance(who, dict) else {}, "order": order})
    pairs: list[tuple[str, Any]] = list(mutated(chance, dict(flat)).items())
    if chance.random() < 0.2:
        pairs += chance.choices(pairs, k=2) if pairs else []
    encode = chance.choice((quote_plus, quote_plus, quote, str)) if chance.random() < 0.3 else quote_plus
    written = "&".join(f"{quote_plus(name)}={encode(_plain(value))}" for name, value in pairs)
    return Spoken(
        "GET",
        f"/v1/{operation}/get{chance.choice(('', '/'))}",
        written.encode("utf-8", "surrogatepass"),
        b"",
    )


def _plain(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode()


_SPEAK = {"json": _json, "xml": _xml, "query": _query}

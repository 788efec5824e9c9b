"""Whatever is sent, the answer is one of the dialect's, and it comes.

10,000 mutated requests of one seed, and 200,000 with ULAK_TEST_SOAK; see fuzz.py for how to make one again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.dialects.iletimerkezi.examples import EXAMPLES, Turn
from tests.dialects.iletimerkezi.fuzz import ACCOUNTS, fault
from tests.dialects.iletimerkezi.mutations import call_of
from tests.dialects.iletimerkezi.office import ADDRESS, Customer
from tests.soak import SOAK, seed

from ulak.dialects.door import Call, Reply
from ulak.dialects.iletimerkezi import wire, xmlanswer
from ulak.dialects.iletimerkezi.codes import TEXTS, Code

ROOT = Path(__file__).parents[3]
TURNS = 200_000 if SOAK else 10_000
GROWS_MAX = 16 * 1024 * 1024
"""Bytes from a tenth of the turns to their end."""


def played(seed: int, turns: int) -> dict[str, Any]:
    """What came of it, in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.dialects.iletimerkezi.fuzz", str(seed), str(turns)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert ended.returncode == 0, (seed, ended.stderr)
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_mutated_requests() -> None:
    begins = seed(1)
    seen = played(begins, TURNS)
    print(json.dumps(seen))
    assert not seen["faults"], (begins, seen["faults"])
    assert seen["turns"] == TURNS
    assert seen["let_in"] * 2 >= TURNS, seen
    assert not seen["missing"], seen
    assert seen["grown"] <= GROWS_MAX, seen


def test_a_turn_can_be_made_again() -> None:
    callers = [(Customer(1, "k" * 32, "h" * 64), Customer(1, "u", "p", ("username", "password")))]
    first = [call_of(Turn(7, place, 0), callers) for place in range(300)]
    assert first == [call_of(Turn(7, place, 0), callers) for place in range(300)]
    assert first != [call_of(Turn(8, place, 0), callers) for place in range(300)]
    assert {operation for operation, _ in first} == {example.operation for example in EXAMPLES}
    assert ACCOUNTS


def test_what_is_outside_the_envelope_is_noticed() -> None:
    """Without this, a fuzzer that finds nothing says nothing."""

    def seen(path: str, status: int, body: bytes, content_type: bytes = b"application/json") -> str:
        return fault(Call("POST", path, b"", (), b"", ADDRESS), Reply(status, body, content_type))

    json_path, xml_path = "/v1/get-balance/json/", "/v1/get-balance"
    plain = wire.Plain(wire.Status(Code.NO_CREDIT, TEXTS[Code.NO_CREDIT]))
    good = wire.dump_response(plain)
    assert not seen(json_path, 402, good)
    assert seen(json_path, 200, good) == "code 402 with status 200"
    assert seen(json_path, 402, good.replace(b"402", b'"402"'))
    assert seen(json_path, 402, good.replace(b"}}", b'},"order":null}'))
    assert seen(json_path, 402, good[:-1])
    assert seen(json_path, 402, good, b"text/plain")
    assert seen(json_path, 402, good.replace(b"yetersiz", b"bitti"))
    bad = wire.dump_response(wire.Invalid(wire.Status(422, TEXTS[Code.BAD_VALUES]), {"start": "x"}))
    assert not seen(json_path, 422, bad)
    assert seen(json_path, 422, bad.replace(b'"x"', b"1"))
    assert seen(json_path, 422, bad.replace(b'"start":"x"', b""))
    assert seen(json_path, 299, good.replace(b"402", b"299")) == "code 299 with status 299"

    xml = xmlanswer.dump_response(plain)
    content_type = xmlanswer.CONTENT_TYPE
    assert not seen(xml_path, 402, xml, content_type)
    assert seen(json_path, 402, xml, content_type)
    assert seen(xml_path, 402, good)
    assert seen(xml_path, 402, xml.replace(b"</status>", b"</status><order>1</order>"), content_type)
    assert seen(xml_path, 402, xml.replace(b"\n    <m", b"<m"), content_type)
    assert seen(xml_path, 402, xml.replace(b"</code>", b""), content_type)
    crashed = wire.Plain(wire.Status(Code.CRASHED, TEXTS[Code.CRASHED]))
    assert seen(xml_path, 500, xmlanswer.dump_response(crashed), content_type) == "code 500"

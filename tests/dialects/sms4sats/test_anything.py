"""Whatever is sent gets an answer, in the envelope or the shape of its endpoint."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import ClockedBooks, FakeClock
from tests.dialects.sms4sats.office import ORDER, Away, Office, bought
from tests.dialects.sms4sats.test_doors import EVERY, reason_of

from ulak.dialects.sms4sats.jsonbody import Unreadable, object_in
from ulak.store.engine import Database
from ulak.wiring import GROUP_KINDS

NAMES = ["country", "service", "isRental", "realphone", "ref", "immediate", "webhookUrl", "message", "phone"]
NAMES += ["amount", "orderId"]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["22", "in", "tg", "none", "full", ORDER, "https://example.org/", "+905301112233"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
BODIES = st.dictionaries(st.sampled_from(NAMES), JSON).map(lambda body: json.dumps(body).encode())
QUERIES = st.lists(
    st.tuples(st.sampled_from(["country", "service", "orderId", "x"]), st.text(max_size=9) | st.just("22"))
).map(lambda pairs: "&".join(f"{name}={quote(value)}" for name, value in pairs).encode())
STATUSES = {200, 400, 401, 404, 405, 413}


@given(
    st.sampled_from([path for _, path in EVERY]) | st.text(max_size=9).map(lambda rest: "/" + rest),
    st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "x", ""]),
    st.binary(max_size=40) | QUERIES,
    st.binary(max_size=40) | BODIES,
    st.lists(st.tuples(st.sampled_from([b"x-api-key", b"origin"]), st.binary(max_size=9)), max_size=2),
)
@settings(max_examples=150, deadline=None)
def test_any_call_has_an_answer_without_a_database(
    path: str, method: str, query: bytes, body: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    office = Office(Away(), limit=10**9)
    reply = asyncio.run(office.call(path, body, method=method or "GET", query=query, headers=tuple(headers)))
    if reply.status == 200:
        json.loads(reply.body)
    else:
        assert reason_of(reply)
        assert reply.status in STATUSES | {503}


def test_any_call_has_an_answer(sqlite_database: Database) -> None:
    async def opened() -> tuple[ClockedBooks, Office, str]:
        books = ClockedBooks(sqlite_database, GROUP_KINDS)
        books.clock = FakeClock()
        office = Office(books, limit=10**9)
        await office.load(bought())
        return books, office, (await office.customer()).key

    with asyncio.Runner() as runner:
        books, office, key = runner.run(opened())

        async def send(body: bytes, query: bytes) -> None:
            for method, path in EVERY:
                reply = await office.call(path, body, method=method, query=query, key=key)
                assert reply.status in STATUSES, (path, body, query, reply)
                if reply.status != 200:
                    assert reason_of(reply)

        @settings(max_examples=40, deadline=None)
        @given(st.binary(max_size=60) | BODIES, st.binary(max_size=60) | QUERIES)
        def check(body: bytes, query: bytes) -> None:
            runner.run(send(body, query))

        try:
            check()
        finally:
            runner.run(books.close())


# Bodies.


def nested(depth: int) -> bytes:
    """An object that many brackets deep."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def refused(body: bytes) -> bool:
    try:
        object_in(body)
    except Unreadable:
        return True
    return False


def test_how_deep_a_body_may_be() -> None:
    assert object_in(nested(32))
    assert refused(nested(33))
    assert refused(b"[" * 60_000)
    assert refused(b'{"a":' * 9_000)
    # Brackets in texts are no depth, whatever stands around them.
    assert object_in(json.dumps({"a": "[{" * 100, 'b"\\': '"[' * 100}).encode())
    assert not refused(b'{"a": [' + b"[]," * 100 + b"[]]}")


def test_what_is_no_json() -> None:
    for body in (
        b"",
        b" ",
        b"{",
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":NaN}',
        b'{"a":1e400}',
        b"\xff",
    ):
        assert refused(body), body
    assert refused(b'{"a":' + b"9" * 5000 + b"}"), "more digits than anybody means"
    assert refused(b'{"a":{"b":1,"b":1}}')
    assert refused('{"a":1}'.encode("utf-16"))
    assert object_in(b' {"a": -1.5e3, "b": null}\r\n') == {"a": -1500.0, "b": None}


@given(JSON)
@settings(max_examples=100, deadline=None)
def test_what_is_json_is_read_as_it_is(value: Any) -> None:
    assert object_in(json.dumps({"a": value}).encode()) == {"a": value}


@given(st.binary(max_size=80))
@settings(max_examples=200, deadline=None)
def test_bytes_are_read_or_refused(body: bytes) -> None:
    assert refused(body) or isinstance(json.loads(body), dict)

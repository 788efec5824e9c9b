"""Whatever is sent gets an answer, in the envelope."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dialects.comtohome.bodies import DOMESTIC, DRAFT, SEVERAL
from tests.dialects.comtohome.office import (
    BASE,
    BOUNDARY,
    Away,
    Customer,
    Office,
    envelope,
    opened,
)

from ulak.dialects.door import Call
from ulak.store.books import Books
from ulak.store.engine import Database
from ulak.wiring import GROUP_KINDS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*DOMESTIC, *DRAFT["consignor"], *DOMESTIC["packages"][0], "x"]), inner
        )
    ),
    max_leaves=12,
)
POSTED = [
    ("POST", "/consignments"),
    ("POST", "/consignments/multi-package"),
    ("POST", "/consignments/draft"),
    ("PUT", "/consignments/draft/DRAFT"),
    ("POST", "/consignments/draft/DRAFT/start-process"),
    ("POST", "/consignments/632280/cancel"),
    ("POST", "/consignment-documents"),
    ("POST", "/consignments/632280/proforma"),
    ("POST", "/consignments/632280/send-to-provider"),
    ("POST", "/prices"),
]


@st.composite
def spoiled_bodies(draw: st.DrawFn) -> bytes:
    """Bytes, JSON, and complete bodies in which one thing is something else."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=60))
    body: Any = json.loads(json.dumps(draw(st.sampled_from([DOMESTIC, SEVERAL, DRAFT]))))
    spot = body
    while True:
        key = draw(st.sampled_from(sorted(spot))) if isinstance(spot, dict) else 0
        if not isinstance(spot[key], dict | list) or draw(st.integers(0, 3)) == 0:
            break
        spot = spot[key]
    spot[key] = draw(JSON)
    return json.dumps(body).encode()


@given(
    st.lists(
        st.sampled_from(["consignments", "draft", "find", "uuid", "1", "cancel", ""]) | st.text(max_size=9)
    ),
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "x"]),
    st.binary(max_size=20),
    st.lists(
        st.tuples(
            st.sampled_from([b"accept-language", b"apikey", b"x-idempotency-key"]), st.binary(max_size=9)
        )
    ),
)
def test_any_path_has_an_answer(
    steps: list[str], method: str, query: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    doors = Office(Away()).doors
    path = BASE + "/" + "/".join(steps)
    reply = asyncio.run(doors.answer(Call(method, path, query, tuple(headers), b"", "")))
    assert reply.status in (401, 404, 405, 503)
    envelope(reply)


LONG = "".join(sha256(bytes([n])).hexdigest() for n in range(128))
"""Too long for an index, whatever is done to make it shorter."""

ODD = ["\0", "a\0b", "'", "%", "é" * 500, "\U0001f600", "\n", "💥/..", "\ufffd", "1" * 5000, LONG]


async def test_odd_values_are_not_found(books: Any) -> None:
    office, customer = await opened(books)
    for value in ODD:
        for way in (
            "find/trackingCode/{}",
            "find/barcode/{}",
            "find/reference_no/{}",
            "find/uuid/{}",
            "{}/details",
        ):
            reply = await office.call(f"/consignments/{way.format(value)}", key=customer.key)
            assert reply.status == 404, (way, value)
        headers = {"X-Idempotency-Key": "k"}
        path = f"/consignments/{value}/cancel"
        assert (await office.call(path, method="POST", key=customer.key, headers=headers)).status == 404


HEADERS = st.dictionaries(
    st.sampled_from(["x-idempotency-key", "content-type"]),
    st.sampled_from(["k", "", f"multipart/form-data; boundary={BOUNDARY}"]),
)


def test_anything_gets_the_envelope(sqlite_database: Database) -> None:
    async def open_books() -> tuple[Books, Office, Customer, int]:
        books = Books(sqlite_database, GROUP_KINDS)
        office, customer = await opened(books, limit=10**9)
        made = await office.ask(customer, "/consignments/draft", DRAFT)
        return books, office, customer, made["data"]["id"]

    with asyncio.Runner() as runner:
        books, office, customer, draft_id = runner.run(open_books())

        async def send(body: bytes, headers: dict[str, str]) -> None:
            for method, path in POSTED:
                path = path.replace("DRAFT", str(draft_id))
                reply = await office.call(path, body, method=method, key=customer.key, headers=headers)
                assert reply.status < 500, (path, body, envelope(reply))

        @settings(max_examples=40, deadline=None)
        @given(spoiled_bodies(), HEADERS)
        def check(body: bytes, headers: dict[str, str]) -> None:
            runner.run(send(body, headers))

        try:
            check()
        finally:
            runner.run(books.close())

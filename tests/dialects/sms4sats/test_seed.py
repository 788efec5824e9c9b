"""The vendor's page get-order-status: its four answers loaded as data come back as they are printed there.

They are printed as JavaScript objects, so what is compared are their tokens: keys in their order, values as
they are written but for the quotes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.dialects.sms4sats.office import ORDER, Away, Office, bought

from ulak.core.states import PurchaseKind, PurchaseState

SEEDS = Path(__file__).parent / "seeds"
_PRINTED = re.compile(r"'([^']*)'|([A-Za-z]+|[0-9]+)|[{}:,]")
_WIRE = re.compile(r'"([^"]*)"|([A-Za-z]+|[0-9]+)|[{}:,]')

Token = tuple[str, str]


def seed(name: str) -> str:
    """An answer of the vendor's page, as printed."""
    return (SEEDS / f"{name}.js").read_text("utf-8")


def printed(text: str) -> list[Token]:
    """The tokens of an object of the page: (kind, text). A comma before the end is none of it."""
    tokens = []
    pieces = [*_PRINTED.finditer(text)]
    for piece, following in zip(pieces, [*pieces[1:], None], strict=True):
        if piece[1] is not None:
            tokens.append(("text", piece[1]))
        elif piece[2] is not None:
            is_key = following is not None and following[0] == ":"
            tokens.append(("text" if is_key else "plain", piece[2]))
        elif not (piece[0] == "," and following is not None and following[0] == "}"):
            tokens.append(("mark", piece[0]))
    return tokens


def wired(body: bytes) -> list[Token]:
    """The same of an answer of ours, which holds nothing between its tokens."""
    text = body.decode()
    pieces = [*_WIRE.finditer(text)]
    assert "".join(piece[0] for piece in pieces) == text
    return [
        ("text", piece[1])
        if piece[1] is not None
        else ("plain" if piece[2] else "mark", piece[2] or piece[0])
        for piece in pieces
    ]


def test_the_tokens_are_those_of_the_page() -> None:
    assert printed("{\n a: 'b c',\n d: 12,\n}") == wired(b'{"a":"b c","d":12}')
    assert printed("{ a: true }") != wired(b'{"a":"true"}')
    assert printed("{ a: '1' }") != wired(b'{"a":1}')
    assert printed("{ a: 1, b: 2 }") != wired(b'{"b":2,"a":1}')
    assert len(printed(seed("code_received"))) == 8 * 4 + 1


async def test_a_code_that_was_received(books: Any) -> None:
    office = Office(books)
    await office.load(bought(PurchaseKind.CODE, PurchaseState.DONE))
    reply = await office.call(f"/orderstatus?orderId={ORDER}")
    assert reply.status == 200
    assert wired(reply.body) == printed(seed("code_received"))
    assert reply.content_type == b"application/json"


@pytest.mark.parametrize(
    ("state", "word"),
    [(PurchaseState.PAID, "created"), (PurchaseState.SENT, "sent"), (PurchaseState.DELIVERED, "delivered")],
)
async def test_a_message_that_was_sent(books: Any, state: PurchaseState, word: str) -> None:
    """The page prints all four words; each is told of its state. The id is made of the order's."""
    office = Office(books)
    await office.load(bought(PurchaseKind.MESSAGE, state))
    reply = await office.call(f"/orderstatus?orderId={ORDER}")
    page = seed("send_order")
    assert word in re.findall(r"[a-z]+", re.findall("smsStatus: '(.*)'", page)[0])
    shown = json.loads(reply.body)["id"]
    assert re.fullmatch("SM[0-9a-f]{32}", shown)
    expected = re.sub("SM[0-9a-f]{32}", shown, re.sub("smsStatus: '.*'", f"smsStatus: '{word}'", page))
    assert reply.status == 200
    assert wired(reply.body) == printed(expected)


async def test_a_message_that_failed_has_the_fourth_word(books: Any) -> None:
    office = Office(books)
    await office.load(bought(PurchaseKind.MESSAGE, PurchaseState.FAILED))
    reply = await office.call(f"/orderstatus?orderId={ORDER}")
    page = re.sub("smsStatus: '.*'", "smsStatus: 'failed'", seed("send_order"))
    page = re.sub("SM[0-9a-f]{32}", json.loads(reply.body)["id"], page)
    # The page's object, and then why.
    begun = printed(page)[:-1]
    assert wired(reply.body)[: len(begun)] == begun
    assert list(json.loads(reply.body))[-1] == "error"


async def test_no_number_to_be_had(books: Any) -> None:
    office = Office(books)
    await office.load(bought(PurchaseKind.CODE, PurchaseState.NO_NUMBER))
    reply = await office.call(f"/orderstatus?orderId={ORDER}")
    assert reply.status == 200
    assert wired(reply.body) == printed(seed("no_number"))


async def test_the_database_is_away() -> None:
    reply = await Office(Away()).call(f"/orderstatus?orderId={ORDER}")
    assert reply.status == 500
    assert wired(reply.body) == printed(seed("error"))

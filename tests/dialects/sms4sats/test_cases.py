"""What the doors answer, byte for byte. The cases are in cases/*.toml, each with the source of its rule.

A case is one request (the case itself) or several (`step`). There is an account `owner` with a balance of
`balance` sats. The shop is scripted (`office.ScriptedShop`). With `each`, a case happens once for every value
of that list, which stands in its requests as $EACH; $ORDER is the id of the order that there is, $X140 a text
of 140 characters. Cases with `both` run on both databases. Of a step:

- before it, the operator sets a `price` (tariff, amount, country and service), and the orders in `orders` are
  there: `kind` and `state` and what is different from the seed's order;
- `ask` is method, path and query; `body` is a text, `raw` a body in hexadecimal, `key` whose key is sent:
  `owner`, or `unknown`, which nobody has; `once` is the header Idempotency-Key;
- the shop refuses with `denied`, to be asked again after `wait` seconds;
- the answer has `status` (200 by default) and `answer`, compared as text once white space between its tokens
  is gone; $KEY in it is the owner's key. `reason` is the text of an error, `payreq` what a new order is paid
  by. `retry_after` is in the header;
- `wish` is what the shop was asked for, but for what is as by default; `account` for whom: `owner` or
  `nobody`. Without it, the shop was asked for nothing.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from tests.dialects.sms4sats.office import ADDRESS, ORDER, Customer, Office, bought, compact

from ulak.core.errors import Refusal
from ulak.core.purchases import Denied, Tariff, Wish
from ulak.core.states import PurchaseKind, PurchaseState

CASES = Path(__file__).parent / "cases"


def load(*, both: bool) -> list[Any]:
    """Every case, under its file's and its own name."""
    return [
        pytest.param(case, id=f"{file.stem}: {case['name']}")
        for file in sorted(CASES.glob("*.toml"))
        for case in tomllib.loads(file.read_text("utf-8"))["case"]
        if case.get("both", False) == both
    ]


@pytest.mark.parametrize("case", load(both=False))
async def test_case(lite: Any, case: dict[str, Any]) -> None:
    await play_all(lite, case)


@pytest.mark.parametrize("case", load(both=True))
async def test_case_with_a_store(books: Any, case: dict[str, Any]) -> None:
    await play_all(books, case)


async def play_all(books: Any, case: dict[str, Any]) -> None:
    """All steps of a case, with each of its values."""
    assert case["source"]
    office = Office(books)
    owner = await office.customer("owner", credit=case.get("balance", 0))
    for value in case.get("each", [""]):
        for step in case.get("step", [case]):
            await play(office, owner, step, value)


async def play(office: Office, owner: Customer, step: dict[str, Any], value: str) -> None:
    """One request, and what must come of it."""
    await prepare(office, step)
    office.shop.wishes.clear()
    method, _, path = filled(step["ask"], value).partition(" ")
    keys = {"": "", "owner": owner.key, "unknown": "nobody-has-this-key"}
    once = ((b"idempotency-key", filled(step["once"], value).encode()),) if "once" in step else ()
    key = keys[step.get("key", "")]
    reply = await office.call(path, body_of(step, value), method=method, key=key, headers=once)
    assert (reply.status, reply.body.decode()) == (step.get("status", 200), answer_of(step, owner)), value
    assert reply.content_type == b"application/json"
    later = [text.decode() for name, text in reply.headers if name == b"retry-after"]
    assert later == ([str(step["retry_after"])] if "retry_after" in step else [])
    wished = step.get("wish", {})
    wishes = [(said_of(wish), account, caller) for wish, account, caller in office.shop.wishes]
    account = owner.id if step.get("account") == "owner" else None
    wanted = {name: filled(what, value) if isinstance(what, str) else what for name, what in wished.items()}
    assert wishes == ([(wanted, account, ADDRESS)] if wanted else []), value


async def prepare(office: Office, step: dict[str, Any]) -> None:
    """What is there before a step."""
    for row in step.get("orders", []):
        more = {name: what for name, what in row.items() if name not in ("kind", "state")}
        kind, state = PurchaseKind[row.get("kind", "CODE")], PurchaseState[row["state"]]
        await office.load(bought(kind, state, **more))
    for row in step.get("price", []):
        await office.set_price(
            Tariff[row["tariff"]], row["amount"], row.get("country"), row.get("service", "")
        )
    office.shop.denied = Denied(Refusal[step["denied"]], step.get("wait", 0)) if "denied" in step else None


def body_of(step: dict[str, Any], value: str) -> bytes:
    """The bytes that a step sends."""
    if "raw" in step:
        return bytes.fromhex(step["raw"])
    return filled(step.get("body", ""), value).encode()


def filled(text: str, value: str) -> str:
    """A text of a case with everything that stands for something else."""
    return text.replace("$EACH", value).replace("$ORDER", ORDER).replace("$X140", "x" * 140)


def answer_of(step: dict[str, Any], owner: Customer) -> str:
    """The bytes that must come back, as text."""
    if "reason" in step:
        return f'{{"status":"error","reason":{json.dumps(step["reason"])}}}'
    if "payreq" in step:
        return f'{{"status":"OK","orderId":"{ORDER}","payreq":"{step["payreq"]}"}}'
    return compact(step["answer"]).replace("$KEY", owner.key)


def said_of(wish: Wish) -> dict[str, Any]:
    """What a wish says that is not said by default."""
    found: dict[str, Any] = {}
    for field in fields(Wish):
        value = getattr(wish, field.name)
        if field.default is MISSING or value != field.default:
            found[field.name] = value.name if isinstance(value, PurchaseKind) else value
    assert found.pop("dialect") == "sms4sats"
    return found

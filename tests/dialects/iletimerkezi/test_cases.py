"""What the doors answer, byte for byte. The cases are in cases/*.toml, each with the source of its rule.

A case is an account called through one step (the case itself) or several (`step`). It has 1,000 credits and
the sender ORNEKAS; a second account, `other`, has the same. `credit`, `senders` and `settings` change that
for both. It is 14:03:11 in Istanbul on 20 May 2026. With `each`, a case happens once for every value of that
list, which stands in its requests, paths and methods as $EACH, to two accounts of their own. Of a step:

- `path` is called with POST or another `method`, from another `address` if one is given;
- `request` is what stands beside `authentication` in a JSON request, `xml` what stands there in an XML one,
  `data` the same posted as a form with that field, `query` what stands beside key and hash in a GET;
- `body` is a whole body in which $AUTH stands for who asks, in an `encoding` if one is given; `raw` is a body
  in hexadecimal;
- `as` is `owner`, `other`, `stranger`, who has the key of the owner and a wrong hash, `login`, the owner with
  the username that the case gives as `login` and its password, or `guesser`, with a wrong password;
- before it, in this order: time goes by (`wait`), the owner's API access is `api_access` "off" or "on", the
  owner's contacts get the `field` of that name, a carrier reports the messages at the places `delivered` and
  `undelivered` of the owner's first order, SMS (`texts`: sender and text) come in to the owner's short code
  4930, and the operator blocks the numbers `operator_blocks` for the owner;
- `answer` is the body: XML as it is, JSON compared as text once white space between its tokens is gone;
  `payload` is what stands below the status of success in an XML answer; `error` is the text of an answer that
  has nothing but a status.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.dialects.iletimerkezi.office import ADDRESS, Customer, Office, compact

from ulak.core.ports import ReportState
from ulak.core.times import parse_span
from ulak.service import blacklist, contacts
from ulak.store import accounts

CASES = Path(__file__).parent / "cases"
FIRST_ORDER = 300000001
XML = '<?xml version="1.0" encoding="UTF-8"?>\n{}'

turns = count()


def load() -> list[Any]:
    """Every case, under its file's and its own name."""
    return [
        pytest.param(case, id=f"{file.stem}: {case['name']}")
        for file in sorted(CASES.glob("*.toml"))
        for case in tomllib.loads(file.read_text("utf-8"))["case"]
    ]


@pytest.mark.parametrize("case", load())
async def test_case(books: Any, case: dict[str, Any]) -> None:
    assert case["source"]
    office = Office(books)
    begun = books.clock.now
    for value in case.get("each", [""]):
        books.clock.now = begun
        await play(office, case, value)


async def play(office: Office, case: dict[str, Any], value: str) -> None:
    """Go through the steps of a case, with one of its values."""
    given: dict[str, Any] = {"credit": 1000, "senders": ["ORNEKAS"], "settings": {}}
    given |= {key: case[key] for key in given if key in case}
    owner = await office.customer(f"owner {next(turns)}", **given)
    other = await office.customer(f"other {next(turns)}", **given)
    callers = {"owner": owner, "other": other, "stranger": replace(owner, hash="0" * 64)}
    if "login" in case:
        callers["login"] = await office.login(str(owner.id), case["login"])
        callers["guesser"] = replace(callers["login"], hash=owner.hash)
    for step in case.get("step", [case]):
        await happen(office, owner, step)
        caller = callers[step.get("as", "owner")]
        reply = await office.call(
            step["path"].replace("$EACH", value),
            body_of(step, caller, value),
            method=step.get("method", "GET" if "query" in step else "POST").replace("$EACH", value),
            query=query_of(step, caller, value),
            address=step.get("address", ADDRESS),
        )
        assert (reply.status, reply.body.decode()) == (step["status"], answer_of(step)), value
        form = b"text/xml; charset=utf-8" if reply.body.startswith(b"<?xml") else b"application/json"
        assert reply.content_type == form


async def happen(office: Office, owner: Customer, step: dict[str, Any]) -> None:
    """What is said to come to pass before a step."""
    office.books.clock.now += parse_span(step.get("wait", "0s"))
    if "api_access" in step:
        on = step["api_access"] == "on"
        await office.books.write(lambda tx: accounts.set_access(tx, owner.id, on))
    if "field" in step:
        await office.books.write(lambda tx: contacts.add_field(tx, str(owner.id), step["field"]))
    news = dict.fromkeys(step.get("delivered", []), ReportState.DELIVERED)
    news |= dict.fromkeys(step.get("undelivered", []), ReportState.UNDELIVERED)
    if news:
        await office.report(owner, FIRST_ORDER, news)
    for sender, text in step.get("texts", []):
        await office.texted(owner, sender, text)
    if "operator_blocks" in step:
        numbers = step["operator_blocks"]
        await office.books.write(lambda tx: blacklist.block_all(tx, str(owner.id), numbers))


def body_of(step: dict[str, Any], caller: Customer, value: str) -> bytes:
    """The bytes that a step sends."""
    if "raw" in step:
        return bytes.fromhex(step["raw"])
    body: str = step.get("body", "")
    if "request" in step:
        members = ", ".join(filter(None, ["$AUTH", step["request"]]))
        body = f'{{"request": {{{members}}}}}'
    if "xml" in step or "data" in step:
        body = XML.format(f"<request>$AUTH{step.get('xml', step.get('data'))}</request>")
    who = caller.authentication if is_json(step) else caller.element
    body = body.replace("$EACH", value).replace("$AUTH", who)
    if "data" in step:
        body = urlencode({"data": body})
    return body.encode(step.get("encoding", "utf-8"))


def query_of(step: dict[str, Any], caller: Customer, value: str) -> bytes:
    """The query that a step sends."""
    query = "&".join(filter(None, [caller.query, step["query"]])) if "query" in step else ""
    return query.replace("$EACH", value).encode()


def answer_of(step: dict[str, Any]) -> str:
    """The bytes that must come back, as text."""
    if "payload" in step:
        return envelope(200, "İşlem başarılı", step["payload"])
    if "error" in step and is_json(step):
        text = json.dumps(step["error"], ensure_ascii=False)
        return f'{{"response":{{"status":{{"code":{step["status"]},"message":{text}}}}}}}'
    if "error" in step:
        return envelope(step["status"], step["error"])
    answer: str = step["answer"]
    return answer if answer.startswith("<") else compact(answer)


def envelope(code: int, message: str, payload: str = "") -> str:
    """An answer in XML."""
    status = f"  <status>\n    <code>{code}</code>\n    <message>{message}</message>\n  </status>\n"
    return XML.format(f"<response>\n{status}{payload}</response>\n")


def is_json(step: dict[str, Any]) -> bool:
    return bool(step["path"].rstrip("/").endswith("/json"))

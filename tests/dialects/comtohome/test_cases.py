"""What the doors answer, byte for byte. The cases are in cases/*.toml, each with the source of its rule.

A case is an account called through one step (the case itself) or several (`step`), on SQLite; with `store`
on both databases. It has 1,000.00 TRY (`credit` in kuruş changes that), and so has a second one, `other`. The
carrier "Ptt" has the id 1 and takes 20.00 and 64.00 for everything. It is 14:03:11 in Istanbul on 20 May
2026. With `page`, the consignment of the vendor's page is there as well, and the owner's. Of a step:

- `method` and `path` (below /api/v1, or a `whole` one); `as` is `owner`, `other`, `stranger` (a key nobody
  has) or `nobody` (no key); `language` is what Accept-Language says, `headers` are further ones;
- `body` is a body of bodies.py by its name, changed by `set` and `remove`, or else a text; `raw` is one in
  hexadecimal, `form` the parts of a form;
- before it, in this order: time goes by (`wait`), the `carrier` changes what it says (`declines`, `silent`,
  `willing`, `keeps` for cancelling), and `settings` of the owner change;
- `answer` is the body, compared as text once white space between its tokens is gone; $ANY stands for any
  value in it that is neither object nor list. `content` is a body that is no JSON, `errors` are the texts of
  a failure, `says` is the message of a success, `has` are some of its values by their paths (`#` is how many
  entries a list has), and `replies` some headers;
- `keep` gives names to values of the answer (by their path), which later steps use with a dollar sign.
"""

from __future__ import annotations

import json
import re
import tomllib
from decimal import Decimal
from pathlib import Path
from string import Template
from typing import Any

import pytest
from tests.dialects.comtohome.bodies import BODIES, spoiled
from tests.dialects.comtohome.office import Customer, Office, compact, envelope, form, header, messages
from tests.dialects.comtohome.samples import of_the_page

from ulak.core.shipping import Declined, Unreached
from ulak.core.times import parse_span
from ulak.dialects.door import Reply
from ulak.service import accounts

CASES = Path(__file__).parent / "cases"
NOT_OURS = {"fields"}
BOOKING: dict[str, Declined | Unreached] = {
    "declines": Declined("no such postal code"),
    "silent": Unreached("timeout"),
}
CANCELLING: dict[str, Declined | Unreached] = {
    "keeps": Declined("already sorted"),
    "silent": Unreached("timeout"),
}


def load(*, both: bool) -> list[Any]:
    """Every case, under its file's and its own name."""
    return [
        pytest.param(case, id=f"{file.stem}: {case['name']}")
        for file in sorted(CASES.glob("*.toml"))
        if file.stem not in NOT_OURS
        for case in tomllib.loads(file.read_text("utf-8"))["case"]
        if case.get("store", False) is both
    ]


@pytest.mark.parametrize("case", load(both=False))
async def test_case(lite: Any, case: dict[str, Any]) -> None:
    await play(Office(lite), case)


@pytest.mark.parametrize("case", load(both=True))
async def test_case_on_both_databases(books: Any, case: dict[str, Any]) -> None:
    await play(Office(books), case)


async def play(office: Office, case: dict[str, Any]) -> None:
    """Go through the steps of a case."""
    assert case["source"]
    credit = case.get("credit", 100_000)
    callers = {
        "owner": await office.customer("owner", credit=credit),
        "other": await office.customer("other", credit=credit),
        "stranger": Customer(0, "stranger", "0" * 40),
    }
    await office.has_carrier()
    if case.get("page"):
        await office.load(of_the_page(callers["owner"].id))
    kept: dict[str, str] = {}
    for place, step in enumerate(case.get("step", [case])):
        await happen(office, step)
        reply = await send(office, step, callers, kept)
        check(reply, step, kept, f"step {place}: {reply.body.decode('utf-8', 'replace')}")


async def happen(office: Office, step: dict[str, Any]) -> None:
    """What is said to come to pass before a step."""
    office.books.clock.now += parse_span(step.get("wait", "0s"))
    carrier = step.get("carrier")
    if carrier is not None:
        office.carrier.booking = BOOKING.get(carrier)
        office.carrier.cancelling = CANCELLING.get(carrier)
    if "settings" in step:
        await office.books.write(lambda tx: accounts.configure(tx, "owner", step["settings"]))


async def send(
    office: Office, step: dict[str, Any], callers: dict[str, Customer], kept: dict[str, str]
) -> Reply:
    """Make the request of a step."""
    caller = step.get("as", "owner")
    headers = dict(step.get("headers", {}))
    if "language" in step:
        headers["Accept-Language"] = step["language"]
    body = b""
    if "raw" in step:
        body = bytes.fromhex(step["raw"])
    elif "form" in step:
        headers["Content-Type"], body = form(step["form"])
    elif step.get("body") in BODIES or "set" in step:
        body = filled(json.dumps(_spoiled(step)), kept).encode()
    elif "body" in step:
        body = filled(step["body"], kept).encode()
    return await office.call(
        filled(step["path"], kept),
        body,
        method=step.get("method"),
        key=None if caller == "nobody" else callers[caller].key,
        headers=headers,
        whole=step.get("whole", False),
    )


def _spoiled(step: dict[str, Any]) -> dict[str, Any]:
    return spoiled(step.get("body", "nothing"), step.get("set", {}), step.get("remove", []))


def check(reply: Reply, step: dict[str, Any], kept: dict[str, str], told: str) -> None:
    """Compare an answer, and keep what later steps need."""
    assert reply.status == step["status"], told
    for name, value in step.get("replies", {}).items():
        assert header(reply, name) == (value or None), (name, told)
    if "content" in step:
        assert reply.body.decode() == filled(step["content"], kept)
        return
    answer = envelope(reply)
    if "answer" in step:
        expected = re.escape(compact(filled(step["answer"], kept))).replace(r"\$ANY", r'[^",{}\[\]]*')
        assert re.fullmatch(expected, reply.body.decode()), told
    if "errors" in step:
        assert messages(answer) == [filled(text, kept) for text in step["errors"]], told
    if "says" in step:
        assert answer["message"] == step["says"], told
    for name, path in step.get("keep", {}).items():
        kept[name] = str(at(answer, path))
    for path, value in step.get("has", {}).items():
        found = at(answer, path)
        found = float(found) if isinstance(found, Decimal) else found
        expected_value = filled(value, kept) if isinstance(value, str) else value
        assert (str(found) if isinstance(expected_value, str) else found) == expected_value, (path, told)


def at(answer: Any, path: str) -> Any:
    """The value at a path of an answer."""
    for step in path.split("."):
        if step == "#":
            return len(answer)
        answer = answer[int(step)] if isinstance(answer, list) else answer[step]
    return answer


def filled(text: str, kept: dict[str, str]) -> str:
    """A text with the values that earlier steps kept."""
    return Template(text).safe_substitute(kept)

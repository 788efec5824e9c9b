"""XML answers: every struct that can be one, and texts that XML has no place for."""

from __future__ import annotations

import sys
from decimal import Decimal
from xml.etree import ElementTree

import msgspec
import pytest

from ulak.dialects.iletimerkezi import wire, xmlanswer
from ulak.dialects.iletimerkezi.xmlanswer import dump_response

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<response>
  <status>
    <code>200</code>
    <message>ok</message>
  </status>
"""
OK = wire.Status(200, "ok")


def written(answer: wire.Answer) -> str:
    text = dump_response(answer).decode()
    assert text.startswith(HEAD)
    return text.removeprefix(HEAD)


def test_an_answer_without_a_payload() -> None:
    assert written(wire.Plain(OK)) == "</response>\n"


def test_what_is_wrong_with_which_field() -> None:
    answer = wire.Invalid(OK, {"start": "a < b", "list.0.type": "x", "a b/c": "y"})
    assert written(answer) == (
        "  <errors>\n"
        "    <start>a &lt; b</start>\n"
        "    <list.0.type>x</list.0.type>\n"
        "    <a_b_c>y</a_b_c>\n"
        "  </errors>\n"
        "</response>\n"
    )


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0, "0.0000"), (134, "134.0000"), (Decimal("128.5"), "128.5000"), (Decimal("0.0372"), "0.0372")],
)
def test_money_has_four_decimals(amount: int | Decimal, shown: str) -> None:
    answer = wire.BalanceAnswer(OK, wire.Balance(amount, 7))
    assert written(answer) == (
        f"  <balance>\n    <amount>{shown}</amount>\n    <sms>7</sms>\n  </balance>\n</response>\n"
    )


class Thing(msgspec.Struct):
    """A group or a contact, for instance."""

    id: int
    name: str | None
    things: list[Thing] | msgspec.UnsetType = msgspec.UNSET
    ids: list[int] | msgspec.UnsetType = msgspec.UNSET


class Things(wire.Answer):
    """An answer with lists that XML wraps."""

    things: list[Thing]


def test_lists_with_a_wrapper(monkeypatch: pytest.MonkeyPatch) -> None:
    wrapped = {(Things, "things"): "thing", (Thing, "things"): "child", (Thing, "ids"): "id"}
    monkeypatch.setattr(xmlanswer, "ITEMS", wrapped)
    answer = Things(OK, [Thing(1, "a", [Thing(2, None)]), Thing(3, "", ids=[4, 5])])
    assert written(answer) == (
        "  <things>\n"
        "    <thing>\n"
        "      <id>1</id>\n"
        "      <name>a</name>\n"
        "      <things>\n"
        "        <child>\n"
        "          <id>2</id>\n"
        "          <name></name>\n"
        "        </child>\n"
        "      </things>\n"
        "    </thing>\n"
        "    <thing>\n"
        "      <id>3</id>\n"
        "      <name></name>\n"
        "      <ids>\n"
        "        <id>4</id>\n"
        "        <id>5</id>\n"
        "      </ids>\n"
        "    </thing>\n"
        "  </things>\n"
        "</response>\n"
    )
    assert written(Things(OK, [])) == "  <things>\n  </things>\n</response>\n"


def test_every_character_leaves_an_answer_readable() -> None:
    """In lines of their own: what XML can carry comes back, and what it cannot comes as U+FFFD."""
    characters = [chr(code) for code in range(0x10000) if not 0xD800 <= code <= 0xDFFF]
    characters += [chr(0x10000), chr(sys.maxunicode)]
    body = dump_response(wire.SendersAnswer(OK, wire.Senders([f"a{each}b" for each in characters])))
    assert body.count(b"\n") == len(characters) + 9
    read = [each.text for each in ElementTree.fromstring(body).iter("sender")]
    lost = {chr(code) for code in range(0x20)} - set("\t\n\r") | {"\ufffe", "\uffff"}
    shown = ["\ufffd" if each in lost else each for each in characters]
    assert read == [f"a{each}b" for each in shown]

"""The table of codes against every word of ours that must become one."""

from __future__ import annotations

from ulak.core.errors import OF_PARCELS, OF_PURCHASES, Refusal
from ulak.core.states import MessageState, OrderState
from ulak.dialects.iletimerkezi.codes import MESSAGE_CODES, ORDER_CODES, REFUSALS, TEXTS, Code


def test_every_code_has_its_text() -> None:
    assert set(TEXTS) == set(Code)


def test_every_word_of_ours_has_a_code() -> None:
    assert set(REFUSALS) == set(Refusal) - OF_PARCELS - OF_PURCHASES
    assert set(ORDER_CODES) == set(OrderState)
    assert set(MESSAGE_CODES) == set(MessageState)


def test_states_are_in_the_table() -> None:
    assert {*ORDER_CODES.values(), *MESSAGE_CODES.values()} == {code for code in Code if code < 200}

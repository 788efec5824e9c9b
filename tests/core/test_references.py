"""Names that operators give to messages, in two bases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulak.core.references import IdForm, key_of, keys_elsewhere, other_keys


@pytest.mark.parametrize(
    ("form", "answered", "reported"),
    [
        (IdForm.DECIMAL, "d", "x"),
        (IdForm.HEXADECIMAL, "x", "d"),
        (IdForm.TEXT, "d", "X"),
        (IdForm.TEXT, "X", "d"),
    ],
)
@given(value=st.integers(0, 2**63 - 1))
def test_either_leads_to_the_other_whichever_comes_first(
    form: IdForm, answered: str, reported: str, value: int
) -> None:
    answer, report = format(value, answered), format(value, reported)
    if key_of(answer, form) == key_of(report, form):
        return
    assert key_of(answer, form) in other_keys(report, form)
    assert key_of(report, form) in keys_elsewhere(answer, form)


@given(text=st.text(st.characters(codec="utf-8"), max_size=24), form=st.sampled_from(IdForm))
def test_keys_fit_the_database_whatever_an_operator_says(text: str, form: IdForm) -> None:
    exact = key_of(text, form)
    for key in (exact, *other_keys(text, form), *keys_elsewhere(text, form)):
        assert 0 <= key < 2**63
    assert exact not in other_keys(text, form) + keys_elsewhere(text, form)

"""Requests: which spellings are read, and as what."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulak.core.accounts import Account
from ulak.dialects.iletimerkezi import drafts, fields, forms, wire
from ulak.dialects.iletimerkezi.jsonbody import BadRequest, request_in

AUTHENTICATION = {"key": "k", "hash": "h"}


def body(**request: Any) -> bytes:
    return json.dumps({"request": {"authentication": AUTHENTICATION} | request}).encode()


def order_of(**order: Any) -> wire.Order:
    return forms.send_sms(request_in(body(order=order))).order


def numbers_of(receipents: Any) -> list[Any]:
    return order_of(message={"text": "x", "receipents": receipents}).message[0].receipents.number


def test_the_documented_request_is_what_a_client_dumps() -> None:
    request = wire.SendSms(
        wire.Authentication("k", "h"),
        wire.Order(
            "ORNEKAS", "25/05/2026 09:30", "1", "BIREYSEL", [wire.Message("A", wire.Receipents(["1", 2]))]
        ),
    )
    assert forms.send_sms(request_in(wire.dump_request(request))) == request
    report = wire.GetReport(wire.Authentication("k", "h"), wire.OrderPage("312891245", "1", "1000"))
    assert forms.get_report(request_in(wire.dump_request(report))) == report
    cancel = wire.CancelOrder(wire.Authentication("k", "h"), wire.OrderName("312891245"))
    assert forms.cancel_order(request_in(wire.dump_request(cancel))) == cancel
    reports = wire.GetReports(wire.Authentication("k", "h"), wire.Filter("2026-04-22", "2026-04-29", "1"))
    assert forms.get_reports(request_in(wire.dump_request(reports))) == reports
    account = wire.GetAccount(wire.Authentication("k", "h"))
    assert forms.get_account(request_in(wire.dump_request(account))) == account


@pytest.mark.parametrize(
    ("given_", "read"),
    [
        ({"key": "k", "hash": "h"}, ("k", "h")),
        ({"key": "k"}, ("k", "")),
        ({"hash": "h"}, ("", "h")),
        ({"key": 1, "hash": ["h"]}, ("", "")),
        ({"key": None, "hash": True}, ("", "")),
        ({}, ("", "")),
        (None, ("", "")),
        ([], ("", "")),
        ("k", ("", "")),
    ],
)
def test_authentication(given_: Any, read: tuple[str, str]) -> None:
    request = {"request": {"authentication": given_}}
    assert forms.get_account(request_in(json.dumps(request).encode())).authentication == wire.Authentication(
        *read
    )


def test_authentication_may_be_missing() -> None:
    assert forms.get_account(request_in(b'{"request": {}}')).authentication == wire.Authentication("", "")


@pytest.mark.parametrize("order", [None, [], [{}], "", "x", 1, True])
@pytest.mark.parametrize("read", [forms.send_sms, forms.cancel_order, forms.get_report])
def test_an_order_that_is_no_object_is_unreadable(read: Callable[[Any], Any], order: Any) -> None:
    with pytest.raises(BadRequest):
        read(request_in(body(order=order)))
    with pytest.raises(BadRequest):
        read(request_in(body()))


@pytest.mark.parametrize(
    ("submitted", "read"),
    [
        (None, ""),
        ("", ""),
        ([], ""),
        ([""], ""),
        ([None], ""),
        ("25/05/2026 09:30", "25/05/2026 09:30"),
        (["25/05/2026 09:30"], "25/05/2026 09:30"),
        (["25", "05", "2026", "09", "30"], "?"),
        (["25/05/2026 09:30", ""], "?"),
        ([[]], "?"),
        ({}, "?"),
        (True, "?"),
        (25052026, "25052026"),
    ],
)
def test_send_time(submitted: Any, read: str) -> None:
    assert order_of(sendDateTime=submitted).sendDateTime == read
    assert order_of().sendDateTime == ""


@pytest.mark.parametrize(
    ("submitted", "read"),
    [
        ("1", "1"), (1, "1"), (True, "1"), ("0", "0"), (0, "0"), (False, "0"),
        (None, ""), ("", ""), ("true", "true"), (1.0, "?"), ([1], "?"), ({}, "?"), (2, "2"), (-1, "-1"),
    ],
)  # fmt: skip
def test_consent_choice(submitted: Any, read: str) -> None:
    assert order_of(iys=submitted).iys == read


@pytest.mark.parametrize("submitted", [None, 5, 0, True, ["ORNEKAS"], {"a": 1}])
def test_a_sender_that_is_no_text_is_none(submitted: Any) -> None:
    assert order_of(sender=submitted).sender == ""


@pytest.mark.parametrize(
    ("receipents", "read"),
    [
        ({"number": ["1", 2, None]}, ["1", 2, None]),
        ({"number": "905301234567"}, ["905301234567"]),
        ({"number": 905301234567}, [905301234567]),
        ({"number": [""]}, [""]),
        ({"number": []}, []),
        ({"number": ""}, []),
        ({"number": None}, []),
        ({"number": {"0": "905301234567"}}, [{"0": "905301234567"}]),
        ({"numbers": ["905301234567"]}, []),
        ({}, []),
        (None, []),
        (["905301234567"], []),
        ("905301234567", []),
    ],
)
def test_recipients(receipents: Any, read: list[Any]) -> None:
    assert numbers_of(receipents) == read


@pytest.mark.parametrize("spelling", ["recipients", "recepients", "receipent", "Receipents"])
def test_other_spellings_of_recipients_are_not_read(spelling: str) -> None:
    message = {"text": "x", spelling: {"number": ["905301234567"]}}
    assert order_of(message=message).message[0].receipents.number == []


def test_message_is_one_or_many() -> None:
    one = {"text": "A", "receipents": {"number": "1"}}
    assert len(order_of(message=one).message) == 1
    assert [each.text for each in order_of(message=[one, {"text": "B"}, {}]).message] == ["A", "B", ""]
    assert order_of(message=[]).message == order_of(message=None).message == order_of().message == []


@pytest.mark.parametrize(
    "message", ["x", 1, True, [None], [[]], ["x"], {"text": 1}, {"text": []}, {"text": True}]
)
def test_a_message_of_another_kind_is_unreadable(message: Any) -> None:
    with pytest.raises(BadRequest):
        order_of(message=message)


def test_page_of_a_list_stands_in_the_filter_or_beside_it() -> None:
    def page_of(**request: Any) -> int | str:
        return forms.get_reports(request_in(body(**request))).filter.page

    assert page_of(filter={"page": 2}, page=3) == "2"
    assert page_of(filter={"page": ""}, page=3) == "3"
    assert page_of(filter={}, page="3") == "3"
    assert page_of(page=3) == "3"
    assert page_of(filter=None) == page_of(filter=[]) == ""


@pytest.mark.parametrize("wrong", [[1], "x", 1])
def test_a_filter_of_another_kind_is_unreadable(wrong: Any) -> None:
    with pytest.raises(BadRequest):
        forms.get_reports(request_in(body(filter=wrong)))


@pytest.mark.parametrize(
    ("submitted", "page", "rows", "number"),
    [
        (None, 1, 1000, None),
        ("", 1, 1000, None),
        (1, 1, 1, 1),
        ("1", 1, 1, 1),
        ("007", 7, 7, None),
        (0, None, 1000, None),
        ("0", None, 1000, None),
        (-1, None, 1000, None),
        ("-0", None, 1000, None),
        ("+5", None, 1000, None),
        (" 7 ", None, 1000, None),
        ("7\n", None, 1000, None),
        ("1_000", None, 1000, None),
        ("1e3", None, 1000, None),
        ("1.0", None, 1000, None),
        (1.0, None, 1000, None),
        (True, None, 1000, None),
        ([1], None, 1000, None),
        ({}, None, 1000, None),
        ("١٢٣", None, 1000, None),
        ("１２", None, 1000, None),
        ("²", None, 1000, None),
        (1000, 1000, 1000, 1000),
        (1001, 1001, 1000, 1001),
        ("999999999", 999999999, 1000, 999999999),
        (2**31 - 1, None, 1000, 2**31 - 1),
        (2**31, None, 1000, None),
        (2**63, None, 1000, None),
        (10**40, None, 1000, None),
        ("300000001", 300000001, 1000, 300000001),
        (" 300000001", None, 1000, None),
        ("0300000001", None, 1000, None),
        ("300000001 OR 1=1", None, 1000, None),
        ("../300000001", None, 1000, None),
        ("3" * 10_000, None, 1000, None),
    ],
)
def test_digits(submitted: Any, page: int | None, rows: int, number: int | None) -> None:
    read = forms.get_report(
        request_in(body(order={"id": submitted, "page": submitted, "rowCount": submitted}))
    ).order
    assert fields.page_number(read.page) == page
    assert fields.rows_wanted(read.rowCount) == rows
    assert fields.order_number(read.id) == number


ISTANBUL_MIDNIGHT = 1_776_805_200_000  # 2026-04-22 00:00 +03:00
DAY = 86_400_000


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2026-04-22", "2026-04-22", (0, 1)),
        ("2026-04-22", "2026-04-29", (0, 8)),
        ("2026-04-22", "2026-05-02", (0, 11)),
        ("2026-04-22", "2026-05-03", None),
        ("2026-04-22", "2026-04-21", None),
        ("", "", None),
        ("2026-04-22", "", None),
        ("22/04/2026", "29/04/2026", None),
        ("22-04-2026", "29-04-2026", None),
        ("2026/04/22", "2026/04/29", None),
        ("2026-4-22", "2026-04-29", None),
        ("20260422", "20260429", None),
        ("2026-W17-3", "2026-W17-4", None),
        ("2026-02-30", "2026-03-01", None),
        ("2026-04-22 ", "2026-04-29", None),
        ("2026-04-22\n", "2026-04-29", None),
        ("٢٠٢٦-04-22", "2026-04-29", None),
        ("0000-01-01", "0000-01-02", None),
        ("1999-12-31", "1999-12-31", None),
        ("9999-12-31", "9999-12-31", None),
    ],
)
def test_days(start: str, end: str, days: tuple[int, int] | None) -> None:
    expected = days and tuple(ISTANBUL_MIDNIGHT + day * DAY for day in days)
    assert fields.day_range(start, end) == expected


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    | st.sampled_from(
        ["25/05/2026 09:30", "25/05/2026 09:30:00", "APITEST", "BIREYSEL", "905301234567", "1"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
some = anything | st.just("1")
message = st.fixed_dictionaries(
    {}, optional={"text": some, "receipents": some | st.fixed_dictionaries({"number": some})}
)
order = st.fixed_dictionaries(
    {},
    optional={
        "sender": some,
        "sendDateTime": some,
        "iys": some,
        "iysList": some,
        "message": some | message | st.lists(message, max_size=3),
        "id": some,
        "page": some,
        "rowCount": some,
    },
)
request = st.fixed_dictionaries(
    {},
    optional={
        "authentication": some | st.fixed_dictionaries({}, optional={"key": some, "hash": some}),
        "order": some | order,
        "filter": some | st.fixed_dictionaries({}, optional={"start": some, "end": some, "page": some}),
        "page": some,
    },
)

STRICT = {"strict_iys": "on", "iys_brand": "1"}
LOOSE = {"strict_schedule": "off", "test_number": "5301234567"}
ACCOUNTS = [Account(1, "plain", True), Account(2, "strict", True, STRICT), Account(3, "loose", True, LOOSE)]


@given(some | st.fixed_dictionaries({"request": some | request}))
def test_whatever_comes_is_read_or_refused(whole: Any) -> None:
    raw = json.dumps(whole).encode()
    for read in (forms.cancel_order, forms.get_report, forms.get_reports, forms.get_account, forms.send_sms):
        try:
            got = read(request_in(raw))
        except BadRequest:
            continue
        assert type(got.authentication.key) is type(got.authentication.hash) is str
        if isinstance(got, wire.GetReport):
            fields.page_number(got.order.page)
            fields.order_number(got.order.id)
            assert 1 <= fields.rows_wanted(got.order.rowCount) <= 1000
        if isinstance(got, wire.GetReports):
            fields.day_range(got.filter.start, got.filter.end)
        if isinstance(got, wire.SendSms):
            draft = drafts.draft_of(got.order)
            for account in ACCOUNTS:
                ruling = draft.judge(account, 1_779_000_000_000)
                texts = draft.texts if ruling.texts is None else ruling.texts
                assert ruling.faults or any(text.usable() for text in texts)
                assert draft.first_of(ruling.faults) in {*ruling.faults, None}

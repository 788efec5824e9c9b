"""The acceptance checklist of the wire specification, 7.3, and what holds each of its lines.

A name with a colon is a case, others are tests of this folder. Line 10, the webhook, is not about the doors:
it is held where delivery callbacks are tested. Line 2 holds for every case, because status and code are
compared in each; which codes there must be is counted here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.dialects.iletimerkezi.test_cases import load

from ulak.dialects.iletimerkezi.serve import Doors

HELD = {
    "1 JSON, XML and GET make an order; ids are digits below 2^31": [
        "send_sms: one text to one number",
        "send_sms: ids count up per account",
        "xml_send_sms: the documented exchange",
        "get_send_sms: a GET, with and without the slash",
        "test_an_order",
        "test_a_plugin_reads_every_answer",
    ],
    "2 the HTTP status is the code": ["test_every_code_has_a_case", "test_mutated_requests"],
    "3 errors have a status and no payload": ["test_mutated_requests", "test_troubles"],
    "4 types": [
        "send_sms: one text to one number",
        "get_report: right after sending",
        "get_report: an integer id for clients that need one",
        "get_reports: orders in the order they were submitted",
        "account: balance in numbers",
        "account: senders are always a list",
    ],
    "5 page, rowCount and id as integer, text, empty; row_count; request.page; the alias": [
        "get_report: the first page",
        "get_report: rowCount without bounds",
        "get_report: id as an integer",
        "xml_others: pages of a report",
        "get_reports: page beside the filter",
        "get_reports: the older name",
    ],
    "6 sendDateTime empty, text, list of one, empty element": [
        "send_sms: an empty sendDateTime: now",
        "send_sms: a sendDateTime",
        "xml_send_sms: with and without what need not be there",
    ],
    "7 message as object or list; number as list, scalar, integers": [
        "send_sms: message as an array of one",
        "send_sms: number as a string",
        "send_sms: integers, as PHP turns map keys into",
        "xml_send_sms: several texts",
    ],
    "8 a slash at the end; odd content types; XML in the field data": [
        "paths: a trailing slash is allowed",
        "xml_send_sms: one slash at the end",
        "xml_send_sms: posted as a form",
        "test_what_old_clients_send",
    ],
    "9 the old log-in is a switch": [
        "login: in all three formats",
        "login: a wrong password",
        "login: the setting is off",
        "test_the_switch_counts_when_the_order_is_decided",
    ],
    "11 cancel twice; an immediate order; a scheduled report; after a cancel": [
        "cancel_order: a scheduled order",
        "get_report: not due yet, then due",
        "xml_others: cancelling, twice",
        "xml_others: faults of cancelling, and which is seen first",
    ],
    "12 ten days; the count stays past the end": [
        "get_reports: 10 and 11 days apart",
        "test_get_reports_past_the_last_page",
        "test_a_list_has_thirty_orders_a_page",
    ],
}

CODES = {*(200, 400, 401, 402, 404), *range(450, 459), *(468, 469, 470)}
WITH_BLACKLIST = {422, 466, 474}


def names() -> set[str]:
    """Every case and every test of this folder."""
    found = {str(case.id) for case in load()}
    for path in Path(__file__).parent.glob("test_*.py"):
        found |= set(re.findall(r"def (test_\w+)", path.read_text("utf-8")))
    return found


@pytest.mark.parametrize("line", HELD)
def test_every_line_is_held(line: str) -> None:
    assert not set(HELD[line]) - names()


def test_every_code_has_a_case() -> None:
    seen = {step["status"] for case in load() for step in case.values[0].get("step", case.values)}
    blacklist = "/v1/get-blacklist/json" in Doors(None)._doors  # type: ignore[arg-type]
    assert not (CODES | WITH_BLACKLIST if blacklist else CODES) - seen

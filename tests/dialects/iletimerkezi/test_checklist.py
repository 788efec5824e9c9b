"""The acceptance checklist of the wire specification, 7.3, and what holds each of its lines.

A name with a colon is a case, others are tests of this folder, or of `test_announcing` in line 10: callbacks
leave by no door. Line 2 holds for every case, because status and code are compared in each; which codes there
must be is counted here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.dialects.iletimerkezi.test_cases import load

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
        "blacklist: nobody",
        "blacklist: the newest first",
    ],
    "5 page, rowCount and id as integer, text, empty; row_count; request.page; the alias": [
        "get_report: the first page",
        "get_report: rowCount without bounds",
        "get_report: id as an integer",
        "xml_others: pages of a report",
        "get_reports: page beside the filter",
        "get_reports: the older name",
        "blacklist: pages",
        "blacklist: nothing said",
        "xml_blacklist: pages",
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
    "10 callbacks: integers and texts": [
        "test_accepted_comes_before_the_end",
        "test_a_number_that_is_refused_at_once_is_only_undelivered",
        "test_names_are_counted_by_account_and_fit_into_32_bits",
        "test_a_report_that_is_repeated_is_told_once",
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

CODES = {*(200, 400, 401, 402, 404, 422), *range(450, 459), 466, *(468, 469, 470), 474}
OTHERS = {403, *range(461, 466), *(471, 472, 473)}
"""Codes of the consent registry, of contacts and of groups: the checklist does not name them."""

HERE = Path(__file__).parent
ANNOUNCING = HERE.parents[1] / "service" / "test_announcing.py"


def names() -> set[str]:
    """Every case, and every test of this folder and of callbacks."""
    found = {str(case.id) for case in load()}
    for path in (*HERE.glob("test_*.py"), ANNOUNCING):
        found |= set(re.findall(r"def (test_\w+)", path.read_text("utf-8")))
    return found


def test_every_line_is_there() -> None:
    assert [int(line.split()[0]) for line in HELD] == list(range(1, 13))


@pytest.mark.parametrize("line", HELD)
def test_every_line_is_held(line: str) -> None:
    assert not set(HELD[line]) - names()


def answered(cases: str) -> set[int]:
    """The codes that cases of these files answer."""
    chosen = [case.values[0] for case in load() if str(case.id).startswith(cases)]
    return {step["status"] for case in chosen for step in case.get("step", [case])}


def test_every_code_has_a_case() -> None:
    assert not (CODES | OTHERS) - answered("")


def test_every_code_of_the_xml_form_has_a_case() -> None:
    """458 is of get-reports and 403 of the consent registry, which are JSON only."""
    assert not (CODES | OTHERS) - {403, 458} - answered("xml_")

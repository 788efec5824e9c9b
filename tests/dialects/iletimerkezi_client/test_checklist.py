"""The checklist for a client in the wire specification, 7.4, and the tests that hold each of its lines.

The tests are those of this folder, which are about the carrier, and of `iletimerkezi_past`, about the import.
Of one word nobody here has any use: an empty list for a consent that does not exist (`consent: []`), because
nothing asks the vendor for consent.
"""

from __future__ import annotations

import re
from pathlib import Path

HELD = {
    "JSON as documented: texts for id, page, rowCount; an integer for filter.page; iys always, and iysList": [
        "test_messages_that_come_together_are_one_order",
        "test_consent_and_sender_are_the_carriers",
        "test_all_pages_are_read",
        "test_a_report_is_asked_for_as_documented",
        "test_a_list_is_paged_until_a_page_is_empty",
    ],
    "codes compared as integers, numbers in one spelling, ids as texts": [
        "test_success_may_be_spelled_in_many_ways",
        "test_the_code_in_the_envelope_counts",
        "test_reports_are_read_in_many_spellings",
        "test_numbers",
    ],
    "numeric texts, one object for a list, a missing price, a comma in it": [
        "test_a_list_may_be_newest_first_and_badly_spelled",
        "test_lists_in_other_spellings",
        "test_prices",
        "test_an_old_report_has_only_messages",
    ],
    "451 is no success; nothing is sent again blindly; what went through is found in get-reports": [
        "test_an_order_whose_answer_was_lost_is_found",
        "test_one_that_was_never_made_is_in_doubt",
        "test_a_repeated_order_went_through_before",
        "test_a_repeated_order_that_nobody_finds_is_in_doubt",
        "test_an_order_that_goes_again_is_known_by_its_composition",
    ],
    "only 503, 429 and network errors are tried again, never another 4xx": [
        "test_what_was_not_taken_is_kept_and_tried_again",
        "test_retry_after_is_honoured",
        "test_a_no_to_the_whole_is_for_all",
        "test_what_passes_is_asked_again",
        "test_what_says_no_is_asked_once",
    ],
    "get-reports to an empty page, get-report to its last": [
        "test_a_list_is_paged_until_a_page_is_empty",
        "test_a_list_without_a_count_is_read_until_it_is_empty",
        "test_all_pages_are_read",
    ],
    "polling some seconds apart, and the webhook before it": [
        "test_an_order_is_asked_about_until_it_is_final",
        "test_looks_become_rarer",
        "test_what_the_webhook_told_is_not_asked_for",
    ],
    "at most 50,000 recipients, and 100 a second": [
        "test_without_a_rate_an_order_has_up_to_fifty_thousand",
        "test_the_rate_is_counted_by_recipients",
    ],
}

HERE = Path(__file__).parent


def test_every_line_is_held_by_tests_that_there_are() -> None:
    files = [*HERE.glob("test_*.py"), *(HERE.parent / "iletimerkezi_past").glob("test_*.py")]
    known = {name for file in files for name in re.findall(r"def (test_\w+)\(", file.read_text("utf-8"))}
    assert not {name for names in HELD.values() for name in names} - known
    assert all(HELD.values())

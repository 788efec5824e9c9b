"""Countries and their codes, and the one number that somebody means."""

from __future__ import annotations

import phonenumbers
import pytest

from ulak.core.dialling import anybodys, code_of, trunk_of

REGIONS = [
    (code, region)
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()
    for region in regions
    if region != "001"
]


def test_they_are_those_of_a_library_that_knows_them_all() -> None:
    assert [region for code, region in REGIONS if code_of(region) != code] == []
    assert (code_of("de"), code_of("XX"), code_of("22"), code_of("Türkiye")) == (49, None, None, None)
    for code, region in REGIONS:
        plan = phonenumbers.PhoneMetadata.metadata_for_region(region)
        assert plan is not None
        # A 1 is the code of North America again.
        assert trunk_of(code) == (plan.national_prefix or "").replace("1", ""), region


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("0530 123 45 67", 905301234567),
        ("5301234567", 905301234567),
        ("905301234567", 905301234567),
        ("+90 (530) 123-45-67", 905301234567),
        ("0090 530 123 45 67", 905301234567),
        ("tel:+905301234567", 905301234567),
        ("+4915112345678", 4915112345678),
        ("+49 151/1234-5678", 4915112345678),
        ("0049 (151) 12345678", 4915112345678),
        ("+49\u00a0151\u202f1234.5678", 4915112345678),
        ("\u202a+4915112345678\u202c", 4915112345678),
        ("+1 (530) 123-4567", 15301234567),
        ("+90 212 123 45 67", 902121234567),
        ("+39 06 1234 5678", 390612345678),
        ("+6834000", 6834000),
        ("+53 51234567", 5351234567),
        ("0053-5-123-4567", 5351234567),
        ("tel:+53(5)1234567", 5351234567),
        ("+51 1 1234567", 5111234567),
    ],
)
def test_the_number_that_is_meant(written: str, number: int) -> None:
    assert anybodys(written) == number


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "begins with +"),
        ("soon", "begins with +"),
        ("0312 123 45 67", "begins with +"),
        ("0151 12345678", "begins with +"),
        ("4915112345678", "begins with +"),
        ("+5301234567", "Turkish number or another"),
        ("005301234567", "Turkish number or another"),
        ("+5 301234567", "Turkish number or another"),
        ("+530 123 45 67", "Turkish number or another"),
        ("+5351234567", "Turkish number or another"),
        ("+05301234567", "Turkish number or another"),
        ("+49 (0)151 12345678", "without the 0"),
        ("+49 0151 12345678", "without the 0"),
        ("+90 0530 123 45 67", "without the 0"),
        ("+90 530 123 45 6", "ten digits"),
        ("+90 530 123 45 67 8", "ten digits"),
        ("+49 151", "7 to 15"),
        ("+4915112345678901", "7 to 15"),
        ("+49 151 12345678 x5", "7 to 15"),
        ("+4915112345678, +4915112345679", "7 to 15"),
        ("+٤٩١٥١١٢٣٤٥٦٧٨", "7 to 15"),
    ],
)
def test_none_or_one_of_two(written: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("+", "[+]")) as caught:
        anybodys(written)
    assert "1234" not in str(caught.value).replace("05301234567", "").replace("+4915112345678", "")

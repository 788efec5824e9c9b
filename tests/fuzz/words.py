"""Short texts that mean something: numbers, times, amounts, codes, keys, addresses, settings."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tests.fuzz.checks import storable, told

from ulak.carriers.karrio import times as carrier_times
from ulak.core import carrier_words, keys, money, phone, times, tracking_codes
from ulak.core.accounts import SETTINGS, check_setting
from ulak.core.callbacks import RETRY_AFTER_MAX, read_secret, retry_after, write_secret
from ulak.core.carriers import terms_of
from ulak.core.consents import Channel, recipient_of
from ulak.core.contacts import search_for, tidy
from ulak.core.countries import find_country
from ulak.core.own_numbers import mailbox_of, number_of, services_of, shown_number
from ulak.core.references import IdForm, key_of, other_keys
from ulak.dialects.smpp.settings import parse_settings
from ulak.funding.nostr import parse_uri
from ulak.outbound import check_url

NOW = 1_779_274_991_000


def numbers_and_times(data: bytes) -> None:
    """A number, a time, an amount, a code, a reference."""
    text = data.decode("utf-8", "replace")
    _numbers(text)
    _times(text)
    _codes(text)
    for asset in money.ASSETS:
        try:
            amount = money.parse_amount(text, asset)
        except ValueError:
            continue
        assert Decimal(money.main_units(amount, asset)) == Decimal(text)


def _numbers(text: str) -> None:
    number = phone.normalise(text)
    assert number == 0 or 905_000_000_000 <= number <= 905_999_999_999
    if number:
        assert phone.normalise(phone.display(number)) == phone.normalise(number) == number
    parts = [phone.normalise(part) for part in text.split(",")]
    prefix = phone.common_prefix(parts)
    assert all(str(part).startswith(prefix) for part in parts if part)
    for channel in Channel:
        storable(recipient_of(channel, text))
    storable((tidy(text), search_for(text)))
    find_country(text)


def _times(text: str) -> None:
    for read, shape in (
        (times.parse_minute, "{2}/{1}/{0} {3}:{4}"),
        (times.parse_second, "{0}-{1}-{2} {3}:{4}:{5}"),
    ):
        moment = read(text)
        if moment is not None and moment >= NOW - 5 * 365 * 86_400_000:
            shown = times.to_local_text(moment)
            assert shape.format(*shown[:10].split("-"), *shown[11:].split(":")) == text
    times.parse_minute_with_seconds(text)
    day = times.parse_day(text)
    assert day is None or day.isoformat() == text
    try:
        assert 0 <= times.parse_span(text) < 10**18
    except ValueError as error:
        told(error)
    assert 0 <= retry_after(text, NOW) <= RETRY_AFTER_MAX
    when = carrier_times.read_iso(text, "TR")
    assert when is None or -(10**14) < when.at < 10**15
    first, _, rest = text.partition(" ")
    carrier_times.read_parts(first, rest, "+03:00", "US", "TR")


def _codes(text: str) -> None:
    found = tracking_codes.read_s10(text)
    if found is not None:
        made = tracking_codes.make_s10(found.service, int(found.serial), found.country)
        assert tracking_codes.read_s10(made) == found
    assert tracking_codes.look_alike(text) == [
        name
        for name, fits in (("UPU S10", found is not None), ("UPS 1Z", tracking_codes.is_ups(text)))
        if fits
    ]
    for form in IdForm:
        key = key_of(text, form)
        assert 0 <= key < 2**63
        assert key not in other_keys(text, form)


def settings(data: bytes) -> None:
    """`key=value` lines, as settings of accounts, of carriers and of links; and each value by itself."""
    text = data.decode("utf-8", "replace")
    words = dict(line.partition("=")[::2] for line in text.split("\n"))
    for key, value in words.items():
        if key in SETTINGS:
            _refused_or(_settled, key, value)
        for check in _ADDRESSES:
            _refused_or(check, value)
    for take in (parse_settings, terms_of, carrier_words.check_hook):
        _refused_or(take, words)


def _settled(key: str, value: str) -> None:
    assert check_setting(key, check_setting(key, value)) == check_setting(key, value)


def _own_number(value: str) -> None:
    number = mailbox_of(value)
    assert number > 0
    assert mailbox_of(shown_number(number)) == number


_ADDRESSES: tuple[Callable[[str], object], ...] = (
    check_url,
    parse_uri,
    number_of,
    services_of,
    _own_number,
    lambda value: carrier_words.address(value, "https://example.org"),
    lambda value: carrier_words.number("n", value, 0.0, 60.0),
    lambda value: _same(keys.read_key, keys.write_key, value),
    lambda value: _same(read_secret, write_secret, value),
)


def _same(read: Callable[[str], bytes], write: Callable[[bytes], str], value: str) -> None:
    key = read(value)
    assert read(write(key)) == key


def _refused_or(check: Callable[..., object], *given: object) -> None:
    """Whoever wrote it is told a sentence."""
    try:
        check(*given)
    except ValueError as error:
        told(error)

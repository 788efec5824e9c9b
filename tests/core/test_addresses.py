"""Whom limits by address take for one."""

from __future__ import annotations

import pytest

from ulak.core.addresses import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:DB8:1:3::", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unknown", "unknown"),
        ("a:b", "a:b"),
        ("", ""),
    ],
)
def test_who_is_one(address: str, network: str) -> None:
    assert network_of(address) == network


def test_what_a_proxy_makes_up_stays_short() -> None:
    assert len(network_of("x" * 10_000)) == len(network_of(":" * 10_000)) == 64

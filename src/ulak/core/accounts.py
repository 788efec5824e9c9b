"""An account: a tenant with its switches."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from ulak.core import phone, velocity


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant. `settings` holds only what differs from the defaults of `SETTINGS`, as text."""

    id: int
    name: str
    api_access: bool
    settings: Mapping[str, str] = field(default_factory=dict)

    def setting(self, key: str) -> str:
        """The value in force: the account's own, or the default."""
        return self.settings.get(key, SETTINGS[key].default)

    def switch(self, key: str) -> bool:
        """A setting that is `on` or `off`."""
        return self.setting(key) == "on"

    def admits(self, address: str) -> bool:
        """Whether a caller at this IP address may use the account (the fixed-IP list; empty admits all)."""
        allowed = self.setting("ips")
        if not allowed:
            return True
        try:
            caller = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped is not None:
            caller = caller.ipv4_mapped
        return any(caller in ipaddress.ip_network(net) for net in allowed.split(","))


@dataclass(frozen=True, slots=True)
class Setting:
    """A per-account setting: what it means, its default, and a check that returns the canonical text."""

    help: str
    default: str
    check: Callable[[str], str]


def _networks(text: str) -> str:
    nets = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return ",".join(str(ipaddress.ip_network(net, strict=False)) for net in nets)
    except ValueError as error:
        raise ValueError(f"not a list of IP addresses or networks: {error}") from None


def _switch(text: str) -> str:
    if text not in ("on", "off"):
        raise ValueError("must be on or off")
    return text


def _spelling(text: str) -> str:
    if text not in ("string", "int"):
        raise ValueError("must be string or int")
    return text


def _mobile(text: str) -> str:
    number = phone.normalise(text)
    if text and not number:
        raise ValueError("must be a Turkish mobile number, like +905301234567, or empty")
    return str(number) if number else ""


def _digits(text: str) -> str:
    if text and not re.fullmatch(r"[0-9]{1,12}", text):
        raise ValueError("must be 1 to 12 digits, or empty")
    return text


def _name(text: str) -> str:
    if len(text) > 100 or (text and not text.isprintable()):
        raise ValueError("must be at most 100 printable characters")
    return text.strip()


def _velocity(name: str, text: str) -> str:
    return velocity.check(name, text) if text else ""


def _right(what: str) -> Setting:
    return Setting(f"the account may {what}", "on", _switch)


SETTINGS: dict[str, Setting] = {
    "ips": Setting("callers' addresses or networks, comma separated; empty: everybody", "", _networks),
    "test_number": Setting("the only number that trial messages go to", "", _mobile),
    "iys_brand": Setting("brand code in the consent registry", "", _digits),
    "iys_subscription": Setting("the account subscribes to the consent registry", "off", _switch),
    "iys_presumed": Setting("whoever the consent registry does not know counts as agreed", "off", _switch),
    "strict_schedule": Setting("refuse a send time that has seconds (off: send at once)", "on", _switch),
    "strict_iys": Setting("refuse an order that does not choose about consent", "off", _switch),
    "legacy_login": Setting("a mobile number and password may stand for key and hash", "off", _switch),
    "report_order_id": Setting("the id of an order in get-report: string or int", "string", _spelling),
    "contacts": Setting("the account may use contacts and groups", "off", _switch),
    "inbox": Setting("the account may ask for the SMS that came in", "off", _switch),
    "can_create_cn22": _right("make CN22 customs forms"),
    "can_create_cn23": _right("make CN23 customs forms"),
    "can_create_proforma_invoice": _right("make proforma invoices"),
    "can_send_to_provider_manually": _right("have a refused parcel booked again"),
    "can_recheck_manually": _right("have the carrier asked about a parcel at once"),
    "authorized_name": Setting("who signs for the account, on parcels", "", _name),
    **{
        name: Setting(f"{text} [the server's]", "", partial(_velocity, name))
        for name, text in velocity.HELP.items()
    },
    "user_firstname": Setting("first name shown as a parcel's user [the account's name]", "", _name),
    "user_lastname": Setting("last name shown as a parcel's user", "", _name),
}


def check_setting(key: str, value: str) -> str:
    """The canonical form of a setting's value.

    Raises:
        ValueError: the key is unknown or the value does not fit; the text says which.
    """
    known = SETTINGS.get(key)
    if known is None:
        raise ValueError(f"unknown setting {key!r}; known are {', '.join(SETTINGS)}")
    try:
        return known.check(value)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None

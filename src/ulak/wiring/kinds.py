"""The kinds of configured carriers, and the dialects that tell of events."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ulak.carriers import inventory
from ulak.carriers.karrio.carrier import KarrioCarrier
from ulak.carriers.karrio.carrier import check as check_karrio
from ulak.carriers.karrio.carrier import probe as probe_karrio
from ulak.carriers.karrio.settings import parse_settings as parse_karrio
from ulak.carriers.manual import ManualCarrier
from ulak.carriers.number_simulator import MAGIC as MAGIC_SERVICES
from ulak.carriers.number_simulator import NumberSimulator
from ulak.carriers.parcel_simulator import ENDINGS as FATES
from ulak.carriers.parcel_simulator import ParcelSimulator
from ulak.carriers.simulator import SimulatorLink
from ulak.carriers.sms_activate import source as sms_activate
from ulak.carriers.sms_activate.settings import check_settings as check_sms_activate
from ulak.core.callbacks import Renderer
from ulak.core.carriers import check_manual, check_simulator
from ulak.core.errors import UlakError
from ulak.core.numbers import NumberSource
from ulak.core.ports import MessageLink
from ulak.core.shipping import ParcelCarrier
from ulak.dialects import hooks
from ulak.dialects.comtohome import connect as comtohome
from ulak.dialects.comtohome.callbacks import RENDERER as COMTOHOME_CALLBACKS
from ulak.dialects.comtohome.callbacks import read_news as read_comtohome_news
from ulak.dialects.iletimerkezi import connect as iletimerkezi
from ulak.dialects.iletimerkezi.callbacks import RENDERER as ILETIMERKEZI_CALLBACKS
from ulak.dialects.smpp.connect import LinkSettings, SmppLink, parse_settings, probe
from ulak.dialects.smpp.serve import MAGIC, start_simulator
from ulak.dialects.sms4sats import connect as sms4sats
from ulak.dialects.sms4sats.callbacks import RENDERER as SMS4SATS_CALLBACKS
from ulak.outbound import Outbound
from ulak.service.carriers import Carrier
from ulak.service.inventory import InventoryShelf
from ulak.service.journal import BookingJournal
from ulak.store.books import Books


class Outside(NamedTuple):
    """What the way to a carrier is made with. In `directory` versions before kept what they remembered."""

    outbound: Outbound
    clock: Callable[[], int]
    directory: Path
    books: Books


@dataclass(frozen=True, slots=True)
class CarrierKind:
    """A kind of configured carrier: how its settings are checked, how its ways are made, and one is tried.

    `link` makes a way for messages, where `messages` says that it takes them with these settings; `parcels`
    makes one for parcels, `numbers` one to rented numbers, None where there is none. `news` reads what a
    carrier of this kind calls us about.
    """

    check: Callable[[Mapping[str, str]], object]
    probe: Callable[[Mapping[str, str]], Any]
    messages: Callable[[Mapping[str, str]], bool] = lambda _settings: False
    link: Callable[[Mapping[str, str], Outside], MessageLink] | None = None
    parcels: Callable[[Carrier, Mapping[str, str], Outside], ParcelCarrier | None] = (
        lambda _carrier, _settings, _outside: None
    )
    numbers: Callable[[Carrier, Mapping[str, str], Outside], NumberSource | None] = (
        lambda _carrier, _settings, _outside: None
    )
    news: hooks.Reader | None = None


SIMULATOR_WINDOW = 100

ENDINGS = {digits.decode(): fate.what for digits, fate in MAGIC.items()}
"""What the simulated operator does with numbers that end in these digits; all others are delivered."""

PARCEL_ENDINGS = {digits: fate.what for digits, fate in FATES.items()}
"""The same of the simulated carrier, with barcodes that customers bring along."""


def _to_simulator(port: int) -> MessageLink:
    return SmppLink(LinkSettings("127.0.0.1", "simulator", port, window=SIMULATOR_WINDOW))


async def _probe_own() -> str:
    return "it is part of the server"


def _simulated_link(_settings: Mapping[str, str], _outside: Outside) -> MessageLink:
    return SimulatorLink(start_simulator, _to_simulator, SIMULATOR_WINDOW)


def _simulated_parcels(
    _carrier: Carrier, settings: Mapping[str, str], _outside: Outside
) -> ParcelCarrier | None:
    return ParcelSimulator(settings) if settings.get("carries") == "parcels" else None


def _simulated_numbers(
    _carrier: Carrier, settings: Mapping[str, str], _outside: Outside
) -> NumberSource | None:
    return NumberSimulator(settings) if settings.get("carries") == "numbers" else None


def _sms4sats_numbers(carrier: Carrier, settings: Mapping[str, str], outside: Outside) -> NumberSource | None:
    if settings.get("carries", "numbers") != "numbers":
        return None
    journal = BookingJournal(outside.books, carrier.id)
    return sms4sats.Sms4satsSource(settings, outside.outbound, outside.clock, journal)


def _karrio(carrier: Carrier, settings: Mapping[str, str], outside: Outside) -> ParcelCarrier:
    journal = BookingJournal(outside.books, carrier.id)
    folder = outside.directory / "carriers" / str(carrier.id)
    return KarrioCarrier(parse_karrio(settings), journal, folder=folder)


NUMBER_SERVICES = dict(MAGIC_SERVICES)
"""What the simulated source of numbers does for these services; all others get a code."""


@contextlib.asynccontextmanager
async def simulated_operator(
    host: str = "127.0.0.1", port: int = 0, password: str | None = None
) -> AsyncIterator[int]:
    """An operator that is made up, reached over SMPP; the port it listens on. Any password does, unless there
    is one."""
    try:
        simulator = await start_simulator(host, port, password=password)
    except OSError as error:
        raise UlakError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    try:
        yield simulator.port
    finally:
        await simulator.close()


CARRIER_KINDS: dict[str, CarrierKind] = {
    "smpp": CarrierKind(
        check=parse_settings,
        probe=lambda settings: probe(parse_settings(settings)),
        messages=lambda _settings: True,
        link=lambda settings, _outside: SmppLink(parse_settings(settings)),
    ),
    "simulator": CarrierKind(
        check=check_simulator,
        probe=lambda _settings: _probe_own(),
        messages=lambda settings: settings.get("carries", "sms") == "sms",
        link=_simulated_link,
        parcels=_simulated_parcels,
        numbers=_simulated_numbers,
    ),
    "manual": CarrierKind(
        check=check_manual,
        probe=lambda _settings: _probe_own(),
        parcels=lambda _carrier, settings, _outside: ManualCarrier(settings),
    ),
    "comtohome": CarrierKind(
        check=comtohome.check_settings,
        probe=comtohome.probe,
        parcels=lambda _carrier, settings, outside: comtohome.ComToHomeCarrier(
            settings, outside.outbound, outside.clock
        ),
        news=read_comtohome_news,
    ),
    "iletimerkezi": CarrierKind(
        check=iletimerkezi.check_settings,
        probe=iletimerkezi.probe,
        messages=lambda _settings: True,
        link=lambda settings, outside: iletimerkezi.IletimerkeziLink(
            settings, outside.outbound, outside.clock
        ),
        news=iletimerkezi.read_news,
    ),
    "karrio": CarrierKind(
        check=check_karrio,
        probe=lambda settings: probe_karrio(parse_karrio(settings)),
        parcels=_karrio,
    ),
    "inventory": CarrierKind(
        check=inventory.check_settings,
        probe=inventory.probe,
        numbers=lambda carrier, _settings, outside: inventory.InventorySource(
            InventoryShelf(outside.books, carrier.id)
        ),
    ),
    "sms4sats": CarrierKind(
        check=sms4sats.check_settings,
        probe=sms4sats.probe,
        messages=lambda settings: settings.get("carries") == "sms",
        link=lambda settings, outside: sms4sats.Sms4satsLink(settings, outside.outbound, outside.clock),
        numbers=_sms4sats_numbers,
    ),
    "sms_activate": CarrierKind(
        check=check_sms_activate,
        probe=sms_activate.probe,
        numbers=lambda carrier, settings, outside: sms_activate.SmsActivateSource(
            settings, outside.outbound, BookingJournal(outside.books, carrier.id)
        ),
    ),
}


def carries_messages(carrier: Carrier) -> bool:
    """Whether a configured carrier takes messages."""
    kind = CARRIER_KINDS.get(carrier.kind)
    return kind is not None and kind.messages(carrier.shown)


RENDERERS: dict[str, Renderer] = {
    "iletimerkezi": ILETIMERKEZI_CALLBACKS,
    "comtohome": COMTOHOME_CALLBACKS,
    "sms4sats": SMS4SATS_CALLBACKS,
}
"""The dialects that tell of events, and how."""

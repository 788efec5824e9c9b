"""`ulak sandbox`: a server to try things with; what carries, what is rented and what pays is made up."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulak.cli.common import prepared
from ulak.cli.serve import SandboxFlags, ServerFlags, run
from ulak.cli.smsc import endings
from ulak.config import Config
from ulak.core.times import ISTANBUL
from ulak.service import carriers, keys
from ulak.service import sandbox as service
from ulak.service.sandbox import Demo
from ulak.store.engine import Database, Tx
from ulak.store.vault import Vault
from ulak.store.writer import sync_write

if TYPE_CHECKING:
    from ulak.wiring import Running

_CARRIER = {"host": "127.0.0.1", "system_id": "sandbox", "window": "100"}
# Any other carrier that somebody adds goes first.
_LAST_CHOICE = {"priority": "100"}

_PARCEL: dict[str, Any] = {
    "preference": 1,
    "consignor": {
        "name": "Ulak Deneme A.Ş.",
        "country": "TR",
        "state": "İstanbul",
        "city": "Kadıköy",
        "postal_code": "34710",
        "address": "Deneme Sk. 1",
        "phone_number": "+905301234567",
    },
    "consignee": {
        "name": "Ayşe Işık",
        "country": "TR",
        "state": "Bursa",
        "city": "Nilüfer",
        "postal_code": "16285",
        "address": "Örnek Cd. 2",
        "phone_number": "+905301234568",
    },
    "packages": [
        {
            "package_type": 1,
            "post_type": 4,
            "quantity": 1,
            "weight": 5.4,
            "length": 15,
            "width": 15,
            "height": 15,
            "items": [{"description": "Kitap", "currency_code": "TRY", "quantity": 1, "unit_price": 100}],
        }
    ],
}


DEFAULTS = SandboxFlags()
"""No flag given."""


def sandbox(*, flags: SandboxFlags = DEFAULTS) -> None:
    """Serve a demo account with credit and a sender, over simulated carriers, until stopped.

    Writes DIR/sandbox.json, and prints it with --json: {"url", "account", "key", "hash", "apikey", "api_key",
    "sender", "pid", "port", "smsc_port", "data"}. Otherwise prints the credentials and lines to paste
    into a shell. The credentials stay the same for the same DIR, by default $XDG_DATA_HOME/ulak-sandbox.
    """
    config = flags.server_options(data_name="ulak-sandbox")
    if not config.funding and _has_lightning():
        config = replace(config, funding="memory")
    if config.auth_failures is None:
        # Programs that are tried here send wrong keys on purpose, and one after the other.
        config = replace(config, auth_failures=0)
    run(config, lambda stop: _serve(config, stop, flags))


def _has_lightning() -> bool:
    """Whether the extra `lightning` is installed, with which invoices are made."""
    return find_spec("bolt11") is not None


async def _serve(config: Config, stop: asyncio.Event, flags: ServerFlags) -> None:
    from ulak.wiring import run_server, simulated_operator

    database = prepared(config)
    async with simulated_operator() as smsc_port:
        demo = await asyncio.to_thread(_prepare, config, database, smsc_port)
        await run_server(config, stop, partial(_ready, config, flags, demo, smsc_port))


def _prepare(config: Config, database: Database, smsc_port: int) -> Demo:
    """Everything that a sandbox has in its data."""
    known = _known(config.data / "sandbox.json")
    vault = Vault(config.data, config.key)

    def change(tx: Tx) -> Demo:
        keys.agree(tx, vault)
        demo = service.prepare(tx, known)
        _carrier(tx, service.CARRIER, "smpp", {**_CARRIER, **_LAST_CHOICE, "port": str(smsc_port)}, vault)
        _carrier(tx, service.PARCELS, "simulator", {"carries": "parcels", **_LAST_CHOICE}, vault)
        _carrier(tx, service.NUMBERS, "simulator", {"carries": "numbers", **_LAST_CHOICE}, vault)
        return demo

    return sync_write(database, change)


def _carrier(tx: Tx, name: str, kind: str, words: dict[str, str], vault: Vault) -> None:
    from ulak.wiring import CARRIER_KINDS

    check = CARRIER_KINDS[kind].check
    if any(carrier.name == name for carrier in carriers.active(tx)):
        carriers.change(tx, name, words, check, vault)
    else:
        carriers.add(tx, name, kind, words, check, vault)


def _known(path: Path) -> dict[str, str]:
    """The credentials that were written the last time."""
    try:
        document = json.loads(path.read_text("utf-8"))
        return {name: str(document[name]) for name in service.KEYS if name in document}
    except (OSError, ValueError, TypeError):
        return {}


def _ready(config: Config, flags: ServerFlags, demo: Demo, smsc_port: int, running: Running) -> None:
    document = {
        "url": running.url,
        "account": demo.account,
        "key": demo.key,
        "hash": demo.hash,
        "apikey": demo.apikey,
        "api_key": demo.api_key,
        "sender": demo.sender,
        "pid": os.getpid(),
        "port": running.port,
        "smsc_port": smsc_port,
        "data": str(config.data),
    }
    _write(config.data / "sandbox.json", json.dumps(document, indent=2) + "\n")
    if flags.json:
        flags.show(document)
    else:
        print(_welcome(document, demo), flush=True)


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and for nobody else to read."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with open(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def _welcome(document: dict[str, Any], demo: Demo) -> str:
    lines = [
        f"The sandbox serves at {document['url']} until you press Ctrl-C.",
        f"account {demo.account}, approved sender {demo.sender}",
        f"key     {demo.key}",
        f"hash    {demo.hash}",
        f"apikey  {demo.apikey}  (parcels)",
        f"api_key {demo.api_key}  (numbers, paid from a balance)",
        f"All of this is in {document['data']}/sandbox.json. Commands work beside it, e.g.",
        f"  ulak clock advance 25h --data {document['data']}",
        "",
        endings(),
        "",
        _parcel_endings(),
        "",
        _number_services(),
        "",
        "To be pasted into another shell, one after the other: each order is the account's next, and the",
        "lines that report and cancel have the ids that those before them get.",
    ]
    url = document["url"]
    for what, line in curl_lines(url, demo) + number_lines(url) + parcel_lines(url, demo):
        lines += ["", f"# {what}", line]
    return "\n".join(lines)


def _parcel_endings() -> str:
    """The magic barcodes of parcels, for people."""
    from ulak.wiring import PARCEL_ENDINGS

    first = (
        "Parcels whose specific_provider_barcode ends in these digits are special, all others are delivered:"
    )
    return "\n".join([first, *(f"  …{digits}  {what}" for digits, what in PARCEL_ENDINGS.items())])


def _number_services() -> str:
    """The magic services of rented numbers, for people."""
    from ulak.wiring import NUMBER_SERVICES

    first = "A code for one of these services is special, all others come within 5 seconds:"
    return "\n".join([first, *(f"  {service:<7} {what}" for service, what in NUMBER_SERVICES.items())])


def curl_lines(url: str, demo: Demo) -> list[tuple[str, str]]:
    """What there is to try, and the line that does it."""
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=demo.now)).astimezone(ISTANBUL)
    tomorrow = (local + timedelta(days=1)).strftime("%d/%m/%Y %H:%M")
    # The time of day, because the same text to the same number counts as a slip for ten minutes.
    text = f"Merhaba! Saat {local:%H:%M:%S}"
    sent, scheduled = str(demo.next_number), str(demo.next_number + 1)
    days = {"start": f"{local:%Y-%m-%d}", "end": f"{local + timedelta(days=9):%Y-%m-%d}"}
    line = partial(_curl, url, demo)
    reports = "report: 111 is delivered, 112 is not, 110 is under way"
    return [
        ("send", line("send-sms", _order(demo, text))),
        (reports, line("get-report", {"order": {"id": sent}})),
        ("list the orders of these days", line("get-reports", {"filter": days})),
        ("schedule for tomorrow", line("send-sms", _order(demo, f"{text}, yarın", tomorrow))),
        ("cancel what was scheduled", line("cancel-order", {"order": {"id": scheduled}})),
        ("report: 115 is cancelled", line("get-report", {"order": {"id": scheduled}})),
    ]


def number_lines(url: str) -> list[tuple[str, str]]:
    """What there is to try with rented numbers, and the line that does it."""
    json_type = "-H 'Content-Type: application/json'"
    order = (
        f"curl -sS -w '\\n' {json_type}"
        + f' -d \'{{"country": "Germany", "service": "telegram"}}\' {url}/createorder'
    )
    known = "$(grep -o '[0-9a-f]\\{64\\}' order.json | head -n 1)"
    status = f"curl -sS -w '\\n' \"{url}/orderstatus?orderId={known}\""
    return [
        ("rent a number for one code: the answer has an invoice", f"{order} | tee order.json"),
        (
            "pay the invoice, as no wallet can: its money is held",
            f"curl -sS -w '\\n' -d @order.json {url}/ulak/v1/lightning/pay",
        ),
        ("the number that was rented", status),
        ("and, some seconds later, the code that came to it: now the money is taken", status),
    ]


def parcel_lines(url: str, demo: Demo) -> list[tuple[str, str]]:
    """What there is to try with parcels, and the line that does it."""
    # The account's own name for it: what the carrier calls it is not known before.
    reference = f"DEMO-{demo.now // 1000}"
    consignments = f"{url}/api/v1/consignments"
    key = f"-H 'APIKEY: {demo.apikey}'"
    body = json.dumps({**_PARCEL, "reference_no": reference}, ensure_ascii=False)
    create = f"curl -sS -w '\\n' {key} -H 'Content-Type: application/json' -d '{body}' {consignments}"
    find = f"{consignments}/find/reference_no/{reference}"
    address = f"$(curl -sS {key} {find} | grep -o 'http[^\"]*_hash=[^\"]*')"
    return [
        ("send a parcel: its price is held, its label made", create),
        ("find it by your own reference: 1 is sent to the carrier", f"curl -sS -w '\\n' {key} {find}"),
        ("its label, from the address in that answer", f'curl -sS -o label.pdf "{address}"'),
    ]


def _order(demo: Demo, text: str, when: str = "") -> dict[str, Any]:
    return {
        "order": {
            "sender": demo.sender,
            "sendDateTime": when,
            "iys": "0",
            "message": {"text": text, "receipents": {"number": ["905301234567"]}},
        }
    }


def _curl(url: str, demo: Demo, operation: str, fields: dict[str, Any]) -> str:
    body = {"request": {"authentication": {"key": demo.key, "hash": demo.hash}, **fields}}
    sent = json.dumps(body, ensure_ascii=False)
    return f"curl -sS -w '\\n' -H 'Content-Type: application/json' -d '{sent}' {url}/v1/{operation}/json"

"""A server as its operator sees it: metrics that agree with what happened, a log without numbers and secrets,
a pause, a stop that requests survive, and a backup that sends nothing twice."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from tests.chain import parcel_rig
from tests.chain.number_rig import SEND, Buyer
from tests.chain.rig import CREDITS, Http, Server, until
from tests.chain.smsc import Smsc

from ulak.cli.app import main
from ulak.core.ledger import SAT
from ulak.core.spellings import Spellings
from ulak.service import accounts, audit, credits, mailboxes
from ulak.store.dump import dump
from ulak.store.engine import Database, Sql, Tx

OpenSmsc = Callable[..., Awaitable[Smsc]]

FIRST = 905_301_234_567
ABROAD = 4915112345678
SPELLED = ("+4915112345678", "+49 151 12345678", "0049 (151) 1234-5678", "0151-12345678")
PASSWORD = "smpppw99"
TOKEN = "for-the-machine-that-looks"
CAMPAIGN = range(905_380_000_001, 905_380_000_301)


class Commands:
    """Commands in this process, on the data of a server: starting one for each would take a second."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    async def __call__(self, server: Server, *words: str) -> Any:
        """What it printed."""
        place = ("--data", str(server.database.directory), "--json")
        code = await asyncio.to_thread(main, [*words, *place])
        said = self._capfd.readouterr()
        assert code == 0, said.err
        return json.loads(said.out)


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capfd)


async def told(http: Http) -> tuple[dict[str, float], str]:
    """The samples of `/metrics`, by name and labels, and the page."""
    answer = await http.ask("GET", "/metrics")
    assert answer.status == 200
    page = answer.body.decode()
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found, page


@pytest_asyncio.fixture
async def watched(sqlite_database: Database) -> AsyncIterator[Server]:
    """A server whose operator looks."""
    options = {"ULAK_METRICS_TOKEN": TOKEN, "ULAK_DRAIN": "2s", "ULAK_LOG_FORMAT": "json"}
    found = Server(sqlite_database.directory, None, options=options)
    yield found
    await found.close()


async def test_what_an_operator_sees(watched: Server, open_smsc: OpenSmsc, cli: Commands) -> None:
    server, smsc = watched, await open_smsc()
    keys = server.account()
    server.carrier("link", smsc.port, password=PASSWORD)
    await server.start()
    customer, http = server.customer(keys), Http(server.port)
    server.closes(http)

    # Work, and what is refused.
    for place in range(3):
        await customer.final(await customer.order(f"Merhaba {place}", [FIRST + place, FIRST + 100 + place]))
    assert (await customer.send("x", [FIRST], sender="WRONG"))[0] == 450
    assert (await customer.ask("cancel-order", order={"id": "7"}))[0] == 455
    assert (await http.ask("POST", f"/v1/{FIRST}/json")).status == 404
    assert (await http.ask("GET", f"/orderstatus?orderId={keys.key}")).status == 404
    seen, page = await told(http)
    dialect = "dialect=iletimerkezi"
    assert seen[f"ulak_orders_total{{{dialect},result=accepted}}"] == 3
    assert seen[f"ulak_orders_total{{{dialect},result=sender_not_approved}}"] == 1
    assert seen[f"ulak_order_parts_total{{{dialect}}}"] == 6
    assert seen["ulak_messages_final_total{outcome=delivered}"] == 6
    assert seen["ulak_reports_total{effect=applied}"] == 6
    assert seen["ulak_link_outcomes_total{link=link,outcome=accepted}"] == 6
    assert seen["ulak_link_answer_seconds_count{link=link}"] == 6
    assert (seen["ulak_link_up{link=link}"], seen["ulak_link_in_flight{link=link}"]) == (1, 0)
    assert seen[f"ulak_http_requests_total{{{dialect},operation=send-sms,status=2xx}}"] == 3
    assert seen[f"ulak_http_requests_total{{{dialect},operation=unknown,status=4xx}}"] == 1
    assert seen["ulak_http_requests_total{dialect=sms4sats,operation=orderstatus,status=4xx}"] == 1
    assert seen["ulak_held{asset=SMS}"] == 0
    assert seen["ulak_database_up"] == seen["ulak_ready"] == 1
    assert [word for word in (keys.key, keys.hash, PASSWORD, TOKEN, str(FIRST)[2:]) if word in page] == []

    # Paused: orders are taken and wait, and the server stays ready.
    await cli(server, "dispatch", "pause")
    await until(lambda: '"dispatch.paused"' in server.log(), 10, "the server has noticed")
    waiting = await customer.order("Sonra", [FIRST])
    assert (await server.ready())[1]["links"] == {"link": "paused"}
    assert (await server.ready())[0] == 200
    assert len(smsc.submits) == 6
    await cli(server, "dispatch", "resume")
    await customer.final(waiting)
    assert len(smsc.submits) == 7

    # Something of ours breaks, with a number and a key in its hands.
    broken = json.dumps({str(FIRST): PASSWORD}) + f"{keys.key} {FIRST}"
    before = server.sql("SELECT settings FROM account WHERE name = 'acme'")[0][0]
    server.write(lambda tx: tx.run(Sql("UPDATE account SET settings = :it WHERE name = 'acme'"), it=broken))
    body = json.dumps({"request": {"authentication": {"key": keys.key, "hash": keys.hash}}}).encode()
    answer = await http.ask("POST", "/v1/get-balance/json", body)
    assert (answer.status, answer.json["response"]["status"]["code"]) == (500, 500)
    server.write(lambda tx: tx.run(Sql("UPDATE account SET settings = :it WHERE name = 'acme'"), it=before))

    # Asked to stop, it goes on taking requests for a moment, says so, and then finishes.
    os.kill(server.pid, signal.SIGTERM)
    await until(lambda: _stopping(server), 5, "it says that it stops")
    status, order = await customer.send("Son", [FIRST + 1])
    assert status == 200
    await server.ended()
    assert server.read(audit.check) == []
    lines = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
    crashes = [line for line in lines if line["event"] == "door.crashed"]
    assert [line["request"] for line in crashes] == [answer.headers["x-request-id"]]
    assert crashes[0]["exception"]
    for secret in (keys.key, keys.hash, PASSWORD, TOKEN, "5301234", "530 123"):
        assert secret not in server.log(), secret
    assert server.sql(f"SELECT count(*) FROM sms_order WHERE number = {order}") == [(1,)]


def buyer(server: Server) -> str:
    """A new account that buys messages; its key."""

    def create(tx: Tx) -> str:
        made = accounts.create(tx, "buyer")
        credits.grant(tx, "buyer", 2 * SEND, SAT)
        return made.sms4sats_key

    key: str = server.write(create)
    return key


def stands(server: Server) -> tuple[bool, bool]:
    """Whether the number abroad stands in the database's files, and in the log."""
    digits = rb"[\W_]{0,6}".join(b"%c" % digit for digit in str(ABROAD)[2:].encode())
    pattern = re.compile(digits + rb"|" + re.escape(ABROAD.to_bytes(6, "big")))
    files = b"".join(path.read_bytes() for path in sorted(server.database.directory.glob("ulak.db*")))
    log = server.log().encode()
    return bool(pattern.search(files)), bool(pattern.search(log) or Spellings(ABROAD).within(log))


async def test_an_erased_number_is_in_no_log(watched: Server, open_smsc: OpenSmsc, cli: Commands) -> None:
    """It was in the hands of all three dialects, and of an operator, in whatever spelling."""
    server, smsc = watched, await open_smsc()
    keys, key, shipper = server.account(), buyer(server), parcel_rig.account(server, "shipper")
    server.carrier("link", smsc.port)
    parcel_rig.add_carrier(server, "p", "simulator", carries="parcels")
    await server.start()
    customer, shop = server.customer(keys), parcel_rig.Shop(server, shipper)
    trade = Buyer(server, key)
    server.closes(trade.http)
    for spelled in SPELLED:
        await customer.final(await customer.order(f"Ara: {spelled}", [FIRST]))
        assert (await customer.send(spelled, [FIRST], sender=spelled))[0] == 450
        to = parcel_rig.PARTY | {"phone_number": spelled.replace("0151", "+49151")}
        made = await shop.post(f"to:{spelled}".replace(" ", "-"), consignee=to)
        assert made.status == 200, made.body
        assert (await shop.post(spelled, consignee=to | {"name": ""})).status == 422
        query = urlencode({"orderId": spelled, "phone": spelled})
        assert (await trade.ask("GET", f"/orderstatus?{query}")).status == 404
        assert (await trade.ask("GET", f"/{quote(spelled)}")).status == 404
        assert (await trade.ask("POST", "/createsendorder", f'{{"phone": "{spelled}"'.encode())).status == 400
    for spelled in SPELLED[:2]:
        bought = await trade.message(spelled, immediate=True)
        await trade.sees(bought, paid=True)
    await until(lambda: len(smsc.submits) == len(SPELLED) + 2, 15, "everything was sent")
    server.write(lambda tx: mailboxes.add(tx, "acme", 4930))
    smsc.write("link", str(ABROAD), "4930", f"Hallo, {SPELLED[2]}")
    await until(lambda: server.sql("SELECT 1 FROM incoming") != [], 10, "it has come in")
    # Something of ours breaks in each, with the number in its hands.
    before = server.sql("SELECT settings, id FROM account")
    put = Sql("UPDATE account SET settings = :it WHERE id = :id")
    for _, account_id in before:
        server.write(lambda tx: tx.run(put, it=" ".join(SPELLED), id=account_id))  # noqa: B023
    assert (await customer.ask("get-balance"))[0] == 500
    assert (await trade.ask("GET", "/balance")).status == 500
    assert (await shop.ask("GET", "/consignments")).status == 500
    for settings, account_id in before:
        server.write(lambda tx: tx.run(put, it=settings, id=account_id))  # noqa: B023
    assert stands(server) == (True, False)
    done = await cli(server, "erase", SPELLED[1], "--yes")
    assert (done["left"], done["left_files"]) == ({}, [])
    assert done["rows"].keys() >= {"consignment", "incoming", "message", "order_text", "purchase"}
    assert server.read(audit.check) == []
    await server.stop()
    assert stands(server) == (False, False)
    assert server.log().count('"door.crashed"') == 3


async def _stopping(server: Server) -> bool:
    status, state = await server.ready()
    return status == 503 and bool(state["stopping"])


async def test_who_asks_twice_gets_an_end_at_once(sqlite_database: Database) -> None:
    server = Server(sqlite_database.directory, None, options={"ULAK_DRAIN": "60s"})
    await server.start()
    try:
        os.kill(server.pid, signal.SIGTERM)
        await until(lambda: _stopping(server), 5, "it says that it stops")
        os.kill(server.pid, signal.SIGTERM)
        with pytest.raises(AssertionError, match=str(128 + signal.SIGTERM)):
            await server.ended()
    finally:
        await server.close()


@pytest.mark.fault(
    "restore under load", "a backup is taken while a campaign is sent; the machine is lost at its end"
)
async def test_a_backup_under_load_sends_nothing_twice(
    sqlite_server: Server,
    open_smsc: OpenSmsc,
    cli: Commands,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("runs", 1)
    server, smsc = sqlite_server, await open_smsc(answer_delay=(0.02, 0.06), receipt_delay=(0.0, 0.1))
    keys = server.account()
    server.carrier("link", smsc.port, window=20)
    await server.start()
    customer = server.customer(keys)
    campaign = await customer.order("kampanya", CAMPAIGN)
    await until(lambda: len(smsc.submits) >= 100, 15, "the campaign is under way")
    file = tmp_path / "one.zip"
    with file.open("wb") as to:
        # A command would need a second to start.
        await asyncio.to_thread(server.read, lambda tx: dump(tx, to, version="1"))
    assert len(smsc.submits) < len(CAMPAIGN), "not exercised: everything was sent before the backup"
    await customer.final(campaign)
    server.kill()

    sent = len(smsc.submits)
    there = Server(tmp_path / "there", None)
    told = await cli(there, "restore", str(file), "--late", "give-up")
    assert (told["broken"], told["dispatch"]) == ([], "paused")
    held, given_up = told["unsure"], told["late"]["messages"]
    assert held <= 20
    (tmp_path / "there" / "key").write_bytes((server.database.directory / "key").read_bytes())
    await there.start()
    try:
        again = there.customer(keys)
        await cli(there, "dispatch", "resume")
        await cli(there, "message", "unsure", "fail", "--all")
        fresh = await again.order("yeni", [FIRST])
        assert int(fresh) > int(campaign) + 1_000_000, "numbers that may be known are not given again"
        await again.final(fresh)
        # What the operator had, and whose receipts the lost machine got, waits for a report as long as any.
        report = await again.report(campaign)
        assert report["undelivered"] == held + given_up
        assert report["delivered"] + report["waiting"] == len(CAMPAIGN) - held - given_up
        assert await again.balance() == CREDITS - report["delivered"] - report["waiting"] - 1
        assert there.read(audit.check) == []
    finally:
        await there.close()
    assert len(smsc.submits) == sent + 1
    assert smsc.repeats == 0

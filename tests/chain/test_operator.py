"""What an operator changes on the command line holds for the running server at once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from tests.chain.rig import Customer, Keys, Server, until

NUMBER = 905_370_000_001


def _keys(made: dict[str, dict[str, str]], name: str) -> Keys:
    return Keys(name, made["iletimerkezi"]["key"], made["iletimerkezi"]["hash"])


class TestAccountChanges:
    """Each is asked for over a connection that was open before."""

    async def test_credit_and_senders(self, server: Server) -> None:
        await server.start()
        made = await server.cli("account", "create", "late")
        customer = server.customer(_keys(made, "late"))
        assert await customer.send("merhaba", [NUMBER]) == (450, "")
        await server.cli("sender", "approve", "late", "ULAK")
        assert await customer.send("merhaba", [NUMBER]) == (402, "")
        await server.cli("credit", "grant", "late", "3")
        assert (await customer.send("merhaba", [NUMBER]))[0] == 200
        assert await customer.balance() == 2
        assert (await customer.send("merhaba", [NUMBER, NUMBER + 1, NUMBER + 2]))[0] == 402

    async def test_access(self, sqlite_server: Server) -> None:
        server = sqlite_server
        keys = server.account()
        await server.start()
        customer = server.customer(keys)
        assert (await customer.ask("get-balance"))[0] == 200
        for shut, opened in (
            (("account", "api-access", "off", "acme"), ("account", "api-access", "on", "acme")),
            (("account", "set", "acme", "ips=192.0.2.0/24"), ("account", "set", "acme", "ips=")),
        ):
            await server.cli(*shut)
            assert (await customer.ask("get-balance"))[0] == 401
            assert await customer.send(f"merhaba {shut}", [NUMBER]) == (401, "")
            await server.cli(*opened)
            assert (await customer.ask("get-balance"))[0] == 200
            assert (await customer.send(f"merhaba {opened}", [NUMBER]))[0] == 200


async def test_a_sandbox_moves_its_clock(sqlite_server: Server) -> None:
    """An order for the next hour goes when the clock is put forward, and the operator delivers it."""
    server = sqlite_server
    await server.start("sandbox")
    document = json.loads((server.database.directory / "sandbox.json").read_text())
    customer: Customer = server.customer(Keys("demo", document["key"], document["hash"]))
    when = datetime.now(UTC) + timedelta(hours=4)  # three of them are Istanbul's
    order = await customer.order("yarın görüşürüz", [NUMBER], when=when.strftime("%d/%m/%Y %H:%M"))
    status, _ = await customer.ask("get-report", order={"id": order})
    assert status == 456
    assert (await server.cli("clock", "advance", "59m"))["ahead_ms"] == 59 * 60_000
    assert (await server.cli("clock", "advance", "70s"))["ahead_ms"] == 59 * 60_000 + 70_000

    async def due() -> bool:
        return (await customer.ask("get-report", order={"id": order}))[0] == 200

    await until(due, 5, "the order is due")
    assert (await customer.final(order, 5))["message"] == [{"number": f"+{NUMBER}", "status": 111}]

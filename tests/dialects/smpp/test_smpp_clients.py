"""Clients of others with our simulator: they bind, send, and understand its receipts."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
import smpp34
import smpplib.client
import smpplib.gsm
from tests.peers.desk import until
from tests.peers.kannel import kannel
from tests.peers.links import simulated

from ulak.dialects.smpp.reading import Chain
from ulak.dialects.smpp.serve import Simulator

LONG = "Uzun bir metin, birkac parca. " * 12


def texts(simulator: Simulator) -> list[str]:
    """The texts in the log, those of several parts joined."""
    return ["".join(entry.read().text for entry in simulator.log)] if simulator.log else []


def send_with_smpplib(port: int, text: str) -> dict[str, Any]:
    """Send a text, wait for its receipts, ask whether the server is there, leave."""
    seen: dict[str, Any] = {"ids": [], "receipts": [], "states": []}

    def received(pdu: Any) -> int:
        seen["receipts"].append(pdu.receipted_message_id.decode())
        seen["states"].append(pdu.message_state)
        return 0

    client = smpplib.client.Client("127.0.0.1", port, timeout=10, allow_unknown_opt_params=True)
    client.set_message_sent_handler(lambda pdu: seen["ids"].append(pdu.message_id.decode()))
    client.set_message_received_handler(received)
    client.connect()
    client.bind_transceiver(system_id="smpplib", password="secret")
    parts, encoding, esm_class = smpplib.gsm.make_parts(text)
    for part in parts:
        client.send_message(
            source_addr_ton=5,
            source_addr="ACME",
            dest_addr_ton=1,
            dest_addr_npi=1,
            destination_addr="905321234567",
            short_message=part,
            data_coding=encoding,
            esm_class=esm_class,
            registered_delivery=True,
        )
    while len(seen["receipts"]) < len(parts):
        client.read_once()
    client.unbind()
    client.disconnect()
    seen["parts"] = len(parts)
    return seen


@pytest.mark.parametrize("text", ["Hello @ £", "Şişli ağaç 🚚", LONG, "ж" * 150])
async def test_smpplib(text: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "smpplib")
    async with simulated(delay=0.02) as simulator:
        seen = await asyncio.to_thread(send_with_smpplib, simulator.port, text)
        assert texts(simulator) == [text]
        assert seen["ids"] == [entry.reference for entry in simulator.log]
        assert seen["receipts"] == seen["ids"]
        assert seen["states"] == [2] * seen["parts"]
        await until(lambda: simulator.sessions == [], "it has unbound")
        assert simulator.counts["acknowledged"] == seen["parts"]


async def test_smpp34() -> None:
    async with simulated(delay=0.02) as simulator:
        client = smpp34.Client(
            host="127.0.0.1", port=simulator.port, system_id="x", password="y", bind_type="TRX"
        )
        session = await client.connect()
        answers = [
            await session.submit_sm(
                destination_addr=number, source_addr="ACME", short_message=b"Hello", registered_delivery=1
            )
            for number in ("905321234567", "905321239003", "905321239001")
        ]
        assert [answer.command_status for answer in answers] == [0, 0x0B, 0]
        assert [answer.message_id for answer in answers if answer.is_success] == [
            entry.reference for entry in simulator.log
        ]
        events: list[Any] = [await asyncio.wait_for(session.next(), 10) for _ in range(2)]
        events.sort(key=lambda event: str(event.source_addr))  # smpp34 hands them out in any order
        assert b"stat:DELIVRD" in events[0].short_message
        assert b"stat:UNDELIV" in events[1].short_message
        assert [event.source_addr for event in events] == ["905321234567", "905321239001"]
        assert {event.esm_class for event in events} == {4}
        await until(lambda: simulator.counts["acknowledged"] == 2, "both are acknowledged")
        await session.unbind()
        await client.stop()
        await until(lambda: simulator.sessions == [], "it has unbound")


async def test_kannel(tmp_path: Path) -> None:
    async with simulated(delay=0.02) as simulator, kannel(simulator.port, tmp_path) as gateway:
        await until(lambda: simulator.sessions == ["kannel"], "bearerbox is bound")
        assert (await gateway.send("ACME", "+905321234567", "Merhaba {Kannel}")).startswith("0:")
        await until(lambda: "1" in gateway.reports, "it has told of the delivery")
        assert [entry.read().text for entry in simulator.log] == ["Merhaba {Kannel}"]
        assert simulator.log[0].destination.lstrip("+") == "905321234567"
        simulator.log.clear()

        await gateway.send("ACME", "905321239001", "Şişli ağaç 🚚 " * 9)
        await until(lambda: "2" in gateway.reports, "it has told of the failure")
        assert texts(simulator) == ["Şişli ağaç 🚚 " * 9]
        chains = [entry.read().chain for entry in simulator.log]
        assert [chain and (chain.total, chain.part) for chain in chains] == [
            (len(chains), part) for part in range(1, len(chains) + 1)
        ]
        assert all(isinstance(chain, Chain) for chain in chains)

        await gateway.send("ACME", "905321239003", "rejected")
        await until(lambda: "16" in gateway.reports, "it has told of the rejection")
    assert simulator.counts["turned_away"] == 0

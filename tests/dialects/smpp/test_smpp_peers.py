"""A link of ours to servers of others: they decode what was sent, and we understand their receipts."""

from __future__ import annotations

from typing import Any

import pytest
from tests.peers.desk import until
from tests.peers.links import linked
from tests.peers.smsc import PeerSmsc, node_smsc, smpp34_smsc

from ulak.core.ports import Accepted, Outgoing, Report, ReportState
from ulak.core.text import encoding_of, split

PANGRAM = "Pijamalı hasta yağız şoföre çabucak güvendi. "
TEXTS = [
    "Merhaba, kodunuz 123456",
    "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ{}[]~\\^|€",
    "Şişli'de ağaç dikildi, İğdır'da ılık",
    "Kargonuz yolda 🚚 Привет",
    "x" * 160,
    "y" * 153 * 7,
    "y" * 152 + "€" + "z" * 200,
    PANGRAM * 20,  # seven parts
    ("🚚ж" * 160)[:420],  # seven parts, surrogate pairs across their borders
]


def batch() -> list[Outgoing]:
    return [Outgoing(n, 905_321_230_000 + n, "ACME", text) for n, text in enumerate(TEXTS)]


async def send_everything(smsc: PeerSmsc, parts: int, **settings: Any) -> None:
    """Send the texts in so many parts, and compare everything that the two sides saw."""
    async with linked(smsc.port, **settings) as (link, desk):
        link.submit(batch())
        await smsc.got(parts)
        await until(lambda: len(desk.outcome) == len(TEXTS), "all have their outcome")
        expected = {str(message.number): [message.text] for message in batch()}
        assert smsc.texts() == expected
        assert {submit.source for submit in smsc.submits} == {"ACME"}
        for message in batch():
            number = str(message.number)
            own = [submit for submit in smsc.submits if submit.destination == number]
            own.sort(key=lambda submit: submit.chain)  # smpp34 hands them out in any order
            assert desk.outcome[message.id] == Accepted(tuple(submit.id for submit in own))
        reports = sorted(desk.reported, key=lambda report: int(report.reference, 16))
        assert reports == [
            Report(submit.id, int(submit.destination), ReportState.DELIVERED, "DELIVRD 000")
            for submit in sorted(smsc.submits, key=lambda submit: int(submit.id, 16))
        ]
    assert smsc.refused == []


# Two connections only to node: the server of smpp34 1.5.0 takes the answers of a receiver for errors, also
# those of its own client.
@pytest.mark.parametrize(
    ("peer", "settings"),
    [
        (node_smsc, {}),
        (node_smsc, {"payload": "udh16"}),
        (node_smsc, {"bind": "transmitter+receiver"}),
        (smpp34_smsc, {}),
        (smpp34_smsc, {"payload": "udh16"}),
    ],
)
async def test_texts_arrive_as_they_were(peer: Any, settings: dict[str, str]) -> None:
    wide = settings.get("payload") == "udh16"
    parts = sum(len(split(text, encoding_of(text), wide_reference=wide)) for text in TEXTS)
    async with peer(0xA0) as smsc:
        await send_everything(smsc, parts, **settings)


@pytest.mark.parametrize("peer", [node_smsc, smpp34_smsc])
async def test_long_texts_arrive_in_one_piece(peer: Any) -> None:
    async with peer() as smsc:
        await send_everything(smsc, len(TEXTS), payload="message_payload")


async def test_many_messages() -> None:
    async with smpp34_smsc() as smsc, linked(smsc.port, window=50) as (link, desk):
        link.submit([Outgoing(n, 905_320_000_000 + n, "ACME", "Merhaba") for n in range(500)])
        await smsc.got(500)
        await until(lambda: len(desk.reported) == len(desk.outcome) == 500, "all are reported")

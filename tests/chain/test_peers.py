"""The whole chain, with a stranger at its end: HTTP, Ulak, an SMPP socket, a server written by others, its
receipt, get-report. What the stranger decodes is what the customer wrote."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from tests.chain.rig import CREDITS, Server
from tests.peers.smsc import PeerSmsc, node_smsc, smpp34_smsc

from ulak.service import audit

NUMBERS = [905_321_234_567, 905_401_234_567]

TEXTS = {
    "Your parcel is on its way [42] {EUR 10 | 12} ~ ^ \\ done.": 1,
    "Şu ığdır çayı güğümde: İĞÜŞÖÇ ığüşöç €5": 1,
    "Yola çıktı 🚚👨‍👩‍👧‍👦 teşekkürler ❤️": 1,
    "x" * 155: 1,
    "x" * 156: 2,
    "0123456789 the quick brown fox. " * 33: 7,
    "Sayın müşterimiz, siparişiniz ığ. " * 25: 7,
    "a👍🏽" * 90: 7,
}
"""Texts and what one recipient of them costs. The operator code that is charged for takes five characters."""

SENT = sum(TEXTS.values()) - 1
"""The parts that really travel for each number: the operator code is added by the operator, and of the texts
above only the one of 156 characters fits without it."""

FIRST_ID = 0x5F000000
"""Ids as long as those of operators: short ones, to the same number, mean something in several bases."""

Peer = Callable[[int], AbstractAsyncContextManager[PeerSmsc]]


@pytest.mark.parametrize(
    ("peer", "settings"),
    [
        pytest.param(node_smsc, {"id_form": "hex"}, id="node"),
        pytest.param(smpp34_smsc, {"payload": "udh16"}, id="smpp34"),
    ],
)
async def test_what_is_ordered_is_what_a_stranger_reads(
    server: Server, peer: Peer, settings: dict[str, str]
) -> None:
    async with peer(FIRST_ID) as smsc:
        keys = server.account()
        server.carrier("stranger", smsc.port, **settings)
        await server.start()
        customer = server.customer(keys)
        orders = {text: await customer.order(text, NUMBERS) for text in TEXTS}
        for text, order in orders.items():
            report = await customer.final(order, 20)
            assert [row["number"] for row in report["message"]] == [f"+{number}" for number in NUMBERS]
            assert {row["status"] for row in report["message"]} == {111}
            assert (report["status"], report["delivered"], report["waiting"]) == (114, 2, 0)
            assert report["price"] == TEXTS[text] * len(NUMBERS)
        await smsc.got(SENT * len(NUMBERS))
        assert smsc.refused == []
        assert len(smsc.submits) == SENT * len(NUMBERS)
        for number in NUMBERS:
            assert sorted(smsc.texts()[str(number)]) == sorted(TEXTS)
        assert {submit.source for submit in smsc.submits} == {"ULAK"}
        assert await customer.balance() == CREDITS - sum(TEXTS.values()) * len(NUMBERS)
        assert await server.cli("message", "unsure", "list") == []
        assert server.read(audit.check) == []

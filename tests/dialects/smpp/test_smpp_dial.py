"""Connecting: over TLS, and for the probe of `ulak carrier test`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.peers.certificates import Authority
from tests.peers.desk import RecordingDesk, outgoing, until
from tests.peers.links import linked, simulated
from tests.peers.scripted import Conversation, ScriptedSmsc, good

from ulak.dialects.smpp import codes
from ulak.dialects.smpp.connect import LinkError, LinkSettings, probe

# TLS


@pytest.mark.parametrize("bind", ["transceiver", "transmitter+receiver"])
async def test_tls_with_an_authority_of_ones_own(bind: str, tmp_path: Path) -> None:
    authority = Authority("Operator CA")
    ca = authority.write(tmp_path / "ca.pem")
    more: dict[str, Any] = {"tls": True, "tls_ca": str(ca), "bind": bind}
    async with simulated(delay=0.01, tls=authority.server_context(tmp_path, "127.0.0.1")) as simulator:
        desk = RecordingDesk()
        async with linked(simulator.port, desk, **more) as (link, _):
            link.submit(outgoing(1))
            await until(lambda: len(desk.reported) == 1, "it is reported")


async def test_tls_with_somebody_else_s_authority(tmp_path: Path) -> None:
    theirs = Authority("Operator CA")
    ours = Authority("Another CA").write(tmp_path / "ca.pem")
    tls = theirs.server_context(tmp_path, "127.0.0.1")
    async with simulated(tls=tls) as simulator:
        settings = LinkSettings("127.0.0.1", "ulak", port=simulator.port, tls=True, tls_ca=str(ours))
        with pytest.raises(LinkError, match="CERTIFICATE_VERIFY_FAILED"):
            await probe(settings)


async def test_tls_with_another_name_in_the_certificate(tmp_path: Path) -> None:
    authority = Authority("Operator CA")
    ca = authority.write(tmp_path / "ca.pem")
    async with simulated(tls=authority.server_context(tmp_path, "smsc.example")) as simulator:
        settings = LinkSettings("127.0.0.1", "ulak", port=simulator.port, tls=True, tls_ca=str(ca))
        with pytest.raises(LinkError, match=r"not valid for '127\.0\.0\.1'"):
            await probe(settings)


# The probe


@pytest.mark.parametrize("bind", ["transceiver", "transmitter+receiver"])
async def test_the_probe_of_a_good_link(bind: str) -> None:
    async with ScriptedSmsc(good) as smsc:
        sentence = await probe(LinkSettings("127.0.0.1", "ulak", port=smsc.port, bind=bind))
        heard = [pdu.command for pdu in smsc.conversations[0].heard]
    assert sentence.startswith(f"bound to 127.0.0.1 port {smsc.port} as ulak in ")
    assert heard[1:] == [codes.ENQUIRE_LINK, codes.UNBIND]


async def test_the_probe_says_what_is_wrong() -> None:
    async def refuse(conversation: Conversation) -> None:
        conversation.answer(await conversation.hear(), codes.ESME_RBINDFAIL)

    async def hang_up(conversation: Conversation) -> None:
        await conversation.let_bind()
        await conversation.hear()
        conversation.cut()

    async def fall_silent(conversation: Conversation) -> None:
        await conversation.let_bind()
        while True:
            await conversation.hear()

    async with ScriptedSmsc(refuse, hang_up, fall_silent) as smsc:
        settings = LinkSettings("127.0.0.1", "ulak", port=smsc.port, response_timeout=0.2)
        for sentence in (
            r"refused.*ESME_RBINDFAIL \(0x0D\)",
            "accepted the bind, then",
            "did not answer enq",
        ):
            with pytest.raises(LinkError, match=sentence):
                await probe(settings)
    with pytest.raises(LinkError, match="no connection to"):
        await probe(settings)
    with pytest.raises(LinkError, match="no connection to"):
        await probe(LinkSettings("name.invalid", "ulak"))

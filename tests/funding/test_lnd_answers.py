"""Answers that LND gives seldom or in other versions, answers of something else, settings that are none."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from tests.funding.test_invoices import HASH, made

from ulak.core.funding import CannotDo, FundingDown, InvoiceNews, InvoiceState, PaymentState
from ulak.funding.lnd import LndFunding, parse_settings

MACAROON = "0201036c6e64"
PREIMAGE = bytes(32)
INFO = {"block_height": 100, "version": "0.18.5-beta commit=v0.18.5", "chains": [{"network": "regtest"}]}
LOOK_UP, SETTLE, CANCEL = "/v1/invoice", "/v2/invoices/settle", "/v2/invoices/cancel"
HOLD, SEND, TRACK = "/v2/invoices/hodl", "/v2/router/send", "/v2/router/track"


def error(text: str, code: int = 2) -> dict[str, Any]:
    return {"code": code, "message": text, "details": []}


NOTHING = error("unable to locate invoice", 5)
NO_PAYMENT = {"error": error("payment isn't initiated", 5)}


class Stub:
    """A node that says what it was told to say, by the beginning of the path: (status, body)."""

    def __init__(self) -> None:
        self.says: dict[str, tuple[int, object]] = {"/v1/getinfo": (200, INFO)}
        self.heard: list[tuple[str, str, Any]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Grpc-Metadata-macaroon"] == MACAROON
        self.heard.append((request.method, request.path, json.loads(await request.text() or "null")))
        for path, (status, body) in self.says.items():
            if request.path.startswith(path):
                if status == 0:
                    await asyncio.sleep(60)
                text = body if isinstance(body, bytes) else json.dumps(body).encode()
                headers = {"Location": "/v1/getinfo"} if status == 302 else {}
                return web.Response(status=status, body=text, headers=headers)
        return web.json_response(error("Not Found", 5), status=404)

    def bodies(self, path: str) -> list[Any]:
        return [body for _, heard, body in self.heard if heard.startswith(path)]


@pytest_asyncio.fixture
async def stub() -> AsyncIterator[Stub]:
    stub = Stub()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stub.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield stub
    await runner.cleanup()


@pytest_asyncio.fixture
async def node(stub: Stub) -> AsyncIterator[LndFunding]:
    funding = LndFunding(stub.url, MACAROON, timeout=0.5)
    yield funding
    await funding.close()


def invoice(state: str, *htlcs: tuple[int, int, str], payreq: str = "", paid: str = "0") -> dict[str, Any]:
    """An invoice as LND says it. HTLCs: thousandths, the height of their end, state."""
    said = [{"amt_msat": str(msat), "expiry_height": end, "state": of} for msat, end, of in htlcs]
    return {"state": state, "htlcs": said, "payment_request": payreq, "amt_paid_msat": paid, "memo": "x"}


HELD = invoice("ACCEPTED", (1_500_000, 200, "ACCEPTED"))


# Where an invoice stands.


@pytest.mark.parametrize(
    ("said", "news"),
    [
        (invoice("OPEN"), InvoiceNews(InvoiceState.OPEN)),
        (invoice("CANCELED", (1_500_000, 200, "CANCELED")), InvoiceNews(InvoiceState.CANCELLED)),
        (HELD, InvoiceNews(InvoiceState.HELD, 1_500, 100)),
        (
            invoice(
                "ACCEPTED", (700_900, 250, "ACCEPTED"), (800_000, 90, "CANCELED"), (800_000, 240, "ACCEPTED")
            ),
            InvoiceNews(InvoiceState.HELD, 1_500, 140),
        ),
        (invoice("ACCEPTED", (5_000, 90, "ACCEPTED")), InvoiceNews(InvoiceState.HELD, 5, -10)),
        (invoice("ACCEPTED", paid="9000"), InvoiceNews(InvoiceState.HELD, 9, None)),
        (invoice("SETTLED", (1_500_000, 200, "SETTLED")), InvoiceNews(InvoiceState.SETTLED, 1_500)),
        (invoice("SETTLED", paid="1500999"), InvoiceNews(InvoiceState.SETTLED, 1_500)),
    ],
)
async def test_states(stub: Stub, node: LndFunding, said: object, news: InvoiceNews) -> None:
    stub.says[LOOK_UP] = 200, said
    assert await node.look_up(HASH) == news
    assert stub.heard[0][:2] == ("GET", f"/v1/invoice/{HASH.hex()}")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, NOTHING),
        (500, error("unable to locate invoice")),
        (500, error("there are no existing invoices")),
        (500, {"error": "unable to locate invoice", "code": 2, "message": "unable to locate invoice"}),
    ],
)
async def test_an_unknown_invoice(stub: Stub, node: LndFunding, status: int, said: object) -> None:
    stub.says[LOOK_UP] = status, said
    assert await node.look_up(HASH) == InvoiceNews(InvoiceState.UNKNOWN)


@pytest.mark.parametrize(
    ("status", "said", "why"),
    [
        (404, error("Not Found", 5), "do not know"),
        (404, b"<html>nginx</html>", "status 404 is not LND's"),
        (200, b"<html>welcome</html>", "not LND's"),
        (200, b"", "not LND's"),
        (200, b"\xff\xfe", "not LND's"),
        (200, {"state": "PENDING"}, "a state of an invoice that there is not"),
        (200, {"htlcs": []}, "not LND's"),
        (200, [1, 2], "not LND's"),
        (200, {"state": "OPEN", "htlcs": [{"amt_msat": "many"}]}, "not LND's"),
        (200, b" " * (5 * 1024 * 1024), "too large"),
        (302, b"", "status 302 is not LND's"),
        (401, b"", "refuses the macaroon"),
        (500, error("permission denied"), "refuses the macaroon"),
        (500, error("cannot get macaroon: root key with id 1 doesn't exist"), "refuses the macaroon"),
        (500, error("wallet locked, unlock it to enable full RPC access"), "locked, starting"),
        (
            500,
            error("the RPC server is in the process of starting up, but not yet ready"),
            "locked, starting",
        ),
        (503, b"", "locked, starting"),
        (500, error("database is closed"), r"do not know \(database is closed\)"),
        (500, b"{}", "status 500 is not LND's"),
        (0, b"", "did not answer within 0.5 seconds"),
    ],
)
async def test_answers_that_help_nobody(
    stub: Stub, node: LndFunding, status: int, said: object, why: str
) -> None:
    stub.says[LOOK_UP] = status, said
    with pytest.raises(FundingDown, match=why) as caught:
        await node.look_up(HASH)
    assert HASH.hex() not in str(caught.value)
    assert MACAROON not in str(caught.value)


async def test_the_height_is_asked_for_once_in_a_while(stub: Stub) -> None:
    times = iter((0.0, 1.0, 4.9, 5.1))
    node = LndFunding(stub.url, MACAROON, monotonic=lambda: next(times))
    stub.says[LOOK_UP] = 200, HELD
    for _ in range(4):
        await node.look_up(HASH)
    assert len(stub.bodies("/v1/getinfo")) == 2
    await node.close()


# Doing something.


@pytest.mark.parametrize(
    ("state", "settled"),
    [(invoice("SETTLED"), True), (invoice("OPEN"), False), (invoice("CANCELED"), False), (None, False)],
)
async def test_a_refused_settle_is_looked_up(
    stub: Stub, node: LndFunding, state: object, settled: bool
) -> None:
    stub.says[SETTLE] = 500, error("invoice already settled, or whatever this version says")
    stub.says[LOOK_UP] = (404, NOTHING) if state is None else (200, state)
    assert await node.settle(PREIMAGE) is settled
    assert stub.bodies(SETTLE) == [{"preimage": base64.b64encode(PREIMAGE).decode()}]


@pytest.mark.parametrize(
    ("state", "cancelled"), [(invoice("SETTLED"), False), (invoice("CANCELED"), True), (None, True)]
)
async def test_a_refused_cancel_is_looked_up(
    stub: Stub, node: LndFunding, state: object, cancelled: bool
) -> None:
    stub.says[CANCEL] = 500, error("invoice already settled")
    stub.says[LOOK_UP] = (404, NOTHING) if state is None else (200, state)
    assert await node.cancel(HASH) is cancelled


async def test_what_is_refused_though_it_could_be_done_is_tried_again(stub: Stub, node: LndFunding) -> None:
    stub.says[SETTLE] = stub.says[CANCEL] = 500, error("database is busy")
    stub.says[LOOK_UP] = 200, HELD
    with pytest.raises(FundingDown, match="refuses to settle"):
        await node.settle(PREIMAGE)
    with pytest.raises(FundingDown, match="refuses to cancel"):
        await node.cancel(HASH)
    stub.says[LOOK_UP] = 500, error("database is busy")
    with pytest.raises(FundingDown):
        await node.settle(PREIMAGE)


@pytest.mark.parametrize(
    ("payreq", "why"),
    [
        (made(2_000_000), "another amount"),
        (made(payment_hash="33" * 32), "another payment hash"),
        (made(currency="bc"), "of mainnet, not of regtest"),
        (made(min_final_cltv_expiry=40), "for 40 blocks only"),
        ("nonsense", "no Lightning invoice"),
    ],
)
async def test_invoices_that_were_not_asked_for(stub: Stub, node: LndFunding, payreq: str, why: str) -> None:
    stub.says[HOLD] = 200, {"payment_request": payreq}
    with pytest.raises(CannotDo, match=why):
        await node.create_hold(HASH, 1_500, "one code", 600)


async def test_what_an_invoice_is_asked_for_with(stub: Stub, node: LndFunding) -> None:
    stub.says[HOLD] = 200, {"payment_request": made()}
    await node.create_hold(HASH, 1_500, "one code", 600)
    assert stub.bodies(HOLD) == [
        {
            "hash": base64.b64encode(HASH).decode(),
            "value": "1500",
            "memo": "one code",
            "expiry": "600",
            "cltv_expiry": "144",
            "private": True,
        }
    ]


@pytest.mark.parametrize(
    ("refusal", "looked_up", "outcome"),
    [
        (error("invoice with payment hash already exists"), (200, invoice("OPEN", payreq=made())), None),
        (error("whatever a version says", 6), (200, invoice("CANCELED", payreq=made())), None),
        (error("payment of 1500 BTC is too large"), (404, NOTHING), CannotDo),
        (error("bad value", 3), (404, NOTHING), CannotDo),
        (error("database is busy"), (404, NOTHING), FundingDown),
        (error("database is busy"), (500, error("database is busy")), FundingDown),
    ],
)
async def test_an_invoice_that_is_refused(
    stub: Stub,
    node: LndFunding,
    refusal: object,
    looked_up: tuple[int, object],
    outcome: type[Exception] | None,
) -> None:
    stub.says[HOLD] = 500, refusal
    stub.says[LOOK_UP] = looked_up
    if outcome is None:
        assert (await node.create_hold(HASH, 1_500, "", 600)).payreq == made()
    else:
        with pytest.raises(outcome):
            await node.create_hold(HASH, 1_500, "", 600)


# Paying.


def lines(*said: object) -> bytes:
    return b"\n".join(json.dumps(line).encode() for line in said)


def paid(status: str) -> dict[str, Any]:
    return {"result": {"status": status, "payment_preimage": "00" * 32}}


@pytest.mark.parametrize(
    ("sent", "tracked", "outcome"),
    [
        ((200, lines(paid("IN_FLIGHT"), paid("SUCCEEDED"))), None, PaymentState.PAID),
        ((200, lines(paid("INITIATED"), paid("FAILED"))), None, PaymentState.FAILED),
        ((200, lines(paid("IN_FLIGHT"))), (200, lines(paid("SUCCEEDED"))), PaymentState.PAID),
        ((200, lines(paid("IN_FLIGHT"))), (200, lines(paid("IN_FLIGHT"))), PaymentState.UNDER_WAY),
        ((200, b""), (404, NO_PAYMENT), None),
        ((0, b""), (404, NO_PAYMENT), None),
        ((0, b""), (200, lines(paid("IN_FLIGHT"))), PaymentState.UNDER_WAY),
        (
            (409, {"error": error("invoice is already paid", 6)}),
            (200, lines(paid("SUCCEEDED"))),
            PaymentState.PAID,
        ),
        ((200, {"error": error("invoice expired")}), (404, NO_PAYMENT), PaymentState.FAILED),
        ((200, {"error": error("invoice expired")}), (200, NO_PAYMENT), PaymentState.FAILED),
        ((500, {"error": error("invoice expired")}), (500, error("database is busy")), None),
        ((200, b"<html>"), (404, NO_PAYMENT), None),
    ],
)
async def test_payments(
    stub: Stub,
    node: LndFunding,
    sent: tuple[int, object],
    tracked: tuple[int, object] | None,
    outcome: PaymentState | None,
) -> None:
    stub.says |= {SEND: sent} | ({} if tracked is None else {TRACK: tracked})
    if outcome is None:
        with pytest.raises(FundingDown):
            await node.pay(made(), 7, 0.3)
    else:
        assert await node.pay(made(), 7, 0.3) is outcome
    assert stub.bodies(SEND) == [{"payment_request": made(), "fee_limit_sat": "7", "timeout_seconds": 1}]


async def test_invoices_of_another_network_are_not_paid(stub: Stub, node: LndFunding) -> None:
    with pytest.raises(CannotDo, match="is of mainnet"):
        await node.pay(made(currency="bc"), 7, 1.0)
    assert not stub.bodies(SEND)


# The node itself.


async def test_health(stub: Stub, node: LndFunding) -> None:
    words = "LND 0.18.5-beta on regtest, block 100, 0 active channels, not in step with the chain"
    assert await node.health() == words
    stub.says["/v1/getinfo"] = (
        200,
        {"block_height": 1, "version": "\x1b[31m", "chains": [{"network": "simnet"}]},
    )
    assert (await node.health()).startswith("LND of an unknown version on ?, block 1")


# Settings.


@pytest.fixture
def certificate(tmp_path: Path) -> str:
    path = tmp_path / "tls.cert"
    path.write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    return str(path)


@pytest.mark.parametrize(
    ("url", "macaroon", "file", "why"),
    [
        ("127.0.0.1:8080", MACAROON, "", "must be like https"),
        ("ftp://node", MACAROON, "", "must be like https"),
        ("https://", MACAROON, "", "must be like https"),
        ("https://node/?a=1", MACAROON, "", "must be like https"),
        ("https://me:secret@node", MACAROON, "", "a user or a password"),
        ("http://node", MACAROON, "tls.cert", "does not begin with https"),
        ("https://node", "", "", "macaroon is missing"),
        ("https://node", "abc", "", "neither hexadecimal nor a file"),
        ("https://node", "no/such.macaroon", "", "neither hexadecimal nor a file"),
        ("https://node", "a\0b", "", "neither hexadecimal nor a file"),
        ("https://node", "empty", "", "file of the macaroon is empty"),
        ("https://node", MACAROON, "no/such.cert", "cannot be read"),
        ("https://node", MACAROON, "empty", "holds none"),
    ],
)
def test_settings_that_are_none(
    certificate: str, monkeypatch: pytest.MonkeyPatch, url: str, macaroon: str, file: str, why: str
) -> None:
    monkeypatch.chdir(Path(certificate).parent)
    Path("empty").touch()
    with pytest.raises(ValueError, match=why) as caught:
        parse_settings(url, macaroon, file)
    assert "secret" not in str(caught.value)


def test_settings(certificate: str) -> None:
    settings = parse_settings(" https://node.example:8080/ ", f" {MACAROON}\n", certificate)
    assert settings[:2] == ("https://node.example:8080", MACAROON)
    assert (settings.certificate or "").startswith("-----BEGIN CERTIFICATE-----")
    assert parse_settings("http://127.0.0.1:8080", MACAROON).certificate is None


async def test_a_certificate_that_is_none(certificate: str) -> None:
    node = LndFunding(*parse_settings("https://127.0.0.1:1", MACAROON, certificate))
    with pytest.raises(FundingDown, match="cannot be read"):
        await node.health()
    await node.close()

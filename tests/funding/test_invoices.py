"""Invoices: those of BOLT 11's own examples, and our own, whole and spoiled."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
from collections.abc import Callable
from typing import Any

import pytest

from ulak.core.funding import CannotDo, Invoice
from ulak.funding import invoices

KEY = "e126f68f7eafcc8b74f54d269fe206be715000f94dac067d1c04a8ca3b2db734"
PAYEE = "03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad"
"""The key that signs BOLT 11's examples, and the node it belongs to."""

HASH = bytes.fromhex("0001020304050607080900010203040506070809000102030405060708090102")
CREATED = 1_496_314_658

DONATION = (
    "lnbc1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rq"
    "wzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6twvus8g6rfwvs8qun0dfjkxaq9qrsgq357wnc5r2ueh7ck6q93dj32dlqnls087fx"
    "dwk8qakdyafkq3yap9us6v52vjjsrvywa6rt52cm9r9zqt8r2t7mlcwspyetp5h2tztugp9lfyql"
)
"""Please make a donation of any amount using payment_hash … to me @03e7… (BOLT 11, Examples)."""

COFFEE = (
    "lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcy"
    "q5rqwzqfqypqdq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s06fv3"
    "qfegext0eh0ymjpf39tuven09sam30g4vgpfna3rh"
)
"""Please send $3 for a cup of coffee to the same peer, within one minute (the same place)."""


def made(msat: int | None = 1_500_000, currency: str = "bcrt", without: str = "", **more: Any) -> str:
    """An invoice of our own. `more` are fields by their names in the library, `without` is one left out."""
    import bolt11
    from bolt11 import MilliSatoshi, Tags

    fields = {
        "payment_hash": HASH.hex(),
        "payment_secret": "11" * 32,
        "description": "one code",
        "expire_time": 600,
        "min_final_cltv_expiry": 144,
    } | more
    fields.pop(without, None)
    amount = None if msat is None else MilliSatoshi(msat)
    invoice = bolt11.Bolt11(currency, CREATED, Tags.from_dict(fields), amount)
    return bolt11.encode(invoice, KEY, ignore_exceptions=True)


def test_an_example_over_any_amount() -> None:
    terms = invoices.read(DONATION)
    assert terms == invoices.Terms(
        network="mainnet",
        payment_hash=HASH,
        amount=None,
        amount_msat=None,
        description="Please consider supporting this project",
        created=CREATED * 1_000,
        expires=(CREATED + 3_600) * 1_000,
        min_cltv=18,
        payee=bytes.fromhex(PAYEE),
    )


def test_an_example_with_an_amount_and_an_expiry() -> None:
    terms = invoices.read(COFFEE)
    assert (terms.amount, terms.amount_msat) == (250_000, 250_000_000)
    assert terms.description == "1 cup coffee"
    assert terms.expires - terms.created == 60_000
    assert invoices.read(COFFEE.upper()) == terms
    assert invoices.read(f" {COFFEE}\n") == terms


@pytest.mark.parametrize(
    ("msat", "sats"), [(1_000, 1), (1_500_000, 1_500), (1_500_001, 1_501), (1, 1), (999, 1), (None, None)]
)
def test_sats_are_rounded_up(msat: int | None, sats: int | None) -> None:
    terms = invoices.read(made(msat))
    assert (terms.amount, terms.amount_msat) == (sats, msat)


@pytest.mark.parametrize(
    ("currency", "network"), [("bc", "mainnet"), ("tb", "testnet"), ("tbs", "signet"), ("bcrt", "regtest")]
)
def test_networks(currency: str, network: str) -> None:
    assert invoices.read(made(currency=currency)).network == network


def test_descriptions() -> None:
    assert invoices.read(made(description="")).description == ""
    hashed = made(without="description", description_hash="22" * 32)
    assert invoices.read(hashed).description is None
    assert invoices.read(made(description="bir kod ✓")).description == "bir kod ✓"


def flipped(text: str, place: int) -> str:
    """The text with another character at a place."""
    other = "q" if text[place] != "q" else "p"
    return text[:place] + other + text[place + 1 :] if place != -1 else text[:-1] + other


def resigned(text: str) -> str:
    """The text with its last letter of the data before the signature changed, and the checksum made good."""
    from bech32 import bech32_decode, bech32_encode

    human, data = bech32_decode(text)
    assert human is not None
    assert data is not None
    return str(bech32_encode(human, [*data[:-104], *([0] * 104)]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lnbc",
        "nonsense",
        "1" * 50,
        "lnbc1" + "q" * 5_000,
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "LNBC" + COFFEE[4:],
        COFFEE.replace("lnbc2500u", "lnbc2600u"),
        COFFEE.replace("lnbc", "lntb"),
        COFFEE.replace("lnbc2500u", "lnxx2500u"),
        COFFEE.replace("lnbc2500u", "lnbc2500x"),
        COFFEE.replace("lnbc2500u", "lnbc2500u-7"),
        COFFEE[:-20],
        flipped(COFFEE, -1),
        flipped(COFFEE, 40),
        resigned(COFFEE),
        made(without="payment_hash"),
        made(without="payment_secret"),
    ],
)
def test_what_is_no_invoice_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(CannotDo) as caught:
        invoices.read(text)
    assert not text or text not in str(caught.value)


@pytest.fixture
def humans(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Makes invoices that are well signed, whatever stands before their last 1."""

    def make(human: str) -> str:
        module = importlib.import_module("bolt11.encode")
        monkeypatch.setattr(module, "_create_hrp", lambda *_: human)
        return made()

    return make


@pytest.mark.parametrize(
    ("human", "why"),
    [
        ("lnbcrt15p", "a part of a thousandth"),
        ("lnbcrt0n", "an amount that there is not"),
        ("lnbcrt22000000000", "an amount that there is not"),
        ("lnbcrt007n", "no Lightning invoice"),
        ("lnbcrt7n-", "no Lightning invoice"),
    ],
)
def test_amounts_that_there_are_not(humans: Callable[[str], str], human: str, why: str) -> None:
    with pytest.raises(CannotDo, match=why):
        invoices.read(humans(human))


@pytest.mark.parametrize(
    ("human", "msat"), [("lnbcrt", None), ("lnbcrt20p", 2), ("lnbcrt7m", 700_000_000), ("lnbcrt1", 10**11)]
)
def test_amounts_that_there_are(humans: Callable[[str], str], human: str, msat: int | None) -> None:
    assert invoices.read(humans(human)).amount_msat == msat


def test_an_invoice_is_what_was_asked_for() -> None:
    text = made()
    wanted = Invoice(text, HASH, 1_500, (CREATED + 600) * 1_000)
    assert invoices.check(text, HASH, 1_500, "regtest") == wanted
    assert invoices.check(text, HASH, 1_500, min_cltv=144) == wanted
    assert invoices.check_plain(text, 1_500, "regtest") == wanted


@pytest.mark.parametrize(
    ("text", "payment_hash", "amount", "network", "why"),
    [
        (made(), bytes(32), 1_500, "regtest", "another payment hash"),
        (made(), HASH, 1_501, "regtest", "another amount"),
        (made(1_499_001), HASH, 1_500, "regtest", "another amount"),
        (made(None), HASH, 1_500, "regtest", "another amount"),
        (made(), HASH, 1_500, "mainnet", "of regtest, not of mainnet"),
        ("lnbcrt1qqqqqq", HASH, 1_500, "regtest", "cannot be read"),
    ],
)
def test_an_invoice_is_not_what_was_asked_for(
    text: str, payment_hash: bytes, amount: int, network: str, why: str
) -> None:
    with pytest.raises(CannotDo, match=why):
        invoices.check(text, payment_hash, amount, network)


def test_an_invoice_whose_payment_cannot_be_held_for_long() -> None:
    with pytest.raises(CannotDo, match="for 144 blocks only"):
        invoices.check(made(), HASH, 1_500, min_cltv=145)


async def test_off_the_loop() -> None:
    text = made()
    read, checked, plain = await asyncio.gather(
        invoices.read_aside(text),
        invoices.check_aside(text, HASH, 1_500, "regtest"),
        invoices.check_plain_aside(text, 1_500),
    )
    assert read == invoices.read(text)
    assert checked == plain == invoices.check(text, HASH, 1_500)
    with pytest.raises(CannotDo):
        await invoices.check_aside(text, HASH, 1, "regtest")


def test_hashes_of_preimages() -> None:
    preimage = bytes(range(32))
    assert invoices.hash_of(preimage) == hashlib.sha256(preimage).digest()
    with pytest.raises(ValueError, match="32 octets"):
        invoices.hash_of(preimage[:-1])

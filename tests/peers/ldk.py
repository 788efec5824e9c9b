"""Two LDK nodes behind LND's REST interface, in a process of their own: see ldk_peer.mjs.

with ldk_peer(tmp_path) as peer:
    … a server with peer.merchant.url, peer.macaroon, peer.certificate …
    assert await peer.payer.pay(invoice) == "IN_FLIGHT"   # the merchant holds it
    …
    assert (await peer.payer.outcome(payment_hash))["status"] == "SUCCEEDED"

The process is started and ended without an event loop, so that one may serve the tests of a whole module.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import secrets
import selectors
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FOLDER = Path(__file__).parent

MISSING = shutil.which("node") is None or not (FOLDER / "node_modules" / "lightningdevkit").is_dir()
"""Whether the peer cannot be started here."""

WHY_MISSING = "needs node and the packages of tests/peers"

_START = 60.0


class LdkNode:
    """One of the two nodes, as its owner asks it."""

    def __init__(self, port: int, macaroon: str, certificate: Path | None) -> None:
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
        self._headers = {"Grpc-Metadata-macaroon": macaroon}
        self._certificate = certificate

    async def lines(self, method: str, path: str, body: object = None) -> list[Any]:
        """All lines of an answer."""
        return [line async for line in self._lines(method, path, body)]

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """One answer. Fails if it is an error."""
        (answer,) = await self.lines(method, path, body)
        assert "message" not in answer, answer
        return answer

    async def pay(self, payreq: str) -> str:
        """Begin to pay. IN_FLIGHT: the other side holds it; SUCCEEDED and FAILED are final."""
        body = {"payment_request": payreq, "fee_limit_sat": "10", "timeout_seconds": 60}
        async for line in self._lines("POST", "/v2/router/send", body):
            return str(line["result"]["status"] if "result" in line else line["error"]["message"])
        raise AssertionError("no answer")

    async def outcome(self, payment_hash: bytes) -> Any:
        """Wait for the end of a payment: `status`, and the `payment_preimage` in hexadecimal."""
        coded = base64.urlsafe_b64encode(payment_hash).decode()
        *_, last = await self.lines("GET", f"/v2/router/track/{coded}")
        return last["result"]

    async def balance(self) -> int:
        """Its part of the channel in thousandths of a sat, without what is under way."""
        return int((await self.ask("GET", "/v1/balance/channels"))["local_balance"]["msat"])

    async def invoice(self, sats: int, memo: str = "") -> str:
        """An invoice whose payment it takes at once."""
        made = await self.ask("POST", "/v1/invoices", {"value": str(sats), "memo": memo})
        return str(made["payment_request"])

    async def _lines(self, method: str, path: str, body: object) -> Any:
        import aiohttp

        tls = ssl.create_default_context(cafile=self._certificate) if self._certificate else False
        timeout = aiohttp.ClientTimeout(total=30)
        async with (
            aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session,
            session.request(method, self.url + path, json=body, ssl=tls) as response,
        ):
            async for line in response.content:
                yield json.loads(line)


class LdkPeer:
    """Both nodes. Ports and state stay the same when it is started again."""

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        """`folder` is where its state and its certificate are kept."""
        self.macaroon = secrets.token_hex(32)
        self.certificate = folder / "tls.cert" if tls else None
        self._options: dict[str, Any] = {"macaroon": self.macaroon, "state": str(folder / "ldk.state")}
        if self.certificate:
            write_certificate(self.certificate, folder / "tls.key")
            self._options |= {"certificate": str(self.certificate), "key": str(folder / "tls.key")}
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it and wait until it can be used, some 1.5 seconds."""
        assert self._process is None
        self._process = subprocess.Popen(
            ["node", "ldk_peer.mjs", json.dumps(self._options)],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            ports = self._options["ports"] = self._read_ports()
        except BaseException:
            self.kill()
            raise
        self.merchant = LdkNode(ports[0], self.macaroon, self.certificate)
        self.payer = LdkNode(ports[1], self.macaroon, self.certificate)
        self._control = LdkNode(ports[2], self.macaroon, None)

    def kill(self) -> None:
        """End it without a word."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process = None

    async def mine(self, blocks: int) -> None:
        """Find blocks."""
        await self._control.ask("POST", "/mine", {"blocks": blocks})

    async def line(self, *, up: bool) -> None:
        """Cut or mend the line between both nodes."""
        await self._control.ask("POST", "/line", {"up": up})

    async def door(self, *, is_open: bool) -> None:
        """Close or open the merchant's port, the quick way to a node that is away."""
        await self._control.ask("POST", "/door", {"open": is_open})

    async def pay_other(self, payreq: str, msat: int) -> str:
        """The payer pays another amount than the invoice says."""
        said = await self._control.ask("POST", "/pay", {"payment_request": payreq, "msat": msat})
        return str(said["status"])

    def _read_ports(self) -> list[int]:
        """The ports, from the first line that is JSON; the library prints one of its own before."""
        assert self._process is not None
        assert self._process.stdout is not None
        deadline = time.monotonic() + _START
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while selector.select(deadline - time.monotonic()):
                line = self._process.stdout.readline()
                assert line, "the LDK peer did not start"
                if line.startswith(b"{"):
                    ports: list[int] = json.loads(line)["ports"]
                    return ports
        raise AssertionError("the LDK peer did not start in time")


@contextmanager
def ldk_peer(folder: Path, *, tls: bool = False) -> Iterator[LdkPeer]:
    """A peer for the length of a `with`."""
    peer = LdkPeer(folder, tls=tls)
    try:
        yield peer
    finally:
        peer.kill()


def write_certificate(certificate: Path, key: Path) -> None:
    """A certificate that signed itself, as LND makes one."""
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "lnd autogenerated cert"),
            x509.NameAttribute(NameOID.COMMON_NAME, "node"),
        ]
    )
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    names = [
        x509.DNSName("node"),
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(secret, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )

"""A full disk: nothing is taken that cannot be kept, what is kept can be asked for, and later it goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.chain.rig import Server, until
from tests.conftest import FakeClock
from tests.faults.servers import Cluster, Servers
from tests.faults.shop import AGAIN, Record, Shop
from tests.soak import SOAK

from ulak.service import audit, carriers
from ulak.store import schema
from ulak.store.engine import Database
from ulak.store.vault import Vault
from ulak.wiring import CARRIER_KINDS

KIB = 1024


class Volume:
    """A small file system of the test's own."""

    def __init__(self, size: int) -> None:
        """`size` in KiB."""
        self.path = Path(tempfile.mkdtemp(prefix="ulak-full-"))
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}k", "ulak-test", self.path],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            self.path.rmdir()
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        self.path.chmod(0o755)
        self._ballast = self.path / "ballast"

    def leave(self, size: int) -> None:
        """Fill it, but for so many KiB."""
        found = os.statvfs(self.path)
        with open(self._ballast, "ab") as ballast:
            ballast.write(bytes(max(0, found.f_bavail * found.f_frsize - size * KIB)))

    def free(self) -> None:
        """There is room again."""
        self._ballast.unlink()

    def close(self) -> None:
        """Take it away."""
        subprocess.run(["umount", "-l", self.path], check=True)
        self.path.rmdir()


@pytest.fixture
def volume() -> Iterator[Volume]:
    opened = Volume(128 * KIB)
    yield opened
    opened.close()


@pytest_asyncio.fixture
async def server(volume: Volume, sqlite_template: Path) -> AsyncIterator[Server]:
    """Data for a server on the volume, its log too."""
    found = Server(volume.path / "data", None)
    found.database.directory.mkdir()
    shutil.copy(sqlite_template, found.database.path)
    yield found
    await found.close()


@pytest.mark.fault(
    "F10 disk full", "the volume of a SQLite server's data and log is filled while orders come in, and freed"
)
async def test_a_server_on_a_disk_that_is_full(
    server: Server, volume: Volume, record_property: Record
) -> None:
    keys = server.account()
    kind, vault = CARRIER_KINDS["simulator"], Vault(server.database.directory)
    server.write(lambda tx: carriers.add(tx, "operator", "simulator", {}, kind.check, vault))
    await server.start()
    customer = server.customer(keys)
    accepted: dict[str, str] = {}
    refused: list[str] = []

    async def order() -> int:
        text = f"order {len(accepted) + len(refused):06} {'x' * 900}"
        status, number = await customer.send(text, range(905301000001, 905301000041))
        assert status in (200, 503)
        if status == 200:
            accepted[text] = number
        else:
            refused.append(text)
        return status

    assert await order() == 200
    volume.leave(2 * KIB)
    while await order() == 200:
        pass
    volume.leave(0)
    # A few may still fit into what SQLite has room for in its own files.
    for _ in range(1_000):
        if len(refused) >= 20:
            break
        await order()
    assert len(refused) >= 20
    # What is there is still told, and the log may be as full as the rest.
    assert await customer.balance() > 0
    assert (await customer.report(next(iter(accepted.values()))))["total"] == 40
    volume.free()

    async def is_taken() -> bool:
        return await order() == 200

    await until(is_taken, AGAIN, "orders are taken again")
    for number in accepted.values():
        assert (await customer.final(number, AGAIN))["delivered"] == 40
    stored = [row[0] for row in server.sql("SELECT body FROM order_text ORDER BY body")]
    assert stored == sorted(accepted)
    await server.stop()
    assert not server.read(audit.check)
    record_property("runs", len(accepted) + len(refused))


@pytest.fixture
def cluster(volume: Volume) -> Iterator[Cluster]:
    """A PostgreSQL server on the volume."""
    parent = volume.path / "servers"
    parent.mkdir()
    servers = Servers(parent)
    made = Cluster.make(servers.parent)
    made.start()
    yield made
    servers.close()


@pytest.mark.skipif(not SOAK, reason="make soak")
@pytest.mark.fault(
    "F10 disk full", "the volume of a PostgreSQL server is filled while orders come in, and freed"
)
async def test_a_postgresql_server_on_a_disk_that_is_full(
    cluster: Cluster, volume: Volume, clock: FakeClock, tmp_path: Path, record_property: Record
) -> None:
    database = Database(tmp_path, cluster.url(), clock)
    schema.prepare(database)
    shop = Shop(database, "x" * 900)
    await shop.takes_orders()
    volume.leave(4 * KIB)
    await until(lambda: len(shop.refused) >= 100, AGAIN, "orders are refused")
    volume.free()
    if not cluster.is_running():
        # It could not even write that it had crashed; its operator starts it.
        cluster.start()
    await shop.takes_orders()
    await shop.close()
    shop.check(record_property)

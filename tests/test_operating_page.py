"""docs/operating.md: every command on it is carried out or read, and it tells of every metric."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import pytest_asyncio
from tests.conftest import ClockedBooks, FakeClock

from ulak.cli.app import app, main
from ulak.config import load
from ulak.service.guard import no_guard
from ulak.store.engine import Database
from ulak.wiring import GROUP_KINDS
from ulak.wiring.metrics import Metrics
from ulak.wiring.watch import Watch

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "operating.md").read_text("utf-8")
ALERTS = (ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text("utf-8")
COMMANDS = re.findall(r"^\$ ulak (.*)$", PAGE, re.MULTILINE)
MENTIONED = sorted({" ".join(found.split()) for found in re.findall(r"`ulak\s([^`]+)`", PAGE)})


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ULAK_DATABASE", "ULAK_KEY", "ULAK_DATA", "ULAK_CONFIG"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.usefixtures("clean_environment")
def test_every_command_works(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert len(COMMANDS) > 15
    (tmp_path / "backups" / "ulak").mkdir(parents=True)
    places = {"/var/lib/ulak": "data", "/var/backups": "backups", "/srv/ulak": "there"}
    for command in COMMANDS:
        for place, name in places.items():
            command = command.replace(place, str(tmp_path / name))
        code = main(shlex.split(command))
        said = capfd.readouterr()
        assert code == 0, (command, said.err)


@pytest.mark.parametrize("line", MENTIONED)
def test_every_command_in_the_text_is_one(line: str) -> None:
    words = shlex.split(line)
    names, _, rest = app.parse_commands(words)
    assert names, "there is no such command"
    if rest:
        app.parse_args(words, print_error=False, exit_on_error=False)


@pytest_asyncio.fixture
async def metrics(sqlite_database: Database, clock: FakeClock) -> Metrics:
    """Those of a process that does everything."""

    async def ready() -> dict[str, object]:
        return {"ready": True}

    books = ClockedBooks(sqlite_database, GROUP_KINDS)
    watch = Watch(load({"data": str(sqlite_database.directory)}, {}), books, lambda: clock() / 1000)
    watch.links(list)
    watch.guard(no_guard())
    watch.web([], ready, {}, "x")
    watch.connections(lambda: 0)
    await books.close()
    return watch.metrics


# What a histogram is told as, behind its name.
_PARTS = re.compile(r"_(bucket|sum|count)$")


async def test_the_page_and_the_alerts_tell_of_what_there_is(metrics: Metrics) -> None:
    table = PAGE.split("## Metrics")[1].split("\n## ")[0]
    told = set(re.findall(r"`(ulak_\w+)`", table))
    assert told == set(metrics.names)
    assert all(text.endswith(".") for text in metrics.names.values())
    named = {_PARTS.sub("", name) for name in re.findall(r"\bulak_\w+", PAGE + ALERTS)}
    assert named - set(metrics.names) == set()


def test_the_page_counts_the_alerts() -> None:
    assert len(re.findall("- alert:", ALERTS)) == 12
    assert "has twelve alerts" in PAGE


def test_the_page_and_the_alerts_agree_when_an_order_has_waited_for_too_long() -> None:
    (threshold,) = re.findall(r"ulak_orders_due_seconds\) > (\d+)", ALERTS)
    assert re.search(rf"^\| `ulak_orders_due_seconds` .* above {threshold} \|$", PAGE, re.MULTILINE)

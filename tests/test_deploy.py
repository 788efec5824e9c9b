"""The files under deploy/: what they start is what this version takes.

Nothing is started here: there is no systemd and no container on a build machine. Units are checked by
systemd's own tool where there is one; of the rest is tested that commands and options fit.
"""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ulak.cli.app import app
from ulak.config import Config, load

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text("utf-8"))
FILLED = {
    "DOMAIN": "sms.example.org",
    "POSTGRES_PASSWORD": "a-password",
    "ULAK_KEY": "A" * 43 + "=",
    "ULAK_METRICS_TOKEN": "f" * 64,
}


def understood(words: list[str]) -> Mapping[str, Any]:
    """The flags of a command line of ours, as text."""
    _, bound, _ = app.parse_args(words, print_error=False, exit_on_error=False)
    flags = bound.arguments.get("flags") or bound.arguments.get("common")
    return {} if flags is None else vars(flags)


def options(words: list[str], environment: Mapping[str, str]) -> Config:
    """The options with which a command would work."""
    given = {"data", "database", "config", "host", "port", "role"}
    flags = {name: value for name, value in understood(words).items() if name in given}
    return load(flags, environment)


def assignments(text: str) -> dict[str, str]:
    """The variables of a file that a service or a container reads."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_what_there_is(path: Path, tmp_path: Path) -> None:
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(path)
    service = unit["Service"]
    program, *words = shlex.split(service["ExecStart"].replace("%i", "api-1"))
    environment = assignments((DEPLOY / "systemd" / "ulak.env").read_text("utf-8"))
    assert program == "/opt/ulak/bin/ulak"
    config = options(words, environment)
    state = service["StateDirectory"].replace("%i", "api-1")
    assert config.data == Path("/var/lib") / state, "it may write nowhere else"
    assert (service["User"], service["ProtectSystem"], service["NoNewPrivileges"]) == (
        "ulak",
        "strict",
        "yes",
    )
    if service.get("Type") == "notify":
        # Longer than stopping takes: nobody shall be killed who is about to end.
        assert int(service["TimeoutStopSec"]) > 15 + 60
        # Nobody is ready before the data are migrated, however long that takes.
        assert service["TimeoutStartSec"] == "infinity"

    tool = shutil.which("systemd-analyze")
    if tool is not None:
        name = path.name.replace("@", "@api-1")
        (tmp_path / name).write_text(path.read_text("utf-8").replace(program, shutil.which("true") or ""))
        checked = subprocess.run(
            [tool, "verify", tmp_path / name], capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")


TIMERS = sorted((DEPLOY / "systemd").glob("*.timer"))


@pytest.mark.parametrize("path", TIMERS, ids=lambda path: path.name)
def test_a_timer_has_something_to_start(path: Path, tmp_path: Path) -> None:
    service = path.with_suffix(".service")
    assert service in UNITS
    assert "Type=oneshot" in service.read_text("utf-8")
    tool = shutil.which("systemd-analyze")
    if tool is not None:
        true = shutil.which("true") or ""
        (tmp_path / path.name).write_text(path.read_text("utf-8"))
        (tmp_path / service.name).write_text(service.read_text("utf-8").replace("/opt/ulak/bin/ulak", true))
        checked = subprocess.run(
            [tool, "verify", tmp_path / path.name], capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")


def test_everything_that_is_over_is_pruned() -> None:
    unit = (DEPLOY / "systemd" / "ulak-prune.service").read_text("utf-8")
    (line,) = re.findall(r"^ExecStart=\S+ (.*)$", unit, re.MULTILINE)
    _, bound, _ = app.parse_args(shlex.split(line), print_error=False, exit_on_error=False)
    assert (bound.arguments["older_than"], bound.arguments["what"]) == ("90d", "all")
    assert not bound.arguments.get("dry_run")


def test_the_files_of_several_processes_fit(tmp_path: Path) -> None:
    """What docs/operating.md puts into NAME.env is taken, and is where Prometheus asks."""
    page = (ROOT / "docs" / "operating.md").read_text("utf-8")
    block = page.split("**Several processes**")[1].split("```")[1]
    shared = {"ULAK_DATABASE": "postgresql://ulak@db/ulak", "ULAK_KEY": FILLED["ULAK_KEY"]}
    ports = []
    for name, role in (("api-1", "api"), ("worker-1", "worker")):
        own = re.search(rf"/etc/ulak/{name}\.env:((?:\s+ULAK_\w+=\S+)+)", block)
        assert own is not None
        config = load({"data": str(tmp_path)}, shared | dict(line.split("=") for line in own[1].split()))
        assert (config.role, config.host) == (role, "10.0.0.11")
        ports.append(str(config.port))
    scrape = yaml.safe_load((DEPLOY / "prometheus" / "scrape.yaml").read_text("utf-8"))
    targets = scrape["scrape_configs"][0]["static_configs"][0]["targets"]
    assert [target.split(":")[1] for target in targets] == ports


def test_what_is_commented_out_in_the_example_fits_as_well() -> None:
    text = (DEPLOY / "systemd" / "ulak.env").read_text("utf-8")
    whole = assignments(re.sub(r"^#(ULAK_)", r"\1", text, flags=re.MULTILINE))
    config = load({"role": "worker"}, {name: value or FILLED[name] for name, value in whole.items()})
    assert config.role == "worker"
    assert config.drain == 5_000


def filled(text: str) -> str:
    """What compose makes of a value."""
    return re.sub(r"\$\{(\w+):\?\}", lambda found: FILLED[found[1]], text)


@pytest.mark.parametrize("name", ["api", "worker"])
def test_containers_start_with_options_that_fit(name: str) -> None:
    service = COMPOSE["services"][name]
    dockerfile = (DEPLOY / "compose" / "Dockerfile").read_text("utf-8")
    of_image = dict(re.findall(r"(ULAK_\w+)=(\S+)", dockerfile))
    given = {key: filled(value) for key, value in service["environment"].items()}
    config = options(service["command"], of_image | given)
    assert (config.role, config.host, config.data) == (name, "0.0.0.0", Path("/var/lib/ulak"))
    assert config.database == "postgresql://ulak:a-password@postgres/ulak"
    assert service["deploy"]["replicas"] == 2
    assert service["read_only"] is True
    assert [mount.split(":")[0] for mount in service["tmpfs"]] == ["/tmp", str(config.data)]
    # What its health is asked at is where it listens, and as long as it stops nobody kills it.
    port = 8025 if name == "api" else config.port
    assert f"http://127.0.0.1:{port}/healthz" in service["healthcheck"]["test"][-1]
    assert int(service["stop_grace_period"].rstrip("s")) > 15 + config.drain / 1000


def test_the_parts_of_the_composition_know_each_other() -> None:
    services = COMPOSE["services"]
    assert set(services) == {"api", "worker", "postgres", "valkey", "caddy"}
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
    example = assignments((DEPLOY / "compose" / "env.example").read_text("utf-8"))
    asked = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose" / "compose.yaml").read_text("utf-8")))
    assert set(example) == asked == set(FILLED)
    caddy = (DEPLOY / "compose" / "Caddyfile").read_text("utf-8")
    assert "dynamic a api 8025" in caddy
    (network,) = COMPOSE["networks"]["inside"]["ipam"]["config"]
    trusted = services["api"]["environment"]["ULAK_TRUSTED_PROXY"]
    assert network["subnet"] == trusted


def test_no_proxy_places_an_order_twice() -> None:
    """`GET /v1/send-sms/get/` places one, so it is not what a proxy may repeat."""
    caddy = (DEPLOY / "compose" / "Caddyfile").read_text("utf-8")
    (retried,) = re.findall(r"lb_retry_match \{(.*?)\}", caddy, re.DOTALL)
    assert "not path /v1/send-sms/get /v1/send-sms/get/" in retried
    nginx = (DEPLOY / "nginx.conf").read_text("utf-8")
    (own,) = re.findall(r"location ~ (\S*send-sms\S*) \{(.*?)\}", nginx, re.DOTALL)
    assert all(re.search(own[0], path) for path in ("/v1/send-sms/get", "/v1/send-sms/get/"))
    assert "proxy_next_upstream off;" in own[1]


def test_the_image_is_made_of_files_that_are_there() -> None:
    text = (DEPLOY / "compose" / "Dockerfile").read_text("utf-8")
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name
    assert re.search(r"^USER ulak$", text, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["ulak"\]$', text, re.MULTILINE)

"""Exit codes, and where things are said."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Command

from ulak.cli.app import SINGLE, app


@pytest.mark.parametrize(
    "words",
    [
        ["bogus"],
        ["account", "bogus"],
        ["account", "--json"],
        ["account", "create"],
        ["account", "create", "a", "b"],
        ["account", "list", "--bogus"],
        ["account", "list", "--database", "mysql://x"],
        ["account", "list", "--config", "/nowhere.toml"],
        ["credit", "grant", "a", "1", "--asset", "EUR"],
        ["message", "unsure", "resend"],
        ["message", "unsure", "resend", "x"],
        ["message", "unsure", "fail", "1", "--all"],
        ["clock", "advance", "soon"],
        ["serve", "--port", "70000"],
        ["serve", "--role", "worker"],
        ["smsc", "--port", "x"],
    ],
)
def test_wrong_usage(command: Command, tmp_path: Path, words: list[str]) -> None:
    ended = command(*words, "--json", "--data", str(tmp_path / "data"))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("ulak: ")
    assert not (tmp_path / "data").exists()


def test_a_role_needs_a_database_to_share(command: Command) -> None:
    told = command("serve", "--role", "api").err
    assert told == "ulak: --role: api needs a database in PostgreSQL to share\n"


def test_a_misspelt_variable_is_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ULAK_DATABSE", "postgresql://x")
    ended = command("account", "list")
    assert ended.code == 2
    assert "did you mean ULAK_DATABASE?" in ended.err


def test_data_that_cannot_be_made(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = command("account", "list", "--json", "--data", str(tmp_path / "file" / "data"))
    assert (ended.code, ended.out) == (1, "")


def test_a_database_that_cannot_be_reached(command: Command, tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/none"
    ended = command("account", "list", "--json", "--data", str(tmp_path), "--database", url)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("ulak: PostgreSQL: ")


def test_missing_data_are_created(command: Command, tmp_path: Path) -> None:
    ended = command("account", "list", "--json", "--data", str(tmp_path / "new" / "data"))
    assert ended.value == []
    assert (tmp_path / "new" / "data" / "ulak.db").stat().st_mode & 0o077 == 0


def test_without_a_flag_the_data_are_at_home(command: Command, tmp_path: Path) -> None:
    command("account", "create", "alice")
    assert (tmp_path / "home" / "ulak" / "ulak.db").exists()


def test_people_see_lines(command: Command, tmp_path: Path) -> None:
    where = ["--data", str(tmp_path)]
    command("account", "create", "alice", *where)
    command("account", "create", "bob", *where)
    command("carrier", "add", "op", "--kind", "smpp", "--set", "host=h", "system_id=u", "password=p", *where)
    listed = command("account", "list", *where).out.splitlines()
    assert [line.split()[:3] for line in listed] == [
        ["id", "name", "api_access"],
        ["1", "alice", "yes"],
        ["2", "bob", "yes"],
    ]
    shown = [line.split() for line in command("account", "show", "bob", *where).out.splitlines()]
    assert ["balances.SMS.available", "0"] in shown
    assert "host=h system_id=u password=***" in command("carrier", "list", *where).out
    assert command("message", "unsure", "list", *where).err == "none\n"


def test_help_and_version(command: Command) -> None:
    assert command("--version").out.count(".") == 2
    for name in ("account", "carrier", "serve", "message"):
        assert name in command("--help").out
    assert "--kind" in command("carrier", "add", "--help").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("serve", "until SIGTERM or SIGINT"),
        ("sandbox", '"smsc_port", "data"}'),
        ("smsc", '"endings": {digits: what happens}'),
        ("backup", '{"file", "schema", "rows", "bytes", "key"}'),
        ("restore", "No server may work on it meanwhile."),
        ("prune", '"dry_run", "orders", "messages"'),
        ("erase", "It cannot be undone."),
        ("doctor", '"no_carrier": [{"prefix", "orders"}, ...]'),
        ("account create", '{"id", "name", "iletimerkezi": {"key", "hash"}'),
    ],
)
def test_help_has_all_that_is_documented(command: Command, words: str, told: str) -> None:
    assert told in " ".join(command(*words.split(), "--help").out.split())


def test_the_overview_has_a_line_for_each_command(command: Command) -> None:
    lines = command("--help").out.splitlines()
    shown = {line.split()[1]: line.strip("│ ") for line in lines if line.startswith("│ ")}
    assert set(SINGLE) | {"account", "carrier"} <= set(shown)


def test_a_sandbox_has_data_of_its_own(command: Command) -> None:
    assert "[$XDG_DATA_HOME/ulak-sandbox]" in command("sandbox", "--help").out
    assert "[$XDG_DATA_HOME/ulak]" in command("serve", "--help").out


def test_every_command_takes_data_database_and_json(command: Command) -> None:
    groups = {
        "account": ["create", "list", "show", "set", "api-access", "callback"],
        "credit": ["grant"],
        "sender": ["approve"],
        "contact": ["list"],
        "carrier": ["add", "list", "remove", "test", "set"],
        "blacklist": ["list", "add", "remove"],
        "inbox": ["add", "remove", "list", "show"],
        "clock": ["advance"],
        "dispatch": ["status", "pause", "resume"],
        "lightning": ["pay"],
        "number": ["add", "list", "remove"],
        "price": ["list", "set", "clear"],
        "key": ["check", "accept"],
        "callback": ["list", "resend"],
        "parcel": ["list", "show", "move"],
        "import": ["iletimerkezi"],
        "history": ["list", "show"],
    }
    lines = [[group, name] for group, names in groups.items() for name in names]
    lines += [["message", "unsure", name] for name in ("list", "resend", "fail")]
    lines += [["contact", "field", name] for name in ("add", "list")]
    lines += [["parcel", "service", name] for name in ("add", "list", "remove")]
    lines += [["parcel", "address", name] for name in ("add", "list", "remove")]
    lines += [["serve"], ["sandbox"], ["smsc"], ["doctor"], ["prune"], ["erase"], ["backup"], ["restore"]]
    for line in lines:
        shown = command(*line, "--help").out
        assert all(flag in shown for flag in ("--data", "--database", "--json")), line
    assert {line[0] for line in lines} == {name for name in app if not name.startswith("-")}

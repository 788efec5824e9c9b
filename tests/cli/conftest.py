"""The command line as a function, on either database."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ulak.cli.app import main
from ulak.store.engine import Database


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """The one JSON value on standard output."""
        assert self.code == 0, self
        return json.loads(self.out)


Command = Callable[..., Ended]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own settings counts."""
    for variable in [name for name in os.environ if name.startswith("ULAK_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    """Carry out exactly this command line."""

    def call(*arguments: str) -> Ended:
        code = main(arguments)
        said = capfd.readouterr()
        return Ended(code, said.out, said.err)

    return call


@pytest.fixture
def where(database: Database) -> list[str]:
    """The flags that name the test's data."""
    flags = ["--data", str(database.directory)]
    return flags if database.url is None else [*flags, "--database", database.url]


@pytest.fixture
def ulak(command: Command, where: list[str]) -> Command:
    """A command on the test's data, answered in JSON."""
    return lambda *arguments: command(*arguments, *where, "--json")

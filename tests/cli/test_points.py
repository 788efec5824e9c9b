"""What the environment can have a process do at a point: read, counted, done once, and told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cli.conftest import Command

from ulak.cli.app import POINTS
from ulak.cli.errors import UsageError
from ulak.cli.points import Act, PointFailed, arm, read
from ulak.core.points import point


@pytest.fixture(autouse=True)
def unarmed() -> Iterator[None]:
    """Nothing is left armed."""
    yield
    arm("")


@pytest.mark.parametrize(
    ("word", "act"),
    [
        ("step.decided=kill", Act("step.decided", 1, "kill")),
        ("step.decided:12=fail", Act("step.decided", 12, "fail")),
        ("step.decided:1=delay:0.25", Act("step.decided", 1, "delay", 0.25)),
        ("step.decided=hang", Act("step.decided", 1, "hang")),
    ],
)
def test_read(word: str, act: Act) -> None:
    assert read(word) == act


@pytest.mark.parametrize(
    "word", ["", "step", "=kill", "step=", "step=die", "step:0=kill", "step:x=kill", "step=delay:soon"]
)
def test_what_is_none(word: str) -> None:
    with pytest.raises(UsageError, match="ULAK_TEST_POINT"):
        read(word)


def test_a_point_fails_the_time_it_is_to_and_no_other(capfd: pytest.CaptureFixture[str]) -> None:
    arm("here.now:2=fail,there.too=fail")
    point("here.now")
    point("elsewhere")
    with pytest.raises(PointFailed, match=r"here\.now"):
        point("here.now")
    point("here.now")
    with pytest.raises(PointFailed, match=r"there\.too"):
        point("there.too")
    assert capfd.readouterr().err == "point here.now: fail\npoint there.too: fail\n"


def test_a_point_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    arm("here.now=delay:0.2,there.too=hang")
    point("here.now")
    point("there.too")
    assert slept == [0.2, 3600.0]


def test_the_command_line_is_armed(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POINTS, "here.now=fail")
    assert command("smsc", "--help").code == 0
    with pytest.raises(PointFailed):
        point("here.now")
    monkeypatch.setenv(POINTS, "here.now")
    ended = command("smsc", "--help")
    assert (ended.code, ended.out) == (2, "")
    assert "'here.now' is no NAME[:NTH]=ACT" in ended.err

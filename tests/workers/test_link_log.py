"""What the log says of a link."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from structlog.testing import capture_logs

from ulak.workers.runs import Channel
from ulak.workers.send import LinkRunner

REFUSED, DENIED, BOUND = "no connection", "401", "the account answers"


async def test_a_link_that_never_comes_up_says_why_once() -> None:
    channel = Channel(1, "operator")
    runner = LinkRunner(cast(Any, None), channel, cast(Any, SimpleNamespace(window=1)))
    with capture_logs() as logs:
        for up, why in (
            (False, REFUSED),
            (False, REFUSED),
            (False, DENIED),
            (True, BOUND),
            (True, "the account still answers"),
            (False, DENIED),
        ):
            runner.link_state(up, why)
    assert [(entry["event"], entry["why"]) for entry in logs] == [
        ("link.down", REFUSED),
        ("link.down", DENIED),
        ("link.up", BOUND),
        ("link.down", DENIED),
    ]

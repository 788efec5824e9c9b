"""Which event loops the tests of this folder run on, and how long an example may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import hypothesis
import pytest
import uvloop

# A busy machine makes single examples slow; that is nothing the code did.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

# The servers run on uvloop. Its timers and transports are not those of the standard library, so what touches
# them runs on both.
UVLOOP: dict[str, LoopFactory] = {"uvloop": uvloop.new_event_loop}
BOTH: dict[str, LoopFactory] = UVLOOP | {"asyncio": asyncio.new_event_loop}


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    assert config
    return BOTH if item.path.name in ("test_smpp_link.py", "test_smpp_simulator.py") else UVLOOP

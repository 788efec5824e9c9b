"""Connections that are kept for callbacks: how many, and which."""

from __future__ import annotations

from tests.workers.sinks import HERE, sink

from ulak.core.callbacks import Endpoint
from ulak.outbound import Outbound
from ulak.workers.lines import Lines

DIALECT, FAMILIES = "comtohome", frozenset({"consignment"})


async def test_only_so_many_connections_are_kept_and_the_longest_unused_are_closed() -> None:
    async with sink() as there, Outbound({HERE}) as outbound:
        lines = Lines(outbound, timeout=5, limit=100, most=4)
        named = [
            Endpoint(place, 1, DIALECT, FAMILIES, f"{there.url()}?order={place}", "", None, None)
            for place in range(4)
        ]
        first = [await lines.opened(named[0]) for _ in range(2)]
        others = [await lines.opened(one) for one in named[1:]]
        kept = [line for line in (*first, *others) if line is not None]
        assert len(kept) == 5
        for line, one in zip(kept[:4], [named[0], named[0], named[1], named[2]], strict=True):
            lines.put_back(one, line)
        # One that is used counts as new.
        again = lines.free(named[0])
        assert again is not None
        lines.put_back(named[0], again)
        lines.put_back(named[3], kept[4])
        assert [line.usable for line in kept] == [True, True, False, True, True]
        assert lines.free(named[1]) is None
        assert [lines.free(one) for one in (named[2], named[3])] == kept[3:]
        lines.put_back(named[2], kept[3])
        lines.put_back(named[3], kept[4])
        assert all(line.usable for line in (*kept[:2], *kept[3:]))
        lines.close_all(())
        assert not any(line.usable for line in kept)

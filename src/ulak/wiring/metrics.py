"""`/metrics`: what this process has counted and how everything stands, in the text format of Prometheus.

Whoever counts keeps plain numbers, and they are only read here, when somebody asks. A metric is declared with
a name, a help line and a function that reads it, so a new one costs one call. Labels are few and bounded:
dialects, operations, links, states; never a number, a key or a word of a customer.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

from ulak.core.figures import Histogram
from ulak.dialects.door import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

FRESH = 5.0
"""Seconds for which what was read from the database is told again: many may ask, and often."""

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

Values: TypeAlias = Mapping[tuple[str, ...], Any]
"""By the values of the labels."""

Read: TypeAlias = Callable[[], Values]

log = structlog.get_logger("ulak")


@dataclass(frozen=True, slots=True)
class _Declared:
    kind: str
    name: str
    help: str
    labels: tuple[str, ...]
    read: Read


class Metrics:
    """What can be read of a process."""

    def __init__(self, refresh: Callable[[], Awaitable[object]], clock: Callable[[], float]) -> None:
        """`refresh` looks at what cannot be read at once, such as the database; it is asked before others
        are read, but not more often than every few seconds of `clock`."""
        self._refresh = refresh
        self._clock = clock
        self._refreshed: float | None = None
        self._declared: dict[str, _Declared] = {}
        self._registry: Any = None

    def counter(self, name: str, help: str, read: Read, *labels: str) -> None:
        """Something that only grows. Its name is told with `_total` behind it."""
        self._declare("counter", name, help, read, labels)

    def gauge(self, name: str, help: str, read: Read, *labels: str) -> None:
        """Something that goes up and down."""
        self._declare("gauge", name, help, read, labels)

    def histogram(self, name: str, help: str, read: Read, *labels: str) -> None:
        """How values are spread; what is read are instances of `Histogram`."""
        self._declare("histogram", name, help, read, labels)

    @property
    def names(self) -> dict[str, str]:
        """The metrics of our own as they are told, and the help line of each."""
        ends = {"counter": "_total"}
        return {one.name + ends.get(one.kind, ""): one.help for one in self._declared.values()}

    def _declare(self, kind: str, name: str, help: str, read: Read, labels: tuple[str, ...]) -> None:
        assert name not in self._declared, f"{name} is declared twice"
        self._declared[name] = _Declared(kind, f"ulak_{name}", help, labels, read)

    async def page(self) -> Reply:
        """The answer to who asks."""
        now = self._clock()
        if self._refreshed is None or now - self._refreshed >= FRESH:
            self._refreshed = now
            await self._refresh()
        return Reply(200, self._written(), CONTENT_TYPE)

    def _written(self) -> bytes:
        # Loaded when it is first asked for: most servers of a sandbox never are.
        from prometheus_client import (
            CollectorRegistry,
            GCCollector,
            PlatformCollector,
            ProcessCollector,
            generate_latest,
        )

        if self._registry is None:
            self._registry = CollectorRegistry()
            ProcessCollector(registry=self._registry)
            PlatformCollector(registry=self._registry)
            GCCollector(registry=self._registry)
            self._registry.register(self)
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing is looked at before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Everything that was declared. What cannot be read now is left out, and the rest is told."""
        for declared in self._declared.values():
            try:
                yield _family(declared, declared.read())
            except Exception:
                log.warning("metrics.not_read", metric=declared.name, exc_info=True)


def _family(declared: _Declared, values: Values) -> Metric:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    if declared.kind == "histogram":
        spread = HistogramMetricFamily(declared.name, declared.help, labels=declared.labels)
        for labels, histogram in values.items():
            spread.add_metric(list(labels), buckets=_cumulated(histogram), sum_value=histogram.total)
        return spread
    family = CounterMetricFamily if declared.kind == "counter" else GaugeMetricFamily
    told = family(declared.name, declared.help, labels=declared.labels)
    for labels, value in values.items():
        told.add_metric(list(labels), value)
    return told


def _cumulated(histogram: Histogram) -> list[tuple[str, float]]:
    """How many values were at most each bound."""
    told, count = [], 0
    for bound, here in zip((*map(str, histogram.bounds), "+Inf"), histogram.buckets, strict=True):
        count += here
        told.append((bound, float(count)))
    return told


def one(value: float) -> Values:
    """A value without labels."""
    return {(): value}


def picked(counts: Mapping[tuple[str, ...], int], name: str) -> Values:
    """Of what was counted under any name, what was counted under this one."""
    # A copy first: another thread may count just now.
    return {key[1:]: count for key, count in dict(counts).items() if key[0] == name}


def free_bytes(directory: Path) -> int:
    """What is left for us on the file system of a directory."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def size_of(path: Path) -> int:
    """The bytes of a file; 0 where there is none."""
    return path.stat().st_size if path.exists() else 0

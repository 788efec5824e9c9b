"""What an operator's programs look at: whether we are ready, and the metrics of everything that is wired."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import structlog

from ulak import __version__, logs
from ulak.config import Config
from ulak.core.errors import StoreUnavailable
from ulak.core.figures import SHORT, Histogram, Key, LinkFigures
from ulak.core.ports import MessageLink
from ulak.dialects import hooks, sandbox
from ulak.dialects.door import Dialect, Reply
from ulak.service.guard import Guard
from ulak.store import gauges, schema, settings
from ulak.store.books import Books
from ulak.store.gauges import Standing
from ulak.web import Web
from ulak.wiring.metrics import Metrics, Values, free_bytes, one, picked, size_of
from ulak.workers.measured import MeasuredLink
from ulak.workers.runs import Channel

POLL = 0.25
"""Seconds between looks whether dispatch is paused."""

PATIENCE = 2.0
"""Seconds that the database has for an answer; without one it counts as away."""

Ready = Callable[[], Awaitable[dict[str, object]]]

log = structlog.get_logger("ulak")


class Runner(Protocol):
    """A link at work, as far as it is looked at."""

    channel: Channel

    @property
    def used(self) -> int:
        """Slots of its window that are taken."""


class _Seen(NamedTuple):
    """A link at work, and what is known of it."""

    runner: Runner
    link: MeasuredLink
    figures: LinkFigures

    def count(self, name: str) -> int:
        """What the link alone has counted."""
        return self.link.counts.get(name, 0)


_LINK_GAUGES: tuple[tuple[str, str, Callable[[_Seen], float]], ...] = (
    ("link_up", "1 while a link is connected.", lambda seen: seen.link.up),
    ("link_window", "Parts that may be unanswered.", lambda seen: seen.link.window),
    ("link_window_used", "Parts of the window that are taken.", lambda seen: seen.runner.used),
    (
        "link_in_flight",
        "Messages that a link has and that were not answered.",
        lambda seen: seen.link.in_flight,
    ),
)
_LINK_COUNTERS: tuple[tuple[str, str, Callable[[_Seen], float]], ...] = (
    (
        "link_sent",
        "Messages that were handed to a link, again ones included.",
        lambda seen: seen.figures.sent,
    ),
    ("link_throttles", "Answers that said it is too much at once.", lambda seen: seen.count("throttled")),
    ("link_connects", "How often a link came up.", lambda seen: seen.figures.connects),
    ("link_losses", "How often a link went down.", lambda seen: seen.figures.losses),
    (
        "link_connect_failures",
        "How often a link could not be connected or bound.",
        lambda seen: seen.count("failed"),
    ),
)
_STANDING: tuple[tuple[str, str, Callable[[Standing], float]], ...] = (
    ("dispatch_paused", "1 while nothing new is handed to carriers.", lambda now: now.paused),
    ("orders_due", "Orders that are due and with no link.", lambda now: now.orders_due),
    ("orders_due_seconds", "For how long the oldest of them has been due.", lambda now: now.orders_due_age),
    ("messages_unsure", "Messages that wait for an operator to decide.", lambda now: now.unsure),
    ("callbacks_open", "Callbacks that are to be told.", lambda now: now.callbacks_open),
    ("callbacks_due_seconds", "For how long the oldest of them has been due.", lambda now: now.callbacks_age),
    (
        "endpoints_disabled",
        "Endpoints that are not told any more, because nothing got through for days.",
        lambda now: now.endpoints_disabled,
    ),
    (
        "parcels_followed",
        "Parcels that carriers are asked about from time to time.",
        lambda now: now.parcels_followed,
    ),
)
_STANDING_BY: tuple[tuple[str, str, str, Callable[[Standing], Mapping[str, int]]], ...] = (
    ("jobs_due", "Jobs that are due and that nobody has taken.", "kind", lambda now: now.jobs_due),
    ("processes", "Processes that work on these data, by role.", "role", lambda now: now.processes),
    ("purchases_open", "Purchases that time still changes.", "state", lambda now: now.purchases),
    (
        "held",
        "What is reserved and neither taken nor given back: credits, kurus or sats.",
        "asset",
        lambda now: now.held,
    ),
)


_DIALECTS = {
    hooks.PREFIX: "hooks",
    "/v1/": "iletimerkezi",
    "/api/": "comtohome",
    "/uploads/": "comtohome",
    sandbox.PREFIX: "sandbox",
    "/": "sms4sats",
}


@runtime_checkable
class _Sorting(Protocol):
    """A dialect that can say which of its few operations a path is for."""

    def operation(self, path: str) -> str:
        """A word for it."""


class HttpFigures:
    """Requests that were answered. One server has one, and asks it on the event loop's thread only."""

    def __init__(self, doors: Iterable[tuple[str, Dialect]]) -> None:
        """`doors` are the dialects by prefix."""
        self._names = {
            prefix: (
                _DIALECTS[prefix],
                dialect.operation if isinstance(dialect, _Sorting) else _any,
            )
            for prefix, dialect in doors
        }
        self.requests: dict[Key, int] = {}
        self.seconds: dict[str, Histogram] = {}

    def answered(self, prefix: str, path: str, status: int, seconds: float) -> None:
        """A request got its answer."""
        dialect, operation = self._names.get(prefix, _OURS)
        key = (dialect, operation(path), f"{status // 100}xx")
        self.requests[key] = self.requests.get(key, 0) + 1
        spread = self.seconds.get(dialect)
        if spread is None:
            spread = self.seconds[dialect] = Histogram(SHORT)
        spread.observe(seconds)


def _any(_path: str) -> str:
    return "any"


def _own(path: str) -> str:
    return path[1:] if path in ("/healthz", "/readyz", "/metrics") else "other"


_OURS = ("ulak", _own)


class Watch:
    """Everything that is told of a server. What there is to tell of is added part by part; a process that has
    no links, for example, tells nothing of them."""

    def __init__(self, config: Config, books: Books, clock: Callable[[], float]) -> None:
        """`clock` is one of seconds that only goes forward."""
        self._config = config
        self._books = books
        self._clock = clock
        self._standing: Standing | None = None
        self._is_ready = False
        self._paused = False
        self._ready: Ready | None = None
        self._links: dict[str, tuple[MeasuredLink, LinkFigures]] = {}
        self.metrics = Metrics(self._refresh, clock)
        self._declare_process()
        self._declare_orders()
        self._declare_writer()
        self._declare_standing()

    def web(
        self, doors: Sequence[tuple[str, Dialect]], ready: Ready, pages: Mapping[str, Reply], name: str
    ) -> Web:
        """The application that answers requests, watched. `ready` is what `/readyz` says, `name` begins the
        ids of requests."""
        config, figures, add = self._config, HttpFigures(doors), self.metrics
        web = Web(
            doors,
            self._ready_or_paused,
            trusted_proxies=config.trusted_proxy,
            pages=pages,
            metrics=self.metrics.page,
            metrics_token=config.metrics_token,
            watcher=figures,
            name=name,
        )
        self._ready = ready
        add.gauge("ready", "1 while /readyz answers 200.", lambda: one(self._is_ready and not web.stopping))
        add.counter(
            "http_requests",
            "Requests that were answered, by what was asked for and the class of the status.",
            lambda: figures.requests,
            "dialect",
            "operation",
            "status",
        )
        add.histogram(
            "http_request_seconds",
            "Seconds from the head of a request to its answer.",
            lambda: {(dialect,): spread for dialect, spread in figures.seconds.items()},
            "dialect",
        )
        add.gauge("http_requests_under_way", "Requests without an answer yet.", lambda: one(web.under_way))
        return web

    def guard(self, guard: Guard) -> None:
        """Who guesses is slowed here."""
        self.metrics.counter(
            "guard_refusals",
            "Tries that were not looked at, as somebody guesses.",
            lambda: one(guard.refused),
        )
        self.metrics.counter(
            "guard_holds", "How often an address or a name was held up.", lambda: one(guard.holds)
        )

    def connections(self, count: Callable[[], int]) -> None:
        """`count` tells how many connections there are."""
        self.metrics.gauge("http_connections", "Open connections.", lambda: one(count()))

    def link(self, name: str, link: MessageLink) -> MeasuredLink:
        """The same link, watched. One that is made anew goes on counting where the one before it was."""
        figures = self._links[name][1] if name in self._links else LinkFigures()
        measured = MeasuredLink(link, figures, self._clock)
        measured.pause(self._paused)
        self._links[name] = measured, figures
        return measured

    async def look(self) -> None:
        """Notice whether dispatch is paused. To be called before links are made, and often."""
        paused = await self._books.read(settings.paused)
        if paused != self._paused:
            log.info("dispatch.paused" if paused else "dispatch.resumed")
        self._paused = paused
        for link, _ in self._links.values():
            link.pause(paused)

    async def _ready_or_paused(self) -> dict[str, object]:
        """What `/readyz` says."""
        state: dict[str, object] = await self._ready() if self._ready is not None else {"ready": True}
        return state | {"dispatch": "paused"} if self._paused else state

    def links(self, runners: Callable[[], Iterable[Runner]]) -> None:
        """Messages are sent here, over the links that `runners` tells."""

        def of_each(value: Callable[[_Seen], Any]) -> Callable[[], Values]:
            return lambda: {
                (runner.channel.name,): value(_Seen(runner, *self._links[runner.channel.name]))
                for runner in runners()
                if runner.channel.name in self._links
            }

        def outcomes() -> Values:
            found = of_each(lambda seen: seen.figures)()
            kinds = ("accepted", "refused", "unknown")
            return {
                (*link, kind): getattr(figures, kind) for link, figures in found.items() for kind in kinds
            }

        for name, help, value in _LINK_GAUGES:
            self.metrics.gauge(name, help, of_each(value), "link")
        for name, help, value in _LINK_COUNTERS:
            self.metrics.counter(name, help, of_each(value), "link")
        self.metrics.counter(
            "link_outcomes", "What became of messages on a link.", outcomes, "link", "outcome"
        )
        self.metrics.histogram(
            "link_answer_seconds",
            "Seconds from handing a message to a link until its carrier answered; of those that were answered"
            " together the longest counts.",
            of_each(lambda seen: seen.figures.answered),
            "link",
        )

    async def _refresh(self) -> None:
        """Look at the database, unless it is away."""
        try:
            async with asyncio.timeout(PATIENCE):
                self._standing = await self._books.read(gauges.standing)
        except (TimeoutError, StoreUnavailable):
            self._standing = None
        if self._ready is not None:
            self._is_ready = bool((await self._ready_or_paused())["ready"])

    def _declare_process(self) -> None:
        config = self._config
        about: Values = {(__version__, schema.HEAD): 1}
        self.metrics.gauge(
            "build_info",
            "1; which version this is, and the schema it needs.",
            lambda: about,
            "version",
            "schema",
        )
        self.metrics.gauge(
            "disk_free_bytes",
            "What is free where the data directory is.",
            lambda: one(free_bytes(config.data)),
        )
        if config.database is None:
            self.metrics.gauge(
                "sqlite_wal_bytes",
                "Size of SQLite's write-ahead log; it grows while somebody reads for very long.",
                lambda: one(size_of(config.data / "ulak.db-wal")),
            )
        self.metrics.counter(
            "log_lines",
            "Lines of the log that say that something is wrong.",
            lambda: {(level,): count for level, count in logs.lines.items()},
            "level",
        )

    def _declare_orders(self) -> None:
        """What is counted in the commits that decide it, so that nothing is told that was not kept."""
        for name, help, labels in (
            ("orders", "SMS orders, accepted or refused and why.", ("dialect", "result")),
            ("order_messages", "Messages of accepted orders.", ("dialect",)),
            ("order_parts", "Parts of messages of accepted orders: what they cost in credits.", ("dialect",)),
            ("messages_final", "Messages that became final.", ("outcome",)),
            ("reports", "Reports of carriers, by what they changed.", ("effect",)),
            ("callback_attempts", "Attempts to tell an endpoint.", ("outcome",)),
        ):
            read = partial(picked, self._books.figures.counts, name)
            self.metrics.counter(name, help, read, *labels)
        self.metrics.counter(
            "callbacks_given_up",
            "Callbacks that are tried no more.",
            lambda: one(self._books.figures.counts.get(("callbacks_given_up",), 0)),
        )

    def _declare_writer(self) -> None:
        books, add = self._books, self.metrics
        add.gauge("writer_queue", "Changes that wait for the writer.", lambda: one(books.queued[0]))
        add.gauge("reader_queue", "Questions that wait for a reader.", lambda: one(books.queued[1]))
        add.histogram("writer_group_items", "Items committed together.", lambda: {(): books.figures.items})
        add.histogram(
            "writer_commit_seconds",
            "Seconds from the begin of a transaction until it is on disk.",
            lambda: {(): books.figures.commits},
        )
        add.counter(
            "writer_failures",
            "Transactions that the database did not take.",
            lambda: one(books.figures.failed),
        )

    def _declare_standing(self) -> None:
        """What the database tells; nothing of it while that is away."""

        def plain(value: Callable[[Standing], float]) -> Callable[[], Values]:
            return lambda: {} if self._standing is None else one(value(self._standing))

        def by(values: Callable[[Standing], Mapping[str, int]]) -> Callable[[], Values]:
            return lambda: (
                {}
                if self._standing is None
                else {(label,): value for label, value in values(self._standing).items()}
            )

        self.metrics.gauge(
            "database_up", "1 while the database answers.", lambda: one(self._standing is not None)
        )
        for name, help, value in _STANDING:
            self.metrics.gauge(name, help, plain(value))
        for name, help, label, values in _STANDING_BY:
            self.metrics.gauge(name, help, by(values), label)

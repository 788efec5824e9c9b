"""What `/metrics` tells, and to whom."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from tests import cast
from tests.conftest import FakeClock

from ulak.core.callbacks import CallbackState
from ulak.core.doubts import OnUncertain
from ulak.core.events import Event, EventKind
from ulak.core.figures import Histogram
from ulak.core.jobs import JobKind
from ulak.core.ports import Unknown
from ulak.dialects.door import Reply
from ulak.store import callbacks, endpoints, events, gauges, jobs
from ulak.store.engine import Database, Tx
from ulak.store.writer import sync_read, sync_write
from ulak.wiring.metrics import Metrics, one


def values(reply: Reply) -> dict[str, float]:
    """The samples of a page, by name and labels as they are written."""
    found = {}
    for family in text_string_to_metric_families(reply.body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def test_a_metric_is_a_name_a_line_and_a_way_to_read_it() -> None:
    now, looks = [0.0], [0]

    async def look() -> None:
        looks[0] += 1

    def broken() -> dict[tuple[str, ...], float]:
        raise RuntimeError("cannot be read now")

    spread = Histogram((1.0, 5.0))
    spread.observe(0.5)
    spread.observe(1.0, 2)
    spread.observe(9.0)
    metrics = Metrics(look, lambda: now[0])
    metrics.gauge("broken", "Cannot be read.", broken)
    metrics.gauge("height", "How high.", lambda: one(3))
    metrics.counter("falls", "How often.", lambda: {("left",): 2, ("right",): 1}, "side")
    metrics.histogram("width", "How wide.", lambda: {(): spread})
    page = await metrics.page()
    told = values(page)
    assert page.content_type.startswith(b"text/plain; version=0.0.4")
    assert (told["ulak_height"], told["ulak_falls_total{side=left}"]) == (3, 2)
    assert [told[f"ulak_width_bucket{{le={le}}}"] for le in ("1.0", "5.0", "+Inf")] == [3, 3, 4]
    assert (told["ulak_width_count"], told["ulak_width_sum"]) == (4, 11.5)
    assert told["process_open_fds"] > 0
    now[0] = 4.9
    await metrics.page()
    assert looks == [1], "what was just looked at is told again"
    now[0] = 5.1
    await metrics.page()
    assert looks == [2]


def test_what_waits_is_counted(database: Database) -> None:
    alice = cast.alice(database, credit=10)
    cast.place(database, alice, 3)
    cast.place(database, alice, 2, due=cast.HOUR + database.clock())
    stands = sync_read(database, gauges.standing)
    assert (stands.orders_due, stands.orders_due_age, stands.held["SMS"]) == (1, 0, 5)
    assert isinstance(database.clock, FakeClock)
    database.clock.advance(90_000)
    stands = sync_read(database, gauges.standing)
    assert (stands.orders_due, stands.orders_due_age) == (1, 90)
    assert (stands.unsure, stands.callbacks_open, stands.callbacks_age) == (0, 0, 0)

    (order,) = cast.claim(database)
    lost = [(cast.sent(database, order, row), Unknown("lost")) for row in order.rows]
    cast.step(database, lost, [(order.id, order.last_id, order.last_id)], policy=OnUncertain.HOLD)

    def more(tx: Tx) -> None:
        jobs.put(tx, JobKind.FINISH, 1, tx.now - 1)
        jobs.put(tx, JobKind.FINISH, 2, tx.now + 1)
        jobs.put(tx, JobKind.TRACK, 1, tx.now + 1)
        endpoint = endpoints.put(tx, alice.id, "iletimerkezi", ["credit"], "", "").id
        event = Event(alice.id, EventKind.CREDIT_GRANTED, 1, b"{}")
        (told,) = events.insert(tx, [event])
        callbacks.insert(tx, [(endpoint, told, 1, CallbackState.DUE)])

    sync_write(database, more)
    database.clock.advance(2_000)
    stands = sync_read(database, gauges.standing)
    assert (stands.unsure, stands.orders_due, stands.parcels_followed) == (3, 0, 1)
    assert (stands.jobs_due["finish"], stands.jobs_due["track"], stands.jobs_due["buy"]) == (2, 1, 0)
    assert (stands.callbacks_open, stands.callbacks_age) == (1, 2)

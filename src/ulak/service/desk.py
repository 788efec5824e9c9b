"""The parcel desk: what has to wait for a carrier, as two transactions around the call.

The first transaction writes down what is intended, the second what came of it. A process that dies in between
leaves a job, and whoever finds it goes on with the same consignment; the carrier is asked with the same key,
so nothing is booked twice.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import structlog

from ulak.core.consignments import CarrierName, Consignment, Preference, Route, Service
from ulak.core.errors import Refusal, StoreUnavailable
from ulak.core.jobs import Job
from ulak.core.once import Once
from ulak.core.points import point
from ulak.core.pricing import Rates, costs, measures
from ulak.core.shipping import Booked, Booking, Declined, Quote, Sighting, Unreached
from ulak.core.states import ParcelState
from ulak.service import booking, cancelling, carriers, looking, sightings
from ulak.service.booking import Attempt, Basis, Begun, Offer, Request
from ulak.service.carriers import Carrier
from ulak.service.fleet import Courier, Fleet
from ulak.service.marks import Marks
from ulak.service.parcels import (
    ALREADY_CANCELLED,
    ALREADY_DELIVERED,
    IN_TRANSIT,
    STRANGER,
    Books,
    Denied,
    Done,
    Order,
    Priced,
    Render,
    Who,
)
from ulak.store import consignments, jobs
from ulak.store.engine import Tx

__all__ = [
    "ALREADY_CANCELLED",
    "ALREADY_DELIVERED",
    "BROKEN",
    "IN_TRANSIT",
    "Books",
    "Denied",
    "Desk",
    "Done",
    "Order",
    "Priced",
    "Render",
    "Who",
]

Answer = TypeVar("Answer")

ROUNDS = 3
"""How often a request looks again when another one with its key fails just then."""

BROKEN = "its answer could not be read"
"""What customers are told of a carrier that raised; the log knows more."""

_NO_COURIERS: Mapping[int, Courier] = {}

log = structlog.get_logger("ulak.parcels")


class Desk:
    """Books, cancels and looks after consignments."""

    def __init__(
        self,
        books: Books,
        fleet: Fleet,
        rates: Rates,
        *,
        process: str,
        rng: random.Random | None = None,
        prefix: str = "C2H",
    ) -> None:
        """`process` names this process in the claims of jobs and keys; another start has another name.

        `rng` is where codes and file names come from, `prefix` what every barcode begins with.
        """
        self._books = books
        self._fleet = fleet
        self._rates = rates
        self._process = process
        self._marks = Marks(rng or random.SystemRandom(), prefix)

    # Booking.

    async def create(
        self, who: Who, order: Order, *, once: Once | None = None, render: Render | None = None
    ) -> Done | Denied:
        """Book a new consignment: choose the carrier, hold the price, ask the carrier, post the price.

        A carrier that declines or cannot be reached leaves the consignment REJECTED with nothing held; the
        same `once` then tries the same consignment again, with what the new request says.
        """
        return await self._book(Request(who, order, once, render))

    async def start(
        self,
        who: Who,
        consignment_id: int,
        order: Order,
        *,
        draft: str,
        once: Once | None = None,
        render: Render | None = None,
    ) -> Done | Denied:
        """Book a draft. `draft` replaces what is kept of it in the words of its dialect."""
        return await self._book(Request(who, order, once, render, consignment_id, draft))

    async def resend(self, who: Who, consignment_id: int, *, render: Render | None = None) -> Done | Denied:
        """Try a REJECTED consignment again, as it is."""
        attempt = await self._books.write(
            lambda tx: booking.again(tx, who, consignment_id, render, self._process)
        )
        return attempt if isinstance(attempt, Denied) else await self._carry_out(attempt)

    async def _book(self, request: Request) -> Done | Denied:
        for _ in range(ROUNDS):
            basis = await self._books.read(partial(booking.basis, request=request))
            begun = await self._begin(request, basis) if isinstance(basis, Basis) else basis
            result = await self._go_along(request) if isinstance(begun, Begun) else begun
            if result is not None:
                return result
        return Denied(Refusal.IN_PROGRESS)

    async def _begin(self, request: Request, basis: Basis) -> Begun | Done | Denied:
        couriers = await self._fleet.of(basis.carriers)
        offer = await self._offer(request.order, couriers.values(), basis.services)
        if isinstance(offer, Denied):
            return offer
        begun = await self._books.write(
            lambda tx: booking.begin(tx, request, offer, self._marks, self._process)
        )
        point("booking.begun")
        return await self._carry_out(begun, couriers) if isinstance(begun, Attempt) else begun

    async def _go_along(self, request: Request) -> Done | Denied | None:
        """Somebody began this request already. None: that failed, so it may be begun again."""
        begun = await self._books.write(partial(booking.going, request=request, process=self._process))
        return await self._carry_out(begun) if isinstance(begun, Attempt) else begun

    async def _carry_out(
        self, attempt: Attempt, couriers: Mapping[int, Courier] = _NO_COURIERS
    ) -> Done | Denied:
        """Ask the carrier to take it, and write down what it says. `couriers` are those in use, if known."""
        consignment = attempt.consignment
        carrier = consignment.carrier
        courier = couriers.get(carrier.id) if carrier and couriers else await self._courier(carrier)
        if courier is None:
            outcome: Booked | Declined | Unreached = Unreached(_gone(consignment.carrier))
            tracked = False
        else:
            shipment, at = consignment.shipment, consignment.state_at
            wanted = Booking(consignment.uuid, consignment.barcode, shipment, at)
            outcome = await _asked(courier, "book", courier.way.book(wanted))
            tracked = courier.way.abilities.tracking
        point("booking.answered")
        concluded = await self._books.write(
            lambda tx: booking.conclude(tx, attempt, outcome, self._marks, tracked=tracked)
        )
        point("booking.concluded")
        return concluded

    async def go_on(self, jobs_: Sequence[Job]) -> None:
        """Do claimed jobs of kind BOOK, all at the same time: finish what a process left in the middle."""
        subjects = [job.subject for job in jobs_]
        found = await self._books.read(lambda tx: consignments.load(tx, subjects))
        waiting = [
            found[job.subject]
            for job in jobs_
            if job.subject in found and found[job.subject].state is ParcelState.WAITING
        ]
        if waiting:
            point("booking.resuming")

        async def finish(consignment: Consignment) -> None:
            result = await self._carry_out(Attempt(consignment, resumed=True))
            why = result.why.value if isinstance(result, Denied) else None
            log.info("booking.resumed", consignment=consignment.id, refused=why)

        results = await asyncio.gather(*map(finish, waiting), return_exceptions=True)
        for consignment, result in zip(waiting, results, strict=True):
            if isinstance(result, BaseException):
                # Its job is due again when the claim is over.
                log.error("booking.not_resumed", consignment=consignment.id, exc_info=result)
        at_work = {consignment.id for consignment in waiting}
        idle = [job.id for job in jobs_ if job.subject not in at_work]
        if idle:
            await self._books.write(lambda tx: jobs.done(tx, idle))

    # Prices.

    async def quotes(self, carriers: Sequence[Carrier], order: Order) -> list[Priced]:
        """What each carrier that can take it would cost, cheapest first."""
        services = await self._books.read(lambda tx: booking.services(tx, order.service_ids))
        couriers = await self._fleet.of(carriers)
        able = [courier for courier in couriers.values() if _can_take(courier, order)]
        priced, _ = await self._priced(able, order, () if isinstance(services, Denied) else services)
        return [priced for priced in priced if isinstance(priced, Priced)]

    async def _offer(
        self, order: Order, couriers: Iterable[Courier], services: tuple[Service, ...]
    ) -> Offer | Denied:
        """The carrier that the customer named, or the cheapest of those that can take it."""
        able = [courier for courier in couriers if _can_take(courier, order)]
        given = order.preference is Preference.GIVEN
        if given:
            able = [courier for courier in able if courier.row.id == order.carrier_id]
        priced, refused = await self._priced(able, order, services)
        if not priced:
            if given and refused:
                outcome = refused[0][1]
                declined = isinstance(outcome, Declined)
                why = Refusal.CARRIER_DECLINED if declined else Refusal.CARRIER_UNREACHED
                return Denied(why, outcome.why)
            reasons = (f"{courier.row.name}: {outcome.why}" for courier, outcome in refused)
            return Denied(Refusal.NO_CARRIER, "; ".join(reasons))
        best = priced[0]
        name = CarrierName(best.carrier.id, best.carrier.name)
        return Offer(name, services, best.measures, best.costs)

    async def _priced(
        self, able: Sequence[Courier], order: Order, services: Sequence[Service]
    ) -> tuple[list[Priced], list[tuple[Courier, Declined | Unreached]]]:
        """What these carriers would take, cheapest first, and why others would not."""
        answers = await asyncio.gather(
            *(_asked(courier, "quote", courier.way.quote(order.shipment)) for courier in able)
        )
        priced, refused = [], []
        for courier, answer in zip(able, answers, strict=True):
            if not isinstance(answer, Quote):
                refused.append((courier, answer))
                continue
            size = measures(order.shipment.packages, courier.way.abilities.desi_divisor)
            abroad = order.route is Route.INTERNATIONAL
            priced.append(Priced(courier.row, size, costs(answer, services, self._rates, abroad=abroad)))
        priced.sort(key=lambda one: (one.costs.total, one.carrier.id))
        return priced, refused

    async def couriers(self) -> dict[int, Courier]:
        """The carriers of parcels in use, and the ways to them, by id."""
        return await self._fleet.of(await self._books.read(carriers.active))

    # Cancelling.

    async def cancel(
        self,
        who: Who,
        pick: Callable[[Tx, int], Consignment | None],
        *,
        once: Once | None = None,
        render: Render | None = None,
    ) -> Done | Denied:
        """Take back the consignment that `pick(tx, account_id)` finds, and give the money back.

        Denied with WRONG_STATE and one of `ALREADY_CANCELLED`, `ALREADY_DELIVERED`, `IN_TRANSIT` as text, or
        with CARRIER_DECLINED and the carrier's words. A draft is simply cancelled.
        """
        request = cancelling.Request(who, pick, once, render)
        begun = await self._books.write(lambda tx: cancelling.begin(tx, request))
        if not isinstance(begun, cancelling.Intent):
            return begun
        point("parcel.cancelling")
        consignment = begun.consignment
        courier = await self._courier(consignment.carrier)
        outcome: Declined | Unreached | None = Unreached(_gone(consignment.carrier))
        if courier is not None:
            outcome = await _asked(courier, "cancel", courier.way.cancel(consignment))
        point("parcel.cancel_answered")
        concluded = await self._books.write(lambda tx: cancelling.conclude(tx, begun, outcome))
        point("parcel.cancelled")
        return concluded

    # Looking after parcels.

    async def recheck(self, who: Who, consignment_id: int) -> Consignment | Denied:
        """Ask the carrier now, and return the consignment with what it said."""

        def find(tx: Tx) -> tuple[looking.Subject, int] | Denied:
            account = who.account(tx)
            subject = STRANGER if account is None else looking.one(tx, account.id, consignment_id)
            return subject if isinstance(subject, Denied) else (subject, tx.now)

        found = await self._books.read(find)
        if isinstance(found, Denied):
            return found
        subject, now = found
        courier = await self._courier(subject.consignment.carrier)
        if courier is None:
            return Denied(Refusal.CARRIER_UNREACHED, _gone(subject.consignment.carrier), consignment_id)
        heard = await self._track(courier, [subject], now)
        missed = next((news for _, news in heard if isinstance(news, Unreached)), None)
        if missed is not None:
            return Denied(Refusal.CARRIER_UNREACHED, missed.why, consignment_id)
        return await self._books.write(lambda tx: looking.checked(tx, subject, heard))

    async def look(self, jobs_: Sequence[Job]) -> None:
        """Do claimed jobs of kind TRACK: ask the carriers, merge what they say, plan the next look."""
        plan = await self._books.read(lambda tx: looking.plan(tx, jobs_))
        couriers = await self._fleet.of(plan.carriers)
        put_off = list(plan.put_off)
        rounds = []
        for carrier_id, subjects in plan.by_carrier.items():
            courier = couriers.get(carrier_id)
            if courier is None:
                put_off += [
                    (subject.job_id, looking.without_carrier(subject, plan.now)) for subject in subjects
                ]
            elif not courier.way.abilities.tracking:
                put_off += [(subject.job_id, None) for subject in subjects]
            else:
                rounds.append((courier, subjects))
        if put_off:
            await self._books.write(lambda tx: looking.put_off(tx, put_off))
        looks = (self._look_at(courier, subjects, plan.now) for courier, subjects in rounds)
        results = await asyncio.gather(*looks, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _look_at(self, courier: Courier, subjects: Sequence[looking.Subject], now: int) -> None:
        heard = await self._track(courier, subjects, now)
        point("parcel.looked")
        try:
            await self._books.write(lambda tx: looking.looked(tx, subjects, heard, now))
            point("parcel.merged")
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("parcels.not_merged", carrier=courier.row.name, parcels=len(subjects))
            for subject in subjects:
                await self._merge_one(subject, heard, now)

    async def _merge_one(self, subject: looking.Subject, heard: Sequence[looking.Answer], now: int) -> None:
        """News of one parcel that cannot be written must not keep those of the others."""
        consignment_id = subject.consignment.id
        own = [answer for answer in heard if answer[0].consignment_id == consignment_id]
        try:
            await self._books.write(lambda tx: looking.looked(tx, [subject], own, now))
        except StoreUnavailable:
            raise
        except Exception as error:
            log.error("parcel.not_merged", consignment=consignment_id, error=type(error).__name__)
            missed = [(label, Unreached(BROKEN)) for label, _ in own]
            await self._books.write(lambda tx: looking.looked(tx, [subject], missed, now))

    async def _track(
        self, courier: Courier, subjects: Sequence[looking.Subject], now: int
    ) -> list[looking.Answer]:
        """Ask a carrier about the labels of these consignments, in one call."""
        asked = [pair for subject in subjects for pair in subject.labels]
        if not asked or not courier.way.abilities.tracking:
            return []
        answers = await _asked(courier, "track", courier.way.track([watched for _, watched in asked], now))
        if isinstance(answers, Unreached) or len(answers) != len(asked):
            missed = answers if isinstance(answers, Unreached) else Unreached("it did not answer for all")
            return [(label, missed) for label, _ in asked]
        return [(label, answer) for (label, _), answer in zip(asked, answers, strict=True)]

    async def told(self, carrier_id: int, tracking: str, sightings_: Sequence[Sighting]) -> bool:
        """A carrier called us about this code; whether we know it. Without sightings, a look is due now."""
        return await self._books.write(lambda tx: sightings.told(tx, carrier_id, tracking, sightings_))

    async def _courier(self, name: CarrierName | None) -> Courier | None:
        """The way to the carrier of a consignment, if it is still in use."""
        if name is None:
            return None
        rows = await self._books.read(carriers.active)
        return (await self._fleet.of(row for row in rows if row.id == name.id)).get(name.id)


def _can_take(courier: Courier, order: Order) -> bool:
    abilities = courier.way.abilities
    return abilities.domestic if order.route is Route.DOMESTIC else abilities.international


def _gone(name: CarrierName | None) -> str:
    return f"the carrier {name.name if name else ''} is not in use any more"


async def _asked(courier: Courier, what: str, answer: Awaitable[Answer]) -> Answer | Unreached:
    """What a carrier answers. One that breaks its promise never to raise was not reached."""
    try:
        return await answer
    except Exception as error:
        log.error("carrier.broke", carrier=courier.row.name, call=what, exc_info=error)
        return Unreached(BROKEN)

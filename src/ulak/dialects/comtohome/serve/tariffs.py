"""What can be ordered and what it would cost: carriers, extra services, prices."""

from __future__ import annotations

from typing import Any

from ulak.core.accounts import Account
from ulak.core.consignments import CarrierName, Preference, Service
from ulak.dialects.comtohome import forms, wire
from ulak.dialects.comtohome.serve.requests import checked, order_of, read_body, saved_parties
from ulak.dialects.comtohome.serve.visit import Gate, Visit, succeeded
from ulak.dialects.comtohome.shown import Show, lira
from ulak.dialects.comtohome.texts import Text
from ulak.dialects.door import Reply
from ulak.service.desk import Desk
from ulak.store import special_services


class Tariffs:
    """The doors of prices."""

    def __init__(self, gate: Gate, desk: Desk, show: Show) -> None:
        self._gate = gate
        self._desk = desk
        self._show = show

    async def providers(self, visit: Visit, _value: str) -> Reply:
        """GET /providers"""
        await self._gate.enter(visit)
        couriers = await self._desk.couriers()
        return succeeded(
            [
                wire.ListedProvider(
                    id=row.id,
                    name=row.name,
                    logo=self._show.logo(row.name),
                    active=True,
                    domestic=way.abilities.domestic,
                    international=way.abilities.international,
                    tracking=way.abilities.tracking,
                )
                for row, way in couriers.values()
            ]
        )

    async def services(self, visit: Visit, _value: str) -> Reply:
        """GET /special-services"""

        def question(tx: Any, _account: Account) -> list[Service]:
            return special_services.active(tx)

        offered = await self._gate.ask(visit, question)
        return succeeded([wire.ListedService(one.id, one.name, lira(one.fee), "TRY") for one in offered])

    async def prices(self, visit: Visit, _value: str) -> Reply:
        """POST /prices: the body of creating; documents play no part, and the system may always pick."""
        account = await self._gate.enter(visit)
        body = {"preference": int(Preference.CHEAPEST)} | await read_body(visit)
        body.pop("documents", None)
        saved = await saved_parties(self._gate, account, body)
        wanted = await checked(visit, lambda: forms.order(body, saved, visit.language, many=None))
        offered = {service.id for service in await self._gate.look(special_services.active)}
        for place, service_id in enumerate(wanted.service_ids):
            if service_id not in offered:
                raise visit.invalid(f"special_services.{place}", Text.UNKNOWN_ID)
        rows = [
            row for row, _ in (await self._desk.couriers()).values() if wanted.carrier_id in (None, row.id)
        ]
        priced = await self._desk.quotes(rows, order_of(wanted))
        return succeeded(
            [
                self._show.price(CarrierName(one.carrier.id, one.carrier.name), one.measures, one.costs)
                for one in priced
            ]
        )

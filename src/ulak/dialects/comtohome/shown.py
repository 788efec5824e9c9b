"""Our own things as the wire shows them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from ulak.core.accounts import Account
from ulak.core.consignments import (
    CarrierName,
    Consignment,
    Costs,
    Label,
    Measures,
    Package,
    Paper,
    Party,
    Seen,
)
from ulak.core.countries import country
from ulak.core.times import ISTANBUL, to_local_text
from ulak.dialects.comtohome import wire
from ulak.dialects.comtohome.codes import STATUSES, consignment_type, type_of

_LETTERS = str.maketrans("ıİ", "ii")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


class Whose(NamedTuple):
    """What is shown of the owner of a consignment."""

    permissions: wire.Permissions
    customer: wire.Customer
    user: wire.User


class Show:
    """Renders what depends on where the server is reached, and on the key of label links."""

    def __init__(self, public_url: Callable[[], str], link_key: bytes) -> None:
        self._public_url = public_url
        self._link_key = link_key

    def consignment(self, account: Account, found: Consignment) -> wire.Consignment:
        """The whole document. `account` is the one that owns it."""
        shipment, costs, status = found.shipment, found.costs, STATUSES[found.state]
        owner = whose(account)
        base = self._public_url()
        return wire.Consignment(
            id=found.id,
            uuid=found.uuid,
            parent=wire.Parent(*found.parent) if found.parent else None,
            type=type_of(found),
            barcode=found.barcode,
            labels=[self._label(base, label) for label in found.labels],
            reference_no=shipment.reference,
            consignmentType=consignment_type(found),
            status=status.code,
            status_message=_last_words(found) or status.text,
            desi=number(found.measures.desi),
            weight=number(found.measures.weight),
            consignor=party(shipment.sender),
            consignee=party(shipment.recipient),
            warehouse_id=shipment.warehouse_id,
            consignee_id=shipment.recipient_id,
            details=[detail(seen) for seen in found.seen],
            packages=[package(each) for each in shipment.packages],
            documents=[document(paper) for paper in found.papers],
            created_at=to_local_text(found.created),
            updated_at=to_local_text(max(found.created, found.updated)),
            provider_base_cost=lira(costs.base),
            additional_cost=lira(costs.surcharge),
            rule_cost=lira(costs.rule),
            service_fee=lira(costs.fee),
            special_service_fee=lira(costs.services),
            total_cost=lira(costs.total),
            currency_code=costs.currency,
            currency_rate=number(costs.rate),
            permissions=owner.permissions,
            customer=owner.customer,
            user=owner.user,
            provider=self._provider(base, found.carrier),
            special_services=[
                wire.ExtraService(service.id, service.name, lira(service.fee))
                for service in shipment.services
            ],
            specific_shipping_method=shipment.method,
        )

    def row(self, account: Account, found: Consignment) -> wire.Row:
        """The consignment in a list; only its labels, documents and parts of the price are not looked at."""
        status, owner = STATUSES[found.state], whose(account)
        return wire.Row(
            id=found.id,
            uuid=found.uuid,
            barcode=found.barcode,
            reference_no=found.shipment.reference,
            consignmentType=consignment_type(found),
            status=status.code,
            status_message=_last_words(found) or status.text,
            consignee=party(found.shipment.recipient),
            consignor=party(found.shipment.sender),
            created_at=to_local_text(found.created),
            updated_at=to_local_text(max(found.created, found.updated)),
            total_cost=lira(found.costs.total),
            currency_code=found.costs.currency,
            currency_rate=number(found.costs.rate),
            customer=owner.customer,
            user=owner.user,
            provider=self.provider(found.carrier),
        )

    def started(self, found: Consignment) -> wire.Started:
        """What is said of a consignment that was booked."""
        base = self._public_url()
        labels = [self._label(base, label) for label in found.labels]
        return wire.Started(found.id, found.barcode, found.barcode, found.tracking, labels, found.uuid)

    def provider(self, carrier: CarrierName | None) -> wire.Provider | None:
        """A carrier, with the address of its picture."""
        return self._provider(self._public_url(), carrier)

    def logo(self, name: str) -> str:
        """The address of a carrier's picture."""
        return f"{self._public_url()}/uploads/provider_logos/{slug(name)}.png"

    def price(self, carrier: CarrierName, measures: Measures, costs: Costs) -> wire.Price:
        """What a carrier would take."""
        return wire.Price(
            provider=wire.Provider(carrier.id, carrier.name, self.logo(carrier.name)),
            desi=number(measures.desi),
            weight=number(measures.weight),
            chargeable_weight=number(max(measures.desi, measures.weight)),
            provider_base_cost=lira(costs.base),
            additional_cost=lira(costs.surcharge),
            rule_cost=lira(costs.rule),
            service_fee=lira(costs.fee),
            special_service_fee=lira(costs.services),
            total_cost=lira(costs.total),
            currency_code=costs.currency,
            currency_rate=number(costs.rate),
        )

    def seal(self, label: Label) -> str:
        """What proves that somebody was given the address of a label: 32 bytes, in base64."""
        said = f"consignment-label:{label.id}:{label.nonce}".encode()
        return base64.b64encode(hmac.digest(self._link_key, said, hashlib.sha256)).decode()

    def _label(self, base: str, label: Label) -> wire.Label:
        seal = self.seal(label).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
        return wire.Label(
            label.id,
            label.carrier_id,
            label.file_name,
            f"{base}/api/v1/public-download/consignment-label/{label.id}?_hash={seal}",
            label.tracking,
            label.format,
            label.tracking_kind,
        )

    def _provider(self, base: str, carrier: CarrierName | None) -> wire.Provider | None:
        if carrier is None:
            return None
        logo = f"{base}/uploads/provider_logos/{slug(carrier.name)}.png"
        return wire.Provider(carrier.id, carrier.name, logo)


def number(value: Decimal) -> wire.Number:
    """A decimal with no more digits than it needs."""
    whole = int(value)
    return whole if whole == value else value.normalize()


@lru_cache(maxsize=4096)
def lira(amount: int) -> wire.Number:
    """Kuruş as lira."""
    return number(Decimal(amount).scaleb(-2))


def with_offset(ms: int) -> str:
    """'YYYY-MM-DDTHH:MM:SS+03:00' in Istanbul."""
    return datetime.fromtimestamp(ms // 1000, UTC).astimezone(ISTANBUL).isoformat("T", "seconds")


@lru_cache(maxsize=1024)
def slug(name: str) -> str:
    """A name in the letters of a path: `yurtici-kargo`."""
    plain = unicodedata.normalize("NFKD", name.translate(_LETTERS)).encode("ascii", "ignore").decode()
    return _NOT_SLUG.sub("-", plain.lower()).strip("-") or "carrier"


def party(of: Party) -> wire.Party:
    """A sender or recipient."""
    where = country(of.country)
    return wire.Party(
        of.name,
        of.attention,
        where.name,
        where.alpha3,
        of.state,
        of.city,
        of.address,
        of.postal_code,
        of.phone,
        of.email,
    )


def detail(seen: Seen) -> wire.Detail:
    """An entry of the history. Where the carrier said nothing, the status speaks."""
    code, name, text = STATUSES[seen.state]
    return wire.Detail(code, name, text, seen.text or text, to_local_text(seen.at), seen.location)


def movement(found: Consignment, seen: Seen) -> wire.Movement:
    """The same entry as an event."""
    status, carrier = STATUSES[seen.state], found.carrier
    return wire.Movement(
        consignment=wire.ConsignmentId(found.id),
        status=status.code,
        statusMessage=seen.text or status.text,
        statusDatetime=with_offset(seen.at),
        provider=wire.ProviderName(carrier.id, carrier.name) if carrier else None,
        createdAt=with_offset(seen.stored),
    )


def package(of: Package) -> wire.Package:
    """A package and what is in it."""
    items = [
        wire.Item(
            item.id,
            item.tariff_code,
            item.description,
            item.category,
            item.origin,
            item.currency,
            item.quantity,
            number(item.unit_price),
        )
        for item in of.items
    ]
    return wire.Package(of.id, of.kind, of.purpose, of.quantity, of.dangerous, items)


def document(paper: Paper) -> wire.Document:
    """A document, without its content."""
    linked = paper.consignment_id
    return wire.Document(
        id=paper.id,
        documentType=int(paper.kind),
        consignment=wire.ConsignmentId(linked) if linked is not None else None,
        fileName=paper.file_name,
        fileSize=str(paper.size),
        mimeType=paper.mime,
        status=int(paper.state),
    )


def whose(account: Account) -> Whose:
    """The account's rights, the account, and its user."""
    return _whose(account.id, account.name, tuple(account.settings.items()))


@lru_cache(maxsize=1024)
def _whose(account_id: int, name: str, settings: tuple[tuple[str, str], ...]) -> Whose:
    account = Account(account_id, name, True, dict(settings))
    first = account.setting("user_firstname") or name
    return Whose(
        wire.Permissions(*[account.switch(right) for right in wire.Permissions.__struct_fields__]),
        wire.Customer(account_id, str(account_id), name, account.setting("authorized_name") or None),
        wire.User(account_id, first, account.setting("user_lastname")),
    )


def _last_words(found: Consignment) -> str:
    """What was said when the consignment came into its state; empty if nothing was."""
    if not found.seen:
        return ""
    last = found.seen[-1]
    return last.text if last.state is found.state else ""

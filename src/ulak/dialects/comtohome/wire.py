"""What travels: the JSON of answers, keys in the order the vendor's pages show them.

The find and list family is written with underscores, but for `consignmentType` and `countryIso3`, and tells
local times without a zone; events and documents are in camel case and tell times with an offset. Numbers are
printed without a fraction where they have none.

Sources: the vendor's pages find-by-tracking-code (all of it), find-by-barcode, -id and -reference,
list-consignment, consignment-event, cancel-consignment, create-, update- and process-draft, and
consignment-document (upload, get, list, proforma); see README.md for what they leave open.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

Number = int | Decimal


class Label(msgspec.Struct, gc=False):
    """A package's label. `provider` is an id here and an object in the consignment."""

    id: int
    provider: int
    file_name: str
    file_url: str
    tracking_code: str | None
    label_type: int
    tracking_type: int


class Party(msgspec.Struct, gc=False):
    """A sender or recipient: the country by its English name, the phone digits only."""

    name: str
    attention_name: str
    country: str
    countryIso3: str
    state: str
    city: str
    address: str
    postal_code: str
    phone: str
    email: str | None


class Detail(msgspec.Struct, gc=False):
    """Something that was seen of the consignment."""

    status: int
    status_name: str
    status_description: str
    message: str
    status_datetime: str
    location: str | None


class Item(msgspec.Struct, gc=False):
    """Goods of one kind."""

    id: int
    gtip: str | None
    description: str
    category: str | None
    origin: str
    currency: str
    quantity: int
    unit_price: Number


class Package(msgspec.Struct):
    """Identical boxes; neither their size nor their weight is shown."""

    id: int
    package_type: int
    post_type: int
    quantity: int
    dangerous_goods: bool
    items: list[Item]


class ConsignmentId(msgspec.Struct, gc=False):
    """A consignment by its id."""

    id: int


class Document(msgspec.Struct):
    """A document; its size is a text."""

    id: int
    documentType: int
    consignment: ConsignmentId | None
    fileName: str
    fileSize: str
    mimeType: str
    status: int


class Parent(msgspec.Struct, gc=False):
    """What a return was made from."""

    id: int
    uuid: str
    barcode: str


class Permissions(msgspec.Struct, gc=False):
    """What the account may do by hand."""

    can_create_cn22: bool
    can_create_cn23: bool
    can_create_proforma_invoice: bool
    can_send_to_provider_manually: bool
    can_recheck_manually: bool


class Customer(msgspec.Struct, gc=False):
    """The account. Its code is a text."""

    id: int
    customer_code: str
    name: str
    authorized_name: str | None


class User(msgspec.Struct, gc=False):
    """Who uses the account."""

    id: int
    firstname: str
    lastname: str


class Provider(msgspec.Struct, gc=False):
    """A carrier."""

    id: int
    name: str
    logo: str


class ExtraService(msgspec.Struct, gc=False):
    """An extra that was ordered with a consignment."""

    id: int
    name: str
    fee: Number


class Consignment(msgspec.Struct):
    """The whole consignment: the same document for every way to find it."""

    id: int
    uuid: str
    parent: Parent | None
    type: str
    barcode: str
    labels: list[Label]
    reference_no: str | None
    consignmentType: int
    status: int
    status_message: str
    desi: Number
    weight: Number
    consignor: Party
    consignee: Party
    warehouse_id: int | None
    consignee_id: int | None
    details: list[Detail]
    packages: list[Package]
    documents: list[Document]
    created_at: str
    updated_at: str
    provider_base_cost: Number
    additional_cost: Number
    rule_cost: Number
    service_fee: Number
    special_service_fee: Number
    total_cost: Number
    currency_code: str
    currency_rate: Number
    permissions: Permissions
    customer: Customer
    user: User
    provider: Provider | None
    special_services: list[ExtraService]
    specific_shipping_method: str | None


class Row(msgspec.Struct):
    """A consignment in the list."""

    id: int
    uuid: str
    barcode: str
    reference_no: str | None
    consignmentType: int
    status: int
    status_message: str
    consignee: Party
    consignor: Party
    created_at: str
    updated_at: str
    total_cost: Number
    currency_code: str
    currency_rate: Number
    customer: Customer
    user: User
    provider: Provider | None


class ProviderName(msgspec.Struct, gc=False):
    """A carrier in an event."""

    id: int
    name: str


class Movement(msgspec.Struct):
    """An event: something that was seen of a consignment, with times that carry their offset."""

    consignment: ConsignmentId
    status: int
    statusMessage: str
    statusDatetime: str
    provider: ProviderName | None
    createdAt: str


class Started(msgspec.Struct):
    """The answer of creating, of start-process and of send-to-provider."""

    consignment: int
    barcode: str
    c2hBarcode: str
    providerTrackingCode: str | None
    labels: list[Label]
    uuid: str


class Touched(msgspec.Struct, gc=False):
    """The answer of cancelling."""

    consignment: int


class FormMade(msgspec.Struct, gc=False):
    """The answer of a proforma invoice, CN22 or CN23."""

    consignment_id: int
    uuid: str
    document_id: int
    base64pdf: str


class ListedProvider(msgspec.Struct, gc=False):
    """A carrier that the account can use, and what it can do."""

    id: int
    name: str
    logo: str
    active: bool
    domestic: bool
    international: bool
    tracking: bool


class ListedService(msgspec.Struct, gc=False):
    """An extra that can be ordered."""

    id: int
    name: str
    fee: Number
    currency_code: str


class Price(msgspec.Struct):
    """What a carrier would take."""

    provider: Provider
    desi: Number
    weight: Number
    chargeable_weight: Number
    provider_base_cost: Number
    additional_cost: Number
    rule_cost: Number
    service_fee: Number
    special_service_fee: Number
    total_cost: Number
    currency_code: str
    currency_rate: Number


class Meta(msgspec.Struct, gc=False):
    """Which page of how many entries."""

    page: int
    limit: int
    total: int


class _Success(msgspec.Struct):
    status: bool
    message: str | None
    data: Any


class _Page(msgspec.Struct):
    status: bool
    message: str | None
    data: Any
    meta: Meta


class Problem(msgspec.Struct, gc=False):
    """One thing that is wrong."""

    message: str


class _Failure(msgspec.Struct):
    status: bool
    errors: list[Problem]


encode = msgspec.json.Encoder(decimal_format="number").encode
"""JSON with decimals as numbers."""


def success(data: Any, message: str | None = None) -> bytes:
    """The envelope of an answer."""
    return encode(_Success(True, message, data))


def page(data: Any, meta: Meta, message: str | None = None) -> bytes:
    """The envelope of a page of a list."""
    return encode(_Page(True, message, data, meta))


def failure(*messages: str) -> bytes:
    """The envelope of everything that went wrong."""
    return encode(_Failure(False, [Problem(message) for message in messages]))

"""A request to send something: what its fields mean, and everything that is wrong with it.

The rules are those of sections 4.2, 4.3 and 5 of the specification. All problems are found at once, in the
order of the fields on the vendor's pages; unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ulak.core.consignments import (
    Item,
    LabelFormat,
    Package,
    Party,
    Preference,
    Route,
    SavedAs,
    Shape,
    Shipment,
)
from ulak.dialects.comtohome import fields
from ulak.dialects.comtohome.fields import ID_MAX, Problems, Reader
from ulak.dialects.comtohome.texts import Text

PACKAGES_MAX = 100
ITEMS_MAX = 500
"""In one package, and in all packages together."""
REFERENCE_MAX = 255
"""Characters."""
IDS_MAX = 50
"""Documents, and extra services."""

WEIGHT_MAX = 100_000
"""Kilograms of one box."""
LENGTH_MAX = 10_000
"""Centimetres of one side."""
BOXES_MAX = 10_000
TOTAL_WEIGHT_MAX = 1_000_000
TOTAL_VOLUME_MAX = 3_000_000_000
"""cm³ of everything: a million desi."""

HOME = "TR"
PREFERENCES = (int(Preference.GIVEN), int(Preference.CHEAPEST))
KINDS_MAX = 99
INCOTERMS = (1, 2, 3)
LABELS = tuple(map(int, LabelFormat))
"""DDP, DDU, DAP."""

Saved = Mapping[SavedAs, Party | None]
"""What the account keeps under the ids of a request; None where there is nothing under it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A complete request. The ids of extra services and documents are not looked up yet."""

    shape: Shape
    route: Route
    preference: Preference
    carrier_id: int | None
    shipment: Shipment
    service_ids: tuple[int, ...]
    paper_ids: tuple[int, ...]


class Invalid(Exception):
    """A request that is not carried out; `problems` has a sentence for each field."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(*problems)
        self.problems = problems


def saved_ids(body: dict[str, Any]) -> dict[SavedAs, int]:
    """Under which ids a request refers to parties that the account keeps."""
    names = {SavedAs.WAREHOUSE: "warehouse_id", SavedAs.RECIPIENT: "consignee_id"}
    reader = Reader(body, "", Problems("en"))
    found = {saved_as: reader.integer(name, most=ID_MAX) for saved_as, name in names.items()}
    return {saved_as: number for saved_as, number in found.items() if number is not None}


def paper_ids(body: dict[str, Any]) -> tuple[int, ...]:
    """The documents that a request names, as far as they can be read."""
    return Reader(body, "", Problems("en")).ids("documents", IDS_MAX)


def order(body: dict[str, Any], saved: Saved, language: str, *, many: bool | None = False) -> Wanted:
    """A request to send one package, or `many`; None lets the number of packages decide.

    Raises:
        Invalid: with everything that is wrong.
    """
    problems = Problems(language)
    wanted = _Form(Reader(body, "", problems), saved, problems).order(many)
    if wanted is None:
        raise Invalid(problems.found)
    return wanted


def draft(body: dict[str, Any], saved: Saved, language: str) -> Wanted:
    """A draft: only sender and recipient are required, and packages that are not complete are left out.

    Raises:
        Invalid: with everything that is wrong.
    """
    problems = Problems(language)
    wanted = _Form(Reader(body, "", problems, partial=True), saved, problems).draft()
    if wanted is None:
        raise Invalid(problems.found)
    return wanted


class _Form:
    """One request."""

    def __init__(self, reader: Reader, saved: Saved, problems: Problems) -> None:
        self._reader = reader
        self._saved = saved
        self._problems = problems

    def order(self, many: bool | None) -> Wanted | None:
        """The request, if nothing is wrong with it."""
        abroad = self._goes_abroad()
        base = self._base(abroad)
        sender = self._party("consignor", SavedAs.WAREHOUSE, tax_number=abroad)
        recipient = self._party("consignee", SavedAs.RECIPIENT)
        self._check_route(sender)
        packages = self._packages(abroad, many)
        if sender is None or recipient is None or self._problems.found:
            return None
        return self._wanted(base, sender, recipient, packages)

    def draft(self) -> Wanted | None:
        """The same for a draft, which has its parties and may have anything else."""
        base = self._base(abroad=False)
        whole = _Form(self._reader.whole(), self._saved, self._problems)
        sender = whole._party("consignor", SavedAs.WAREHOUSE)
        recipient = whole._party("consignee", SavedAs.RECIPIENT)
        self._packages(False, None)
        if sender is None or recipient is None or self._problems.found:
            return None
        complete = Problems("en")
        packages = _Form(self._reader.whole(complete), self._saved, complete)._packages(False, None)
        return self._wanted(base, sender, recipient, () if complete.found else packages)

    def _goes_abroad(self) -> bool:
        """Whether the recipient is in another country, as far as can be told."""
        reader = Reader(self._reader.plain, "", Problems("en"))
        recipient = reader.child("consignee")
        saved = self._saved.get(SavedAs.RECIPIENT)
        if recipient is not None:
            return (recipient.read("country", fields.country) or HOME) != HOME
        return saved is not None and saved.country != HOME

    def _base(self, abroad: bool) -> Mapping[str, Any]:
        """The fields beside parties and packages."""
        read = self._reader
        preference = read.choice("preference", PREFERENCES, required=True)
        given = preference == Preference.GIVEN
        return {
            "preference": preference,
            "provider_id": read.integer("provider_id", most=ID_MAX, required=given),
            "resolver": read.read("address_resolver_type", _resolver, required=abroad),
            "incoterms": read.choice("incoterms_type", INCOTERMS, required=abroad),
            "invoice_number": read.text("invoice_number", 255),
            "reference": read.text("reference_no", REFERENCE_MAX),
            "method": read.text("specific_shipping_method", 255),
            "wants_barcode": read.boolean("generate_provider_barcode") or False,
            "barcode": read.text("specific_provider_barcode", 255),
            "warehouse_id": self._saved_id("warehouse_id", SavedAs.WAREHOUSE),
            "recipient_id": self._saved_id("consignee_id", SavedAs.RECIPIENT),
            "label_format": LabelFormat(read.choice("label_type", LABELS) or 0),
            "service_ids": read.ids("special_services", IDS_MAX),
            "paper_ids": read.ids("documents", IDS_MAX),
        }

    def _saved_id(self, name: str, saved_as: SavedAs) -> int | None:
        number = self._reader.integer(name, most=ID_MAX)
        if number is not None and self._saved.get(saved_as) is None:
            self._reader.wrong(name, Text.UNKNOWN_ID)
        return number

    def _party(self, name: str, saved_as: SavedAs, *, tax_number: bool = False) -> Party | None:
        """The party under a name, or the one that was saved."""
        saved = self._saved.get(saved_as)
        if saved is not None and not self._reader.has(name):
            if tax_number and not saved.tax_number:
                self._reader.wrong(f"{name}.tax_number", Text.MISSING)
            return saved
        read = self._reader.child(name, required=True)
        if read is None:
            return None
        called = read.text("name", 255, required=True)
        attention = read.text("attention_name", 255)
        country = read.read("country", fields.country, required=True)
        state = read.text("state", 100, required=True)
        city = read.text("city", 100, required=True)
        postal_code = read.text("postal_code", 30, required=True)
        address = read.text("address", 1000, required=True)
        phone = read.read("phone_number", lambda value: fields.phone(value, country), required=True)
        email = read.text("email", 255)
        tax = read.text("tax_number", 50, required=tax_number)
        if not (called and country and state and city and postal_code and address and phone):
            return None
        return Party(
            name=called,
            attention=attention or called,
            country=country,
            state=state,
            city=city,
            address=address,
            postal_code=postal_code,
            phone=phone,
            email=email,
            tax_number=tax,
        )

    def _check_route(self, sender: Party | None) -> None:
        if sender is not None and sender.country != HOME:
            self._reader.wrong("consignor.country", Text.NOT_FROM_TURKEY)

    def _packages(self, abroad: bool, many: bool | None) -> tuple[Package, ...]:
        """All packages; those with problems are left out."""
        readers = self._reader.children("packages", PACKAGES_MAX, required=True)
        self._check_count(many)
        found = [self._package(reader, abroad, many is not False) for reader in readers]
        if many is not False:
            self._check_alike(found)
        packages = tuple(package for package in found if package is not None)
        self._check_totals(packages)
        return packages

    def _check_count(self, many: bool | None) -> None:
        given = self._reader.plain.get("packages")
        if not isinstance(given, list) or len(given) > PACKAGES_MAX or self._reader.partial:
            return
        if many and len(given) < 2:
            self._reader.wrong("packages", Text.TOO_FEW, min=2)
        elif many is None and not given:
            self._reader.wrong("packages", Text.TOO_FEW, min=1)
        elif many is False and len(given) != 1:
            self._reader.wrong("packages", Text.EXACTLY_ONE)

    def _check_alike(self, packages: Sequence[Package | None]) -> None:
        """The rules of several packages: one type, and a barcode for each or for none."""
        known = [(place, package) for place, package in enumerate(packages) if package is not None]
        codes = [package.barcode and package.barcode.upper() for _, package in known]
        for nth, (place, package) in enumerate(known):
            if package.kind != known[0][1].kind:
                self._reader.wrong(f"packages.{place}.package_type", Text.MIXED_TYPES)
            code = f"packages.{place}.specific_provider_barcode"
            if package.barcode is None and any(codes):
                self._reader.wrong(code, Text.PARTIAL_BARCODES)
            elif package.barcode is not None and codes[nth] in codes[:nth]:
                self._reader.wrong(code, Text.DUPLICATE_BARCODE)

    def _check_totals(self, packages: Sequence[Package]) -> None:
        weight = sum(package.quantity * package.weight for package in packages)
        volume = sum(
            package.quantity * package.length * package.width * package.height for package in packages
        )
        if weight > TOTAL_WEIGHT_MAX or volume > TOTAL_VOLUME_MAX:
            self._reader.wrong("packages", Text.TOTAL_TOO_BIG)
        if sum(len(package.items) for package in packages) > ITEMS_MAX:
            self._reader.wrong("packages", Text.TOO_MANY_ENTRIES, max=ITEMS_MAX)

    def _package(self, read: Reader, abroad: bool, many: bool) -> Package | None:
        kind = read.integer("package_type", most=KINDS_MAX, required=True)
        purpose = read.integer("post_type", most=KINDS_MAX, required=True)
        quantity = read.integer("quantity", most=BOXES_MAX)
        weight = read.number("weight", most=WEIGHT_MAX, required=True)
        length, width, height = (
            read.number(side, most=LENGTH_MAX, required=True) for side in ("length", "width", "height")
        )
        dangerous = read.boolean("dangerous_goods") or False
        barcode = read.text("specific_provider_barcode", 255) if many else None
        items = self._items(read, abroad)
        if not (kind and purpose and weight and length and width and height):
            return None
        return Package(
            id=0,
            kind=kind,
            purpose=purpose,
            quantity=quantity or 1,
            weight=weight,
            length=length,
            width=width,
            height=height,
            dangerous=dangerous,
            items=items,
            barcode=barcode,
        )

    def _items(self, read: Reader, abroad: bool) -> tuple[Item, ...]:
        readers = read.children("items", ITEMS_MAX, required=True)
        if not readers and read.plain.get("items") == [] and not read.partial:
            read.wrong("items", Text.TOO_FEW, min=1)
        found = [self._item(reader, abroad) for reader in readers]
        return tuple(item for item in found if item is not None)

    def _item(self, read: Reader, abroad: bool) -> Item | None:
        description = read.text("description", 255, required=True)
        tariff_code = read.read("gtip", fields.tariff_code, required=abroad)
        origin = read.read("origin", fields.country, required=abroad)
        currency = read.read("currency_code", fields.currency, required=True)
        quantity = read.integer("quantity", required=True)
        unit_price = read.number("unit_price", zero=True, required=True)
        category = read.text("category", 255)
        if description is None or currency is None or quantity is None or unit_price is None:
            return None
        return Item(0, description, origin or HOME, currency, quantity, unit_price, tariff_code, category)

    def _wanted(
        self, base: Mapping[str, Any], sender: Party, recipient: Party, packages: tuple[Package, ...]
    ) -> Wanted:
        kept = ("reference", "method", "invoice_number", "incoterms", "wants_barcode", "label_format")
        preference = Preference(base["preference"] or 0)
        shipment = Shipment(
            sender,
            recipient,
            packages,
            # Of several packages each has its own, or none has.
            barcode=base["barcode"] if len(packages) < 2 else None,
            warehouse_id=base["warehouse_id"],
            recipient_id=base["recipient_id"],
            **{name: base[name] for name in kept},
        )
        return Wanted(
            shape=Shape.MULTI_PACKAGE if len(packages) > 1 else Shape.NORMAL,
            route=Route.DOMESTIC if recipient.country == HOME else Route.INTERNATIONAL,
            preference=preference,
            carrier_id=base["provider_id"] if preference is Preference.GIVEN else None,
            shipment=shipment,
            service_ids=base["service_ids"],
            paper_ids=base["paper_ids"],
        )


def _resolver(value: object) -> int:
    """How addresses are to be checked: not at all, or not more than they are anyway."""
    if fields.integer_in(value) == 2:
        raise fields.Wrong(Text.NO_ADDRESS_TABLE)
    return fields.choice(value, (0, 1))

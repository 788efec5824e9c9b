"""Tracking codes that a customer brings along, package by package."""

from __future__ import annotations

from ulak.core.consignments import Shipment


def brought_along(shipment: Shipment) -> list[str | None]:
    """The carrier's code that each package came with. A code for the whole is that of the first package."""
    codes = [package.barcode for package in shipment.packages]
    if codes and codes[0] is None:
        codes[0] = shipment.barcode
    return [code or None for code in codes]

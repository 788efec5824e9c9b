"""Labels: how long the PDF of one takes in a process that has made some, beside a bare page of reportlab."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from io import BytesIO

from benchmarks.rig import Bench, Figure
from ulak.core.consignments import (
    BOX,
    SALE,
    CarrierName,
    Consignment,
    Costs,
    Item,
    Label,
    LabelFormat,
    Measures,
    Package,
    Party,
    Route,
    Shape,
    Shipment,
    TrackingKind,
)
from ulak.core.shipping import File
from ulak.core.states import ParcelState
from ulak.papers.printer import PaperPrinter

_DAY = 1_779_274_991_000
_STREETS = ("Çınar Sokak", "Şair Eşref Bulvarı", "İnönü Caddesi", "Gül Sokağı", "Ağaçlı Yol")


def run(bench: Bench) -> None:
    """Every label is of another parcel to another person, so that nothing of it was made before."""
    count = 100 if bench.quick else 1_000
    printer = PaperPrinter()
    parcels = [_parcel(number, LabelFormat.PDF) for number in range(count)]
    began = time.perf_counter()
    labels = _milliseconds([_printing(printer, parcel) for parcel in parcels])
    wall = (time.perf_counter() - began) * 1000 / count
    file = _printing(printer, parcels[0])()
    lines = [f"Line {number} of a page with text" for number in range(_text_lines())]
    bare = _milliseconds([lambda: _bare_page(lines)] * count)
    thermal = [_printing(printer, _parcel(number, LabelFormat.ZPL)) for number in range(count)]
    told = _milliseconds(thermal)
    kilobytes, load = len(file.content) / 1000, os.getloadavg()[0]
    bench.note(
        f"{count:,} labels of {kilobytes:.1f} kB, one of twenty slower than {_slow(labels):.2f} ms;"
        f" {wall:.2f} ms of wall clock each at a load of {load:.2f}; medians of CPU time below"
    )
    bench.add(Figure("label", statistics.median(labels), "ms", at_most=4))
    bench.add(Figure("label: ceiling, a bare page of reportlab", statistics.median(bare), "ms"))
    bench.add(Figure("label: beside its ceiling", statistics.median(labels) / statistics.median(bare), "x"))
    bench.add(Figure("label as ZPL", statistics.median(told), "ms"))


def _printing(printer: PaperPrinter, parcel: Consignment) -> Callable[[], File]:
    return lambda: printer.label(parcel, parcel.labels[0])


def _milliseconds(tasks: Sequence[Callable[[], object]]) -> list[float]:
    """CPU time of each task, after a first one that is not counted."""
    tasks[-1]()
    taken = []
    for task in tasks[:-1]:
        began = time.thread_time()
        task()
        taken.append((time.thread_time() - began) * 1000)
    return taken


def _slow(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=20)[-1]


def _text_lines() -> int:
    """How many lines of text a label has."""
    from ulak.papers.labels import label_page
    from ulak.papers.layout import Text

    parcel = _parcel(0, LabelFormat.PDF)
    return sum(isinstance(mark, Text) for mark in label_page(parcel, parcel.labels[0]).marks)


def _bare_page(lines: list[str]) -> bytes:
    """The same number of lines in a font that is not embedded, and nothing else."""
    from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped, unused-ignore]

    output = BytesIO()
    canvas = Canvas(output, pagesize=(283, 425), invariant=1, pageCompression=1)
    for place, line in enumerate(lines):
        canvas.drawString(10, 410 - 15 * place, line)
    canvas.showPage()
    canvas.save()
    return output.getvalue()


def _parcel(number: int, format: LabelFormat) -> Consignment:
    street = _STREETS[number % len(_STREETS)]
    sender = Party("Kuzey Depo", "Şule Çağlar", "TR", "İzmir", "Bornova", "Liman 4", "35040", "902320001122")
    recipient = Party(
        f"Ece Güneş {number}",
        f"Ece Güneş {number}",
        "TR",
        "Adana",
        "Seyhan",
        f"{street} No: {number % 90}/{number % 7} Kat {number % 5}, Yeşilyurt Mahallesi",
        f"{1000 + number % 900:05}",
        f"90555{number:07}",
    )
    item = Item(1, "Kupa", "TR", "TRY", 2, Decimal("150.50"))
    side = Decimal(15)
    package = Package(1, BOX, SALE, 1, Decimal("2.5"), side, side, side, False, (item,))
    tracking = f"RR{123456785 + number:09}TR"
    label = Label(
        number,
        number,
        1,
        0,
        f"label_{number:06}.pdf",
        tracking,
        TrackingKind.CARRIER,
        format,
        "nonce",
        ParcelState.BOOKED,
        _DAY,
    )
    return Consignment(
        number,
        1,
        f"uuid-{number}",
        f"C2H{40516273849 + number:011}",
        Shape.NORMAL,
        Route.DOMESTIC,
        ParcelState.BOOKED,
        _DAY,
        Shipment(sender, recipient, (package,), reference=f"SO-{number}"),
        Costs(base=2000, total=12096),
        Measures(Decimal("1.13"), Decimal("2.5")),
        _DAY,
        _DAY,
        carrier=CarrierName(1, "Demo Kargo"),
        labels=[label],
    )

"""The printer of all papers: `core.shipping.Printer`, in PDF, ZPL and PNG.

What draws is imported when the first paper is wanted, so that this module costs nothing to have.
"""

from __future__ import annotations

from dataclasses import dataclass

from ulak.core.consignments import Consignment, Label, LabelFormat, PaperKind
from ulak.core.shipping import File

PDF = "application/pdf"
ZPL = "application/zpl"
"""Not registered with anybody, but what programs that print ZPL call it."""
PNG = "image/png"

SMALLEST = (90.0, 140.0)
"""The least that a label's parts need, in mm."""


@dataclass(frozen=True, slots=True)
class PaperPrinter:
    """Prints labels of one size (mm), and for thermal printers of one density (dots per mm: 6, 8, 12, 24)."""

    size: tuple[float, float] = (100.0, 150.0)
    dots: int = 8

    def __post_init__(self) -> None:
        if self.size[0] < SMALLEST[0] or self.size[1] < SMALLEST[1]:
            raise ValueError(f"A label needs {SMALLEST[0]:g} × {SMALLEST[1]:g} mm at least.")

    def label(self, consignment: Consignment, label: Label) -> File:
        """One package's label, in the label's own format."""
        from ulak.papers.labels import label_page

        page = label_page(consignment, label, self.size)
        if label.format == LabelFormat.ZPL:
            from ulak.papers.zpl import zpl

            return File(zpl(page, self.dots), ZPL)
        if label.format == LabelFormat.PNG:
            from ulak.papers.png import png

            return File(png(page, self.dots), PNG)
        from ulak.papers.pdf import pdf

        return File(pdf([page], label.file_name), PDF)

    def paper(self, consignment: Consignment, kind: PaperKind) -> File:
        """A proforma invoice, CN22 or CN23 as PDF.

        Raises:
            ValueError: there are no goods to declare, or the paper is none of these; the text says which.
        """
        from ulak.papers.customs import cn22, cn23
        from ulak.papers.pdf import pdf
        from ulak.papers.proforma import proforma

        forms = {PaperKind.PROFORMA: proforma, PaperKind.CN22: cn22, PaperKind.CN23: cn23}
        if kind not in forms:
            raise ValueError(f"A paper of the kind {PaperKind(kind).name} cannot be made, only uploaded.")
        return File(pdf(forms[kind](consignment), f"{kind.name} {consignment.barcode}"), PDF)

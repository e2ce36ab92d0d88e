"""Reads PDF files back with other people's code: pages, text and QR codes as customers see them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pypdfium2
import zxingcpp

MM = 72 / 25.4


class PdfReader:
    """An opened file."""

    def __init__(self, content: bytes) -> None:
        self._document = pypdfium2.PdfDocument(content)

    def __len__(self) -> int:
        return len(self._document)

    def size_mm(self, page: int) -> tuple[float, float]:
        """Width and height of a page."""
        width, height = self._document[page].get_size()
        return width / MM, height / MM

    def text(self, page: int) -> str:
        """All text of a page, with plain line ends."""
        text: str = self._document[page].get_textpage().get_text_range()
        return text.replace("\r\n", "\n")

    def pixels(self, page: int, per_mm: float = 8) -> npt.NDArray[np.uint8]:
        """The page as it looks: rows of red, green, blue."""
        picture = self._document[page].render(scale=per_mm / MM).to_numpy()
        colours: npt.NDArray[np.uint8] = picture[:, :, 2::-1]
        return colours

    def codes(self, page: int) -> list[str]:
        """What a scanner reads, row by row from the top left."""
        return [found.text for found in self.barcodes(page)]

    def barcodes(self, page: int, per_mm: float = 5) -> list[Any]:
        """The scanner's findings, row by row from the top left."""
        found = zxingcpp.read_barcodes(
            np.ascontiguousarray(self.pixels(page, per_mm)), formats=zxingcpp.BarcodeFormat.QRCode
        )

        def place(barcode: Any) -> tuple[int, int]:
            # Cards are 55 mm high; symbols of a row may differ by a few millimetres.
            corner = barcode.position.top_left
            return round(corner.y / per_mm / 55), int(corner.x)

        return sorted(found, key=place)

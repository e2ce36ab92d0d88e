"""A PDF file that is written while it is drawn, over reportlab's canvas.

reportlab keeps every page until the end and formats them together. Here each finished page, form
and image is formatted and handed to `write` at once and then forgotten; what stays is eight bytes
per object for the cross-reference table and the names of the forms still in use. Fonts come last,
because only then is it known which of their glyphs were drawn. Equal drawings give equal bytes: no
clock, no file name and no random identifier goes into the file.
"""

import hashlib
from array import array
from collections.abc import Callable

from reportlab.pdfbase import pdfdoc
from reportlab.pdfgen.canvas import Canvas

_PAGES_PER_NODE = 64
_XREF_ENTRIES_PER_WRITE = 4096


class SheetFile(Canvas):  # type: ignore[misc]
    """A canvas whose pages leave as they are shown; `close` takes the place of `save`."""

    def __init__(
        self,
        write: Callable[[bytes], object],
        page_size_pt: tuple[float, float],
        title: str,
        font_name: str,
    ) -> None:
        # A font that is embedded from the start keeps the built-in Helvetica out of the file.
        super().__init__(
            None, page_size_pt, pageCompression=1, invariant=1, initialFontName=font_name
        )
        self._doc = _StreamedDocument(write)
        self._doc.setTitle(title)
        self._doc.setAuthor("")
        self._doc.setSubject("")
        self._doc.setCreator("Farebox")
        self._doc.setProducer("Farebox")

    def define_form(
        self, name: str, size_pt: tuple[float, float], draw: Callable[[], None]
    ) -> None:
        """Draw a form that later pages and forms can show by name; it leaves at once."""
        self.beginForm(name, 0, 0, *size_pt)
        draw()
        self.endForm()
        self._doc.flush()

    def forget_form(self, name: str) -> None:
        """No page drawn from now on will show this form."""
        self._doc.forget(name)

    def close(self) -> None:
        """Write the fonts and the file's index. The last page must have been shown."""
        self._doc.finish()


class _StreamedDocument(pdfdoc.PDFDocument):  # type: ignore[misc]
    """reportlab's document with its objects written as soon as nothing can change them."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        super().__init__(compression=1, invariant=1, pdfVersion=(1, 4))
        self._write = write
        self._digest = hashlib.md5(usedforsecurity=False)
        self._size_bytes = 0
        self._offsets = array("Q", [0])
        self._flushed = 0
        # The numbers of objects that may still change: the font dictionary and the page tree.
        self._held: set[int] = set(self.numberToId)
        self._root = _PageNode(None)
        self._leaf: _PageNode | None = None
        self.Catalog.Pages = self._root
        self.Catalog.Outlines = None
        self._hold(self._root)
        self._put(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")

    def addPage(self, page: pdfdoc.PDFPage) -> None:  # noqa: N802 - the canvas calls it so
        """Take a shown page, hang it into the tree and write it."""
        leaf = self._leaf
        if leaf is None or len(leaf.kids) == _PAGES_PER_NODE:
            leaf = self._new_leaf()
        page.Parent = self.Reference(leaf)
        leaf.kids.append(self._number(page))
        leaf.pages += 1
        self._root.pages += 1
        self.pageCounter += 1
        self.inObject = None
        self.flush()

    def flush(self) -> None:
        """Write all that has been registered and can no longer change."""
        while self._flushed < self.objectcounter:
            self._flushed += 1
            if self._flushed not in self._held:
                self._emit(self._flushed)

    def forget(self, name: str) -> None:
        """Drop the number of a written form."""
        self.idToObjectNumberAndVersion.pop(self.getXObjectName(name), None)

    def finish(self) -> None:
        """Write what was held back, the cross-reference table and the trailer."""
        for font in list(self.delayedFonts):
            font.addObjects(self)
        catalog, info = self.Reference(self.Catalog), self.Reference(self.info)
        held, self._held = sorted(self._held), set()
        self.flush()
        for number in held:
            self._emit(number)
        # Formatting the held objects may have registered the last few.
        self.flush()
        trailer = pdfdoc.PDFTrailer(
            startxref=self._size_bytes,
            Size=self.objectcounter + 1,
            Root=catalog,
            Info=info,
            ID=_Raw(f"[<{self._digest.hexdigest()}> <{self._digest.hexdigest()}>]"),
        )
        self._put_xref()
        self._put(trailer.format(self))

    def _new_leaf(self) -> "_PageNode":
        """Write the full node of the page tree and open the next one."""
        if self._leaf is not None:
            full = self._number(self._leaf)
            self._held.discard(full)
            self._emit(full)
        leaf = self._leaf = _PageNode(self._root)
        self._root.kids.append(self._hold(leaf))
        return leaf

    def _hold(self, item: pdfdoc.PDFObject) -> int:
        """Register an object that is written later; its number."""
        number = self._number(item)
        self._held.add(number)
        return number

    def _number(self, item: pdfdoc.PDFObject) -> int:
        name = self.Reference(item).name
        return int(self.idToObjectNumberAndVersion[name][0])

    def _emit(self, number: int) -> None:
        """Write one object and forget it; a form's number is kept for the pages that show it."""
        name = self.numberToId[number]
        content = pdfdoc.PDFIndirectObject(name, self.idToObject[name]).format(self)
        while len(self._offsets) <= number:
            self._offsets.append(0)
        self._offsets[number] = self._size_bytes
        self._put(content)
        if self._held:
            del self.numberToId[number], self.idToObject[name]
            if not name.startswith(pdfdoc.xObjectName("")):
                del self.idToObjectNumberAndVersion[name]

    def _put(self, content: bytes) -> None:
        self._digest.update(content)
        self._size_bytes += len(content)
        self._write(content)

    def _put_xref(self) -> None:
        """The cross-reference table, in pieces: a long sheet has very many objects."""
        offsets = self._offsets
        self._put(b"xref\n0 %d\n0000000000 65535 f \n" % len(offsets))
        for start in range(1, len(offsets), _XREF_ENTRIES_PER_WRITE):
            piece = offsets[start : start + _XREF_ENTRIES_PER_WRITE]
            self._put(b"".join(b"%010d 00000 n \n" % offset for offset in piece))


class _PageNode(pdfdoc.PDFObject):  # type: ignore[misc]
    """A node of the page tree: the root over its leaves, or a leaf over its pages."""

    # reportlab's mark of an object that is only ever referred to.
    __RefOnly__ = 1

    def __init__(self, parent: "_PageNode | None") -> None:
        self.parent = parent
        self.kids = array("Q")
        self.pages = 0

    def format(self, document: pdfdoc.PDFDocument) -> bytes:
        """The node as PDF text."""
        parent = b""
        if self.parent is not None:
            parent = b"/Parent " + document.Reference(self.parent).format(document)
        kids = b" ".join(b"%d 0 R" % number for number in self.kids)
        return b"<< /Type /Pages %s /Count %d /Kids [ %s ] >>\n" % (parent, self.pages, kids)


class _Raw(pdfdoc.PDFObject):  # type: ignore[misc]
    """Text that already is PDF."""

    def __init__(self, text: str) -> None:
        self.text = text

    def format(self, document: pdfdoc.PDFDocument) -> bytes:  # noqa: ARG002 - reportlab's signature
        """The text as it is."""
        return self.text.encode("ascii")

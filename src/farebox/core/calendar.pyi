"""Look-ups in boundary tables: which period contains an instant (vending-commerce.md 4.2).

Tables come from `farebox.domain.windows`. Instants are int64 milliseconds. Outside its table an
instant has no answer, never a guess.
"""

from typing import final

from _typeshed import ReadableBuffer, WriteableBuffer

@final
class Table:
    def __init__(self, boundaries: ReadableBuffer) -> None:
        """Ascending int64 epoch-ms period starts; whole seconds. ValueError if not ascending."""
    def __len__(self) -> int: ...
    def find(self, instant_ms: int) -> int:
        """Index i with boundaries[i] <= instant < boundaries[i + 1]; -1 outside the table."""
    def span(self, instant_ms: int) -> tuple[int, int]:
        """(start, end) of the period; LookupError outside the table."""
    def find_many(self, instants_ms: ReadableBuffer, index: WriteableBuffer) -> None:
        """The same over int64[n] into int32[n], without the interpreter lock."""

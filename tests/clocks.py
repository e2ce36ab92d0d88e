"""A clock that stands still until a test moves it."""

from datetime import datetime


class SettableClock:
    """Epoch milliseconds when called; `set` takes an RFC 3339 instant, `advance_ms` moves on."""

    def __init__(self, text: str = "2026-03-10T09:00:00Z") -> None:
        self.now_ms = 0
        self.set(text)

    def __call__(self) -> int:
        return self.now_ms

    def set(self, text: str) -> None:
        """Stand at the given instant, such as 2026-03-10T09:00:00Z."""
        self.now_ms = round(datetime.fromisoformat(text).timestamp() * 1000)

    def advance_ms(self, milliseconds: int) -> None:
        """Move on by so many milliseconds."""
        self.now_ms += milliseconds

"""What the clients know at the end of a run: every call, the answers they got, and when.

The server's word counts from the moment an answer is complete. The checker compares this with the
database; nothing here talks to either.
"""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Attempt:
    """One order of one device: first sent, finally answered, perhaps given back."""

    device: str
    order: str
    code: str
    body: dict[str, Any]
    sent_at: float
    answered_at: float = 0.0
    answer: bytes = b""
    unknown: int = 0
    given_up_at: float = 0.0
    repeats: int = 0
    rollback_wanted: bool = False
    rollback: bytes = b""

    @property
    def told(self) -> Any:
        return json.loads(self.answer) if self.answer else None

    @property
    def redeemed(self) -> bool:
        return bool(self.answer) and bool(self.told["redeemed"])

    @property
    def reason(self) -> str:
        return str(self.told["reason"]) if self.answer else "?"

    @property
    def rolled_back(self) -> bool:
        return bool(self.rollback) and bool(json.loads(self.rollback)["rolledBack"])


@dataclass
class Edit:
    """A management change that was acknowledged: it holds from `acked_at` until the next one.

    `given_up_at` is when the client last stopped waiting for an earlier sending of it, 0 if never.
    """

    campaign: int
    change: dict[str, Any]
    sent_at: float
    acked_at: float = 0.0
    unknown: int = 0
    given_up_at: float = 0.0


@dataclass
class Ledger:
    attempts: dict[tuple[str, str], Attempt] = field(default_factory=dict)
    edits: list[Edit] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    # When the server was killed, each time.
    kills: list[float] = field(default_factory=list)
    calls: int = 0
    unknown: int = 0
    unavailable: int = 0
    repeats: int = 0

    def complain(self, sentence: str) -> None:
        """Notes a broken promise; the run goes on, to see whether there are more."""
        if len(self.complaints) < 100:
            self.complaints.append(sentence)

    def summary(self) -> dict[str, int]:
        attempts = list(self.attempts.values())
        return {
            "calls": self.calls,
            "orders": len(attempts),
            "redeemed": sum(a.redeemed for a in attempts),
            "refused": sum(bool(a.answer) and not a.redeemed for a in attempts),
            "rolled back": sum(a.rolled_back for a in attempts),
            "tombstones": sum(bool(a.rollback) and not a.rolled_back for a in attempts),
            "orders repeated": self.repeats,
            "unknown outcomes": self.unknown,
            "answers 503": self.unavailable,
            "edits": len(self.edits),
            "edits given up": sum(bool(e.given_up_at) for e in self.edits),
        }

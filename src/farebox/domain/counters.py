"""What a session's counters say since they were last heard of (isp.md 4.9.1, vectors 5.5).

Devices count up from the session's start, some of them in 32 bits, and some lose their counts. Both
directions are judged together. Pure numbers; nothing is kept here.
"""

from typing import Final, NamedTuple

_WRAP: Final = 1 << 32
_HALF: Final = 1 << 31


class Counts(NamedTuple):
    """Cumulative octets of a session at an instant."""

    at_ms: int
    upload: int
    download: int


class Step(NamedTuple):
    """What a record adds, and what kind of record it was: new, duplicate, stale, wrapped, reset."""

    kind: str
    upload: int
    download: int


def step(last: Counts | None, now: Counts, has_gigawords: bool) -> Step:
    """The difference of a record to the one before it; `has_gigawords`: once seen, no wrap is."""
    if last is None:
        return Step("new", now.upload, now.download)
    if now.at_ms < last.at_ms:
        return Step("stale", 0, 0)
    if now == last:
        return Step("duplicate", 0, 0)
    pairs = ((now.upload, last.upload), (now.download, last.download))
    if all(new >= old for new, old in pairs):
        return Step("new", now.upload - last.upload, now.download - last.download)
    if not has_gigawords and all(new >= old or _is_wrap(new, old) for new, old in pairs):
        deltas = [new - old if new >= old else new + _WRAP - old for new, old in pairs]
        return Step("wrapped", *deltas)
    return Step("reset", now.upload, now.download)


def _is_wrap(new: int, old: int) -> bool:
    return old < _WRAP and old - new >= _HALF

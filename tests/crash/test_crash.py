"""The short crash run: the server is killed and its database restarted while devices work."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.scenario import Plan, run


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own user can pass through."""
    with tempfile.TemporaryDirectory(prefix="farebox-crash-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


async def test_nothing_acknowledged_is_lost(folder: Path, seed: int) -> None:
    """Kills, restarts and cuts: every acknowledged redemption once, none twice, no limit passed."""
    report = await run(Plan(kills=5, restarts=2, seed=seed, clients=8), folder)
    assert [] == report.broken, report.table()
    assert report.counts["redeemed"] > 0, report.table()

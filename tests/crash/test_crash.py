"""The short crash run: the server is killed and its database restarted while devices work."""

from pathlib import Path

from tests.crash.scenario import Plan, run


async def test_nothing_acknowledged_is_lost(folder: Path, seed: int) -> None:
    """Kills, restarts and cuts: every acknowledged redemption once, none twice, no limit passed."""
    report = await run(Plan(kills=5, restarts=2, seed=seed, clients=8), folder)
    assert [] == report.broken, report.table()
    assert report.counts["redeemed"] > 0, report.table()

"""The provider's calls, bent at random: documented answers only, and errors write nothing.

`FAREBOX_MUTATIONS` sets how many; `python -m tests.api.mutate 100000 SEED isp` runs them all.
"""

import asyncio
import os
from pathlib import Path

from tests.api import mutate
from tests.api.mutated import isp
from tests.servers import Databases

CALLS = int(os.environ.get("FAREBOX_MUTATIONS", "500"))


def test_bent_calls(databases: Databases, loop: asyncio.Runner, tmp_path: Path, seed: int) -> None:
    """No defect, an error in its documented shape, and nothing of it in the tables."""

    async def play() -> mutate.Tally:
        async with isp.simulated(databases, tmp_path) as api:
            return await mutate.run(api, isp.FAMILY, CALLS, seed)

    tally = loop.run(play())
    assert [] == tally.faults[:10], f"seed {seed}, {dict(tally.statuses)}"
    assert tally.statuses[400] > CALLS / 4
    assert tally.statuses[200] > CALLS / 20

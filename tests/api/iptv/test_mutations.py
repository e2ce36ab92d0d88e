"""Valid calls, bent at random: always a documented answer, and nothing half-written.

`FAREBOX_MUTATIONS` sets how many; `python -m tests.api.mutate 100000 SEED iptv` runs them all.
"""

import asyncio
import os
from pathlib import Path

from tests.api import mutate
from tests.api.mutated import iptv
from tests.servers import Databases

CALLS = int(os.environ.get("FAREBOX_MUTATIONS", "500"))


def test_bent_calls(databases: Databases, loop: asyncio.Runner, tmp_path: Path, seed: int) -> None:
    """Whatever a call is bent to, its answer is one that the portal's clients know."""

    async def run() -> mutate.Tally:
        async with iptv.FAMILY.opened(databases, tmp_path) as api:
            return await mutate.run(api, iptv.FAMILY, CALLS, seed)

    tally = loop.run(run())
    assert [] == tally.faults[:10], f"seed {seed}, {dict(tally.statuses)}"
    assert {200, 400, 404} <= tally.statuses.keys()

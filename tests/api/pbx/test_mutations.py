"""The hosted PBX's calls, bent at random: documented answers only, and errors write nothing.

`FAREBOX_MUTATIONS` sets how many; `python -m tests.api.mutate 100000 SEED pbx` runs them all.
"""

import asyncio
import os
from pathlib import Path

from tests.api import mutate
from tests.api.mutated import pbx
from tests.servers import Databases

CALLS = int(os.environ.get("FAREBOX_MUTATIONS", "500"))


def test_bent_calls(databases: Databases, loop: asyncio.Runner, tmp_path: Path, seed: int) -> None:
    """No defect, a refusal in the document's words, and nothing of it in the tables."""

    async def play() -> mutate.Tally:
        async with pbx.standing(databases, tmp_path) as api:
            return await mutate.run(api, pbx.FAMILY, CALLS, seed)

    tally = loop.run(play())
    assert [] == tally.faults[:10], f"seed {seed}, {dict(tally.statuses)}"
    assert tally.statuses[400] > CALLS / 4
    assert tally.statuses[200] > CALLS / 20

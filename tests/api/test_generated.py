"""Calls made up from the OpenAPI document are answered as the document says.

`FAREBOX_GENERATED` sets how many; `make generated` makes 20 000.
"""

import asyncio
import os

from tests.api.conftest import Api
from tests.api.generated import Generator

CALLS = int(os.environ.get("FAREBOX_GENERATED", "260"))


def test_generated_calls(shared_api: Api, loop: asyncio.Runner, seed: int) -> None:
    """No 5xx, and every answer in its documented shape, for every operation."""
    tally = Generator(shared_api, loop).run(CALLS, seed)
    assert [] == tally.faults[:10], f"seed {seed}, {dict(tally.statuses)}"
    assert len(tally.operations) > 50
    assert tally.statuses[200] + tally.statuses[201] > CALLS / 20

"""Calls made up from the OpenAPI document are answered as the document says.

`FAREBOX_GENERATED` sets how many of each family; `make generated` makes 20 000.
"""

import asyncio
import os
from pathlib import Path

import pytest

from tests.api.generated import FAMILIES, Generator
from tests.api.mutate import family_of
from tests.servers import Databases

CALLS = os.environ.get("FAREBOX_GENERATED", "")
# In the suite; at least one of each operation.
FEW = {"vending": 260, "iptv": 136}


@pytest.mark.parametrize("name", FAMILIES)
def test_generated_calls(
    name: str, databases: Databases, loop: asyncio.Runner, seed: int, tmp_path: Path
) -> None:
    """No 5xx, and every answer in its documented shape, for every operation."""
    opened = family_of(name).opened(databases, tmp_path)
    count = int(CALLS or FEW.get(name, 1))
    try:
        tally = Generator(loop.run(opened.__aenter__()), loop, name).run(count, seed)
    finally:
        loop.run(opened.__aexit__(None, None, None))
    assert [] == tally.faults[:10], f"seed {seed}, {dict(tally.statuses)}"
    assert len(tally.accepted) > len(tally.operations) / 10

"""A folder for the databases and servers of a crash test."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own user can pass through."""
    with tempfile.TemporaryDirectory(prefix="farebox-crash-") as made:
        Path(made).chmod(0o711)
        yield Path(made)

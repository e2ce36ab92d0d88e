"""Named statements: the form of the files, and that every shipped statement is used."""

from pathlib import Path

import pytest

from farebox.storage.sqlfile import load


def statements(folder: Path, text: str) -> dict[str, str]:
    """Load a file with the given text."""
    (folder / "some.sql").write_text(text)
    loaded = load(str(folder / "some.py"))
    return {name: getattr(loaded, name) for name in loaded.names}


def test_blocks_become_statements(tmp_path: Path) -> None:
    """A header is ignored; comments inside a statement stay; blank lines around it go."""
    one = "-- header\n\n-- name: one\n-- Purpose.\nselect 1\n\n"
    two = "-- name: two\n-- p\n-- why\nselect\n  2\n"
    assert statements(tmp_path, one + two) == {"one": "select 1", "two": "-- why\nselect\n  2"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "-- name: a\n-- p\nselect 1\n-- name: a\n-- p\nselect 2",
            "some.sql:4: .*'a' is there twice",
        ),
        ("-- name: a\nselect 1", "some.sql:2: expected the purpose"),
        ("-- name: a\n-- p\n", "some.sql:1: statement 'a' is empty"),
        ("-- name: a", "some.sql:2: expected the purpose"),
        ("-- name: A b\n-- p\nselect 1", "some.sql:1: expected '-- name: a_name'"),
    ],
)
def test_ill_formed_files(tmp_path: Path, text: str, message: str) -> None:
    """Every mistake is refused when loading, with file and line."""
    with pytest.raises(ValueError, match=message):
        statements(tmp_path, text)


def test_an_unknown_name_tells_the_known_ones(tmp_path: Path) -> None:
    """Asking for a statement that is not there names those that are."""
    (tmp_path / "some.sql").write_text("-- name: one\n-- p\nselect 1")
    with pytest.raises(AttributeError, match=r"some.sql has no statement 'two'; it has one"):
        _ = load(str(tmp_path / "some.py")).two

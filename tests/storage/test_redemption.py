"""Rows of a commit on their way: what the desk adds is what the server's statements find."""

from typing import Any

import pytest

from farebox.storage.pool import Pool
from farebox.storage.redemption import NULL, SEPARATOR, Rows

ROUND_TRIP = """
  select $1::text::bigint[] as numbers, string_to_array($2::text, chr(31), chr(30)) as texts
"""
LAST = 2**63 - 1

CASES: list[tuple[str, Any, Any, Any]] = [
    ("no rows", [], None, None),
    ("numbers alone", [((1, 2), ()), ((3, LAST), ())], [1, 2, 3, LAST], None),
    ("a number that is null", [((-LAST - 1, None), ("a",))], [-LAST - 1, None], ["a"]),
    ("texts of several rows", [((1,), ("a", "b")), ((2,), ("c", "d"))], [1, 2], list("abcd")),
    ("empty texts", [((1,), ("", "")), ((2,), ("", "x"))], [1, 2], ["", "", "", "x"]),
    ("texts that are null", [((0,), (NULL, "x")), ((0,), (NULL, NULL))], [0, 0],
     [None, "x", None, None]),
    ("signs of literals", [((7,), ('{"a,', "\\N", "None", "Σ\t'"))], [7],
     ['{"a,', "\\N", "None", "Σ\t'"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "numbers", "texts"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
async def test_rows_arrive_as_they_were_added(
    pool: Pool,
    rows: list[tuple[tuple[int | None, ...], tuple[str, ...]]],
    numbers: list[int | None] | None,
    texts: list[str | None] | None,
) -> None:
    """Numbers and texts of all rows, in order, nulls and the signs of literals among them."""
    gathered = Rows()
    for row in rows:
        gathered.add(*row)
    assert bool(rows) == bool(gathered)
    found = await pool.fetchrow(ROUND_TRIP, *gathered.columns())
    assert (numbers, texts) == (found["numbers"], found["texts"])


@pytest.mark.parametrize("text", [SEPARATOR, f"a{SEPARATOR}", f"{SEPARATOR}b"])
def test_a_text_with_the_separator_is_refused(text: str) -> None:
    """It would move everything behind it by one place."""
    gathered = Rows()
    gathered.add((1,), ("before", text))
    with pytest.raises(ValueError, match="separator"):
        gathered.columns()

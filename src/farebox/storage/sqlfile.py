"""Named SQL statements from the .sql file beside a module.

A file is a row of blocks: a line `-- name: some_name`, a line `-- some purpose`, then the statement
up to the next block. Loading happens once, at import, and fails on a missing purpose, an empty
statement or a name that occurs twice. Statements are plain text; nothing is ever put into them.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_NAME = re.compile(r"-- name: ([a-z][a-z0-9_]*)")


class Statements:
    """The statements of one file: `SQL.some_name` is the text, `SQL.names` are all names."""

    def __init__(self, source: str, texts: Mapping[str, str]) -> None:
        self._source = source
        self._texts = dict(texts)
        self.names = tuple(texts)

    def __getattr__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            known = ", ".join(self.names)
            message = f"{self._source} has no statement {name!r}; it has {known}"
            raise AttributeError(message) from None


def load(module_file: str) -> Statements:
    """Read the statements of the .sql file with the same stem as the given module file."""
    path = Path(module_file).with_suffix(".sql")
    texts: dict[str, str] = {}
    for line, name, text in _blocks(path):
        if name in texts:
            raise ValueError(f"{path.name}:{line}: statement {name!r} is there twice")
        texts[name] = text
    return Statements(path.name, texts)


def _blocks(path: Path) -> Iterator[tuple[int, str, str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("-- name:")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        match = _NAME.fullmatch(lines[start].rstrip())
        if match is None:
            raise ValueError(f"{path.name}:{start + 1}: expected '-- name: a_name'")
        block = lines[start + 1 : end]
        if not block or not re.match(r"-- \S", block[0]):
            raise ValueError(f"{path.name}:{start + 2}: expected the purpose, '-- one line'")
        text = "\n".join(block[1:]).strip()
        if not text:
            raise ValueError(f"{path.name}:{start + 1}: statement {match[1]!r} is empty")
        yield start + 1, match[1], text

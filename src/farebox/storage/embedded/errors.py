"""What the embedded server says when it cannot do its work."""

from pathlib import Path

_TAIL_BYTES = 3000


class EmbeddedServerError(Exception):
    """A sentence that names the cause and, where one is known, the cure; then the log's end."""


def log_tail(path: Path) -> str:
    """The last lines of a log, set off from the sentence before them; empty if there are none."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            text = log.read().decode(errors="replace").strip()
    except OSError:
        return ""
    return f"\nEnd of {path}:\n" + "\n".join(text.splitlines()[-15:]) if text else ""

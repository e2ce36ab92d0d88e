"""Where the server's Unix socket lies: inside the data directory, or in a short temporary folder.

The folder is closed to everybody but the server's user (and root), which is all the access control
the socket needs. Its path must leave room for the socket's name within the system's 107 bytes.
"""

import os
import shutil
import socket
import tempfile
from hashlib import sha256
from pathlib import Path

from farebox.storage.embedded.account import Account
from farebox.storage.embedded.errors import EmbeddedServerError

PORT = 5432
_LONGEST = 107


def place(preferred: Path, account: Account) -> Path:
    """Make an empty folder for the socket and return it; `preferred` when a socket fits there."""
    mark = sha256(bytes(preferred)).hexdigest()[:10]
    _remove_old(mark)
    shutil.rmtree(preferred, ignore_errors=True)
    if _fits(preferred):
        preferred.mkdir(mode=0o700)
        account.own(preferred)
        if _takes_sockets(preferred):
            return preferred
    for parent in dict.fromkeys((Path(tempfile.gettempdir()), Path("/tmp"))):  # noqa: S108
        if account.first_closed(parent) is None:
            folder = Path(tempfile.mkdtemp(prefix=f"farebox-{mark}-", dir=parent))
            account.own(folder)
            if _fits(folder) and _takes_sockets(folder):
                return folder
            folder.rmdir()
    raise EmbeddedServerError(
        f"no folder for the socket of PostgreSQL: {preferred} is too long or takes no sockets,"
        f" and {tempfile.gettempdir()} is no better; set TMPDIR to a short path"
    )


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= _LONGEST


def _takes_sockets(folder: Path) -> bool:
    probe = folder / "probe"
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.bind(str(probe))
        except OSError:
            return False
    probe.unlink()
    return True


def _remove_old(mark: str) -> None:
    # Left by an owner that was killed; the lock on the data directory says that it is gone.
    for parent in {Path(tempfile.gettempdir()), Path("/tmp")}:  # noqa: S108
        for folder in parent.glob(f"farebox-{mark}-*"):
            shutil.rmtree(folder, ignore_errors=True)

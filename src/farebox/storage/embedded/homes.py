"""Where the data lie: in the data directory, or beside it when PostgreSQL's user cannot get there.

As root the server runs as somebody else, who may not enter a private folder above the data
directory. Then the data live in a folder of their own under /var/lib/farebox, and a link in the
data directory leads there. A link is followed only when the folder names this data directory as its
owner, so a copied link never leads two servers to one place.
"""

import os
import tempfile
from pathlib import Path

import structlog

from farebox.storage.embedded.account import Account
from farebox.storage.embedded.errors import EmbeddedServerError

ELSEWHERE = Path("/var/lib/farebox")
NAME = "postgres"

_log = structlog.get_logger("farebox.embedded")


def make_data_dir(data_dir: Path) -> None:
    """Make the data directory; folders above it that exist are left as they are."""
    try:
        if not data_dir.exists():
            data_dir.parent.mkdir(parents=True, exist_ok=True)
            # Root's own files in it stay closed; its PostgreSQL only has to pass through.
            data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, exist_ok=True)
    except OSError as error:
        raise EmbeddedServerError(
            f"the data directory {data_dir} cannot be made: {error.strerror}"
        ) from error


def settle(data_dir: Path, account: Account) -> Path:
    """The folder of the data, made on first use; EmbeddedServerError if the account is kept out."""
    place = data_dir / NAME
    if place.is_symlink():
        return _follow(place, data_dir)
    closed = _closed(data_dir, account)
    if place.exists():
        if closed is not None:
            raise EmbeddedServerError(
                f"PostgreSQL runs as user {account.name}, which cannot enter {closed} any more;"
                f" open it (chmod o+x {closed}), or move the data directory {data_dir} elsewhere"
            )
        account.own_folder(place)
        return place
    if closed is None:
        place.mkdir(mode=0o700)
        account.own_folder(place)
        return place
    return _make_elsewhere(place, data_dir, account, closed)


def _closed(data_dir: Path, account: Account) -> Path | None:
    if not account.switched:
        return None
    closed = account.first_closed(data_dir)
    if closed == data_dir and _is_ours(data_dir):
        data_dir.chmod(data_dir.stat().st_mode | 0o011)
        closed = account.first_closed(data_dir)
    return closed


def _is_ours(data_dir: Path) -> bool:
    # Somebody's home given by mistake is not; a folder with nothing else in it is.
    names = {path.name for path in data_dir.iterdir()}
    return names <= {"farebox.lock", "postgres.log"} or NAME in names


def _follow(place: Path, data_dir: Path) -> Path:
    target = place.resolve()
    try:
        owner = (target / "owner").read_text(encoding="utf-8")
    except OSError:
        raise EmbeddedServerError(
            f"{place} leads to {target}, where no data are; remove the link to begin anew"
        ) from None
    if owner != str(data_dir):
        raise EmbeddedServerError(
            f"{place} leads to {target}, which belongs to the data directory {owner}, not to"
            f" {data_dir}; remove the link to begin anew, or write the new name into {target}/owner"
        )
    return target


def _make_elsewhere(place: Path, data_dir: Path, account: Account, closed: Path) -> Path:
    try:
        ELSEWHERE.mkdir(mode=0o755, parents=True, exist_ok=True)
        kept_out = account.first_closed(ELSEWHERE)
        if kept_out is not None:
            raise PermissionError(None, f"{kept_out} is closed to it as well")
        target = Path(tempfile.mkdtemp(prefix=f"{NAME}-", dir=ELSEWHERE))
    except OSError as error:
        raise EmbeddedServerError(
            f"as root, PostgreSQL runs as user {account.name}, which cannot enter {closed}, and the"
            f" data cannot live in {ELSEWHERE} instead: {error.strerror}; choose another data"
            " directory with FAREBOX_DATA_DIR, or run Farebox as an ordinary user"
        ) from error
    (target / "owner").write_text(str(data_dir), encoding="utf-8")
    account.own_folder(target)
    place.symlink_to(target)
    reason = f"user {account.name} cannot enter {closed}"
    _log.warning("embedded.elsewhere", data=str(target), link=str(place), reason=reason)
    return target

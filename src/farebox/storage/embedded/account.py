"""The user that PostgreSQL runs as: ourselves, or a named unprivileged one when we are root.

Builds the command lines that start a program as that user and asks which folder is closed to it.
Nothing here changes permissions of folders.
"""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import msgspec

from farebox.storage.embedded import launcher
from farebox.storage.embedded.errors import EmbeddedServerError

# A bare interpreter: no site packages, no user folder, no environment of ours.
_LAUNCHER = (sys.executable, "-I", "-S", str(Path(launcher.__file__)))


class Account(msgspec.Struct, frozen=True):
    """A user and its group; `switched` says that it is not the one we run as."""

    name: str
    uid: int
    gid: int
    switched: bool

    def command(self, *argv: str | Path) -> list[str]:
        """The command line that runs a program as this user and interrupts it when we die."""
        words = [str(word) for word in argv]
        return [*_LAUNCHER, "run", str(self.uid), str(self.gid), str(os.getpid()), *words]

    def first_closed(self, path: Path) -> Path | None:
        """The first folder on the way to `path`, itself included, that this user cannot enter."""
        check = [*_LAUNCHER, "check", str(self.uid), str(self.gid), str(path)]
        done = subprocess.run(  # noqa: S603
            check, capture_output=True, text=True, check=False, cwd="/"
        )
        if done.returncode != 0:
            # A container may have taken from root the right to become somebody else.
            reason = done.stderr.strip().rpartition("\n")[2]
            raise EmbeddedServerError(f"PostgreSQL cannot run as user {self.name}: {reason}")
        return Path(done.stdout) if done.stdout else None

    def own_folder(self, path: Path) -> None:
        """Give a file or a folder, but not what is in it, to this user, when we may."""
        if self.switched:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own(self, path: Path) -> None:
        """Give a folder and everything in it to this user, when we may."""
        self.own_folder(path)
        if not self.switched:
            return
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                os.chown(Path(folder, name), self.uid, self.gid, follow_symlinks=False)

    def adopt(self, cluster: Path) -> None:
        """Take over a data folder that was restored as root."""
        if self.switched and cluster.stat().st_uid != self.uid:
            self.own(cluster)


def choose(user: str, cluster: Path) -> Account:
    """The user for a data folder: as root the folder's owner, else `user`; otherwise ourselves."""
    uid = os.geteuid()
    owner = _owner(cluster)
    if uid != 0:
        if owner not in (None, uid):
            raise EmbeddedServerError(
                f"{cluster} belongs to {_name(owner)}, but this process runs as {_name(uid)};"
                f" run it as {_name(owner)}, or give it the folder: chown -R {_name(uid)} {cluster}"
            )
        return Account(_name(uid), uid, os.getegid(), False)
    if owner:
        return Account(_name(owner), owner, cluster.stat().st_gid, True)
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise EmbeddedServerError(
            f"PostgreSQL does not run as root, and there is no user {user!r} to run it as;"
            " name an existing unprivileged user"
        ) from None
    if entry.pw_uid == 0:
        raise EmbeddedServerError(f"PostgreSQL does not run as root, and {user!r} is root")
    return Account(user, entry.pw_uid, entry.pw_gid, True)


def _owner(cluster: Path) -> int | None:
    try:
        return cluster.stat().st_uid
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise EmbeddedServerError(
            f"{cluster} is closed to {_name(os.geteuid())}; it was made by another user"
        ) from error


def _name(uid: int | None) -> str:
    try:
        return pwd.getpwuid(uid or 0).pw_name
    except KeyError:
        return str(uid)

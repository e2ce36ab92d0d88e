"""The few steps between our process and PostgreSQL's, run as a script of its own.

Started by path with a bare interpreter, it drops root, asks the kernel to interrupt it when its
owner dies, and becomes the given program under the same process id. These steps cannot be done in
a forked copy of a process with threads. `check` instead prints the first folder on a path that
stays closed.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def _become(uid: int, gid: int) -> None:
    if os.geteuid() == 0 and uid != 0:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)


def _end_with(owner: int) -> None:
    # Set after the change of user, which would clear it. PostgreSQL takes SIGINT for a fast stop.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
        if os.getppid() != owner:
            raise SystemExit("the process that started this one is gone")


def _first_closed(path: Path) -> str:
    for folder in [*reversed(path.parents), path]:
        if not os.access(folder, os.X_OK):
            return str(folder)
    return ""


def main(arguments: list[str]) -> None:
    """`check UID GID PATH`, or `run UID GID OWNER PROGRAM ARGUMENT...`."""
    verb, uid, gid, subject, *command = arguments
    _become(int(uid), int(gid))
    if verb == "check":
        sys.stdout.write(_first_closed(Path(subject)))
        return
    _end_with(int(subject))
    # The interpreter ignores two signals that a server expects to find as the system sets them.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])

"""The full crash run: `python -m tests.crash [--kills N] [--restarts M] [--seed S]`.

At least a hundred SIGKILLs and twenty restarts of PostgreSQL by default. Ends with a table, the
broken promises if there are any, and a non-zero status then.
"""

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from tests.crash.scenario import Plan, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="SIGKILLs of the server")
    parser.add_argument("--restarts", type=int, default=20, help="restarts of PostgreSQL")
    parser.add_argument("--clients", type=int, default=10, help="devices at work")
    parser.add_argument("--seed", type=int, default=None, help="repeats the random choices")
    given = parser.parse_args()
    seed = secrets.randbelow(1 << 32) if given.seed is None else given.seed
    plan = Plan(given.kills, given.restarts, seed, clients=given.clients)

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="farebox-crash-") as folder:
        Path(folder).chmod(0o711)
        report = asyncio.run(run(plan, Path(folder), say))
    say(report.table())
    for sentence in report.broken:
        say(f"  broken: {sentence}")
    for text in report.tracebacks:
        say(text)
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())

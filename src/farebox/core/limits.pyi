"""What this machine's memory allows: the yardstick of the benchmarks, no part of any decision."""

from typing import final

@final
class Lines:
    def __init__(self, first: int, second: int) -> None:
        """Two regions of so many cache lines: one that is looked up, one that is changed."""
    def visit(self, operations: int, seed: int, write: bool) -> int:
        """One random line of each region per operation, the second one changed if `write`.

        As many accesses as possible are in flight. The sum returned keeps them from being
        optimised away.
        """

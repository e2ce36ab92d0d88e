"""Subscribers whom a batch of usage is about: locked, and under which terms they are.

They are locked in the order of their ids and stay as they are read here until the transaction ends.
What they share with others (package and zone) is read once for all who share it. Nothing is
written.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from farebox.storage.pool import Connection
from farebox.storage.sqlfile import load

SQL = load(__file__)
# Names have no control characters.
SEPARATOR: Final = "\x1f"


class Shared(NamedTuple):
    """What many are under: zone, the policy's number, and since when these and the zone hold."""

    zone: str
    policy_hash: int
    since_ms: int
    zone_since_ms: int
    # For how long a session counts as open after it was heard of.
    silence_ms: int


class Concerned:
    """The subscribers of a batch."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # Ids by account and by name.
        self.numbers: dict[str, dict[str, int]] = {}
        # By id: place among the terms, the kernel's mark of who is active, when he expires.
        self.standing: dict[int, tuple[int, int, int]] = {}
        self.terms: list[Shared] = []

    def number(self, account: str, name: str) -> int | None:
        """Who has a name in an account; None if nobody does."""
        return self.numbers[account].get(name)

    async def lock(self, names: Mapping[str, Iterable[str]]) -> None:
        """Locks everybody of some accounts and names."""
        # In the index's order each is found beside the one before.
        texts = [SEPARATOR.join(sorted(ones)) for ones in names.values()]
        columns = await self._connection.fetchrow(SQL.lock, list(names), texts)
        await self._keep(columns)
        self.numbers = {account: {} for account in names}
        for number, account, name in zip(*columns[:3], strict=True):
            # He may have come to another account while the lock was waited for.
            self.numbers.setdefault(account, {})[name] = number

    async def lock_owners(self, numbers: Iterable[int]) -> None:
        """The same for owners of sessions, who may have lost their names since."""
        strangers = sorted(set(numbers) - self.standing.keys())
        if strangers:
            await self._keep(await self._connection.fetchrow(SQL.lock_owners, strangers))

    async def _keep(self, columns: Sequence[Sequence[Any]]) -> None:
        ids, accounts, _, groups, zones, active, expires = columns
        keys = list(zip(accounts, groups, zones, strict=True))
        places = {key: len(self.terms) + at for at, key in enumerate(dict.fromkeys(keys))}
        if not places:
            return
        asked = [list(column) for column in zip(*places, strict=True)]
        rows = await self._connection.fetch(SQL.terms, *asked)
        self.terms += [Shared(*row) for row in rows]
        places_of = map(places.__getitem__, keys)
        self.standing.update(zip(ids, zip(places_of, active, expires, strict=True), strict=True))


async def by_sets(connection: Connection) -> None:
    """From now on in this transaction rows of many are found in one walk through an index."""
    await connection.execute(SQL.by_sets)


async def by_keys(connection: Connection) -> None:
    """From now on in this transaction each row is found by its key."""
    await connection.execute(SQL.by_keys)

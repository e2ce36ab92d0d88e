"""The desk's own connection: what it reads, what it commits, what became of a lost commit.

It guarantees that every failure has one of three names: `ComparisonLostError` (nothing was written,
the decision relied on something that changed), `NotWrittenError` (nothing was written, for another
reason) and `OutcomeUnknownError` (the connection went away; the statement may still commit). It
decides nothing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

import asyncpg

from farebox.storage.sqlfile import load

SQL = load(__file__)

LOST_COMPARISON = "FB001"
# The server ends a connection in these states before the statement could have been committed by it,
# but the client cannot tell them from a crash after the commit record was written.
GONE_STATES = ("57P01", "57P02", "57P03", "57P05")
BLOCK = 4096

SEPARATOR, NULL = "\x1f", "\x1e"


class ComparisonLostError(Exception):
    """Something the batch relied on has changed; nothing was written."""


class NotWrittenError(Exception):
    """The server refused the statement (deadlock, timeout, constraint); nothing was written."""


class OutcomeUnknownError(Exception):
    """The connection was lost while a commit was under way."""


GONE = (
    asyncpg.InterfaceError,
    # What the driver says of itself when a connection ends in the middle of an answer.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    ConnectionError,
    OSError,
    TimeoutError,
    asyncio.TimeoutError,
)


class Rows:
    """Rows of one group on their way to the server: the numbers of all, and the texts of all.

    What each row adds stands behind what the row before it has added; the statements know how many
    of either a row has. The driver would check every element of an array for being a sequence
    itself, and the server would go through one array for every column.
    """

    __slots__ = ("numbers", "texts")

    def __init__(self) -> None:
        self.numbers: list[int | None] = []
        self.texts: list[str] = []

    def __bool__(self) -> bool:
        return bool(self.numbers)

    def add(self, numbers: Iterable[int | None], texts: Iterable[str] = ()) -> None:
        """One more row; a text that is null is `NULL`."""
        self.numbers += numbers
        self.texts += texts

    def extend(self, others: "Rows") -> None:
        """The rows of another batch behind these."""
        self.numbers += others.numbers
        self.texts += others.texts

    def column_of_numbers(self) -> str | None:
        """All numbers as an array's literal; null where there are no rows."""
        if not self.numbers:
            return None
        return _literal(self.numbers).replace("None", "NULL")

    def column_of_texts(self) -> str | None:
        """All texts, separated; null where there are no rows. ValueError for a text with the sign
        that separates.
        """
        if not self.texts:
            return None
        joined = SEPARATOR.join(self.texts)
        if joined.count(SEPARATOR) >= len(self.texts):
            raise ValueError("a text holds the separator of texts")
        return joined

    def columns(self) -> tuple[str | None, str | None]:
        """Numbers and texts as the statements of this file take them."""
        return self.column_of_numbers(), self.column_of_texts()


class Ledger:
    """The connection of one desk; reconnects when asked to settle a lost commit."""

    def __init__(self, dsn: str, *, statement_timeout_ms: int, lock_timeout_ms: int = 1000) -> None:
        self._dsn = dsn
        self._statement_timeout_ms = statement_timeout_ms
        self._lock_timeout_ms = lock_timeout_ms
        # The server ends a statement by itself; the client gives up only when the server is silent.
        self._patience_s = statement_timeout_ms / 1000 + 1.0
        self._connection: Any = None
        # For what no commit may wait for; made when it is first needed.
        self._beside: Any = None
        self._backend: tuple[int, int] | None = None
        # Backends whose connection was lost and that have not been seen to end.
        self._lost: list[tuple[int, int]] = []

    async def open(self) -> None:
        """Connects; raises the driver's error when the server cannot be reached."""
        self._connection = await self._connect("farebox desk")
        row = await self._connection.fetchrow(SQL.own_backend)
        self._backend = (row[0], row[1])

    async def _connect(self, name: str) -> Any:
        return await asyncpg.connect(
            self._dsn,
            timeout=5,
            command_timeout=self._patience_s,
            server_settings={
                "application_name": name,
                "statement_timeout": str(self._statement_timeout_ms),
                "lock_timeout": str(self._lock_timeout_ms),
                "idle_in_transaction_session_timeout": str(self._statement_timeout_ms),
                "jit": "off",
            },
        )

    async def close(self) -> None:
        """Closes the connections; a statement under way is abandoned."""
        connections = (self._connection, self._beside)
        self._connection = self._beside = None
        for connection in connections:
            if connection is not None:
                with contextlib.suppress(*GONE):
                    await connection.close(timeout=2)

    @contextlib.asynccontextmanager
    async def beside(self) -> AsyncIterator["Ledger"]:
        """The same database over another connection, for readings that nobody waits for."""
        other = Ledger(self._dsn, statement_timeout_ms=self._statement_timeout_ms)
        try:
            with self._named():
                await other.open()
            yield other
        finally:
            await other.close()

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        """Rows of a read. NotWrittenError or OutcomeUnknownError as for a write."""
        with self._named():
            rows: list[Any] = await self._live().fetch(statement, *arguments)
            return rows

    async def read_codes(self, code_keys: Sequence[str]) -> list[Any]:
        """All candidates of these codes, ordered by code, campaign, id."""
        return await self.fetch(SQL.read_codes, code_keys)

    async def lock_codes(self, code_keys: Sequence[str]) -> tuple[list[int], list[Any]]:
        """Campaigns locked for reading, then all candidates locked for writing."""
        with self._named():
            connection = self._live()
            campaigns: list[int] = await connection.fetchval(SQL.lock_campaigns, code_keys)
            rows = await connection.fetch(SQL.lock_codes, code_keys)
            return campaigns, list(rows)

    async def moved_on(
        self, vouchers: Mapping[int, int], campaigns: Mapping[int, int]
    ) -> tuple[set[int], set[int]]:
        """The vouchers, by version, and campaigns, by policy revision, that are so no longer."""
        columns = (vouchers.keys(), vouchers.values(), campaigns.keys(), campaigns.values())
        moved: tuple[set[int], set[int]] = (set(), set())
        for row in await self.fetch(SQL.moved_on, *(_literal(column) for column in columns)):
            moved[row[1]].add(row[0])
        return moved

    async def read_campaigns(self, campaigns: Sequence[int]) -> list[Any]:
        """What decisions rely on at campaign level."""
        return await self.fetch(SQL.read_campaigns, campaigns)

    async def read_orders(
        self, vouchers: Sequence[int], devices: Sequence[str], orders: Sequence[str]
    ) -> list[Any]:
        """Records of (voucher, device, order) triples, given as three columns."""
        return await self.fetch(SQL.read_orders, vouchers, devices, orders)

    async def read_redemptions(
        self, code_keys: Sequence[str], vouchers: Sequence[int], ids: Sequence[int]
    ) -> list[Any]:
        """Redemptions by (code, voucher, id), given as three columns."""
        return await self.fetch(SQL.read_redemption, code_keys, vouchers, ids)

    async def warm(self, feed: Callable[[bytes], None], *arguments: Any) -> None:
        """Streams vouchers as COPY BINARY into `feed`; the arguments are those of the statement."""

        async def output(chunk: bytes) -> None:
            feed(chunk)

        with self._named():
            await self._live().copy_from_query(SQL.warm, *arguments, output=output, format="binary")

    async def take_event_ids(self) -> tuple[int, int]:
        """A block of ids for redemptions and history rows: [first, end)."""
        rows = await self.fetch(SQL.take_event_ids)
        first: int = rows[0][0]
        return first, first + BLOCK

    async def commit_batch(self, columns: Sequence[Any]) -> None:
        """Compares and writes one batch in one statement (0164_flat_commit.sql has the rows)."""
        with self._named():
            await self._live().execute(SQL.commit_batch, *columns)

    async def add_history(self, rows: Rows) -> None:
        """History of validations that wrote nothing else, over a connection of its own.

        NotWrittenError whatever goes wrong: nobody has been promised these rows.
        """
        try:
            if self._beside is None or self._beside.is_closed():
                self._beside = await self._connect("farebox desk history")
            await self._beside.execute(SQL.add_history, *rows.columns())
        except (*GONE, asyncpg.PostgresError) as error:
            raise NotWrittenError(str(error) or type(error).__name__) from error

    async def execute(self, statement: str, *columns: Any) -> None:
        """One of this file's other writing statements."""
        with self._named():
            await self._live().execute(statement, *columns)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """A READ COMMITTED transaction; committed on leaving, rolled back on any error."""
        with self._named():
            block = self._live().transaction()
            await block.start()
        try:
            yield
        except BaseException:
            with contextlib.suppress(*GONE, asyncpg.PostgresError):
                await block.rollback()
            raise
        with self._named():
            await block.commit()

    async def settle(self, *, within_s: float = 2.5) -> bool:
        """After a lost connection: connects anew and sees to it that the old backend has ended.

        True once nothing of the old connection can commit any more. False when the server cannot be
        reached or the backend would not go within the time; the caller must then not decide anew.
        """
        if self._backend is not None:
            self._lost.append(self._backend)
            self._backend = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
        try:
            await self.open()
            deadline = asyncio.get_running_loop().time() + within_s
            while self._lost:
                pid, started = self._lost[-1]
                await self._connection.execute(SQL.end_backend, pid, started)
                if not await self._connection.fetchval(SQL.backend_lives, pid, started):
                    self._lost.pop()
                elif asyncio.get_running_loop().time() > deadline:
                    return False
                else:
                    await asyncio.sleep(0.02)
        except (*GONE, asyncpg.PostgresError):
            return False
        return True

    @property
    def broken(self) -> bool:
        """Whether `settle` is needed before the next statement."""
        return bool(self._lost) or self._connection is None or self._connection.is_closed()

    def _live(self) -> Any:
        if self._connection is None or self._connection.is_closed():
            raise OutcomeUnknownError("there is no connection")
        return self._connection

    @contextlib.contextmanager
    def _named(self) -> Any:
        try:
            yield
        except asyncpg.PostgresError as error:
            state = error.sqlstate or ""
            if state == LOST_COMPARISON or _is_recorded(error):
                raise ComparisonLostError(str(error)) from None
            if state in GONE_STATES or state.startswith("08"):
                raise OutcomeUnknownError(str(error)) from error
            raise NotWrittenError(f"{state}: {error}") from error
        except GONE as error:
            raise OutcomeUnknownError(str(error) or type(error).__name__) from error


def _is_recorded(error: asyncpg.PostgresError) -> bool:
    """Whether an order met the unique index over orders: somebody has recorded it."""
    name = "redemption_order_once"
    return isinstance(error, asyncpg.UniqueViolationError) and error.constraint_name == name


def _literal(numbers: Iterable[int | None]) -> str:
    return "{" + repr(list(numbers))[1:-1] + "}"

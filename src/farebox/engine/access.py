"""Who is calling: bearer tokens and device keys become a `Principal`.

A signature is checked once per token, its expiry on every call, and the state behind it (user,
groups, family, key) is read from PostgreSQL again at most five seconds later; a change that is
heard of drops it at once. It says what a caller is permitted, and decides nothing.
"""

import asyncio
import binascii
import hashlib
import time
from base64 import b64decode
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from farebox.domain.errors import UnauthorizedError, UnavailableError
from farebox.engine.attempts import Restraint
from farebox.engine.tokens import Claims, KeyRing
from farebox.locks import LocalAttempts
from farebox.storage import people as store
from farebox.storage.pool import Pool

STATE_AGE_S_MAX: Final = 5.0
# From this age on an entry in use is read again in the background, so that no call has to wait.
STATE_AGE_S_SOFT: Final = 3.5
NEVER_MS: Final = 2**63 - 1


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """The caller of one request, as far as permissions and visibility need to know."""

    kind: Literal["user", "device"]
    # The user, or the machine.
    id: int
    # The username of a user, the hostname of a device.
    name: str
    group: int
    # The group and all below it for a user, empty for a device.
    groups: frozenset[int] = frozenset()
    admin: bool = False
    # None permits everything.
    permissions: frozenset[str] | None = None
    # The device's own machine; 0 for a user.
    machine: int = 0

    @property
    def label(self) -> str:
        """What the history of a voucher calls the caller."""
        return self.name if self.kind == "device" else f"user:{self.id}"


class _Entry(msgspec.Struct):
    principal: Principal
    ends_at_ms: int
    read_at_s: float
    # What changes are announced under: 'user:2', 'family:<uuid>', 'key:5' ...
    subjects: frozenset[str]
    # True while a background read is under way, and after one has failed.
    is_rereading: bool = False


class Access:
    """Turns Authorization headers into principals, from memory where that is still allowed."""

    def __init__(
        self,
        pool: Pool,
        clock: Callable[[], int],
        keys: KeyRing,
        *,
        restraint: Restraint | None = None,
        entries_max: int = 20_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._keys = keys
        # What holds back callers whose key is wrong; bearer tokens cannot be guessed.
        self._restraint = restraint or Restraint(LocalAttempts(10, 900))
        self._entries_max = entries_max
        self._monotonic = monotonic
        self._entries: dict[str, _Entry] = {}
        self._reading: dict[str, asyncio.Task[_Entry]] = {}
        # Counts the changes heard of: a read that one of them overlapped is not remembered.
        self._changes = 0

    def known(self, authorization: str) -> Principal | None:
        """The principal of a header seen lately, from memory alone; None asks for `check`."""
        entry = self._entries.get(authorization)
        if entry is None or self._clock() >= entry.ends_at_ms:
            return None
        age_s = self._monotonic() - entry.read_at_s
        if age_s > STATE_AGE_S_SOFT:
            if age_s > STATE_AGE_S_MAX:
                return None
            if not entry.is_rereading:
                entry.is_rereading = True
                self._read(authorization)
        return entry.principal

    async def check(self, authorization: str | None, address: str = "") -> Principal:
        """The principal of a header sent from an address; UnauthorizedError when there is none.

        RateLimitedError after too many wrong keys of one device from there.
        """
        if not authorization:
            raise UnauthorizedError("Sign in first")
        known = self.known(authorization)
        if known is not None:
            return known
        # Callers of one token share one read; the read outlives a caller that goes away.
        entry = await asyncio.shield(self._read(authorization, address))
        if self._clock() >= entry.ends_at_ms:
            raise _expired()
        return entry.principal

    def forget(self, subject: str = "") -> None:
        """Drops what stands on a subject ('user:2', 'key:5', ...); everything when it is empty.

        Changes announce themselves; a caller that must be sure that the next request already sees
        its own change calls this after its commit.
        """
        self._changes += 1
        # Nobody who comes from now on may share a read that began before the change.
        self._reading.clear()
        if not subject:
            self._entries.clear()
            return
        # A group changes what those above and below it may see, so all users are read again.
        wanted = "users" if subject.startswith("group:") else subject
        gone = [header for header, entry in self._entries.items() if wanted in entry.subjects]
        for header in gone:
            del self._entries[header]

    async def follow(self, dsn: str) -> None:
        """Forgets what other processes announce as changed, until cancelled."""
        await store.listen(dsn, {store.ACCESS_CHANNEL: self.forget})

    def _read(self, authorization: str, address: str = "") -> "asyncio.Task[_Entry]":
        task = self._reading.get(authorization)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._remember(authorization, address))
            self._reading[authorization] = task
            task.add_done_callback(lambda done: self._finished(authorization, done))
        return task

    def _finished(self, authorization: str, task: "asyncio.Task[_Entry]") -> None:
        if self._reading.get(authorization) is task:
            del self._reading[authorization]
        # A background read that fails changes nothing: the entry grows too old and a call asks.
        if not task.cancelled():
            task.exception()

    async def _remember(self, authorization: str, address: str) -> _Entry:
        changes = self._changes
        started_s = self._monotonic()
        try:
            entry = await self._prove(authorization, address, started_s)
        except UnavailableError:
            raise
        except BaseException:
            self._entries.pop(authorization, None)
            raise
        if changes == self._changes:
            former = self._entries.pop(authorization, None)
            if former is not None and former.principal == entry.principal:
                # What others remember by this object stays good.
                entry.principal = former.principal
            if len(self._entries) >= self._entries_max:
                del self._entries[next(iter(self._entries))]
            self._entries[authorization] = entry
        return entry

    async def _prove(self, authorization: str, address: str, started_s: float) -> _Entry:
        scheme, _, proof = authorization.partition(" ")
        if scheme.lower() == "basic":
            return await self._device_by_key(proof, address, started_s)
        if scheme.lower() != "bearer":
            raise UnauthorizedError("The Authorization header must be a bearer token")
        token = proof.strip()
        claims = self._keys.read(token, "access") or self._keys.read(token, "device")
        if claims is None:
            raise UnauthorizedError("The token is not valid")
        if self._clock() >= claims.exp * 1000:
            raise _expired()
        if claims.typ == "device":
            return await self._device_by_token(claims, started_s)
        return await self._user(claims, started_s)

    async def _user(self, claims: Claims, started_s: float) -> _Entry:
        if claims.fam is None:
            raise UnauthorizedError("The token is not valid")
        row = await store.user_state(self._pool, int(claims.sub), claims.fam)
        if row is None or row["token_version"] != claims.ver or not row["family_lives"]:
            raise UnauthorizedError("The token was revoked", "token_revoked")
        if row["disabled"]:
            raise UnauthorizedError("The user is disabled", "user_disabled")
        principal = Principal(
            kind="user",
            id=row["id"],
            name=row["username"],
            group=row["owner"],
            groups=frozenset(row["groups"]),
            admin=row["admin"],
            permissions=frozenset(row["permissions"]) if row["restricted"] else None,
        )
        subjects = frozenset(("users", f"user:{row['id']}", f"family:{claims.fam}"))
        return _Entry(principal, claims.exp * 1000, started_s, subjects)

    async def _device_by_token(self, claims: Claims, started_s: float) -> _Entry:
        row = await store.device_state(self._pool, claims.key)
        if row is None or str(row["machine"]) != claims.sub:
            raise UnauthorizedError("The token was revoked", "token_revoked")
        return _device_entry(row, claims.exp * 1000, started_s)

    async def _device_by_key(self, proof: str, address: str, started_s: float) -> _Entry:
        hostname, key = _basic(proof)
        sha256 = hashlib.sha256(key.encode()).digest()
        async with self._restraint.attempt(f"device {hostname.lower()} {address}"):
            row = await store.device_by_key(self._pool, hostname, sha256)
            if row is None:
                raise UnauthorizedError("Wrong hostname or key", "invalid_credentials")
        await store.note_key_use(self._pool, row["key"], self._clock())
        return _device_entry(row, NEVER_MS, started_s)


def _device_entry(row: store.Row, ends_at_ms: int, started_s: float) -> _Entry:
    principal = Principal(
        kind="device",
        id=row["machine"],
        name=row["hostname"],
        group=row["owner"],
        permissions=frozenset(),
        machine=row["machine"],
    )
    subjects = frozenset((f"key:{row['key']}", f"machine:{row['machine']}"))
    return _Entry(principal, ends_at_ms, started_s, subjects)


def _basic(proof: str) -> tuple[str, str]:
    """The hostname and key in a Basic header."""
    try:
        hostname, colon, key = b64decode(proof.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise UnauthorizedError("The Authorization header is malformed") from None
    # What no hostname holds belongs to no machine, like any wrong name.
    return (hostname, key) if colon and "\x00" not in hostname else ("", "")


def _expired() -> UnauthorizedError:
    return UnauthorizedError("The token has expired", "token_expired")

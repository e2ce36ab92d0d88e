"""Sign-in, sessions, mailed tokens and the keys of devices (vending-platform.md 3.1, 4.1).

A password change ends every older session. Whether somebody exists is told to nobody: neither
answers nor their time depend on it. Mails are outbox rows of the same transaction. Who may see a
machine is asked of the store; permissions beyond that are the handlers' to require.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from typing import Final, NamedTuple
from uuid import UUID, uuid4

import msgspec

from farebox.domain.errors import (
    ForbiddenError,
    InvalidError,
    NotFoundError,
    RateLimitedError,
    UnauthorizedError,
)
from farebox.engine.access import Access, Principal
from farebox.engine.attempts import Restraint
from farebox.engine.passwords import PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, Passwords
from farebox.engine.tokens import KeyRing
from farebox.locks import Attempts, LocalAttempts
from farebox.storage import outbox
from farebox.storage import people as store
from farebox.storage.pool import Connection, Pool, transaction

ACCESS_MS: Final = 900_000
REFRESH_MS: Final = 30 * 86_400_000
FAMILY_MS: Final = 90 * 86_400_000
GRACE_MS: Final = 30_000
DEVICE_MS: Final = 86_400_000
RESET_MS: Final = 2 * 3_600_000
ACTIVATE_MS: Final = 7 * 86_400_000
DAY_MS: Final = 86_400_000
# How many failed sign-ins, and how many requests for a reset, within how many seconds.
SIGN_INS: Final = (10, 900)
RESETS: Final = (5, 3600)
# A reset request takes at least this long, so that a found user's extra work does not show.
_RESET_FLOOR_S: Final = 0.05


class Pair(NamedTuple):
    """What signing in gives: a short-lived proof and the means to renew it."""

    access_token: str
    refresh_token: str


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may set about people."""

    # Links in mails start with it; without it a mail carries the bare token.
    public_url: str = ""
    # 0: passwords never expire.
    password_max_age_days: int = 0


class People:
    """The use-cases about people and devices as callers."""

    def __init__(
        self,
        pool: Pool,
        clock: Callable[[], int],
        keys: KeyRing,
        access: Access,
        *,
        policy: Policy | None = None,
        passwords: Passwords | None = None,
        sign_ins: Restraint | None = None,
        resets: Attempts | None = None,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._keys = keys
        self._access = access
        self._policy = policy or Policy()
        self._passwords = passwords or Passwords()
        self._sign_ins = sign_ins or Restraint(LocalAttempts(*SIGN_INS))
        self._resets = resets or LocalAttempts(*RESETS)

    def close(self) -> None:
        """Lets go of the hashing threads."""
        self._passwords.close()

    # Sessions

    async def sign_in(self, login: str, password: str, address: str) -> Pair:
        """A new session for a username or e-mail address and its password."""
        key = f"user {login.lower()} {address}"
        async with self._sign_ins.attempt(key):
            row = await store.user_by_login(self._pool, login)
            stored: str | None = row["password_hash"] if row else None
            if not await self._passwords.matches(stored, password):
                raise UnauthorizedError("Wrong username or password", "invalid_credentials")
        await self._sign_ins.attempts.forget(key)
        self._admit(row)
        if stored and self._passwords.is_weak(stored):
            stronger = await self._passwords.hash(password)
            await store.replace_hash(self._pool, row["id"], stored, stronger)
        return await self._open_session(self._pool, row["id"])

    async def refresh(self, token: str) -> Pair:
        """A further pair of the same session; every refresh token does this once."""
        claims = self._keys.read(token, "refresh")
        now_ms = self._clock()
        fresh = uuid4()
        if claims is None or claims.jti is None:
            raise UnauthorizedError("The token was revoked", "token_revoked")
        row = await store.rotate_refresh(
            self._pool, claims.jti, fresh, now_ms, life_ms=REFRESH_MS, grace_ms=GRACE_MS
        )
        if row["outcome"] == "rotated":
            state = await store.user_state(self._pool, row["person"], row["family"])
            if state is None or not state["family_lives"]:
                raise UnauthorizedError("The token was revoked", "token_revoked")
            if state["disabled"]:
                raise UnauthorizedError("The user is disabled", "user_disabled")
            return self._pair(state, row["family"], fresh, now_ms, row["ends_at_ms"])
        if row["outcome"] == "reused":
            self._access.forget(f"family:{claims.fam}")
            raise UnauthorizedError("The token was used before", "token_reused")
        if row["outcome"] == "expired":
            raise UnauthorizedError("The token has expired", "token_expired")
        raise UnauthorizedError("The token was revoked", "token_revoked")

    def _admit(self, row: store.Row) -> None:
        expires_ms = row["password_expires_ms"]
        if row["disabled"]:
            raise UnauthorizedError("The user is disabled", "user_disabled")
        if not row["email_confirmed"]:
            raise UnauthorizedError("The e-mail address is not confirmed", "email_not_confirmed")
        if expires_ms is not None and self._clock() >= expires_ms:
            raise UnauthorizedError("The password has expired", "password_expired")

    async def _open_session(self, door: store.Door, user: int) -> Pair:
        family, jti, now_ms = uuid4(), uuid4(), self._clock()
        ends_at_ms = now_ms + REFRESH_MS
        await store.open_family(
            door, family, user, jti, now_ms, ends_at_ms=ends_at_ms, family_ms=now_ms + FAMILY_MS
        )
        state = await store.user_state(door, user, family)
        return self._pair(state, family, jti, now_ms, ends_at_ms)

    def _pair(
        self, state: store.Row, family: UUID, jti: UUID, now_ms: int, refresh_ends_at_ms: int
    ) -> Pair:
        who = {
            "sub": str(state["id"]),
            "ug": state["owner"],
            "ver": state["token_version"],
            "fam": str(family),
        }
        access = self._keys.mint({**who, "jti": str(uuid4())}, "access", now_ms, now_ms + ACCESS_MS)
        refresh = self._keys.mint({**who, "jti": str(jti)}, "refresh", now_ms, refresh_ends_at_ms)
        return Pair(access, refresh)

    # Mailed tokens

    async def request_reset(self, username: str | None, email: str | None, address: str) -> None:
        """Mails a token to the user whom all given names match, if there is one."""
        wait_s = await self._resets.wait_s(address)
        if wait_s:
            raise RateLimitedError("Too many reset requests; try again later", wait_s)
        await self._resets.note(address)
        await asyncio.gather(self._mail_reset(username, email), asyncio.sleep(_RESET_FLOOR_S))

    async def _mail_reset(self, username: str | None, email: str | None) -> None:
        async with transaction(self._pool) as connection:
            row = await store.user_to_mail(connection, username, email)
            if row is not None:
                await self._mail_token(connection, row["id"], row["email"], "reset")

    async def invite(self, connection: Connection, user: int, email: str) -> None:
        """Mails the token that activates a new user or address, in the caller's transaction."""
        await self._mail_token(connection, user, email, "activate")

    async def _mail_token(
        self, connection: Connection, user: int, email: str, purpose: str
    ) -> None:
        token, now_ms = secrets.token_urlsafe(32), self._clock()
        expires_ms = now_ms + (RESET_MS if purpose == "reset" else ACTIVATE_MS)
        await store.replace_token(connection, user, purpose, now_ms, _sha256(token), expires_ms)
        mail = _mail(email, purpose, token, self._policy.public_url)
        await outbox.put(connection, "mail", mail, now_ms)

    async def set_password(self, token: str, password: str) -> Pair:
        """Sets the password by a reset token and signs in; all older sessions end."""
        hashed = await self._hash_for(token, "reset", password)
        async with transaction(self._pool) as connection:
            user = await self._spend(connection, token, "reset", hashed)
            pair = await self._open_session(connection, user)
        self._access.forget(f"user:{user}")
        return pair

    async def activate(self, token: str, password: str) -> None:
        """Sets the first password by an activation token."""
        hashed = await self._hash_for(token, "activate", password)
        async with transaction(self._pool) as connection:
            user = await self._spend(connection, token, "activate", hashed)
        self._access.forget(f"user:{user}")

    async def _hash_for(self, token: str, purpose: str, password: str) -> str:
        """The hash of a new password, made only for a token that seems good."""
        sha256 = _sha256(token)
        if await store.token_bearer(self._pool, sha256, purpose, self._clock()) is None:
            raise _spent()
        if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
            reason = f"must have {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"
            raise InvalidError(f"password {reason}", fields={"password": reason})
        return await self._passwords.hash(password)

    async def _spend(self, connection: Connection, token: str, purpose: str, hashed: str) -> int:
        days, now_ms = self._policy.password_max_age_days, self._clock()
        expires_ms = now_ms + days * DAY_MS if days else None
        user = await store.spend_token(
            connection, _sha256(token), purpose, now_ms, hashed, expires_ms
        )
        if user is None:
            raise _spent()
        return user

    # The caller's own record

    async def person(self, user: int) -> store.Row:
        """One user with its language and group."""
        row = await store.user_by_id(self._pool, user)
        if row is None:
            raise NotFoundError("User not found")
        return row

    # Devices

    async def device_token(self, hostname: str, key: str, address: str) -> str:
        """A device's token for its hostname and key."""
        async with self._sign_ins.attempt(f"device {hostname.lower()} {address}"):
            row = await store.device_by_key(self._pool, hostname, _sha256(key))
            if row is None:
                raise UnauthorizedError("Wrong hostname or key", "invalid_credentials")
        now_ms = self._clock()
        await store.note_key_use(self._pool, row["key"], now_ms)
        claims = {"sub": str(row["machine"]), "key": row["key"], "jti": str(uuid4())}
        return self._keys.mint(claims, "device", now_ms, now_ms + DEVICE_MS)

    async def make_key(self, caller: Principal, machine: int) -> tuple[str, str]:
        """The hostname of a machine and its new key, which is told only now; former keys end."""
        hostname = await self._administered(caller, machine)
        key = secrets.token_urlsafe(32)
        await store.add_key(self._pool, machine, _sha256(key), self._clock())
        self._access.forget(f"machine:{machine}")
        return hostname, key

    async def revoke_keys(self, caller: Principal, machine: int) -> None:
        """Ends all keys of a machine and every token made with them."""
        await self._administered(caller, machine)
        await store.revoke_keys(self._pool, machine, self._clock())
        self._access.forget(f"machine:{machine}")

    async def _administered(self, caller: Principal, machine: int) -> str:
        hostname = await store.visible_machine(self._pool, machine, caller.groups)
        if hostname is None:
            raise NotFoundError("Machine not found")
        if not caller.admin:
            raise ForbiddenError("This is for operators' groups only")
        return hostname


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _spent() -> InvalidError:
    return InvalidError("The token is unknown, used or expired", "token_invalid")


def _mail(email: str, purpose: str, token: str, public_url: str) -> dict[str, str]:
    """The payload of a mail with a token."""
    subject, action, span = {
        "reset": ("Set a new password", "set a new password", "two hours"),
        "activate": ("Activate your account", "activate your account", "seven days"),
    }[purpose]
    # The host of the request is never believed: whoever asks could make it his own.
    where = f"{public_url.rstrip('/')}/{purpose}?token={token}" if public_url else token
    text = (
        f"Use this within {span} to {action}:\n\n{where}\n\n"
        "If you did not ask for it, nothing has changed and you need not do anything.\n"
    )
    return {"to": email, "subject": subject, "text": text}

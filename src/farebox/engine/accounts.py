"""Accounts made by an operator at the command line, who vouches for the address.

Whoever is invited over HTTP proves the address by mail instead; that is in `people`.
"""

import re
from typing import Final

import msgspec

from farebox.domain.errors import ConflictError, InvalidError
from farebox.engine.passwords import PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, Passwords
from farebox.storage import accounts
from farebox.storage.pool import Pool, transaction

_USERNAME: Final = re.compile(r"[A-Za-z0-9._@+-]{3,64}")
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A user as the operator asks for it; without a group it joins the root group."""

    username: str
    email: str
    password: str
    group: int | None = None


async def create_account(pool: Pool, now_ms: int, account: Account) -> int:
    """The new user's id. InvalidError with every fault; ConflictError when a name is taken."""
    _check(account)
    passwords = Passwords(threads=1)
    try:
        hashed = await passwords.hash(account.password)
    finally:
        passwords.close()
    async with transaction(pool) as connection:
        await accounts.hold(connection)
        group = await accounts.find_group(connection, account.group, now_ms)
        if group is None:
            reason = "must be an enabled user group"
            raise InvalidError(f"There is no user group {account.group}", fields={"group": reason})
        language = await accounts.find_language(connection, now_ms)
        user = await accounts.add_user(
            connection, account.username, account.email, group, language, hashed, now_ms
        )
        if user is None:
            raise ConflictError("The username or the e-mail address is taken", "user_exists")
    return user


def _check(account: Account) -> None:
    faults = {}
    if not _USERNAME.fullmatch(account.username):
        faults["username"] = "must be 3 to 64 of A-Z, a-z, 0-9 and . _ @ + -"
    if not _EMAIL.fullmatch(account.email):
        faults["email"] = "must be an e-mail address"
    if not PASSWORD_CHARS_MIN <= len(account.password) <= PASSWORD_CHARS_MAX:
        faults["password"] = f"must have {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"
    if faults:
        raise InvalidError("The user cannot be created", fields=faults)

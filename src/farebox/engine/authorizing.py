"""Who may begin a session, with which password and attributes (isp.md 4.9, 4.2).

Asked by a RADIUS server before it lets somebody in. What it is told is remembered: a session that
begins within ten minutes holds it, and need not be told again. The items of a subscriber's own
attributes that are checks must all hold for the request, or none of his replies are sent; `=~` and
`!~` take a text with `*` for any run, and no regular expression.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from re import Pattern
from typing import Final

import msgspec

from farebox.domain.errors import ForbiddenError
from farebox.engine.metering import BANDWIDTH, VENDOR, Metering
from farebox.engine.passwords_kept import KeptPasswords
from farebox.engine.spelling import speed_words
from farebox.engine.subscribers import Subscribers
from farebox.storage.pool import Pool, transaction
from farebox.storage.sqlfile import load

SQL = load(__file__)
_REPLIES: Final = ("=", ":=", "+=")


class Admission(msgspec.Struct, frozen=True):
    """A password to compare with, and attributes with the operators they are sent by."""

    password: str
    replies: list[tuple[str, str, str]]


class Authorizing:
    """Lets in."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int], metering: Metering, passwords: KeptPasswords
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._metering = metering
        self._passwords = passwords

    async def authorize(self, account: str, username: str, asked: Mapping[str, str]) -> Admission:
        """What a server is told; ForbiddenError for who may not, NotFoundError for nobody.

        `asked` has the attributes of the request under lower names without hyphens.
        """
        now_ms = self._clock()
        [row] = await Subscribers(self._pool, self._clock).named(account, username)
        if row["status"] != "active":
            raise ForbiddenError(f"User {username} is {row['status']}", "user_locked")
        number = row["id"]
        speeds = (await self._metering.read([number], BANDWIDTH))[number].verdict.active
        templates = await self._metering.templates([speeds])
        own = (await self._metering.read([number], VENDOR)).get(number)
        chosen = 0 if own is None else own.verdict.active
        async with transaction(self._pool) as connection:
            known = await connection.fetchrow(
                SQL.known, number, account, asked.get("nasidentifier", ""),
                asked.get("nasipaddress", ""),
            )  # fmt: skip
            await connection.execute(SQL.remember, number, now_ms, speeds, chosen)
        words = speed_words(templates[speeds], known["vendor"]) if speeds in templates else []
        replies = [(name, ":=", value) for name, value in words]
        if chosen:
            replies += _own(known["attributes"][chosen - 1], asked)
        password = self._passwords.opened(account, number, known["password_sealed"])
        return Admission(password, replies)


def _own(
    given: Sequence[Mapping[str, str]], asked: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    """The replies of a set of attributes, if all of its checks hold."""
    checks = [one for one in given if one["type"] == "check"]
    if not all(_holds(one, asked.get(one["attribute"].lower().replace("-", ""))) for one in checks):
        return []
    return [
        (one["attribute"], one["equals"], one["value"])
        for one in given
        if one["type"] == "reply" and one["equals"] in _REPLIES
    ]


def _holds(check: Mapping[str, str], said: str | None) -> bool:
    sign, wanted = check["equals"], check["value"]
    if sign in ("=*", "!*"):
        return (said is not None) == (sign == "=*")
    if said is None:
        return sign in ("!=", "!~")
    if sign in ("=~", "!~"):
        return bool(_pattern(wanted).fullmatch(said)) == (sign == "=~")
    if sign == "!=":
        return said != wanted
    if sign in (">", ">=", "<", "<="):
        return _compares(sign, said, wanted)
    return said == wanted


def _compares(sign: str, said: str, wanted: str) -> bool:
    if not (said.isascii() and said.isdigit() and wanted.isascii() and wanted.isdigit()):
        return False
    left, right = int(said[:20]), int(wanted[:20])
    if left == right:
        return sign in (">=", "<=")
    return (left > right) == (sign[0] == ">")


@lru_cache(256)
def _pattern(text: str) -> Pattern[str]:
    # Only the asterisk means something.
    return re.compile(translate(text.replace("[", "[[]").replace("?", "[?]")))

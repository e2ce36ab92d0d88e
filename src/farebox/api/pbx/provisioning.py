"""Every kind of record as operators create, change and remove it (pbx.md 3.11).

What a record has beside its row (an extension's account, a password) is written by its `also`
members, in the same transaction. The routes are in `admin`, many records at once in `bulk`.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from farebox.api.pbx.arguments import scalar
from farebox.api.pbx.blueprint import shown
from farebox.api.pbx.catalogue import (
    CATALOGUE,
    CONDITION,
    CUSTOM,
    CUSTOM_TYPE,
    DESTINATION,
    DID,
    EXTENSION,
    HUNT,
    IVR,
    PHONE,
    PHONE_MODEL,
    SQL,
    TENANT,
    USER,
    VOICEMAIL,
)
from farebox.api.pbx.dialect import Call
from farebox.api.pbx.lines import phone_password
from farebox.api.pbx.values import missing, values_of, wrong
from farebox.engine.lines import generated
from farebox.engine.passwords import is_hash
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.resource.definition import Resource
from farebox.storage.pool import Connection

# Printable, without spaces and what configurations of telephones trip over.
_SECRET: Final = re.compile(r"[!#-:<-~]{8,128}")

Given = dict[str, object]
Write = Callable[[Connection, Call, int, Given, bool], Awaitable[dict[str, str]]]
# The old and the new value of each member that differs.
Changes = dict[str, dict[str, str]]
HIDDEN: Final = "***"


@dataclass(frozen=True, kw_only=True, eq=False)
class Provisioned:
    """A kind of record with its path, and the members that are not columns of its row."""

    path: str
    resource: Resource
    also: tuple[str, ...] = ()
    # What the answer of a create may have besides.
    once: tuple[str, ...] = ()
    # Writes the `also` members after the row, and gives what is told once.
    write: Write | None = None
    # The `also` members that are not kept as they are given; secrets are hidden.
    differs: Callable[[Connection, Call, int, Given], Awaitable[Changes]] | None = None
    # Runs before and after a change or removal.
    before: Callable[[Connection, Call], Awaitable[None]] | None = None
    after: Callable[[Connection, Call], Awaitable[None]] | None = None

    @property
    def of_tenant(self) -> str:
        """What holds for the records of a tenant; those of nobody are everybody's."""
        if any(field.stored == "tenant" for field in self.resource.fields):
            return "t.tenant = {tenant}::bigint"
        own = {TENANT.name: "t.id = {tenant}::bigint", USER.name: f"t.id in ({SQL.people})"}
        return own.get(self.resource.name, "true")

    @property
    def name(self) -> str:
        """As operation ids have it: `PBX-X-EXTENSION-…`."""
        return self.path.upper().removesuffix("S")

    @property
    def view(self) -> tuple[str, ...]:
        """What is shown of a record."""
        return tuple(one.name for one in self.resource.fields if one.type != "bool")


# What is beside a row


async def _write_extension(
    connection: Connection, call: Call, key: int, given: Given, creating: bool
) -> dict[str, str]:
    """The account of a line; on create a secret is made unless one is given."""
    secret, host = _text(given, "secret"), _text(given, "host")
    if secret is not None and not _SECRET.fullmatch(secret):
        raise wrong("secret")
    if host is not None and not re.fullmatch(r"[A-Za-z0-9.:_-]{1,255}", host):
        raise wrong("host")
    lines = call.services.exchange.lines
    if creating or secret is not None:
        made = secret or generated()
        await lines.set_secret(connection, key, made, host)
        return {} if secret else {"secret": made}
    if host is not None:
        await lines.set_host(connection, key, host)
    return {}


async def _account_differs(connection: Connection, call: Call, key: int, given: Given) -> Changes:
    host, secret = await call.services.exchange.lines.account(connection, key)
    new_host, new_secret = _text(given, "host"), _text(given, "secret")
    changes: Changes = {}
    if new_host not in (None, host):
        changes["host"] = {"old": host, "new": str(new_host)}
    return changes | (_hidden("secret") if new_secret not in (None, secret) else {})


async def _write_user(
    connection: Connection, call: Call, key: int, given: Given, creating: bool
) -> dict[str, str]:
    """A user's password, which a new one must have; a ready hash of it does as well."""
    operators = call.services.exchange.operators
    password, hashed = _text(given, "password"), _text(given, "password_hash")
    if hashed is not None and not is_hash(hashed):
        raise wrong("password_hash")
    if password is None and hashed is None and creating:
        raise missing("password")
    if password is not None:
        ready = call.prepared.hashes.get(password)
        hashed = ready.pop() if ready else await operators.hash(password)
    if hashed is not None:
        await operators.store_password(connection, call.caller, key, hashed)
    return {}


async def _password_differs(connection: Connection, call: Call, key: int, given: Given) -> Changes:
    password, hashed = _text(given, "password"), _text(given, "password_hash")
    if password is None and hashed is None:
        return {}
    operators = call.services.exchange.operators
    is_kept = await operators.has(connection, key, password, hashed, call.prepared)
    return {} if is_kept else _hidden("password" if password is not None else "password_hash")


async def _write_phone(
    connection: Connection, call: Call, key: int, given: Given, creating: bool
) -> dict[str, str]:
    """What a telephone fetches its settings with."""
    del creating
    password = phone_password(given)
    if password is not None:
        await call.services.exchange.lines.keep_phone_password(connection, key, password)
    return {}


async def _phone_password_differs(
    connection: Connection, call: Call, key: int, given: Given
) -> Changes:
    password = phone_password(given)
    kept = await call.services.exchange.lines.phone_password(connection, key)
    return {} if password in (None, kept) else _hidden("ph_http_password")


def _hidden(name: str) -> Changes:
    return {name: {"old": HIDDEN, "new": HIDDEN}}


def _text(given: Given, name: str) -> str | None:
    try:
        return None if given.get(name) is None else scalar(given[name])
    except ValueError:
        raise wrong(name) from None


async def _hold_admins(connection: Connection, call: Call) -> None:
    await call.services.exchange.admin.hold_admins(connection)


async def _require_admin(connection: Connection, call: Call) -> None:
    await call.services.exchange.admin.require_admin(connection)


KINDS: Final = (
    Provisioned(path="tenants", resource=TENANT),
    Provisioned(
        path="users", resource=USER, also=("password", "password_hash"), write=_write_user,
        differs=_password_differs, before=_hold_admins, after=_require_admin,
    ),
    Provisioned(
        path="extensions", resource=EXTENSION, also=("secret", "host"), once=("secret",),
        write=_write_extension, differs=_account_differs,
    ),
    Provisioned(path="dids", resource=DID),
    Provisioned(path="hunts", resource=HUNT),
    Provisioned(path="voicemails", resource=VOICEMAIL),
    Provisioned(path="conditions", resource=CONDITION),
    Provisioned(path="ivrs", resource=IVR),
    Provisioned(path="customs", resource=CUSTOM),
    Provisioned(path="custom-types", resource=CUSTOM_TYPE),
    Provisioned(path="destinations", resource=DESTINATION),
    Provisioned(path="phone-models", resource=PHONE_MODEL),
    Provisioned(
        path="phones", resource=PHONE, also=("ph_http_password",), write=_write_phone,
        differs=_phone_password_differs,
    ),
)  # fmt: skip


# The five verbs


async def add(connection: Connection, call: Call, kind: Provisioned, given: Given) -> Any:
    """A new record with what belongs to it: its id, and what is told of it this once."""
    values = values_of(kind.resource, given, creating=True)
    key = await store.insert(connection, kind.resource, values, call.view, CATALOGUE)
    return key, await kind.write(connection, call, key, given, True) if kind.write else {}


async def edit(
    connection: Connection, call: Call, kind: Provisioned, key: int, given: Given
) -> None:
    """Changes those members of a record that are given."""
    await store.read(connection, kind.resource, key, call.view)
    values = values_of(kind.resource, given, creating=False, also=kind.also)
    if kind.before:
        await kind.before(connection, call)
    await store.update(connection, kind.resource, key, values, call.view, CATALOGUE)
    if kind.write:
        await kind.write(connection, call, key, given, False)
    if kind.after:
        await kind.after(connection, call)


async def remove(connection: Connection, call: Call, kind: Provisioned, key: int) -> None:
    """Removes a record."""
    if kind.before:
        await kind.before(connection, call)
    await store.delete(connection, kind.resource, key, call.view)
    if kind.after:
        await kind.after(connection, call)


async def rows_after(call: Call, kind: Provisioned) -> list[dict[str, str]]:
    """A part of the records of a kind, in the order of their ids."""
    tests = ["t.id > {after}::bigint"]
    if call["tenant_id"] is not None:
        tests.append(kind.of_tenant)
    view = call.view.having(after=call["after"], tenant=call["tenant_id"])
    async with call.services.pool.acquire() as connection:
        page = await store.list_rows(
            connection, kind.resource, Criteria(limit=call["limit"]), view,
            within=" and ".join(tests),
        )  # fmt: skip
    return [shown(row, kind.view) for row in page.rows]

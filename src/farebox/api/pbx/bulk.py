"""Many records at once: all kinds in one document, by the names that people know (pbx.md 3.11).

A row is found by its natural key: a tenant by code, a line by tenant and number, a route by what it
leads from and to. What is found is changed where it differs, what is not is made, and everything is
one transaction; passwords, which take long, are hashed and compared before it begins. A dry run
does the same, takes it back, and tells every difference; of secrets and passwords it tells only
that they differ.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from farebox.api.pbx.arguments import scalar
from farebox.api.pbx.blueprint import shown
from farebox.api.pbx.catalogue import SQL
from farebox.api.pbx.dialect import Call, invalid
from farebox.api.pbx.provisioning import KINDS, Changes, Given, Provisioned, add, edit
from farebox.api.pbx.values import missing, values_of, wrong
from farebox.domain.errors import ConflictError, InvalidError, NotFoundError
from farebox.resource import store
from farebox.resource.criteria import Criteria
from farebox.storage.pool import Connection, transaction

ROWS_MAX: Final = 20_000
PASSWORDS_MAX: Final = 500
DIFFERENCES_MAX: Final = 1000
_SEEN_MAX: Final = 1_000_000
_BY_PATH: Final = {kind.path: kind for kind in KINDS}
# The kinds in the order in which they name each other, and what a row of each is known by.
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "tenants": ("te_code",),
    "phone-models": ("pm_name",),
    "custom-types": ("ct_name",),
    "users": ("us_username",),
    "extensions": ("ex_number",),
    "hunts": ("hu_number",),
    "dids": ("di_country", "di_area", "di_number"),
    "voicemails": ("mailbox",),
    "conditions": ("co_name",),
    "ivrs": ("iv_name",),
    "customs": ("cu_name",),
    "phones": ("ph_mac",),
    "destinations": ("de_type_src", "de_id_src", "de_type_dst", "de_id_dst"),
}
# What the ends of a route mean, and the name that stands for the id in `src` and `dst`.
_ENDS: Final = {
    "EXT": ("extensions", "ex_number"),
    "HUNTLIST": ("hunts", "hu_number"),
    "DID": ("dids", "di_number"),
    "VOICEMAIL": ("voicemails", "mailbox"),
    "CONDITION": ("conditions", "co_name"),
    "NOTCONDITION": ("conditions", "co_name"),
    "IVR": ("ivrs", "iv_name"),
    "CUSTOM": ("customs", "cu_name"),
}
Key = tuple[str, ...]


class _TakenBackError(Exception):
    """Ends the transaction of a dry run."""


@dataclass
class Outcome:
    """What an import did, or would do."""

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    differences: list[dict[str, Any]] = field(default_factory=list)


async def import_all(call: Call, document: Given, *, dry: bool) -> Outcome:
    """Makes the records as the document has them; InvalidError names the first bad row."""
    rows = dict(_parts(document))
    passwords = list(_passwords(rows.get("users", [])))
    prepared = await call.services.exchange.operators.prepare(passwords)
    call = msgspec.structs.replace(call, prepared=prepared)
    outcome = Outcome()
    try:
        async with transaction(call.services.pool) as connection:
            job = _Import(connection, call, outcome, rows)
            for path, given in rows.items():
                await job.kind(path, given)
            if dry:
                raise _TakenBackError
    except _TakenBackError:
        pass
    return outcome


def _parts(document: Given) -> Iterator[tuple[str, list[Any]]]:
    """The kinds that a document has, in their order."""
    total = 0
    for path in KEYS:
        name = path.replace("-", "_")
        given = document.get(name)
        if given is None:
            continue
        total += len(given) if isinstance(given, list) else ROWS_MAX + 1
        if not isinstance(given, list) or total > ROWS_MAX:
            raise invalid(f"Invalid Parameter {name}.")
        if sum(isinstance(row, dict) and "password" in row for row in given) > PASSWORDS_MAX:
            raise invalid(f"Invalid Parameter {name}.")
        yield path, given


def _passwords(users: list[Any]) -> Iterator[tuple[str, str]]:
    """Names and passwords; what is none of them is refused in its turn."""
    for row in users:
        if isinstance(row, dict) and row.get("password") is not None:
            with suppress(ValueError, InvalidError):
                yield _plain(row, "us_username"), scalar(row["password"])


class _Import:
    """One import on its connection."""

    def __init__(
        self, connection: Connection, call: Call, outcome: Outcome, rows: Mapping[str, list[Any]]
    ) -> None:
        self._connection = connection
        self._call = call
        self._outcome = outcome
        given = (row for some in rows.values() for row in some if isinstance(row, dict))
        codes = {str(row.get("te_code", "")).strip().lower() for row in given}
        self._codes = sorted(code for code in codes if code.isascii() and code.isalnum())
        self._known: dict[str, dict[Key, dict[str, str]]] = {}
        self._names: dict[str, dict[tuple[Key, str], int]] = {}

    async def kind(self, path: str, rows: list[Any]) -> None:
        """Makes the rows of one kind."""
        counts = {"inserted": 0, "updated": 0, "unchanged": 0}
        self._outcome.counts[path.replace("-", "_")] = counts
        for index, row in enumerate(rows):
            try:
                if not isinstance(row, dict):
                    raise missing(KEYS[path][0])
                counts[await self._row(path, index, dict(row))] += 1
            except (InvalidError, NotFoundError, ConflictError) as error:
                name = next(iter(error.fields), KEYS[path][0])
                name = path.replace("-", "_") + f" {index} Field {name}"
                raise invalid(f"Invalid Row {name}.") from error

    async def _row(self, path: str, index: int, given: dict[str, object]) -> str:
        kind = _BY_PATH[path]
        tenant = await self._tenant(kind, given)
        if path == "customs" and "ct_name" in given:
            given["cu_ct_id"] = await self._id("custom-types", (), given["ct_name"], "ct_name")
        if path == "destinations":
            await self._ends(given, tenant)
        key = (*tenant, *(_plain(given, name) for name in KEYS[path]))
        known = await self._all(path)
        current = known.get(key)
        if current is None:
            number, _ = await add(self._connection, self._call, kind, given)
            await self._members(path, number, given)
            # The rest is read if the document names the record again.
            known[key] = {kind.view[0]: str(number)}
            self._differs(path, index, key, "insert", {})
            return "inserted"
        number = int(next(iter(current.values())))
        if len(current) == 1:
            current = known[key] = await self._read(kind, number)
        changed = _changed(kind, given, current, KEYS[path])
        if kind.differs:
            changed |= await kind.differs(self._connection, self._call, number, given)
        if changed:
            # What is kept as it is given is not written again, and nobody changed it.
            new = {name: one for name, one in given.items() if name not in kind.also}
            new |= {name: given[name] for name in kind.also if name in changed}
            await edit(self._connection, self._call, kind, number, new)
        changed |= await self._members(path, number, given)
        if not changed:
            return "unchanged"
        known[key] = await self._read(kind, number)
        self._differs(path, index, key, "update", changed)
        return "updated"

    async def _tenant(self, kind: Provisioned, given: dict[str, object]) -> Key:
        """The tenant's part of a row's key; the row gets the tenant's id for its code."""
        owner = next((one.name for one in kind.resource.fields if one.stored == "tenant"), None)
        if owner is None:
            return ()
        number = await self._id("tenants", (), given.get("te_code"), "te_code")
        given[owner] = number
        return (str(number),)

    async def _id(self, path: str, tenant: Key, value: object, name: str) -> int:
        """The id of a record by the one text that it is known by."""
        if path not in self._names:
            # Whoever names a kind comes after it, so this need not follow later rows.
            self._names[path] = {
                (key[: len(tenant)], key[-1]): int(next(iter(row.values())))
                for key, row in (await self._all(path)).items()
            }
        number = self._names[path].get((tenant, _plain({name: value}, name)))
        if number is None:
            raise wrong(name)
        return number

    async def _ends(self, given: dict[str, object], tenant: Key) -> None:
        for end, plain in (("de_id_src", "src"), ("de_id_dst", "dst")):
            kind = _plain(given, end.replace("id", "type")).upper()
            given[end.replace("id", "type")] = kind
            means = _ENDS.get(kind.partition("-")[0])
            if plain in given and means is not None:
                given[end] = await self._id(means[0], tenant, given[plain], means[1])

    async def _members(self, path: str, number: int, given: Given) -> Changes:
        """Lets a user see the tenants with the given codes: what that changed."""
        codes = given.get("tenants")
        if path != "users" or codes is None:
            return {}
        if not isinstance(codes, list):
            raise wrong("tenants")
        tenants = [await self._id("tenants", (), code, "te_code") for code in codes]
        admin = self._call.services.exchange.admin
        old, new = await admin.set_tenants(self._connection, number, tenants)
        return {} if old == new else {"tenants": {"old": " ".join(old), "new": " ".join(new)}}

    async def _all(self, path: str) -> dict[Key, dict[str, str]]:
        """The records of a kind by their keys, read once; of tenants' own, those of the named."""
        if path not in self._known:
            kind = _BY_PATH[path]
            owner = [one.name for one in kind.resource.fields if one.stored == "tenant"]
            view, within = self._call.view, "true"
            if owner:
                view, within = view.having(codes=self._codes), SQL.of_tenants
            page = await store.list_rows(
                self._connection, kind.resource, Criteria(), view, within=within,
                hard_cap=_SEEN_MAX,
            )  # fmt: skip
            rows = [shown(row, kind.view) for row in page.rows]
            self._known[path] = {
                (*(row[name] for name in owner), *(_plain(row, name) for name in KEYS[path])): row
                for row in rows
            }
        return self._known[path]

    async def _read(self, kind: Provisioned, number: int) -> dict[str, str]:
        row = await store.read(self._connection, kind.resource, number, self._call.view)
        return shown(row, kind.view)

    def _differs(
        self, path: str, index: int, key: Key, change: str, fields: Mapping[str, Any]
    ) -> None:
        if len(self._outcome.differences) < DIFFERENCES_MAX:
            self._outcome.differences.append({
                "kind": path.replace("-", "_"), "index": str(index), "change": change,
                "key": " ".join(key[-len(KEYS[path]) :]), "fields": fields,
            })  # fmt: skip


def _plain(given: Mapping[str, object], name: str) -> str:
    """A part of a key: letters of codes, names and addresses count alike in both cases."""
    try:
        text = scalar(given.get(name, "")).strip()
    except ValueError:
        raise wrong(name) from None
    return text.lower() if name in ("te_code", "us_username", "ph_mac") else text


def _changed(
    kind: Provisioned, given: Given, current: Mapping[str, str], key: tuple[str, ...]
) -> Changes:
    """What a row changes: the old and the new value of each field but those it is known by."""
    values = values_of(kind.resource, given, creating=False, also=(*kind.also, *given))
    new = {name: "" if value is None else str(value) for name, value in values.items()}
    return {
        name: {"old": current[name], "new": value}
        for name, value in new.items()
        if current[name] != value and name not in key
    }

"""Facts about the device behind a call: identity, place, currency, and the campaigns in scope.

Source: vending-commerce.md 4.6, 4.7, 4.11. Facts are not money: they come from a cache that is
never older than five seconds and is emptied by a notification. Nothing here decides; a campaign
outside `scope` simply is not a candidate.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from farebox.domain.errors import ForbiddenError
from farebox.domain.rules import Place
from farebox.engine.access import Principal
from farebox.storage import places as store
from farebox.storage.pool import Pool

AGE_MAX_S = 5.0
# From this age on a call still gets the facts and has them read again for those after it.
AGE_SOFT_S = 2.5
ENTRIES_MAX = 200_000


class Facts:
    """What decisions may rely on about one device, as one caller sees it."""

    __slots__ = (
        "currency", "disabled", "flags", "fresh_until", "identity", "location", "machine",
        "machine_active", "place", "principal", "scope",
    )  # fmt: skip

    def __init__(
        self,
        identity: str,
        place: Place,
        *,
        principal: Principal | None = None,
        scope: frozenset[int],
        disabled: frozenset[int],
        machine_active: bool = True,
        currency: str | None = None,
        fresh_until: float = 0.0,
    ) -> None:
        self.identity = identity
        self.place = place
        self.principal = principal
        self.machine = place.machine
        self.location = place.location
        # Owner groups whose campaigns apply here, and those among them that are switched off.
        self.scope = scope
        self.disabled = disabled
        self.machine_active = machine_active
        self.currency = currency
        self.fresh_until = fresh_until
        # What the desk has worked out for a set of terms at this place.
        self.flags: dict[Any, int] = {}


class Places:
    """Resolves device ids for principals; answers from memory for up to five seconds."""

    def __init__(self, pool: Pool, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._monotonic = monotonic
        self._known: dict[tuple[str, str], Facts] = {}
        # Reads under way; callers with the same question share one.
        self._loading: dict[tuple[str, str], asyncio.Task[Facts]] = {}
        # Counts the changes heard of: a read that one of them overlapped is not remembered.
        self._changes = 0

    def known(self, principal: Principal, device_id: str) -> Facts | None:
        """The facts if they are in memory and young enough.

        They belong to one reading of the principal: a newer one (other groups, say) asks anew, so
        the two ages do not add up.
        """
        facts = self._known.get((principal.label, device_id))
        if facts is None or facts.principal is not principal:
            return None
        left_s = facts.fresh_until - self._monotonic()
        if left_s <= 0:
            return None
        if left_s < AGE_SOFT_S:
            self._load_once(principal, device_id)
        return facts

    async def resolve(self, principal: Principal, device_id: str) -> Facts:
        """The facts of this device id (trimmed). ForbiddenError `device_mismatch` for a device
        token that names a machine which is neither itself nor behind it."""
        facts = self.known(principal, device_id)
        if facts is not None:
            return facts
        # The read outlives a caller that goes away.
        return await asyncio.shield(self._load_once(principal, device_id))

    def _load_once(self, principal: Principal, device_id: str) -> "asyncio.Task[Facts]":
        key = (principal.label, device_id)
        task = self._loading.get(key)
        if task is None or task.done():
            task = asyncio.create_task(self._remember(principal, device_id))
            self._loading[key] = task
            task.add_done_callback(lambda done: self._loaded(key, done))
        return task

    def _loaded(self, key: tuple[str, str], task: "asyncio.Task[Facts]") -> None:
        if self._loading.get(key) is task:
            del self._loading[key]
        # A read ahead that fails changes nothing: the facts grow too old and a call asks itself.
        if not task.cancelled():
            task.exception()

    async def _remember(self, principal: Principal, device_id: str) -> Facts:
        changes = self._changes
        facts = await self._load(principal, device_id)
        if changes == self._changes:
            if len(self._known) >= ENTRIES_MAX:
                self._known.clear()
            self._known[principal.label, device_id] = facts
        return facts

    async def code_of(self, voucher_id: int) -> str | None:
        """The canonical code of a voucher, for calls that name it by id."""
        return await store.code_of(self._pool, voucher_id)

    def forget(self) -> None:
        """Drops everything: places, machines or groups have changed."""
        self._changes += 1
        self._known.clear()
        # Nobody who comes from now on may share a read that began before the change.
        self._loading.clear()

    async def _load(self, principal: Principal, device_id: str) -> Facts:
        fresh_until = self._monotonic() + AGE_MAX_S
        row = await store.find_machine(self._pool, device_id)
        seen_by: frozenset[int] = frozenset()
        disabled: frozenset[int] = frozenset()
        if row is not None:
            closure = await store.close_groups(self._pool, [row["owner"], *row["assigned"]])
            seen_by = frozenset(group["id"] for group in closure)
            disabled = frozenset(group["id"] for group in closure if group["disabled"])
        if principal.kind == "device":
            if row is None or principal.machine not in (row["id"], row["gateway"]):
                raise ForbiddenError(
                    "deviceId is neither this device nor a machine behind it", "device_mismatch"
                )
            scope = seen_by
        else:
            scope = seen_by & principal.groups
            if not scope:
                # Unknown to this user: whatever the id says, it is only a name.
                disabled = await store.disabled_groups(self._pool, sorted(principal.groups))
                return Facts(
                    f"d:{device_id}",
                    Place(None, device_id, None, None, frozenset()),
                    principal=principal,
                    scope=principal.groups,
                    disabled=disabled,
                    fresh_until=fresh_until,
                )
        place = Place(
            row["id"],
            row["hostname"],
            row["location"],
            row["external_ref"],
            frozenset(row["location_groups"]),
        )
        return Facts(
            f"m:{row['id']}",
            place,
            principal=principal,
            scope=scope,
            disabled=disabled,
            machine_active=row["active"],
            currency=row["currency"],
            fresh_until=fresh_until,
        )

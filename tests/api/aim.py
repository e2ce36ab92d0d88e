"""Aims made-up calls at what is there: ids of stored rows, and values that declarations allow.

Random arguments end at the first check. An aimed call names rows that exist, under names that the
path may have, and its body holds what the resource's declaration asks for; where a member is
unknown here, the made-up value stays. Nothing here knows what the answer should be.
"""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from farebox.api.vending.resources import CATALOGUE
from farebox.resource.definition import Field, Resource
from farebox.settings import DEVICE_COMMANDS
from tests.api.conftest import Api

Draw = st.DrawFn
Ids = Mapping[str, list[Any]]
NOW_S = 1_773_133_200
PLURALS = {"ids": "machine", "machines": "machine", "machineGroups": "machinegroup",
           "locations": "location", "locationGroups": "locationgroup",
           "machineTypes": "machinetype"}  # fmt: skip
# Path parameters that are words, and what they may be.
WORDS: Mapping[str, tuple[str, ...]] = {
    "hostname": ("gw-0080", "gw-0090"),
    "status": ("ok", "offline", "alarm", "issue", "cleaning"),
    "dashboard": ("9",),
    "resource": ("machine", "machinegroup", "location", "locationgroup"),
}
EXPORTS = ("product", "machine", "location", "user", "log", "revenuetransaction", "alertobserver")
# Members that no declaration of a resource describes, by name.
_numbers = st.integers(1, 1000)
_names = _numbers.map(lambda n: f"name {n}")
_hours = st.sampled_from(("00:00", "06:30", "09:15:00", "17:00", "22:00"))
_starts = st.sampled_from(("2026-02-01", "2026-03-01 08:00", "2026-03-08T09:00:00Z"))
_ends = st.sampled_from(("2026-03-09", "2026-03-10T09:00:00+01:00", "2026-03-29 02:30"))
_periods = st.one_of(
    st.builds(lambda start, end: {"startDate": start, "endDate": end}, _starts, _ends),
    st.builds(
        lambda day: {"startDate": {"day": -day}, "endDate": {"week": 0, "day": 7}},
        st.integers(1, 60),
    ),
)
MEMBERS: Mapping[str, st.SearchStrategy[Any]] = {
    "period1": _periods,
    "period2": _periods,
    "username": _numbers.map(lambda n: f"user{n}"),
    "email": _numbers.map(lambda n: f"user{n}@example.test"),
    "password": st.just("correct horse 9"),
    "hostname": _numbers.map(lambda n: f"gw-{n}"),
    "timeZone": st.sampled_from(("Europe/Amsterdam", "UTC", "Asia/Kathmandu")),
    "timezone": st.sampled_from(("Europe/Amsterdam", "UTC", "Asia/Kathmandu")),
    "latitude": st.floats(-90, 90).map(lambda n: round(n, 5)),
    "longitude": st.floats(-180, 180).map(lambda n: round(n, 5)),
    "thumbnail": st.just("https://example.test/a.png"),
    "original": st.just("https://example.test/b.png"),
    "url": st.just("https://erp.example.test/sales"),
    "paymentTypesMap": st.just({"virtual": "card"}),
    "settings": st.just('{"machines":[80]}'),
    "timerType": st.integers(1, 4),
    "timer": st.integers(1, 100),
    "widgetType": st.integers(1, 8),
    "filter": st.sampled_from(
        ({"type": "machine", "ids": [80]}, {"type": "location", "ids": [2]},
         {"type": "machinegroup", "ids": [5]}, {"type": "locationgroup", "ids": [6]})
    ),
    "configuration": st.sampled_from(
        ({"apn": {"apn": "m2m"}}, {"wlan": {"ssid": "cafe", "encryptionKey": "hush"}})
    ),
    "config": _names,
    "params": st.sampled_from(([], [1], [{}])),
    "day": st.integers(1, 7),
    "startTime": _hours,
    "endTime": _hours,
    "plu": _numbers,
    "price": st.integers(0, 500),
    "flavourPLU": st.just(1000),
    "extraProductPLU": st.just(2000),
    "machine": st.just(80),
    "timestamp": st.integers(NOW_S - 86_400, NOW_S),
    "occurredAt": st.just("2026-03-09T11:00:00Z"),
    "method": st.sampled_from(("cash", "card", "code", "virtual", "token")),
    "code": st.sampled_from(("17", "CM_REBOOT")),
    "version": st.integers(0, 3),
    "deviceId": st.just("gw-0080"),
    "order": st.builds(lambda n: {"id": f"order {n}"}, _numbers),
    "demand": st.just({"amount": 5}),
    "lockDuration": st.integers(0, 30),
    "expiresOn": st.sampled_from(("2026-12-31", None)),
    "resetFrequency": st.sampled_from(("day", "week", "month", "none")),
    "totalVouchers": st.integers(0, 3),
    "voucherValue": st.integers(1, 500),
    "count": st.integers(1, 3),
    "validationRules": st.just([{"field": "location", "value": "2"}]),
    "field": st.just("location"),
    "value": st.just("2"),
    "gateway": st.just(None),
}  # fmt: skip
# Members that mean something else below one segment of a path.
OWN: Mapping[str, Mapping[str, st.SearchStrategy[Any]]] = {
    "campaign": {"type": st.sampled_from(("discount", "gift")), "valueType": st.just("cents"),
                 "currency": st.just("EUR"), "prefix": st.just("AB"), "voucherStyle": st.just("{}"),
                 "voucherLogoImg": st.none(), "status": st.sampled_from(("active", "inactive"))},
    "voucher": {"type": st.sampled_from(("inherit", "gift")), "valueType": st.just("cents"),
                "value": st.integers(1, 99), "campaign": st.just(1), "voucherId": st.none(),
                "code": _numbers.map(lambda n: f"C{n}"), "style": st.just("{}"),
                "status": st.sampled_from(("active", "inactive"))},
    "ack": {"state": st.sampled_from(("applied", "failed"))},
    "result": {"state": st.sampled_from(("succeeded", "failed"))},
    "logs": {"state": st.sampled_from(("set", "clear", None))},
    "machine": {"currency": st.just(978)},
}  # fmt: skip
# Arguments of queries, and those without which two of the paths answer nothing.
QUERIES: Mapping[str, st.SearchStrategy[Any]] = {
    "startDate": _starts, "endDate": _ends,
    "period1[startDate]": _starts, "period1[endDate]": _ends, "period1[referenceDate]": _ends,
    "timezone": MEMBERS["timezone"], "amount": st.integers(1, 100), "days": st.integers(1, 366),
    "machine": st.just(80), "machines[]": st.just([80]), "machineGroups[]": st.just([5]),
    "locations[]": st.just([2, 3]), "locationGroups[]": st.just([6]),
}  # fmt: skip
ASKED: Mapping[str, tuple[str, str]] = {
    "/export/transactions": ("period1[startDate]", "period1[endDate]"),
    "/revenuetransaction/summary": ("startDate", "endDate"),
    "/revenuetransaction/bestselling": ("startDate", "endDate"),
}
# Lists that the last segment of a path names otherwise than their resource; "" has none.
LISTS: Mapping[str, str] = {
    "alerts": "alertobserver", "alertobservers": "alertobserver", "commands": "devicecommand",
    "children": "usergroup", "gateways": "machine", "offline": "machine", "jobs": "",
    "failedtransactions": "", "vouchers": "",
}  # fmt: skip


# What calls as they are made here may break for those who call: people and the device's key.
MENDED = """
update vending.users set disabled_at_ms = null, owner = u.home, username = u.name, token_version = 1
  from (values (1, 1, 'root'), (2, 2, 'nora')) as u (id, home, name) where users.id = u.id;
update vending.usergroup set disabled_at_ms = null, deleted = false, permissions = null,
       admin = id = 1, parent = nullif(id - 1, 0) where id in (1, 2);
update vending.device_key set revoked_at_ms = null where id = 1;
update vending.location set owner = 2 where id = 2;
update vending.machine set hostname = 'gw-0080', location = 2, gateway = null where id = 80
"""


class Catalogued:
    """The aim of the vending API, whose rows are declared."""

    prefix = "/vending"
    encodings: tuple[str, ...] = ("json",)

    def __init__(self, api: Api) -> None:
        self._api = api
        self._callers: Mapping[str, Mapping[str, str]] = {}
        self._ids: Ids = {}

    @classmethod
    async def made(cls, api: Api) -> "Catalogued":
        """With rows of all kinds."""
        await furnish(api)
        return cls(api)

    async def begin(self) -> None:
        """Who calls can call, and it is known what there is."""
        await self._api.execute(MENDED)
        self._api.services.access.forget()
        people = {name: (await self._api.login(name)).headers for name in ("root", "nora")}
        self._callers = people | {"device": (await self._api.device()).headers}
        self._ids = await stored_ids(self._api)

    def caller(self, draw: Any, case: Any) -> tuple[str, Mapping[str, str]]:
        """The device for its own calls, else one of the people."""
        people = draw(st.sampled_from(("nora", "root")))
        who = "device" if case.path.startswith("/vending/device/") else people
        return who, self._callers[who]

    def path(self, draw: Any, case: Any) -> dict[str, str]:
        """Ids of stored rows."""
        return aimed_path(draw, case.path, self._ids)

    def query(self, draw: Any, case: Any) -> dict[str, Any]:
        """Filters by fields that the resource has."""
        return aimed_query(draw, case.query or {}, case.formatted_path)

    def body(self, draw: Any, case: Any, schema: Mapping[str, Any]) -> Any:
        """What the declaration asks for."""
        return aimed_body(draw, case.body, schema, case.formatted_path, self._ids)

    def is_far(self, answer: Any) -> bool:
        """No far side answers a vending call."""
        return False


async def furnish(api: Api) -> None:
    """Rows of the kinds that the fixture has none of."""
    nora, root, device = await api.login("nora"), await api.login("root"), await api.device()
    sale = {"remote": 1, "timestamp": NOW_S - 60, "price": 100, "plu": 1,
            "payments": [{"method": "card", "price": 100}]}  # fmt: skip
    log = {"remote": 1, "timestamp": NOW_S - 60, "code": "17", "isResolvable": True}
    event = {"remote": 1, "timestamp": NOW_S - 60, "name": "temperature", "value": 4}
    observer = {"name": "Watch", "type": "event", "observer": "occurrence", "timer": 1,
                "timerType": 1, "alertGroup": 7, "machines": [80]}  # fmt: skip
    recipient = {"name": "Ops", "email": "ops@example.test", "language": 1, "alertGroup": 7}
    campaign = {"name": "Gifts", "totalVouchers": 0, "voucherValue": 500, "type": "gift"}
    for caller, path, body in (
        (root, "/erroridentity", {"machineType": 1, "error": "ED017"}),
        (root, "/errorcode", {"errorIdentity": 1, "errorProfile": 1, "code": "17"}),
        (nora, "/shift", {"location": 2}),
        (nora, "/alertrecipient", recipient),
        (nora, "/alertobserver", observer),
        (nora, "/image", {"thumbnail": "https://a.test/a", "original": "https://a.test/b"}),
        (nora, "/translation", {"key": "ED017", "language": 1, "value": "Water"}),
        (nora, "/integration", {"externalId": 12, "name": "ERP"}),
        (nora, "/command/gw-0080/reboot", {}),
        (nora, "/campaign", campaign),
        (nora, "/voucher", {"campaign": 1, "type": "inherit", "code": "GGG"}),
        (nora, "/machine/80/productflavour", {"name": "Vanilla"}),
        (nora, "/machine/80/productextra", {"name": "Lid"}),
        (device, "/device/transactions", {"transactions": [sale]}),
        (device, "/device/logs", {"logs": [log]}),
        (device, "/device/iotevents", {"iotevents": [event]}),
    ):
        answer = await caller.post(path, body)
        assert answer.status_code < 300, f"{path}: {answer.text}"


async def stored_ids(api: Api) -> dict[str, list[Any]]:
    """Some ids of every resource and the codes of vouchers, newest first."""
    tables = {name: one.table for name, one in CATALOGUE.items() if name != "permission"}
    tables |= {"campaign": "voucher.campaign", "voucher": "voucher.voucher",
               "redemption": "voucher.redemption"}  # fmt: skip
    parts = [
        f"select '{name}', array(select t.id from {table} t{_class(name)} order by 1 desc limit 60)"
        for name, table in tables.items()
    ]
    rows = await api.services.pool.fetch(" union all ".join(parts))
    ids: dict[str, list[Any]] = {row[0]: list(row[1]) for row in rows}
    codes = await api.services.pool.fetch("select code from voucher.voucher limit 60")
    return ids | {"code": [row["code"] for row in codes]}


def _class(name: str) -> str:
    kind = {"product": "base", "productflavour": "flavour", "productextra": "extra"}.get(name)
    return f" where t.class = '{kind}' and t.machine = 80" if kind else ""


def resource_of(path: str) -> Resource | None:
    """The declared resource that a path speaks of: the last one it names."""
    segments = path.split("/")
    named = [part for part in segments if part in CATALOGUE]
    name = LISTS.get(segments[-1], named[-1] if named else "")
    return CATALOGUE.get(name)


def aimed_path(draw: Draw, path: str, ids: Ids) -> dict[str, str]:
    """Values for the parameters of a path."""
    segments, drawn = path.split("/"), dict[str, str]()
    for before, segment in pairwise(segments):
        if not segment.startswith("{"):
            continue
        name = segment.strip("{}")
        if name == "alias":
            aliases = CATALOGUE[before_alias(segments)].aliases.values()
            found: Any = [a.alias for a in aliases if a.writable or "{fk}" not in segments]
        elif name == "fk":
            alias = CATALOGUE[before_alias(segments)].aliases.get(drawn["alias"])
            found = ids.get(alias.target if alias else "", [])
        elif name == "resource" and before == "export":
            found = EXPORTS
        elif name == "command" and before != "commands":
            found = DEVICE_COMMANDS
        else:
            kind = {"group": "machinegroup", "command": "devicecommand", "code": "voucher",
                    "voucher": "code", "{resource}": drawn.get("resource", "")}  # fmt: skip
            own = {*WORDS, *kind, "machine", "redemption"}
            wanted = name if name in own else before
            found = WORDS.get(wanted) or ids.get(kind.get(wanted, wanted), [])
        drawn[name] = str(draw(st.sampled_from(found))) if found else "1"
        if name == "machine":
            drawn[name] = "80"
    return drawn


def before_alias(segments: list[str]) -> str:
    """The resource whose associations a path goes through."""
    return next(part for part in reversed(segments) if part in CATALOGUE)


def aimed_body(draw: Draw, body: Any, schema: Mapping[str, Any], path: str, ids: Ids) -> Any:
    """The body with the members that its schema has, each as it should be if that is known."""
    if isinstance(body, list):
        inner = schema.get("items", {})
        return _ascending([aimed_body(draw, one, inner, path, ids) for one in body[:20]])
    properties = schema.get("properties")
    if not isinstance(body, dict) or not properties:
        return body
    required = schema.get("required", ())
    some = draw(st.sampled_from(sorted(properties)))
    return {
        name: _member(draw, name, body.get(name), inner, path, ids)
        for name, inner in properties.items()
        if name in required or name == some or draw(st.booleans())
    }


def _ascending(items: list[Any]) -> list[Any]:
    """Records of a device are numbered."""
    for number, item in enumerate(items, 2):
        if isinstance(item, dict) and "remote" in item:
            item.update(remote=number, hostname=None)
    return items


def _member(
    draw: Draw, name: str, value: Any, schema: Mapping[str, Any], path: str, ids: Ids
) -> Any:
    for segment in path.split("/"):
        if name in OWN.get(segment, {}):
            return draw(OWN[segment][name])
    resource = resource_of(path)
    field = resource.by_name.get(name) if resource else None
    types = {schema.get("type"), *(one.get("type") for one in schema.get("anyOf", ()))}
    target = PLURALS.get(name) or (field and field.reference)
    if target and ids.get(target):
        one = st.sampled_from(ids[target])
        return draw(st.lists(one, max_size=3) if "array" in types else one)
    if field is not None and field.write != "--" and name not in MEMBERS:
        return draw(declared(field))
    if name in ids and ids[name] and types & {"integer", "string"}:
        return draw(st.sampled_from(ids[name]))
    if name in MEMBERS:
        return draw(MEMBERS[name])
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]))
    if types & {"array", "object"}:
        return aimed_body(draw, value, schema, path, ids)
    plain = {"integer": _numbers, "boolean": st.booleans(), "number": _numbers, "string": _names}
    return draw(next((plain[kind] for kind in plain if kind in types), st.just(value)))


def declared(field: Field) -> st.SearchStrategy[Any]:
    """Values that a declaration allows."""
    low, high = field.low or 0, field.high
    if field.choices:
        return st.sampled_from(field.choices)
    if field.pattern:
        return st.from_regex(field.pattern, fullmatch=True, alphabet=st.characters(codec="ascii"))
    if field.type in ("int", "money", "bigtext"):
        return st.integers(low, 1000 if high is None else high)
    if field.type in ("bool", "bool01"):
        return st.booleans()
    return _names


def aimed_query(draw: Draw, query: dict[str, Any], path: str) -> dict[str, Any]:
    """Filters and an order by fields that the resource has, and arguments that are known."""
    resource = resource_of(path)
    aimed = {name: value for name, value in query.items() if name in ("limit", "skip")}
    needed = next((names for tail, names in ASKED.items() if path.endswith(tail)), ())
    names = [name for name in (*query, *needed) if name in QUERIES]
    aimed |= {name: draw(QUERIES[name]) for name in names}
    for name, most in (("limit", 30), ("skip", 3)):
        if name in aimed:
            aimed[name] = draw(st.integers(0, most))
    if resource is None:
        return aimed
    fields = [one for one in resource.fields if one.kind.read is not None]
    if "where" in query:
        whose = {"machine": 80} if "/export/" in path and "machine" in resource.by_name else {}
        aimed["where"] = json.dumps(whose or draw(_where(fields)))
    if "sort" in query:
        field = draw(st.sampled_from(fields))
        aimed["sort"] = f"{field.name} {draw(st.sampled_from(('asc', 'desc')))}"
    if "columns[]" in query:
        aimed["columns[]"] = [draw(st.sampled_from(fields)).name]
    if "useArchive" in query:
        aimed["useArchive"] = draw(st.sampled_from(("true", "false")))
    return aimed


@st.composite
def _where(draw: Draw, fields: list[Field]) -> dict[str, Any]:
    chosen = draw(st.lists(st.sampled_from(fields), max_size=3, unique=True))
    return {field.name: draw(_test(field)) for field in chosen}


def _test(field: Field) -> st.SearchStrategy[Any]:
    operators = ["=", "!=", "<", ">=", "in", "nin"]
    operators += ["contains", "startsWith", "like"] if field.kind.is_text else []
    if field.type in ("bool", "bool01"):
        operators = ["=", "!="]
    value = _value(field)
    plural = st.lists(value, min_size=1, max_size=3)
    return st.sampled_from(operators).flatmap(
        lambda operator: st.builds(
            lambda one: {operator: one}, plural if operator in ("in", "nin") else value
        )
    )


def _value(field: Field) -> st.SearchStrategy[Any]:
    if field.type == "instant":
        return st.sampled_from(("2026-03-10T09:00:00Z", "2026-03-10"))
    if field.type in ("bool", "bool01"):
        return st.booleans()
    if field.kind.bound == "text" and field.type != "expiry":
        return st.sampled_from(("a", "Coffee", "%", "_"))
    if field.type == "expiry":
        return st.just("2026-12-31")
    return st.integers(0, 100)

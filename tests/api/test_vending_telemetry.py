"""What devices told besides sales, and what could not be stored (vending-platform.md 2.8, 4.8)."""

from tests.api.conftest import Api, Golden
from tests.golden import Example

NOW_S = 1_773_133_200
EVENT = {
    "id": 1, "remote": 1, "machine": 80, "location": 2, "name": "temperature",
    "value": {"celsius": 4.5}, "occurredAt": "2026-03-10T09:59:00+01:00",
    "timeZone": "Europe/Amsterdam", "timestamp": NOW_S - 60, "createdAt": "2026-03-10T09:00:00Z",
}  # fmt: skip
LETTERS = "/admin/deadletter"
BATCH = [
    {"remote": 1, "timestamp": NOW_S - 60, "name": "temperature", "value": {"celsius": 4.5}},
    {"remote": 2, "timestamp": NOW_S - 30, "name": "door", "value": None},
    {"remote": 3, "timestamp": NOW_S - 30, "value": 1},
    {"remote": 4, "timestamp": NOW_S, "name": "door", "value": 1, "hostname": "gw-0081"},
]
EVENTS = (
    Example("VEND-X-DEVICE-IOTEVENTS", "POST", "/device/iotevents", {"iotevents": BATCH}, 200,
            {"accepted": 2, "cursor": 3}, by="device"),
    Example("VEND-X-IOTEVENT-LIST", "GET", "/iotevent?sort=id", None, 200,
            [EVENT, {"name": "door", "value": None}]),
    Example("VEND-X-IOTEVENT-LIST", "GET", "/iotevent?where[name]=door&limit=5", None, 200, [2]),
    Example("VEND-X-IOTEVENT-LIST", "GET", "/iotevent?where[value]=1", None, 400,
            {"code": "invalid_filter"}),
    Example("VEND-X-IOTEVENT-LIST", "GET", "/iotevent", None, 200, [], by="sam"),
    Example("VEND-X-IOTEVENT-GET", "GET", "/iotevent/1", None, 200, EVENT),
    Example("VEND-X-IOTEVENT-GET", "GET", "/iotevent/1", None, 404, by="sam"),
)  # fmt: skip
UNREAD = (
    Example("VEND-X-DEADLETTER-LIST", "GET", f"{LETTERS}?sort=remote", None, 200,
            [{"gateway": 80, "machine": 80, "stream": "iotevents", "remote": 3,
              "reason": "missing_field", "record": ...},
             {"gateway": 80, "machine": None, "remote": 4, "reason": "unknown_machine"}],
            by="root"),
    Example("VEND-X-DEADLETTER-LIST", "GET", f"{LETTERS}?where[stream]=logs", None, 200, [],
            by="root"),
    Example("VEND-X-DEADLETTER-LIST", "GET", LETTERS, None, 403, {"code": "forbidden"}),
    Example("VEND-X-DEADLETTER-GET", "GET", f"{LETTERS}/1", None, 403),
    Example("VEND-X-DEADLETTER-GET", "GET", f"{LETTERS}/99", None, 404, by="root"),
    Example("VEND-X-DEADLETTER-GET", "GET", f"{LETTERS}/x", None, 404, by="root"),
)  # fmt: skip


async def test_events_and_dead_letters(golden: Golden, api: Api) -> None:
    """Events are read where they happened, what was rejected by admins; all of it is counted."""
    await golden(*EVENTS, *UNREAD)
    text = (await api.client.get("/metrics")).text
    for outcome, count in (("accepted", 2), ("missing_field", 1), ("unknown_machine", 1)):
        label = f'{{outcome="{outcome}",stream="iotevents"}}'
        assert f"farebox_ingest_records_total{label} {count}.0" in text


async def test_the_archive_begins_where_it_is_set(golden: Golden, api: Api) -> None:
    """What is older than the horizon is listed with the archive, and found by its id."""
    await golden(EVENTS[0])
    await api.execute(
        "update vending.iotevent set occurred_at_ms = occurred_at_ms - $1 where id = 1",
        api.services.options.archive_after_ms,
    )
    await golden(
        Example("VEND-X-IOTEVENT-LIST", "GET", "/iotevent", None, 200, [2]),
        Example("VEND-X-IOTEVENT-LIST", "GET", "/iotevent?useArchive=true", None, 200, [1, 2]),
        Example("VEND-X-IOTEVENT-GET", "GET", "/iotevent/1", None, 200, {"id": 1}),
    )

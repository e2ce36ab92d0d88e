"""Integrations and connectors over HTTP, and the sales that could not be sent."""

from typing import Any

from farebox.engine.integrations import sale_object
from tests.api.conftest import Api, Golden
from tests.engine.watch import Scene
from tests.golden import Example

NEW = {"externalId": 12, "name": "ERP"}
SHOWN = {
    "id": 1, "type": "httptransactions", "name": "ERP", "active": True, "state": "idle",
    "throttle": 0, "maxRetries": 3, "retryThrottle": 60000, "stopOnFailure": False,
    "createdAt": "2026-03-10T09:00:00Z", "updatedAt": "2026-03-10T09:00:00Z",
}  # fmt: skip


def create(body: Any, status: int = 201, answer: Any = ..., by: str = "nora") -> Example:
    """A new integration."""
    return Example("VEND-INTEGRATION-CREATE", "POST", "/integration", body, status, answer, by)


def update(body: Any, status: int = 200, answer: Any = ..., key: int = 1) -> Example:
    """A change of an integration."""
    return Example("VEND-INTEGRATION-UPDATE", "PATCH", f"/integration/{key}", body, status, answer)


def read(answer: Any, status: int = 200, by: str = "nora") -> Example:
    """Integration 1."""
    return Example("VEND-INTEGRATION-GET", "GET", "/integration/1", None, status, answer, by)


def failed(query: str = "", answer: Any = ..., status: int = 200) -> Example:
    """Sales that could not be sent."""
    path = f"/integration/failedtransactions{query}"
    return Example("VEND-INTEGRATION-FAILED", "GET", path, None, status, answer)


def jobs(answer: Any, query: str = "", status: int = 200, by: str = "nora") -> Example:
    """The jobs of integration 1."""
    path = f"/integration/1/jobs{query}"
    return Example("VEND-INTEGRATION-JOBS", "GET", path, None, status, answer, by)


async def test_examples(golden: Golden) -> None:
    """Created, listed, read, changed, deleted; a name is once per group."""
    await golden(
        create(NEW, answer={"id": 1}),
        Example("VEND-INTEGRATION-LIST", "GET", "/integration", answer=[SHOWN]),
        read({**SHOWN, "description": None, "externalId": 12}),
        update({"description": "x"}, answer={"message": "Integration updated"}),
        read({**SHOWN, "description": "x"}),
        create(NEW, 409, {"code": "duplicate", "fields": {"name": "is already taken"}}),
        create(NEW, by="sam", answer={"id": ...}),
        update({"throttle": 500, "maxRetries": 0, "active": False}),
        read({"throttle": 500, "maxRetries": 0, "active": False}),
        update({"throttle": None}),
        read({"throttle": 0}),
        jobs([]),
        failed(answer=[]),
        read(..., 404, by="sam"),
        jobs(..., status=404, by="sam"),
        Example("VEND-INTEGRATION-DELETE", "DELETE", "/integration/1"),
        read(..., 404),
    )


async def test_logs_are_sent_by_integrations_of_their_own(golden: Golden, api: Api) -> None:
    """Told and silent logs become jobs of `httplogs`, sales of the other type; a type is kept."""
    log = {"remote": 1, "timestamp": 1_773_133_140, "code": "17"}
    sale = {"remote": 1, "timestamp": 1_773_133_140, "price": 100}
    await golden(
        create(NEW | {"type": "httplogs"}, answer={"id": 1}),
        create(NEW | {"name": "Sales"}, answer={"id": 2}),
        create(NEW | {"name": "x", "type": "ftp"}, 400, {"fields": {"type": ...}}),
        update({"type": "httplogs"}),
        update({"type": "httptransactions"}, 400, {"fields": {"type": "cannot change"}}),
        Example("VEND-X-DEVICE-LOGS", "POST", "/device/logs", {"logs": [log]}, by="device"),
        Example("VEND-X-DEVICE-TRANSACTIONS", "POST", "/device/transactions",
                {"transactions": [sale]}, by="device"),
    )  # fmt: skip
    # Machines 80 and 81 are not heard of for an hour; the integration's group sees the first.
    api.clock.advance_ms(3_600_000)
    await api.services.presence.detect()
    told = await api.services.pool.fetch(
        "select j.integration, coalesce(g.code, 'sale') as code from vending.integrationjob j"
        " left join vending.log g on g.id = j.log"
        " order by j.integration, j.id"
    )
    assert [(1, "17"), (1, "CM_OFFLINE"), (2, "sale")] == [tuple(row) for row in told]
    api.clock.advance_ms(-3_600_000)
    await golden(
        jobs([{"revenuetransaction": None, "log": ...}, {"revenuetransaction": None, "log": 1}]),
        Example("VEND-INTEGRATION-JOBS", "GET", "/integration/2/jobs", None, 200,
                [{"revenuetransaction": 1, "log": None}]),
    )  # fmt: skip


async def test_refusals(golden: Golden) -> None:
    """Bad input names its fields and creates nothing."""
    await golden(
        create({}, 400, {"code": "missing_parameters",
                         "fields": {"name": "is required", "externalId": "is required"}}),
        create({"externalId": 77, "name": "E"}, 400, {"code": "invalid_reference"}),
        create(NEW | {"maxRetries": 21}, 400, {"fields": {"maxRetries": ...}}),
        create(NEW | {"throttle": -1}, 400),
        create(NEW | {"stopOnFailure": 2}, 400),
        create(NEW | {"nam": 2}, 400, {"code": "unknown_field"}),
        create(NEW, 401, by="nobody"),
        create(NEW, 403, by="device"),
        jobs(..., status=404),
        jobs(..., "?limit=101", 400),
        failed("?where[colour]=1", status=400),
        failed("?where[integration]=x", {"code": "invalid_filter"}, 400),
        failed("?limit=101", status=400),
    )  # fmt: skip
    assert 0 == await golden.api.fetchval("select count(*) from vending.integration")


async def test_connectors_are_the_admins(golden: Golden) -> None:
    """Secrets are taken, used and never shown; others are forbidden to look."""
    body = {
        "name": "Till", "url": "https://till.example.test/in", "secret": "very secret",
        "headers": {"X-Key": "k1"}, "throttle": 250, "stopOnFailure": True,
    }  # fmt: skip
    shown = {
        "id": 13, "name": "Till", "url": "https://till.example.test/in", "secret": "********",
        "headers": {"X-Key": "********"}, "throttle": 250, "maxRetries": None,
        "stopOnFailure": True, "userGroup": 1,
    }  # fmt: skip

    def connector(
        method: str, verb: str, path: str = "", body: Any = None, status: int = 200,
        answer: Any = ..., by: str = "root",
    ) -> Example:  # fmt: skip
        operation = f"VEND-CONNECTOR-{verb}"
        return Example(operation, method, f"/admin/connector{path}", body, status, answer, by)

    await golden(
        connector("POST", "CREATE", "", body, 201, {"id": 13}),
        connector("GET", "GET", "/13", None, 200, shown),
        connector("GET", "LIST", "", None, 200, [{"id": 12}, {"id": 13}]),
        connector("GET", "LIST", "", None, 403, ..., by="nora"),
        connector("POST", "CREATE", "", body, 403, ..., by="nora"),
        connector("PATCH", "UPDATE", "/13", {"headers": {"X-Key": "********", "X-B": "2"}}),
        connector("PATCH", "UPDATE", "/13", {"secret": "********", "name": "Tills"}),
        connector("GET", "GET", "/13", None, 200, {
            "name": "Tills", "secret": "********",
            "headers": {"X-Key": "********", "X-B": "********"},
        }),
        connector("POST", "CREATE", "", {}, 400, {"code": "missing_parameters"}),
        connector("POST", "CREATE", "", body | {"url": "gopher://x"}, 400),
        connector("POST", "CREATE", "", body | {"headers": {"Host": "x"}}, 400),
        connector("POST", "CREATE", "", body | {"headers": {"A": "x\r\nB: y"}}, 400),
        connector("POST", "CREATE", "", body | {"headers": [1]}, 400),
        connector("POST", "CREATE", "", body | {"secret": "short"}, 400),
        connector("GET", "GET", "/99", None, 404),
        create({"externalId": 13, "name": "Till"}, answer={"id": 1}),
        read({"throttle": 250, "maxRetries": 3, "stopOnFailure": True}),
        connector("DELETE", "DELETE", "/13", None, 409, {"code": "in_use"}),
        Example("VEND-INTEGRATION-DELETE", "DELETE", "/integration/1"),
        connector("PATCH", "UPDATE", "/13", {"secret": None, "headers": None}),
        connector("GET", "GET", "/13", None, 200, {"secret": None, "headers": {}}),
        connector("DELETE", "DELETE", "/13"),
    )  # fmt: skip


async def job(golden: Golden, state: str) -> int:
    """A sale with a job of integration 1; gives the sale."""
    api = golden.api
    sale = await Scene(api.services.pool, api.clock).sale()
    await api.execute(
        "insert into vending.integrationjob (integration, machine, revenuetransaction,"
        " occurred_at_ms, next_at_ms, created_at_ms, updated_at_ms, state, message)"
        " values (1, 80, $1, $2, $2, $2, $2, $3, 'HTTP 422')", sale, api.clock(), state,
    )  # fmt: skip
    return sale


async def test_failed_sales_are_listed(golden: Golden) -> None:
    """Each sale once, as it was sent, by any filter; jobs newest first."""
    await golden(create(NEW), create(NEW | {"name": "Other"}))
    first, second = await job(golden, "failed"), await job(golden, "success")
    await golden.api.execute(
        "insert into vending.integrationjob (integration, machine, revenuetransaction,"
        " occurred_at_ms, next_at_ms, created_at_ms, updated_at_ms, state)"
        " select 2, machine, revenuetransaction, occurred_at_ms, 0, 0, 0, 'failed'"
        " from vending.integrationjob where id = 1"
    )
    row = await golden.api.services.pool.fetchrow(
        "select * from vending.revenuetransaction where id = $1", first
    )
    newest = [{"id": 2, "state": "success", "revenuetransaction": second},
              {"id": 1, "state": "failed", "machine": 80, "revenuetransaction": first,
               "message": "HTTP 422", "details": None}]  # fmt: skip
    sent = {**sale_object(row), "occurredAt": "2026-03-10T10:00:00+01:00", "timestamp": 1773133200}
    assert [sent] == await golden(failed(answer=[sent]))
    await golden(
        failed("?limit=1", [first]),
        failed("?where[integration]=1", [first]),
        failed("?where[integration]=3", []),
        failed(f"?where[integration][in][]=1&where[id]={first}", [first]),
        failed('?where={"integration":[1,3],"price":100}', [first]),
        failed("?where[price][<]=100", []),
        failed("?where[timestamp]=1773133200&sort=id desc", [first]),
        jobs(newest),
        jobs([newest[1]], "?where[state]=failed"),
        jobs([newest[1], newest[0]], "?sort=id"),
        Example("VEND-INTEGRATION-FAILED", "GET", "/integration/failedtransactions", None, 200, [],
                by="sam"),
    )  # fmt: skip


async def test_setting_it_active_lets_it_go_on(golden: Golden) -> None:
    """A stopped integration is idle again and its failed jobs are no longer failed."""
    await golden(create(NEW))
    await job(golden, "failed")
    await golden.api.execute("update vending.integration set state = 'failed'")
    await golden(
        update({"description": "still stopped"}),
        read({"state": "failed"}),
        failed(answer=[...]),
        update({"active": True}),
        failed(answer=[]),
    )
    assert "failed" != await golden.api.fetchval("select state from vending.integration")

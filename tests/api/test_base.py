"""What every route has in common: errors, bodies, methods, the mount table, health, repeats."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from farebox.api.vending.dialect import reply
from farebox.api.vending.repeats import once
from farebox.domain.errors import (
    ConflictError,
    DomainError,
    InvalidError,
    RateLimitedError,
    UnavailableError,
)
from farebox.engine.access import Principal
from tests.api.conftest import Api

MIB = 1 << 20
JSON = {"Content-Type": "application/json"}
LOGIN = "/vending/auth/login"


async def post(api: Api, body: bytes, kind: str = "application/json") -> httpx.Response:
    """A raw body to the login route, which needs no token."""
    return await api.client.post(LOGIN, content=body, headers={"Content-Type": kind})


# Errors


SHAPES = [
    ("GET", "/vending", 404, "not_found"),
    ("GET", "/vending/nothing", 404, "not_found"),
    ("GET", "/vending/nothing/at/all", 404, "not_found"),
    ("GET", "/nothing", 404, "not_found"),
    ("DELETE", "/vending/user/me", 405, "method_not_allowed"),
    ("GET", "/vending/auth/login", 405, "method_not_allowed"),
    ("GET", "/vending/user/me", 401, "unauthorized"),
    ("POST", "/vending/auth/login", 400, "missing_parameters"),
]


async def test_every_error_has_the_documented_shape(api: Api) -> None:
    """Message and code, whoever refused: the front, the router or a handler."""
    for method, path, status, code in SHAPES:
        answer = await api.client.request(method, path)
        assert (status, code) == (answer.status_code, answer.json()["code"]), path
        assert answer.json()["message"]
        assert {"message", "code"} >= set(answer.json()) - {"fields"}
        assert "application/json; charset=utf-8" == answer.headers["content-type"]


async def test_a_wrong_method_names_the_right_ones(api: Api) -> None:
    """405 carries Allow, and comes before authentication and body."""
    answer = await api.client.put(LOGIN, content=b"{", headers={"Content-Type": "text/plain"})
    assert 405 == answer.status_code
    assert {"POST", "OPTIONS"} == set(answer.headers["allow"].split(", "))


async def test_a_trailing_slash_is_ignored(api: Api) -> None:
    """The same answer with and without."""
    nora = await api.login("nora")
    assert (await nora.get("/user/me/")).json() == (await nora.get("/user/me")).json()


RAISED = [
    (InvalidError("x", "invalid_sort", {"sort": "no"}), 400, "invalid_sort", None),
    (ConflictError("x", "duplicate"), 409, "duplicate", None),
    (RateLimitedError("x", 7), 429, "rate_limited", "7"),
    (UnavailableError("x", "busy"), 503, "busy", "1"),
    (UnavailableError("x", "storage_unavailable"), 503, "unavailable", "1"),
    (ConnectionRefusedError("secret dsn"), 503, "unavailable", "1"),
    (DomainError("x"), 400, "error", None),
    (RuntimeError("secret"), 500, "internal", None),
]


async def test_what_a_use_case_raises_is_spelled(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Domain errors by their kind; everything unexpected is 500 and tells nothing."""
    for error, status, code, retry in RAISED:

        async def fail(*arguments: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(api.services.people, "sign_in", fail)
        answer = await post(api, b'{"username": "a", "password": "b"}')
        assert (status, code, retry) == (
            answer.status_code,
            answer.json()["code"],
            answer.headers.get("retry-after"),
        )
        assert "secret" not in answer.text


async def test_a_database_that_is_away_is_503(api: Api) -> None:
    """Not 500 and not 401; readiness says so, liveness does not mind."""
    nora = await api.login("nora")
    api.services.pool.terminate()
    api.services.access.forget()
    answer = await nora.get("/user/me")
    assert (503, "unavailable", "1") == (
        answer.status_code,
        answer.json()["code"],
        answer.headers["retry-after"],
    )
    assert 503 == (await api.client.get("/health/ready")).status_code
    assert 200 == (await api.client.get("/health/live")).status_code


# Bodies


MALFORMED = [
    (b"{", "invalid_json"),
    (b"not json", "invalid_json"),
    (b'{"username": "\xff"}', "invalid_json"),
    (b"\xef\xbb\xbf{}", "invalid_json"),
    (b'{"username": "\\ud800"}', "invalid_json"),
    (b'{"username": NaN}', "invalid_json"),
    (b'{"username": Infinity}', "invalid_json"),
    (b'{"username": 1e999}', "invalid_json"),
    (b'{"username": %s}' % (b"9" * 5000), "invalid_json"),
    (b'{"username": 1} x', "invalid_json"),
    (b"[" * 10_000 + b"]" * 10_000, "invalid_json"),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "invalid_json"),
    (b"[" * 66 + b"]" * 66, "invalid_json"),
    (b"[" * 64 + b"]" * 64, "invalid_parameter"),
    (b"[" + b"[]," * 500 + b"[]]", "invalid_parameter"),
    (b"[]", "invalid_parameter"),
    (b"null", "invalid_parameter"),
    (b"5", "invalid_parameter"),
    (b'{"username": %s, "password": "b"}' % (b"9" * 400), "invalid_parameter"),
    (b'{"username": 1e300, "password": "b"}', "invalid_parameter"),
    (b'{"username": "a\\u0000", "password": "b"}', "invalid_parameter"),
    (b"{}", "missing_parameters"),
    (b"", "missing_parameters"),
    (b'{"username": 5, "username": "nora"}', "missing_parameters"),
]


async def test_malformed_bodies_are_400(api: Api) -> None:
    """Syntax, encoding, depth and numbers out of any range never reach a handler's logic."""
    for body, code in MALFORMED:
        answer = await post(api, body)
        assert (400, code) == (answer.status_code, answer.json()["code"]), body[:60]


MEDIA_TYPES = [
    ("application/json", 201),
    ("Application/JSON; charset=utf-8", 201),
    ("text/plain", 415),
    ("application/xml", 415),
    ("application/jsonx", 415),
    ("multipart/form-data; boundary=x", 415),
    ("", 415),
]


async def test_media_types(api: Api) -> None:
    """JSON in any spelling of its name, nothing else."""
    body = json.dumps({"username": "nora", "password": "correct horse 9"}).encode()
    for kind, status in MEDIA_TYPES:
        assert status == (await post(api, body, kind)).status_code, kind


async def test_flat_forms_are_accepted(api: Api) -> None:
    """Clients of the original service may send forms; broken ones are 400."""
    form = "application/x-www-form-urlencoded"
    answer = await post(api, b"username=nora%40example.test&password=correct+horse+9", form)
    assert 201 == answer.status_code
    for body in (b"username=%ff", b"username=\xff", b"&".join([b"a=1"] * 1001)):
        assert 400 == (await post(api, body, form)).status_code


async def test_a_mebibyte_and_no_more(api: Api) -> None:
    """1 MiB is read, one byte more is 413 before its media type or syntax is looked at."""
    assert 400 == (await post(api, b" " * MIB)).status_code
    for kind in ("application/json", "text/plain"):
        answer = await post(api, b" " * (MIB + 1), kind)
        assert (413, "too_large") == (answer.status_code, answer.json()["code"])


async def test_a_chunked_body_is_stopped_while_it_streams(api: Api, server: str) -> None:
    """No length is announced and the body never ends; the answer comes all the same."""
    address = urlsplit(server)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"POST {LOGIN} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    for _ in range(17):
        writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
    answer = await asyncio.wait_for(reader.readuntil(b"}"), 10)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"too_large"' in answer


async def test_the_order_of_checks(api: Api) -> None:
    """Route, method, size, media type, authentication, syntax: the first failure wins."""
    big, text = b" " * (MIB + 1), {"Content-Type": "text/plain"}
    nora = await api.login("nora")
    path = "/vending/admin/machine/80/devicekey"
    told = [
        (await api.client.put(path, content=big, headers=text)).status_code,
        (await api.client.post(path, content=big, headers=text)).status_code,
        (await api.client.post(path, content=b"x", headers=text)).status_code,
        (await api.client.post(path, content=b"x", headers=JSON)).status_code,
        (await api.client.post(path, headers=nora.headers)).status_code,
    ]
    assert [405, 413, 415, 401, 403] == told


async def test_operator_routes_are_closed_to_raw_bytes_too(api: Api, server: str) -> None:
    """No client library normalises these paths on the way."""
    root = await api.login("root")
    host, port = urlsplit(server).hostname, urlsplit(server).port
    told = []
    for path in (
        "/vending/admin/machine/80/devicekey",
        "/vending/%61dmin/machine/80/devicekey",
        "/vending//admin/machine/80/devicekey",
        "//vending/admin/machine/80/devicekey",
        "/vending%2Fadmin/machine/80/devicekey",
    ):
        reader, writer = await asyncio.open_connection(host, port)
        head = f"DELETE {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        writer.write(f"{head}Authorization: {root.headers['Authorization']}\r\n\r\n".encode())
        told.append(int((await reader.read()).split(b" ", 2)[1]))
        writer.close()
    assert [200, 404, 404, 404, 404] == told


# Common routes


async def test_health_metrics_and_documents(api: Api) -> None:
    """Probes, numbers by route template, and the API document with the specification's ids."""
    ready = await api.client.get("/health/ready")
    assert (200, {"database": "ok", "desk": "ok"}) == (ready.status_code, ready.json()["checks"])
    await api.client.get("/vending/nothing/4711")
    await api.tokens("nora")
    text = (await api.client.get("/metrics")).text
    counted = 'farebox_answers_total{method="POST",route="/vending/auth/login",status="201"} 1.0'
    assert counted in text
    assert "4711" not in text
    document = (await api.client.get("/schema/openapi.json")).json()
    ids = {
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    }
    assert {"VEND-AUTH-LOGIN", "VEND-USER-ME", "VEND-AUTH-REFRESH"} <= ids
    login = document["paths"]["/vending/auth/login"]["post"]
    schema = login["requestBody"]["content"]["application/json"]["schema"]
    assert ["username", "password"] == schema["required"]


async def test_the_reader_of_the_document_comes_from_here(api: Api) -> None:
    """The page and everything it loads, and nothing from another host."""
    page = await api.client.get("/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "//" not in page.text.replace("<!doctype", "").replace("</", "")
    for name in ("docs.js", "swagger-ui-bundle.js", "swagger-ui.css"):
        assert 200 == (await api.client.get(f"/docs/{name}")).status_code
    for name in ("swagger-ui.LICENSE.txt", "..%2fapp.py", "x"):
        assert 404 == (await api.client.get(f"/docs/{name}")).status_code


# Repeats


class Counting:
    """Adds a language in the request's transaction and counts how often it ran."""

    def __init__(
        self, api: Api, path: str = "/x", body: bytes = b"{}", key: str | None = "k"
    ) -> None:
        self.api = api
        self.ran = 0
        self.request = _Asked(path, body, key)

    async def __call__(self, *, fail: Exception | None = None, status: int = 201) -> Any:
        async def run(connection: Any) -> Any:
            self.ran += 1
            # The services' pool takes part in the same transaction.
            inner = self.api.services.pool
            number = await inner.fetchval(_ADD_LANGUAGE, f"l{self.ran}")
            await asyncio.sleep(0.05)
            if fail is not None:
                raise fail
            return reply({"id": number}, status, {"X-Total-Count": "1"})

        return await once(self.request, self.api.services, run)  # type: ignore[arg-type]


_ADD_LANGUAGE = """
insert into vending.language (name, language, locale, created_at_ms, updated_at_ms)
values ($1, 'xx', gen_random_uuid()::text, 0, 0) returning id
"""


class _Asked:
    """As much of a request as the Idempotency-Key looks at."""

    def __init__(self, path: str, body: bytes, key: str | None) -> None:
        self.method = "POST"
        self.headers = {} if key is None else {"Idempotency-Key": key}
        nora = Principal(kind="user", id=2, name="nora", group=2)
        self.scope = {"path": path, "query_string": b"", "user": nora}
        self._body = body

    async def body(self) -> bytes:
        return self._body


async def test_a_repeat_gets_the_first_answer(api: Api) -> None:
    """Status, headers and body again, with a mark; nothing runs twice."""
    create = Counting(api)
    first, second = await create(), await create()
    assert (1, first.content, 201) == (create.ran, second.content, second.status_code)
    assert {"X-Total-Count": "1", "Idempotent-Replayed": "true"} == second.headers
    other = Counting(api, key="other")
    await other()
    assert 1 == other.ran
    plain = Counting(api, key=None)
    assert (await plain()).content != (await plain()).content


async def test_a_key_belongs_to_one_request(api: Api) -> None:
    """Another body or route under the same key is a conflict."""
    await Counting(api)()
    for other in (Counting(api, body=b'{"a":1}'), Counting(api, path="/y")):
        with pytest.raises(ConflictError) as caught:
            await other()
        assert "idempotency_conflict" == caught.value.code


async def test_twins_wait_for_each_other(api: Api) -> None:
    """Of parallel requests with one key one runs; all get its answer."""
    create = Counting(api)
    answers = await asyncio.gather(*(create() for _ in range(5)))
    assert (1, 1) == (create.ran, len({answer.content for answer in answers}))


async def test_failures_are_not_kept(api: Api) -> None:
    """What failed left nothing behind, and may be tried again under its key."""
    create = Counting(api)
    with pytest.raises(ConflictError):
        await create(fail=ConflictError("no"))
    assert 1 == await api.fetchval("select count(*) from vending.language")
    await create(status=404)
    await create()
    assert 3 == create.ran


async def test_a_key_is_free_again_after_a_day(api: Api) -> None:
    """One millisecond less is not enough."""
    create = Counting(api)
    await create()
    api.clock.advance_ms(86_399_999)
    await create()
    assert 1 == create.ran
    api.clock.advance_ms(1)
    await create()
    assert 2 == create.ran


async def test_a_twin_that_never_ends_is_not_waited_for(api: Api) -> None:
    """After five seconds the answer is 409 locked."""
    async with api.services.pool.acquire() as connection, connection.transaction():
        statement = "insert into farebox.idempotency values ('user:2', 'k', '', 0, '{}', '', $1)"
        await connection.execute(statement, api.clock())
        with pytest.raises(ConflictError) as caught:
            await Counting(api)()
    assert "locked" == caught.value.code


async def test_keys_are_short_printable_text(api: Api) -> None:
    """Anything else is an argument error."""
    for key in ("", "x" * 256, "a\tb"):
        with pytest.raises(InvalidError):
            await Counting(api, key=key)()

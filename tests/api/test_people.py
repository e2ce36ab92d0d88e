"""Sign-in, sessions, mailed tokens and device keys over HTTP (vending-platform.md 3.1, 4.1, 5)."""

import asyncio
import base64
from collections import Counter
from typing import Any

import httpx
import jwt
import pytest

from farebox.demo import DEVICE, DEVICE_KEY
from tests.api.conftest import Api

MESSAGE_AND_CODE = {"message", "code"}


def outcome(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal; the code is '' for a success."""
    return answer.status_code, answer.json().get("code", "")


def token_in(mail: dict[str, Any]) -> str:
    """The bare token that a mail carries when no public address is set."""
    return str(mail["text"].split("\n\n")[1])


@pytest.mark.operation("VEND-AUTH-LOGIN")
async def test_login_answers_a_token_pair(api: Api) -> None:
    """VEND-AUTH-LOGIN: 201 with both tokens and no more, by username or address in any case."""
    for name in ("nora", "NORA", " nora ", "nora@example.test", "Nora@Example.Test"):
        pair = await api.tokens(name, "correct horse 9")
        assert {"access_token", "refresh_token"} == set(pair)
        claims = jwt.decode(pair["access_token"], options={"verify_signature": False})
        assert ("2", 2, 1, "access") == tuple(claims[n] for n in ("sub", "ug", "ver", "typ"))
        assert 900 == claims["exp"] - claims["iat"]
        header = jwt.get_unverified_header(pair["access_token"])
        assert ("HS256", "JWT") == (header["alg"], header["typ"])


BAD_LOGINS: list[tuple[Any, str, set[str]]] = [
    ({}, "missing_parameters", {"username", "password"}),
    ({"username": "nora"}, "missing_parameters", {"password"}),
    ({"username": "", "password": ""}, "missing_parameters", {"username", "password"}),
    ({"username": None, "password": "x"}, "missing_parameters", {"username"}),
    ({"username": 5, "password": True}, "invalid_parameter", {"username", "password"}),
    ({"username": "n\u0000", "password": "x"}, "invalid_parameter", {"username"}),
    ({"username": "a", "password": "b", "nam": 1}, "unknown_field", {"nam"}),
    ({"username": "x" * 256, "password": "b"}, "invalid_parameter", {"username"}),
    ([], "invalid_parameter", set()),
    ("text", "invalid_parameter", set()),
]


async def test_login_names_everything_that_is_wrong(api: Api) -> None:
    """All argument errors of a request come together."""
    for body, code, fields in BAD_LOGINS:
        answer = await api.nobody.post("/auth/login", body)
        assert (400, code) == outcome(answer), body
        assert fields == set(answer.json().get("fields", {}))


async def test_unknown_user_and_wrong_password_look_alike(api: Api) -> None:
    """The same body for both, and a hash is checked for both."""
    passwords = api.services.people._passwords
    answers = []
    for name in ("nora", "nobody", "nobody@example.test"):
        checks = passwords.checks
        answers.append(
            await api.nobody.post("/auth/login", {"username": name, "password": "wrong horse 9"})
        )
        assert 1 == passwords.checks - checks
    assert {(401, "invalid_credentials")} == {outcome(answer) for answer in answers}
    assert 1 == len({answer.content for answer in answers})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("update vending.users set email_confirmed = false where id = 2", "email_not_confirmed"),
        ("update vending.users set disabled_at_ms = 1 where id = 2", "user_disabled"),
        ("update vending.usergroup set disabled_at_ms = 1 where id = 1", "user_disabled"),
        ("update vending.usergroup set deleted = true where id = 2", "user_disabled"),
        ("update vending.users set password_expires_ms = 1773133200000", "password_expired"),
        ("update vending.users set password_hash = null", "invalid_credentials"),
    ],
)
async def test_why_a_right_password_is_not_enough(api: Api, change: str, code: str) -> None:
    """The reason is told only to who knows the password."""
    await api.execute(change)
    right = await api.nobody.post(
        "/auth/login", {"username": "nora", "password": "correct horse 9"}
    )
    wrong = await api.nobody.post("/auth/login", {"username": "nora", "password": "x"})
    assert [(401, code), (401, "invalid_credentials")] == [outcome(right), outcome(wrong)]


async def test_the_eleventh_wrong_login_is_held_back(api: Api) -> None:
    """Ten failures per name and address, then 429; others and a right password before are free."""
    wrong = {"username": "Nora", "password": "wrong"}
    answers = await asyncio.gather(*(api.nobody.post("/auth/login", wrong) for _ in range(10)))
    assert {(401, "invalid_credentials")} == {outcome(answer) for answer in answers}
    held = await api.nobody.post("/auth/login", {"username": "nora", "password": "correct horse 9"})
    assert (429, "rate_limited") == outcome(held)
    assert 0 < int(held.headers["Retry-After"]) <= 900
    await api.tokens("sam")


async def test_parallel_guesses_are_counted_before_they_fail(api: Api) -> None:
    """Of forty wrong logins at once at most ten are checked."""
    wrong = {"username": "nora", "password": "wrong"}
    answers = await asyncio.gather(*(api.nobody.post("/auth/login", wrong) for _ in range(40)))
    assert {401: 10, 429: 30} == Counter(answer.status_code for answer in answers)


async def test_success_forgives_failures(api: Api) -> None:
    """Nine failures and a success start the count anew."""
    attempts = api.services.people._sign_ins.attempts
    for _ in range(2):
        for _ in range(8):
            await attempts.note("user sam 127.0.0.1")
        wrong = await api.nobody.post("/auth/login", {"username": "sam", "password": "wrong"})
        assert (401, "invalid_credentials") == outcome(wrong)
        await api.tokens("sam")


@pytest.mark.operation("VEND-USER-ME")
async def test_me_is_the_documented_object(api: Api) -> None:
    """VEND-USER-ME, member by member and in their documented types."""
    nora = await api.login("nora")
    answer = await nora.get("/user/me")
    stamp = "2026-03-10T09:00:00Z"
    assert {
        "id": 2,
        "username": "nora",
        "email": "nora@example.test",
        "language": {
            "id": 1, "name": "English", "language": "en", "locale": "en-GB",
            "createdAt": stamp, "updatedAt": stamp,
        },
        "userGroup": {
            "id": 2, "name": "North", "parent": 1, "admin": 0, "createdAt": stamp,
            "updatedAt": stamp, "disabledAt": None, "deleted": False,
        },
        "createdAt": stamp,
        "updatedAt": stamp,
        "emailConfirmed": 1,
        "disabledAt": None,
        "password_expires": None,
    } == answer.json()  # fmt: skip
    assert "application/json; charset=utf-8" == answer.headers["content-type"]


async def test_who_may_call_what(api: Api) -> None:
    """No, garbage and expired tokens; a refresh token; a device where users are meant."""
    pair = await api.tokens("nora")
    callers = {
        "nobody": api.nobody,
        "garbage": api.bearer("garbage"),
        "refresh": api.bearer(pair["refresh_token"]),
        "device": await api.device(),
        "nora": api.bearer(pair["access_token"]),
    }
    assert {
        "nobody": (401, "unauthorized"),
        "garbage": (401, "unauthorized"),
        "refresh": (401, "unauthorized"),
        "device": (403, "forbidden"),
        "nora": (200, ""),
    } == {name: outcome(await caller.get("/user/me")) for name, caller in callers.items()}
    api.clock.advance_ms(900_000)
    assert (401, "token_expired") == outcome(await callers["nora"].get("/user/me"))


async def refresh(api: Api, token: str) -> httpx.Response:
    """VEND-AUTH-REFRESH."""
    return await api.nobody.post("/auth/refresh", {"refresh_token": token})


@pytest.mark.operation("VEND-AUTH-REFRESH")
async def test_reuse_of_a_refresh_token_ends_the_session(api: Api) -> None:
    """The golden row: 31 s later the old token is reused, and the new one is revoked with it."""
    pair = await api.tokens("nora")
    other = await api.tokens("nora")
    answer = await refresh(api, pair["refresh_token"])
    assert 201 == answer.status_code
    fresh = answer.json()
    assert 200 == (await api.bearer(fresh["access_token"]).get("/user/me")).status_code
    api.clock.advance_ms(31_000)
    assert (401, "token_reused") == outcome(await refresh(api, pair["refresh_token"]))
    assert (401, "token_revoked") == outcome(await refresh(api, fresh["refresh_token"]))
    for dead in (pair, fresh):
        me = await api.bearer(dead["access_token"]).get("/user/me")
        assert (401, "token_revoked") == outcome(me)
    assert 201 == (await refresh(api, other["refresh_token"])).status_code


async def test_a_lost_answer_is_forgiven_once(api: Api) -> None:
    """Within 30 s the old token works once more; then the pair in between counts as rotated."""
    pair = await api.tokens("nora")
    lost = (await refresh(api, pair["refresh_token"])).json()
    api.clock.advance_ms(30_000)
    again = (await refresh(api, pair["refresh_token"])).json()
    live = (await refresh(api, again["refresh_token"])).json()
    assert 201 == (await refresh(api, lost["refresh_token"])).status_code
    assert (401, "token_reused") == outcome(await refresh(api, pair["refresh_token"]))
    assert (401, "token_revoked") == outcome(await refresh(api, live["refresh_token"]))


async def test_parallel_refreshes_of_one_token(api: Api) -> None:
    """At most two get a pair (normal and grace); one is called reuse and ends the family."""
    pair = await api.tokens("nora")
    answers = await asyncio.gather(*(refresh(api, pair["refresh_token"]) for _ in range(12)))
    told = Counter(outcome(answer) for answer in answers)
    assert 2 >= told[201, ""]
    assert 1 == told[401, "token_reused"]
    assert 12 == told[201, ""] + 1 + told[401, "token_revoked"]
    live = "select count(*) from vending.refresh_token where rotated_at_ms is null"
    assert 1 == await api.fetchval(live)


async def test_a_session_never_outlives_ninety_days(api: Api) -> None:
    """Every refresh token ends after 30 days, the last one with its family."""
    token = (await api.tokens("nora"))["refresh_token"]
    ends = []
    for _ in range(4):
        api.clock.advance_ms(29 * 86_400_000)
        answer = await refresh(api, token)
        if answer.status_code != 201:
            break
        token = answer.json()["refresh_token"]
        ends.append(jwt.decode(token, options={"verify_signature": False})["exp"])
    assert (401, "token_expired") == outcome(answer)
    assert 3 == len(ends)
    assert 1773133200 + 90 * 86_400 == ends[-1]


async def test_what_cannot_be_refreshed(api: Api) -> None:
    """Missing, unknown and wrong kinds of token."""
    access = (await api.tokens("nora"))["access_token"]
    told = [outcome(await refresh(api, token)) for token in ("", "garbage", access)]
    assert [(400, "missing_parameters"), *[(401, "token_revoked")] * 2] == told
    assert (400, "missing_parameters") == outcome(await api.nobody.post("/auth/refresh", {}))


async def test_a_refresh_token_ends_after_thirty_days(api: Api) -> None:
    """At its last millisecond it works, then it has expired."""
    pair = await api.tokens("nora")
    api.clock.advance_ms(30 * 86_400_000)
    assert (401, "token_expired") == outcome(await refresh(api, pair["refresh_token"]))


@pytest.mark.operation("VEND-AUTH-RESETPASSWORD", "VEND-AUTH-SETPASSWORD")
async def test_reset_and_set_password(api: Api) -> None:
    """One mail for nora, none for nobody; the token works once and ends all older sessions."""
    pair = await api.tokens("nora")
    for body in (
        {"email": "nobody@example.test"},
        {"username": "sam", "email": "nora@example.test"},
    ):
        answer = await api.nobody.post("/auth/resetpassword", body)
        assert (200, []) == (answer.status_code, await api.mails())
    same = await api.nobody.post("/auth/resetpassword", {"email": "Nora@example.test"})
    assert answer.json() == same.json()
    (mail,) = await api.mails()
    assert "nora@example.test" == mail["to"]
    token = token_in(mail)
    stored = await api.fetchval("select sha256 from vending.email_token")
    assert token.encode() not in stored
    weak = await api.nobody.post("/auth/setpassword", {"token": token, "password": "short"})
    assert (400, "invalid_parameter") == outcome(weak)
    body = {"token": token, "password": "another horse 9"}
    answer = await api.nobody.post("/auth/setpassword", body, headers={"Authorization": "Bearer x"})
    assert 201 == answer.status_code
    assert 200 == (await api.bearer(answer.json()["access_token"]).get("/user/me")).status_code
    assert (401, "token_revoked") == outcome(await api.bearer(pair["access_token"]).get("/user/me"))
    assert (401, "token_revoked") == outcome(await refresh(api, pair["refresh_token"]))
    assert (400, "token_invalid") == outcome(await api.nobody.post("/auth/setpassword", body))
    assert 2 == await api.fetchval("select token_version from vending.users where id = 2")
    await api.tokens("nora", "another horse 9")


async def test_of_parallel_uses_of_a_mailed_token_one_counts(api: Api) -> None:
    """A single-use token is single-use under concurrency too."""
    await api.nobody.post("/auth/resetpassword", {"username": "nora"})
    body = {"token": token_in((await api.mails())[0]), "password": "another horse 9"}
    answers = await asyncio.gather(*(api.nobody.post("/auth/setpassword", body) for _ in range(6)))
    assert {(201, ""): 1, (400, "token_invalid"): 5} == Counter(map(outcome, answers))


async def test_a_newer_reset_replaces_the_older_and_both_end(api: Api) -> None:
    """Only the newest token works, and for two hours; unknown tokens look the same."""
    for _ in range(2):
        await api.nobody.post("/auth/resetpassword", {"username": "nora"})
    older, newer = (token_in(mail) for mail in await api.mails())
    api.clock.advance_ms(2 * 3_600_000)
    answers = [
        await api.nobody.post("/auth/setpassword", {"token": t, "password": "another horse 9"})
        for t in (older, newer, "unknown", "ü" * 40)
    ]
    assert {(400, "token_invalid")} == {outcome(answer) for answer in answers}
    assert 1 == len({answer.content for answer in answers})


async def test_a_reset_needs_a_name(api: Api) -> None:
    """Neither username nor address is 400."""
    for body in ({}, {"username": ""}, {"username": None, "email": " "}):
        answer = await api.nobody.post("/auth/resetpassword", body)
        assert (400, "missing_parameters") == outcome(answer)


async def test_resets_are_limited_per_address(api: Api) -> None:
    """Five an hour, existing user or not."""
    for name in ("nora", "x", "y", "z", "sam"):
        answer = await api.nobody.post("/auth/resetpassword", {"username": name})
        assert 200 == answer.status_code
    held = await api.nobody.post("/auth/resetpassword", {"username": "root"})
    assert (429, "rate_limited") == outcome(held)
    assert 0 < int(held.headers["Retry-After"]) <= 3600


async def invited(api: Api, user: int = 2) -> str:
    """A fresh activation token for a user."""
    async with api.services.pool.acquire() as connection:
        await api.services.people.invite(connection, user, "kim@example.test")
    return token_in((await api.mails())[-1])


@pytest.mark.operation("VEND-AUTH-ACTIVATE")
async def test_activate_sets_the_first_password(api: Api) -> None:
    """VEND-AUTH-ACTIVATE: 200 with a message; no login before it."""
    await api.execute("update vending.users set password_hash = null, email_confirmed = false")
    token = await invited(api)
    body = {"token": token, "password": "first horse 99"}
    login = {"username": "nora", "password": "first horse 99"}
    assert 401 == (await api.nobody.post("/auth/login", login)).status_code
    crossed = await api.nobody.post("/auth/setpassword", body)
    assert (400, "token_invalid") == outcome(crossed)
    answer = await api.nobody.post("/auth/activate", body)
    assert (200, {"message"}) == (answer.status_code, set(answer.json()))
    await api.tokens("nora", "first horse 99")
    assert (400, "token_invalid") == outcome(await api.nobody.post("/auth/activate", body))


async def test_an_activation_ends_after_seven_days(api: Api) -> None:
    """A disabled user's token is as dead as an old one."""
    token = await invited(api)
    body = {"token": token, "password": "first horse 99"}
    await api.execute("update vending.users set disabled_at_ms = 1 where id = 2")
    assert (400, "token_invalid") == outcome(await api.nobody.post("/auth/activate", body))
    await api.execute("update vending.users set disabled_at_ms = null")
    api.clock.advance_ms(7 * 86_400_000)
    assert (400, "token_invalid") == outcome(await api.nobody.post("/auth/activate", body))


async def test_a_device_signs_in_with_its_key(api: Api) -> None:
    """POST /device/token: a day's token; a wrong key, a foreign hostname and missing members."""
    body = {"hostname": DEVICE.upper(), "key": DEVICE_KEY}
    answer = await api.nobody.post("/device/token", body)
    assert (201, 86400) == (answer.status_code, answer.json()["expires_in"])
    claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    assert ("80", 1, "device") == (claims["sub"], claims["key"], claims["typ"])
    for wrong in ({"hostname": DEVICE, "key": "x"}, {"hostname": "gw-0081", "key": DEVICE_KEY}):
        refused = await api.nobody.post("/device/token", wrong)
        assert (401, "invalid_credentials") == outcome(refused)
    assert (400, "missing_parameters") == outcome(await api.nobody.post("/device/token", {}))
    for _ in range(9):
        held = await api.nobody.post("/device/token", {"hostname": DEVICE, "key": "x"})
    assert (401, "invalid_credentials") == outcome(held)
    held = await api.nobody.post("/device/token", body)
    assert (429, "rate_limited") == outcome(held)


async def test_device_keys_are_an_operators_business(api: Api) -> None:
    """The key is shown once, replaces the former, and dies with its tokens when revoked."""
    root, nora, sam = [await api.login(name) for name in ("root", "nora", "sam")]
    path = "/admin/machine/80/devicekey"
    assert (403, "forbidden") == outcome(await nora.post(path))
    assert (404, "not_found") == outcome(await sam.post(path))
    assert (404, "not_found") == outcome(await root.post("/admin/machine/8x/devicekey"))
    former = await api.device()
    answer = await root.post(path)
    assert (201, {"hostname", "key"}) == (answer.status_code, set(answer.json()))
    assert (401, "token_revoked") == outcome(await former.get("/user/me"))
    fresh = await api.device(DEVICE, answer.json()["key"])
    assert (403, "forbidden") == outcome(await fresh.get("/user/me"))
    assert 200 == (await root.delete(path)).status_code
    assert (401, "token_revoked") == outcome(await fresh.get("/user/me"))


async def test_wrong_keys_in_basic_headers_are_held_back(api: Api) -> None:
    """Ten wrong keys of one device from one address, by either door, and then neither opens."""
    right = base64.b64encode(f"{DEVICE}:{DEVICE_KEY}".encode()).decode()
    wrong = base64.b64encode(f"{DEVICE.upper()}:x".encode()).decode()
    answers = []
    for number in range(10):
        if number % 2:
            answers.append(await api.nobody.post("/device/token", {"hostname": DEVICE, "key": "x"}))
        else:
            headers = {"Authorization": f"Basic {wrong}"}
            answers.append(await api.nobody.post("/device/heartbeat", {}, headers=headers))
    assert {(401, "invalid_credentials")} == {outcome(answer) for answer in answers}
    headers = {"Authorization": f"Basic {right}"}
    held = await api.nobody.post("/device/heartbeat", {}, headers=headers)
    assert (429, "rate_limited") == outcome(held)
    assert 0 < int(held.headers["Retry-After"]) <= 900
    other = {"Authorization": "Basic " + base64.b64encode(b"gw-0081:x").decode()}
    free = await api.nobody.post("/device/heartbeat", {}, headers=other)
    assert (401, "invalid_credentials") == outcome(free)


async def test_many_calls_of_one_device_at_once(api: Api) -> None:
    """A burst with the right key passes whole; of forty different wrong keys ten are looked at."""

    def basic(key: str) -> dict[str, str]:
        proof = base64.b64encode(f"{DEVICE}:{key}".encode()).decode()
        return {"Authorization": f"Basic {proof}"}

    async def beat(key: str) -> int:
        answer = await api.nobody.post("/device/heartbeat", {}, headers=basic(key))
        return answer.status_code

    burst = await asyncio.gather(*(beat(DEVICE_KEY) for _ in range(20)))
    assert {200: 20} == Counter(burst)
    guesses = await asyncio.gather(*(beat(f"wrong {number}") for number in range(40)))
    assert {401: 10, 429: 30} == Counter(guesses)

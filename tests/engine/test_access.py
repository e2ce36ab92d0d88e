"""Tokens, the memory of who is calling, and what ends it: on a real database."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest

from farebox.demo import DEVICE, DEVICE_KEY
from farebox.domain.errors import UnauthorizedError, UnavailableError
from farebox.engine.access import Access, Principal
from farebox.engine.passwords import NOBODY, Passwords
from farebox.engine.tokens import ISSUER, KeyRing
from farebox.locks import LocalAttempts
from farebox.storage import people as store
from farebox.storage.pool import Pool
from tests.clocks import SettableClock

SECRET = "a secret of at least thirty-two bytes"
DAY_MS = 86_400_000
BASIC = "Basic " + base64.b64encode(f"{DEVICE}:{DEVICE_KEY}".encode()).decode()


class Monotonic:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def keys() -> KeyRing:
    """A ring of one secret."""
    return KeyRing({"k1": SECRET})


@pytest.fixture
def monotonic() -> Monotonic:
    """The process's own time, standing still."""
    return Monotonic()


@pytest.fixture
def database(stocked_database: str) -> str:
    """The people of the demonstration."""
    return stocked_database


@pytest.fixture
async def access(pool: Pool, clock: SettableClock, keys: KeyRing, monotonic: Monotonic) -> Access:
    """Access on the fixture's people."""
    return Access(pool, clock, keys, monotonic=monotonic)


@pytest.fixture
def bearer(pool: Pool, clock: SettableClock, keys: KeyRing) -> Callable[..., Any]:
    """Makes a session in the database and the Authorization header for it."""

    async def make(user: int = 2, **claims: Any) -> str:
        family, now_ms = uuid4(), clock()
        ends_ms = now_ms + DAY_MS
        await store.open_family(
            pool, family, user, uuid4(), now_ms, ends_at_ms=ends_ms, family_ms=ends_ms
        )
        who = {"sub": str(user), "ug": 2, "ver": 1, "fam": str(family), **claims}
        return "Bearer " + keys.mint(who, "access", now_ms, now_ms + 900_000)

    return make


async def code_of(access: Access, header: str | None) -> str:
    """The code that a header is refused with, or 'welcome'."""
    try:
        await access.check(header)
    except UnauthorizedError as error:
        return error.code
    return "welcome"


async def test_a_user_is_known_with_group_subtree_and_permissions(
    access: Access, bearer: Callable[..., Any], pool: Pool
) -> None:
    """The principal carries what tenancy and permissions need, restricted from the root down."""
    await pool.execute(
        "update vending.usergroup set permissions = $2 where id = $1",
        1,
        ["machine:read", "machine:write", "voucher:read"],
    )
    await pool.execute(
        "update vending.usergroup set permissions = $2 where id = $1", 2, ["machine:read", "x:y"]
    )
    assert Principal(
        kind="user",
        id=2,
        name="nora",
        group=2,
        groups=frozenset({2, 3}),
        admin=False,
        permissions=frozenset({"machine:read"}),
    ) == await access.check(await bearer())


async def test_a_device_proves_itself_with_its_key(access: Access) -> None:
    """Basic hostname:key is known as the machine, and remembered."""
    device = await access.check(BASIC)
    assert ("device", 80, "gw-0080", 80, 2) == (
        device.kind,
        device.id,
        device.name,
        device.machine,
        device.group,
    )
    assert device is access.known(BASIC)
    assert frozenset() == device.groups


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "unauthorized"),
        ("", "unauthorized"),
        ("Bearer", "unauthorized"),
        ("Bearer x.y.z", "unauthorized"),
        ("Digest abc", "unauthorized"),
        ("Basic !!!", "unauthorized"),
        ("Basic " + base64.b64encode(b"gw-0080:wrong").decode(), "invalid_credentials"),
        ("Basic " + base64.b64encode(b"gw-0081:demo-device-key").decode(), "invalid_credentials"),
        ("Basic " + base64.b64encode(b"gw\x00:k").decode(), "invalid_credentials"),
        ("Basic " + base64.b64encode(b"gw-0080").decode(), "invalid_credentials"),
        ("Basic " + base64.b64encode(b"\xff\xfe:k").decode(), "unauthorized"),
        ("Bearer " + "x" * 5000, "unauthorized"),
    ],
)
async def test_what_proves_nothing_is_refused(
    access: Access, header: str | None, code: str
) -> None:
    """Missing, malformed and wrong proofs each have their code."""
    assert code == await code_of(access, header)


def forged(**changes: Any) -> dict[str, Any]:
    """The parts of a token that is good but for the changes."""
    parts: dict[str, Any] = {
        "secret": SECRET,
        "alg": "HS256",
        "kid": "k1",
        "drop": (),
        "claims": {},
    }
    return {**parts, **changes}


@pytest.mark.parametrize(
    "parts",
    [
        forged(secret="another secret of more than thirty-two bytes"),
        forged(alg="HS512"),
        forged(alg="none", secret=None),
        forged(kid="k2"),
        forged(kid=None),
        forged(claims={"typ": "refresh"}),
        forged(claims={"typ": "email"}),
        forged(claims={"iss": "elsewhere"}),
        forged(claims={"fam": "no uuid"}),
        forged(claims={"exp": "soon"}),
        forged(drop=("exp",)),
        forged(drop=("typ",)),
        forged(drop=("fam",)),
    ],
)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_a_forged_token_is_refused(access: Access, parts: dict[str, Any]) -> None:
    """Algorithm, key, issuer, type and the required claims are all checked."""
    claims = {
        "iss": ISSUER, "sub": "2", "ug": 2, "ver": 1, "fam": str(uuid4()), "typ": "access",
        "iat": 1773133200, "exp": 1773134100, "jti": str(uuid4()),
    }  # fmt: skip
    claims |= parts["claims"]
    for name in parts["drop"]:
        del claims[name]
    headers = {"kid": parts["kid"]} if parts["kid"] else None
    token = jwt.encode(claims, parts["secret"], parts["alg"], headers=headers)
    assert "unauthorized" == await code_of(access, f"Bearer {token}")


async def test_a_token_ends_at_its_second(
    access: Access, bearer: Callable[..., Any], clock: SettableClock
) -> None:
    """One millisecond before the end it works, at the end it has expired, remembered or not."""
    header = await bearer()
    assert "welcome" == await code_of(access, header)
    clock.advance_ms(899_999)
    assert access.known(header) is not None
    clock.advance_ms(1)
    assert access.known(header) is None
    assert "token_expired" == await code_of(access, header)


async def test_several_secrets_are_believed_and_the_first_signs(clock: SettableClock) -> None:
    """A new secret in front takes over while tokens of the old one live on."""
    old = KeyRing.parse(f"k1:{SECRET}")
    token = old.mint({"sub": "2"}, "device", clock(), clock() + DAY_MS)
    both = KeyRing.parse(f"k2:{SECRET[::-1]},k1:{SECRET}")
    claims = both.read(token, "device")
    assert claims is not None
    assert "2" == claims.sub
    fresh = both.mint({"sub": "2"}, "device", clock(), clock() + DAY_MS)
    assert "k2" == jwt.get_unverified_header(fresh)["kid"]
    assert old.read(fresh, "device") is None
    assert both.read(fresh, "access") is None


@pytest.mark.parametrize(
    "text", ["k1:short", "nothing", "", f"k1:{SECRET},k1:{SECRET}", ":" + SECRET]
)
def test_a_weak_or_malformed_ring_is_refused(text: str) -> None:
    """Secrets are at least 32 bytes and named once."""
    with pytest.raises(ValueError, match=r"secret"):
        KeyRing.parse(text)


def test_the_ring_is_made_once_and_only_its_owner_reads_it(tmp_path: Any) -> None:
    """The file appears with mode 600 and stays the same."""
    path = tmp_path / "data" / "secrets"
    first = KeyRing.kept_in(path)
    token = first.mint({"sub": "1"}, "device", 0, DAY_MS)
    assert KeyRing.kept_in(path).read(token, "device") is not None
    assert 0o600 == path.stat().st_mode & 0o777
    assert [path] == list(path.parent.iterdir())


CHANGES = [
    ("update vending.users set token_version = token_version + 1 where id = 2", "token_revoked"),
    ("update vending.token_family set revoked_at_ms = 1", "token_revoked"),
    ("delete from vending.token_family", "token_revoked"),
    ("update vending.users set disabled_at_ms = 1 where id = 2", "user_disabled"),
    ("update vending.usergroup set disabled_at_ms = 1 where id = 1", "user_disabled"),
    ("update vending.usergroup set deleted = true where id = 2", "user_disabled"),
]


@pytest.mark.parametrize(("change", "code"), CHANGES)
async def test_a_change_is_seen_after_five_seconds_at_most(
    access: Access,
    bearer: Callable[..., Any],
    pool: Pool,
    monotonic: Monotonic,
    change: str,
    code: str,
) -> None:
    """Without any notification the state behind a token is read again within five seconds."""
    header = await bearer()
    assert "welcome" == await code_of(access, header)
    await pool.execute(change)
    monotonic.now_s = 5.01
    assert access.known(header) is None
    assert code == await code_of(access, header)


@pytest.mark.parametrize(("change", "code"), CHANGES)
async def test_a_change_anywhere_is_heard_of_at_once(
    access: Access,
    bearer: Callable[..., Any],
    pool: Pool,
    database: str,
    following: Callable[[], Any],
    change: str,
    code: str,
) -> None:
    """A notification drops the memory long before its age does."""
    await following()
    header = await bearer()
    assert "welcome" == await code_of(access, header)
    await pool.execute(change)
    await until(lambda: access.known(header) is None)
    assert code == await code_of(access, header)


@pytest.mark.parametrize(
    "change",
    [
        "update vending.device_key set revoked_at_ms = 1",
        "delete from vending.device_key",
        "delete from vending.machine where id = 80",
        "update vending.machine set hostname = 'gw-0100' where id = 80",
    ],
)
async def test_a_device_is_forgotten_when_its_key_or_machine_changes(
    access: Access, pool: Pool, following: Callable[[], Any], change: str
) -> None:
    """Revoking a key and removing or renaming a machine reach every process."""
    await following()
    await access.check(BASIC)
    await pool.execute(change)
    await until(lambda: access.known(BASIC) is None)
    assert "invalid_credentials" == await code_of(access, BASIC)


async def test_moving_a_group_changes_what_is_seen(
    access: Access, bearer: Callable[..., Any], pool: Pool, following: Callable[[], Any]
) -> None:
    """After Cafe moves to South, nora of North no longer has it below her."""
    await following()
    header = await bearer()
    assert {2, 3} == (await access.check(header)).groups
    await pool.execute("update vending.usergroup set parent = 4 where id = 3")
    await until(lambda: access.known(header) is None)
    assert {2} == (await access.check(header)).groups


async def test_forgetting_in_this_process_needs_no_notification(
    access: Access, bearer: Callable[..., Any]
) -> None:
    """Only what stands on the subject is dropped; a group's change drops all users, no device."""
    nora, sam = await bearer(2), await bearer(4)
    for header in (nora, sam, BASIC):
        await access.check(header)
    access.forget("user:2")
    assert (True, False, False) == tuple(access.known(h) is None for h in (nora, sam, BASIC))
    access.forget("group:7")
    assert (True, False) == tuple(access.known(h) is None for h in (sam, BASIC))
    access.forget()
    assert access.known(BASIC) is None


async def test_an_entry_in_use_is_read_again_before_it_is_too_old(
    access: Access, bearer: Callable[..., Any], monotonic: Monotonic
) -> None:
    """The background read keeps the very same principal while nothing has changed."""
    header = await bearer()
    first = await access.check(header)
    monotonic.now_s = 4.0
    assert first is access.known(header)
    await until(lambda: not access._reading)
    monotonic.now_s = 8.0
    assert first is access.known(header)


async def test_an_unreachable_database_is_never_read_as_a_refusal(
    access: Access, bearer: Callable[..., Any], pool: Pool, monotonic: Monotonic
) -> None:
    """Young memory still answers; old memory ends in 'unavailable', not in 401."""
    header = await bearer()
    await access.check(header)
    pool.terminate()
    monotonic.now_s = 4.9
    assert access.known(header) is not None
    await until(lambda: not access._reading)
    monotonic.now_s = 5.1
    with pytest.raises(UnavailableError):
        await access.check(header)


async def test_callers_of_one_token_share_one_read(
    access: Access, bearer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty calls at once cost one statement."""
    header, reads = await bearer(), 0
    read = store.user_state

    async def counted(pool: Pool, user: int, family: UUID) -> Any:
        nonlocal reads
        reads += 1
        return await read(pool, user, family)

    monkeypatch.setattr(store, "user_state", counted)
    seen = await asyncio.gather(*(access.check(header) for _ in range(30)))
    assert 1 == reads
    assert 1 == len({id(principal) for principal in seen})


async def test_a_change_during_a_read_is_not_lost(
    access: Access, bearer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read while something changed is answered once and not remembered."""
    header = await bearer()
    read = store.user_state

    async def overlapped(pool: Pool, user: int, family: UUID) -> Any:
        row = await read(pool, user, family)
        access.forget("user:2")
        return row

    monkeypatch.setattr(store, "user_state", overlapped)
    await access.check(header)
    assert access.known(header) is None


async def test_the_memory_is_bounded(
    pool: Pool, clock: SettableClock, keys: KeyRing, bearer: Callable[..., Any]
) -> None:
    """The oldest entry makes room."""
    access = Access(pool, clock, keys, entries_max=3)
    headers = [await bearer() for _ in range(5)]
    for header in headers:
        await access.check(header)
    assert [True, True, False, False, False] == [access.known(h) is None for h in headers]


async def test_a_remembered_caller_costs_microseconds(
    access: Access, bearer: Callable[..., Any]
) -> None:
    """The lane asks on every request; ten microseconds would be a defect even on a busy host."""
    header: str = await bearer()
    await access.check(header)
    best = min(_time_known(access, header) for _ in range(20))
    assert best < 10e-6


def _time_known(access: Access, header: str) -> float:
    raw = header.encode()
    started = time.perf_counter()
    for _ in range(200):
        access.known(raw.decode())
    return (time.perf_counter() - started) / 200


async def test_attempts_are_counted_in_a_sliding_span() -> None:
    """The limit holds within the span, running attempts count, and forgiving clears."""
    monotonic = Monotonic()
    attempts = LocalAttempts(2, 60, keys_max=2, monotonic=monotonic)
    await attempts.note("a")
    monotonic.now_s = 30
    assert 1 == await attempts.wait_s("a", running=1) // 30
    await attempts.note("a")
    assert 30 == await attempts.wait_s("a")
    monotonic.now_s = 60
    assert 0 == await attempts.wait_s("a")
    await attempts.note("b")
    await attempts.note("c")
    assert 0 == await attempts.wait_s("a", running=1)
    await attempts.note("c")
    await attempts.forget("c")
    assert 0 == await attempts.wait_s("c")


async def test_nobody_costs_a_hash_too() -> None:
    """A missing user is checked against a real hash, and is always wrong."""
    passwords = Passwords()
    stored = await passwords.hash("correct horse 9")
    assert (False, False) == (passwords.is_weak(stored), passwords.is_weak(NOBODY))
    answers = [
        await passwords.matches(stored, "correct horse 9"),
        await passwords.matches(stored, "correct horse 8"),
        await passwords.matches(None, "nobody signs in with this"),
        await passwords.matches("not a hash", "x"),
    ]
    assert [True, False, False, False] == answers
    assert 4 == passwords.checks
    passwords.close()


async def test_a_flood_of_sign_ins_is_turned_away() -> None:
    """Only so many callers wait for a thread."""
    passwords = Passwords()
    waiting = [asyncio.ensure_future(passwords.hash("x" * 8)) for _ in range(257)]
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError):
        await passwords.hash("x" * 8)
    passwords.close()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.fixture
async def following(access: Access, database: str) -> AsyncIterator[Callable[[], Any]]:
    """Starts to listen for changes, and says when it does."""
    heard = asyncio.Event()
    forget = access.forget

    def noted(subject: str = "") -> None:
        forget(subject)
        heard.set()

    access.forget = noted  # type: ignore[method-assign]
    task = asyncio.create_task(access.follow(database))

    async def ready() -> None:
        await asyncio.wait_for(heard.wait(), 10)

    yield ready
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that another task brings about."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError

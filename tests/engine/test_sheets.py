"""Sheets in the database: states, tries, edits meanwhile, crashes, reading, and signed links."""

import asyncio
import base64
import os
import signal
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from farebox.domain.errors import ConflictError, NotFoundError, UnavailableError
from farebox.engine import sheet_drawing
from farebox.engine.sheet_cards import Card, Heading, Message
from farebox.engine.sheet_drawing import DrawingError, draw_apart
from farebox.engine.sheet_links import SheetLinks
from farebox.engine.sheets import ATTEMPTS_MAX, Sheets
from farebox.jobs import Patience, Worker
from farebox.storage import sheets as store
from farebox.storage.pool import Pool, transaction
from farebox.storage.sheets import PART_BYTES, Subject
from tests.clocks import SettableClock
from tests.engine.pdf_reader import PdfReader
from tests.engine.test_sheet_pages import picture

SECRETS = {"k2": "second secret of the installation", "k1": "first secret of the installation"}
NEVER_MS = 2**63 - 1


class Desk:
    """A database with campaigns and vouchers, and the sheets over it."""

    def __init__(self, pool: Pool, clock: SettableClock) -> None:
        self.pool = pool
        self.clock = clock
        self.sheets = Sheets(pool, clock, SECRETS, "https://pay.example.com/")

    async def campaign(self, **fields: Any) -> int:
        """A campaign; its texts and so on as given."""
        values = {
            "owner": 1,
            "name": "Spring",
            "total_vouchers": 0,
            "type": "discount",
            "voucher_value": 100,
            "created_at_ms": 0,
            "updated_at_ms": 0,
        }
        return await self._insert("voucher.campaign", values | fields)

    async def voucher(self, campaign: int, code: str, **fields: Any) -> int:
        """An inherit voucher; anything else as given."""
        values = {
            "code_key": code.upper(),
            "code": code,
            "campaign": campaign,
            "inherit": True,
            "currency": "EUR",
            "prefix": "00000",
            "initial_value": 100,
            "period_end_ms": NEVER_MS,
            "created_at_ms": 0,
            "updated_at_ms": 0,
        }
        return await self._insert("voucher.voucher", values | fields)

    async def _insert(self, table: str, values: dict[str, Any]) -> int:
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        statement = f"insert into {table} ({', '.join(values)}) values ({places}) returning id"
        made: int = await self.pool.fetchval(statement, *values.values())
        return made

    async def image(self, data_uri: str) -> int:
        """A stored picture."""
        await self.pool.execute(
            "insert into vending.usergroup (id, name, created_at_ms, updated_at_ms)"
            " values (1, 'root', 0, 0) on conflict do nothing"
        )
        values = {"owner": 1, "thumbnail": "", "original": data_uri}
        return await self._insert(
            "vending.image", values | {"created_at_ms": 0, "updated_at_ms": 0}
        )

    async def status(self, subject: Subject) -> str:
        """The status on the subject's row."""
        table = f"voucher.{subject.kind}"
        found: str = await self.pool.fetchval(
            f"select pdf_status from {table} where id = $1", subject.id
        )
        return found

    async def work(self) -> None:
        """Run the jobs that are due."""
        patience = Patience(first_delay_ms=1, longest_delay_ms=1)
        await Worker(self.pool, self.clock, self.sheets.handlers, patience=patience).drain()

    async def read(self, subject: Subject) -> bytes:
        """The finished file."""
        sheet = await self.sheets.open(subject)
        content = b"".join([part async for part in sheet.parts])
        assert sheet.size_bytes == len(content)
        return content

    async def documents(self) -> tuple[int, int]:
        """How many documents and parts are stored."""
        row = await self.pool.fetchrow(
            "select (select count(*) from voucher.document),"
            " (select count(*) from voucher.document_part)"
        )
        return row[0], row[1]


@pytest.fixture
def desk(pool: Pool, clock: SettableClock) -> Desk:
    """Sheets over a database of this test's own."""
    return Desk(pool, clock)


async def test_voucher_is_ready_at_once(desk: Desk) -> None:
    """One voucher's page is there when the request is answered; its job finds nothing to do."""
    campaign = await desk.campaign(
        voucher_text1="Free coffee", expires_on="2026-12-31", expires_before_ms=NEVER_MS - 1
    )
    subject = Subject("voucher", await desk.voucher(campaign, "00000-7KQ3M9TXWA"))
    assert await desk.status(subject) == "empty"
    assert await desk.sheets.request(subject) == "ready"
    content = await desk.read(subject)
    assert content.startswith(b"%PDF-")
    assert PdfReader(content).codes(0) == ["00000-7KQ3M9TXWA"]
    assert "Free coffee" in PdfReader(content).text(0)
    assert "Valid until 2026-12-31" in PdfReader(content).text(0)
    desk.clock.advance_ms(60_000)
    await desk.work()
    assert (await desk.status(subject), await desk.documents()) == ("ready", (1, 1))


async def test_request_again_does_nothing(desk: Desk) -> None:
    """Asking while a sheet is under way or ready leaves it alone."""
    campaign = await desk.campaign()
    subject = Subject("campaign", campaign)
    assert [await desk.sheets.request(subject) for _ in range(2)] == ["creating"] * 2
    assert await desk.pool.fetchval("select count(*) from farebox.outbox") == 1
    await desk.work()
    assert [await desk.sheets.request(subject) for _ in range(2)] == ["ready"] * 2
    assert await desk.pool.fetchval("select count(*) from farebox.outbox") == 1


async def test_campaign_sheet(desk: Desk) -> None:
    """A campaign's sheet holds its active, unexpired vouchers by id, with what each one shows."""
    now_ms = desk.clock()
    campaign = await desk.campaign(voucher_text1="Theirs", voucher_text2="Common")
    await desk.campaign(name="other")
    expected = []
    for number in range(23):
        code = f"SPR-{number:010d}"
        await desk.voucher(campaign, code)
        expected.append(code)
    await desk.voucher(campaign, "INACTIVE", active=False)
    past = {"expires_on": "2026-03-09", "expires_before_ms": now_ms}
    await desk.voucher(campaign, "EXPIRED", **past)
    later = {"expires_on": "2026-03-10", "expires_before_ms": now_ms + 1}
    await desk.voucher(campaign, "LAST", text1="Mine", **later)
    subject = Subject("campaign", campaign)
    assert await desk.sheets.request(subject) == "creating"
    await desk.work()
    reader = PdfReader(await desk.read(subject))
    assert [*expected, "LAST"] == [code for page in range(3) for code in reader.codes(page)]
    assert "Mine" in reader.text(2)
    assert reader.text(2).count("Theirs") == 3
    assert reader.text(2).count("Common") == 4


@pytest.mark.parametrize(
    ("own", "campaign", "inherit", "shown"),
    [
        (None, "2026-05-01", True, "2026-05-01"),
        ("2026-06-01", "2026-05-01", True, "2026-06-01"),
        (None, "2026-05-01", False, None),
        ("2026-06-01", None, False, "2026-06-01"),
    ],
)
async def test_effective_expiry(
    desk: Desk, own: str | None, campaign: str | None, inherit: bool, shown: str | None
) -> None:
    """Inherit vouchers expire with their campaign unless they have a date of their own."""

    def expiry(day: str | None) -> dict[str, Any]:
        return {"expires_on": day, "expires_before_ms": NEVER_MS - 1 if day else None}

    owner = await desk.campaign(**expiry(campaign))
    settings: dict[str, Any] = {"inherit": inherit}
    if not inherit:
        settings |= {"type": "gift", "value": 1, "redemption_limit": 0, "reset_frequency": "never"}
        settings["time_zone"] = "Europe/Amsterdam"
    subject = Subject("voucher", await desk.voucher(owner, "A", **settings, **expiry(own)))
    await desk.sheets.request(subject)
    text = PdfReader(await desk.read(subject)).text(0)
    assert text == ("A" if shown is None else f"A\nValid until {shown}")


async def test_campaign_expiry_ends_inherit_vouchers(desk: Desk) -> None:
    """Once a campaign has expired its sheet has no cards."""
    expiry = {"expires_on": "2026-03-09", "expires_before_ms": desk.clock()}
    campaign = await desk.campaign(**expiry)
    await desk.voucher(campaign, "A")
    subject = Subject("campaign", campaign)
    await desk.sheets.request(subject)
    await desk.work()
    assert PdfReader(await desk.read(subject)).codes(0) == []


async def test_logo_and_style(desk: Desk) -> None:
    """The logo comes from the stored images, own before the campaign's, and the style applies."""
    style = '{"voucherText1Lbl": {"color": "#00ff00", "fontSize": 40}}'
    red = await desk.image(picture("png", (50, 50), colour=(255, 0, 0)))
    blue = await desk.image(picture("png", (50, 50), colour=(0, 0, 255)))
    campaign = await desk.campaign(logo_image=red, voucher_style=style, voucher_text1="WWW")
    theirs = Subject("voucher", await desk.voucher(campaign, "A"))
    own = Subject("voucher", await desk.voucher(campaign, "B", logo_image=blue, style="{}"))
    batch = Subject("campaign", campaign)
    for subject in (theirs, own, batch):
        await desk.sheets.request(subject)
    await desk.work()
    colours = {
        subject: {
            name
            for name, colour in {"r": (255, 0, 0), "g": (0, 255, 0), "b": (0, 0, 255)}.items()
            if (PdfReader(await desk.read(subject)).pixels(0) == colour).all(axis=2).any()
        }
        for subject in (theirs, own, batch)
    }
    assert colours == {theirs: {"r", "g"}, own: {"b"}, batch: {"r", "g", "b"}}


async def test_equal_sheets_are_equal_bytes(desk: Desk) -> None:
    """Making a sheet again gives the same bytes."""
    campaign = await desk.campaign(voucher_text1="Անվճար սուրճ")
    for number in range(12):
        await desk.voucher(campaign, f"A{number}")
    subject = Subject("campaign", campaign)
    seen = set()
    for _ in range(2):
        await desk.sheets.request(subject)
        await desk.work()
        seen.add(await desk.read(subject))
        await desk.sheets.drop(subject)
        desk.clock.advance_ms(1000)
    assert len(seen) == 1


async def test_not_ready(desk: Desk) -> None:
    """A sheet that is not finished cannot be read; an unknown subject is not found."""
    campaign = Subject("campaign", await desk.campaign())
    with pytest.raises(ConflictError) as caught:
        await desk.sheets.open(campaign)
    assert caught.value.code == "pdf_not_ready"
    await desk.sheets.request(campaign)
    with pytest.raises(ConflictError):
        await desk.sheets.open(campaign)
    for subject in (Subject("voucher", 4711), Subject("campaign", 4711)):
        with pytest.raises(NotFoundError):
            await desk.sheets.request(subject)
        with pytest.raises(ConflictError):
            await desk.sheets.open(subject)


@pytest.mark.parametrize("status", ["creating", "failed"])
async def test_campaign_without_vouchers(desk: Desk, status: str) -> None:
    """A campaign whose vouchers are not made yet has no sheet."""
    campaign = await desk.campaign(status=status)
    with pytest.raises(ConflictError) as caught:
        await desk.sheets.request(Subject("campaign", campaign))
    assert caught.value.code == "campaign_not_ready"


async def test_edit_drops_the_sheet(desk: Desk) -> None:
    """An edit forgets the campaign's sheet and those of its vouchers, and nobody else's."""
    campaign, other = await desk.campaign(), await desk.campaign()
    subjects = [Subject("campaign", campaign), Subject("campaign", other)]
    for owner in (campaign, other):
        subjects += [Subject("voucher", await desk.voucher(owner, f"A{n}")) for n in range(2)]
    for subject in subjects:
        await desk.sheets.request(subject)
    await desk.work()
    assert await desk.documents() == (6, 6)
    await desk.sheets.drop(Subject("campaign", campaign))
    states = [await desk.status(subject) for subject in subjects]
    assert states == ["empty", "ready", "empty", "empty", "ready", "ready"]
    assert await desk.documents() == (3, 3)
    await desk.sheets.drop(subjects[-1])
    assert (await desk.status(subjects[-1]), await desk.documents()) == ("empty", (2, 2))
    assert await desk.sheets.request(subjects[-1]) == "ready"


class Turnstile(Sheets):
    """Sheets that stop in the middle of drawing until they are let through."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.pool, desk.clock, SECRETS)
        self.reached, self.open_gate = asyncio.Event(), asyncio.Event()

    async def _cards(self, campaign: int) -> AsyncIterator[Message]:
        async for message in super()._cards(campaign):
            yield message
            self.reached.set()
            await self.open_gate.wait()


@pytest.mark.parametrize("again", [False, True])
async def test_edit_while_drawing(desk: Desk, again: bool) -> None:
    """An edit while a sheet is drawn wins: the old drawing never shows, a new one does."""
    subject = Subject("campaign", await desk.campaign(voucher_text1="old"))
    await desk.voucher(subject.id, "A")
    gated = Turnstile(desk)
    await gated.request(subject)
    payload = await desk.pool.fetchval("select payload from farebox.outbox")
    drawing = asyncio.create_task(gated.make(payload, 1))
    await gated.reached.wait()
    async with transaction(desk.pool) as connection:
        await connection.execute("update voucher.campaign set voucher_text1 = 'new'")
        await store.drop_campaign(connection, subject.id, vouchers=True)
    if again:
        await desk.sheets.request(subject)
    gated.open_gate.set()
    await drawing
    assert await desk.status(subject) == ("creating" if again else "empty")
    await desk.sheets.request(subject)
    await desk.work()
    assert "new" in PdfReader(await desk.read(subject)).text(0)
    assert await desk.documents() == (1, 1)


async def test_status_alone_ends_a_drawing(desk: Desk) -> None:
    """A drawing whose status was put back meanwhile ends without a trace."""
    subject = Subject("campaign", await desk.campaign())
    await desk.sheets.request(subject)
    await desk.pool.execute("update voucher.campaign set pdf_status = 'empty'")
    await desk.work()
    assert (await desk.status(subject), await desk.documents()) == ("empty", (0, 0))


async def test_request_waits_for_an_edit(desk: Desk) -> None:
    """A sheet that is asked for during an edit shows what the edit wrote."""
    subject = Subject("campaign", await desk.campaign(voucher_text1="old"))
    voucher = await desk.voucher(subject.id, "A")
    async with transaction(desk.pool) as connection:
        await connection.execute("update voucher.voucher set text1 = 'new' where id = $1", voucher)
        await store.drop_voucher(connection, voucher)
        await store.drop_campaign(connection, subject.id, vouchers=False)
        asked = asyncio.create_task(desk.sheets.request(subject))
        await asyncio.sleep(0.1)
        assert not asked.done()
    assert await asked == "creating"
    await desk.work()
    assert "new" in PdfReader(await desk.read(subject)).text(0)


async def test_page_waits_for_an_edit_of_the_campaign(desk: Desk) -> None:
    """A voucher's page that is asked for while its campaign is edited shows the edited campaign."""
    campaign = await desk.campaign(voucher_text1="old")
    subject = Subject("voucher", await desk.voucher(campaign, "A"))
    async with transaction(desk.pool) as connection:
        await connection.execute("select pg_advisory_xact_lock(77, $1)", campaign)
        await connection.execute("update voucher.campaign set voucher_text1 = 'new'")
        await store.drop_campaign(connection, campaign, vouchers=True)
        asked = asyncio.create_task(desk.sheets.request(subject))
        await asyncio.sleep(0.1)
        assert not asked.done()
    assert await asked == "ready"
    assert "new" in PdfReader(await desk.read(subject)).text(0)


async def test_latest_try_wins(desk: Desk) -> None:
    """Two workers on one document: the parts of the earlier try are refused."""
    subject = Subject("campaign", await desk.campaign())
    await desk.sheets.request(subject)
    payload = await desk.pool.fetchval("select payload from farebox.outbox")
    document = payload["document"]
    first = await store.start(desk.pool, document)
    assert first == 1
    assert await store.add_part(desk.pool, document, first, 0, b"old")
    await desk.sheets.make(payload, 1)
    assert not await store.add_part(desk.pool, document, first, 1, b"old")
    assert not await store.finish(desk.pool, subject, document, first, "failed", 0)
    assert (await desk.read(subject)).startswith(b"%PDF-")


class Broken(Sheets):
    """Sheets whose drawing always fails."""

    async def _page(self, voucher: int) -> list[Message]:
        raise OSError("out of ink")

    async def _cards(self, campaign: int) -> AsyncIterator[Message]:
        yield Heading("batch", "x")
        raise OSError("out of ink")


@pytest.mark.parametrize("kind", ["voucher", "campaign"])
async def test_three_tries(desk: Desk, kind: str) -> None:
    """After three tries a sheet is failed; asking again makes a new one."""
    campaign = await desk.campaign()
    voucher = await desk.voucher(campaign, "A")
    subject = Subject("voucher", voucher) if kind == "voucher" else Subject("campaign", campaign)
    broken = Broken(desk.pool, desk.clock, SECRETS)
    assert await broken.request(subject) == "creating"
    payload = await desk.pool.fetchval("select payload from farebox.outbox")
    tries = 1 if kind == "voucher" else 0
    while await desk.status(subject) == "creating":
        tries += 1
        try:
            await broken.make(payload, tries)
        except OSError:
            assert tries < ATTEMPTS_MAX
    assert (tries, await desk.status(subject)) == (ATTEMPTS_MAX, "failed")
    await broken.make(payload, 4)
    assert await desk.status(subject) == "failed"
    await desk.sheets.request(subject)
    await desk.work()
    assert await desk.status(subject) == "ready"


async def test_crashes_count_as_tries(desk: Desk) -> None:
    """A sheet that takes its process down three times is failed at the fourth start."""
    subject = Subject("campaign", await desk.campaign())
    await desk.sheets.request(subject)
    payload = await desk.pool.fetchval("select payload from farebox.outbox")
    for expected in range(1, ATTEMPTS_MAX + 1):
        assert await store.start(desk.pool, payload["document"]) == expected
        assert await desk.status(subject) == "creating"
    await desk.work()
    assert await desk.status(subject) == "failed"


async def test_crash_is_resumed(desk: Desk) -> None:
    """What a crashed try left behind is replaced by the next try."""
    subject = Subject("campaign", await desk.campaign())
    await desk.voucher(subject.id, "A")
    await desk.sheets.request(subject)
    payload = await desk.pool.fetchval("select payload from farebox.outbox")
    attempt = await store.start(desk.pool, payload["document"])
    assert attempt is not None
    for seq in range(3):
        await store.add_part(desk.pool, payload["document"], attempt, seq, b"half a sheet")
    await desk.work()
    assert PdfReader(await desk.read(subject)).codes(0) == ["A"]
    assert await desk.documents() == (1, 1)


async def test_parts(desk: Desk) -> None:
    """A long sheet is stored and read in parts of 256 KiB; a reader never sees two sheets mixed."""
    campaign = await desk.campaign()
    noise = await desk.image(noisy_picture())
    await desk.voucher(campaign, "A", logo_image=noise)
    subject = Subject("campaign", campaign)
    await desk.sheets.request(subject)
    await desk.work()
    sheet = await desk.sheets.open(subject)
    sizes = [len(part) async for part in sheet.parts]
    assert sheet.size_bytes == sum(sizes)
    assert {PART_BYTES} == set(sizes[:-1])
    sheet = await desk.sheets.open(subject)
    assert len(await anext(sheet.parts)) == PART_BYTES
    await desk.sheets.drop(subject)
    with pytest.raises(UnavailableError):
        await anext(sheet.parts)


def noisy_picture() -> str:
    """A picture that does not compress."""
    output = BytesIO()
    Image.effect_noise((700, 700), 200).save(output, "PNG")
    return "data:image/png;base64," + base64.b64encode(output.getvalue()).decode()


async def content(count: int) -> AsyncIterator[Message]:
    """A batch of so many cards."""
    yield Heading("batch", "x")
    for number in range(count):
        yield Card(f"A-{number}")


async def test_drawing_apart_is_drawing_here() -> None:
    """The other process and the thread give the same bytes."""
    apart = b"".join([chunk async for chunk in draw_apart(content(25))])
    here = await sheet_drawing.draw_here([message async for message in content(25)])
    assert here == apart


async def test_drawing_that_dies() -> None:
    """A drawing process that is killed is an error, and one that is not wanted any more ends."""

    async def endless() -> AsyncIterator[Message]:
        async for message in content(100_000):
            yield message

    async def until_killed() -> None:
        async for _ in draw_apart(endless()):
            for child in children():
                os.kill(child, signal.SIGKILL)

    with pytest.raises(DrawingError):
        await until_killed()
    drawing = draw_apart(endless())
    await anext(drawing)
    assert len(children()) == 1
    await drawing.aclose()
    assert children() == []


def children() -> list[int]:
    """The drawing processes of this one."""
    pids = [
        int(pid)
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
    ]
    return [pid for pid in pids if b"sheet_process" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def test_loop_is_free_while_drawing() -> None:
    """Drawing delays nobody: the event loop keeps turning."""
    turns, drawn = 0, asyncio.create_task(drained(draw_apart(content(600))))
    while not drawn.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert await drawn > 100_000
    assert turns > 100


async def drained(chunks: AsyncIterator[bytes]) -> int:
    """How many bytes there are."""
    return sum([len(chunk) async for chunk in chunks])


def links(clock: SettableClock, public_url: str | None = "https://pay.example.com/") -> SheetLinks:
    """Links of an installation."""
    return SheetLinks(SECRETS, public_url, clock)


def query(url: str) -> dict[str, str]:
    """The arguments of a link."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_link(clock: SettableClock) -> None:
    """A link is absolute, works for a day, and only for its subject."""
    made, subject = links(clock), Subject("voucher", 17)
    url = made.url(subject, "http://127.0.0.1:8000")
    assert url.startswith("https://pay.example.com/vending/voucher/17/pdf?expires=")
    own = links(clock, None).url(subject, "http://127.0.0.1:8000/")
    assert own.startswith("http://127.0.0.1:8000/vending/voucher/17/pdf?")
    assert made.verify(subject, **query(url))
    assert not made.verify(Subject("voucher", 18), **query(url))
    assert not made.verify(Subject("campaign", 17), **query(url))
    clock.advance_ms(24 * 3600 * 1000 - 1)
    assert made.verify(subject, **query(url))
    clock.advance_ms(1)
    assert not made.verify(subject, **query(url))
    assert made.verify(subject, **query(made.url(subject, "")))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("expires", "99999999999"),
        ("expires", "1e9"),
        ("expires", ""),
        ("expires", "٣"),
        ("key", "k3"),
        ("key", "k1"),
        ("signature", ""),
        ("signature", "é\ud800"),
        ("signature", "A" * 43),
    ],
)
def test_forged_link(clock: SettableClock, name: str, value: str) -> None:
    """A link with anything changed is none of ours."""
    made, subject = links(clock), Subject("voucher", 17)
    assert not made.verify(subject, **(query(made.url(subject, "")) | {name: value}))


def test_link_survives_new_secrets(clock: SettableClock) -> None:
    """A link that an older secret signed is believed until that secret goes."""
    older = SheetLinks({"k1": SECRETS["k1"]}, None, clock)
    arguments = query(older.url(Subject("voucher", 17), "http://a"))
    assert links(clock).verify(Subject("voucher", 17), **arguments)
    newer = SheetLinks({"k2": SECRETS["k2"]}, None, clock)
    assert not newer.verify(Subject("voucher", 17), **arguments)
    with pytest.raises(ValueError, match="secret"):
        SheetLinks({}, None, clock)

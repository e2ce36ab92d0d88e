"""Every command block of the README and of the pages in docs/, executed as it stands there."""

import doctest
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import ROOT, Block, Serving, blocks, environment, serving
from tests.servers import Databases, quick_folder

README = ROOT / "README.md"
OPERATING = ROOT / "docs" / "operating.md"
PAGES = sorted({*ROOT.glob("docs/*.md")} - {OPERATING})
# Numbers that depend on what was asked before.
NUMBERED = ("voucherId", "redemptionId")


def run(block: Block, cwd: Path, **settings: str) -> str:
    """Run a shell block and give what it printed."""
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", block.text],
        cwd=cwd,
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert 0 == done.returncode, f"line {block.line}: {done.stdout}{done.stderr}"
    return done.stdout


def check_targets(block: Block) -> None:
    """A block of make calls names targets that exist; running them here would run this test."""
    for line in block.text.splitlines():
        target = line.removeprefix("make ")
        done = subprocess.run(
            ["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert 0 == done.returncode, f"line {block.line}: {done.stderr}"


def is_make(block: Block) -> bool:
    """Whether the block consists of make calls alone."""
    return all(re.fullmatch(r"make [a-z]+", line) for line in block.text.splitlines())


def without_numbers(answer: str) -> dict[str, object]:
    """An answer without the numbers that depend on what was asked before."""
    return {name: value for name, value in json.loads(answer).items() if name not in NUMBERED}


def test_the_readme_does_what_it_shows() -> None:
    """The calls of the README give its answers, on a server started as `make run` does."""
    shown = blocks(README)
    assert "make run" == next(block for block in shown if block.language == "sh").text.strip()

    with quick_folder() as folder, serving("--demo", settings=_data(folder)) as server:
        printed, compared = "", 0
        for block in shown:
            if block.language == "sh" and is_make(block):
                check_targets(block)
            elif block.language == "sh":
                text = block.text.replace("http://127.0.0.1:8000", server.url)
                printed = run(block._replace(text=text), folder)
            elif block.language == "json":
                assert without_numbers(block.text) == without_numbers(printed)
                compared += 1
        assert 3 == compared
        assert 0 == server.stop()


def test_the_readme_decides_in_process() -> None:
    """The session at the interpreter's prompt gives what the README shows."""
    session = "\n".join(block.text for block in blocks(README) if block.language == "python")
    test = doctest.DocTestParser().get_doctest(session, {}, "README", str(README), 0)

    assert doctest.TestResults(failed=0, attempted=len(test.examples)) == doctest.DocTestRunner(
        verbose=False
    ).run(test)
    assert test.examples


Demo = tuple[Serving, dict[str, str]]


@pytest.fixture(scope="module")
def demo(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demonstration that is being served, and the settings by which commands reach it."""
    dsn = databases.create()
    settings = {"FAREBOX_DATABASE_URL": dsn, **_data(tmp_path_factory.mktemp("demo"))}
    with serving("--demo", settings=settings) as server:
        yield server, settings
        server.stop()
    databases.drop(dsn)


def test_the_calls_that_run_prints_can_be_pasted(demo: Demo, tmp_path: Path) -> None:
    """What `serve --demo` prints is two calls that validate and redeem with a working token."""
    calls = re.findall(r"(?m)^curl (?:.*\\\n)*.*$", demo[0].said)

    answers = [json.loads(run(Block(0, "sh", call), tmp_path)) for call in calls]
    assert [True, True] == [answers[0]["valid"], answers[1]["redeemed"]]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_pages_do_what_they_show(
    page: Path, demo: Demo, empty_database: str, tmp_path: Path
) -> None:
    """Commands of a page work and its calls succeed on the demonstration; beginnings on nothing."""
    server, settings = demo
    printed = ""
    for block in blocks(page):
        if block.language == "sh":
            text = re.sub(r"(http://127.0.0.1|localhost):8000", server.url, block.text)
            text = text.replace("/etc/asterisk", str(tmp_path))
            is_first = " bootstrap " in text
            own = {"FAREBOX_DATABASE_URL": empty_database} if is_first else {}
            printed = run(block._replace(text=text), tmp_path, **{**settings, **own})
            if text.startswith("curl"):
                told = json.loads(printed)
                assert told.get("status", "OK") in ("OK", "success"), f"line {block.line}"
        elif block.language == "json":
            assert json.loads(block.text) == json.loads(printed), f"line {block.line}"
        else:
            assert block.language == "text", f"line {block.line}"


def test_operating_does_what_it_shows(empty_database: str, redis_url: str, tmp_path: Path) -> None:
    """The commands of the operator's page work, one after the other, on one database."""
    settings = {
        "FAREBOX_DATABASE_URL": empty_database,
        "FAREBOX_REDIS_URL": redis_url,
        "FAREBOX_DATA_DIR": str(tmp_path / "data"),
    }
    printed = ""
    for block in blocks(OPERATING):
        assert block.language in ("sh", "text")
        if block.text.startswith("farebox serve"):
            arguments = block.text.split()[2:]
            with serving(*arguments, settings=settings) as server:
                assert 0 == server.stop()
        elif block.language == "sh":
            printed += run(block, tmp_path, **settings)

    for sentence in (
        "user 1 may sign in as admin",
        "added 1 campaigns and 0 vouchers",
        "would add 0 campaigns and 2 vouchers",
        "added 0 campaigns and 2 vouchers",
    ):
        assert sentence in printed


@pytest.mark.parametrize(
    "document", [README, *sorted(ROOT.glob("docs/*.md"))], ids=lambda p: p.name
)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document names a file that exists."""
    text = document.read_text(encoding="utf-8")
    targets = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [] == [link for link in targets if not (document.parent / link).exists()]


def _data(folder: Path) -> dict[str, str]:
    return {"FAREBOX_DATA_DIR": str(folder / "data")}

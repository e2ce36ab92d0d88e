"""The house style as tests: sizes, words, neighbours, contracts between layers, linters and types.

Every failure says which line it means and how to mend it. Long functions are held by a ratchet: the
recorded ones may only shrink, and no other may join them.
"""

import ast
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

from farebox.core import Outcome

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "farebox"
NATIVE = ROOT / "native"
CODE_FOLDERS = ("src", "tests", "benchmarks", "native")

WIDTH = 100
LINES_MAX = {
    "py": 500,
    "pyx": 400,
    "pxd": 400,
    "pxi": 400,
    "h": 400,
    "sql": 500,
    "lua": 120,
    "pyi": 300,
}
# Files allowed to be longer, with the length they may not pass again: a native class cannot be
# divided over files.
LONG_FILES = {"native/voucher.pyx": 453}
TEST_LINES_MAX = 800
WIRE_LINES_MAX = 700
FUNCTION_LINES_MAX = 70
HANDLER_LINES_MAX = 40
# Beside a line for each field.
RESOURCE_LINES_MAX = 20

# Functions allowed to be longer than FUNCTION_LINES_MAX, with the length they may not pass again.
LONG_FUNCTIONS: dict[str, int] = {}

BANNED = {
    r"\bdatetime\.now\(|\bdatetime\.utcnow\(|(?<![\w.])time\.time(_ns)?\(": "take a clock",
    r"(?<![\w.])random\.": "take a source of random bytes",
    r"(?i)coupon": "the word is voucher",
    r"(?<![.\w])print\(": "log, or return the text",
    r"^\s*except:": "name the errors",
    r"\bTODO\b|\bFIXME\b|\bXXX\b": "do it, or open an issue",
}
# Where the clock, the random source and the terminal come from.
COMPOSITION_ROOT = ("__main__.py", "app.py", "cli/")


def files(*suffixes: str, under: tuple[str, ...] = CODE_FOLDERS) -> list[Path]:
    """Our files of these kinds, without what builds and caches leave behind."""
    return [
        path
        for folder in under
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix.lstrip(".") in suffixes and "__pycache__" not in path.parts
    ]


def name_of(path: Path) -> str:
    """The path as a reader names it."""
    return path.relative_to(ROOT).as_posix()


def lines(path: Path) -> list[str]:
    """The lines of a file, without their ends."""
    return path.read_text(encoding="utf-8").split("\n")


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Every function of a module with its dotted name."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node
            yield from functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")


def length(node: ast.AST) -> int:
    """How many lines a function or call takes, decorators aside."""
    assert isinstance(node, ast.stmt | ast.expr)
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def nothing(wrong: list[str]) -> None:
    """Fail with all findings, one a line."""
    assert [] == wrong, "\n".join(["", *wrong])


def run(*command: str) -> None:
    """Run one of the installed tools; its output is the message of the failure."""
    tools = str(Path(sys.executable).parent)
    path = {"PATH": os.pathsep.join([tools, os.environ.get("PATH", "")])}
    done = subprocess.run(
        [Path(tools, command[0]), *command[1:]],
        cwd=ROOT,
        env={**os.environ, **path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def test_lines_are_narrow_and_clean() -> None:
    """No line passes 100 columns, ends in a space or holds a tab; links and tables may be wide."""
    wrong = []
    kinds = ("py", "pyi", "pyx", "pxd", "pxi", "h", "sql", "lua", "md")
    documents = [*ROOT.glob("*.md"), *files("md", under=("docs",))]
    for path in [*files(*kinds), *documents]:
        table = path.suffix == ".md"
        for number, line in enumerate(lines(path), 1):
            where = f"{name_of(path)}:{number}"
            excused = "://" in line or "noqa: E501" in line or (table and line.startswith("|"))
            if len(line) > WIDTH and not excused:
                wrong.append(f"{where}: {len(line)} columns; break the line")
            if line != line.rstrip() or "\t" in line:
                wrong.append(f"{where}: trailing space or tab")
    nothing(wrong)


def test_documents_have_one_title() -> None:
    """A Markdown file has exactly one line that starts with a single hash, outside code blocks."""
    wrong = []
    for path in [*ROOT.glob("*.md"), *files("md", under=("docs", "benchmarks"))]:
        text = path.read_text(encoding="utf-8")
        prose = re.sub(r"(?ms)^```.*?^```", "", text)
        titles = re.findall(r"^# .*$", prose, flags=re.MULTILINE)
        if len(titles) != 1:
            wrong.append(f"{name_of(path)}: {len(titles)} titles")
    nothing(wrong)


def test_files_are_short() -> None:
    """No file passes the hard limit of its kind; split it by noun or by step."""
    wrong = []
    for path in files(*LINES_MAX):
        limit = LONG_FILES.get(name_of(path), LINES_MAX[path.suffix.lstrip(".")])
        if path.parts[len(ROOT.parts)] == "tests":
            limit = TEST_LINES_MAX
        elif path.name == "wire.py":
            limit = WIRE_LINES_MAX
        if (count := len(lines(path)) - 1) > limit:
            wrong.append(f"{name_of(path)}: {count} lines, at most {limit}")
    nothing(wrong)


def test_functions_are_short() -> None:
    """No function passes 70 lines but the recorded ones, and those only shrink."""
    long = {}
    for path in files("py"):
        for name, node in functions(ast.parse(path.read_text(encoding="utf-8"))):
            if length(node) > FUNCTION_LINES_MAX:
                long[f"{name_of(path)}:{name}"] = length(node)
    assert long == LONG_FUNCTIONS


def test_handlers_and_declarations_are_short() -> None:
    """A handler has at most 40 lines, a declaration a line a field; the rest belongs below."""
    verbs = {"get", "post", "put", "patch", "delete", "route"}
    wrong = []
    for path in files("py", under=("src/farebox/api",)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
                called = [d.func for d in node.decorator_list if isinstance(d, ast.Call)]
                handler = any(isinstance(f, ast.Name) and f.id in verbs for f in called)
                limit = HANDLER_LINES_MAX if handler else None
            elif isinstance(node, ast.Call):
                named = isinstance(node.func, ast.Name) and node.func.id == "Resource"
                fields = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
                limit = RESOURCE_LINES_MAX + len(fields) if named else None
            else:
                continue
            if limit is not None and length(node) > limit:
                wrong.append(f"{name_of(path)}:{node.lineno}: {length(node)} lines, limit {limit}")
    nothing(wrong)


def test_modules_and_tests_say_what_they_are() -> None:
    """Every module has a docstring, and every test function one sentence."""
    wrong = []
    for path in files("py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if tree.body and not ast.get_docstring(tree):
            wrong.append(f"{name_of(path)}: no docstring")
        for name, node in functions(tree):
            assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            is_test = path.name.startswith("test_") and node.name.startswith("test_")
            if is_test and not (ast.get_docstring(node) or "").endswith((".", "!", "?")):
                wrong.append(f"{name_of(path)}:{node.lineno}: {name} has no sentence")
    nothing(wrong)


def test_native_modules_say_what_they_are() -> None:
    """Every native file and every SQL file begins with words, not with code."""
    wrong = [
        name_of(path)
        for path in files("pyx", "pxd", "sql", "lua", "h", under=("native", "src"))
        if not path.read_text(encoding="utf-8").startswith(('"""', "#", "--", "/*", "//"))
    ]
    nothing(wrong)


def test_words() -> None:
    """The words that have a better one do not occur in the sources."""
    wrong = []
    for path in files("py", "pyi", "sql", under=("src",)):
        inside = path.relative_to(SRC).as_posix()
        for number, line in enumerate(lines(path), 1):
            for pattern, advice in BANNED.items():
                clock = advice == "take a clock" and inside.startswith(COMPOSITION_ROOT)
                if re.search(pattern, line) and not clock:
                    wrong.append(f"{name_of(path)}:{number}: {advice}")
            if inside.startswith("api/") and re.match(r"\s*assert ", line):
                wrong.append(f"{name_of(path)}:{number}: raise a domain error")
        if path.stem in {"utils", "util", "misc", "common", "helpers"}:
            wrong.append(f"{name_of(path)}: name the file after what it does")
    nothing(wrong)


def test_nothing_is_skipped() -> None:
    """No test is skipped or expected to fail: what cannot run here is not a test."""
    pattern = re.compile(r"pytest\.(skip|xfail|importorskip)|mark\.(skip|skipif|xfail)")
    wrong = [
        f"{name_of(path)}:{number}"
        for path in files("py", under=("tests",))
        if path != Path(__file__)
        for number, line in enumerate(lines(path), 1)
        if pattern.search(line)
    ]
    nothing(wrong)


def test_sql_lives_in_sql_files() -> None:
    """No statement stands in a Python string; only the two compilers build them."""
    statement = re.compile(
        r"\b(select\b.+\bfrom|insert into|update \S+ set|delete from|create (table|index))\b",
        re.IGNORECASE | re.DOTALL,
    )
    wrong = []
    for path in files("py", under=("src",)):
        if path in (SRC / "resource" / "compile.py", SRC / "summary" / "compile.py"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            if id(node) not in prose and statement.search(node.value):
                wrong.append(f"{name_of(path)}:{node.lineno}: move it to the .sql file beside")
    nothing(wrong)


def test_sql_and_lua_have_their_neighbour() -> None:
    """Every .sql and .lua file stands beside the Python module that gives its statements out."""
    sources = {path: path.read_text(encoding="utf-8") for path in files("py", under=("src",))}
    wrong = []
    for path in files("sql", "lua", under=("src",)):
        if path.parent.name == "migrations":
            continue
        neighbour = path.with_suffix(".py")
        if neighbour not in sources:
            wrong.append(f"{name_of(path)}: no {neighbour.name} beside it")
            continue
        # The neighbour itself, and whoever is given its statements.
        module = ".".join(neighbour.relative_to(ROOT / "src").with_suffix("").parts)
        users = [text for at, text in sources.items() if at == neighbour or module in text]
        names = re.findall(r"^-- name: (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        wrong += [
            f"{name_of(path)}: nobody uses {name}"
            for name in names
            if not any(re.search(rf"\b{name}\b", text) for text in users)
        ]
    nothing(wrong)


@pytest.mark.parametrize("stem", sorted(path.stem for path in NATIVE.glob("*.pyx")))
def test_stubs_name_what_the_module_has(stem: str) -> None:
    """The stub beside a native module names exactly the module's public names."""
    stub = ast.parse((SRC / "core" / f"{stem}.pyi").read_text(encoding="utf-8"))
    declared = set()
    for node in stub.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            declared.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            declared.add(node.target.id)
    module = importlib.import_module(f"farebox.core.{stem}")
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", module.__name__) == module.__name__
        if type(value).__name__ != "module"
    }
    assert declared == public


def test_kernels_are_pure() -> None:
    """Kernels hold no Python objects, take no interpreter lock and allocate nothing."""
    wrong = []
    for path in NATIVE.glob("*.pxd"):
        text = path.read_text(encoding="utf-8")
        prose = re.compile(r'""".*?"""', re.DOTALL)
        bare = prose.sub(lambda match: "\n" * match[0].count("\n"), text)
        for number, line in enumerate(bare.split("\n"), 1):
            code = line.split("#")[0]
            if re.search(r"\bobject\b|\bwith gil\b|\bmalloc\b|\bcalloc\b|\brealloc\b", code):
                wrong.append(f"{name_of(path)}:{number}: {line.strip()}")
    for path in NATIVE.glob("*.pyx"):
        for number, line in enumerate(lines(path), 1):
            if re.match(r"\s*(from|import|cimport)\s+farebox", line):
                wrong.append(f"{name_of(path)}:{number}: native code imports nothing of ours")
    nothing(wrong)


def test_outcomes_have_one_order() -> None:
    """The enum, the kernel's enum and the page of outcomes list the same names in one order."""
    expected = [(outcome.value, outcome.name) for outcome in Outcome]
    kernel = (NATIVE / "outcome.pxd").read_text(encoding="utf-8")
    names = {name for _, name in expected}
    in_kernel = [
        (int(value), name)
        for name, value in re.findall(r"\b([A-Z][A-Z_]+)\s*=\s*(-?\d+)", kernel)
        if name in names
    ]
    page = (ROOT / "docs" / "outcomes.md").read_text(encoding="utf-8")
    on_page = [
        (int(value), name.upper())
        for value, name in re.findall(r"^\|\s*(-?\d+)\s*\|\s*`(\w+)`", page, re.MULTILINE)
    ]
    assert expected == in_kernel
    assert expected == on_page


def test_layers() -> None:
    """The contracts between layers hold; lint-imports names the import that breaks one."""
    run("lint-imports")


def test_every_module_is_reached() -> None:
    """Every module is imported, however indirectly, by the command line or the application."""
    graph = grimp.build_graph("farebox")
    roots = {"farebox.__main__", "farebox.app", "farebox.jobs"} & graph.modules
    reached, waiting = set(), list(roots)
    while waiting:
        module = waiting.pop()
        if module in reached:
            continue
        reached.add(module)
        waiting.extend(graph.find_modules_directly_imported_by(module))
        if "." in module:
            waiting.append(module.rpartition(".")[0])
    assert set() == graph.modules - reached


@pytest.mark.parametrize("layer", ["core", "domain", "engine.redemption", "engine.access"])
def test_decisions_do_without_the_web(layer: str) -> None:
    """Importing the inner layers brings in neither the web framework nor the PDF library."""
    heavy = "{'litestar', 'reportlab', 'uvicorn'}"
    code = f"import sys, farebox.{layer}; sys.exit(bool({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_format() -> None:
    """Every Python file has the one format."""
    run("ruff", "format", "--check", "src", "tests", "benchmarks")


def test_lint() -> None:
    """Ruff has nothing to say."""
    run("ruff", "check", "src", "tests", "benchmarks")


def test_native_lint() -> None:
    """Cython-lint has nothing to say."""
    run("cython-lint", "native")


def test_types() -> None:
    """Sources and tests are typed, strictly."""
    run("mypy")

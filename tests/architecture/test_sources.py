"""What we agreed not to do, and no linter knows of. An exception has a line here, with its reason."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = sorted(path for top in ("gateway", "channels", "plugins") for path in (ROOT / top).rglob("*.py"))

LONGEST_FUNCTION = 60
LONGEST_FILE = 400

LONG_FUNCTIONS: dict[str, str] = {}
"""`path:function` and why it is better in one piece."""

LONG_FILES: dict[str, str] = {
    "gateway/storage/tables.py": "the whole schema on one page: who changes a table must see its neighbours",
    "gateway/storage/migrations/versions/v0001_first_release.py": "the same schema, as the first release made it",
}

CATCHES_ALL: dict[str, str] = {
    "gateway/registry/": "the guard and the loader: a channel may raise anything",
    "gateway/workers/": "the loop: one fault must not end the worker",
    "gateway/rendering/worker.py": "what a template raises is the failure of that message, not of its batch",
    "gateway/testkit/": "the kit judges channels that may raise anything",
    "gateway/storage/database.py": "hands an exception over from the database thread to who waits for it",
}
"""Where everything may be caught and kept: a file, or a folder with its slash."""

FORBIDDEN_WORDS = frozenset({"manager", "managers", "helper", "helpers", "util", "utils", "utility", "utilities"})
SQL_LIBRARIES = frozenset({"sqlalchemy", "alembic", "psycopg", "sqlite3"})


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_file_keeps_our_habits(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    name = str(path.relative_to(ROOT))
    findings = [finding for check in CHECKS for finding in check(name, ast.parse(source), source)]
    assert not findings, "\n".join(f"{name}: {finding}" for finding in findings)


def too_long_file(name: str, tree: ast.Module, source: str) -> Iterator[str]:
    lines = source.count("\n")
    if lines > LONGEST_FILE and name not in LONG_FILES:
        yield f"{lines} lines; at most {LONGEST_FILE}: cut it where the subject changes"


def too_long_functions(name: str, tree: ast.Module, source: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION and f"{name}:{node.name}" not in LONG_FUNCTIONS:
                yield f"line {node.lineno}: {node.name} has {lines} lines; at most {LONGEST_FUNCTION}"


def swallowed_exceptions(name: str, tree: ast.Module, source: str) -> Iterator[str]:
    if any(name == place or (place.endswith("/") and name.startswith(place)) for place in CATCHES_ALL):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _catches_all(node) and not _raises_again(node):
            yield f"line {node.lineno}: catches everything; name the exceptions, or raise again at the end"


def _catches_all(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in _ALL) for kind in kinds)


_ALL = ("Exception", "BaseException")


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def forbidden_words(name: str, tree: ast.Module, source: str) -> Iterator[str]:
    for line, identifier in [(1, Path(name).with_suffix("").as_posix().replace("/", "_")), *_defined_names(tree)]:
        found = FORBIDDEN_WORDS.intersection(_words(identifier))
        if found:
            yield f"line {line}: {identifier}: `{min(found)}` says nothing; name what it does or holds"


def _defined_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield node.lineno, name


def _words(identifier: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)]


def naive_times(name: str, tree: ast.Module, source: str) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="utcnow" | "utcfromtimestamp" as called)):
                yield f"line {node.lineno}: {called} knows no zone; use datetime.now(UTC)"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="datetime"), attr="now"), args=[], keywords=[]):
                yield f"line {node.lineno}: datetime.now() knows no zone; use datetime.now(UTC)"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="datetime" | "date"), attr="today" as called)):
                yield f"line {node.lineno}: {called}() knows no zone; use datetime.now(zone).date()"


def clocks_in_the_domain(name: str, tree: ast.Module, source: str) -> Iterator[str]:
    if not name.startswith("gateway/domain/"):
        return
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="now" | "time" | "monotonic" as called, value=ast.Name(id=owner))):
                if owner in ("datetime", "time"):
                    yield f"line {node.lineno}: {owner}.{called}: the domain is handed its `now`"


def sql_outside_storage(name: str, tree: ast.Module, source: str) -> Iterator[str]:
    if name.startswith("gateway/storage/") or name == "gateway/app.py":
        return
    for line, module in imported(tree):
        if module.partition(".")[0] in SQL_LIBRARIES:
            yield f"line {line}: imports {module}: SQL lives in gateway/storage"


def plugins_beyond_the_contract(name: str, tree: ast.Module, source: str) -> Iterator[str]:
    if not name.startswith(("plugins/", "channels/")):
        return
    own = ".".join(Path(name).parts[:2])
    # A plugin's kit is for whoever tries it; the gateway never runs it.
    is_kit = re.search(r"^plugins/(\w+/kit|_\w+_kit)\.py$", name)
    seen = r"gateway\.(contract|testkit)(\.|$)" if is_kit else r"gateway\.contract(\.|$)"
    for line, module in imported(tree):
        top, _, _ = module.partition(".")
        if top == "gateway" and not re.match(seen, module):
            yield f"line {line}: imports {module}: a channel sees gateway.contract only"
        if top == "channels" and not (module == own or module.startswith(f"{own}.")):
            yield f"line {line}: imports {module}: a channel sees no other channel"


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The modules that are imported anywhere, also inside functions and for types only."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                # `from gateway import storage` imports gateway.storage.
                plain = "." not in module
                yield from ((node.lineno, f"{module}.{alias.name}" if plain else module) for alias in names)


def unfinished_work(name: str, tree: ast.Module, source: str) -> Iterator[str]:
    for n, line in enumerate(source.splitlines(), start=1):
        if re.search(r"#.*\b(TODO|FIXME|XXX|HACK)\b", line):
            yield f"line {n}: unfinished work is not marked in the source; do it, or write it into ARCHITECTURE.md"


def chatter(name: str, tree: ast.Module, source: str) -> Iterator[str]:
    if name.startswith(("gateway/demo/", "gateway/cli")):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield f"line {node.lineno}: print: only the command line talks; elsewhere log an event"


Check = Callable[[str, ast.Module, str], Iterator[str]]
CHECKS: tuple[Check, ...] = (
    too_long_file,
    too_long_functions,
    swallowed_exceptions,
    forbidden_words,
    naive_times,
    clocks_in_the_domain,
    sql_outside_storage,
    plugins_beyond_the_contract,
    unfinished_work,
    chatter,
)

PLANTED: list[tuple[Check, str, str]] = [
    (too_long_file, "gateway/x.py", "a = 1\n" * 401),
    (too_long_functions, "gateway/x.py", "async def f():\n" + "    a = 1\n" * 60),
    (swallowed_exceptions, "gateway/x.py", "try:\n    a()\nexcept Exception:\n    raise ValueError from None"),
    (swallowed_exceptions, "gateway/x.py", "try:\n    a()\nexcept (OSError, BaseException):\n    pass"),
    (swallowed_exceptions, "gateway/x.py", "try:\n    a()\nexcept:\n    pass"),
    (swallowed_exceptions, "gateway/storage/database_more.py", "try:\n    a()\nexcept Exception:\n    pass"),
    (forbidden_words, "gateway/x.py", "class SendManager: ..."),
    (forbidden_words, "gateway/x.py", "def f(date_helper): ..."),
    (forbidden_words, "gateway/x.py", "for HTTPUtil in x: ..."),
    (forbidden_words, "gateway/utils.py", ""),
    (naive_times, "gateway/x.py", "datetime.now()"),
    (naive_times, "gateway/x.py", "dt.datetime.utcnow()"),
    (naive_times, "gateway/x.py", "date.today()"),
    (clocks_in_the_domain, "gateway/domain/x.py", "datetime.now(UTC)"),
    (clocks_in_the_domain, "gateway/domain/x.py", "time.time()"),
    (sql_outside_storage, "gateway/services/x.py", "from sqlalchemy.engine import Engine"),
    (sql_outside_storage, "plugins/x.py", "def f():\n    import sqlite3"),
    (plugins_beyond_the_contract, "plugins/x.py", "from gateway.services import dispatch"),
    (plugins_beyond_the_contract, "plugins/x.py", "from gateway import settings"),
    (plugins_beyond_the_contract, "plugins/x.py", "import gateway.contracts"),
    (plugins_beyond_the_contract, "plugins/x.py", "from gateway.testkit import Case"),
    (plugins_beyond_the_contract, "plugins/_x_kit.py", "from gateway.services import dispatch"),
    (plugins_beyond_the_contract, "channels/x/kit.py", "from gateway.testkit import Case"),
    (plugins_beyond_the_contract, "channels/sms/x.py", "from channels.email import EmailChannel"),
    (plugins_beyond_the_contract, "channels/sms/x.py", "from channels import email"),
    (unfinished_work, "gateway/x.py", "a = 1  # TODO: more"),
    (chatter, "gateway/services/x.py", "print('hello')"),
]


@pytest.mark.parametrize(("check", "name", "source"), PLANTED)
def test_a_planted_fault_is_found(check: Check, name: str, source: str) -> None:
    assert len(list(check(name, ast.parse(source), source))) == 1


INNOCENT: list[tuple[Check, str, str]] = [
    (too_long_file, "gateway/x.py", "a = 1\n" * 400),
    (too_long_functions, "gateway/x.py", "def f():\n" + "    a = 1\n" * 59),
    (swallowed_exceptions, "gateway/x.py", "try:\n    a()\nexcept BaseException:\n    clean()\n    raise"),
    (swallowed_exceptions, "gateway/registry/guarded.py", "try:\n    a()\nexcept Exception:\n    pass"),
    (forbidden_words, "gateway/x.py", "from contextlib import contextmanager\nmanaged = 'x'.removesuffix('y')\n"),
    (naive_times, "gateway/x.py", "datetime.now(UTC)"),
    (clocks_in_the_domain, "gateway/services/x.py", "datetime.now(UTC)"),
    (sql_outside_storage, "gateway/storage/sends.py", "import sqlalchemy as sa"),
    (
        plugins_beyond_the_contract,
        "plugins/x.py",
        "from gateway import contract\nfrom gateway.contract.events import X",
    ),
    (plugins_beyond_the_contract, "channels/sms/x.py", "from channels.sms.wire import Y"),
    (plugins_beyond_the_contract, "plugins/_x_kit.py", "from gateway.testkit import Case"),
    (plugins_beyond_the_contract, "plugins/x/kit.py", "from gateway.testkit import Case"),
    (chatter, "gateway/cli.py", "print('hello')"),
]


@pytest.mark.parametrize(("check", "name", "source"), INNOCENT)
def test_what_is_allowed_is_not_found(check: Check, name: str, source: str) -> None:
    assert list(check(name, ast.parse(source), source)) == []


def test_every_exception_is_still_needed() -> None:
    """An exception that nobody needs any more would let the next one in."""
    for name in LONG_FILES:
        assert (ROOT / name).read_text(encoding="utf-8").count("\n") > LONGEST_FILE, name
    for entry in LONG_FUNCTIONS:
        name, _, function = entry.partition(":")
        source = (ROOT / name).read_text(encoding="utf-8")
        assert any(f" {function} " in each for each in _without_exceptions(name, source)), entry


def _without_exceptions(name: str, source: str) -> list[str]:
    return list(too_long_functions(f"./{name}", ast.parse(source), source))


def test_channels_are_a_namespace_package() -> None:
    """With an `__init__.py`, ours would hide another package of that name, such as Django's."""
    assert not (ROOT / "channels" / "__init__.py").exists()

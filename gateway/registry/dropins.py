"""Loads the files and folders that operators drop into the plugins folder."""

import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from msgspec import Struct


class DropIn(Struct, frozen=True, kw_only=True):
    """A file or folder that may hold channels. `source` names it in messages: `plugins/webhook.py`."""

    path: Path
    source: str


def present(plugins: Path | None) -> list[DropIn]:
    """The drop-ins of a folder in the order of their names; none where the folder is absent.

    Python files and folders with an `__init__.py` count, unless their name begins with `_` or `.`.
    """
    if plugins is None or not plugins.is_dir():
        return []
    named = sorted(path for path in plugins.iterdir() if not path.name.startswith(("_", ".")))
    return [DropIn(path=path, source=f"{plugins.name}/{path.name}") for path in named if is_code(path)]


def is_code(path: Path) -> bool:
    """Whether a path can be loaded: a Python file, or a folder that is a package."""
    return (path.suffix == ".py" and path.is_file()) or (path / "__init__.py").is_file()


def load(drop_in: DropIn) -> ModuleType:
    """Run a drop-in and return its module. Whatever it raises comes through, and nothing of it stays.

    Its module name is private, so that it can neither hide nor be hidden by another module.
    A folder may import its own modules relatively (`from . import errors`).
    """
    entry = _entry(drop_in.path)
    name = _private_name(drop_in.path)
    spec = importlib.util.spec_from_file_location(
        name, entry, submodule_search_locations=[str(drop_in.path)] if drop_in.path.is_dir() else None
    )
    if spec is None or spec.loader is None:
        raise ImportError("Python cannot load this file")
    module = importlib.util.module_from_spec(spec)
    # Registered before it runs: its own types are resolved through sys.modules.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        _unload(name)
        raise
    return module


def classes(module: ModuleType) -> Iterator[type]:
    """The classes with a `kind` that a module or its submodules define, those it merely imported left out."""
    for value in list(vars(module).values()):
        if isinstance(value, type) and hasattr(value, "kind") and _is_own(value, module):
            yield value


def version(drop_in: DropIn, module: ModuleType) -> str:
    """What the module says in `__version__`, or the beginning of the SHA-256 of its code."""
    told = getattr(module, "__version__", None)
    if isinstance(told, str):
        return told
    files = sorted(drop_in.path.rglob("*.py")) if drop_in.path.is_dir() else [drop_in.path]
    code = hashlib.sha256(b"".join(file.read_bytes() for file in files))
    return f"sha256:{code.hexdigest()[:12]}"


def _is_own(value: type, module: ModuleType) -> bool:
    home = value.__module__
    return home == module.__name__ or home.startswith(f"{module.__name__}.")


def _entry(path: Path) -> Path:
    return path / "__init__.py" if path.is_dir() else path


def _private_name(path: Path) -> str:
    place = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    return f"_risveglio_{place}_{path.stem.replace('.', '_')}"


def _unload(name: str) -> None:
    for loaded in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
        del sys.modules[loaded]

"""Writes a first set of settings, with keys of its own."""

import os
import secrets
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from gateway.settings.packs import FOLDER as COUNTRIES
from gateway.settings.problems import Problem, SettingsError

STARTER_FILES: Final = ("gateway.toml", "channels.toml", "policies.toml")
_DESIGNS: Final = "designs"
_KEYS: Final = ("1.key", "pepper.key")


def write_starter(folder: Path) -> list[Path]:
    """Writes the starting files and fresh keys into `folder`; the paths of what was written.

    What is there already stays as it is, so a second call writes nothing. Keys are made only where
    there is none at all: one that is missing among others was lost, and a new one in its place
    would forget suppressions and break links that are out. Raises SettingsError where the
    folder cannot be written.
    """
    try:
        return [*_write_files(folder), *_write_keys(folder / "keys")]
    except OSError as error:
        place = str(error.filename or folder)
        raise SettingsError([Problem(file=place, text=f"cannot be written: {error.strerror}")]) from error


def _write_files(folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    starter = files("gateway") / "starter"
    contents = {folder / name: (starter / name).read_bytes() for name in STARTER_FILES}
    for name in (COUNTRIES, _DESIGNS):
        (folder / name).mkdir(exist_ok=True)
        contents |= {folder / name / each.name: each.read_bytes() for each in _listed(starter / name)}
    return [path for path, content in contents.items() if _write_new(path, content, 0o644)]


def _listed(folder: Traversable) -> list[Traversable]:
    found = (each for each in folder.iterdir() if each.name.endswith(".toml"))
    return sorted(found, key=lambda each: each.name)


def _write_keys(folder: Path) -> list[Path]:
    if folder.is_dir() and any(folder.glob("*.key")):
        return []
    folder.mkdir(mode=0o700, exist_ok=True)
    paths = [folder / name for name in _KEYS]
    return [path for path in paths if _write_new(path, f"{secrets.token_urlsafe(48)}\n".encode(), 0o600)]


def _write_new(path: Path, content: bytes, mode: int) -> bool:
    """Whether the file was made; an existing one is never touched, nor is a link followed."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return True

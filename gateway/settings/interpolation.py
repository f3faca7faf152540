"""Values from elsewhere: `${NAME}`, `${NAME:-default}` and `file:path`.

They are put in once, while the settings are read, and never written out again. `$${` is a
plain `${`. A variable that is set but empty counts as not set, as `:-` has it in the shell.
"""

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway.domain.put_in import PutIn
from gateway.settings.problems import FAULTY, Page, Steps

_REFERENCE: Final = re.compile(
    r"(?P<plain>\$\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<fallback>:-(?P<default>[^{}]*))?\}|(?P<bad>\$\{)",
)
_FILE: Final = "file:"
_LARGEST_FILE_BYTES: Final = 64 * 1024
_CONTAINER_SECRETS: Final = Path("/run/secrets")


class Interpolation:
    """Puts values in, as texts that know that they were."""

    def __init__(self, folder: Path, environ: Mapping[str, str], page: Page) -> None:
        self._folder = folder
        self._environ = environ
        self._page = page

    def of(self, value: Any, steps: Steps = ()) -> Any:
        """The same value with everything in it put in. A fault is noted and gives FAULTY."""
        match value:
            case dict():
                return {key: self.of(inner, (*steps, key)) for key, inner in value.items()}
            case list():
                return [self.of(inner, (*steps, f"[{n}]")) for n, inner in enumerate(value, start=1)]
            case str():
                return self._text(value, steps)
            case _:
                return value

    def _text(self, value: str, steps: Steps) -> Any:
        faults: list[str] = []
        text = _REFERENCE.sub(lambda reference: self._variable(reference, faults), value)
        if value.startswith(_FILE) and not faults:
            text = self._contents(self._folder / text.removeprefix(_FILE), faults)
        for fault in faults:
            self._page.note(steps, fault)
        if faults:
            return FAULTY
        return value if text == value else PutIn(text)

    def _variable(self, reference: re.Match[str], faults: list[str]) -> str:
        if reference["plain"]:
            return "${"
        if reference["bad"]:
            faults.append("`${` without a name and `}`; write ${NAME}, ${NAME:-default}, or $${ for the text itself")
            return ""
        name = reference["name"]
        value = self._environ.get(name, "")
        if value:
            return value
        if reference["fallback"]:
            return reference["default"] or ""
        faults.append(f"environment variable {name} is {'empty' if name in self._environ else 'not set'}")
        return ""

    def _contents(self, path: Path, faults: list[str]) -> str:
        """The text of a file, without the line's end. What is kept in a file of its own is taken for a secret."""
        try:
            fault = _unfit(path)
            text = "" if fault else path.read_text(encoding="utf-8")
        except OSError as error:
            fault = f"{path} cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            fault = f"{path} is not UTF-8 text"
        else:
            fault = fault or ("" if text.strip() else f"{path} is empty")
        if fault:
            faults.append(fault)
            return ""
        return text.rstrip("\r\n")


def _unfit(path: Path) -> str:
    """Why a file must not be used; empty where it may. Raises OSError where there is none."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is not a file"
    if status.st_size > _LARGEST_FILE_BYTES:
        return f"{path} has {status.st_size} bytes; a value may have {_LARGEST_FILE_BYTES}"
    # Containers mount their secrets for everybody, in a place where there is nobody else.
    if status.st_mode & stat.S_IROTH and _CONTAINER_SECRETS not in path.parents:
        return f"{path} can be read by everybody on this machine: chmod 600 {path}"
    return ""

"""One file of the settings: parsed, put in, decoded."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from gateway.settings.decoding import Decoder
from gateway.settings.interpolation import Interpolation
from gateway.settings.problems import Page

Table = TypeVar("Table", bound=Struct)


class File:
    """A file below `folder`, from where `file:` values are looked for. Its faults are on its `page`."""

    def __init__(self, folder: Path, name: str, environ: Mapping[str, str]) -> None:
        self.page = Page(str(folder / name))
        self._interpolation = Interpolation(folder, environ, self.page)

    def read(self, kind: type[Table]) -> Table | None:
        contents = self.contents()
        return None if contents is None else self.decoded(kind, contents)

    def contents(self) -> dict[str, Any] | None:
        """What is in the file, with everything put in. An absent file says nothing, which is well."""
        try:
            raw = tomllib.loads(Path(self.page.file).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            self.page.note_table((), f"cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            self.page.note_table((), "is not UTF-8 text")
        except tomllib.TOMLDecodeError as error:
            self.page.note_table((), f"is not TOML: {error}")
        else:
            complete: dict[str, Any] = self._interpolation.of(raw)
            return complete
        return None

    def decoded(self, kind: type[Table], contents: Mapping[str, Any]) -> Table | None:
        return Decoder(self.page).table(kind, contents)

"""Writes a channel to begin with: one that works and passes the kit, with a name of its own."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from gateway import __version__

_SOURCES: Final = ("__init__.py", "channel.py", "kit.py")
_PAPERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pyproject.toml": "pyproject.toml.txt",
        "README.md": "README.md.txt",
        "tests/test_channel.py": "test_channel.py.txt",
    }
)


class Design(Struct, frozen=True, kw_only=True):
    """The names of a new channel. Where `kind` is another than `name`, it is a further provider of that kind."""

    name: str
    kind: str
    address_kind: str = "external_id"

    @property
    def entry(self) -> str:
        """How the catalogue calls it."""
        return self.kind if self.kind == self.name else f"{self.kind}.{self.name}"

    @property
    def module(self) -> str:
        return self.name.replace("-", "_")

    @property
    def table(self) -> str:
        """Its table in channels.toml."""
        provider = "" if self.kind == self.name else f'provider = "{self.name}"\n'
        variable = self.module.upper()
        return (
            f"[channels.{self.kind}]\n{provider}"
            'url = "https://api.example.com/messages"\n'
            f'token = "${{{variable}_TOKEN}}"\n'
            f'signing_secret = "${{{variable}_SIGNING_SECRET}}"\n'
        )


def write_drop_in(folder: Path, design: Design) -> list[Path]:
    """The folder of a drop-in below `folder`. Raises FileExistsError where there is one of that name."""
    return _write(folder / design.module, {name: _sample(name, design) for name in _SOURCES})


def write_package(folder: Path, design: Design) -> list[Path]:
    """A package to install, in a folder of its own below `folder`. Raises FileExistsError where there is one."""
    package = f"src/risveglio_{design.module}"
    texts = {f"{package}/{name}": _sample(name, design) for name in _SOURCES} | {f"{package}/py.typed": ""}
    texts |= {path: _paper(name, design) for path, name in _PAPERS.items()}
    return _write(folder / f"risveglio-{design.name}", texts)


def _write(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    folder.mkdir(parents=True)
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def _sample(name: str, design: Design) -> str:
    text = (files("gateway.testkit.scaffold") / "sample" / name).read_text(encoding="utf-8")
    begin, table, end = text.partition(_SAMPLE_TABLE)
    if table:
        text = begin + "".join(_indented(design.table)) + end
    if design.kind != design.name:
        text = text.replace(_KIND, f'{_KIND}\n    provider: ClassVar[str] = "sample"')
    text = text.replace(_KIND, f'    kind: ClassVar[str] = "{design.kind}"').replace(
        "/hooks/sample", f"/hooks/{design.kind}"
    )
    return _named(text.replace('"external_id"', f'"{design.address_kind}"'), design)


_KIND: Final = '    kind: ClassVar[str] = "sample"'
_SAMPLE_TABLE: Final = "".join(f"    {line}\n" for line in Design(name="sample", kind="sample").table.splitlines())


def _paper(name: str, design: Design) -> str:
    text = (files("gateway.testkit.scaffold") / "package" / name).read_text(encoding="utf-8")
    text = text.replace("TABLE\n", "".join(_indented(design.table)))
    text = text.replace("ENTRY", design.entry).replace("KIND", design.kind).replace("VERSION", __version__)
    return _named(text.replace("risveglio_module", f"risveglio_{design.module}"), design)


def _named(text: str, design: Design) -> str:
    """The text with the channel's name in place of the sample's."""
    title = "".join(part.capitalize() for part in design.name.split("-"))
    return text.replace("Sample", title).replace("SAMPLE", design.module.upper()).replace("sample", design.name)


def _indented(text: str) -> Iterator[str]:
    yield from (f"    {line}\n" for line in text.splitlines())

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from gateway.registry.discovery import BUILT_IN, Catalogue, discover

CHANNEL = """
    from typing import ClassVar
    from msgspec import Struct
    from gateway.contract import API, Capabilities, OneByOne, Part

    class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        url: str

    class Channel(OneByOne):
        kind = "KIND"
        api = API
        config_type = Config
        capabilities = Capabilities(address_kind="loft", parts={"text": Part(kind="text")})
"""


def channel(kind: str, more: str = "") -> str:
    return dedent(CHANNEL).replace("KIND", kind) + dedent(more)


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def loaded_modules_are_forgotten() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("_risveglio_"):
            del sys.modules[name]


def found(plugins: Path | None) -> Catalogue:
    return discover(plugins, built_in={})


def test_a_file_and_a_folder_each_bring_a_channel(plugins: Path) -> None:
    (plugins / "pigeon.py").write_text(channel("pigeon"))
    (plugins / "smoke").mkdir()
    (plugins / "smoke" / "__init__.py").write_text(channel("smoke", "from . import fire\n"))
    (plugins / "smoke" / "fire.py").write_text("WOOD = 'oak'\n")
    catalogue = found(plugins)
    assert {kind: provider.source for kind, provider in catalogue.providers.items()} == {
        "pigeon": "plugins/pigeon.py",
        "smoke": "plugins/smoke",
    }
    assert catalogue.faults == {}


def test_one_file_may_bring_two_channels(plugins: Path) -> None:
    (plugins / "birds.py").write_text(channel("pigeon", "class Other(Channel):\n    kind = 'raven'\n"))
    assert set(found(plugins).providers) == {"pigeon", "raven"}


def test_a_channel_that_a_file_merely_imports_is_not_its_own(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (plugins / "again.py").write_text("from channels_elsewhere import Channel\n")
    (plugins.parent / "channels_elsewhere.py").write_text(channel("pigeon"))
    monkeypatch.syspath_prepend(str(plugins.parent))
    catalogue = found(plugins)
    del sys.modules["channels_elsewhere"]
    assert catalogue.providers == {}
    assert catalogue.faults == {"plugins/again.py": "it holds no class with a `kind`"}


@pytest.mark.parametrize("name", ["_draft.py", ".hidden.py", "README.md", "notes.txt"])
def test_a_name_that_is_not_meant_as_a_plugin_is_passed_over(plugins: Path, name: str) -> None:
    (plugins / name).write_text("raise RuntimeError\n")
    assert found(plugins) == Catalogue(providers={}, faults={})


def test_a_folder_without_code_and_an_absent_plugins_folder_are_passed_over(plugins: Path) -> None:
    (plugins / "art").mkdir()
    assert found(plugins) == found(plugins / "absent") == found(None) == Catalogue(providers={}, faults={})


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence (line 1 of broken.py)"),
        ("import a_package_that_is_not_there", "ModuleNotFoundError: No module named 'a_package_that_is_not_there'"),
        ("def (", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("1 / 0", "ZeroDivisionError: division by zero (line 1 of broken.py)"),
        ("x = 1", "it holds no class with a `kind`"),
    ],
)
def test_a_file_that_does_not_load_is_reported_and_stops_nothing(plugins: Path, code: str, told: str) -> None:
    (plugins / "broken.py").write_text(code)
    (plugins / "pigeon.py").write_text(channel("pigeon"))
    catalogue = found(plugins)
    assert set(catalogue.providers) == {"pigeon"}
    assert catalogue.faults["plugins/broken.py"].startswith(told)


def test_nothing_of_a_file_that_raised_stays_loaded(plugins: Path) -> None:
    (plugins / "broken").mkdir()
    (plugins / "broken" / "__init__.py").write_text("from . import part\nraise RuntimeError\n")
    (plugins / "broken" / "part.py").write_text("")
    found(plugins)
    assert not [name for name in sys.modules if name.startswith("_risveglio_") and "broken" in name]


def test_a_class_that_fails_the_examination_is_reported_with_every_reason(plugins: Path) -> None:
    (plugins / "old.py").write_text(channel("pigeon", "Channel.api = 0\nChannel.config_type = dict\n"))
    catalogue = found(plugins)
    assert catalogue.providers == {}
    assert "version 0 of the contract" in catalogue.faults["plugins/old.py"]
    assert "`config_type`" in catalogue.faults["plugins/old.py"]


def test_the_second_provider_of_a_kind_is_refused_in_the_order_of_names(plugins: Path) -> None:
    (plugins / "b.py").write_text(channel("pigeon"))
    (plugins / "a.py").write_text(channel("pigeon"))
    catalogue = found(plugins)
    assert catalogue.providers["pigeon"].source == "plugins/a.py"
    assert "already provided by plugins/a.py" in catalogue.faults["plugins/b.py"]


def test_a_drop_in_cannot_take_the_place_of_a_built_in_channel(plugins: Path) -> None:
    (plugins / "email.py").write_text(channel("email"))
    catalogue = discover(plugins, wanted=[])
    assert catalogue.providers == {}
    assert "already provided by built-in email" in catalogue.faults["plugins/email.py"]


def test_a_built_in_channel_that_does_not_import_is_reported(plugins: Path) -> None:
    catalogue = discover(None, built_in={"owl": "channels.owl:OwlChannel"})
    assert "No module named 'channels.owl'" in catalogue.faults["built-in owl"]


def test_only_wanted_built_in_channels_are_imported() -> None:
    catalogue = discover(None, wanted=["pigeon"], built_in={"owl": "channels.owl:OwlChannel"})
    assert catalogue == Catalogue(providers={}, faults={})


@pytest.fixture
def installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution as pip leaves it behind: a module and its metadata."""
    site = tmp_path / "site"
    metadata = site / "risveglio_owl-2.1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: risveglio-owl\nVersion: 2.1\n")
    (metadata / "entry_points.txt").write_text("[risveglio.channels]\nowl = risveglio_owl:Channel\n")
    (site / "risveglio_owl.py").write_text(channel("owl"))
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.usefixtures("installed_package")
def test_an_installed_package_brings_a_channel_with_its_version() -> None:
    provider = discover(None, wanted=["owl"], built_in={}).providers["owl"]
    assert (provider.source, provider.version) == ("package risveglio-owl: owl", "2.1")
    del sys.modules["risveglio_owl"]


@pytest.mark.usefixtures("installed_package")
def test_an_installed_package_that_no_table_names_is_not_even_imported() -> None:
    assert discover(None, wanted=["pigeon"], built_in={}).providers == {}
    assert "risveglio_owl" not in sys.modules


def test_a_version_is_what_the_file_says_or_else_the_hash_of_its_code(plugins: Path) -> None:
    (plugins / "pigeon.py").write_text(channel("pigeon", "__version__ = '1.4'\n"))
    (plugins / "raven.py").write_text(channel("raven"))
    providers = found(plugins).providers
    assert providers["pigeon"].version == "1.4"
    before = providers["raven"].version
    assert before.startswith("sha256:")
    (plugins / "raven.py").write_text(channel("raven", "# changed\n"))
    assert found(plugins).providers["raven"].version != before


def test_files_of_one_name_in_two_folders_do_not_mix(plugins: Path) -> None:
    other = plugins.parent / "other"
    other.mkdir()
    (plugins / "bird.py").write_text(channel("pigeon"))
    (other / "bird.py").write_text(channel("raven"))
    first = found(plugins).providers["pigeon"].channel
    second = found(other).providers["raven"].channel
    assert sys.modules[first.__module__] is not sys.modules[second.__module__]


@pytest.mark.parametrize("kind", sorted(BUILT_IN))
def test_every_built_in_channel_passes_the_examination(kind: str) -> None:
    catalogue = discover(None, wanted=[kind])
    assert catalogue.faults == {}
    assert set(catalogue.providers) == {kind}


def test_a_second_provider_of_a_kind_goes_by_a_name_of_its_own(plugins: Path) -> None:
    (plugins / "a.py").write_text(channel("pigeon"))
    (plugins / "b.py").write_text(channel("pigeon", "Channel.provider = 'express'\n"))
    catalogue = found(plugins)
    assert set(catalogue.providers) == {"pigeon", "pigeon.express"}
    assert catalogue.of_kind("pigeon") == ["pigeon", "pigeon.express"]
    assert catalogue.faults == {}


def test_a_name_that_is_no_name_is_refused(plugins: Path) -> None:
    (plugins / "b.py").write_text(channel("pigeon", "Channel.provider = 'Express Mail'\n"))
    assert "`provider` must be" in found(plugins).faults["plugins/b.py"]

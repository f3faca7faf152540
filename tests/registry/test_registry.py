import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import structlog

from gateway.contract import ChannelMisconfigured
from gateway.registry import Catalogue, Loan, Registry, Setup, configure, discover, open_registry
from gateway.testkit.recorder import Recorder

PIGEON = """
    from pathlib import Path
    from msgspec import Struct
    from gateway.contract import API, Capabilities, ChannelMisconfigured, OneByOne, Part, Secret

    class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        loft: str = "north"
        ring: Secret | None = None

    class Pigeon(OneByOne):
        kind = "pigeon"
        api = API
        config_type = Config
        capabilities = Capabilities(address_kind="loft", parts={"text": Part(kind="text")})

        def __init__(self, config, context):
            super().__init__(config, context)
            if config.loft == "nowhere":
                raise ValueError("loft: there is no loft 'nowhere'")
            if config.loft == "leaky":
                raise KeyError(config.ring.reveal())

        async def open(self):
            if self.config.loft == "closed":
                raise ChannelMisconfigured("closed", "the loft is closed")
            (self.context.files / "opened").touch()

        async def close(self):
            (self.context.files / "closed").touch()
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "pigeon.py").write_text(dedent(PIGEON))
    (folder / "raven.py").write_text(dedent(PIGEON).replace("pigeon", "raven"))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if name.startswith("_risveglio_"):
            del sys.modules[name]


async def test_named_channels_are_opened_and_closed_again(plugins: Path, loan: Loan) -> None:
    async with open_registry({"pigeon": {}}, plugins, loan) as registry:
        installed = registry.ready["pigeon"]
        assert (installed.kind, installed.source) == ("pigeon", "plugins/pigeon.py")
        assert installed.capabilities.address_kind == "loft"
        assert (loan.files / "pigeon" / "opened").exists()
        assert not (loan.files / "pigeon" / "closed").exists()
    assert (loan.files / "pigeon" / "closed").exists()


async def test_a_channel_that_is_not_to_be_opened_opens_when_it_is_first_called(plugins: Path, loan: Loan) -> None:
    async with open_registry({"pigeon": {}, "raven": {}}, plugins, loan, opens=["raven"]) as registry:
        opened = loan.files / "pigeon" / "opened"
        assert not opened.exists()
        await registry.ready["pigeon"].channel.check()
        assert opened.exists()


async def test_a_registry_knows_which_keys_are_set_and_what_reads_them(plugins: Path, loan: Loan) -> None:
    tables = {"pigeon": {"loft": "nowhere"}, "dove": {"ring": "s3cret"}, "raven": {"enabled": False}}
    async with open_registry(tables, plugins, loan) as registry:
        assert set(registry.broken) == set(registry.setups) == {"pigeon", "dove"}
        assert registry.setups["pigeon"].keys == ("loft",)
        assert registry.setups["pigeon"].config_type is not None
        assert registry.setups["dove"] == Setup(keys=("ring",))


async def test_a_channel_that_no_table_names_is_not_built(plugins: Path, loan: Loan) -> None:
    async with open_registry({"pigeon": {}}, plugins, loan) as registry:
        assert set(registry.ready) == {"pigeon"}
        assert registry.broken == registry.faults == {}
    assert not (loan.files / "raven").exists()


async def test_a_channel_that_is_switched_off_is_neither_ready_nor_broken(plugins: Path, loan: Loan) -> None:
    tables = {"pigeon": {"enabled": False, "nonsense": 1}, "raven": {"enabled": True}}
    async with open_registry(tables, plugins, loan) as registry:
        assert set(registry.ready) == {"raven"}
        assert registry.broken == {}


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"loft": 7}, "config/channels.toml: [channels.pigeon] loft: must be text, got `7`"),
        ({"lofd": "x"}, "config/channels.toml: [channels.pigeon] lofd: unknown key; did you mean `loft`?"),
        ({"loft": "nowhere"}, "config/channels.toml: [channels.pigeon] loft: there is no loft 'nowhere'"),
        ({"enabled": "no"}, "config/channels.toml: [channels.pigeon] enabled: must be true or false"),
        ("north", "config/channels.toml: [channels.pigeon] must be a table"),
    ],
)
async def test_a_broken_table_is_told_and_stops_no_other_channel(
    plugins: Path, loan: Loan, table: Any, told: str
) -> None:
    async with open_registry({"pigeon": table, "raven": {}}, plugins, loan) as registry:
        assert registry.broken == {"pigeon": told}
        assert set(registry.ready) == {"raven"}


async def test_the_place_of_the_tables_is_named_as_the_caller_says(plugins: Path, loan: Loan) -> None:
    async with open_registry({"pigeon": {"x": 1}}, plugins, loan, where="/srv/channels.toml") as registry:
        assert registry.broken["pigeon"].startswith("/srv/channels.toml: [channels.pigeon] x: unknown key")


async def test_a_bug_in_a_constructor_breaks_one_channel_and_shows_no_secret(
    plugins: Path, loan: Loan, recorder: Recorder
) -> None:
    tables = {"pigeon": {"loft": "leaky", "ring": "s3cret-ring"}, "raven": {}}
    async with open_registry(tables, plugins, loan) as registry:
        assert set(registry.ready) == {"raven"}
        assert "plugins/pigeon.py failed: KeyError" in registry.broken["pigeon"]
        assert "s3cret-ring" not in f"{registry.broken}{recorder.entries}"


async def test_a_kind_that_nobody_provides_names_what_there_is_and_what_did_not_load(plugins: Path, loan: Loan) -> None:
    (plugins / "dove.py").write_text("raise RuntimeError('no licence')")
    async with open_registry({"dove": {}}, plugins, loan) as registry:
        assert "there is no channel of this kind (there is: pigeon, raven" in registry.broken["dove"]
        assert "plugins/dove.py: RuntimeError: no licence" in registry.broken["dove"]
        assert set(registry.faults) == {"plugins/dove.py"}


async def test_a_channel_that_does_not_open_is_ready_and_tells_it_when_asked(plugins: Path, loan: Loan) -> None:
    async with open_registry({"pigeon": {"loft": "closed"}, "raven": {}}, plugins, loan) as registry:
        assert set(registry.ready) == {"pigeon", "raven"}
        with pytest.raises(ChannelMisconfigured, match="the loft is closed"):
            await registry.ready["pigeon"].channel.check()


async def test_each_channel_gets_its_own_folder_log_and_webhook_url(
    plugins: Path, loan: Loan, recorder: Recorder, http: Any
) -> None:
    registry = configure({"pigeon": {}, "raven": {}}, discover(plugins, wanted=[]), loan, http)
    contexts = {kind: installed.channel._channel.context for kind, installed in registry.ready.items()}
    contexts["raven"].log.info("raven.flies")
    assert contexts["pigeon"].files != contexts["raven"].files
    assert contexts["raven"].hook_url == "https://gateway.example/hooks/raven"
    assert contexts["raven"].now() == loan.now()
    assert recorder.entries[-1] == {"event": "raven.flies", "channel": "raven", "level": "info"}


async def test_what_is_installed_is_logged_with_its_source_and_version(
    plugins: Path, loan: Loan, recorder: Recorder
) -> None:
    async with open_registry({"pigeon": {}}, plugins, loan):
        pass
    told = recorder.entries[0]
    assert (told["event"], told["channel"], told["source"]) == ("channel.installed", "pigeon", "plugins/pigeon.py")
    assert told["version"].startswith("sha256:")


def test_a_registry_cannot_be_changed() -> None:
    empty: Any = configure({}, Catalogue(providers={}, faults={}), None, None)  # type: ignore[arg-type]
    assert isinstance(empty, Registry)
    with pytest.raises(TypeError):
        empty.ready["pigeon"] = None
    with pytest.raises(AttributeError):
        empty.broken = {}


def test_the_recorder_is_a_true_structlog_logger(recorder: Recorder) -> None:
    assert isinstance(recorder.log.bind(), structlog.BoundLogger)


async def test_the_table_chooses_among_several_providers_of_a_kind(plugins: Path, loan: Loan) -> None:
    (plugins / "express.py").write_text((plugins / "raven.py").read_text() + "    provider = 'express'\n")
    async with open_registry({"raven": {}}, plugins, loan) as registry:
        assert registry.ready["raven"].source == "plugins/raven.py"
    async with open_registry({"raven": {"provider": "express"}}, plugins, loan) as registry:
        assert registry.ready["raven"].source == "plugins/express.py"


async def test_a_provider_that_is_not_there_is_told_with_those_that_are(plugins: Path, loan: Loan) -> None:
    (plugins / "express.py").write_text((plugins / "raven.py").read_text() + "    provider = 'express'\n")
    async with open_registry({"raven": {"provider": "exprss"}}, plugins, loan) as registry:
        told = registry.broken["raven"]
    assert '[channels.raven] no provider `exprss`; set provider = "..." to one of: express' in told

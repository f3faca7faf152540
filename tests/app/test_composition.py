"""A process of the gateway, put together from its settings."""

from pathlib import Path

import pytest

from gateway.app.composition import open_gateway
from gateway.app.opening import NoDatabase, SchemaOutdated, open_database
from gateway.storage import audit, schema
from gateway.storage.database import Database
from tests.app.place import Place


async def test_a_broken_channel_leaves_the_others_ready(place: Place) -> None:
    place.script_channels("letter", "paper")
    place.write("channels.toml", "[channels.letter]\n[channels.paper]\ninkk = 3\n[channels.email]\n[channels.dove]\n")
    async with open_gateway(place.settings(), migrate=True) as gateway:
        assert set(gateway.installation.channels) == set(gateway.registry.ready) == {"letter"}
        broken = gateway.registry.broken
        assert set(broken) == {"paper", "email", "dove"}
        assert broken["paper"].startswith(f"{place.config / 'channels.toml'}: [channels.paper] inkk: unknown key")


async def test_a_plugin_that_does_not_load_leaves_the_others_ready(place: Place) -> None:
    place.script_channels("letter")
    (place.folder / "plugins" / "bad.py").write_text("import nonsense_that_is_not_there\n")
    async with open_gateway(place.settings(), migrate=True) as gateway:
        assert set(gateway.registry.ready) == {"letter"}
        assert "nonsense_that_is_not_there" in gateway.registry.faults["plugins/bad.py"]


async def test_an_empty_database_is_refused_unless_it_may_be_brought_up_to_date(
    nothing_url: str, tmp_path: Path
) -> None:
    settings = Place(tmp_path, database_url=nothing_url).settings()
    with pytest.raises(SchemaOutdated, match="run `risveglio migrate` first"):
        async with open_gateway(settings):
            pass
    async with open_gateway(settings, migrate=True) as gateway:
        assert schema.version(gateway.db) == schema.head()
    async with open_gateway(settings):
        pass


@pytest.mark.parametrize("migrate", [True, False])
def test_a_database_of_a_newer_release_is_refused(database_url: str, tmp_path: Path, migrate: bool) -> None:
    newer = Database(database_url, connections=1)
    with newer.transaction() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = 'v9999'")
    newer.close()
    with pytest.raises(SchemaOutdated):
        open_database(Place(tmp_path, database_url=database_url).settings(), migrate=migrate)


def test_a_database_that_does_not_answer_is_named_without_its_password(tmp_path: Path, closed_port: int) -> None:
    url = f"postgresql://gateway:s3cret-word@127.0.0.1:{closed_port}/shop"
    place = Place(tmp_path, database_url=url)
    with pytest.raises(NoDatabase) as caught:
        open_database(place.settings(), migrate=False)
    told = str(caught.value)
    assert told.startswith(f"the database shop at 127.0.0.1:{closed_port} cannot be used: ")
    assert "refused" in told
    assert told.endswith(f"see [database] url in {place.config / 'gateway.toml'}")
    assert "s3cret-word" not in told


def test_a_file_that_is_no_database_is_named(place: Place) -> None:
    place.data.mkdir()
    (place.data / "risveglio.db").write_text("Dear diary, " * 100)
    with pytest.raises(NoDatabase, match=r"risveglio\.db cannot be used: file is not a database"):
        open_database(place.settings(), migrate=True)


def test_a_data_folder_that_cannot_be_made_is_named(place: Place) -> None:
    place.data.write_text("a file where the folder should be")
    with pytest.raises(NoDatabase, match=f"the folder {place.data} cannot be made: File exists"):
        open_database(place.settings(), migrate=True)


async def test_a_process_that_starts_with_other_policies_notes_it(place: Place) -> None:
    for _ in range(2):
        async with open_gateway(place.settings(), migrate=True):
            pass
    place.write("policies.toml", 'default_time_zone = "Europe/Warsaw"\n')
    async with open_gateway(place.settings(), migrate=True) as gateway:
        with gateway.db.snapshot() as tx:
            rows = audit.page(tx, None, 10, "policies")
    assert len(rows) == 2
    assert "default_time_zone" in rows[0].detail["sections"]

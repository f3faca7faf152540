"""`risveglio export batches` and `risveglio export batch`: paper from the command line."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.contract import Capabilities, Part
from gateway.services import printing
from gateway.services.claim import claim, places_due
from gateway.storage.database import Database
from tests.builders import World, installation, step
from tests.cli.conftest import Shell

PAPER = Capabilities(address_kind="external_id", parts={"text": Part(kind="text")}, batched=True)


class Press:
    """A world whose letters were gathered by some worker."""

    def __init__(self, database_url: str) -> None:
        self.db = Database(database_url)
        self.world = World(self.db, installation(channels={"paper": PAPER}))

    def gather(self, *ids: str, text: str = "ok", name: str = "wake") -> str:
        """The open batch of a job with a letter to each."""
        self.world.people(*ids, grants=["paper"])
        audience = {"kind": "ids", "ids": list(ids)}
        self.world.run(step(channels=["paper"], text=text), audience=audience, name=name)
        with self.db.snapshot() as tx:
            places = places_due(tx, self.world.house, "paper")
        for place in places:
            with self.db.transaction() as tx:
                claim(tx, self.world.house, "paper", place, worker="w", lease=timedelta(seconds=60), limit=100)
        return self.batches()[0].id

    def batches(self) -> list[printing.Batch]:
        with self.db.snapshot() as tx:
            return printing.all_of_them(tx)

    def hand_over(self, batch_id: str) -> None:
        with self.db.transaction() as tx:
            printing.hand_over(tx, self.world.house, batch_id)


@pytest.fixture
def press(shell: Shell) -> Iterator[Press]:
    shell.place.script_channels("paper")
    shell.told("migrate")
    made = Press(shell.place.settings().database.url.reveal())
    yield made
    made.db.close()


def test_a_batch_is_closed_written_listed_and_copied(shell: Shell, press: Press, tmp_path: Path) -> None:
    batch_id = press.gather("c-1", "c-2", name="Wake [bold] Łucja")
    told = shell.told("export", "batch", batch_id, "--to", str(tmp_path / "stick"))
    place = tmp_path / "stick" / batch_id
    assert told == f"2 of 2 pieces printed, in {place}\n  pieces.txt\n"
    content = (place / "pieces.txt").read_bytes()
    assert content.decode().splitlines() == ["1 c-1", "2 c-2"]
    [batch] = press.batches()
    assert batch.files[0]["sha256"] == hashlib.sha256(content).hexdigest()

    listed = shell.told("export", "batches")
    assert batch_id in listed
    assert "exported" in listed
    assert "Wake [bold] Łucja" in listed, "a name is a name, not markup"


def test_a_batch_that_is_exported_keeps_its_files(shell: Shell, press: Press) -> None:
    batch_id = press.gather("c-1")
    told = shell.told("export", "batch", batch_id)
    press.world.consents("withdrawn", "c-1", channel="paper")
    assert shell.told("export", "batch", batch_id) == told
    press.hand_over(batch_id)
    assert shell.told("export", "batch", batch_id) == told, "also when the print shop has them"


def test_a_piece_that_cannot_be_printed_is_counted(shell: Shell, press: Press) -> None:
    told = shell.told("export", "batch", press.gather("c-1", text="torn"))
    assert told.startswith("0 of 1 pieces printed, in ")


def test_an_unknown_batch_is_told(shell: Shell, press: Press) -> None:
    assert press.batches() == []
    assert shell.refused("export", "batch", "bat_nobody").endswith("Error: there is no batch bat_nobody\n")


def test_a_press_that_is_jammed_is_told_and_the_batch_waits(shell: Shell, press: Press) -> None:
    batch_id = press.gather("c-1")
    jam = shell.place.data / "channels" / "paper" / "jam"
    jam.parent.mkdir(parents=True)
    jam.touch()
    assert "Error: jam: the press is jammed" in shell.refused("export", "batch", batch_id)
    assert press.batches()[0].state == "closed"
    jam.unlink()
    assert shell.told("export", "batch", batch_id).startswith("1 of 1 pieces printed")


def test_a_channel_that_is_not_ready_is_told(shell: Shell, press: Press) -> None:
    batch_id = press.gather("c-1")
    shell.place.write("channels.toml", "")
    told = shell.refused("export", "batch", batch_id)
    assert told.endswith("Error: the channel paper is not ready; see: risveglio channel list\n")
    assert press.batches()[0].state == "open"


def test_files_that_are_gone_are_told(shell: Shell, press: Press) -> None:
    batch_id = press.gather("c-1")
    shell.told("export", "batch", batch_id)
    folder = shell.place.data / "prints" / batch_id
    folder.rename(folder.with_name("elsewhere"))
    told = shell.refused("export", "batch", batch_id)
    assert f"{folder} is gone" in told

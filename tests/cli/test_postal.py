"""`risveglio postal`: paper from the command line."""

import contextlib
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from gateway.contract import Capabilities, Part
from gateway.services import keys, mailing, printing
from gateway.services.claim import claim, places_due
from gateway.storage.database import Database
from tests.app.place import Place
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
            mailing.hand_over(tx, self.world.house, batch_id)


@pytest.fixture
def press(shell: Shell) -> Iterator[Press]:
    shell.place.script_channels("paper")
    shell.told("migrate")
    made = Press(shell.place.settings().database.url.reveal())
    yield made
    made.db.close()


def test_a_batch_is_closed_written_listed_and_copied(shell: Shell, press: Press, tmp_path: Path) -> None:
    batch_id = press.gather("c-1", "c-2", "c-3", "c-4", name="Wake [bold] Łucja")
    told = shell.told("postal", "export", batch_id, "--to", str(tmp_path / "stick"))
    place = tmp_path / "stick" / batch_id
    files = "".join(f"  {name}\n" for name in ("part1.txt", "part2.txt", "papers.txt"))
    assert told == f"4 of 4 pieces printed, in {place}\n{files}"
    content = (place / "part1.txt").read_bytes()
    assert content.decode().splitlines() == ["1 c-1", "2 c-2", "3 c-3"]
    [batch] = press.batches()
    assert batch.files[0].sha256 == hashlib.sha256(content).hexdigest()

    listed = shell.told("postal", "list")
    assert batch_id in listed
    assert "exported" in listed
    assert "Wake [bold] Łucja" in listed, "a name is a name, not markup"


def test_a_batch_is_written_where_its_copy_cannot_be(shell: Shell, press: Press, tmp_path: Path) -> None:
    batch_id = press.gather("c-1")
    (tmp_path / "stick").write_text("no folder")
    told = shell.refused("postal", "export", batch_id, "--to", str(tmp_path / "stick" / "prints"))
    assert f"but not copied to {tmp_path / 'stick' / 'prints' / batch_id}: " in told
    assert press.batches()[0].state == "exported"


def test_a_batch_that_is_exported_keeps_its_files(shell: Shell, press: Press) -> None:
    batch_id = press.gather("c-1")
    told = shell.told("postal", "export", batch_id)
    press.world.consents("withdrawn", "c-1", channel="paper")
    assert shell.told("postal", "export", batch_id) == told
    press.hand_over(batch_id)
    assert shell.told("postal", "export", batch_id) == told, "also when the print shop has them"


def test_files_that_are_gone_are_made_again_or_it_is_told_why_not(shell: Shell, press: Press) -> None:
    batch_id = press.gather("c-1")
    told = shell.told("postal", "export", batch_id)
    folder = shell.place.data / "prints" / batch_id
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for path in folder.iterdir():
        path.unlink()
    assert shell.told("postal", "export", batch_id) == told
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "part1.txt").write_text("1 somebody else\n")
    with press.db.transaction() as tx:
        tx.exec_driver_sql("UPDATE entries SET variables = NULL")
        tx.exec_driver_sql("UPDATE recipients SET external_id = 'c-9'")
    assert "cannot be made again" in shell.refused("postal", "export", batch_id)
    assert (folder / "part1.txt").read_text() == "1 somebody else\n"


def test_a_piece_that_cannot_be_printed_is_counted_and_listed(shell: Shell, press: Press) -> None:
    batch_id = press.gather("c-1", text="torn")
    assert shell.told("postal", "export", batch_id).startswith("0 of 1 pieces printed, in ")
    assert "it could not be sent (torn)" in shell.told("postal", "left-out", batch_id)
    assert '"c-1","failed","torn"' in shell.told("postal", "left-out", batch_id, "--csv")
    assert "left out: 1 torn" in shell.told("postal", "show", batch_id)


def test_a_batch_goes_to_the_shop_and_into_the_post_and_a_letter_comes_back(shell: Shell, press: Press) -> None:
    batch_id = press.gather("c-1", "c-2", "c-3", "c-4")
    shell.told("postal", "export", batch_id)
    press.world.consents("withdrawn", "c-2", channel="paper")
    assert "to take out: 2\n" in shell.told("postal", "hand-over", batch_id)
    press.world.consents("withdrawn", "c-4", channel="paper")
    listed = shell.told("postal", "pull-list", batch_id)
    rows = [line.replace("│", " ").split()[:4] for line in listed.splitlines() if "no_consent" in line]
    assert rows == [["2", "1", "2", "2026-11-20"], ["4", "2", "1", "2026-11-20"]]
    assert '"4","2","1"' in shell.told("postal", "pull-list", batch_id, "--csv")
    assert shell.told("postal", "mailed", batch_id, "--part", "1") == f"{batch_id} is handed_over; 1 parts are left\n"
    assert shell.told("postal", "mailed", batch_id) == f"{batch_id} is mailed\n"
    scanned = shell.place.data / "scanned.csv"
    scanned.write_text(f"piece,reason\n{batch_id} · 000001,moved_unknown\n{batch_id} · 000001,moved_unknown\n")
    told = shell.told("postal", "returns", str(scanned))
    assert told == "1 recorded, 1 known before, 0 seeds\n0 get no more letters there\n"
    scanned.write_text(f"piece,reason\n{batch_id} · 000009,refused\n")
    answer = shell("postal", "returns", str(scanned))
    assert (answer.exit_code, f"batch {batch_id} has no piece 9" in answer.stderr) == (1, True)


def test_a_proof_is_written_before_anything_is_printed(shell: Shell, press: Press, tmp_path: Path) -> None:
    batch_id = press.gather("c-1", "c-2")
    assert "written to" in shell.told("postal", "proof", batch_id, str(tmp_path / "proof.pdf"))
    assert (tmp_path / "proof.pdf").read_text().splitlines() == ["%PDF", "c-1 None", "c-2 None"]
    assert press.batches()[0].state == "open"


def test_an_open_batch_is_closed_or_thrown_away(shell: Shell, press: Press) -> None:
    batch_id = press.gather("c-1")
    assert shell.told("postal", "close", batch_id) == f"closed {batch_id}\n"
    assert shell.told("postal", "cancel", batch_id) == f"cancelled {batch_id}\n"
    assert "the batch is cancelled" in shell.refused("postal", "export", batch_id)


def test_a_lost_part_is_void_after_a_question(shell: Shell, press: Press) -> None:
    batch_id = press.gather("c-1")
    shell.told("postal", "export", batch_id)
    assert shell("postal", "void-part", batch_id, "1").exit_code == 1, "nobody has said yes"
    assert press.batches()[0].parts[0].voided_at is None


def test_an_unknown_batch_is_told(shell: Shell, press: Press) -> None:
    assert press.batches() == []
    for command in ("export", "show", "close", "cancel", "hand-over", "mailed", "pull-list", "left-out"):
        assert shell.refused("postal", command, "bat_nobody").endswith("Error: there is no batch bat_nobody\n")


def test_a_press_that_is_jammed_is_told_and_the_batch_waits(shell: Shell, press: Press) -> None:
    batch_id = press.gather("c-1")
    jam = shell.place.data / "channels" / "paper" / "jam"
    jam.parent.mkdir(parents=True)
    jam.touch()
    assert "Error: jam: the press is jammed" in shell.refused("postal", "export", batch_id)
    assert press.batches()[0].state == "closed"
    jam.unlink()
    assert shell.told("postal", "export", batch_id).startswith("1 of 1 pieces printed")


def test_a_channel_that_is_not_ready_is_told(shell: Shell, press: Press) -> None:
    batch_id = press.gather("c-1")
    shell.place.write("channels.toml", "")
    told = shell.refused("postal", "export", batch_id)
    assert told.endswith("Error: the channel paper is not ready; see: risveglio channel list\n")
    assert press.batches()[0].state == "open"


@contextlib.contextmanager
def serving(place: Place) -> Iterator[str]:
    """The API of an installation, in a process of its own."""
    command = [sys.executable, "-m", "gateway", "api", "--config", str(place.config)]
    url = f"http://127.0.0.1:{place.environ['RISVEGLIO_PORT']}"
    with (place.folder / "api.log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | place.environ, stderr=log)
    try:
        deadline_s = time.monotonic() + 60
        while time.monotonic() < deadline_s:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/health").status_code == 200:
                    break
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def test_the_files_of_a_gateway_elsewhere_are_fetched_and_compared(
    shell: Shell, press: Press, tmp_path: Path, unused_tcp_port: int
) -> None:
    batch_id = press.gather("c-1", "c-2")
    shell.told("postal", "export", batch_id)
    shell.place.environ["RISVEGLIO_PORT"] = str(unused_tcp_port)
    folder = shell.place.data / "prints" / batch_id
    with press.db.transaction() as tx:
        issued = keys.create(tx, "shop", ["batches:read"])
    key = tmp_path / "key"
    key.write_text(issued.token)
    with serving(shell.place) as url:
        remote = ("postal", "export", batch_id, "--url", url, "--key-file", str(key), "--to", str(tmp_path / "here"))
        told = shell.told(*remote)
        place = tmp_path / "here" / batch_id
        assert told == f"2 files fetched and compared, in {place}\n"
        assert {path.name: path.read_bytes() for path in place.iterdir()} == {
            path.name: path.read_bytes() for path in folder.iterdir()
        }
        (folder / "part1.txt").write_text("altered on its way\n")
        assert "its checksum differs" in shell.refused(*remote)
        key.write_text("rsv_nobody")
        assert "it needs the scope batches:read" in shell.refused(*remote)

"""`risveglio bounces`."""

import mailbox
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.app.opening import key_ring
from gateway.contract import Outbound
from gateway.services.installation import Installation
from gateway.storage.database import Database
from gateway.storage.tables import events, suppressions
from tests.builders import CHANNELS as INSTALLED
from tests.builders import World, step
from tests.channels.email.inbound.conftest import SAMPLES
from tests.cli.conftest import Shell

TABLE = """
[channels.email]
host = "127.0.0.1"
tls = "none"
from_address = "hello@shop.example"
bounce_domain = "bounce.shop.example"
reply_to = "people@shop.example"
"""
MAILS = {
    "c-hard": "sendmail-unknown",
    "c-soft": "exim-full",
    "c-blocked": "sendmail-dmarc",
    "c-spam": "arf-redacted",
    "c-way-out": "unsubscribe-mailto",
    "c-arrived": "postfix-relayed",
    "c-away": "absence",
}
STATES = {
    "c-hard": "bounced",
    "c-soft": "bounced",
    "c-blocked": "failed",
    "c-spam": "accepted",
    "c-way-out": "accepted",
    "c-arrived": "delivered",
    "c-away": "accepted",
}


@pytest.fixture
def world(shell: Shell) -> Iterator[World]:
    """Behind the shell; one mail to each of these people, and the mail server has taken it."""
    shell.place.write("channels.toml", TABLE)
    shell.told("migrate")
    settings = shell.place.settings()
    house = Installation(
        policies=settings.policies,
        keys=key_ring(settings.keys),
        channels={"email": INSTALLED["email"]},
        public_url=settings.public_url,
    )
    db = Database(settings.database.url.reveal())
    world = World(db, house)
    for name in MAILS:
        world.people(name, addresses=[{"kind": "email", "value": f"{name}@far.example"}])
    world.run(step(channels=["email"]))
    yield world
    db.close()


@pytest.fixture
def mails(world: World) -> dict[str, bytes]:
    """What came back, by person."""
    sent: dict[str, Outbound] = {message.recipient_id: message for message in world.pump("email")}
    return {id: mail(name, sent[id].id) for id, name in MAILS.items()}


def mail(name: str, id: str) -> bytes:
    return (SAMPLES / f"{name}.eml").read_bytes().replace(b"{id}", id.encode())


def as_files(folder: Path, mails: dict[str, bytes]) -> list[str]:
    for id, raw in mails.items():
        (folder / f"{id}.eml").write_bytes(raw)
    return [str(folder / f"{id}.eml") for id in mails]


def as_folder(folder: Path, mails: dict[str, bytes]) -> list[str]:
    as_files(folder, mails)
    return [str(folder)]


def as_maildir(folder: Path, mails: dict[str, bytes]) -> list[str]:
    box = mailbox.Maildir(folder / "Maildir")
    for raw in mails.values():
        box.add(raw)
    return [str(folder / "Maildir")]


def as_mbox(folder: Path, mails: dict[str, bytes]) -> list[str]:
    box = mailbox.mbox(folder / "all.mbox")
    for raw in mails.values():
        box.add(raw + b"\nFrom here on it is text.\n")
    box.close()
    return [str(folder / "all.mbox")]


def found(told: str) -> dict[str, int]:
    """The table's rows that are not zero."""
    rows = [line.split("│") for line in told.splitlines() if line.startswith("│")]
    counts = {cells[1].strip(): int(cells[2]) for cells in rows}
    return {word: count for word, count in counts.items() if count}


def on_record(world: World) -> tuple[int, int]:
    with world.db.snapshot() as tx:
        tables = (events, suppressions)
        noted, silenced = (tx.scalar(select(func.count()).select_from(table)) or 0 for table in tables)
    return noted, silenced


@pytest.mark.parametrize("laid", [as_files, as_folder, as_maildir, as_mbox])
def test_what_came_back_is_put_on_record_and_again_changes_nothing(
    shell: Shell,
    world: World,
    mails: dict[str, bytes],
    tmp_path: Path,
    laid: Callable[[Path, dict[str, bytes]], list[str]],
) -> None:
    folder = tmp_path / "mails"
    folder.mkdir()
    places = laid(folder, mails)
    told = found(shell.told("bounces", "read", *places))
    assert told == {
        "hard": 1,
        "soft": 1,
        "blocked": 1,
        "complaints": 1,
        "unsubscribes": 1,
        "delivered": 1,
        "ignored": 1,
    }
    assert {id: str(world.state(1, id)[0]) for id in MAILS} == STATES
    before = on_record(world)
    assert before[1] == 2, "the dead address, and that of the complaint"
    assert found(shell.told("bounces", "read", *places)) == told
    assert on_record(world) == before


def test_a_dry_run_tells_the_same_and_changes_nothing(
    shell: Shell, world: World, mails: dict[str, bytes], tmp_path: Path
) -> None:
    before = on_record(world)
    places = as_files(tmp_path, mails)
    told = found(shell.told("bounces", "read", "--dry-run", *places))
    assert told["hard"] == 1
    assert on_record(world) == before
    assert {str(world.state(1, id)[0]) for id in MAILS} == {"accepted"}


def test_forged_mails_count_nothing_and_are_counted(
    shell: Shell, world: World, mails: dict[str, bytes], tmp_path: Path
) -> None:
    before = on_record(world)
    made_up = {name: mail(name, "AZcBzQMKAAGlZW1haWwHAKd3Yx0PqLr-9vT_2uXkQw4B") for name in ("qmail-unknown", "jmrp")}
    result = shell("bounces", "read", *as_files(tmp_path, made_up))
    assert found(result.stdout) == {"forged": 2}
    assert result.stderr.count("heard.forged") == 2
    assert "far.example" not in result.stderr
    assert on_record(world) == before


def test_what_is_no_mail_is_counted_and_stops_nothing(
    shell: Shell, world: World, mails: dict[str, bytes], tmp_path: Path
) -> None:
    strange = {"a": b"", "b": b"\0" * 100, "c": b"Subject: x\n\n" + b"x" * 1_000_000, "d": mails["c-hard"]}
    assert found(shell.told("bounces", "read", *as_files(tmp_path, strange))) == {"hard": 1, "unreadable": 3}


def test_without_a_channel_that_reads_mail_it_says_so(shell: Shell, tmp_path: Path) -> None:
    shell.told("migrate")
    place = as_files(tmp_path, {"a": b"Subject: x\n\n"})[0]
    assert "no channel that is set up reads mail" in shell("bounces", "read", place).stderr
    assert "no channel sms reads mail" in shell("bounces", "read", place, "--channel", "sms").stderr
    shell.place.write("channels.toml", '[channels.email]\nhost = "127.0.0.1"\n')
    assert "from_address" in shell("bounces", "read", place).stderr

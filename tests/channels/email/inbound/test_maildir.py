"""Mails that another program puts into a maildir."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from channels.email.inbound.boxes import Maildir
from gateway.contract import ChannelMisconfigured, TransientFailure
from tests.channels.email.inbound.conftest import ID, OTHER, Listens

Sample = Callable[..., bytes]


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    folder = tmp_path / "Maildir"
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    return folder


async def emptied(folder: Path) -> None:
    while any((folder / "new").iterdir()):
        await asyncio.sleep(0.01)


async def test_what_lies_there_is_heard_and_then_moved(listens: Listens, sample: Sample, maildir: Path) -> None:
    (maildir / "new" / "1.a.host").write_bytes(sample("postfix-full"))
    (maildir / "new" / "2.b.host").write_bytes(sample("exim-unknown", OTHER))
    (maildir / "new" / "3.c.host").write_bytes(b"no mail at all")
    async with listens(maildir=str(maildir)) as ear:
        await asyncio.wait_for(emptied(maildir), 20)
    assert [event.message_id for event in ear.record.heard] == [ID, OTHER]  # type: ignore[union-attr]
    assert sorted(path.name for path in (maildir / "cur").iterdir()) == [
        "1.a.host:2,S",
        "2.b.host:2,S",
        "3.c.host:2,S",
    ]


async def test_what_cannot_be_recorded_stays_and_comes_again(listens: Listens, sample: Sample, maildir: Path) -> None:
    (maildir / "new" / "1.a.host").write_bytes(sample("postfix-full"))
    async with listens(maildir=str(maildir)) as ear:
        ear.record.away = TransientFailure("not-on-record")
        assert (await ear.notes.said("inbound.mailbox_failed"))["code"] == "not-on-record"
        assert [path.name for path in (maildir / "new").iterdir()] == ["1.a.host"]
        ear.record.away = None
        await asyncio.wait_for(emptied(maildir), 20)
    assert len(ear.record.heard) == 1


async def test_a_folder_that_is_missing_does_not_stop_the_port(listens: Listens, tmp_path: Path) -> None:
    async with listens(listen="127.0.0.1:0", maildir=str(tmp_path / "none")) as ear:
        told = await ear.notes.said("inbound.mailbox_failed")
        assert told["code"] == "no-maildir"
        assert "none/new" in told["reason"]
        assert not ear.task.done()


def test_a_mail_that_another_process_took_is_left_to_it(maildir: Path) -> None:
    box = Maildir(maildir)
    assert box.read("gone") is None
    box.done("gone")
    assert list((maildir / "cur").iterdir()) == []


def test_a_maildir_that_cannot_be_listed_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ChannelMisconfigured, match=r"inbound.maildir: .*No such file"):
        Maildir(tmp_path).waiting()

"""From the ledger to paper: a batch of the gateway itself, printed by the real press, and read back.

Whoever must not be written to any more when the batch is printed gets no page and no row.
"""

import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from channels.postal import PostalChannel
from gateway.contract import Piece
from gateway.services import consent, printing, sealing
from gateway.storage import suppressions
from gateway.storage.database import Database
from gateway.storage.tables import addresses, recipients
from gateway.workers import batcher
from tests.builders import World
from tests.channels.postal.crowd import TONGUES, message_to
from tests.channels.postal.orders import order
from tests.channels.postal.preflight.check import check_batch, needs_tools
from tests.channels.postal.preflight.order import PrintFault
from tests.channels.postal.runs import SETTINGS
from tests.workers.floor import Floor, floor_for

PEOPLE = {f"c-{number}": message_to(number) for number in range(1, 15)}
WITHDREW, SUPPRESSED, UNPRINTABLE = "c-3", "c-7", "c-9"


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    needs_tools()


@pytest.fixture
async def floor(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Floor]:
    path = tmp_path / "small.db"
    shutil.copy(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    async with floor_for(World(database), tmp_path, tables={"postal": {**SETTINGS, "records_per_part": 8}}) as made:
        yield made
    database.close()


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> dict[int, Piece]:
    """The pieces that the press was handed last for each number: their codes and URLs are random, so they are noted."""
    noted: dict[int, Piece] = {}
    write = PostalChannel.write_part

    def noting(self: PostalChannel, ticket: Any, number: int, pieces: Sequence[Piece], folder: Path) -> Any:
        files = write(self, ticket, number, pieces, folder)
        noted.update({piece.sequence: piece for piece in pieces})
        return files

    monkeypatch.setattr(PostalChannel, "write_part", noting)
    return noted


async def printed(floor: Floor, folder: Path) -> Path:
    """A closed batch, of which three people must not be printed, and its folder as the worker leaves it."""
    world = floor.world
    for id, message in PEOPLE.items():
        name = "山田 太郎" if id == UNPRINTABLE else message.name
        address = {"kind": "postal", "data": dict(message.address.data)}
        world.people(id, grants=["postal"], name=name, locale=message.locale, addresses=[address])
    world.offer("w15", title="15 €")
    world.run(the_step(), offer="w15")
    while await batcher.gather(floor.crew, "postal"):
        pass
    with floor.db.transaction() as tx:
        [batch] = printing.all_of_them(tx)
        printing.close(tx, batch.id)
    world.consents("withdrawn", WITHDREW, channel="postal")
    with floor.db.transaction() as tx:
        place = suppressions.Suppressed("postal", hash_of(floor, SUPPRESSED), "returned", "test", world.now())
        suppressions.add_each(tx, [place])
    assert await batcher.export_closed(floor.crew, folder) == 1
    return folder / batch.id


def the_step() -> dict[str, Any]:
    content = {
        tongue.locale[:2]: {
            "headline": tongue.headline,
            "body": tongue.body + "\n\n{{ coupon.code }}",
            "footer": tongue.footer,
        }
        for tongue in TONGUES
    }
    return {"name": "one", "channels": ["postal"], "content": {"postal": content}}


def meant() -> list[Piece]:
    """Who should get a piece, said without asking the gateway."""
    gone = {WITHDREW, SUPPRESSED, UNPRINTABLE}
    return [Piece(sequence=1, message=message) for id, message in PEOPLE.items() if id not in gone]


async def test_who_must_not_be_written_to_is_on_no_page_and_in_no_row(floor, handed, tmp_path):
    folder = await printed(floor, tmp_path / "prints")
    pieces = [handed[sequence] for sequence in sorted(handed)]
    assert len(pieces) == len(meant())
    check_batch(folder, order("card-a5", pieces, batch=folder.name, audience=meant()))
    for piece in pieces:
        assert floor.world.coupon(piece.message.coupon.code.replace("-", "")), "a till would not know the code"


async def test_somebody_who_withdrew_and_is_printed_all_the_same_is_found_out(floor, handed, monkeypatch, tmp_path):
    """Both nets of the gateway are taken out, when they withdraw and before their part is written."""
    monkeypatch.setattr(consent, "withdraw", lambda *facts: None)
    monkeypatch.setattr(sealing, "refused", lambda *facts: [])
    folder = await printed(floor, tmp_path / "prints")
    pieces = [handed[sequence] for sequence in sorted(handed)]
    with pytest.raises(PrintFault) as fault:
        check_batch(folder, order("card-a5", pieces, batch=folder.name, audience=meant()))
    assert fault.value.what == "audience"
    assert PEOPLE[WITHDREW].name not in str(fault.value)


def hash_of(floor: Floor, id: str) -> str:
    with floor.db.snapshot() as tx:
        found = select(addresses.c.hash).join(recipients, recipients.c.id == addresses.c.recipient_id)
        return str(tx.execute(found.where(recipients.c.external_id == id, addresses.c.kind == "postal")).scalar_one())

"""`risveglio senders`, and the release of one."""

from collections.abc import Iterator

import pytest

from gateway.domain.reputation import Counts, hour_of
from gateway.services import reputation
from gateway.storage import audit, clock, senders
from gateway.storage.database import Database
from gateway.storage.senders import Counted
from tests.builders import installation
from tests.cli.conftest import Shell


@pytest.fixture
def db(shell: Shell) -> Iterator[Database]:
    """Behind the shell: the e-mail channel is held as itself, and well as a brand."""
    shell.told("migrate")
    db = Database(shell.place.settings().database.url.reveal())
    with db.transaction() as tx:
        now = clock.now(tx).business
        counts = {"": Counts(accepted=1000, complained=5, gone=2, bounced=2), "erboristeria": Counts(accepted=12_000)}
        senders.add(tx, [Counted("email", brand, 0, hour_of(now), now, each) for brand, each in counts.items()])
        assert reputation.judge_all(tx, installation()) == 1
    yield db
    db.close()


def test_senders_are_shown_with_their_shares_and_why_one_is_held(shell: Shell, db: Database) -> None:
    own, brand = [line for line in shell.told("senders").splitlines() if "email" in line]
    assert all(word in own for word in ("held", "1,000", "5 (0.50%)", "2 (0.20%)", "for complaints"))
    assert all(word in brand for word in ("erboristeria", "well", "12,000", "0 (0.00%)"))


def test_the_status_names_a_sender_that_is_held(shell: Shell, db: Database) -> None:
    assert "sender email/- is HELD since" in shell.told("status")
    shell.told("sender", "release", "email")
    assert "HELD" not in shell.told("status")


def test_a_sender_is_released_on_record_and_an_unknown_one_is_refused(shell: Shell, db: Database) -> None:
    assert "no sender email/libreria was ever held" in shell.refused("sender", "release", "email", "libreria")
    assert shell.told("sender", "release", "email") == "released email/-\n"
    assert "held" not in shell.told("senders")
    with db.snapshot() as tx:
        [row, _] = audit.page(tx, None, 10, "sender:email/-")
    assert (row.actor, row.action) == ("cli", "sender.released")

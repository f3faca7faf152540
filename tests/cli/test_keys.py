"""`risveglio key`."""

import pytest

from gateway.services import keys
from gateway.storage.database import Database
from tests.cli.conftest import Shell


def caller_of(shell: Shell, token: str) -> keys.Caller | None:
    db = Database(shell.place.settings().database.url.reveal())
    try:
        with db.snapshot() as tx:
            return keys.authenticate(tx, token)
    finally:
        db.close()


def test_a_key_is_printed_once_listed_without_its_secret_and_revoked(shell: Shell) -> None:
    token = shell.told("key", "create", "shop", "--scope", "jobs:write", "--scope", "jobs:read", "--days", "30").strip()
    caller = caller_of(shell, token)
    assert caller is not None
    assert (caller.client, caller.scopes) == ("shop", {"jobs:write", "jobs:read"})

    listed = shell.told("key", "list")
    assert caller.key_id in listed
    assert "jobs:read jobs:write" in listed
    assert token not in listed
    assert token.rpartition("_")[2] not in listed

    assert shell.told("key", "revoke", caller.key_id) == f"revoked {caller.key_id}\n"
    assert caller_of(shell, token) is None
    assert shell.told("key", "revoke", caller.key_id) == f"revoked {caller.key_id}\n", "again does no harm"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("shop", "--scope", "root"), "no scope root; there is jobs:write"),
        (("Shop!", "--scope", "admin"), "1 to 64 of a-z 0-9 . _ -"),
        (("магазин", "--scope", "admin"), "1 to 64 of a-z 0-9 . _ -"),
        (("shop",), "Missing option '--scope'"),
        (("shop", "--scope", "admin", "--days", "0"), "0 is not in the range"),
        (("--scope", "admin"), "Missing argument 'CLIENT'"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(shell: Shell, command: tuple[str, ...], told: str) -> None:
    result = shell("key", "create", *command)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert told in result.stderr
    assert "rsv_" not in shell.told("key", "list")


def test_an_unknown_key_cannot_be_revoked(shell: Shell) -> None:
    assert shell.refused("key", "revoke", "key_nobody") == "Error: there is no API key key_nobody\n"

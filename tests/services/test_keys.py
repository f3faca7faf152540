"""Keys of callers: shown once, kept as a hash, ended by time or by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from gateway.domain.tokens import fingerprint
from gateway.services import keys
from gateway.services.keys import SCOPES, Caller, Issued
from gateway.services.problems import Invalid, NotFound
from gateway.storage import clock
from gateway.storage.database import Database
from gateway.storage.tables import api_keys


def issue(db: Database, client: str = "shop", expires_at: datetime | None = None) -> Issued:
    with db.transaction() as tx:
        return keys.create(tx, client, ["jobs:write", "jobs:read"], expires_at)


def caller(db: Database, token: str) -> Caller | None:
    with db.snapshot() as tx:
        return keys.authenticate(tx, token)


def test_a_token_tells_client_key_and_scopes(db: Database) -> None:
    issued = issue(db)
    expected = Caller(client="shop", key_id=issued.id, scopes=frozenset({"jobs:write", "jobs:read"}))
    assert caller(db, issued.token) == expected


def test_a_token_has_three_parts_and_no_more_underscores(db: Database) -> None:
    issued = issue(db)
    prefix, id, secret = issued.token.split("_")
    assert (prefix, f"key_{id}") == ("rsv", issued.id)
    assert len(secret) == 52


def test_only_the_hash_of_the_secret_is_kept(db: Database) -> None:
    secret = issue(db).token.rpartition("_")[2]
    with db.snapshot() as tx:
        row = tx.execute(select(api_keys)).one()
    assert bytes(row.hash) == fingerprint(secret.encode())
    assert secret not in repr(tuple(row))


def changed(token: str) -> list[str]:
    _, id, secret = token.split("_")
    other = "b" if secret[0] == "a" else "a"
    return [
        f"rsv_{id}_{other}{secret[1:]}",
        f"rsv_{'a' * 20}_{secret}",
        f"rsv_key_{id}_{secret}",
        f"rsv_{id}",
        f"rsv_{id}_",
        f"rsv_{id}_{secret}=",
        f"rsv_{id}_{secret}\n",
        f"RSV_{id}_{secret}",
        f"rsv_{id.upper()}_{secret}",
        f"{id}_{secret}",
        f" {token}",
        "",
        "\0",
        "rsv_'; DROP TABLE api_keys_x",
        "rsv_" + "ä" * 20 + "_" + secret,
    ]


def test_a_changed_token_is_nobodys(db: Database) -> None:
    token = issue(db).token
    assert [caller(db, each) for each in changed(token)] == [None] * len(changed(token))


def test_the_secret_of_one_key_does_not_open_another(db: Database) -> None:
    one, two = issue(db, "shop"), issue(db, "crm")
    mixed = "_".join([*one.token.split("_")[:2], two.token.split("_")[2]])
    assert caller(db, mixed) is None


def test_a_revoked_key_is_nobodys_and_the_clients_other_key_goes_on(db: Database) -> None:
    first, second = issue(db), issue(db)
    with db.transaction() as tx:
        keys.revoke(tx, first.id)
        keys.revoke(tx, first.id)
    assert caller(db, first.token) is None
    assert caller(db, second.token) is not None


def test_revoking_what_does_not_exist_is_told(db: Database) -> None:
    with db.transaction() as tx, pytest.raises(NotFound, match="key_nothing"):
        keys.revoke(tx, "key_nothing")


def test_a_key_ends_in_machine_time_and_not_in_business_time(db: Database) -> None:
    issued = issue(db, expires_at=datetime.now(UTC) + timedelta(days=1))
    with db.transaction() as tx:
        clock.move(tx, datetime.now(UTC) + timedelta(days=700))
    assert caller(db, issued.token) is not None
    with db.transaction() as tx:
        tx.execute(api_keys.update().values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert caller(db, issued.token) is None


@pytest.mark.parametrize(
    ("client", "scopes", "expires_at", "pointers"),
    [
        ("", ["jobs:read"], None, ["/client"]),
        ("Shop", ["jobs:read"], None, ["/client"]),
        ("shop\n", ["jobs:read"], None, ["/client"]),
        ("s" * 65, ["jobs:read"], None, ["/client"]),
        ("магазин", ["jobs:read"], None, ["/client"]),
        ("shop", [], None, ["/scopes"]),
        ("shop", ["jobs:read", "jobs:*", "root"], None, ["/scopes/1", "/scopes/2"]),
        ("shop", ["jobs:read"], datetime(2020, 1, 1, tzinfo=UTC), ["/expires_at"]),
        ("shop", ["jobs:read"], datetime(2999, 1, 1), ["/expires_at"]),  # noqa: DTZ001 - a zone is missing on purpose
        ("", ["root"], datetime(2020, 1, 1, tzinfo=UTC), ["/client", "/scopes/0", "/expires_at"]),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_with_every_reason(
    db: Database, client: str, scopes: list[str], expires_at: datetime | None, pointers: list[str]
) -> None:
    with db.transaction() as tx, pytest.raises(Invalid) as refused:
        keys.create(tx, client, scopes, expires_at)
    assert [problem.pointer for problem in refused.value.problems] == pointers
    with db.snapshot() as tx:
        assert keys.all_of_them(tx) == []


def test_every_scope_can_be_given_and_admin_may_do_everything(db: Database) -> None:
    with db.transaction() as tx:
        full, chief = keys.create(tx, "shop", SCOPES[:-1]), keys.create(tx, "root", ["admin", "admin"])
    narrow, boss = caller(db, full.token), caller(db, chief.token)
    assert narrow is not None
    assert boss is not None
    assert [scope for scope in SCOPES if not narrow.may(scope)] == ["admin"]
    assert all(boss.may(scope) for scope in SCOPES)
    assert boss.scopes == {"admin"}


def test_the_list_shows_keys_and_their_ends_but_no_secret(db: Database) -> None:
    first, second = issue(db, "shop"), issue(db, "crm")
    with db.transaction() as tx:
        keys.revoke(tx, first.id)
        listed = keys.all_of_them(tx)
    assert [(each.id, each.client, each.revoked_at is None) for each in listed] == [
        (first.id, "shop", False),
        (second.id, "crm", True),
    ]
    assert not any(issued.token.rpartition("_")[2] in repr(listed) for issued in (first, second))


@pytest.mark.parametrize("client", ["recipient", "cli", "gateway", "import"])
def test_no_client_can_pass_for_a_person_or_for_us(db: Database, client: str) -> None:
    with pytest.raises(Invalid, match="choose another"), db.transaction() as tx:
        keys.create(tx, client, ["admin"])

"""Opposition registers: uploads of what they said, and the addresses they must be asked about."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from gateway.domain.policy import BasisRule, Register
from gateway.domain.states import State
from gateway.services import bulk, registers
from gateway.services.problems import Conflict, NotFound
from gateway.storage import audit, suppressions
from gateway.storage.database import Database
from gateway.storage.tables import recipients
from tests.builders import NOW, World, installation, postal, step

RPO = Register(
    name="rpo-it", countries=("IT",), channels=("postal",), purposes=("marketing",), valid_for=timedelta(days=30)
)
TODAY = NOW.date()


def register(**fields: Any) -> Register:
    return msgspec.structs.replace(RPO, **fields)


class Registry(World):
    """A world whose policy knows registers."""

    def __init__(self, db: Database, *known: Register, **policies: Any) -> None:
        super().__init__(db, installation(registers=known or (RPO,), **policies))

    def household(self, id: str, number: int, *, grants: Iterable[str] = (), **profile: Any) -> dict[str, Any]:
        """A person with a letter box."""
        address = postal(number)
        self.people(id, grants=grants, **{"country": "IT", "addresses": [address]} | profile)
        return address

    def upload(self, *lines: Any, on: date = TODAY, name: str = "rpo-it") -> bulk.PageResult:
        """Lines are bytes, or what becomes JSON."""
        rows = [(n, line if isinstance(line, bytes) else msgspec.json.encode(line)) for n, line in enumerate(lines, 1)]
        with self.db.transaction() as tx:
            screened_at = registers.begin(tx, self.house, name, on, "shop")
            return registers.write_page(tx, self.house, name, screened_at, rows)

    def to_screen(self, *, within: timedelta = timedelta(0), name: str = "rpo-it", page: int = 2) -> list[Any]:
        with self.db.transaction() as tx:
            until = registers.begin_export(tx, self.house, name, within, "shop")
        lines: list[Any] = []
        after: int | None = 0
        while after is not None:
            with self.db.snapshot() as tx:
                found = registers.export(tx, self.house, name, until, after, page)
            lines += map(msgspec.json.decode, found.lines)
            after = found.after
        return lines

    def names_to_screen(self, **asked: Any) -> list[str]:
        return [line["name"] for line in self.to_screen(**asked)]

    def counts(self, name: str = "rpo-it") -> tuple[int | None, int | None, int | None, int | None]:
        """Cleared, listed, stale, never."""
        with self.db.snapshot() as tx:
            [found] = [each for each in registers.all_of_them(tx, self.house) if each.name == name]
        return found.cleared, found.listed, found.stale, found.never


@pytest.fixture
def asked(db: Database) -> Registry:
    return Registry(db)


def line(address: dict[str, Any], listed: bool = False, **more: Any) -> dict[str, Any]:
    return {"address": address, "listed": listed, **more}


def test_every_address_is_cleared_listed_stale_or_was_never_asked_about(asked: Registry) -> None:
    boxes = [asked.household(f"p-{n}", n) for n in range(1, 5)]
    assert asked.counts() == (0, 0, 0, 4)
    assert asked.upload(line(boxes[0]), line(boxes[1], listed=True)).errors == ()
    asked.upload(line(boxes[2]), on=TODAY - timedelta(days=28))
    assert asked.counts() == (2, 1, 0, 1)
    asked.later(days=3)
    assert asked.counts() == (1, 1, 1, 1)
    asked.later(days=30)
    assert asked.counts() == (0, 0, 3, 1)


def test_only_hashes_of_addresses_are_kept(asked: Registry) -> None:
    asked.upload(line(postal(city="Città Sant’Angelo")))
    with asked.db.snapshot() as tx:
        rows = tx.exec_driver_sql("SELECT * FROM screenings").all()
    assert len(rows) == 1
    assert "Via Roma" not in str(rows)
    assert "angelo" not in str(rows).lower()


def test_a_newer_screening_replaces_an_older_one_and_never_the_other_way_round(asked: Registry) -> None:
    box = asked.household("p-1", 1)
    asked.upload(line(box), on=TODAY - timedelta(days=1))
    asked.upload(line(box, listed=True), on=TODAY)
    assert asked.counts() == (0, 1, 0, 0)
    asked.upload(line(box), on=TODAY - timedelta(days=2))
    assert asked.counts() == (0, 1, 0, 0)
    asked.later(days=1)
    asked.upload(line(box), on=TODAY + timedelta(days=1))
    assert asked.counts() == (1, 0, 0, 0)


@pytest.mark.parametrize("first", [True, False])
def test_said_twice_on_one_day_listed_counts(asked: Registry, first: bool) -> None:
    box, other = asked.household("p-1", 1), asked.household("p-2", 2)
    asked.upload(line(box, listed=first), line(box, listed=not first), line(other, listed=first))
    asked.upload(line(other, listed=not first))
    assert asked.counts() == (0, 2, 0, 0)


def test_an_upload_may_be_done_again(asked: Registry) -> None:
    box = asked.household("p-1", 1)
    for _ in range(2):
        assert asked.upload(line(box)).written == 1
        assert asked.counts() == (1, 0, 0, 0)


def test_an_answer_is_forgotten_when_it_has_been_stale_for_long(asked: Registry) -> None:
    asked.upload(line(asked.household("p-1", 1)))
    for days, forgotten, counts in [(119, 0, (0, 0, 1, 0)), (2, 1, (0, 0, 0, 1))]:
        asked.later(days=days)
        with asked.db.transaction() as tx:
            assert registers.forget(tx) == forgotten
        assert asked.counts() == counts


def test_a_line_that_cannot_be_read_stops_no_other(asked: Registry) -> None:
    box = asked.household("p-1", 1)
    result = asked.upload(
        b"nonsense",
        {"address": box},
        line({"kind": "phone", "value": "+39 06 5550 0101"}),
        line({"kind": "postal", "data": {"street": "Via Roma 1", "city": "Roma"}}),
        line(box, adress="x"),
        line(box, name="Żaneta"),
    )
    assert result.written == 1
    assert [(error.line, error.pointer, error.detail) for error in result.errors] == [
        (1, "", "JSON is malformed: invalid character (byte 4)"),
        (2, "/listed", "required field is missing"),
        (3, "/address/kind", "the register is about postal"),
        (4, "/address/data", "country is missing"),
        (5, "/adress", "unknown field"),
    ]
    assert asked.counts() == (1, 0, 0, 0)


def test_a_screening_of_tomorrow_is_refused(asked: Registry) -> None:
    with pytest.raises(registers.BadDay, match="2026-11-21 is in the future"):
        asked.upload(on=TODAY + timedelta(days=1))


def test_a_screening_that_would_clear_nobody_is_refused(asked: Registry) -> None:
    asked.upload(on=TODAY - timedelta(days=30) + timedelta(days=1))
    with pytest.raises(registers.BadDay, match="2026-10-21 is too long ago: a screening of rpo-it holds for 30 days"):
        asked.upload(on=TODAY - timedelta(days=30))


def test_the_day_begins_in_the_zone_of_the_installation(db: Database) -> None:
    asked = Registry(db, default_time_zone="Pacific/Auckland")
    # One in the morning of the 21st there.
    with asked.db.transaction() as tx:
        screened_at = registers.begin(tx, asked.house, "rpo-it", date(2026, 11, 21), "shop")
    assert screened_at == datetime(2026, 11, 21, tzinfo=ZoneInfo("Pacific/Auckland"))


def test_an_unknown_register_is_told_with_those_that_there_are(asked: Registry) -> None:
    with pytest.raises(NotFound, match="there is no register rpo; there is rpo-it, as in policies"):
        asked.upload(name="rpo")


def test_uploads_and_exports_are_audited_without_addresses(asked: Registry) -> None:
    asked.household("p-1", 1)
    asked.upload(line(postal()))
    with asked.db.transaction() as tx:
        registers.end(tx, "rpo-it", 1, 0, "shop")
    asked.to_screen(within=timedelta(days=7))
    with asked.db.snapshot() as tx:
        rows = [(row.actor, row.action, row.subject, row.detail) for row in audit.page(tx, None, 10)]
    assert rows == [
        ("shop", "register.exported", "register:rpo-it", {"within_days": 7}),
        ("shop", "register.screened", "register:rpo-it", {"written": 1, "refused": 0}),
        ("shop", "register.screening", "register:rpo-it", {"screened_on": "2026-11-20"}),
    ]


# Which addresses to ask about


def test_a_line_to_screen_is_the_line_to_upload_but_for_the_answer(asked: Registry) -> None:
    asked.household("p-1", 1, name="Élodie Ðorđević")
    [found] = asked.to_screen()
    place = {"street": "Via Roma 1", "postcode": "00100", "city": "Roma", "country": "IT"}
    assert found == {"address": {"kind": "postal", "value": "", "data": place}, "name": "Élodie Ðorđević"}
    assert asked.upload(found | {"listed": False}).errors == ()
    assert asked.to_screen() == []
    assert asked.counts() == (1, 0, 0, 0)


def test_a_letter_with_a_name_of_its_own_is_not_screened_under_another(asked: Registry) -> None:
    asked.people("p-1", grants=(), country="IT", name="Żaneta", addresses=[postal(name="Rossi S.r.l.")])
    [found] = asked.to_screen()
    assert "name" not in found
    assert found["address"]["data"]["name"] == "Rossi S.r.l."


def test_what_holds_long_enough_is_not_asked_again(asked: Registry) -> None:
    boxes = {id: asked.household(id, n, name=id) for n, id in enumerate(["fresh", "old", "listed", "never"])}
    asked.upload(line(boxes["fresh"]), line(boxes["listed"], listed=True))
    asked.upload(line(boxes["old"]), on=TODAY - timedelta(days=25))
    assert asked.names_to_screen() == ["never"]
    assert asked.names_to_screen(within=timedelta(days=7)) == ["old", "never"]
    assert asked.names_to_screen(within=timedelta(days=31)) == ["fresh", "old", "listed", "never"]


def test_nobody_is_asked_about_who_said_yes_or_no_or_lives_elsewhere(asked: Registry) -> None:
    asked.household("silent", 1, name="silent")
    asked.household("granted", 2, grants=["postal"], name="granted")
    asked.household("objected", 3, name="objected")
    asked.consents("objected", "objected", channel="postal")
    asked.household("abroad", 4, name="abroad", country="FR")
    asked.household("by-box", 5, name="by-box", country=None)
    asked.household("other-channel", 6, grants=["email"], name="other-channel")
    asked.people("no-box", country="IT", name="no-box")
    # Whoever gave no country is protected by the one of the letter box.
    assert asked.names_to_screen() == ["silent", "by-box", "other-channel"]
    assert asked.counts() == (0, 0, 0, 3)


def test_who_said_yes_to_one_purpose_is_asked_about_for_the_others(db: Database) -> None:
    asked = Registry(db, register(purposes=("marketing", "service")))
    asked.household("p-1", 1, grants=["postal"], name="p-1")
    assert asked.names_to_screen() == ["p-1"]
    asked.consents("withdrawn", "p-1", channel="postal", purpose="service")
    assert asked.names_to_screen() == []


def test_the_erased_and_the_suppressed_are_left_out(asked: Registry) -> None:
    asked.household("erased", 1)
    box = asked.household("suppressed", 2)
    with asked.db.transaction() as tx:
        tx.execute(recipients.update().where(recipients.c.external_id == "erased").values(erased_at=NOW))
        place = asked.house.keys.hash_address("postal", "via roma 2||00100|roma|it")
        suppressions.add(tx, [("postal", place)], "returned", "test", NOW)
    assert box["data"]["street"] == "Via Roma 2"
    assert asked.to_screen() == []


def test_where_consent_is_needed_nobody_is_asked_about(db: Database) -> None:
    law = BasisRule(countries=("IT",), purposes=("marketing", "service"), basis="opt_in")
    asked = Registry(db, basis=(law,))
    asked.household("p-1", 1)
    assert asked.to_screen() == []


def test_a_register_of_numbers_is_asked_about_the_number_in_use(db: Database) -> None:
    calls = register(name="calls", channels=("sms",), purposes=("service",), valid_for=timedelta(days=15))
    asked = Registry(db, RPO, calls)
    numbers = [{"kind": "phone", "value": f"+39 06 5550 010{n}"} for n in (1, 2)]
    asked.people("p-1", grants=(), country="IT", name="Γιώργος", addresses=[*numbers, postal()])
    number = {"kind": "phone", "value": "+390655500101", "data": {}}
    assert asked.to_screen(name="calls") == [{"address": number, "name": "Γιώργος"}]
    asked.upload(line(number), name="calls")
    assert asked.counts("calls") == (1, 0, 0, 0)
    assert asked.counts("rpo-it") == (0, 0, 0, 1)


def test_of_a_register_whose_channels_are_away_nothing_is_known(db: Database) -> None:
    asked = Registry(db, register(name="calls", channels=("voice",)))
    assert asked.counts("calls") == (None, None, None, None)
    with pytest.raises(Conflict, match="nobody knows which addresses calls is about: none of its channels"):
        asked.to_screen(name="calls")


# The whole way


def test_paper_goes_only_to_those_whom_the_register_has_cleared_or_who_agreed(asked: Registry) -> None:
    boxes = {
        id: asked.household(id, n, grants=["postal"] if id == "agreed" else ())
        for n, id in enumerate(["cleared", "listed", "stale", "never", "agreed"])
    }
    asked.upload(line(boxes["cleared"]), line(boxes["listed"], listed=True), line(boxes["agreed"], listed=True))
    asked.upload(line(boxes["stale"]), on=TODAY - timedelta(days=29))
    asked.later(days=2)
    job = asked.run(step("letter", ["postal"]))
    states = {id: asked.state(job, id, channel="postal") for id in boxes}
    no = (State.SKIPPED, "not_cleared:rpo-it")
    assert {id: state for id, (state, _) in states.items() if state is State.QUEUED}.keys() == {"cleared", "agreed"}
    assert [states[id] for id in ("listed", "stale", "never")] == [no, no, no]

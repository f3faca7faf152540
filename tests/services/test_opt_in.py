"""Double opt-in: asked once, confirmed once, and never a nuisance."""

import threading
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from gateway.contract import Capabilities, Part
from gateway.domain.consent import OptInInput
from gateway.domain.languages import language_of, messages_in
from gateway.domain.policy import DEFAULT_PURPOSES, Purpose
from gateway.domain.preferences import Proof
from gateway.domain.templates import compile_content
from gateway.services import compose, opt_in
from gateway.services.opt_in import AskedTooOften, OptIn, Question
from gateway.services.problems import Invalid
from gateway.storage import audit, clock, consents, entries, jobs, suppressions
from gateway.storage.database import Database
from gateway.storage.tables import opt_ins
from gateway.storage.types import Record
from tests.builders import CHANNELS, World, installation

PHONE = {"kind": "phone", "value": "+12025550142"}
SEEN = Proof(text_version="opt-in-page:en:1", evidence={"user_agent": "Firefox"})


@pytest.fixture
def eleni(world: World) -> World:
    """Somebody of whom a form says that she wants offers; she never said so herself."""
    world.people("eleni", grants=(), name="Ελένη Παππά", locale="el-GR")
    return world


def asked(id: str = "eleni", **fields: Any) -> OptInInput:
    given = {"recipient": id, "channel": "email", "purposes": ["marketing"], "source": "https://shop.example/join"}
    proof = {"text_version": "join-7", "evidence": {"ip": "192.0.2.7"}}
    return msgspec.convert({**given, **proof, **fields}, OptInInput)


def ask(world: World, id: str = "eleni", job_id: str = "job_q", **fields: Any) -> OptIn:
    request = asked(id, **fields)
    examined = opt_in.examine(world.house, request)
    with world.db.transaction() as tx:
        return opt_in.ask(tx, world.house, "shop", request, examined, job_id)


def look(world: World, id: int = 1) -> Question | None:
    with world.db.snapshot() as tx:
        return opt_in.look(tx, world.house, id)


def confirm(world: World, id: int = 1) -> Question | None:
    with world.db.transaction() as tx:
        return opt_in.confirm(tx, world.house, id, SEEN)


def state(world: World, id: int = 1) -> str | None:
    found = look(world, id)
    return found.state if found else None


def ledger(world: World, recipient_id: int = 1) -> list[Record]:
    with world.db.snapshot() as tx:
        return list(consents.of_recipient(tx, recipient_id))


def allowed(world: World, purpose: str = "marketing", channel: str = "email") -> str | None:
    with world.db.snapshot() as tx:
        return consents.state_of(tx, 1, channel, purpose)


def count(world: World) -> int:
    with world.db.snapshot() as tx:
        return len(tx.execute(opt_ins.select()).all())


def test_asking_is_on_record_and_allows_nothing(eleni: World) -> None:
    answer = ask(eleni, purposes=["marketing", "survey"])
    assert (answer.state, answer.job) == ("asked", "job_q")
    assert answer.requested_at is not None
    assert answer.expires_at == answer.requested_at + timedelta(days=7)
    rows = ledger(eleni)
    assert {(row.purpose, row.action, row.text_version, row.actor) for row in rows} == {
        ("marketing", "requested", "join-7", "shop"),
        ("survey", "requested", "join-7", "shop"),
    }
    assert [row.evidence for row in rows] == [{"asked_in": {"ip": "192.0.2.7"}, "job": "job_q"}] * 2
    assert allowed(eleni) is None
    with eleni.db.snapshot() as tx:
        assert [row.action for row in audit.page(tx, None, 10, audit.person(1))] == ["consent.requested"]


def test_the_question_is_an_ordinary_job_for_one_with_a_link_of_its_own(eleni: World) -> None:
    ask(eleni)
    with eleni.db.snapshot() as tx:
        job = jobs.get(tx, "job_q")
    assert job is not None
    assert (job.spec.purpose, job.client, job.spec.offer) == ("transactional", "shop", None)
    eleni.expand(job.id)
    assert eleni.state(job.id, "eleni") == ("queued", None)
    with eleni.db.snapshot() as tx:
        [entry] = entries.of_recipient(tx, 1)
        [variables] = [row.variables for row in entries.get(tx, [eleni.key(job.id, "eleni").entry]).values()]
    assert entry.job_id == job.id
    token = eleni.house.keys.sign_id("opt_in", 1)
    assert variables == {
        "confirm_url": f"https://gateway.example.com/o/{token}",
        "messages": messages_in("en", ["marketing"], "email", "email"),
    }


@pytest.mark.parametrize("locale", ["it-IT", "ru", "el-GR", "ar"])
def test_the_message_as_it_is_sent_holds_the_question_the_link_and_no_name(eleni: World, locale: str) -> None:
    eleni.people("eleni", grants=(), name="Buy now at evil.example", locale=locale)
    ask(eleni)
    with eleni.db.snapshot() as tx:
        [job_id] = [job.id for job in [jobs.get(tx, "job_q")] if job]
    eleni.expand(job_id)
    [taken] = eleni.claims()
    with eleni.db.snapshot() as tx:
        drafts = compose.drafts_of(tx, eleni.house, "email", taken.members)
    [draft] = drafts.drafts
    message = compile_content(drafts.contents[draft.content_hash]).render(draft.context)
    language = language_of(locale) or "en"
    assert message.locale == language
    assert messages_in(language, ["marketing"], "email", "email") in message.parts["text"]
    assert f"/o/{eleni.house.keys.sign_id('opt_in', 1)}" in message.parts["text"]
    assert "evil" not in "".join(message.parts.values())
    assert draft.unsubscribe_url is None


def test_while_it_waits_no_marketing_goes_out(eleni: World) -> None:
    ask(eleni)
    assert eleni.state(eleni.run(), "eleni") == ("skipped", "no_consent")
    confirm(eleni)
    assert eleni.state(eleni.run(), "eleni") == ("queued", None)


def test_confirming_grants_once_with_both_instants_as_proof(eleni: World) -> None:
    answer = ask(eleni, purposes=["marketing", "survey"])
    eleni.later(hours=2)
    for _ in range(3):
        assert state(eleni) in ("open", "confirmed")
        found = confirm(eleni)
        assert found is not None
        assert found.state == "confirmed"
    grants = [row for row in ledger(eleni) if row.action == "granted"]
    assert {row.purpose for row in grants} == {"marketing", "survey"}
    assert len(grants) == 2
    proof = grants[0].evidence
    assert answer.requested_at is not None
    assert msgspec.convert(proof["requested_at"], type=str).startswith(answer.requested_at.isoformat()[:19])
    assert proof["confirmed_at"] > proof["requested_at"]
    assert proof["asked_in"] == {"ip": "192.0.2.7"}
    assert proof["confirmed_on"] == {"text_version": "opt-in-page:en:1", "user_agent": "Firefox"}
    assert {(row.source, row.actor, row.text_version) for row in grants} == {("double-opt-in", "recipient", "join-7")}


def test_of_many_clicks_at_once_one_grants(eleni: World) -> None:
    ask(eleni)
    clicks = [threading.Thread(target=confirm, args=(eleni,)) for _ in range(6)]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    assert [row.action for row in ledger(eleni)] == ["requested", "granted"]


def test_looking_changes_nothing(eleni: World) -> None:
    ask(eleni)
    for _ in range(3):
        assert state(eleni) == "open"
    assert allowed(eleni) is None


def test_a_link_that_is_over_grants_nothing(eleni: World) -> None:
    ask(eleni, expires_in="PT1H")
    eleni.later(minutes=61)
    assert state(eleni) == "over"
    found = confirm(eleni)
    assert found is not None
    assert found.state == "over"
    assert allowed(eleni) is None


def test_a_confirmed_link_stays_confirmed_after_its_time_and_revives_nothing(eleni: World) -> None:
    ask(eleni, expires_in="PT1H")
    confirm(eleni)
    eleni.later(hours=2)
    eleni.consents("withdrawn", "eleni")
    assert confirm(eleni) == look(eleni)
    assert state(eleni) == "confirmed"
    assert allowed(eleni) == "withdrawn"


def test_a_link_to_an_address_that_changed_since_is_over(eleni: World) -> None:
    ask(eleni)
    eleni.people("eleni", grants=(), addresses=[{"kind": "email", "value": "other@example.com"}])
    confirm(eleni)
    assert (state(eleni), allowed(eleni)) == ("over", None)


def test_a_link_that_never_was_is_nothing(eleni: World) -> None:
    assert (look(eleni, 99), confirm(eleni, 99)) == (None, None)


def test_asked_again_within_minutes_nothing_more_is_sent(eleni: World) -> None:
    first = ask(eleni, purposes=["marketing", "survey"])
    eleni.later(minutes=9)
    again = ask(eleni, job_id="job_r")
    assert (again.state, again.job) == ("waiting", None)
    assert again.requested_at == first.requested_at
    assert count(eleni) == 1
    eleni.later(minutes=2)
    assert ask(eleni, job_id="job_s").state == "asked"


def test_what_was_not_asked_yet_is_asked_at_once(eleni: World) -> None:
    ask(eleni)
    assert ask(eleni, job_id="job_r", purposes=["marketing", "survey"]).state == "asked"


def test_an_address_is_asked_three_times_a_day_and_then_left_alone(eleni: World) -> None:
    for number in range(3):
        assert ask(eleni, job_id=f"job_{number}").state == "asked"
        eleni.later(hours=1)
    with pytest.raises(AskedTooOften) as refused:
        ask(eleni, job_id="job_3")
    assert refused.value.wait_s == pytest.approx(21 * 3600, abs=60)
    assert count(eleni) == 3
    eleni.later(seconds=refused.value.wait_s)
    assert ask(eleni, job_id="job_4").state == "asked"


def test_of_many_requests_at_once_one_is_sent(eleni: World) -> None:
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(ask(eleni, job_id=f"job_{n}").state)) for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["asked", *["waiting"] * 5]


def test_a_suppressed_address_is_not_asked_and_the_answer_says_so(eleni: World) -> None:
    suppress(eleni, 1)
    answer = ask(eleni)
    assert (answer.state, answer.job, answer.expires_at) == ("suppressed", None, None)
    assert (count(eleni), ledger(eleni)) == (0, [])
    with eleni.db.snapshot() as tx:
        assert jobs.get(tx, "job_q") is None


def suppress(world: World, *address_ids: int) -> None:
    with world.db.transaction() as tx:
        suppressions.add_addresses(tx, address_ids, "bounced", "test", clock.now(tx).business)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"recipient": "nobody"}, "/recipient"),
        ({"channel": "fax"}, "/channel"),
        ({"channel": "postal"}, "/channel"),
        ({"channel": "sms"}, "/channel"),
        ({"channel": "ticker"}, "/channel"),
        ({"purposes": ["gossip"]}, "/purposes/0"),
        ({"purposes": ["marketing", "transactional"]}, "/purposes/1"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_its_place(eleni: World, fields: dict[str, Any], pointer: str) -> None:
    ticker = Capabilities(address_kind="email", parts={"title": Part(kind="line")})
    eleni.house = installation(channels={**CHANNELS, "ticker": ticker})
    with pytest.raises(Invalid) as refused:
        ask(eleni, **fields)
    assert [problem.pointer for problem in refused.value.problems] == [pointer]
    assert count(eleni) == 0


def test_without_a_purpose_that_needs_no_consent_nobody_can_be_asked(db: Database) -> None:
    purposes = {**DEFAULT_PURPOSES, "transactional": Purpose()}
    world = World(db, installation(purposes=purposes))
    world.people("eleni", grants=())
    with pytest.raises(Invalid, match="needs that purpose"):
        ask(world)


def test_a_channel_to_the_recipients_own_id_asks_too(eleni: World) -> None:
    assert ask(eleni, channel="app").state == "asked"
    confirm(eleni)
    assert allowed(eleni, channel="app") == "granted"


def test_a_phone_is_asked_by_text_message(world: World) -> None:
    world.people("irina", grants=(), name="Ирина Соколова", addresses=[PHONE])
    assert ask(world, "irina", channel="sms").state == "asked"

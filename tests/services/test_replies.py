"""What people write back is kept once, understood, and done at once."""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.contract import EventType, Inbound, Intent, OptedOut
from gateway.domain.notices import ReplyNews, read
from gateway.domain.policy import DEFAULT_PURPOSES, Purpose
from gateway.domain.tokens import MessageRef
from gateway.services import hear, merge, people, privacy, replies
from gateway.services.problems import Conflict, NotFound
from gateway.services.publish import bodies
from gateway.storage import audit, clock, consents, endpoints, events, personal, recipients
from gateway.storage import replies as storage
from gateway.storage.tables import notices, suppressions
from gateway.storage.tables import replies as replies_
from gateway.storage.types import Record
from tests.builders import World, person, step

ADA = "+393470000001"
BORIS = "+393470000002"


@pytest.fixture
def ada(world: World) -> World:
    """Ada, who agreed to marketing by SMS and e-mail."""
    world.people("ada", grants=("sms", "email"), addresses=[sms(ADA), {"kind": "email", "value": "ada@example.com"}])
    return world


def sms(number: str) -> dict[str, str]:
    return {"kind": "phone", "value": number}


def wrote(world: World, text: str, sender: str = ADA, event_id: str = "e-1", channel: str = "sms", **more: Any) -> bool:
    with world.db.transaction() as tx:
        heard = Inbound(event_id=event_id, sender=sender, text=text, **more)
        return replies.take(tx, world.house, channel, heard)


def states(world: World, id: str = "ada") -> dict[str, str]:
    with world.db.snapshot() as tx:
        rows = consents.states_of(tx, recipients.ids_of(tx, [id])[id])
        return {f"{row.purpose}/{row.channel}": row.action for row in rows}


def kept(world: World, **asked: Any) -> Sequence[Record]:
    with world.db.snapshot() as tx:
        return storage.page(tx, None, 100, **asked)


def suppressed(world: World) -> list[tuple[str, str, str]]:
    with world.db.snapshot() as tx:
        return [(row.kind, row.reason, row.source) for row in tx.execute(select(suppressions))]


def happened(world: World, id: str = "ada") -> list[tuple[str, str | None]]:
    with world.db.snapshot() as tx:
        return [(row.type, row.code) for row in events.of_recipient(tx, recipients.ids_of(tx, [id])[id])]


def test_stop_ends_everything_on_the_channel_that_has_a_way_out_and_nothing_else(ada: World) -> None:
    assert wrote(ada, "Stop, grazie!")
    assert states(ada) == {
        "marketing/email": "granted",
        "marketing/sms": "withdrawn",
        "survey/sms": "objected",
        "service/sms": "objected",
    }
    with ada.db.snapshot() as tx:
        rows = consents.of_recipient(tx, recipients.ids_of(tx, ["ada"])["ada"])
        told = {(row.source, row.actor, row.evidence.get("reply")) for row in rows if row.action != "granted"}
        [entry] = audit.page(tx, None, 10, audit.person(recipients.ids_of(tx, ["ada"])["ada"]))
    assert told == {("stop", "recipient", "e-1")}
    assert (entry.actor, entry.action) == ("recipient", "consent.replied")
    assert ADA not in str(entry.detail)


def test_stop_stops_what_is_pending(ada: World) -> None:
    later = ada.now() + timedelta(days=1)
    pending = ada.run(step(channels=("sms",)), start_at=later)
    ada.at(later)
    ada.expand(pending)
    mail = ada.run(step(channels=("email",)))
    wrote(ada, "STOP")
    assert ada.state(pending, "ada", channel="sms") == ("cancelled", "no_consent")
    assert ada.state(mail, "ada")[0] == "queued"
    assert ada.state(ada.run(step(channels=("sms",))), "ada", channel="sms") == ("skipped", "no_consent")


def test_the_same_reply_counts_once(ada: World) -> None:
    assert wrote(ada, "STOP")
    ada.consents("granted", "ada", channel="sms")
    assert not wrote(ada, "STOP")
    assert states(ada)["marketing/sms"] == "granted"
    assert wrote(ada, "STOP", event_id="e-2")
    assert states(ada)["marketing/sms"] == "withdrawn"
    assert [row.event_id for row in kept(ada)] == ["e-2", "e-1"]


def test_stop_said_again_is_on_record_and_in_the_ledger_once(ada: World) -> None:
    wrote(ada, "STOP")
    wrote(ada, "stop!!!", event_id="e-2")
    assert len(kept(ada)) == 2
    with ada.db.snapshot() as tx:
        rows = consents.of_pair(tx, recipients.ids_of(tx, ["ada"])["ada"], "sms", "marketing")
    assert [row.action for row in rows] == ["granted", "withdrawn"]


def test_start_brings_back_what_a_stop_took_and_nothing_more(ada: World) -> None:
    ada.consents("granted", "ada", channel="sms", purpose="survey")
    ada.consents("withdrawn", "ada", channel="sms", purpose="survey")
    wrote(ada, "STOP")
    wrote(ada, "START", event_id="e-2")
    now = states(ada)
    assert now["marketing/sms"] == "granted"
    assert now["survey/sms"] == "withdrawn", "taken back on a page, and not by the STOP"
    assert now["service/sms"] == "granted", "was allowed before without a word (opt_out)"


def test_start_grants_nothing_to_whoever_had_never_agreed(world: World) -> None:
    world.people("boris", grants=(), addresses=[sms(BORIS)])
    wrote(world, "START", sender=BORIS)
    assert states(world, "boris") == {}
    wrote(world, "STOP", sender=BORIS, event_id="e-2")
    wrote(world, "START", sender=BORIS, event_id="e-3")
    assert states(world, "boris") == {
        "marketing/sms": "objected",
        "service/sms": "granted",
        "survey/sms": "objected",
    }


def test_start_undoes_a_stop_that_only_the_provider_had_heard(ada: World) -> None:
    ada.run(step(channels=("sms",)))
    ada.pump("sms", lambda message: OptedOut("21610", "the person has sent STOP"))
    assert states(ada)["marketing/sms"] == "withdrawn"
    wrote(ada, "", intent=Intent.START)
    assert states(ada)["marketing/sms"] == "granted"


def test_what_the_provider_understood_is_not_read_again(ada: World) -> None:
    wrote(ada, "ça suffit", intent=Intent.STOP, answered=True)
    assert states(ada)["marketing/sms"] == "withdrawn"
    [row] = kept(ada)
    assert (row.intent, row.answered, row.needs_review) == ("stop", True, False)


def test_help_waits_for_a_person_unless_the_provider_has_answered(ada: World) -> None:
    wrote(ada, "Aiuto")
    wrote(ada, "HELP", event_id="e-2", answered=True)
    assert [(row.intent, row.needs_review) for row in kept(ada)] == [("help", False), ("help", True)]
    assert states(ada)["marketing/sms"] == "granted"


def test_any_other_reply_changes_nothing_and_is_kept(ada: World) -> None:
    wrote(ada, "A che ora aprite? 🙂")
    [row] = kept(ada)
    assert (row.text, row.intent, row.needs_review, row.external_id) == ("A che ora aprite? 🙂", None, False, "ada")
    assert states(ada) == {"marketing/sms": "granted", "marketing/email": "granted"}


def test_a_reply_is_on_record_with_the_message_that_it_names(ada: World) -> None:
    first, second = ada.run(step(channels=("sms",))), ada.run(step(channels=("sms",)))
    ada.pump("sms")
    ada.pump("sms")
    named = ada.house.keys.sign_ref("message", MessageRef(*ada.key(first, "ada", channel="sms"), 1))
    wrote(ada, "Grazie", in_reply_to=named)
    wrote(ada, "Ciao", event_id="e-2")
    assert [row.job_id for row in kept(ada)] == [second, first]
    assert happened(ada).count(("replied", None)) == 2


def test_a_reply_to_nothing_recent_is_about_no_message(ada: World) -> None:
    ada.run(step(channels=("sms",)))
    ada.pump("sms")
    ada.later(days=31)
    wrote(ada, "Ciao")
    [row] = kept(ada)
    assert row.job_id is None
    assert ("replied", None) in happened(ada)


def test_a_made_up_message_id_is_about_no_message(ada: World) -> None:
    wrote(ada, "Ciao", in_reply_to="m-forged")
    [row] = kept(ada)
    assert row.job_id is None


def test_whoever_answers_from_another_address_is_known_by_the_message(ada: World) -> None:
    job_id = ada.run(step(channels=("email",)))
    [message] = ada.pump()
    wrote(ada, "unsubscribe", sender="ada.lovelace@example.org", channel="email", in_reply_to=message.id)
    [row] = kept(ada)
    assert (row.external_id, row.job_id) == ("ada", job_id)
    assert states(ada)["marketing/email"] == "withdrawn"
    assert suppressed(ada) == []


def test_whoever_has_the_address_speaks_for_themselves_whatever_they_answer_to(ada: World) -> None:
    ada.people("bea", addresses=[{"kind": "email", "value": "bea@example.com"}])
    ada.run(step(channels=("email",)), audience={"kind": "ids", "ids": ["ada"]})
    [message] = ada.pump()
    wrote(ada, "Stop", sender="Bea@Example.com", channel="email", in_reply_to=message.id)
    assert states(ada)["marketing/email"] == "granted"
    assert states(ada, "bea")["marketing/email"] == "withdrawn"


def test_a_stop_from_a_number_that_nobody_has_keeps_it_from_being_written_to(world: World) -> None:
    wrote(world, "СТОП", sender=BORIS)
    assert suppressed(world) == [("phone", "stop", "reply:sms")]
    world.people("boris", grants=("sms",), addresses=[sms(BORIS)])
    job_id = world.run(step(channels=("sms",)))
    assert world.state(job_id, "boris", channel="sms") == ("skipped", "suppressed")
    [row] = kept(world)
    assert (row.recipient_id, row.external_id, row.intent) == (None, None, "stop")


def test_start_lets_such_a_number_be_written_to_again_but_not_one_that_is_dead(world: World) -> None:
    wrote(world, "STOP", sender=BORIS)
    wrote(world, "START", sender=BORIS, event_id="e-2")
    assert suppressed(world) == []
    world.people("boris", grants=("sms",), addresses=[sms(BORIS)])
    world.run(step(channels=("sms",)))
    [message] = world.pump("sms")
    world.report(EventType.BOUNCED, message, address_gone=True)
    wrote(world, "START", sender=BORIS, event_id="e-3")
    assert [reason for _, reason, _ in suppressed(world)] == ["bounced"]


def test_a_sender_that_is_no_number_is_kept_all_the_same(world: World) -> None:
    assert wrote(world, "STOP", sender="36180")
    assert not wrote(world, "STOP", sender="36180")
    assert len(suppressed(world)) == 1


def test_of_an_installation_with_own_purposes_those_without_a_way_out_go_on(
    world_with: Callable[..., World],
) -> None:
    purposes = DEFAULT_PURPOSES | {"alerts": Purpose(unsubscribe=False), "club": Purpose()}
    world = world_with(purposes=purposes)
    world.people("ada", grants=(), addresses=[sms(ADA)])
    for purpose in ("alerts", "club"):
        world.consents("granted", "ada", channel="sms", purpose=purpose)
    wrote(world, "BASTA")
    assert states(world)["alerts/sms"] == "granted"
    assert states(world)["club/sms"] == "withdrawn"


def test_other_systems_are_told_that_somebody_wrote_and_not_what(ada: World) -> None:
    with ada.db.transaction() as tx:
        now = clock.now(tx).machine
        endpoints.add(
            tx,
            public_id="ep_1",
            client="shop",
            url="https://shop.example/hook",
            description="",
            types=["recipient.replied"],
            secrets=b"x",
            now=now,
        )
    wrote(ada, "Stop per favore")
    with ada.db.snapshot() as tx:
        [row] = tx.execute(select(notices)).all()
        news = read(bytes(row.body))
        [body] = bodies(tx, ada.house.keys, [news])
    assert isinstance(news, ReplyNews)
    assert (news.intent, news.channel, news.needs_review) == ("stop", "sms", False)
    assert b'"intent":"stop"' in body
    assert b'"recipient":"ada"' in body
    assert b"favore" not in body
    assert ADA.encode() not in body


# Reviewed by a person


def reviewed(world: World, verdict: replies.Verdict, id: int | None = None) -> Record:
    id = kept(world)[0].id if id is None else id
    with world.db.transaction() as tx:
        return replies.review(tx, world.house, id, verdict, actor="desk", name=f"reply-{id}")


def test_what_may_be_a_stop_waits_for_a_person_and_is_then_done(ada: World) -> None:
    wrote(ada, "perché non dite basta a questi messaggi")
    assert states(ada)["marketing/sms"] == "granted"
    assert [row.needs_review for row in kept(ada, needs_review=True)] == [True]
    row = reviewed(ada, "stop")
    assert (row.intent, row.needs_review, row.reviewed_by) == ("stop", False, "desk")
    assert states(ada)["marketing/sms"] == "withdrawn"
    assert kept(ada, needs_review=True) == []
    with ada.db.snapshot() as tx:
        [entry] = audit.page(tx, None, 10, f"reply:reply-{row.id}")
        [said] = [
            each for each in consents.of_pair(tx, row.recipient_id, "sms", "marketing") if each.action == "withdrawn"
        ]
    assert (entry.actor, entry.action, entry.detail) == ("desk", "reply.reviewed", {"verdict": "stop"})
    assert (said.source, said.actor, said.evidence) == ("stop", "desk", {"reply": "e-1", "read_by": "desk"})


def test_what_is_no_stop_changes_nothing(ada: World) -> None:
    wrote(ada, "the bus stop is closed")
    row = reviewed(ada, "nothing")
    assert (row.intent, row.needs_review, row.reviewed_by) == (None, False, "desk")
    assert states(ada)["marketing/sms"] == "granted"
    with pytest.raises(Conflict, match="read this reply already"):
        reviewed(ada, "stop")


def test_a_stop_that_no_machine_noticed_is_done_when_a_person_says_so(ada: World) -> None:
    wrote(ada, "mi avete stufato")
    reviewed(ada, "stop")
    assert states(ada)["marketing/sms"] == "withdrawn"


def test_a_reply_that_was_heeded_is_not_reviewed(ada: World) -> None:
    wrote(ada, "STOP")
    with pytest.raises(Conflict, match="said stop and was heeded"):
        reviewed(ada, "nothing")
    with pytest.raises(NotFound):
        reviewed(ada, "nothing", 99)


def test_a_reviewed_stop_of_nobody_suppresses_the_address(world: World) -> None:
    wrote(world, "would you stop that", sender=BORIS)
    reviewed(world, "stop")
    assert suppressed(world) == [("phone", "stop", "reply:sms")]


# Personal, and not for ever


def test_the_words_go_after_a_while_but_not_while_somebody_has_to_read_them(ada: World) -> None:
    wrote(ada, "Ciao")
    wrote(ada, "where is your bus stop", event_id="e-2")
    wrote(ada, "Hallo", sender=BORIS, event_id="e-3")
    ada.later(days=89)
    assert forgotten(ada) == 0
    ada.later(days=2)
    assert forgotten(ada) == 2
    assert [(row.event_id, row.text) for row in kept(ada)] == [("e-2", "where is your bus stop"), ("e-1", None)]


def forgotten(world: World) -> int:
    with world.db.transaction() as tx:
        return replies.forget(tx)


def test_an_export_has_what_the_person_wrote_also_before_they_were_known(world: World) -> None:
    wrote(world, "Bonjour", sender=ADA)
    world.people("ada", grants=("sms",), addresses=[sms(ADA)])
    wrote(world, "Ciao", event_id="e-2")
    with world.db.snapshot() as tx:
        rows = personal.rows_of(tx, "replies", recipients.ids_of(tx, ["ada"])["ada"])
    assert [row["text"] for row in rows] == ["Bonjour", "Ciao"]
    assert not [key for row in rows for key in row if "hash" in key or key == "id"]


def test_erasing_takes_the_words_and_the_hash(world: World) -> None:
    wrote(world, "Bonjour", sender=ADA)
    world.people("ada", grants=("sms",), addresses=[sms(ADA)])
    wrote(world, "could you stop", event_id="e-2")
    with world.db.transaction() as tx:
        privacy.erase(tx, world.house, "ada", "erased_1", "shop")
    with world.db.snapshot() as tx:
        [row] = tx.execute(select(replies_)).all()
    assert (row.event_id, row.text, row.address_hash, row.needs_review) == ("e-2", None, None, False)


def test_of_an_erased_person_no_words_come_in_any_more(ada: World) -> None:
    ada.run(step(channels=("email",)))
    [message] = ada.pump()
    with ada.db.transaction() as tx:
        privacy.erase(tx, ada.house, "ada", "erased_1", "shop")
    wrote(ada, "unsubscribe me", sender="ada@example.com", channel="email", in_reply_to=message.id)
    [row] = kept(ada)
    assert (row.recipient_id, row.text, row.intent) == (None, None, "stop")


def test_replies_move_with_a_merge(ada: World) -> None:
    job_id = ada.run(step(channels=("sms",)))
    ada.pump("sms")
    wrote(ada, "Ciao")
    ada.people("ada-new", grants=())
    with ada.db.transaction() as tx:
        merge.merge(tx, ada.house, "ada", "ada-new", "merged_1", "shop")
    [row] = kept(ada)
    assert (row.external_id, row.job_id) == ("ada-new", job_id)
    wrote(ada, "STOP", event_id="e-2")
    assert states(ada, "ada-new")["marketing/sms"] == "withdrawn"


async def test_a_channel_hears_replies_beside_reports(ada: World) -> None:
    heard = [Inbound(event_id=f"e-{n}", sender=ADA, text=text) for n, text in enumerate(("Ciao", "STOP", "Ciao"))]
    await hear.put_on_record(ada.db, ada.house, "sms", heard)
    await hear.put_on_record(ada.db, ada.house, "sms", heard)
    assert len(kept(ada)) == 3
    assert states(ada)["marketing/sms"] == "withdrawn"


def test_the_same_reply_heard_by_many_at_once_counts_once(ada: World) -> None:
    start, answers = threading.Barrier(4), []

    def hear_it() -> None:
        start.wait()
        answers.append(wrote(ada, "STOP"))

    threads = [threading.Thread(target=hear_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False, False, False, True]
    assert len(kept(ada)) == 1


def test_whoever_is_told_of_by_their_own_id_is_found_by_it(world: World) -> None:
    prepared = [people.normalised(world.house, "c-1", person("c-1", addresses=[]))]
    with world.db.transaction() as tx:
        people.put_page(tx, prepared)
    world.consents("granted", "c-1", channel="app")
    wrote(world, "stop", sender="c-1", channel="app")
    assert states(world, "c-1")["marketing/app"] == "withdrawn"

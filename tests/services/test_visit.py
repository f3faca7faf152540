"""Who looked at a message and followed its links: people and programs are kept apart, and nobody is asked in secret."""

import pytest

from gateway.contract import EventType, Outbound, Visitor
from gateway.domain.policy import DEFAULT_PURPOSES, Purpose, Tracking
from gateway.domain.tokens import MessageRef
from gateway.services import compose, visit
from gateway.services.installation import Installation
from gateway.storage import events, recipients
from tests.builders import World, installation, step

LINK = 'Bentornata! {{ track("https://shop.example.com/ciao") }} {{ track("https://shop.example.com/due") }} ' + (
    '{{ track("https://shop.example.com/tre") }}'
)


@pytest.fixture
def ada(world: World) -> World:
    world.people("ada")
    return world


def seen(world: World, id: str = "ada") -> list[tuple[str, str]]:
    """What happened, and by whom."""
    with world.db.snapshot() as tx:
        rows = events.of_recipient(tx, recipients.ids_of(tx, [id])[id])
    return [(row.type, row.data["by"]) for row in rows if row.data and "by" in row.data]


def look(world: World, message: Outbound, by: Visitor) -> None:
    with world.db.transaction() as tx:
        visit.looked(tx, MessageRef(*world.key_of(message)), by)


def noticed(world: World, message: Outbound) -> bool:
    """Whether the links of a message lead through the gateway."""
    with world.db.snapshot() as tx:
        [draft] = compose.drafts_of(tx, world.house, "email", [world.key_of(message)]).drafts
    return draft.context.links is not None


def watched(**tracking: str) -> Installation:
    return installation(
        purposes={
            **DEFAULT_PURPOSES,
            "marketing": Purpose(tracking=Tracking(**tracking)),  # type: ignore[arg-type]
            "tracking": Purpose(),
        }
    )


def test_a_click_is_kept_for_a_send_that_was_and_for_no_other(ada: World) -> None:
    job_id = ada.run()
    ada.pump()
    ada.click(ada.key(job_id, "ada"), link=3)
    with ada.db.transaction() as tx:
        visit.followed(tx, MessageRef(99, 1, 0, 0, "email"), "human")
    assert seen(ada) == [("clicked", "human")]


def test_the_same_link_counts_once_an_hour(ada: World) -> None:
    job_id = ada.run()
    ada.pump()
    for _ in range(3):
        ada.click(ada.key(job_id, "ada"))
    ada.later(hours=1)
    ada.click(ada.key(job_id, "ada"))
    assert seen(ada) == [("clicked", "human")] * 2


def test_who_comes_faster_than_anybody_reads_is_a_program(ada: World) -> None:
    ada.run()
    [message] = ada.pump()
    with ada.db.transaction() as tx:
        visit.followed(tx, MessageRef(*ada.key_of(message)), "human")
    look(ada, message, "human")
    assert seen(ada) == [("clicked", "bot"), ("opened", "bot")]


def test_who_tries_all_links_at_once_is_a_program_and_was_one_from_the_first(ada: World) -> None:
    ada.run(step("one", text=LINK))
    [message] = ada.pump()
    ada.click(ada.key_of(message), link=0)
    ada.later(hours=2)
    with ada.db.transaction() as tx:
        for link in (0, 1, 2):
            visit.followed(tx, MessageRef(*ada.key_of(message), 0, link), "human")
    assert seen(ada) == [("clicked", "human"), *[("clicked", "bot")] * 3]


def test_a_program_that_follows_a_link_is_no_answer(ada: World) -> None:
    """The reminder for those who have not clicked goes to whoever only a program clicked for."""
    ada.run(step("one", text=LINK), step("two", after="P1D", only_if="not_clicked"))
    [message] = ada.pump()
    ada.click(ada.key_of(message), by="proxy")
    ada.later(days=1, minutes=1)
    ada.plan_due()
    assert len(ada.pump()) == 1


def test_looking_twice_counts_once_for_each_kind_of_visitor(ada: World) -> None:
    ada.run()
    [message] = ada.pump()
    ada.later(minutes=5)
    kinds: tuple[Visitor, ...] = ("proxy", "human", "proxy", "human", "bot")
    for by in kinds:
        look(ada, message, by)
    assert seen(ada) == [("opened", "proxy"), ("opened", "human"), ("opened", "bot")]


def test_what_a_provider_says_of_the_visitor_is_kept(ada: World) -> None:
    ada.run()
    [message] = ada.pump()
    ada.report(EventType.OPENED, message, by="proxy")
    assert seen(ada) == [("opened", "proxy")]


def test_by_default_links_are_noticed_and_looks_are_not(ada: World) -> None:
    ada.run(step("one", text=LINK))
    [message] = ada.pump()
    assert message.open_url is None
    assert noticed(ada, message)


@pytest.mark.parametrize(("opens", "clicks"), [("never", "never"), ("always", "always"), ("always", "never")])
def test_a_purpose_says_what_is_noticed(world: World, opens: str, clicks: str) -> None:
    world.house = watched(opens=opens, clicks=clicks)
    world.people("ada")
    world.run(step("one", text=LINK))
    [message] = world.pump()
    assert (message.open_url is not None) is (opens == "always")
    assert noticed(world, message) is (clicks == "always")


def test_where_consent_is_asked_only_those_who_gave_it_are_noticed(world: World) -> None:
    world.house = watched(opens="with_consent", clicks="with_consent")
    world.people("ada", "bo", "cy", "di")
    world.consents("granted", "ada", purpose="tracking")
    world.consents("granted", "bo", purpose="tracking", channel="sms")
    world.consents("granted", "cy", purpose="tracking")
    world.later(minutes=1)
    world.consents("withdrawn", "cy", purpose="tracking")
    world.run(step("one", text=LINK))
    sent = {message.recipient_id: message for message in world.pump()}
    assert {id for id, message in sent.items() if message.open_url} == {"ada"}
    assert {id for id, message in sent.items() if noticed(world, message)} == {"ada"}

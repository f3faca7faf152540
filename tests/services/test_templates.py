"""Templates in versions: made, added to, approved, and taken into jobs."""

import threading
from typing import Any

import msgspec
import pytest

from gateway.domain.job import JobInput
from gateway.domain.library import MOST_VERSIONS, NextVersionInput, TemplateInput
from gateway.domain.policy import DEFAULT_PURPOSES, Library, Policies
from gateway.services import accept, compose, resolve, templates
from gateway.services.problems import Conflict, Invalid, NotFound
from gateway.storage import audit, contents, jobs
from gateway.storage import templates as stored
from gateway.storage.tables import templates as templates_
from tests.builders import World, installation, job, statements, step

ITALIAN = {"it": {"text": "Ciao {{ recipient.name }}"}}


def make(world: World, key: str = "winback-1", author: str = "shop", **changes: Any) -> None:
    given = {"key": key, "channel": "email", "content": ITALIAN, "default_locale": "it"} | changes
    wanted = msgspec.convert(given, TemplateInput)
    templates.examine(world.house, wanted.channel, wanted)
    with world.db.transaction() as tx:
        templates.make(tx, author, wanted)


def add(world: World, after: int, text: str, author: str = "shop", key: str = "winback-1") -> int:
    given = {"after": after, "content": {"it": {"text": text}}, "default_locale": "it"}
    with world.db.transaction() as tx:
        wanted = msgspec.convert(given, NextVersionInput)
        return templates.add_version(tx, author, key, wanted).version.number


def naming(key: str = "winback-1", version: int | None = None, **changes: Any) -> JobInput:
    """A job that takes a template."""
    content = {"template": key} | ({"version": version} if version else {})
    return job({**step(), "content": {"email": content}}, **changes)


def accepted(world: World, request: JobInput, id: str = "job-t") -> int:
    with world.db.snapshot() as tx:
        resolved = resolve.in_job(tx, world.house.policies, request)
    examined = accept.examine(world.house, request, resolved)
    with world.db.transaction() as tx:
        return accept.accept(tx, world.house, "shop", examined, id).id


def test_of_writers_who_saw_the_same_version_one_adds_the_next(world: World) -> None:
    make(world)
    barrier, told = threading.Barrier(4), list[str]()

    def write(name: str) -> None:
        barrier.wait()
        try:
            told.append(f"version {add(world, 1, name, author=name)}")
        except Conflict:
            told.append("refused")

    threads = [threading.Thread(target=write, args=(name,)) for name in ("ada", "οδυσσέας", "Łucja", "مريم")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["refused", "refused", "refused", "version 2"]
    with world.db.snapshot() as tx:
        whole = templates.whole(tx, "winback-1")
    assert (whole.latest, [each.number for each in whole.versions]) == (2, [2, 1])


def test_a_version_stays_as_it_was_written(world: World) -> None:
    make(world)
    add(world, 1, "Salve")
    with world.db.snapshot() as tx:
        first, second = (templates.version(tx, "winback-1", number) for number in (1, 2))
    assert (first.sources, second.sources) == (ITALIAN, {"it": {"text": "Salve"}})
    assert first.content == contents.hash_of(ITALIAN)
    writes = {name for name in vars(stored) if callable(getattr(stored, name)) and not name.startswith("_")}
    assert not writes & {"change", "put", "delete", "remove"}


def test_equal_contents_are_stored_once(world: World) -> None:
    make(world)
    make(world, key="winback-2")
    with world.db.snapshot() as tx:
        one, other = (templates.version(tx, key, 1) for key in ("winback-1", "winback-2"))
        assert one.content == other.content
        assert len(contents.get(tx, [one.content])) == 1


def test_the_newest_approved_version_is_the_one_with_the_highest_number(world: World) -> None:
    make(world)
    add(world, 1, "due")
    add(world, 2, "tre")
    for number in (2, 1, 2):
        with world.db.transaction() as tx:
            templates.approve(tx, world.house.policies, "winback-1", number, "legal")
    with world.db.snapshot() as tx:
        whole = templates.whole(tx, "winback-1")
        log = [row.action for row in audit.page(tx, None, 10, "template:winback-1")]
    assert (whole.latest, whole.approved) == (3, 2)
    assert [each.state for each in whole.versions] == ["draft", "approved", "approved"]
    assert log == ["template.approved"] * 2 + ["template.changed"] * 2 + ["template.made"]


def test_nobody_approves_their_own_words_where_two_must_agree(world: World) -> None:
    strict = Policies(templates=Library(four_eyes=True))
    make(world, author="ada")
    with world.db.transaction() as tx, pytest.raises(Conflict, match="ada wrote version 1"):
        templates.approve(tx, strict, "winback-1", 1, "ada")
    with world.db.transaction() as tx:
        assert templates.approve(tx, strict, "winback-1", 1, "legal").approved_by == "legal"


def test_a_template_has_only_so_many_versions(world: World) -> None:
    make(world)
    with world.db.transaction() as tx:
        row = stored.get(tx, "winback-1")
        assert row is not None
        for number in range(1, MOST_VERSIONS):
            assert stored.follow(tx, row.id, number)
        stored.add_version(
            tx,
            row.id,
            MOST_VERSIONS,
            content=contents.hash_of(ITALIAN),
            default_locale="it",
            brand=None,
            author="robot",
            now=world.now(),
        )
    with pytest.raises(Conflict, match="as many as are kept"):
        add(world, MOST_VERSIONS, "ancora")


def test_an_installation_has_only_so_many_templates(world: World) -> None:
    row = {"channel": "email", "description": "", "latest": 1, "created_at": world.now()}
    with world.db.transaction() as tx:
        tx.execute(templates_.insert(), [row | {"key": f"t-{number}"} for number in range(templates.MOST)])
    with pytest.raises(Conflict, match="as many as are kept"):
        make(world)


def test_what_is_not_there_is_named(world: World) -> None:
    make(world)
    with world.db.snapshot() as tx:
        with pytest.raises(NotFound, match="no template none"):
            templates.whole(tx, "none")
        with pytest.raises(NotFound, match="no version 3 of winback-1; the latest is 1"):
            templates.version(tx, "winback-1", 3)


# --- in jobs


def test_a_job_keeps_the_words_of_the_version_that_it_took(world: World) -> None:
    make(world)
    world.people("c-1")
    job_id = accepted(world, naming())
    add(world, 1, "Nuovo")
    with world.db.transaction() as tx:
        templates.archive(tx, "winback-1", "ops")
    with world.db.snapshot() as tx:
        [found] = jobs.by_ids(tx, [job_id]).values()
        [row] = audit.page(tx, None, 1, "job:job-t")
        words = contents.get(tx, found.spec.steps[0].content.values())
    assert list(words.values()) == [ITALIAN]
    assert found.spec.steps[0].templates["email"].version == 1
    assert row.detail["templates"] == [["winback-1", 1]]


def test_the_template_says_the_language_of_those_who_have_no_other_and_the_brand(world: World) -> None:
    world.house = msgspec.structs.replace(world.house, brands={"email": frozenset({"premium", "outlet"})})
    make(world, brand="premium")
    world.people("c-1", locale=None)
    for id, request in (("job-1", naming()), ("job-2", naming(brand="outlet"))):
        world.expand(accepted(world, request, id))
    told = {}
    for taken in world.claims("email"):
        with world.db.snapshot() as tx:
            for draft in compose.drafts_of(tx, world.house, "email", taken.members).drafts:
                told[draft.job_public_id] = (draft.context.locale, draft.brand)
    assert told == {"job-1": ("it", "premium"), "job-2": ("it", "outlet")}


def test_a_brand_that_the_channel_lost_is_told_when_a_job_would_use_it(world: World) -> None:
    full = world.house
    world.house = msgspec.structs.replace(full, brands={"email": frozenset({"premium"})})
    make(world, brand="premium")
    world.house = full
    with pytest.raises(Invalid, match="written for the brand premium"):
        accepted(world, naming())


def test_a_hundred_names_are_looked_up_in_three_questions(world: World) -> None:
    for number in range(5):
        make(world, key=f"t-{number}")
    steps = [
        {**step(f"s-{number}", after=f"P{number}D"), "content": {"email": {"template": f"t-{number % 5}"}}}
        for number in range(20)
    ]
    with world.db.snapshot() as tx:
        seen = statements(tx)
        resolved = resolve.in_job(tx, world.house.policies, job(*steps))
    assert (len(seen), resolved.problems) == (3, ())
    assert all("email" in wordings for wordings in resolved.wordings)


def test_a_job_in_the_gateways_own_words_needs_no_approval() -> None:
    marketing = msgspec.structs.replace(DEFAULT_PURPOSES["marketing"], approval=True)
    house = installation(purposes={**DEFAULT_PURPOSES, "marketing": marketing})
    assert accept.examine(house, job()).wordings[0]["email"].template is None
    with pytest.raises(Invalid, match="there is no template winback-1"):
        accept.examine(house, naming())

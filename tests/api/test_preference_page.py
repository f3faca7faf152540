"""The page of a person's own choices, and the link of a double opt-in."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from gateway.api.pages.texts import LANGUAGES
from gateway.domain.tokens import MessageRef
from gateway.services import preferences
from gateway.storage import consents, recipients
from gateway.storage.tables import consents as ledger_
from tests.api.house import NOW, PUBLIC_URL, House
from tests.api.test_pages import BROWSER, Outline, expect_plain, path_of, sent

FORM = {"Content-Type": "application/x-www-form-urlencoded", **BROWSER}
NAMES = {"el": "Ελένη Παππά", "ru-RU": "Ирина Соколова", "ar": "نور الهدى"}


def page_of(house: House, **profile: Any) -> str:
    """The path of the page of somebody who agreed to offers by e-mail."""
    house.add_people("c-1", **profile)
    return path_of(preferences.url_of(house.installation, id_of(house)))


def id_of(house: House) -> int:
    with house.db.snapshot() as tx:
        return recipients.ids_of(tx, ["c-1"])["c-1"]


def said(house: House) -> list[tuple[str, str, str]]:
    """What was said through pages."""
    with house.db.snapshot() as tx:
        rows = tx.execute(ledger_.select().where(ledger_.c.actor == "recipient").order_by(ledger_.c.id)).all()
    return [(row.purpose, row.channel, row.action) for row in rows]


def states(house: House) -> dict[tuple[str, str], str]:
    with house.db.snapshot() as tx:
        return {(row.purpose, row.channel): row.action for row in consents.states_of(tx, id_of(house))}


def fields_of(page: httpx.Response, *ticks: str, off: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """What a browser sends for the first form, after ticking some boxes and clearing others."""
    form = page.text.partition("<form")[2].partition("</form>")[0]
    fields = []
    for each in Outline(form).of("input"):
        name, value = each["name"] or "", each["value"] or ""
        is_box = each["type"] == "checkbox"
        if not is_box or value in ticks or ("checked" in each and value not in off):
            fields.append((name, value))
    return fields


async def post(visitor: httpx.AsyncClient, path: str, *fields: tuple[str, str]) -> httpx.Response:
    return await visitor.post(path, content=urlencode(fields), headers=FORM)


@pytest.mark.parametrize("locale", NAMES)
async def test_looking_at_ones_choices_changes_nothing_and_tells_no_more_than_needed(house: House, locale: str) -> None:
    path = page_of(house, name=NAMES[locale], locale=locale)
    async with house.client() as visitor:
        for method in ("GET", "HEAD", "GET"):
            page = await visitor.request(method, path, headers=BROWSER)
            assert page.status_code == 200
    outline = expect_plain(page, "ru" if locale == "ru-RU" else "en")
    assert said(house) == []
    assert "c•••@example.com" in page.text
    assert "c-1@example.com" not in page.text
    assert NAMES[locale] not in page.text
    boxes = [each for each in outline.of("input") if each["type"] in ("checkbox", "radio")]
    assert len(outline.of("label")) == len(boxes) > 6
    assert len(outline.of("fieldset")) == len(outline.of("legend")) == 5
    assert {each["method"] for each in outline.of("form")} == {"post"}
    assert "transactional" not in page.text


async def test_what_is_ticked_is_agreed_to_and_what_is_cleared_is_taken_back(house: House) -> None:
    path = page_of(house, locale="it-IT")
    house.accept()
    async with house.client() as visitor, house.client("jobs:read") as client:
        page = await visitor.get(path)
        assert "acconsenti a ricevere questi messaggi" in page.text
        fields = fields_of(page, "survey/email", off=("marketing/email",))
        done = await post(visitor, path, *fields)
        [send] = (await client.get("/v1/jobs/job_a/sends")).json()["sends"]
    outline = expect_plain(done, "it")
    assert [each for each in outline.of("p") if each.get("role") == "status"]
    assert sorted(said(house)) == [("marketing", "email", "withdrawn"), ("survey", "email", "granted")]
    assert (send["state"], send["reason"]) == ("cancelled", "no_consent")
    with house.db.snapshot() as tx:
        [row] = [row for row in consents.of_recipient(tx, id_of(house)) if row.purpose == "survey"]
    assert (row.source, row.actor) == ("preference-page", "recipient")
    assert re.fullmatch(r"preference-page:it:[0-9a-f]{12}", row.text_version)
    assert row.evidence == {"user_agent": BROWSER["User-Agent"]}


async def test_an_old_page_in_another_tab_does_not_undo_what_was_said_since(house: House) -> None:
    path = page_of(house)
    async with house.client() as visitor:
        old = await visitor.get(path)
        await post(visitor, path, ("do", "stop"))
        await post(visitor, path, *fields_of(old, "survey/email"))
    assert states(house)["marketing", "email"] == "withdrawn"
    assert states(house)["survey", "email"] == "granted"


async def test_one_button_stops_everything_and_again_does_the_same(house: House) -> None:
    path = page_of(house)
    async with house.client() as visitor:
        for _ in range(2):
            page = await post(visitor, path, ("do", "stop"))
            assert page.status_code == 200
            assert "we will not write any more" in page.text
    assert set(states(house).values()) == {"withdrawn", "objected"}
    assert len(said(house)) == 6
    assert "checked" not in "".join(str(each) for each in Outline(page.text).of("input") if each["type"] == "checkbox")


async def test_a_pause_is_shown_until_when_and_ended_by_a_click(house: House) -> None:
    path = page_of(house, locale="it-IT", time_zone="Europe/Rome")
    async with house.client() as visitor:
        paused = await post(visitor, path, ("do", "pause"), ("days", "60"))
        assert "Non ti scriveremo fino al 19 gennaio 2027 13:00" in paused.text
        ended = await post(visitor, path, ("do", "resume"))
        assert "Non ti scriveremo" not in ended.text
        await post(visitor, path, ("do", "pause"), ("days", "30"))
        house.set_clock(NOW + timedelta(days=31))
        assert "Non ti scriveremo" not in (await visitor.get(path)).text


async def test_a_person_says_how_often(house: House) -> None:
    path = page_of(house)
    async with house.client() as visitor, house.client("recipients:write", "recipients:read") as crm:
        for wish, cap in (("week", {"max": 1, "window": "P7D"}), ("month", {"max": 1, "window": "P30D"})):
            page = await post(visitor, path, ("do", "limit"), ("cap", wish))
            assert (await crm.get("/v1/recipients/c-1/preferences")).json()["cap"] == cap
            assert [each["value"] for each in Outline(page.text).of("input") if "checked" in each][-1] == wish
        await crm.put("/v1/recipients/c-1/preferences", json={"cap": {"max": 3, "window": "P14D"}})
        page = await visitor.get(path)
        assert "3 times in 14 days" in page.text
        await post(visitor, path, ("do", "limit"), ("cap", "keep"))
        assert (await crm.get("/v1/recipients/c-1/preferences")).json()["cap"]["max"] == 3
        await post(visitor, path, ("do", "limit"), ("cap", "none"))
        assert (await crm.get("/v1/recipients/c-1/preferences")).json()["cap"] is None


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", FORM["Content-Type"]),
        (b"do=anything", FORM["Content-Type"]),
        (b"do=pause", FORM["Content-Type"]),
        (b"do=pause&days=9999", FORM["Content-Type"]),
        (b"do=limit&cap=never", FORM["Content-Type"]),
        (b"do=stop", "text/plain"),
        (b'{"do": "stop"}', "application/json"),
        (b"do=choose&on=%ff", FORM["Content-Type"]),
        ("do=stop&à".encode(), FORM["Content-Type"]),
        (b"do=stop&" + b"a=b&" * 1000, FORM["Content-Type"]),
        (b"do=stop&a=" + b"b" * 70_000, FORM["Content-Type"]),
    ],
)
async def test_what_the_page_does_not_offer_changes_nothing(
    small_house: House, content: bytes, content_type: str
) -> None:
    path = page_of(small_house)
    async with small_house.client() as visitor:
        page = await visitor.post(path, content=content, headers={"Content-Type": content_type})
    assert page.status_code == 400
    expect_plain(page, "en")
    assert said(small_house) == []


async def test_a_made_up_choice_is_not_written(small_house: House) -> None:
    path = page_of(small_house)
    made_up = [("shown", name) for name in ("transactional/email", "gossip/fax", "x", "/", "marketing/")]
    async with small_house.client() as visitor:
        page = await post(visitor, path, ("do", "choose"), *made_up, *[("on", name) for _, name in made_up])
    assert page.status_code == 200
    assert said(small_house) == []


async def test_a_made_up_link_is_a_page_that_says_so(small_house: House) -> None:
    path, keys = page_of(small_house), small_house.installation.keys
    made_up = [
        path[:-1],
        path + "A",
        "/p/x",
        "/p/citt%C3%A0",
        f"/p/{keys.sign_ref('unsubscribe', MessageRef(0, 1, 0, 0, ''))}",
        f"/p/{keys.sign_ref('preferences', MessageRef(0, 99, 0, 0, ''))}",
    ]
    async with small_house.client() as visitor:
        for each in made_up:
            for method in ("GET", "POST"):
                page = await visitor.request(method, each, content=b"do=stop", headers=FORM)
                assert page.status_code == 404, each
    assert said(small_house) == []


async def test_a_message_carries_its_own_link_to_the_page(house: House) -> None:
    message = sent(house)
    ref = house.installation.keys.open_ref("message", message.id)
    path = f"/p/{house.installation.keys.sign_ref('preferences', MessageRef(*ref.key))}"
    async with house.client() as visitor:
        await post(visitor, path, ("do", "stop"))
    with house.db.snapshot() as tx:
        last = consents.of_recipient(tx, ref.recipient_id)[-1]
    assert last.evidence["message"] == message.send_id


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_language_has_its_page(small_house: House, language: str) -> None:
    path = page_of(small_house, locale=language)
    async with small_house.client() as visitor:
        page = await visitor.get(path)
        paused = await post(visitor, path, ("do", "pause"), ("days", "90"))
    expect_plain(page, language)
    expect_plain(paused, language)
    assert not re.search(r"\{[a-z]+\}", page.text.partition("</style>")[2] + paused.text.partition("</style>")[2])


async def asked(house: House, locale: str = "el", **fields: Any) -> str:
    """The path in the message that asks somebody to confirm."""
    house.add_people("c-1", consents=(), name=NAMES["el"], locale=locale)
    body = {"recipient": "c-1", "channel": "email", "purposes": ["marketing", "survey"], "source": "form", **fields}
    async with house.client("recipients:write") as client:
        answer = await client.post("/v1/consents:request", json=body, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 201, answer.text
    return f"/o/{house.installation.keys.sign_id('opt_in', 1)}"


async def test_a_filter_that_follows_the_link_confirms_nothing(house: House) -> None:
    path = await asked(house, "it")
    async with house.client() as visitor:
        for method in ("GET", "HEAD", "GET"):
            page = await visitor.request(method, path, headers=BROWSER)
            assert page.status_code == 200
    outline = expect_plain(page, "it")
    assert "Vuoi ricevere offerte e novità e sondaggi via e-mail?" in page.text
    assert outline.of("form") == [{"method": "post"}]
    assert states(house) == {}


async def test_the_button_confirms_once_and_shows_the_same_again(house: House) -> None:
    path = await asked(house)
    async with house.client() as visitor:
        pages = [await visitor.post(path, headers=FORM) for _ in range(3)] + [await visitor.get(path)]
        choices = Outline(pages[0].text).of("a")[0]["href"]
        assert (await visitor.get(path_of(choices))).status_code == 200
    assert len({page.text for page in pages}) == 1
    expect_plain(pages[0], "en")
    assert "You will get offers and news and surveys by e-mail." in pages[0].text
    assert said(house) == [("marketing", "email", "granted"), ("survey", "email", "granted")]
    with house.db.snapshot() as tx:
        row = consents.of_recipient(tx, id_of(house))[-1]
    assert row.source == "double-opt-in"
    assert row.evidence["confirmed_on"]["user_agent"] == BROWSER["User-Agent"]
    assert row.evidence["confirmed_on"]["text_version"].startswith("opt-in-page:en:")


async def test_a_link_that_is_over_says_so(house: House) -> None:
    path = await asked(house, "ru", expires_in="P1D")
    house.set_clock(NOW + timedelta(days=1, minutes=1))
    async with house.client() as visitor:
        for method in ("GET", "POST"):
            page = await visitor.request(method, path, headers=FORM)
            assert page.status_code == 410
            expect_plain(page, "ru")
    assert states(house) == {}


async def test_a_made_up_confirmation_is_a_page_that_says_so(small_house: House) -> None:
    path, keys = await asked(small_house), small_house.installation.keys
    async with small_house.client() as visitor:
        for each in (path[:-1], "/o/x", f"/o/{keys.sign_id('opt_in', 99)}", f"/o/{keys.sign_id('consent', 1)}"):
            for method in ("GET", "POST"):
                assert (await visitor.request(method, each, headers=FORM)).status_code == 404
    assert states(small_house) == {}


def test_a_link_is_public_and_of_the_configured_address(small_house: House) -> None:
    assert preferences.url_of(small_house.installation, 1).startswith(f"{PUBLIC_URL}/p/")

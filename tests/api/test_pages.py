"""The pages that recipients see."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from string import Formatter
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from msgspec import structs

from gateway.api.misses import MOST
from gateway.api.pages.click import in_ascii
from gateway.api.pages.texts import LANGUAGES, language_wished
from gateway.contract import Outbound
from gateway.domain.coupon import new_code
from gateway.domain.languages import WORDS, language_of
from gateway.domain.tokens import MessageRef
from gateway.rendering import RenderPool
from gateway.services.coupon_links import coupon_url
from gateway.storage import coupons
from gateway.storage.database import Database
from gateway.storage.tables import consents, events
from tests.api.house import NOW, PUBLIC_URL, House, with_coupon

ONE_CLICK = "List-Unsubscribe=One-Click"
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


def sent(house: House, **profile: str) -> Outbound:
    house.add_people("c-1", **profile)
    house.accept()
    [message] = house.send_all()
    return message


def path_of(url: str | None) -> str:
    assert url is not None
    return url.removeprefix(PUBLIC_URL)


def ledger(house: House) -> list[tuple[str, str]]:
    with house.db.snapshot() as tx:
        return [(row.action, row.source) for row in tx.execute(consents.select().order_by(consents.c.id))]


def visits(house: House, type: str) -> list[str]:
    """What kinds of visitors did this, in the order in which it was noted."""
    with house.db.snapshot() as tx:
        return [row.data["by"] for row in tx.execute(events.select().where(events.c.type == type).order_by("id"))]


class Outline(HTMLParser):
    """The tags of a page, and its language."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def expect_plain(page: httpx.Response, language: str) -> Outline:
    outline = Outline(page.text)
    assert outline.of("html") == [{"lang": language, "dir": "ltr"}]
    assert page.headers["content-language"] == language
    assert len(outline.of("h1")) == len(outline.of("main")) == len(outline.of("title")) == 1
    assert not outline.of("script")
    assert not [attributes for _, attributes in outline.tags if {"src", "onclick", "style"} & attributes.keys()]
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in page.headers
    return outline


async def test_looking_at_the_unsubscribe_page_changes_nothing(house: House) -> None:
    path = path_of(sent(house, locale="it-IT").unsubscribe_url)
    before = ledger(house)
    async with house.client() as visitor:
        for method in ("GET", "HEAD", "GET"):
            page = await visitor.request(method, path)
            assert page.status_code == 200
    outline = expect_plain(page, "it")
    assert outline.of("form") == [{"method": "post"}]
    assert len(outline.of("button")) == 1
    assert "offerte e novità via e-mail" in page.text
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert ledger(house) == before


@pytest.mark.parametrize(
    ("content", "content_type", "source"),
    [
        (ONE_CLICK, "application/x-www-form-urlencoded", "one-click"),
        (
            '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
            "one-click",
        ),
        ("", "application/x-www-form-urlencoded", "unsubscribe-page"),
        ("\0\xff broken", "multipart/form-data", "unsubscribe-page"),
    ],
)
async def test_one_post_unsubscribes_and_again_does_the_same(
    house: House, content: str, content_type: str, source: str
) -> None:
    """As mail programs do it: no cookie, no login, from anywhere, and again when they are unsure (RFC 8058)."""
    path = path_of(sent(house).unsubscribe_url)
    async with house.client() as mail_program:
        for _ in range(3):
            answer = await mail_program.post(path, content=content.encode(), headers={"Content-Type": content_type})
            assert answer.status_code == 200
    expect_plain(answer, "en")
    assert "any more" in answer.text
    assert ledger(house) == [("granted", "form"), ("withdrawn", source)]


async def test_unsubscribing_stops_what_is_pending(house: House) -> None:
    house.add_people("c-1")
    house.accept("job_a")
    [message] = house.send_all()
    house.accept("job_b")
    async with house.client() as mail_program, house.client("jobs:read") as client:
        await mail_program.post(path_of(message.unsubscribe_url), content=ONE_CLICK)
        [send] = (await client.get("/v1/jobs/job_b/sends")).json()["sends"]
    assert (send["state"], send["reason"]) == ("cancelled", "no_consent")


async def test_a_made_up_unsubscribe_link_is_a_page_that_says_so(small_house: House) -> None:
    message = sent(small_house)
    keys, token = small_house.installation.keys, path_of(message.unsubscribe_url).removeprefix("/u/")
    never_sent = keys.sign_ref("unsubscribe", MessageRef(99, 99, 0, 0, "email"))
    before = ledger(small_house)
    async with small_house.client() as visitor:
        for made_up in (token[:-1], token + "A", message.id, message.send_id, never_sent, "x", "citt%C3%A0", "example"):
            for method in ("GET", "POST", "HEAD"):
                page = await visitor.request(method, f"/u/{made_up}", headers={"Accept-Language": "ru-RU,ru;q=0.9"})
                assert page.status_code == 404, made_up
        page = await visitor.get("/u/x", headers={"Accept-Language": "ru-RU,ru;q=0.9"})
    expect_plain(page, "ru")
    assert ledger(small_house) == before


async def test_a_page_speaks_the_recipients_language(small_house: House) -> None:
    path = path_of(sent(small_house, locale="ru-RU").unsubscribe_url)
    async with small_house.client() as visitor:
        page = await visitor.get(path, headers={"Accept-Language": "it"})
    expect_plain(page, "ru")
    assert "предложения и новости по электронной почте" in page.text


async def test_a_click_leads_to_the_stored_address_and_is_recorded(house: House) -> None:
    sent(house)
    house.later(minutes=1)
    token = house.installation.keys.sign_ref("click", MessageRef(1, 1, 0, 0, "email", 0, 0))
    async with house.client() as visitor:
        for headers in (
            BROWSER,
            {"User-Agent": "ExampleBot/1.0"},
            {"User-Agent": ""},
            {**BROWSER, "Purpose": "prefetch"},
        ):
            answer = await visitor.get(f"/c/{token}?url=https://evil.example/", headers=headers)
            assert (answer.status_code, answer.headers["location"]) == (302, "https://shop.example/")
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["referrer-policy"] == "no-referrer"
        head = await visitor.head(f"/c/{token}", headers=BROWSER)
    assert head.headers["location"] == "https://shop.example/"
    assert visits(house, "clicked") == ["human", "bot"], "once an hour for each kind of visitor"


async def test_the_picture_in_a_message_tells_that_it_was_looked_at(house: House) -> None:
    sent(house)
    house.later(minutes=1)
    token = house.installation.keys.sign_ref("open", MessageRef(1, 1, 0, 0, "email"))
    proxy = {"User-Agent": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"}
    async with house.client() as visitor:
        for headers in (BROWSER, BROWSER, proxy, {"User-Agent": "Mozilla/5.0"}, {"User-Agent": "curl/8"}):
            answer = await visitor.get(f"/i/{token}", headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
            assert (len(answer.content), answer.headers["cache-control"]) == (43, "no-store")
            assert "set-cookie" not in answer.headers
        assert (await visitor.head(f"/i/{token}", headers=BROWSER)).status_code == 200
        for other in (token + "A", "x", house.installation.keys.sign_ref("click", MessageRef(1, 1, 0, 0, "email"))):
            assert (await visitor.get(f"/i/{other}", headers=BROWSER)).status_code == 404
    assert visits(house, "opened") == ["human", "proxy", "bot"]


async def test_a_link_that_was_never_in_a_message_leads_nowhere(small_house: House) -> None:
    sent(small_house)
    keys = small_house.installation.keys
    refs = [
        MessageRef(1, 1, 0, 0, "email", 0, 1),
        MessageRef(1, 1, 0, 7, "email", 0, 0),
        MessageRef(2, 1, 0, 0, "email", 0, 0),
        MessageRef(1, 1, 0, 0, "postal", 0, 0),
    ]
    tokens = [keys.sign_ref("click", ref) for ref in refs]
    tokens += [keys.sign_ref("unsubscribe", MessageRef(1, 1, 0, 0, "email")), "example", "x" * 10_000]
    async with small_house.client() as visitor:
        for token in tokens:
            page = await visitor.get(f"/c/{token}", headers=BROWSER)
            assert page.status_code == 404
            assert "location" not in page.headers
    assert visits(small_house, "clicked") == []


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("https://shop.example/a%20b?x=%C3%A8", "https://shop.example/a%20b?x=%C3%A8"),
        ("https://città.example/è?q=ж", "https://xn--citt-3na.example/%C3%A8?q=%D0%B6"),
    ],
)
def test_a_redirect_is_written_in_ascii(url: str, header: str) -> None:
    assert in_ascii(url) == header


def coupon_of(house: House, **offer: Any) -> str:
    """The code in the hands of somebody in Rome."""
    house.add_people("c-1", locale="it-IT", time_zone="Europe/Rome")
    house.add_offer(**offer)
    house.accept(**with_coupon())
    [message] = house.send_all()
    assert message.coupon is not None
    return message.coupon.code


async def test_the_page_of_a_coupon_tells_what_it_gives_and_changes_nothing(house: House) -> None:
    code = coupon_of(house, valid_for=timedelta(hours=72))
    plain = code.replace("-", "")
    async with house.client() as visitor:
        for path in (f"/r/{code}", f"/R/{plain}", f"/r/{plain.lower()}"):
            page = await visitor.get(path)
            assert page.status_code == 200
            assert not expect_plain(page, "it").of("form")
            assert "15 % off" in page.text
            assert code in page.text
            assert "Valido fino al 23 novembre 2026 13:00" in page.text
    with house.db.snapshot() as tx:
        row = coupons.find(tx, plain)
    assert row is not None
    assert row.redeemed_at is None


async def test_the_page_of_a_coupon_says_when_it_is_used_or_over(small_house: House) -> None:
    code = coupon_of(small_house, valid_for=timedelta(hours=72))
    async with small_house.client() as visitor, small_house.client("coupons:redeem") as till:
        await till.post("/v1/coupons:redeem", json={"code": code}, headers={"Idempotency-Key": "k"})
        assert "è già stato usato" in (await visitor.get(f"/r/{code}")).text
        small_house.set_clock(NOW + timedelta(days=4))
        assert (await visitor.get(f"/r/{code}")).status_code == 200


async def test_a_coupon_page_tells_the_least_order(small_house: House) -> None:
    code = coupon_of(small_house, min_order_minor=5000, currency="EUR")
    async with small_house.client() as visitor:
        text = (await visitor.get(f"/r/{code}")).text
    assert re.search(r"ordine di 50,00\s€", text)


async def test_a_title_cannot_break_out_of_its_page(small_house: House) -> None:
    title = "<script>alert('ciao')</script> & \"15 %\""
    code = coupon_of(small_house, title=title)
    async with small_house.client() as visitor:
        page = await visitor.get(f"/r/{code}")
    expect_plain(page, "it")
    assert "&lt;script&gt;" in page.text


async def test_an_unknown_coupon_is_a_page_that_says_so(small_house: House) -> None:
    async with small_house.client() as visitor:
        for code in (new_code(), "ABCD-EFGH-JKLM", "x", "citt%C3%A0", "a%2Fb"):
            page = await visitor.get(f"/r/{code}")
            assert page.status_code == 404
            expect_plain(page, "en")


async def test_the_signed_page_of_a_coupon_is_read_in_capitals_too_and_changes_nothing(house: House) -> None:
    code = coupon_of(house)
    plain = code.replace("-", "")
    path = coupon_url(house.installation, plain, "w15").removeprefix(PUBLIC_URL)
    assert path == path.replace("/r/", "/R/").upper().replace("/R/", "/r/")
    async with house.client() as visitor:
        for each in (path, path.upper(), path.lower()):
            page = await visitor.get(each)
            assert page.status_code == 200, each
            expect_plain(page, "it")
            assert code in page.text
    with house.db.snapshot() as tx:
        row = coupons.find(tx, plain)
    assert row is not None
    assert row.redeemed_at is None


async def test_a_signature_of_another_code_offer_or_key_is_none(small_house: House) -> None:
    code = coupon_of(small_house).replace("-", "")
    house = small_house.installation
    right = coupon_url(house, code, "w15").rpartition("/")[2]
    other_offer = coupon_url(house, code, "w16").rpartition("/")[2]
    other_code = coupon_url(house, new_code(), "w15").rpartition("/")[2]
    changed = right[:-1] + ("A" if right[-1] != "A" else "B")
    wrong = [
        other_offer,
        other_code,
        changed,
        right[1:],
        "2" + right[1:],
        "01" + right[1:],
        right + "A",
        "x",
        "1" + "Ä" * 16,
    ]
    async with small_house.client() as visitor:
        assert (await visitor.get(f"/r/{code}/{right}")).status_code == 200
        for signature in wrong:
            page = await visitor.get(f"/r/{code}/{quote(signature)}")
            assert page.status_code == 404, signature
        assert (await visitor.get(f"/r/{new_code()}/{right}")).status_code == 404


async def test_whoever_tries_codes_at_the_page_has_to_wait_and_signed_links_go_on(small_house: House) -> None:
    code = coupon_of(small_house).replace("-", "")
    path = coupon_url(small_house.installation, code, "w15").removeprefix(PUBLIC_URL)
    async with small_house.client() as visitor:
        for _ in range(MOST["unknown"]):
            assert (await visitor.get(f"/r/{new_code()}")).status_code == 404
        refused = await visitor.get(f"/r/{code}")
        assert (refused.status_code, 1 <= int(refused.headers["retry-after"]) <= 60) == (429, True)
        assert (await visitor.get(path)).status_code == 200


async def test_the_page_of_a_coupon_says_what_is_left_of_it(small_house: House) -> None:
    code = coupon_of(small_house, kind="amount", value=5000, partial=True, currency="EUR")
    async with small_house.client() as visitor, small_house.client("coupons:redeem") as till:
        body = {"code": code, "order_minor": 1250, "currency": "EUR"}
        await till.post("/v1/coupons:redeem", json=body, headers={"Idempotency-Key": "k"})
        text = (await visitor.get(f"/r/{code}")).text
    assert re.search(r"Credito residuo: 37,50\s€", text)
    assert "una volta sola" not in text


async def test_the_page_of_a_coupon_of_three_uses_counts_them(small_house: House) -> None:
    code = coupon_of(small_house, uses_per_coupon=3)
    async with small_house.client() as visitor:
        assert "Utilizzi rimasti: 3" in (await visitor.get(f"/r/{code}")).text


async def test_while_the_database_is_away_a_page_asks_to_try_again(sqlite_db: Database) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/nothing", connections=1)
    house = House(away, RenderPool(processes=1))
    token = house.installation.keys.sign_ref("unsubscribe", MessageRef(1, 1, 0, 0, "email"))
    try:
        async with house.client() as visitor:
            page = await visitor.post(f"/u/{token}", content=ONE_CLICK)
    finally:
        away.close()
    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    expect_plain(page, "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything_with_the_same_places_to_fill(language: str) -> None:
    def places(text: str) -> set[str | None]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    texts, english = LANGUAGES[language], LANGUAGES["en"]
    for name in structs.asdict(english):
        value, known = getattr(texts, name), getattr(english, name)
        assert value
        assert places(value) == places(known), name
    for kind in ("purposes", "ways"):
        assert getattr(WORDS[language], kind).keys() == getattr(WORDS["en"], kind).keys()


@pytest.mark.parametrize(
    ("header", "language"),
    [("", "en"), ("it-IT,it;q=0.9,en;q=0.8", "it"), ("xx, ru;q=0.5", "ru"), ("*", "en"), (",;=\0", "en")],
)
def test_a_visitor_of_whom_nothing_is_known_is_taken_at_the_browsers_word(header: str, language: str) -> None:
    assert language_wished(header) == language


@pytest.mark.parametrize(
    ("locale", "language"), [("it-IT", "it"), ("RU", "ru"), ("pl", None), (None, None), ("", None)]
)
def test_a_locale_has_a_language_where_we_speak_it(locale: str | None, language: str | None) -> None:
    assert language_of(locale) == language

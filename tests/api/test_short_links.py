"""Short links: on a host of their own, and nothing else there."""

import httpx
import pytest
from msgspec import structs

from gateway.domain.words import SendKey
from gateway.storage import short_links
from gateway.storage.short_links import Link
from gateway.storage.tables import events
from tests.api.house import NOW, House

SHORT = "https://r.example.com"
CODE = "AbC12345x"
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


@pytest.fixture
def short(house: House) -> House:
    """With a host for short links, and a message whose link has a code there."""
    house.add_people("c-1")
    house.accept()
    house.send_all()
    house.later(minutes=1)
    with house.db.transaction() as tx:
        short_links.add(tx, {Link(SendKey(1, 1, 0, 0, "email"), 0): CODE}, NOW)
    server = structs.replace(house.rooms.server, allowed_hosts=("gateway.example.com", "r.example.com"))
    installation = structs.replace(house.installation, short_url=SHORT)
    house.rebuild(structs.replace(house.rooms, server=server, installation=installation))
    return house


def at(house: House, base: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=house.app)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url=base, headers=BROWSER)


def clicks(house: House) -> list[tuple[int, str]]:
    with house.db.snapshot() as tx:
        rows = tx.execute(events.select().where(events.c.type == "clicked").order_by(events.c.id))
        return [(row.data["link"], row.data["by"]) for row in rows]


async def test_a_short_link_leads_to_the_stored_address_and_is_recorded_as_a_click(short: House) -> None:
    async with at(short, SHORT) as visitor:
        answer = await visitor.get(f"/{CODE}")
        assert (answer.status_code, answer.headers["location"]) == (302, "https://shop.example/")
        assert (await visitor.head(f"/{CODE}")).status_code == 302
        assert (await visitor.get(f"/{CODE}?utm=x", headers={"User-Agent": "WhatsApp/2"})).status_code == 302
        assert (await visitor.get(f"https://R.Example.COM:443/{CODE}")).status_code == 302
    assert clicks(short) == [(0, "human"), (0, "bot")]


@pytest.mark.parametrize(
    "path",
    ["/", "/AbC12345y", "/AbC1234", f"/{CODE}x", f"/{CODE}/", f"/x/{CODE}", f"/{CODE[:-1]}%0a", "/c/x", "/v1/jobs",
     "/-", "/metrics", "/robots.txt", "/hooks/email", "/health"],
)  # fmt: skip
async def test_on_that_host_there_is_nothing_else(short: House, path: str) -> None:
    async with at(short, SHORT) as visitor:
        answer = await visitor.get(path)
        assert answer.status_code == 404
        assert "location" not in answer.headers
    assert clicks(short) == []


async def test_who_follows_a_wrong_code_sees_a_page_in_their_language(short: House) -> None:
    async with at(short, SHORT) as visitor:
        answer = await visitor.get("/AbC12345y", headers={"Accept-Language": "it"})
    assert answer.headers["content-type"].startswith("text/html")
    assert '<html lang="it"' in answer.text


async def test_a_code_leads_nowhere_on_the_gateways_own_host(short: House) -> None:
    async with at(short, "https://gateway.example.com") as visitor:
        for path in (f"/{CODE}", f"/:short/{CODE}", f"/%3Ashort/{CODE}", f"/x//:short/{CODE}"):
            assert (await visitor.get(path)).status_code == 404
        # A header of the visitor's own making moves nothing.
        assert (await visitor.get(f"/{CODE}", headers={"X-Forwarded-Host": "r.example.com"})).status_code == 404
    assert clicks(short) == []


async def test_nothing_is_posted_there(short: House) -> None:
    async with at(short, SHORT) as visitor:
        assert (await visitor.post(f"/{CODE}")).status_code == 405


async def test_without_such_a_host_it_is_refused(house: House) -> None:
    async with at(house, SHORT) as visitor:
        assert (await visitor.get(f"/{CODE}")).status_code == 421

"""What providers report."""

import msgspec
import pytest

from gateway.storage import events
from gateway.storage.events import any_parked
from tests.api.house import PUBLIC_URL, House, signature


def told(type: str = "delivered", id: str = "e-1", **more: str) -> bytes:
    return msgspec.json.encode({"type": type, "id": id, **more})


async def test_a_report_on_a_message_moves_its_send_once(house: House) -> None:
    house.add_people("c-1")
    house.accept()
    [message] = house.send_all()
    assert message.status_url
    path = message.status_url.removeprefix(PUBLIC_URL)
    headers = {"X-Signature": signature(message.status_url, told())}
    async with house.client() as provider, house.client("jobs:read") as client:
        for _ in range(3):
            answer = await provider.post(path, content=told(), headers=headers)
            assert (answer.status_code, answer.content) == (204, b"")
        [send] = (await client.get("/v1/jobs/job_a/sends")).json()["sends"]
    assert send["state"] == "delivered"
    with house.db.snapshot() as tx:
        [(_, _, kind, people, count)] = events.counts(tx, 1)
    assert (kind, people, count) == ("delivered", 1, 1)


async def test_a_report_by_the_providers_own_id_finds_its_message(house: House) -> None:
    house.add_people("c-1")
    house.accept()
    house.send_all()
    body = told("bounced", provider_id="provider-c-1")
    headers = {"X-Signature": signature(f"{PUBLIC_URL}/hooks/email", body)}
    async with house.client() as provider, house.client("jobs:read") as client:
        assert (await provider.post("/hooks/email", content=body, headers=headers)).status_code == 204
        [send] = (await client.get("/v1/jobs/job_a/sends")).json()["sends"]
    assert send["state"] == "bounced"


async def test_a_report_that_comes_too_early_is_kept(house: House) -> None:
    body = told(provider_id="not-yet")
    headers = {"X-Signature": signature(f"{PUBLIC_URL}/hooks/email", body)}
    async with house.client() as provider:
        assert (await provider.post("/hooks/email", content=body, headers=headers)).status_code == 204
    with house.db.snapshot() as tx:
        assert any_parked(tx)


@pytest.mark.parametrize("target", ["/hooks/email?a=1&b=%C3%A8&a=2", "/hooks/email?x=a+b%20c&empty=", "/hooks/%65mail"])
async def test_a_signature_is_over_the_url_as_it_was_called(small_house: House, target: str) -> None:
    body = told(provider_id="x")
    async with small_house.client() as provider:
        headers = {"X-Signature": signature(PUBLIC_URL + target, body)}
        assert (await provider.post(target, content=body, headers=headers)).status_code == 204
        assert (await provider.post(f"{target}x", content=body, headers=headers)).status_code in (403, 404)


async def test_a_call_without_the_right_signature_is_refused_without_detail(small_house: House) -> None:
    async with small_house.client() as stranger:
        for headers in ({}, {"X-Signature": ""}, {"X-Signature": "0" * 64}):
            answer = await stranger.post("/hooks/email", content=told(), headers=headers)
            assert answer.status_code == 403
            assert answer.json()["type"].endswith("#forbidden")
            assert "detail" not in answer.json()


async def test_a_signed_call_that_makes_no_sense_is_told_so(small_house: House) -> None:
    headers = {"X-Signature": signature(f"{PUBLIC_URL}/hooks/email", b"nonsense")}
    async with small_house.client() as provider:
        answer = await provider.post("/hooks/email", content=b"nonsense", headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (400, "not JSON")


async def test_a_channel_that_stumbles_over_a_call_answers_400(small_house: House) -> None:
    body = told(type="no such event")
    headers = {"X-Signature": signature(f"{PUBLIC_URL}/hooks/email", body)}
    async with small_house.client() as provider:
        assert (await provider.post("/hooks/email", content=body, headers=headers)).status_code == 400


async def test_only_a_token_of_a_message_of_this_channel_is_a_place_to_report(small_house: House) -> None:
    small_house.add_people("c-1")
    small_house.accept()
    [message] = small_house.send_all()
    async with small_house.client() as provider:
        for path in (
            f"/hooks/postal/{message.id}",
            f"/hooks/email/{message.id[:-1]}",
            f"/hooks/email/{message.send_id}",
            "/hooks/email/nonsense",
            "/hooks/email/citt%C3%A0",
            "/hooks/sms",
            "/hooks/fax",
        ):
            headers = {"X-Signature": signature(PUBLIC_URL + path, told())}
            assert (await provider.post(path, content=told(), headers=headers)).status_code == 404, path


async def test_a_call_beyond_a_megabyte_is_too_large(small_house: House) -> None:
    body = b"x" * (1024 * 1024 + 1)
    headers = {"X-Signature": signature(f"{PUBLIC_URL}/hooks/email", body)}
    async with small_house.client() as provider:
        assert (await provider.post("/hooks/email", content=body, headers=headers)).status_code == 413


async def test_a_provider_whose_question_cannot_be_answered_now_is_asked_to_come_again(small_house: House) -> None:
    target = "/hooks/email?challenge=later"
    headers = {"X-Signature": signature(f"{PUBLIC_URL}{target}", b"")}
    async with small_house.client() as provider:
        answer = await provider.get(target, headers=headers)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "away" not in answer.text


async def test_a_provider_that_asks_whether_the_address_is_ours_gets_its_answer(small_house: House) -> None:
    target = "/hooks/email?challenge=1158201444"
    headers = {"X-Signature": signature(f"{PUBLIC_URL}{target}", b"")}
    async with small_house.client() as provider:
        answer = await provider.get(target, headers=headers)
        assert (answer.status_code, answer.text) == (200, "1158201444")
        assert (await provider.get(target)).status_code == 403

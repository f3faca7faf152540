"""Whatever is sent, the answer says what is wrong with it, and never 500."""

from typing import Any

import msgspec
import pytest

from tests.api.house import MOST_BYTES, House, job_input

JSON = {"Content-Type": "application/json", "Idempotency-Key": "k"}
BODIES = {
    "jobs": ("POST", "/v1/jobs"),
    "preview": ("POST", "/v1/jobs:preview"),
    "recipient": ("PUT", "/v1/recipients/c-1"),
    "consent": ("POST", "/v1/consents"),
    "request": ("POST", "/v1/consents:request"),
    "preferences": ("PUT", "/v1/recipients/c-1/preferences"),
    "activity": ("POST", "/v1/activities"),
    "offer": ("PUT", "/v1/offers/w15"),
    "validate": ("POST", "/v1/coupons:validate"),
    "redeem": ("POST", "/v1/coupons:redeem"),
    "hand-over": ("POST", "/v1/batches/bat_none:hand-over"),
    "mailed": ("POST", "/v1/batches/bat_none:mailed"),
    "returns": ("POST", "/v1/returns"),
    "webhook": ("POST", "/v1/webhooks"),
    "redeliver": ("POST", "/v1/webhooks/ep_none:redeliver-failed"),
}


@pytest.mark.parametrize("route", BODIES)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"{}{}", 400),
        (b"{'a': 1}", 400),
        (b"\xef\xbb\xbf{}", 400),
        (b'{"a": "\xff"}', 400),
        ('{"a": "città"}'.encode("utf-16"), 400),
        (b'{"a": "\\ud800"}', 400),
        (b'{"a": "\\udc00\\ud800"}', 400),
        (b'{"a": NaN}', 400),
        (b'{"a": 1e999}', 422),
        (b"[" * 100_000 + b"]" * 100_000, 422),
        (b'{"a":' * 70 + b"1" + b"}" * 70, 422),
        (b'{"a": 9223372036854775808}', 422),
        (b'{"a": "\\u0000"}', 422),
        (b'{"\\u0000": 1}', 422),
        (b'{"no_such_field": 1}', 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b"null", 422),
        (b"17", 422),
    ],
    ids=lambda value: repr(value)[:24] if isinstance(value, bytes) else str(value),
)
async def test_no_body_is_too_strange(quiet_house: House, route: str, body: bytes, status: int) -> None:
    method, path = BODIES[route]
    async with quiet_house.client("admin") as client:
        answer = await client.request(method, path, content=body, headers=JSON)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


@pytest.mark.parametrize("route", BODIES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ";;;="},
    ],
    ids=str,
)
async def test_another_media_type_is_not_guessed_at(quiet_house: House, route: str, headers: dict[str, str]) -> None:
    method, path = BODIES[route]
    async with quiet_house.client("admin") as client:
        answer = await client.request(method, path, content=b"{}", headers={"Idempotency-Key": "k"} | headers)
    assert answer.status_code == 415


@pytest.mark.parametrize("route", BODIES)
async def test_a_body_beyond_its_limit_is_too_large(quiet_house: House, route: str) -> None:
    method, path = BODIES[route]
    most = MOST_BYTES if route in ("jobs", "preview") else 1024 * 1024

    async def chunks() -> Any:
        for _ in range(most // 65536 + 1):
            yield b" " * 65536

    async with quiet_house.client("admin") as client:
        announced = await client.request(method, path, content=b" " * (most + 1), headers=JSON)
        streamed = await client.request(method, path, content=chunks(), headers=JSON)
        fitting = await client.request(method, path, content=b" " * most, headers=JSON)
    assert (announced.status_code, streamed.status_code, fitting.status_code) == (413, 413, 400)


async def test_a_charset_of_utf_8_may_be_named(quiet_house: House) -> None:
    async with quiet_house.client("admin") as client:
        for named in ("application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'):
            answer = await client.put("/v1/recipients/c-1", content=b"{}", headers={"Content-Type": named})
            assert answer.is_success, named


def changed(**changes: Any) -> dict[str, Any]:
    return job_input(**changes)


def step(**changes: Any) -> dict[str, Any]:
    return {"name": "s", "channels": ["email"], "content": {"email": {"en": {"subject": "a", "text": "b"}}}} | changes


def matching(where: Any) -> dict[str, Any]:
    return {"kind": "matching", "where": where}


def nested(levels: int) -> dict[str, Any]:
    where: dict[str, Any] = {"op": "everyone"}
    for _ in range(levels):
        where = {"op": "not", "of": where}
    return matching(where)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "x"}, "/purpose"),
        (changed(surprise=1), "/surprise"),
        (changed(name=""), "/name"),
        (changed(name=5), "/name"),
        (changed(priority=10), "/priority"),
        (changed(priority=10**30), "/priority"),
        (changed(priority="5"), "/priority"),
        (changed(name="a\0b"), "/name"),
        (changed(start_at="tomorrow"), "/start_at"),
        (changed(start_at="2026-12-01T10:00:00"), "/start_at"),
        (changed(start_at="9999-12-31T23:59:59Z"), "/start_at"),
        (changed(expires_at="0001-01-01T00:00:00+23:59"), "/expires_at"),
        (changed(expires_at="2020-01-01T00:00:00Z"), "/expires_at"),
        (changed(audience={"kind": "nonsense"}), "/audience/kind"),
        (changed(audience={}), "/audience/kind"),
        (changed(audience={"kind": "ids", "ids": []}), "/audience/ids"),
        (changed(audience={"kind": "ids", "ids": ["a", "b", "a"]}), "/audience/ids/2"),
        (changed(audience={"kind": "ids", "ids": ["a", "città"]}), "/audience/ids/1"),
        (changed(audience={"kind": "inline", "recipients": [{"id": "a"}, {}]}), "/audience/recipients/1/id"),
        (
            changed(audience={"kind": "inline", "recipients": [{"id": "a", "variables": {"x": {"y~/z": "\0"}}}]}),
            "/audience/recipients/0/variables/x/y~0~1z",
        ),
        (
            changed(audience={"kind": "inline", "recipients": [{"id": "a", "profile": {"time_zone": "Mars/Base"}}]}),
            "/audience/recipients/0/profile/time_zone",
        ),
        (changed(audience=matching({"op": "all", "of": []})), "/audience/where/of"),
        (changed(audience=matching({"op": "all", "of": [{"op": "zz"}]})), "/audience/where/of/0/op"),
        (changed(audience=nested(20)), "/audience/where"),
        (
            changed(audience=matching({"op": "activity", "kind": "visit", "within": "P1000000D"})),
            "/audience/where/within",
        ),
        (changed(steps=[]), "/steps"),
        (changed(steps=[step(), step()]), "/steps"),
        (changed(steps=[step(channels=["fax"])]), "/steps/0/channels/0"),
        (changed(steps=[step(after="P9999999D")]), "/steps/0/after"),
        (changed(steps=[step(ttl="-PT1H")]), "/steps/0/ttl"),
        (changed(steps=[step(local_time="25:00")]), "/steps/0/local_time"),
        (changed(steps=[step(content={"email": {"en": {"subject": 5}}})]), "/steps/0/content/email/en/subject"),
        (changed(steps=[step(content={"EMAIL": {}})]), "/steps/0/content/EMAIL"),
        (changed(steps=[step(content={"email": {"EN": {}}})]), "/steps/0/content/email/EN"),
        (changed(steps=[step(content={"email": {"en": {"subject": "x"}}})]), "/steps/0/content/email/en/text"),
        (changed(steps=[step(), step(name="t", only_if="bored")]), "/steps/1/only_if"),
        (changed(offer="NO"), "/offer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_job_is_told_where_it_is_wrong(quiet_house: House, body: Any, pointer: str) -> None:
    async with quiet_house.client("admin") as client:
        for path in ("/v1/jobs", "/v1/jobs:preview"):
            answer = await client.post(path, content=msgspec.json.encode(body), headers=JSON)
            assert answer.status_code == 422, answer.text
            assert pointer in [each["pointer"] for each in answer.json()["errors"]], answer.text


CONSENT = {
    "recipient": "c-1",
    "channel": "email",
    "purpose": "marketing",
    "action": "granted",
    "at": "2026-11-01T10:00:00Z",
    "source": "form",
}
ACTIVITY = {"recipient": "c-1", "kind": "purchase", "at": "2026-11-01T10:00:00Z", "id": "o-1"}
OFFER = {"title": "15 %", "kind": "percentage", "value": 15}


@pytest.mark.parametrize(
    ("route", "body", "pointer"),
    [
        ("recipient", {"id": "c-2"}, "/id"),
        ("recipient", {"name": "x" * 201}, "/name"),
        ("recipient", {"locale": "Italian"}, "/locale"),
        ("recipient", {"country": "ITA"}, "/country"),
        ("recipient", {"time_zone": "Europe/Atlantis"}, "/time_zone"),
        ("recipient", {"attributes": {"Not A Key": 1}}, "/attributes/Not A Key"),
        ("recipient", {"attributes": {"a": "x" * 20_000}}, "/attributes"),
        ("recipient", {"attributes": {"a": [1, 2**70]}}, "/attributes/a/1"),
        ("recipient", {"addresses": [{"kind": "email", "value": "nobody"}]}, "/addresses/0/value"),
        ("recipient", {"addresses": [{"kind": "phone", "value": "123"}]}, "/addresses/0/value"),
        ("recipient", {"addresses": [{"kind": "email", "data": {"a": 1}}]}, "/addresses/0/data/a"),
        ("recipient", {"addresses": [{"kind": "postal"}]}, "/addresses/0/data"),
        ("recipient", {"addresses": [{"kind": "fax", "value": "Ω" * 2048}]}, "/addresses/0/value"),
        ("consent", {**CONSENT, "recipient": "nobody"}, "/recipient"),
        ("consent", {**CONSENT, "action": "maybe"}, "/action"),
        ("consent", {**CONSENT, "at": "2026-11-01T10:00:00"}, "/at"),
        ("consent", {**CONSENT, "at": "1066-10-14T00:00:00Z"}, "/at"),
        ("consent", {**CONSENT, "evidence": {"page": "\0"}}, "/evidence/page"),
        ("activity", {**ACTIVITY, "recipient": "nobody"}, "/recipient"),
        ("activity", {**ACTIVITY, "amount_minor": 2**63}, "/amount_minor"),
        ("activity", {**ACTIVITY, "amount_minor": 1.5}, "/amount_minor"),
        ("activity", {**ACTIVITY, "currency": "euro"}, "/currency"),
        ("activity", {**ACTIVITY, "id": ""}, "/id"),
        ("offer", {**OFFER, "key": "w16"}, "/key"),
        ("offer", {**OFFER, "value": 101}, "/value"),
        ("offer", {**OFFER, "kind": "amount"}, "/currency"),
        ("offer", {**OFFER, "valid_for": "PT0S"}, "/valid_for"),
        ("offer", {**OFFER, "valid_for": "P999999999D"}, "/valid_for"),
        ("offer", {**OFFER, "valid_until": "2026-12-01T00:00:00"}, "/valid_until"),
        ("offer", {**OFFER, "min_order_minor": -1}, "/min_order_minor"),
        ("validate", {"code": 5}, "/code"),
        ("validate", {"code": "x" * 65}, "/code"),
        ("validate", {"code": "x", "order_minor": -1}, "/order_minor"),
        ("redeem", {"code": "x", "order_minor": 5}, "/currency"),
        ("redeem", {"code": "x", "place": "\0"}, "/place"),
        ("redeem", {}, "/code"),
        ("hand-over", {"mailing_at": "2026-12-01T00:00:00"}, "/mailing_at"),
        ("mailed", {"at": "2026-12-01T00:00:00"}, "/at"),
        ("returns", {"reason": "refused", "piece": "bat_x", "at": "2026-12-01T00:00:00Z"}, "/piece"),
        ("returns", {"reason": "refused"}, "/piece"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_body_is_told_where_it_is_wrong(quiet_house: House, route: str, body: Any, pointer: str) -> None:
    method, path = BODIES[route]
    async with quiet_house.client("admin") as client:
        answer = await client.request(method, path, content=msgspec.json.encode(body), headers=JSON)
    assert answer.status_code == 422, answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


async def test_every_implausible_value_is_told_at_once(quiet_house: House) -> None:
    attributes = {"a": "\0", "b": [{"c": 2**64}, "\0"], "d": -(2**64)}
    async with quiet_house.client("admin") as client:
        answer = await client.put("/v1/recipients/c-1", json={"attributes": attributes})
    told = [each["pointer"] for each in answer.json()["errors"]]
    assert told == ["/attributes/a", "/attributes/b/0/c", "/attributes/b/1", "/attributes/d"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("limit=99999999999999999999999999", "limit"),
        ("limit=1&limit=2", "limit"),
        ("page=2", "page"),
        ("cursor=" + "x" * 501, "cursor"),
    ],
)
async def test_a_query_is_told_which_parameter_is_wrong(quiet_house: House, query: str, parameter: str) -> None:
    async with quiet_house.client("admin") as client:
        answer = await client.get(f"/v1/jobs?{query}")
    assert answer.status_code == 400
    assert [each["parameter"] for each in answer.json()["errors"]] == [parameter]


@pytest.mark.parametrize("query", ["limit=%FF", "cursor=%00", "&".join(f"a{n}=1" for n in range(100))])
async def test_a_query_that_cannot_be_read_is_refused(quiet_house: House, query: str) -> None:
    async with quiet_house.client("admin") as client:
        assert (await client.get(f"/v1/jobs?{query}")).status_code == 400


async def test_an_unknown_state_of_sends_is_refused(quiet_house: House) -> None:
    async with quiet_house.client("admin") as client:
        answer = await client.get("/v1/jobs/job_a/sends?state=lost")
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "state")

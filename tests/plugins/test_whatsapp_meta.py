"""WhatsApp by Meta: templates that go out, and what a business's webhook hears."""

import base64
import json
from typing import Any

import msgspec
import pytest

from gateway.contract import (
    BadSignature,
    BadWebhook,
    ChannelMisconfigured,
    EventType,
    Inbound,
    Intent,
    OptedOut,
    Outbound,
    OutcomeUnknown,
    PermanentFailure,
    ProviderEvent,
    RateLimited,
    TransientFailure,
)
from gateway.registry.configuration import ConfigFault, decode
from gateway.testkit import Call, Reply, always, assert_conforms, http_peer, standing
from tests.npm import asked, installed
from tests.plugins.dropped_in import documented, kit_of, loaded, opened, sent

plugin = loaded("whatsapp")
kit = kit_of(plugin)
Channel: Any = plugin.MetaWhatsApp
OUTLET = "106540352242923"
BUTTON = "https://gateway.example/c/"
TEMPLATES = {
    "spring": {
        "name": "spring_2026",
        "languages": {"it": "it", "pt-BR": "pt_BR", "*": "en_US"},
        "variables": 2,
        "button_prefix": BUTTON,
    },
    "plain": {"name": "plain", "languages": {"it": "it"}},
}


def table(**changes: Any) -> dict[str, Any]:
    return {
        "phone_number_id": kit.SENDER,
        "access_token": kit.ACCESS,
        "app_secrets": [kit.SIGNED_WITH],
        "verify_token": kit.AGREED,
        "brands": {"outlet": OUTLET},
        "templates": TEMPLATES,
        **changes,
    }


def to(number: str = kit.PERSON, **changes: Any) -> Outbound:
    parts = {"template": "spring", "variables": "Мила\n15 %", "link": f"{BUTTON}abc", **changes.pop("parts", {})}
    content = {name: text for name, text in parts.items() if text is not None}
    return kit.message(Channel, number, 1, parts=content, **changes)


def body_of(call: Call) -> Any:
    return msgspec.json.decode(call.body)


async def test_it_keeps_the_contract():
    report = await assert_conforms(kit.case(Channel))

    assert standing(report).level.number == 4, str(report)


def test_the_table_in_its_documentation_is_taken():
    secrets = {"WHATSAPP_TOKEN": "t", "WHATSAPP_APP_SECRET": "s", "WHATSAPP_VERIFY_TOKEN": "v"}
    values = {**secrets, "TWILIO_ACCOUNT_SID": kit.ACCOUNT, "TWILIO_AUTH_TOKEN": "a"}
    [table] = [each for each in documented(plugin, values) if each["whatsapp"]["provider"] == "meta"]

    config = decode("whatsapp", table["whatsapp"], Channel.config_type)

    assert config.templates["spring"].languages["en"] == "en_US"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"phone_number_id": "+12025550100"}, "phone_number_id"),
        ({"access_token": "canary\n"}, "access_token"),
        ({"app_secrets": []}, "app_secrets"),
        ({"verify_token": ""}, "verify_token"),
        ({"templates": {}}, "templates"),
        ({"templates": {"spring": {"name": "Spring", "languages": {"*": "it"}}}}, "name"),
        ({"templates": {"spring": {"name": "spring", "languages": {"*": "it-IT"}}}}, "languages"),
        ({"templates": {"spring": {"name": "spring", "languages": {}}}}, "languages"),
        ({"templates": {"spring": {"name": "s", "languages": {"*": "it"}, "button_prefix": "http://x"}}}, "prefix"),
        ({"templates": {"spring": {"name": "s", "languages": {"*": "it"}, "untracked": "other"}}}, "untracked"),
        ({"brands": {"outlet": "outlet"}}, "brands"),
        ({"base_url": "http://graph.facebook.com"}, "base_url"),
        ({"version": "latest"}, "version"),
    ],
)
def test_a_fault_in_the_table_is_named(changes, named):
    with pytest.raises(ConfigFault, match=named) as refused:
        decode("whatsapp", table(**changes), Channel.config_type)

    assert "canary" not in str(refused.value)


# --- what goes out


async def test_a_template_goes_out_filled_in(tmp_path):
    async with http_peer(kit.CloudApi()) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        [outcome] = await sent(channel, to(parts={"variables": "Мила\t \n15 %   🎁"}))

    [call] = peer.calls
    assert outcome.failure is None
    assert call.path == f"/v23.0/{kit.SENDER}/messages"
    assert body_of(call) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": kit.PERSON,
        "type": "template",
        "template": {
            "name": "spring_2026",
            "language": {"code": "it"},
            "components": [
                {"type": "body", "parameters": [{"type": "text", "text": "Мила"}, {"type": "text", "text": "15 % 🎁"}]},
                {"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": "abc"}]},
            ],
        },
        "biz_opaque_callback_data": "send-1-1",
    }


async def test_the_id_that_is_kept_does_not_hold_the_number(tmp_path):
    async with http_peer(kit.CloudApi()) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        [outcome] = await sent(channel, to())

    assert kit.PERSON.removeprefix("+").encode() not in base64.b64decode(outcome.provider_id + "==")
    assert "wamid" not in outcome.provider_id


@pytest.mark.parametrize(
    ("locale", "code"), [("it-IT", "it"), ("it", "it"), ("pt-BR", "pt_BR"), ("pt-PT", "en_US"), ("ru", "en_US")]
)
async def test_the_template_is_taken_in_the_language_of_the_message(tmp_path, locale, code):
    async with http_peer(kit.CloudApi()) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        await sent(channel, to(locale=locale))

    assert body_of(peer.calls[0])["template"]["language"] == {"code": code}


async def test_a_brand_writes_from_its_own_number(tmp_path):
    def cloud(call: Call) -> Reply:
        return kit.answered(200, {"messages": [{"id": "wamid.A"}]})

    async with http_peer(cloud) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        [outcome] = await sent(channel, to(brand="outlet"))
        [unknown] = await sent(channel, to(brand="pigeons"))

    assert (outcome.failure, peer.calls[0].path) == (None, f"/v23.0/{OUTLET}/messages")
    assert (unknown.failure.code, len(peer.calls)) == ("no-such-brand", 1)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"parts": {"template": "autumn"}}, "no-such-template"),
        ({"parts": {"template": "plain", "variables": None, "link": None}, "locale": "ru"}, "no-such-language"),
        ({"parts": {"variables": None}}, "wrong-variables"),
        ({"parts": {"variables": "Мила"}}, "wrong-variables"),
        ({"parts": {"variables": "Мила\n15 %\nextra"}}, "wrong-variables"),
        ({"parts": {"variables": "\n15 %"}}, "empty-variable"),
        ({"parts": {"variables": f"{'ж' * 1020}\n15 % off"}}, "too-long"),
        ({"parts": {"link": None}}, "no-link"),
        ({"parts": {"template": "plain", "variables": None}}, "no-button"),
        ({"brand": "pigeons"}, "no-such-brand"),
    ],
)
async def test_what_does_not_fit_the_template_shows_before_it_is_sent(tmp_path, changes, code):
    async with opened(Channel, table(), tmp_path) as channel:
        with pytest.raises(PermanentFailure) as refused:
            channel.weigh(to(**changes))

    assert refused.value.code == code


@pytest.mark.parametrize("link", [BUTTON, "https://shop.example/spring"])
async def test_a_link_that_the_button_cannot_lead_to_is_warned_of_and_not_sent(tmp_path, link):
    message = to(parts={"link": link})
    async with http_peer(kit.CloudApi()) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        weight = channel.weigh(message)
        [outcome] = await sent(channel, message)

    assert len(weight.warnings) == 1
    assert (outcome.failure.code, peer.calls) == ("wrong-link", [])


async def test_a_link_that_is_not_tracked_goes_out_with_the_template_for_those(tmp_path):
    direct = {**TEMPLATES["spring"], "name": "spring_direct", "button_prefix": "https://shop.example/"}
    templates = {"spring": {**TEMPLATES["spring"], "untracked": "direct"}, "direct": direct}
    both = to(), to(parts={"link": "https://shop.example/spring"}, id="send-2-1")
    async with (
        http_peer(kit.CloudApi()) as peer,
        opened(Channel, table(base_url=peer.url, templates=templates), tmp_path) as channel,
    ):
        await sent(channel, *both)

    went = {each["template"]["name"]: each["template"]["components"][1] for each in map(body_of, peer.calls)}
    assert {name: button["parameters"][0]["text"] for name, button in went.items()} == {
        "spring_2026": "abc",
        "spring_direct": "spring",
    }


async def test_a_template_without_variables_needs_none(tmp_path):
    message = to(parts={"template": "plain", "variables": None, "link": None})
    async with opened(Channel, table(), tmp_path) as channel:
        assert channel.weigh(message).units == 1


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, 131026, PermanentFailure),
        (400, 131047, PermanentFailure),
        (400, 131049, PermanentFailure),
        (400, 131050, OptedOut),
        (400, 132000, PermanentFailure),
        (404, 132001, PermanentFailure),
        (400, 100, PermanentFailure),
        (400, 999999, PermanentFailure),
        (401, 190, ChannelMisconfigured),
        (401, 0, ChannelMisconfigured),
        (403, 10, ChannelMisconfigured),
        (403, 200, ChannelMisconfigured),
        (403, 131031, ChannelMisconfigured),
        (400, 131042, ChannelMisconfigured),
        (400, 133010, ChannelMisconfigured),
        (500, 131000, TransientFailure),
        (503, 2, TransientFailure),
        (500, 1, OutcomeUnknown),
        (500, 999999, OutcomeUnknown),
    ],
)
async def test_an_error_of_metas_is_the_failure_it_stands_for(tmp_path, status, code, expected):
    reply = kit.meta_error(status, code, message=f"{kit.PERSON} failed")
    async with http_peer(always(reply)) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        [outcome] = await sent(channel, to())

    assert (type(outcome.failure), outcome.failure.code) == (expected, str(code))
    assert kit.PERSON not in outcome.failure.detail


@pytest.mark.parametrize(
    ("code", "scope", "wait_s"),
    [
        (130429, "channel", 10),
        (80007, "channel", 60),
        (131048, "channel", 3600),
        (131056, "message", 60),
        (132015, "message", 3600),
    ],
)
async def test_a_limit_holds_up_all_or_one_alone(tmp_path, code, scope, wait_s):
    reply = kit.meta_error(400, code)
    async with http_peer(always(reply)) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        [outcome] = await sent(channel, to())

    assert isinstance(outcome.failure, RateLimited)
    assert (outcome.failure.scope, outcome.failure.retry_after_s) == (scope, wait_s)


async def test_a_number_that_is_not_the_tokens_pauses_the_channel(tmp_path):
    elsewhere = {"phone_number_id": "106540352242999"}
    async with http_peer(kit.CloudApi()) as peer:
        async with opened(Channel, table(base_url=peer.url), tmp_path) as channel:
            await channel.check()
        async with opened(Channel, table(base_url=peer.url, **elsewhere), tmp_path) as channel:
            with pytest.raises(ChannelMisconfigured):
                await channel.check()
            [outcome] = await sent(channel, to())

    assert type(outcome.failure) is ChannelMisconfigured


async def test_a_message_that_meta_still_looks_at_is_taken(tmp_path):
    reply = kit.answered(200, {"messages": [{"id": "wamid.A", "message_status": "held_for_quality_assessment"}]})
    async with http_peer(always(reply)) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        [outcome] = await sent(channel, to())

    assert outcome.failure is None


# --- what comes in


async def heard(channel: Any, *values: dict[str, Any], **changes: Any) -> list[Any]:
    call = kit.notified(*values, **changes)
    channel.verify(call)
    return list(channel.parse(call))


@pytest.fixture
async def channel(tmp_path):
    async with opened(Channel, table(), tmp_path) as ready:
        yield ready


@pytest.mark.parametrize(
    ("word", "code", "expected"),
    [
        ("sent", None, [EventType.ACCEPTED]),
        ("delivered", None, [EventType.DELIVERED]),
        ("read", None, [EventType.DELIVERED]),
        ("failed", 131026, [EventType.FAILED]),
        ("failed", 131049, [EventType.BLOCKED]),
        ("failed", 131042, [EventType.BLOCKED]),
        ("failed", 132015, [EventType.BLOCKED]),
        ("failed", 131050, [EventType.FAILED, EventType.UNSUBSCRIBED]),
        ("failed", 999999, [EventType.FAILED]),
        ("failed", None, [EventType.FAILED]),
        ("played", None, []),
    ],
)
async def test_a_status_is_the_events_it_stands_for(channel, word, code, expected):
    events = await heard(channel, kit.status(word, code))

    assert [event.type for event in events] == expected
    assert {event.message_id for event in events} <= {"send-1-1"}
    assert len({event.event_id for event in events}) == len(events)
    assert not any(event.address_gone for event in events)


async def test_that_somebody_read_it_is_noted_only_where_the_message_could_ask(tmp_path):
    async with http_peer(kit.CloudApi()) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        await sent(channel, to(open_url="https://gateway.example/i/abc"))
        [call] = peer.calls
        events = await heard(channel, kit.status("read", data=body_of(call)["biz_opaque_callback_data"]))

    assert [(event.type, event.by) for event in events] == [(EventType.DELIVERED, None), (EventType.OPENED, "human")]
    assert {event.message_id for event in events} == {"send-1-1"}


async def test_a_status_finds_its_message_by_metas_id_too(tmp_path, channel):
    def cloud(call: Call) -> Reply:
        return kit.answered(200, {"messages": [{"id": kit.status("sent")["statuses"][0]["id"]}]})

    async with http_peer(cloud) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as sending:
        [outcome] = await sent(sending, to())
    [event] = await heard(channel, kit.status("delivered", data="what another system says of it"))

    assert (event.message_id, event.provider_id) == (None, outcome.provider_id)


async def test_all_of_a_call_is_heard_although_a_part_cannot_be_read(channel):
    broken = {"statuses": [{"id": 7}, *kit.status("delivered")["statuses"]]}

    told = await heard(channel, broken, {"messages": "none"}, kit.wrote("Ciao"))

    assert [type(each) for each in told] == [ProviderEvent, Inbound]


async def test_the_other_numbers_of_the_business_are_not_ours(channel):
    assert await heard(channel, kit.wrote("Ciao"), sender="106540352242999") == []
    assert len(await heard(channel, kit.wrote("Ciao"), sender=OUTLET)) == 1


@pytest.mark.parametrize(
    ("said", "text", "intent"),
    [
        ({"type": "text", "text": {"body": "Basta! 🙏"}}, "Basta! 🙏", None),
        ({"type": "button", "button": {"text": "Stop promotions", "payload": "p"}}, "Stop promotions", Intent.STOP),
        ({"type": "button", "button": {"text": "Rezygnuję", "payload": "STOP"}}, "Rezygnuję", Intent.STOP),
        (
            {
                "type": "interactive",
                "interactive": {"type": "button_reply", "button_reply": {"id": "1", "title": "Да"}},
            },
            "Да",
            None,
        ),
        ({"type": "image", "image": {"id": "1", "caption": "שלום"}}, "שלום", None),
        ({"type": "audio", "audio": {"id": "1"}}, "", None),
    ],
)
async def test_what_somebody_writes_or_presses_is_a_reply(channel, said, text, intent):
    message = {"from": "447700900123", "id": "wamid.IN2", "timestamp": "1772443900", **said}

    [reply] = await heard(channel, {"messages": [message]})

    assert (reply.sender, reply.text, reply.intent) == ("+447700900123", text, intent)
    assert "wamid" not in f"{reply.event_id} {reply.provider_id}"


@pytest.mark.parametrize("kind", ["reaction", "system", "unsupported"])
async def test_what_has_no_words_is_no_reply(channel, kind):
    message = {"from": "447700900123", "id": "wamid.IN2", "timestamp": "1772443900", "type": kind}

    assert await heard(channel, {"messages": [message]}) == []


@pytest.mark.parametrize(("value", "intent"), [("stop", Intent.STOP), ("resume", Intent.START)])
async def test_who_stops_marketing_in_whatsapp_itself_has_said_so(channel, value, intent):
    [wish] = await heard(channel, kit.wished(value))

    assert (wish.sender, wish.intent) == (kit.PERSON, intent)
    assert kit.PERSON.removeprefix("+") not in wish.event_id


async def test_a_secret_can_be_replaced_without_losing_a_report(tmp_path):
    async with opened(Channel, table(app_secrets=["the-next-one", kit.SIGNED_WITH]), tmp_path) as channel:
        channel.verify(kit.notified(kit.status("sent")))
    async with opened(Channel, table(app_secrets=["the-next-one"]), tmp_path) as channel:
        with pytest.raises(BadSignature):
            channel.verify(kit.notified(kit.status("sent")))


async def test_a_body_that_was_written_anew_on_the_way_is_still_signed(channel):
    call = kit.notified(kit.wrote("Łódź 🎁"))
    anew = json.dumps(msgspec.json.decode(call.body), ensure_ascii=False).encode()
    assert anew != call.body

    channel.verify(msgspec.structs.replace(call, body=anew))
    with pytest.raises(BadSignature):
        channel.verify(msgspec.structs.replace(call, body=anew.replace("Łódź".encode(), b"Lodz")))


async def test_a_challenge_is_answered_for_the_word_agreed_upon(channel):
    call = kit.asked()
    channel.verify(call)

    answer = await channel.answer(call)

    assert (answer.body, answer.media_type, list(channel.parse(call))) == ("1158201444", "text/plain", [])
    assert await channel.answer(kit.notified(kit.status("sent"))) is None
    for stranger in (kit.asked("guess"), kit.asked(challenge="<script>"), kit.asked(challenge="")):
        with pytest.raises(BadSignature):
            channel.verify(stranger)


async def test_a_call_about_something_else_is_refused(channel):
    with pytest.raises(BadWebhook):
        channel.parse(kit.signed(b'{"object": "page", "entry": []}'))


# --- another's view of it

SCRIPT = """
const chunks = []; process.stdin.on("data", chunk => chunks.push(chunk)).on("end", async () => {
  const { body, signature, secret } = JSON.parse(Buffer.concat(chunks));
  const { WhatsAppAPI } = await import("whatsapp-api-js");
  const { Template, Language, BodyComponent, BodyParameter, URLComponent } = await import("whatsapp-api-js/messages");
  const api = new WhatsAppAPI({ token: "t", appSecret: secret, v: "v23.0" });
  const template = new Template("spring_2026", new Language("it"),
    new BodyComponent(new BodyParameter("Мила"), new BodyParameter("15 %")), new URLComponent("abc"));
  process.stdout.write(JSON.stringify({
    template,
    isSigned: await api.verifyRequestSignature(body, signature),
  }));
});
"""


async def test_a_client_that_others_wrote_builds_the_same_template_and_takes_the_same_signature(tmp_path):
    folder = installed(tmp_path, "whatsapp-api-js@6")
    async with http_peer(kit.CloudApi()) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        await sent(channel, to())
    call = kit.notified(kit.wrote("Ciao"))

    question = {
        "body": call.body.decode(),
        "signature": call.headers["x-hub-signature-256"],
        "secret": kit.SIGNED_WITH,
    }
    told = asked(folder, SCRIPT, question)

    assert told["isSigned"] is True
    theirs = told["template"]
    # The one policy there is, and a place that Meta's reference writes as text.
    assert theirs["language"].pop("policy") == "deterministic"
    theirs["components"][1]["index"] = str(theirs["components"][1]["index"])
    assert theirs == body_of(peer.calls[0])["template"]

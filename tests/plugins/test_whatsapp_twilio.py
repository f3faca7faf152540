"""WhatsApp by Twilio: templates that go out, and what Twilio calls back with."""

from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
from twilio.request_validator import RequestValidator

from gateway.contract import (
    BadSignature,
    BadWebhook,
    ChannelMisconfigured,
    EventType,
    Intent,
    OptedOut,
    Outbound,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    RecipientGone,
    Secret,
    TransientFailure,
)
from gateway.registry.configuration import ConfigFault, decode
from gateway.testkit import Call, Reply, always, assert_conforms, http_peer, standing
from tests.plugins.dropped_in import documented, kit_of, loaded, opened, sent

plugin = loaded("whatsapp")
kit = kit_of(plugin)
Channel: Any = plugin.TwilioWhatsApp
ITALIAN, ENGLISH = f"HX{'1' * 32}", f"HX{'2' * 32}"
BUTTON = "https://gateway.example/c/"
SID = f"MM{'3' * 32}"
STATUS_URL = f"{kit.HOOK}/send-1-1"


def table(**changes: Any) -> dict[str, Any]:
    spring = {"languages": {"it": ITALIAN, "*": ENGLISH}, "variables": 2, "button_prefix": BUTTON}
    return {
        "account_sid": kit.ACCOUNT,
        "auth_tokens": [kit.AUTH],
        "sender": "+12025550100",
        "brands": {"outlet": f"MG{'4' * 32}"},
        "templates": {"spring": spring, "plain": {"languages": {"*": ENGLISH}}},
        **changes,
    }


def to(number: str = kit.PERSON, **changes: Any) -> Outbound:
    given = {"parts": {"template": "spring", "variables": "Żaneta\n15 %", "link": f"{BUTTON}abc"}, **changes}
    return kit.message(Channel, number, 1, status_url=STATUS_URL, **given)


def form_of(call: Call) -> dict[str, str]:
    return dict(parse_qsl(call.body.decode()))


async def test_it_keeps_the_contract():
    report = await assert_conforms(kit.case(Channel))

    assert standing(report).level.number == 4, str(report)


def test_the_table_in_its_documentation_is_taken():
    secrets = {"WHATSAPP_TOKEN": "t", "WHATSAPP_APP_SECRET": "s", "WHATSAPP_VERIFY_TOKEN": "v"}
    values = {**secrets, "TWILIO_ACCOUNT_SID": kit.ACCOUNT, "TWILIO_AUTH_TOKEN": "a"}
    [table] = [each for each in documented(plugin, values) if each["whatsapp"]["provider"] == "twilio"]

    config = decode("whatsapp", table["whatsapp"], Channel.config_type)

    assert config.templates["spring"].variables == 2


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"account_sid": "SK0"}, "account_sid"),
        ({"auth_tokens": ["canary", ""]}, "auth_tokens"),
        ({"sender": "Example"}, "sender"),
        ({"templates": {}}, "templates"),
        ({"templates": {"spring": {"languages": {"*": "spring_2026"}}}}, "languages"),
        ({"base_url": "http://api.twilio.com"}, "base_url"),
    ],
)
def test_a_fault_in_the_table_is_named(changes, named):
    with pytest.raises(ConfigFault, match=named) as refused:
        decode("whatsapp", table(**changes), Channel.config_type)

    assert "canary" not in str(refused.value)


# --- what goes out


async def test_a_template_goes_out_filled_in_with_its_button_last(tmp_path):
    async with http_peer(kit.Twilio()) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        [outcome] = await sent(channel, to())

    [call] = peer.calls
    form = form_of(call)
    assert (outcome.failure, outcome.provider_id) == (None, f"MM{1:032x}")
    assert call.path == f"/2010-04-01/Accounts/{kit.ACCOUNT}/Messages.json"
    assert msgspec.json.decode(form.pop("ContentVariables")) == {"1": "Żaneta", "2": "15 %", "3": "abc"}
    assert form == {
        "To": f"whatsapp:{kit.PERSON}",
        "From": "whatsapp:+12025550100",
        "ContentSid": ITALIAN,
        "StatusCallback": STATUS_URL,
    }


async def test_a_brand_may_be_a_messaging_service_and_a_language_has_a_template_of_its_own(tmp_path):
    async with http_peer(kit.Twilio()) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        await sent(channel, to(brand="outlet", locale="ru-RU"))

    form = form_of(peer.calls[0])
    assert (form["MessagingServiceSid"], form["ContentSid"]) == (f"MG{'4' * 32}", ENGLISH)
    assert "From" not in form


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, 21211, RecipientGone),
        (400, 21610, OptedOut),
        (400, 63014, OptedOut),
        (400, 21655, PermanentFailure),
        (400, 21656, PermanentFailure),
        (400, 63003, PermanentFailure),
        (400, 63016, PermanentFailure),
        (400, 63024, PermanentFailure),
        (400, 63032, PermanentFailure),
        (400, 63049, PermanentFailure),
        (400, 63007, ChannelMisconfigured),
        (401, 20003, ChannelMisconfigured),
        (404, 20404, ChannelMisconfigured),
        (400, 63012, TransientFailure),
        (400, 99999, PermanentFailure),
        (500, 20500, OutcomeUnknown),
    ],
)
async def test_an_error_of_twilios_is_the_failure_it_stands_for(tmp_path, status, code, expected):
    reply = kit.answered(status, {"code": code, "message": f"whatsapp:{kit.PERSON} failed", "status": status})
    async with http_peer(always(reply)) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        [outcome] = await sent(channel, to())

    assert (type(outcome.failure), outcome.failure.code) == (expected, str(code))
    assert kit.PERSON not in outcome.failure.detail


@pytest.mark.parametrize(
    ("status", "code", "scope", "wait_s"),
    [(429, 63018, "channel", 60), (429, 20429, "channel", 10), (400, 63041, "message", 3600)],
)
async def test_a_limit_holds_up_all_or_one_alone(tmp_path, status, code, scope, wait_s):
    reply = kit.answered(status, {"code": code})
    async with http_peer(always(reply)) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        [outcome] = await sent(channel, to())

    assert isinstance(outcome.failure, RateLimited)
    assert (outcome.failure.scope, outcome.failure.retry_after_s) == (scope, wait_s)


async def test_an_answer_about_somebody_else_proves_nothing(tmp_path):
    reply = kit.answered(201, {"sid": SID, "to": "whatsapp:+12025550177"})
    async with http_peer(always(reply)) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        [outcome] = await sent(channel, to())

    assert type(outcome.failure) is OutcomeUnknown


async def test_a_check_asks_for_the_account(tmp_path):
    async with http_peer(kit.Twilio()) as peer:
        async with opened(Channel, table(base_url=peer.url), tmp_path) as channel:
            await channel.check()
        async with opened(Channel, table(base_url=peer.url, auth_tokens=["another"]), tmp_path) as channel:
            with pytest.raises(ChannelMisconfigured):
                await channel.check()

    assert {call.path for call in peer.calls} == {f"/2010-04-01/Accounts/{kit.ACCOUNT}.json"}


async def test_a_provider_in_trouble_can_be_checked_later(tmp_path):
    away = always(Reply(status=503))
    async with http_peer(away) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        with pytest.raises(TransientFailure):
            await channel.check()


# --- what comes in


@pytest.fixture
async def channel(tmp_path):
    async with opened(Channel, table(), tmp_path) as ready:
        yield ready


@pytest.mark.parametrize(
    "url",
    [
        "https://gateway.example/hooks/whatsapp/m-1",
        "https://gateway.example:8443/hooks/whatsapp/m-1?read=1",
        "https://gateway.example:443/hooks/whatsapp",
        "http://127.0.0.1:8080/hooks/whatsapp",
    ],
)
@pytest.mark.parametrize(
    "form", [{"MessageSid": SID, "Body": "Łódź & Żabka 🎁 שלום", "Zero": "", "a": "1", "A": "2"}, {}]
)
async def test_twilios_own_sdk_computes_the_same_signature(url, form):
    theirs = RequestValidator(kit.AUTH).compute_signature(url, form)

    assert kit.twilio_reports.signature(Secret(kit.AUTH), url, form.items()).decode() == theirs


@pytest.mark.parametrize(
    "signed_as", ["https://gateway.example/hooks/whatsapp", "https://gateway.example:443/hooks/whatsapp"]
)
async def test_twilio_may_sign_the_address_with_its_port(channel, signed_as):
    form = {"MessageSid": SID, "SmsStatus": "received", "From": f"whatsapp:{kit.PERSON}", "Body": "Ciao"}
    call = kit.called_back(form)
    proof = RequestValidator(kit.AUTH).compute_signature(signed_as, form)

    channel.verify(msgspec.structs.replace(call, headers={"x-twilio-signature": proof}))


async def test_a_token_can_be_replaced_without_losing_a_report(tmp_path):
    call = kit.called_back({"MessageSid": SID, "MessageStatus": "delivered"})
    async with opened(Channel, table(auth_tokens=["the-next-one", kit.AUTH]), tmp_path) as channel:
        channel.verify(call)
    async with opened(Channel, table(auth_tokens=["the-next-one"]), tmp_path) as channel:
        with pytest.raises(BadSignature):
            channel.verify(call)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("queued", None, [EventType.ACCEPTED]),
        ("sent", None, [EventType.ACCEPTED]),
        ("delivered", None, [EventType.DELIVERED]),
        ("read", None, [EventType.DELIVERED]),
        ("undelivered", "63024", [EventType.FAILED]),
        ("undelivered", "63049", [EventType.BLOCKED]),
        ("undelivered", "63014", [EventType.FAILED, EventType.UNSUBSCRIBED]),
        ("failed", "21211", [EventType.BOUNCED]),
        ("failed", "99999", [EventType.FAILED]),
        ("failed", "²", [EventType.FAILED]),
        ("receiving", None, []),
    ],
)
async def test_a_status_is_the_events_it_stands_for(channel, status, code, expected):
    call = kit.called_back({"MessageSid": SID, "MessageStatus": status} | ({"ErrorCode": code} if code else {}))
    channel.verify(call)

    events = list(channel.parse(call))

    assert [event.type for event in events] == expected
    assert {(event.message_id, event.provider_id) for event in events} <= {("send-1-1", SID)}
    assert [event.address_gone for event in events] == [event.type is EventType.BOUNCED for event in events]


async def test_that_somebody_read_it_is_noted_only_where_the_message_could_ask(tmp_path):
    async with http_peer(kit.Twilio()) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        await sent(channel, to(open_url="https://gateway.example/i/abc"))
        callback = form_of(peer.calls[0])["StatusCallback"]
        call = kit.called_back({"MessageSid": SID, "MessageStatus": "read"}, callback.removeprefix(STATUS_URL))
        channel.verify(call)
        events = list(channel.parse(call))

    assert (callback, call.url) == (f"{STATUS_URL}?read=1",) * 2
    assert [(event.type, event.by) for event in events] == [(EventType.DELIVERED, None), (EventType.OPENED, "human")]


@pytest.mark.parametrize(
    ("said", "text", "intent", "answered"),
    [
        ({"Body": "Dzięki 🎁"}, "Dzięki 🎁", None, False),
        ({"Body": "Stop promotions", "ButtonText": "Stop promotions"}, "Stop promotions", Intent.STOP, False),
        ({"ButtonText": "Rezygnuję", "ButtonPayload": "STOP"}, "Rezygnuję", Intent.STOP, False),
        ({"Body": "STOP", "OptOutType": "STOP"}, "STOP", Intent.STOP, True),
        ({"NumMedia": "1"}, "", None, False),
    ],
)
async def test_what_somebody_writes_or_presses_is_a_reply(channel, said, text, intent, answered):
    call = kit.called_back({"MessageSid": SID, "SmsStatus": "received", "From": f"whatsapp:{kit.PERSON}", **said})
    channel.verify(call)

    [reply] = channel.parse(call)

    assert (reply.sender, reply.text, reply.intent, reply.answered) == (kit.PERSON, text, intent, answered)


async def test_an_sms_to_the_same_account_is_another_channels(channel):
    call = kit.called_back({"MessageSid": SID, "SmsStatus": "received", "From": kit.PERSON, "Body": "STOP"})

    assert list(channel.parse(call)) == []


@pytest.mark.parametrize("form", [{}, {"MessageSid": SID}, {"MessageSid": SID, "MessageStatus": "exploded"}])
async def test_a_call_that_makes_no_sense_is_refused(channel, form):
    with pytest.raises(BadWebhook):
        channel.parse(kit.called_back(form))

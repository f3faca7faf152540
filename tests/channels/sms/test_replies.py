"""What people write back, as Twilio hands it on: signed here by Twilio's own library."""

from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from gateway.contract import BadSignature, BadWebhook, Inbound, Intent, WebhookRequest

URL = "https://gateway.example.com/hooks/sms"
TOKEN = "first-token-of-the-account"
SID = "SM" + "b" * 32


def incoming(body: str = "Grazie!", *, method: str = "POST", token: str = TOKEN, **more: str) -> WebhookRequest:
    form = {
        "ToCountry": "US",
        "SmsMessageSid": SID,
        "NumMedia": "0",
        "SmsSid": SID,
        "SmsStatus": "received",
        "Body": body,
        "To": "+12025550100",
        "MessagingServiceSid": "MG" + "1" * 32,
        "NumSegments": "1",
        "MessageSid": SID,
        "AccountSid": "AC" + "0" * 32,
        "From": "+447700900123",
        "ApiVersion": "2010-04-01",
    } | more
    in_query = method == "GET"
    url = f"{URL}?{urlencode(form)}" if in_query else URL
    signature = RequestValidator(token).compute_signature(url, {} if in_query else form)
    return WebhookRequest(
        method=method,
        url=url,
        headers={"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature},
        query=list(form.items()) if in_query else [],
        body=b"" if in_query else urlencode(form).encode(),
        received_at=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
    )


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("text", ["Sì, grazie! 🎁", "Не пишите мне больше", "תודה", "", "a=b&c=d%20+"])
def test_a_reply_is_heard(channel, method, text):
    request = incoming(text, method=method)

    channel.verify(request)

    [reply] = channel.parse(request)
    assert reply == Inbound(event_id=f"{SID}:received", sender="+447700900123", text=text, provider_id=SID)


@pytest.mark.parametrize(("kind", "intent"), [("STOP", Intent.STOP), ("START", Intent.START), ("HELP", Intent.HELP)])
def test_what_twilio_has_understood_and_answered_is_told_with_it(channel, kind, intent):
    [reply] = channel.parse(incoming("Basta", OptOutType=kind))

    assert (reply.intent, reply.answered) == (intent, True)


@pytest.mark.parametrize(
    ("text", "answered"),
    [("STOP", True), (" stop\n", True), ("Help", True), ("Unstop", True), ("Stop please", False), ("basta", False)],
)
def test_what_twilio_answers_by_itself_is_answered(channel, text, answered):
    [reply] = channel.parse(incoming(text))

    assert (reply.intent, reply.answered) == (None, answered)


def test_the_same_reply_told_again_has_the_same_event(channel):
    assert list(channel.parse(incoming())) == list(channel.parse(incoming()))


@pytest.mark.parametrize("sender", ["54321", "whatsapp:+447700900123", "Caffe Rio", "", "+"])
def test_a_sender_to_whom_we_never_write_is_nobody(channel, sender):
    assert list(channel.parse(incoming(From=sender))) == []


def test_a_reply_without_an_id_makes_no_sense(channel):
    with pytest.raises(BadWebhook, match="MessageSid"):
        channel.parse(incoming(MessageSid="x"))


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_reply_that_twilio_has_not_signed_is_refused(channel, method):
    with pytest.raises(BadSignature):
        channel.verify(incoming(method=method, token="another"))


def test_a_form_slipped_under_a_signed_query_changes_nothing(channel):
    request = incoming(method="GET")
    slipped = WebhookRequest(
        **{name: getattr(request, name) for name in request.__struct_fields__ if name != "body"}, body=b"Body=STOP"
    )

    with pytest.raises(BadSignature):
        channel.verify(slipped)


def test_the_channel_says_that_people_can_write_back(channel):
    assert channel.capabilities.receives

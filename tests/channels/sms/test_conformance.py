"""The SMS channel before the kit, whose provider answers as Twilio's documentation describes."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import msgspec
from twilio.request_validator import RequestValidator

from channels.sms import SmsChannel
from gateway.contract import Address, WebhookRequest
from gateway.testkit import NOW, Call, Case, Reply, assert_conforms, outbound, outbounds

ACCOUNT = "AC" + "0" * 32
TOKEN = "a-token-of-the-test"
HOOK = "https://gateway.example/hooks/sms"
REFUSED, GONE = "+12025550198", "+12025550199"
REFUSALS = {REFUSED: (21612, "no route"), GONE: (21211, "not a valid number")}


def twilio() -> Callable[[Call], Reply]:
    """Takes messages, and lists those that it took."""
    taken: list[dict[str, str]] = []

    def answer(call: Call) -> Reply:
        if call.method == "GET":
            [number] = parse_qs(urlsplit(call.path).query)["To"]
            return said(200, {"messages": [each for each in taken if each["to"] == number], "next_page_uri": None})
        form = dict(parse_qsl(call.body.decode()))
        if form["To"] in REFUSALS:
            code, message = REFUSALS[form["To"]]
            return said(400, {"code": code, "message": f"{form['To']}: {message}"})
        message = {
            "sid": f"SM{len(taken):032x}",
            "to": form["To"],
            "from": form["From"],
            "body": form["Body"],
            "direction": "outbound-api",
            "status": "queued",
            "date_created": format_datetime(datetime.now(UTC)),
        }
        taken.append(message)
        return said(201, message)

    return answer


def said(status: int, content: object) -> Reply:
    return Reply(status=status, body=msgspec.json.encode(content), headers={"Content-Type": "application/json"})


def call(form: dict[str, str], message_id: str | None = None) -> WebhookRequest:
    url = HOOK if message_id is None else f"{HOOK}/{message_id}"
    return WebhookRequest(
        method="POST",
        url=url,
        headers={
            "x-twilio-signature": RequestValidator(TOKEN).compute_signature(url, form),
            "content-type": "application/x-www-form-urlencoded",
        },
        query=[],
        body=urlencode(form).encode(),
        received_at=NOW,
        message_id=message_id,
    )


def status(name: str, **more: str) -> WebhookRequest:
    return call({"MessageSid": "SM" + "1" * 32, "MessageStatus": name, "AccountSid": ACCOUNT, **more}, "send-1-1")


def reply(text: str, **more: str) -> WebhookRequest:
    form = {"MessageSid": "SM" + "2" * 32, "SmsStatus": "received", "From": "+447700900123", "Body": text}
    return call({**form, "To": "+12025550100", "AccountSid": ACCOUNT, **more})


async def test_the_sms_channel_conforms() -> None:
    told = SmsChannel.capabilities
    numbers = [Address(kind="phone", value=number) for number in ("+12025550101", "+447700900123", "+12025550102")]

    report = await assert_conforms(
        Case(
            channel=SmsChannel,
            config={
                "account_sid": ACCOUNT,
                "auth_tokens": [TOKEN],
                "sender": "+12025550100",
                "base_url": "https://api.twilio.com",
            },
            url_key="base_url",
            provider=twilio(),
            messages=outbounds(told, numbers),
            refused=[outbound(told, Address(kind="phone", value=REFUSED), number=8)],
            gone=[outbound(told, Address(kind="phone", value=GONE), number=9)],
            reports=lambda: [
                status("delivered"),
                status("undelivered", ErrorCode="30003"),
                status("undelivered", ErrorCode="30007"),
                status("failed", ErrorCode="21610"),
            ],
            replies=lambda: [reply("Grazie! 🎁"), reply("Basta", OptOutType="STOP")],
        )
    )

    assert {finding.check for finding in report.findings if finding.verdict == "not applicable"} == {
        "a_batch_is_made_again_byte_for_byte",
        "a_part_holds_its_pieces_and_no_others",
        "a_part_keeps_the_numbers_of_its_pieces",
        "a_refused_piece_leaves_nothing_of_its_part",
        "the_papers_add_up",
        "a_proof_and_a_picture_can_be_looked_at",
        "the_same_message_twice_has_the_same_key",
    }

"""Reports as the providers write them, each with what the gateway is to hear: type, gone, code, by."""

from typing import Any, NamedTuple

from gateway.contract import EventType
from tests.channels.email.inbound.conftest import ID

PERSON = "zofia.kowalska@example.com"
DIAGNOSTIC = f"smtp; 550 5.1.1 <{PERSON}>: no such user here"

E = EventType


class Heard(NamedTuple):
    type: EventType
    code: str | None = None
    gone: bool = False
    by: str | None = None


class Sample(NamedTuple):
    name: str
    payload: Any
    heard: tuple[Heard, ...]


def ses_mail(**changes: Any) -> dict[str, Any]:
    return {
        "timestamp": "2026-03-02T09:00:00.000Z",
        "messageId": "0102019d1f0c3a5e-6b1a7a53-000000",
        "source": "hello@shop.example",
        "sourceArn": "arn:aws:ses:eu-west-1:123456789012:identity/shop.example",
        "sendingAccountId": "123456789012",
        "destination": [PERSON],
        "headersTruncated": False,
        "tags": {"ses:operation": ["SendSmtpEmail"], "risveglio-message": [ID], "ses:caller-identity": ["relay"]},
    } | changes


def ses(kind: str, part: str | None = None, content: Any = None, **mail: Any) -> dict[str, Any]:
    event = {"eventType": kind, "mail": ses_mail(**mail)}
    return event if part is None else {**event, part: content}


def ses_bounce(kind: str, why: str, **recipient: Any) -> dict[str, Any]:
    content = {
        "feedbackId": f"0102019d1f0c-{kind}-{why}-000000",
        "bounceType": kind,
        "bounceSubType": why,
        "bouncedRecipients": [{"emailAddress": PERSON, **recipient}],
        "timestamp": "2026-03-02T09:00:07.000Z",
        "reportingMTA": "dns; a4-2.smtp-out.eu-west-1.amazonses.com",
        "remoteMtaIp": "192.0.2.25",
    }
    return ses("Bounce", "bounce", content)


def ses_complaint(**changes: Any) -> dict[str, Any]:
    content = {
        "feedbackId": "0102019d1f0c-complaint-000000",
        "complaintSubType": None,
        "complainedRecipients": [{"emailAddress": PERSON}],
        "timestamp": "2026-03-02T09:10:00.000Z",
        "userAgent": "Yahoo!-Mail-Feedback/2.0",
        "complaintFeedbackType": "abuse",
        "arrivalDate": "2026-03-02T09:09:00.000Z",
    } | changes
    return ses("Complaint", "complaint", content)


FAILED = {"action": "failed", "status": "5.1.1", "diagnosticCode": DIAGNOSTIC}
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
OUT = {"topicName": "news", "subscriptionStatus": "OptOut"}
IN = {"topicName": "news", "subscriptionStatus": "OptIn"}

SES = (
    Sample("send", ses("Send", "send", {}), (Heard(E.ACCEPTED),)),
    Sample(
        "delivery",
        ses(
            "Delivery",
            "delivery",
            {
                "timestamp": "2026-03-02T09:00:05.000Z",
                "processingTimeMillis": 1500,
                "recipients": [PERSON],
                "smtpResponse": "250 2.6.0 Message received",
            },
        ),
        (Heard(E.DELIVERED),),
    ),
    Sample("hard", ses_bounce("Permanent", "General", **FAILED), (Heard(E.BOUNCED, "5.1.1", gone=True),)),
    Sample("nobody", ses_bounce("Permanent", "NoEmail", **FAILED), (Heard(E.BOUNCED, "5.1.1", gone=True),)),
    Sample("suppressed", ses_bounce("Permanent", "Suppressed"), (Heard(E.BOUNCED, "suppressed", gone=True),)),
    Sample(
        "account list",
        ses_bounce("Permanent", "OnAccountSuppressionList"),
        (Heard(E.BOUNCED, "on-account-suppression-list", gone=True),),
    ),
    Sample(
        "unsubscribed",
        ses_bounce("Permanent", "UnsubscribedRecipient"),
        (Heard(E.FAILED, "unsubscribed-recipient"), Heard(E.UNSUBSCRIBED, "unsubscribed-recipient")),
    ),
    Sample("hard without a word", ses_bounce("Permanent", "General"), (Heard(E.BOUNCED, "permanent", gone=True),)),
    Sample(
        "hard by policy",
        ses_bounce(
            "Permanent", "General", action="failed", status="5.7.1", diagnosticCode="smtp; 550 5.7.1 listed as spam"
        ),
        (Heard(E.BLOCKED, "5.7.1"),),
    ),
    Sample(
        "full",
        ses_bounce("Transient", "MailboxFull", action="failed", status="5.2.2", diagnosticCode="smtp; 552 5.2.2 full"),
        (Heard(E.BOUNCED, "5.2.2"),),
    ),
    Sample("out of office", ses_bounce("Transient", "General"), ()),
    Sample(
        "transient",
        ses_bounce("Transient", "General", action="failed", status="4.4.1", diagnosticCode="smtp; 421 4.4.1 timeout"),
        (Heard(E.BOUNCED, "4.4.1"),),
    ),
    Sample("too large", ses_bounce("Transient", "MessageTooLarge"), (Heard(E.FAILED, "message-too-large"),)),
    Sample("content", ses_bounce("Transient", "ContentRejected"), (Heard(E.BLOCKED, "content-rejected"),)),
    Sample("attachment", ses_bounce("Transient", "AttachmentRejected"), (Heard(E.BLOCKED, "attachment-rejected"),)),
    Sample("undetermined", ses_bounce("Undetermined", "Undetermined"), (Heard(E.BOUNCED, "undetermined"),)),
    Sample("complaint", ses_complaint(), (Heard(E.COMPLAINED),)),
    Sample("complaint without a type", ses_complaint(complaintFeedbackType=None), (Heard(E.COMPLAINED),)),
    Sample("no complaint", ses_complaint(complaintFeedbackType="not-spam"), ()),
    Sample(
        "complained before",
        ses_complaint(complaintSubType="OnAccountSuppressionList", complaintFeedbackType=None),
        (Heard(E.FAILED, "on-account-suppression-list"), Heard(E.UNSUBSCRIBED, "on-account-suppression-list")),
    ),
    Sample("reject", ses("Reject", "reject", {"reason": "Bad content"}), (Heard(E.BLOCKED, "reject"),)),
    Sample(
        "rendering",
        ses("Rendering Failure", "failure", {"errorMessage": f"{PERSON} is missing", "templateName": "t"}),
        (Heard(E.FAILED, "rendering-failure"),),
    ),
    Sample(
        "delay",
        ses(
            "DeliveryDelay",
            "deliveryDelay",
            {
                "timestamp": "2026-03-02T09:05:00.095Z",
                "delayType": "TransientCommunicationFailure",
                "expirationTime": "2026-03-02T21:00:00.914Z",
                "delayedRecipients": [
                    {"emailAddress": PERSON, "status": "4.4.1", "diagnosticCode": "smtp; 421 4.4.1 Unable to connect"}
                ],
            },
        ),
        (Heard(E.DELAYED, "4.4.1"),),
    ),
    Sample(
        "open",
        ses("Open", "open", {"ipAddress": "192.0.2.1", "timestamp": "2026-03-02T09:12:00.000Z", "userAgent": GMAIL}),
        (Heard(E.OPENED, by="proxy"),),
    ),
    Sample(
        "click",
        ses(
            "Click",
            "click",
            {
                "ipAddress": "192.0.2.1",
                "link": "https://gateway.example/c/AbC",
                "linkTags": None,
                "timestamp": "2026-03-02T09:12:30.000Z",
                "userAgent": BROWSER,
            },
        ),
        (Heard(E.CLICKED),),
    ),
    Sample(
        "subscription",
        ses(
            "Subscription",
            "subscription",
            {
                "contactList": "people",
                "timestamp": "2026-03-02T09:20:00.000Z",
                "source": "UnsubscribeHeader",
                "newTopicPreferences": {"unsubscribeAll": True, "topicSubscriptionStatus": [OUT]},
                "oldTopicPreferences": {"unsubscribeAll": False, "topicSubscriptionStatus": [OUT]},
            },
        ),
        (Heard(E.UNSUBSCRIBED),),
    ),
    Sample(
        "back again",
        ses(
            "Subscription",
            "subscription",
            {
                "newTopicPreferences": {"unsubscribeAll": False, "topicSubscriptionStatus": [IN]},
                "oldTopicPreferences": {"unsubscribeAll": False, "topicSubscriptionStatus": [OUT]},
            },
        ),
        (),
    ),
    Sample("something new", ses("Whim", "whim", {"n": 7}), ()),
)


def sendgrid(event: str, **changes: Any) -> dict[str, Any]:
    return {
        "email": PERSON,
        "timestamp": 1772443800,
        "smtp-id": f"<{ID}@shop.example>",
        "event": event,
        "category": ["news"],
        "sg_event_id": f"c2ctZXZlbnQ-{event}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        "risveglio-message": ID,
    } | changes


def sendgrid_bounce(type: str, kind: str | None = None, reason: str = "", **changes: Any) -> dict[str, Any]:
    return sendgrid("bounce", type=type, bounce_classification=kind, reason=reason, **changes)


NOBODY = f"550 5.1.1 <{PERSON}>: The email account that you tried to reach does not exist"

SENDGRID = (
    Sample("processed", sendgrid("processed"), (Heard(E.ACCEPTED),)),
    Sample(
        "deferred",
        sendgrid("deferred", response="400 try again later", attempt="5"),
        (Heard(E.DELAYED, "deferred"),),
    ),
    Sample("delivered", sendgrid("delivered", response="250 OK"), (Heard(E.DELIVERED),)),
    Sample(
        "bounce",
        sendgrid_bounce("bounce", "Invalid Address", NOBODY, status="5.1.1"),
        (Heard(E.BOUNCED, "5.1.1", gone=True),),
    ),
    Sample("bounce without a word", sendgrid_bounce("bounce"), (Heard(E.BOUNCED, "bounce", gone=True),)),
    Sample(
        "bounce of a full mailbox",
        sendgrid_bounce("bounce", "Mailbox Unavailable", "552 5.2.2 mailbox full", status="5.2.2"),
        (Heard(E.BOUNCED, "5.2.2"),),
    ),
    Sample(
        "bounce for reputation",
        sendgrid_bounce("bounce", "Reputation", "550 5.7.1 listed", status="5.7.1"),
        (Heard(E.BLOCKED, "5.7.1"),),
    ),
    Sample(
        "blocked",
        sendgrid_bounce("blocked", None, "554 blocked by our list", status="5.0.0"),
        (Heard(E.BLOCKED, "smtp-554"),),
    ),
    Sample(
        "blocked, nowhere to go",
        sendgrid_bounce("blocked", "Unclassified", "unable to get mx info: failed to get IPs from PTR record"),
        (Heard(E.BOUNCED, "bounce"),),
    ),
    Sample("expired", sendgrid_bounce("expired"), (Heard(E.BOUNCED, "expired"),)),
    Sample(
        "dropped, bounced",
        sendgrid("dropped", reason="Bounced Address", status="5.0.0"),
        (Heard(E.BOUNCED, "bounced-address", gone=True),),
    ),
    Sample("dropped, invalid", sendgrid("dropped", reason="Invalid"), (Heard(E.BOUNCED, "invalid", gone=True),)),
    Sample(
        "dropped, unsubscribed",
        sendgrid("dropped", reason="Unsubscribed Address"),
        (Heard(E.FAILED, "unsubscribed-address"), Heard(E.UNSUBSCRIBED, "unsubscribed-address")),
    ),
    Sample(
        "dropped, complained",
        sendgrid("dropped", reason="Spam Reporting Address"),
        (Heard(E.FAILED, "spam-reporting-address"), Heard(E.UNSUBSCRIBED, "spam-reporting-address")),
    ),
    Sample("dropped, spam", sendgrid("dropped", reason="Spam Content"), (Heard(E.BLOCKED, "spam-content"),)),
    Sample("dropped, header", sendgrid("dropped", reason="Invalid SMTPAPI header"), (Heard(E.FAILED, "dropped"),)),
    Sample("spamreport", sendgrid("spamreport"), (Heard(E.COMPLAINED),)),
    Sample("unsubscribe", sendgrid("unsubscribe"), (Heard(E.UNSUBSCRIBED),)),
    Sample("group_unsubscribe", sendgrid("group_unsubscribe", asm_group_id=10), (Heard(E.UNSUBSCRIBED),)),
    Sample("group_resubscribe", sendgrid("group_resubscribe", asm_group_id=10), ()),
    Sample(
        "open by Apple",
        sendgrid("open", useragent=BROWSER, ip="192.0.2.1", sg_machine_open=True, sg_content_type="html"),
        (Heard(E.OPENED, by="proxy"),),
    ),
    Sample("open by Gmail", sendgrid("open", useragent=GMAIL, sg_machine_open=False), (Heard(E.OPENED, by="proxy"),)),
    Sample("open", sendgrid("open", useragent=BROWSER, sg_machine_open=False), (Heard(E.OPENED),)),
    Sample("click", sendgrid("click", useragent=BROWSER, url="https://gateway.example/c/AbC"), (Heard(E.CLICKED),)),
    Sample("something new", sendgrid("account_status_change", type="compliance_suspend"), ()),
)


def mailgun(event: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": "Ase7i2zsRYeDXztHGENqRA",
        "timestamp": 1772443800.153125,
        "log-level": "info",
        "event": event,
        "message": {"headers": {"message-id": f"{ID}@shop.example", "to": PERSON, "from": "hello@shop.example"}},
        "recipient": PERSON,
        "recipient-domain": "example.com",
        "tags": [],
        "user-variables": {"risveglio-message": ID},
    } | changes


def mailgun_failure(severity: str, reason: str, **status: Any) -> dict[str, Any]:
    return mailgun("failed", severity=severity, reason=reason, **{"delivery-status": status})


def mailgun_client(event: str, bot: str | None, kind: str = "browser", agent: str = BROWSER) -> dict[str, Any]:
    client = {"client-name": "Firefox", "client-type": kind, "device-type": "desktop", "user-agent": agent}
    return mailgun(event, ip="192.0.2.1", **{"client-info": client if bot is None else {**client, "bot": bot}})


MAILGUN = (
    Sample("accepted", mailgun("accepted"), (Heard(E.ACCEPTED),)),
    Sample("rejected", mailgun("rejected", reject={"reason": "Sandbox"}), (Heard(E.BLOCKED, "rejected"),)),
    Sample("delivered", mailgun("delivered", **{"delivery-status": {"code": 250}}), (Heard(E.DELIVERED),)),
    Sample(
        "hard",
        mailgun_failure("permanent", "bounce", code=550, message=NOBODY.removeprefix("550 "), **{"attempt-no": 1}),
        (Heard(E.BOUNCED, "5.1.1", gone=True),),
    ),
    Sample(
        "hard with a code of its own",
        mailgun_failure("permanent", "bounce", code=550, message="no", **{"enhanced-code": "5.1.1"}),
        (Heard(E.BOUNCED, "5.1.1", gone=True),),
    ),
    Sample(
        "by policy",
        mailgun_failure("permanent", "bounce", code=550, message="5.7.26 unauthenticated"),
        (Heard(E.BLOCKED, "5.7.26"),),
    ),
    Sample(
        "permanent, soft",
        mailgun_failure("permanent", "generic", code=552, message="mailbox full", **{"bounce-type": "soft"}),
        (Heard(E.BOUNCED, "smtp-552"),),
    ),
    Sample(
        "known as dead",
        mailgun_failure("permanent", "suppress-bounce", code=605, message="Not delivering to previously bounced"),
        (Heard(E.BOUNCED, "suppress-bounce", gone=True),),
    ),
    Sample(
        "opted out",
        mailgun_failure("permanent", "suppress-unsubscribe", code=606),
        (Heard(E.FAILED, "suppress-unsubscribe"), Heard(E.UNSUBSCRIBED, "suppress-unsubscribe")),
    ),
    Sample(
        "complained before",
        mailgun_failure("permanent", "generic", code=607),
        (Heard(E.FAILED, "suppress-complaint"), Heard(E.UNSUBSCRIBED, "suppress-complaint")),
    ),
    Sample("block", mailgun_failure("permanent", "espblock", code=550, message="no"), (Heard(E.BLOCKED, "smtp-550"),)),
    Sample(
        "temporary",
        mailgun_failure("temporary", "generic", code=498, message="No MX for example.com"),
        (Heard(E.DELAYED, "temporary"),),
    ),
    Sample(
        "greylisted",
        mailgun_failure("temporary", "greylisted", code=450, message="4.2.0 Greylisted"),
        (Heard(E.DELAYED, "4.2.0"),),
    ),
    Sample("too old", mailgun_failure("temporary", "old", code=498, message="No MX"), (Heard(E.BOUNCED, "old"),)),
    Sample("complained", mailgun("complained"), (Heard(E.COMPLAINED),)),
    Sample("unsubscribed", mailgun("unsubscribed"), (Heard(E.UNSUBSCRIBED),)),
    Sample("opened by Apple", mailgun_client("opened", "apple"), (Heard(E.OPENED, by="proxy"),)),
    Sample("opened by a scanner", mailgun_client("opened", "generic"), (Heard(E.OPENED, by="bot"),)),
    Sample("opened", mailgun_client("opened", ""), (Heard(E.OPENED),)),
    Sample("clicked by a robot", mailgun_client("clicked", None, "robot"), (Heard(E.CLICKED, by="bot"),)),
    Sample("clicked", mailgun_client("clicked", None), (Heard(E.CLICKED),)),
    Sample("stored", mailgun("stored"), ()),
)


def postmark(kind: str, **changes: Any) -> dict[str, Any]:
    return {
        "RecordType": kind,
        "MessageID": "00000000-1111-4222-8333-444444444444",
        "Recipient": PERSON,
        "Tag": "news",
        "ServerID": 23,
        "MessageStream": "outbound",
        "Metadata": {"risveglio-message": ID},
    } | changes


def postmark_bounce(type: str, code: int, details: str = "", **changes: Any) -> dict[str, Any]:
    return postmark(
        "Bounce",
        **{
            "ID": 4323372036854775000 + code,
            "Type": type,
            "TypeCode": code,
            "Name": type,
            "Description": "The server was unable to deliver your message.",
            "Details": details,
            "Email": PERSON,
            "BouncedAt": "2026-03-02T09:00:07.9070259Z",
            "Inactive": True,
        },
        **changes,
    )


POSTMARK = (
    Sample(
        "delivery",
        postmark("Delivery", DeliveredAt="2026-03-02T09:00:05Z", Details="Test delivery webhook details"),
        (Heard(E.DELIVERED),),
    ),
    Sample("hard", postmark_bounce("HardBounce", 1, f"smtp;{NOBODY}"), (Heard(E.BOUNCED, "5.1.1", gone=True),)),
    Sample("hard without a word", postmark_bounce("HardBounce", 1), (Heard(E.BOUNCED, "hard-bounce", gone=True),)),
    Sample("transient", postmark_bounce("Transient", 2, "smtp;451 4.7.1 later"), (Heard(E.DELAYED, "4.7.1"),)),
    Sample("unsubscribe", postmark_bounce("Unsubscribe", 16), (Heard(E.UNSUBSCRIBED, "unsubscribe"),)),
    Sample("subscribe", postmark_bounce("Subscribe", 32), ()),
    Sample("out of office", postmark_bounce("AutoResponder", 64), ()),
    Sample("moved", postmark_bounce("AddressChange", 128), ()),
    Sample("dns", postmark_bounce("DnsError", 256), (Heard(E.DELAYED, "dns-error"),)),
    Sample("spam folder", postmark_bounce("SpamNotification", 512), (Heard(E.BLOCKED, "spam-notification"),)),
    Sample("open relay test", postmark_bounce("OpenRelayTest", 1024), ()),
    Sample("unknown", postmark_bounce("Unknown", 2048), (Heard(E.BOUNCED, "unknown"),)),
    Sample("soft", postmark_bounce("SoftBounce", 4096, "smtp;552 5.2.2 full"), (Heard(E.BOUNCED, "5.2.2"),)),
    Sample("virus", postmark_bounce("VirusNotification", 8192), (Heard(E.BLOCKED, "virus-notification"),)),
    Sample("challenge", postmark_bounce("ChallengeVerification", 16384), ()),
    Sample("bad", postmark_bounce("BadEmailAddress", 100000), (Heard(E.BOUNCED, "bad-email-address", gone=True),)),
    Sample("complaint as bounce", postmark_bounce("SpamComplaint", 100001), (Heard(E.COMPLAINED, "spam-complaint"),)),
    Sample("switched off", postmark_bounce("ManuallyDeactivated", 100002), (Heard(E.FAILED, "manually-deactivated"),)),
    Sample("unconfirmed", postmark_bounce("Unconfirmed", 100003), (Heard(E.FAILED, "unconfirmed"),)),
    Sample("blocked", postmark_bounce("Blocked", 100006, "smtp;550 5.7.1 no"), (Heard(E.BLOCKED, "5.7.1"),)),
    Sample("smtp", postmark_bounce("SMTPApiError", 100007), (Heard(E.FAILED, "smtp-api-error"),)),
    Sample("inbound", postmark_bounce("InboundError", 100008), ()),
    Sample("dmarc", postmark_bounce("DMARCPolicy", 100009), (Heard(E.BLOCKED, "dmarc-policy"),)),
    Sample(
        "template",
        postmark_bounce("TemplateRenderingFailed", 100010),
        (Heard(E.FAILED, "template-rendering-failed"),),
    ),
    Sample("a type of tomorrow", postmark_bounce("Whim", 100099), (Heard(E.BOUNCED, "unknown"),)),
    Sample(
        "complaint",
        postmark_bounce("SpamComplaint", 100001) | {"RecordType": "SpamComplaint"},
        (Heard(E.COMPLAINED),),
    ),
    Sample(
        "open",
        postmark("Open", FirstOpen=True, ReceivedAt="2026-03-02T09:12:00Z", UserAgent=BROWSER, Platform="Desktop"),
        (Heard(E.OPENED),),
    ),
    Sample(
        "click",
        postmark(
            "Click",
            ClickLocation="HTML",
            ReceivedAt="2026-03-02T09:12:30Z",
            UserAgent=BROWSER,
            OriginalLink="https://gateway.example/c/AbC",
        ),
        (Heard(E.CLICKED),),
    ),
    Sample(
        "left",
        postmark(
            "SubscriptionChange",
            ChangedAt="2026-03-02T09:20:00Z",
            Origin="Recipient",
            SuppressSending=True,
            SuppressionReason="ManualSuppression",
        ),
        (Heard(E.UNSUBSCRIBED, "manual-suppression"),),
    ),
    Sample(
        "back again",
        postmark("SubscriptionChange", ChangedAt="2026-03-02T09:21:00Z", SuppressSending=False, SuppressionReason=None),
        (),
    ),
    Sample(
        "stopped by a bounce",
        postmark("SubscriptionChange", SuppressSending=True, SuppressionReason="HardBounce"),
        (),
    ),
)

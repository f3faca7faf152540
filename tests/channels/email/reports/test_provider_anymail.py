"""django-anymail reads the same reports: where both have a word for what happened, it is the same one."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from channels.email import EmailChannel
from tests.channels.email.reports import callers, samples
from tests.channels.email.reports.callers import Sendgrid, Sns
from tests.channels.email.reports.samples import Sample

SAME: dict[str, set[str]] = {
    "sent": {"accepted"},
    "queued": {"accepted"},
    "delivered": {"delivered"},
    "deferred": {"delayed"},
    "bounced": {"bounced"},
    "complained": {"complained"},
    "unsubscribed": {"unsubscribed"},
    "opened": {"opened"},
    "clicked": {"clicked"},
    # Not sent at all: anymail does not ask whose fault it was.
    "rejected": {"blocked", "bounced", "failed"},
    "failed": {"failed"},
    "autoresponded": {""},
    "subscribed": {""},
    "inbound_failed": {""},
    "unknown": {"", "bounced", "delayed", "unsubscribed"},
}
OTHERWISE = {
    ("ses", "unsubscribed"): "anymail has no subtypes: to it each bounce is one",
    ("ses", "hard by policy"): "the same; a refusal for policy says nothing against the address",
    ("ses", "out of office"): "the same",
    ("ses", "too large"): "the same",
    ("ses", "content"): "the same",
    ("ses", "attachment"): "the same",
    ("ses", "no complaint"): "it counts feedback that says `not spam` as a complaint",
    ("ses", "complained before"): "it counts a mail that was never sent as a complaint",
    ("sendgrid", "bounce for reputation"): "it has no classes of bounces",
    ("sendgrid", "blocked"): "it takes `blocked` for a bounce",
    ("mailgun", "by policy"): "it does not look at the status",
    ("mailgun", "opted out"): "it takes suppressions for bounces",
    ("mailgun", "complained before"): "the same",
    ("mailgun", "block"): "the same",
    ("mailgun", "too old"): "Mailgun calls its last try temporary, too",
    ("postmark", "spam folder"): "it takes a spam filter's note for a complaint",
    ("postmark", "open relay test"): "it takes the note for a delay",
    ("postmark", "virus"): "it takes a filter's refusal for a bounce",
    ("postmark", "stopped by a bounce"): "the bounce itself is reported, too",
}
WITHOUT_A_WORD = {("ses", name) for name in ("delay", "subscription", "back again", "something new")}
"""What anymail calls unknown, whatever it is."""


@pytest.fixture(scope="module")
def webhooks() -> Any:
    pytest.importorskip("anymail", reason="django-anymail is not installed")
    from django.conf import settings  # type: ignore[import-untyped]

    if not settings.configured:
        settings.configure()
    from anymail.webhooks import amazon_ses, mailgun, postmark, sendgrid  # type: ignore[import-untyped]

    return {
        "ses": amazon_ses.AmazonSESTrackingWebhookView,
        "sendgrid": sendgrid.SendGridTrackingWebhookView,
        "mailgun": mailgun.MailgunTrackingWebhookView,
        "postmark": postmark.PostmarkTrackingWebhookView,
    }


def theirs(webhooks: Any, provider: str, payload: Any) -> list[str]:
    """The parsers alone: building a view wants settings, and Amazon's SDK, for what they do not use."""
    view = webhooks[provider]
    if provider == "ses":
        return [event.event_type for event in view.esp_to_anymail_events(view, payload, {"MessageId": "m"})]
    told = {"event-data": payload} if provider == "mailgun" else payload
    return [view.esp_to_anymail_event(view, json.loads(json.dumps(told))).event_type]


def all_samples() -> Iterable[Any]:
    for provider in ("ses", "sendgrid", "mailgun", "postmark"):
        for case in getattr(samples, provider.upper()):
            yield pytest.param(provider, case, id=f"{provider}-{case.name}")


@pytest.mark.parametrize(("provider", "case"), list(all_samples()))
def test_anymail_hears_the_same(
    webhooks: Any, told: Callable[..., EmailChannel], sns: Sns, sendgrid: Sendgrid, provider: str, case: Sample
) -> None:
    sign: dict[str, Any] = {
        "ses": sns.call,
        "sendgrid": lambda payload: sendgrid.call([payload]),
        "mailgun": callers.mailgun,
        "postmark": callers.postmark,
    }
    ours = [event.type.value for event in told().parse(sign[provider](case.payload))] or [""]  # type: ignore[union-attr]
    heard = theirs(webhooks, provider, case.payload)
    if (provider, case.name) in WITHOUT_A_WORD:
        assert heard == ["unknown"]
        return
    agrees = any(word in SAME[each] for each in heard for word in ours)
    assert agrees != ((provider, case.name) in OTHERWISE), (heard, ours)

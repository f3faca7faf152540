"""With four providers to report to it, the channel still keeps the contract."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from channels.email import EmailChannel
from gateway.contract import WebhookRequest
from gateway.testkit import Case, assert_conforms
from tests.channels.email import test_conformance
from tests.channels.email.reports import callers, samples
from tests.channels.email.reports.callers import Sendgrid, Sns

case = test_conformance.case


async def test_the_email_channel_conforms_when_providers_report(
    case: Case, tables: Mapping[str, Any], sns: Sns, sendgrid: Sendgrid
) -> None:
    class BesideSns(EmailChannel):
        sns_origin = re.escape(sns.url)

    def reports() -> list[WebhookRequest]:
        return [
            *(case.reports or list)(),
            sns.call(samples.ses_bounce("Permanent", "NoEmail", **samples.FAILED)),
            sendgrid.call([each.payload for each in samples.SENDGRID]),
            callers.mailgun(samples.mailgun_failure("permanent", "suppress-unsubscribe", code=606)),
            callers.postmark(samples.postmark_bounce("HardBounce", 1, samples.NOBODY)),
        ]

    config = {**(case.config or {}), "reports": tables}
    whole = msgspec.structs.replace(case, channel=BesideSns, config=config, reports=reports)
    report = await assert_conforms(whole)
    passed = {finding.check for finding in report.findings if finding.verdict == "passed"}
    assert passed >= {
        "an_unsigned_call_is_refused",
        "a_genuine_call_is_accepted_and_an_altered_one_refused",
        "rubbish_is_told_as_bad_webhook_or_yields_nothing",
        "its_events_are_among_those_it_announced",
        "no_failure_or_log_leaks_a_person_a_body_or_a_secret",
    }

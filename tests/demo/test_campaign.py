"""The texts of the demonstration's job, held against the channels that carry them."""

import pytest

from channels.email import EmailChannel
from channels.postal import PostalChannel
from channels.sms import SmsChannel
from channels.webpush import WebPushChannel
from gateway.demo.campaign import LANGUAGES, job
from gateway.domain.job import StepInput
from gateway.domain.templates import CheckedContent, check_content

PARTS = {each.kind: each.capabilities.parts for each in (EmailChannel, SmsChannel, WebPushChannel, PostalChannel)}


def checked(step: StepInput, channel: str) -> CheckedContent:
    found = check_content(step.content[channel], PARTS[channel], "en")
    assert isinstance(found, CheckedContent), found
    return found


@pytest.mark.parametrize("step", job().steps, ids=lambda step: step.name)
def test_every_channel_takes_its_texts_and_shows_the_coupon(step: StepInput) -> None:
    assert all(checked(step, channel).uses_coupon for channel in step.channels)


@pytest.mark.parametrize("step", job().steps, ids=lambda step: step.name)
def test_mails_and_sms_say_how_to_leave(step: StepInput) -> None:
    assert all(checked(step, channel).uses_unsubscribe_url for channel in ("email", "sms"))


@pytest.mark.parametrize("step", job().steps, ids=lambda step: step.name)
def test_every_text_is_there_in_every_language(step: StepInput) -> None:
    assert all(set(variants) == set(LANGUAGES) for variants in step.content.values())

"""What makes a provider's reports name our message, as the provider reads it."""

from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy

import msgspec
import pytest

from channels.email import EmailConfig
from channels.email.mail import Composer
from gateway.contract import Outbound

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ID = "AQ" + "x" * 76 + "-_"

Config = Callable[..., EmailConfig]
Message = Callable[..., Outbound]


def headers_of(config: EmailConfig, message: Outbound) -> dict[str, str]:
    found = message_from_bytes(Composer(config).mail(message, AT).content, policy=policy.SMTPUTF8)
    return {name: str(value) for name, value in found.items()}


def test_sendgrid_is_told_by_json_in_a_header(config: Config, outbound: Message) -> None:
    headers = headers_of(config(metadata="sendgrid"), outbound("eleni@example.com", id=ID))
    assert msgspec.json.decode(headers["X-SMTPAPI"]) == {"unique_args": {"risveglio-message": ID}}


def test_mailgun_is_told_by_json_in_a_header(config: Config, outbound: Message) -> None:
    headers = headers_of(config(metadata="mailgun"), outbound("eleni@example.com", id=ID))
    assert msgspec.json.decode(headers["X-Mailgun-Variables"]) == {"risveglio-message": ID}


def test_postmark_is_told_by_a_header_of_its_own_and_keeps_our_message_id(config: Config, outbound: Message) -> None:
    headers = headers_of(config(metadata="postmark"), outbound("eleni@example.com", id=ID))
    assert headers["X-PM-Metadata-risveglio-message"] == ID
    assert headers["X-PM-KeepID"] == "true"
    # Postmark's limits for names and values.
    assert len("risveglio-message") <= 20
    assert len(ID) <= 80


def test_amazon_ses_is_told_by_tags_and_writes_the_feedback_id(config: Config, outbound: Message) -> None:
    told = config(metadata="ses", configuration_set="gateway-events", feedback_id="shop.main")
    headers = headers_of(told, outbound("eleni@example.com", id=ID, job_id="j:1"))
    assert headers["X-SES-CONFIGURATION-SET"] == "gateway-events"
    assert headers["X-SES-MESSAGE-TAGS"] == (
        f"risveglio-message={ID}, ses:feedback-id-a=j-1, ses:feedback-id-b=shop-main"
    )
    assert "Feedback-ID" not in headers


def test_a_plain_relay_is_told_nothing(config: Config, outbound: Message) -> None:
    assert not [name for name in headers_of(config(), outbound("eleni@example.com")) if name.startswith("X-")]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"metadata": "pigeon"}, "metadata"),
        ({"configuration_set": "events"}, "configuration_set"),
        ({"metadata": "mailgun", "configuration_set": "events"}, "configuration_set"),
        ({"metadata": "ses", "configuration_set": "a b"}, "configuration_set"),
    ],
)
def test_a_fault_names_its_key(config: Config, changes: dict[str, str], key: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=key):
        config(**changes)

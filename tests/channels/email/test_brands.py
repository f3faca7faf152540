"""Sender profiles: what a brand says for itself, and what it has from the channel."""

from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import msgspec
import pytest

from channels.email import EmailConfig
from channels.email.mail import Composer, Mail
from channels.email.signing_keys import new_key
from gateway.contract import Outbound, PermanentFailure

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

Config = Callable[..., EmailConfig]
Message = Callable[..., Outbound]

OWN = {
    "reply_to": "people@shop.example",
    "bounce_domain": "b.shop.example",
    "list_id": "news.shop.example",
    "feedback_id": "shop-main",
}
WHOLE = {
    "from_address": "ciao@bistro.example",
    "from_name": "Бистро Пример",
    "reply_to": "tavoli@bistro.example",
    "bounce_domain": "b.bistro.example",
    "message_id_domain": "id.bistro.example",
    "list_id": "news.bistro.example",
    "feedback_id": "bistro-main",
}


def written(config: EmailConfig, message: Outbound) -> tuple[Mail, Any]:
    mail = Composer(config).mail(message, AT)
    return mail, message_from_bytes(mail.content, policy=policy.SMTPUTF8)


def test_a_brand_writes_under_its_own_name(config: Config, outbound: Message) -> None:
    message = outbound("eleni@example.com", id="m-1", brand="bistro")
    mail, headers = written(config(**OWN, brands={"bistro": WHOLE}), message)
    assert headers["From"] == "Бистро Пример <ciao@bistro.example>"
    assert headers["Reply-To"] == "tavoli@bistro.example"
    assert headers["Message-ID"] == mail.message_id == "<m-1@id.bistro.example>"
    assert headers["List-ID"] == "<news.bistro.example>"
    assert headers["Feedback-ID"] == "j-1:marketing:email:bistro-main"
    assert "<mailto:u+m-1@b.bistro.example?subject=unsubscribe>" in headers["List-Unsubscribe"]
    assert mail.sender == "b+m-1@b.bistro.example"


def test_what_a_brand_leaves_out_is_as_the_channel_s_own(config: Config, outbound: Message) -> None:
    brands = {"bistro": {"from_address": "ciao@bistro.example"}}
    mail, headers = written(config(**OWN, brands=brands), outbound("eleni@example.com", id="m-1", brand="bistro"))
    assert headers["From"] == "Caffè Esempio <ciao@bistro.example>"
    assert headers["Reply-To"] == "people@shop.example"
    assert headers["List-ID"] == "<news.shop.example>"
    assert (mail.sender, mail.message_id) == ("b+m-1@b.shop.example", "<m-1@bistro.example>")


def test_an_empty_name_is_no_name_and_not_the_channel_s(config: Config, outbound: Message) -> None:
    _, headers = written(config(brands={"plain": {"from_name": ""}}), outbound("eleni@example.com", brand="plain"))
    assert headers["From"] == "hello@shop.example"


def test_without_a_brand_the_channel_writes_as_itself(config: Config, outbound: Message) -> None:
    mail, headers = written(config(**OWN, brands={"bistro": WHOLE}), outbound("eleni@example.com", id="m-1"))
    assert headers["From"] == "Caffè Esempio <hello@shop.example>"
    assert mail.sender == "b+m-1@b.shop.example"


def test_a_brand_that_is_gone_fails_for_good(config: Config, outbound: Message) -> None:
    composer, message = Composer(config(brands={"bistro": WHOLE})), outbound("eleni@example.com", brand="caffe")
    for refused in (lambda: composer.mail(message, AT), lambda: composer.message_id(message)):
        with pytest.raises(PermanentFailure) as failed:
            refused()
        assert failed.value.code == "unknown-brand"
        assert "[channels.email.brands.caffe]" in failed.value.detail


def test_each_brand_is_signed_by_the_keys_of_its_domain(config: Config, outbound: Message) -> None:
    keys = [
        {"domain": domain, "selector": selector, "key": new_key("rsa-sha256")}
        for domain, selector in (("shop.example", "shop"), ("bistro.example", "bistro"))
    ]
    told = config(dkim=keys, brands={"bistro": WHOLE, "post": {"from_address": "post@unsigned.example"}})
    contents = {brand: written(told, outbound("eleni@example.com", brand=brand))[0].content for brand in told.brands}
    contents["own"] = written(told, outbound("eleni@example.com"))[0].content
    found = {
        name: [selector for selector in ("shop", "bistro") if f" s={selector};".encode() in content]
        for name, content in contents.items()
    }
    assert found == {"own": ["shop"], "bistro": ["bistro"], "post": []}


async def test_the_channel_names_its_brands_and_publishes_its_keys(opened: Any, mailroom: Any) -> None:
    key = {"domain": "shop.example", "selector": "r1", "key": new_key("rsa-sha256")}
    async with opened(mailroom, brands={"bistro": WHOLE, "news": {}}, dkim=[key]) as channel:
        assert channel.brands == {"bistro", "news"}
        assert list(channel.published) == ["r1._domainkey.shop.example"]
        assert channel.published["r1._domainkey.shop.example"].startswith("v=DKIM1; k=rsa; p=")


@pytest.mark.parametrize(
    ("brand", "told"),
    [
        ({"from_address": "hello"}, r"brands\.bistro\.from_address"),
        ({"from_address": "żaneta@shop.example"}, r"brands\.bistro\.from_address: only ASCII"),
        ({"reply_to": "People <people@shop.example>"}, r"brands\.bistro\.reply_to"),
        ({"from_name": "Shop\r\nBcc: evil@example.org"}, r"brands\.bistro\.from_name"),
        ({"bounce_domain": "bounce"}, "bounce_domain"),
        ({"bounce_domain": "b.shop.example\n"}, "bounce_domain"),
        ({"feedback_id": "shop-main\n"}, "feedback_id"),
        ({"list_id": "<news.shop.example>"}, "list_id"),
        ({"feedback_id": "a:b"}, "feedback_id"),
        ({"form_address": "hello@shop.example"}, "form_address"),
    ],
)
def test_a_fault_of_a_brand_names_its_key(config: Config, brand: dict[str, Any], told: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=told):
        config(brands={"bistro": brand})


@pytest.mark.parametrize("name", ["", "Bistro", "b istro", "бистро", "b\n", "-b"])
def test_a_brand_has_a_name_that_jobs_can_tell(config: Config, name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        config(brands={name: {}})

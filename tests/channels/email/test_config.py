"""Faults of the table are found when it is read, and name their key."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from channels.email import EmailConfig

Config = Callable[..., EmailConfig]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"port": 0}, "port"),
        ({"port": "587"}, "port"),
        ({"host": ""}, "host"),
        ({"host": "mx.example\r\nx"}, "host"),
        ({"tls": "maybe"}, "tls"),
        ({"connections": 0}, "connections"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": 600}, "timeout_s"),
        ({"username": "risveglio"}, "password"),
        ({"username": "risveglio", "password": ""}, "password"),
        ({"password": "secret"}, "username"),
        ({"username": "risveglio", "password": "secret", "host": "smtp.example.com"}, "tls"),
        ({"verify_certificates": False, "ca_file": "ca.pem"}, "ca_file"),
        ({"from_address": "hello"}, "from_address"),
        ({"from_address": "hello@shop.example\nBcc: evil@example.org"}, "from_address"),
        ({"from_address": "żaneta@shop.example"}, "from_address"),
        ({"reply_to": "People <people@shop.example>"}, "reply_to"),
        ({"from_name": "Shop\r\nBcc: evil@example.org"}, "from_name"),
        ({"from_name": "Shop\u202e"}, "from_name"),
        ({"bounce_domain": "bounce"}, "bounce_domain"),
        ({"bounce_domain": "b@shop.example"}, "bounce_domain"),
        ({"message_id_domain": "shop.example>"}, "message_id_domain"),
        ({"list_id": "<news.shop.example>"}, "list_id"),
        ({"ehlo_name": "mail server"}, "ehlo_name"),
        ({"feedback_id": "a:b:c:d:e"}, "feedback_id"),
        ({"pasword": "x"}, "pasword"),
    ],
)
def test_a_fault_names_its_key(config: Config, changes: dict[str, Any], key: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=rf"(^|`\$\.|`){key}\b"):
        config(**changes)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"])
def test_credentials_may_go_in_clear_to_this_machine_only(config: Config, host: str) -> None:
    assert config(host=host, username="risveglio", password="secret").servers[0].tls == "none"


@pytest.mark.parametrize(("tls", "port"), [("required", 587), ("implicit", 465), ("none", 25)])
def test_the_port_follows_from_tls_unless_it_is_given(config: Config, tls: str, port: int) -> None:
    assert config(tls=tls).servers[0].server_port == port
    assert config(tls=tls, port=2525).servers[0].server_port == 2525


def test_tls_is_required_and_checked_unless_said_otherwise() -> None:
    [told] = EmailConfig(host="smtp.example.com", from_address="hello@shop.example").servers
    assert (told.tls, told.verify_certificates) == ("required", True)


def test_the_password_does_not_show(config: Config) -> None:
    assert "secret" not in repr(config(username="risveglio", password="secret"))

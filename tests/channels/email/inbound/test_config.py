"""The table `[channels.email.inbound]`, and what is said of one that cannot be used."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from channels.email import EmailConfig
from channels.email.inbound.hearing import bounce_domains, reader_of
from gateway.contract import ProviderEvent

Config = Callable[..., EmailConfig]


@pytest.mark.parametrize(
    ("inbound", "told"),
    [
        ({}, "set listen, maildir or imap_host"),
        ({"listen": "2525"}, "listen"),
        ({"listen": "127.0.0.1:2525", "protocol": "pop3"}, "protocol"),
        ({"listen": "127.0.0.1:2525", "certificate": "/etc/x.pem"}, "set both, or none"),
        ({"imap_host": "imap.example.com"}, "needs both"),
        ({"imap_host": "imap.example.com", "imap_username": "x"}, "needs both"),
        ({"listen": "127.0.0.1:2525", "mailboxes": ["people"]}, "each is an address"),
        ({"maildir": "/var/mail", "poll_s": 0}, "poll_s"),
        ({"listen": "127.0.0.1:2525", "connections": 0}, "connections"),
        ({"listen": "127.0.0.1:2525", "lisen": 1}, "lisen"),
        ({"imap_host": "a.example", "imap_username": "x", "imap_password": "y", "imap_folder": 'a"b'}, "imap_folder"),
    ],
)
def test_a_table_that_cannot_be_used_says_which_key(config: Config, inbound: dict[str, Any], told: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=told):
        config(bounce_domain="bounce.shop.example", inbound=inbound)


def test_a_port_without_an_address_to_write_to_is_refused(config: Config) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"set bounce_domain or inbound\.mailboxes"):
        config(inbound={"listen": "127.0.0.1:2525"})
    assert config(inbound={"listen": "127.0.0.1:2525", "mailboxes": ["people@shop.example"]}).inbound
    assert config(inbound={"maildir": "/var/mail/bounces"}).inbound


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("127.0.0.1:2525", ("127.0.0.1", 2525)),
        ("[::1]:24", ("::1", 24)),
        ("mail.example.com:25", ("mail.example.com", 25)),
    ],
)
def test_a_place_is_a_host_and_a_port(config: Config, place: str, address: tuple[str, int]) -> None:
    inbound = config(bounce_domain="bounce.shop.example", inbound={"listen": place}).inbound
    assert inbound is not None
    assert inbound.address == address


def test_the_domains_of_all_brands_are_ours(config: Config, sample: Callable[..., bytes], id_: str) -> None:
    settings = config(
        bounce_domain="bounce.shop.example",
        brands={"bistro": {"from_address": "ciao@bistro.example", "bounce_domain": "back.bistro.example"}},
    )
    assert bounce_domains(settings) == {"bounce.shop.example", "back.bistro.example"}
    reader = reader_of(settings)
    raw = sample("exim-unknown").replace(b"bounce.shop.example", b"back.bistro.example")
    for other in (raw, sample("exim-unknown"), raw.replace(b"b+" + id_.encode(), b"b").replace(b"shop.", b"bistro.")):
        (event,) = reader.read(other)
        assert isinstance(event, ProviderEvent)
        assert event.message_id == id_


def test_the_password_of_the_mailbox_is_a_secret(config: Config) -> None:
    settings = config(inbound={"imap_host": "a.example", "imap_username": "x", "imap_password": "tell-nobody"})
    assert "tell-nobody" not in repr(settings)

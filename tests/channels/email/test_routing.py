"""One relay or several, and the rules of domains: faults of the table are found when it is read."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from channels.email import EmailConfig
from gateway.registry.configuration import ConfigFault, decode

Config = Callable[..., EmailConfig]

MX = {"host": "mx.example"}


def test_the_keys_of_one_relay_stand_in_the_table_itself(config: Config) -> None:
    [relay] = config(host="mx.example", tls="implicit", connections=7, pipelining=False).servers
    assert (relay.name, relay.connections, relay.pipelining, relay.weight) == ("mx.example:465", 7, False, 1)


def test_several_relays_have_a_table_each(config: Config) -> None:
    one, other = config(relays=[MX, {"host": "other.example", "port": 2525, "weight": 0}]).servers
    assert [(each.name, each.weight) for each in (one, other)] == [("mx.example:587", 1), ("other.example:2525", 0)]


def test_two_logins_at_one_server_are_two_relays(config: Config) -> None:
    logins = [MX | {"username": name, "password": "secret"} for name in ("one", "other")]
    assert len(config(relays=logins).servers) == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"host": None}, r"^host: name the server .*\[\[channels.email.relays\]\]"),
        ({"relays": []}, r"^host: name the server"),
        ({"relays": [MX], "host": "mx.example"}, r"^host: .* belongs into each of those tables"),
        ({"relays": [MX], "port": 25}, r"^port: .* belongs into each of those tables"),
        ({"relays": [MX], "timeout_s": 5.0}, r"^timeout_s: .* belongs into each of those tables"),
        ({"relays": [MX], "verify_certificates": False}, r"^verify_certificates: .* belongs into"),
        ({"relays": [MX, MX]}, r"mx\.example:587 is there twice"),
        ({"relays": [MX | {"weight": 0}]}, r"^relays: all of them stand by"),
        ({"relays": [MX | {"weight": -1}]}, r"relays\[0\]\.weight"),
        ({"relays": [MX | {"wieght": 1}]}, r"unknown field `wieght` - at `\$\.relays\[0\]`"),
        ({"relays": [MX, MX | {"port": 25, "username": "x"}]}, r"password: .*relays\[1\]"),
        ({"relays": [MX | {"username": "x", "password": "y", "tls": "none"}]}, r"tls: `none` would send"),
        ({"lifetime_s": 0.5}, r"lifetime_s"),
        ({"domains": [{"domains": ["gmail.com"]}]}, r"connections, per_minute: set one of them"),
        ({"domains": [{"domains": [], "per_minute": 5}]}, r"domains\[0\]\.domains"),
        ({"domains": [{"domains": ["Gmail.com"], "per_minute": 5}]}, r"domains\[0\]\.domains\[0\]"),
        ({"domains": [{"domains": ["a@gmail.com"], "per_minute": 5}]}, r"domains\[0\]\.domains\[0\]"),
        ({"domains": [{"domains": ["gmail.com"], "per_minute": 0}]}, r"per_minute"),
        ({"domains": [{"domains": ["gmail.com"], "connections": 0}]}, r"connections"),
        ({"domains": [{"domains": ["gmail.com"], "per_minute": 5}] * 2}, r"^domains: gmail\.com is there twice"),
    ],
    ids=str,
)
def test_a_fault_says_what_and_where(config: Config, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=told):
        config(**changes)


def test_no_password_of_a_relay_shows(config: Config) -> None:
    table = {
        "relays": [MX | {"username": "risveglio", "password": "correct-horse-7319"}],
        "from_address": "a@shop.example",
    }
    assert "correct-horse" not in repr(decode("email", table, EmailConfig))
    table["relays"] = [MX | {"username": "risveglio", "password": "correct-horse-7319", "port": 0}]
    with pytest.raises(ConfigFault) as fault:
        decode("email", table, EmailConfig)
    assert "relays[0].port" in str(fault.value)
    assert "correct-horse" not in str(fault.value)

from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct

from gateway.contract import Secret
from gateway.registry.configuration import ConfigFault, decode, is_enabled


class Login(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user: str
    password: Secret


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 25
    password: Secret | None = None
    tokens: list[Secret] = []
    login: Login | None = None
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        if self.host == "forbidden" and self.password:
            raise ValueError(f"host: not with the password {self.password.reveal()}")


def config(**table: Any) -> Config:
    decoded = decode("email", table, Config)
    assert isinstance(decoded, Config)
    return decoded


def test_strings_become_secrets_and_paths_where_the_type_says_so() -> None:
    told = config(host="mail.example", password="pässword", tokens=["a", "b"], ca_file="/etc/ca.pem")
    assert told.password is not None
    assert told.password.reveal() == "pässword"
    assert [token.reveal() for token in told.tokens] == ["a", "b"]
    assert told.ca_file == Path("/etc/ca.pem")


def test_the_key_enabled_belongs_to_the_gateway_and_not_to_the_channel() -> None:
    assert config(host="mail.example", enabled=True) == config(host="mail.example")


@pytest.mark.parametrize(("table", "enabled"), [({}, True), ({"enabled": True}, True), ({"enabled": False}, False)])
def test_a_channel_is_enabled_unless_its_table_says_otherwise(table: dict[str, Any], enabled: bool) -> None:
    assert is_enabled("email", table) is enabled


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"host": "a", "port": "25"}, "[channels.email] port: Expected `int`, got `str`"),
        ({"host": "a", "port": 0}, "[channels.email] port: Expected `int` >= 1"),
        ({}, "[channels.email] host: this key is missing"),
        ({"host": "a", "login": {"user": "u"}}, "[channels.email] login.password: this key is missing"),
        ({"host": "a", "prot": 25}, "[channels.email] prot: unknown key; did you mean `port`?"),
        (
            {"host": "a", "zzz": 25},
            "[channels.email] zzz: unknown key; known are ca_file, host, login, password, port, tokens",
        ),
        ({"host": "a", "login": {"user": "u", "x": 1}}, "[channels.email] login.x: unknown key"),
        ({"host": "a", "password": 1234}, "[channels.email] password: Expected `str`, got `int`"),
        ({"host": "a", "tokens": ["x", 5]}, "[channels.email] tokens[1]: Expected `str`, got `int`"),
        ({"host": "forbidden", "password": "s3cret-pw"}, "[channels.email] host: not with the password ••••••"),
    ],
)
def test_an_error_says_where_and_what_and_never_a_secret(table: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigFault) as caught:
        config(**table)
    assert str(caught.value) == told


def test_a_type_that_a_file_cannot_hold_is_told_apart_from_a_wrong_value() -> None:
    class Odd(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        where: complex

    with pytest.raises(NotImplementedError, match="complex"):
        decode("odd", {"where": "1j"}, Odd)

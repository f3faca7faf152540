from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from gateway.contract import Secret
from gateway.domain.put_in import PutIn
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
    mode: Literal["fast", "slow"] = "fast"
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$", description="A code of ISO 3166-1.")] = "IT"
    rates: dict[str, Annotated[float, Meta(gt=0)]] = {}
    tls: bool = True

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


def test_a_relative_path_begins_where_the_settings_are() -> None:
    told = decode("email", {"host": "mail.example", "ca_file": "keys/ca.pem"}, Config, Path("/srv/config"))
    assert isinstance(told, Config)
    assert told.ca_file == Path("/srv/config/keys/ca.pem")


def test_a_text_that_was_put_in_is_taken_as_the_number_that_it_stands_for() -> None:
    told = config(host=PutIn("25"), port=PutIn("2525"), tls=PutIn("false"), rates={"IT": PutIn("0.5")})
    assert (told.host, told.port, told.tls, told.rates) == ("25", 2525, False, {"IT": 0.5})
    assert type(told.host) is str


def test_a_text_that_was_put_in_stays_a_text_where_one_is_wanted() -> None:
    told = config(
        host="mail.example",
        password=PutIn("0815"),
        tokens=[PutIn("7")],
        login={"user": PutIn("1"), "password": PutIn("2")},
    )
    assert told.password is not None
    assert told.login is not None
    assert [told.password.reveal(), told.tokens[0].reveal(), told.login.user] == ["0815", "7", "1"]


def test_the_key_enabled_belongs_to_the_gateway_and_not_to_the_channel() -> None:
    assert config(host="mail.example", enabled=True) == config(host="mail.example")


@pytest.mark.parametrize(
    ("table", "enabled"),
    [({}, True), ({"enabled": True}, True), ({"enabled": False}, False), ({"enabled": PutIn("false")}, False)],
)
def test_a_channel_is_enabled_unless_its_table_says_otherwise(table: dict[str, Any], enabled: bool) -> None:
    assert is_enabled("email", table) is enabled


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"host": "a", "port": "25"}, "[channels.email] port: must be a whole number from 1 to 65535, got `25`"),
        ({"host": "a", "port": 0}, "[channels.email] port: must be a whole number from 1 to 65535, got `0`"),
        ({"host": "a", "port": PutIn("abc")}, "[channels.email] port: must be a whole number from 1 to 65535"),
        ({"host": "a", "port": [25]}, "[channels.email] port: must be a whole number from 1 to 65535"),
        ({"host": "a", "mode": "fats"}, "[channels.email] mode: must be one of fast, slow, got `fats`"),
        ({"host": "a", "country": "Italy"}, "[channels.email] country: must be a code of ISO 3166-1, got `Italy`"),
        ({"host": "a", "rates": {"IT": "one"}}, "[channels.email] rates[...]: must be a number of more than 0"),
        ({"host": "a", "login": "x"}, "[channels.email] login: must be a table, got `x`"),
        ({}, "[channels.email] host: this key is missing"),
        ({"host": "a", "login": {"user": "u"}}, "[channels.email] login.password: this key is missing"),
        ({"host": "a", "prot": 25}, "[channels.email] prot: unknown key; did you mean `port`?"),
        (
            {"host": "a", "zzz": 25},
            "[channels.email] zzz: unknown key; known are ca_file, country, host, login, mode, password, port, rates, "
            "tls, tokens",
        ),
        (
            {"host": "a", "login": {"user": "u", "x": 1}},
            "[channels.email] login.x: unknown key; known are password, user",
        ),
        ({"host": "a", "password": 1234}, "[channels.email] password: must be text"),
        ({"host": "a", "tokens": ["x", 5]}, "[channels.email] tokens[1]: must be text"),
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

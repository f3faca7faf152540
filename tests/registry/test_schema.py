"""The JSON Schema of a channel's table: all that may stand in it, and nothing that does."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct, field

from gateway.contract import Secret
from gateway.registry import discover
from gateway.registry.schema import table_schema

PLUGINS = Path(__file__).parents[2] / "plugins"


class Login(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user: str = "loft"
    password: Secret = Secret("canary-5512")


class Base(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    loft: Annotated[str, Meta(description="Where they live.", min_length=1)]


class Config(Base, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How pigeons fly.

    They need no fuel.
    """

    speed: Annotated[int, Meta(ge=1, le=150)] = 80
    """In km/h; with the wind
    it is more."""
    ring: Secret | None = None
    rings: tuple[Secret, ...] = ()
    former: Secret = Secret("canary-7788")
    map: Path = Path("map.png")
    mood: Literal["calm", "brisk"] = "calm"
    login: Login | None = None
    logins: dict[str, Login] = field(default_factory=dict)


@pytest.fixture
def schema() -> dict[str, Any]:
    return table_schema("pigeon", Config)


def test_it_has_every_key_with_its_limits_and_no_null(schema: dict[str, Any]) -> None:
    keys = schema["properties"]
    assert list(keys) == ["enabled", "loft", "speed", "ring", "rings", "former", "map", "mood", "login", "logins"]
    assert schema["required"] == ["loft"]
    assert schema["additionalProperties"] is False
    assert (keys["speed"]["minimum"], keys["speed"]["maximum"], keys["speed"]["default"]) == (1, 150, 80)
    assert keys["mood"]["enum"] == ["brisk", "calm"]
    assert keys["map"] == {"type": "string", "format": "path"}
    assert "null" not in json.dumps(schema)


def test_secrets_can_be_written_only_and_none_is_shown(schema: dict[str, Any]) -> None:
    keys = schema["properties"]
    assert keys["ring"] == keys["former"] == {"type": "string", "writeOnly": True}
    assert keys["rings"]["items"] == {"type": "string", "writeOnly": True}
    assert schema["$defs"]["Login"]["properties"]["password"] == {"type": "string", "writeOnly": True}
    assert "canary" not in json.dumps(schema)


def test_what_the_author_wrote_of_a_key_is_told(schema: dict[str, Any]) -> None:
    assert schema["description"] == "How pigeons fly.\n\nThey need no fuel."
    assert schema["properties"]["loft"]["description"] == "Where they live."
    assert schema["properties"]["speed"]["description"] == "In km/h; with the wind it is more."


def test_a_provider_of_its_own_must_be_named() -> None:
    schema = table_schema("pigeon", Config, "express")
    assert schema["properties"]["provider"] == {"const": "express"}
    assert schema["required"] == ["provider", "loft"]


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    assert schema["properties"]["login"] == {"$ref": "#/$defs/Login"}
    assert schema["properties"]["logins"]["additionalProperties"] == {"$ref": "#/$defs/Login"}
    assert set(schema["$defs"]) == {"Login"}


def test_every_channel_of_ours_has_one() -> None:
    providers = discover(PLUGINS).providers
    assert {"email", "sms", "webpush", "postal", "webhook"} <= set(providers)
    for provider in providers.values():
        channel: Any = provider.channel
        told = table_schema(provider.kind, channel.config_type)
        assert told["title"] == f"channels.{provider.kind}"
        assert json.dumps(told)

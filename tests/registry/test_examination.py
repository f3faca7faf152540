import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import pytest
from msgspec import Struct

from gateway.contract import API, Capabilities, EventType, OneByOne, Outbound, Outcome, Part
from gateway.registry import examination


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str = "https://provider.example"


class Careless(Struct, frozen=True, kw_only=True):
    url: str = "https://provider.example"


class Good(OneByOne):
    kind: ClassVar[str] = "pigeon"
    api: ClassVar[int] = API
    config_type: ClassVar[type[Struct]] = Config
    capabilities: ClassVar[Capabilities] = Capabilities(address_kind="loft", parts={"text": Part(kind="text")})


def capabilities(**changes: Any) -> Capabilities:
    return Capabilities(**{"address_kind": "loft", "parts": {"text": Part(kind="text")}, **changes})


async def a_coroutine(self: Any, *args: Any) -> None:
    await asyncio.sleep(0)


async def all_at_once(self: Any, batch: Sequence[Outbound]) -> list[Outcome]:
    return []


async def streamed(self: Any, request: Any) -> AsyncIterator[Any]:
    yield request


def test_a_class_of_the_right_shape_has_no_faults() -> None:
    assert examination.faults(Good) == []


@pytest.mark.parametrize(
    ("attribute", "value", "told"),
    [
        ("kind", None, "`kind` must be"),
        ("kind", "Pigeon", "`kind` must be"),
        ("kind", "a" * 33, "`kind` must be"),
        ("kind", "../etc", "`kind` must be"),
        ("kind", "pigeon\n", "`kind` must be"),
        ("kind", 7, "`kind` must be"),
        ("api", None, "`api` must be"),
        ("api", True, "`api` must be"),
        ("api", API + 1, f"version {API + 1}"),
        ("config_type", dict, "`config_type` must be a msgspec Struct"),
        ("config_type", Config(), "`config_type` must be a msgspec Struct"),
        ("config_type", Careless, "forbid_unknown_fields"),
        ("capabilities", {}, "`capabilities` must be"),
        ("capabilities", capabilities(address_kind=""), "address_kind"),
        ("capabilities", capabilities(parts={}), "at least one part"),
        ("capabilities", capabilities(parts={"text": "text"}), "parts['text']"),
        ("capabilities", capabilities(parts={"text": Part(kind="text", max_chars=0)}), "max_chars"),
        ("capabilities", capabilities(window=0), "window"),
        ("capabilities", capabilities(window=True), "window"),
        ("capabilities", capabilities(timeout_s=0), "timeout_s"),
        ("capabilities", capabilities(timeout_s=120), "timeout_s"),
        ("capabilities", capabilities(timeout_s=float("nan")), "timeout_s"),
        ("capabilities", capabilities(reports=frozenset({"delivered"})), "EventType"),
        ("capabilities", capabilities(batched=True), "`write_part`"),
        ("open", lambda self: None, "`open` must be an `async def`"),
        ("close", None, "`close` must be an `async def`"),
        ("check", lambda self: None, "`check` must be an `async def`"),
        ("send", None, "`send` is missing"),
        ("send", all_at_once, "one by one"),
        ("verify", a_coroutine, "`verify` must be a plain `def`"),
        ("parse", a_coroutine, "`parse` must be a plain `def`"),
        ("parse", streamed, "`parse` must be a plain `def`"),
        ("__init__", lambda self: None, "(config, context)"),
    ],
)
def test_each_departure_from_the_contract_is_told(attribute: str, value: Any, told: str) -> None:
    wrong = examination.faults(type("Wrong", (Good,), {attribute: value}))
    assert len(wrong) == 1
    assert told in wrong[0]


def test_all_faults_are_told_at_once() -> None:
    wrong = examination.faults(type("Wrong", (Good,), {"kind": "", "api": 0, "verify": a_coroutine}))
    assert len(wrong) == 3


def test_what_is_no_class_at_all_is_told() -> None:
    assert examination.faults("channels.email") == ["it is not a class"]


def test_a_true_event_type_is_no_fault() -> None:
    told = type("Right", (Good,), {"capabilities": capabilities(reports=frozenset({EventType.DELIVERED}))})
    assert examination.faults(told) == []

"""Addresses that people's own devices hand in: a channel says whether it could ever write to one."""

import asyncio
from typing import Any, ClassVar

import pytest
from msgspec import Struct

from gateway.contract import API, Address, Capabilities, OneByOne, Part, PermanentFailure
from gateway.registry import Guarded
from gateway.registry.examination import faults
from gateway.testkit.recorder import Recorder

LOFT = Address(kind="pigeon", value="loft-7")


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing to choose."""


class Pigeon(OneByOne):
    kind = "pigeon"
    api = API
    config_type = Config
    capabilities: ClassVar[Capabilities] = Capabilities(address_kind="pigeon", parts={"text": Part(kind="text")})


class Choosy(Pigeon):
    def examine(self, address: Address) -> None:
        raise self.config


def guarded(channel: type[Pigeon], told: Any = None, recorder: Recorder | None = None) -> Guarded:
    return Guarded(channel(told, None), (recorder or Recorder()).log)  # type: ignore[arg-type]


def test_a_channel_that_says_nothing_takes_every_address() -> None:
    recorder = Recorder()
    guarded(Pigeon, recorder=recorder).examine(LOFT)
    assert recorder.names() == []


def test_a_refused_address_is_refused_for_the_channels_reason() -> None:
    with pytest.raises(PermanentFailure) as refused:
        guarded(Choosy, PermanentFailure("no-loft", "nobody\nlives there")).examine(LOFT)
    assert (refused.value.code, refused.value.detail) == ("no-loft", "nobody lives there")


@pytest.mark.parametrize("bug", [KeyError("p256dh"), SystemExit(1), asyncio.CancelledError()], ids=repr)
def test_a_channel_that_stumbles_over_an_address_refuses_it_and_it_is_in_the_log(bug: BaseException) -> None:
    recorder = Recorder()
    with pytest.raises(PermanentFailure, match="adapter-bug"):
        guarded(Choosy, bug, recorder).examine(LOFT)
    assert "channel.adapter_bug" in recorder.names()


def test_an_examination_that_would_not_run_is_found_before_the_channel_is_used() -> None:
    async def later(self: Any, address: Address) -> None:
        raise AssertionError

    assert faults(Pigeon) == []
    assert faults(type("Late", (Pigeon,), {"examine": later})) == ["`examine` must be a plain `def`: it does no I/O"]

"""The guard around `look_up`: a channel that talks nonsense leaves messages in doubt."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.contract import (
    Address,
    Capabilities,
    ChannelMisconfigured,
    Doubtful,
    OutcomeUnknown,
    Part,
    Quiet,
    RateLimited,
    Traced,
    TransientFailure,
)
from gateway.registry import Guarded
from gateway.testkit.recorder import Recorder
from gateway.testkit.samples import NOW, outbounds

CAPABILITIES = Capabilities(address_kind="loft", parts={"text": Part(kind="text")}, timeout_s=0.1, reconciles=True)
LOFTS = [Address(kind="loft", value=f"loft-{number}.example") for number in (1, 2)]
ASKED = [Doubtful(message=message, since=NOW) for message in outbounds(CAPABILITIES, LOFTS)]
FIRST, SECOND = (each.message.id for each in ASKED)


class Channel(Quiet):
    kind = "pigeon"
    capabilities = CAPABILITIES


def guarded(recorder: Recorder, answer: Any) -> Guarded:
    async def look_up(self: Any, messages: Sequence[Doubtful]) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer(messages) if callable(answer) else answer

    return Guarded(type("Asked", (Channel,), {"look_up": look_up})(None, None), recorder.log, grace_s=0.05)


def traced(id: str, *provider_ids: Any) -> Traced:
    return Traced(message_id=id, provider_ids=provider_ids)


async def test_what_the_provider_knows_comes_by_message(recorder: Recorder) -> None:
    channel = guarded(recorder, [traced(FIRST, "p-1", "p-2"), traced(SECOND)])
    assert await channel.look_up(ASKED) == {FIRST: ("p-1", "p-2"), SECOND: ()}


async def test_a_channel_without_a_look_up_of_its_own_knows_nothing(recorder: Recorder) -> None:
    assert await Guarded(Channel(None, None), recorder.log).look_up(ASKED) == {}  # type: ignore[arg-type]


async def test_what_was_not_asked_for_or_is_told_twice_says_nothing(recorder: Recorder) -> None:
    told = [traced("foreign", "p-1"), traced(FIRST, "p-1"), traced(FIRST), traced(SECOND, "p-2")]
    assert await guarded(recorder, told).look_up(ASKED) == {SECOND: ("p-2",)}


async def test_an_answer_without_end_ends(recorder: Recorder) -> None:
    assert await guarded(recorder, lambda _: itertools.repeat(traced(FIRST, "p-1"))).look_up(ASKED) == {}


@pytest.mark.parametrize(
    "told",
    [None, 5, ["p-1"], [traced(FIRST, 5)], [traced(FIRST, "")], [traced(FIRST, "p\n1")], [traced(5, "p")]],  # type: ignore[arg-type]
)
async def test_nonsense_settles_nothing(recorder: Recorder, told: Any) -> None:
    assert await guarded(recorder, told).look_up(ASKED) == {}
    assert recorder.names() == ["channel.adapter_bug"]


@pytest.mark.parametrize("failure", [RateLimited(5), TransientFailure("away"), ChannelMisconfigured("auth")])
async def test_a_provider_that_cannot_be_asked_says_why(recorder: Recorder, failure: Exception) -> None:
    with pytest.raises(type(failure)):
        await guarded(recorder, failure).look_up(ASKED)


@pytest.mark.parametrize("bug", [KeyError("x"), SystemExit(1), OutcomeUnknown("lost")])
async def test_a_bug_in_it_is_told_as_one(recorder: Recorder, bug: BaseException) -> None:
    with pytest.raises(ChannelMisconfigured, match="adapter-bug"):
        await guarded(recorder, bug).look_up(ASKED)


async def test_an_answer_that_does_not_come_is_not_waited_for(recorder: Recorder) -> None:
    async def look_up(self: Any, messages: Sequence[Doubtful]) -> Sequence[Traced]:
        await asyncio.Event().wait()
        return ()

    channel = Guarded(type("Silent", (Channel,), {"look_up": look_up})(None, None), recorder.log, grace_s=0.05)
    with pytest.raises(TransientFailure, match="no-answer"):
        await channel.look_up(ASKED)

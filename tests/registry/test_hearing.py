"""What a guarded channel hears and answers: whatever the channel does, the gateway gets sense."""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from gateway.contract import (
    API,
    Address,
    BadSignature,
    Capabilities,
    ChannelMisconfigured,
    EventType,
    Hear,
    Heard,
    Inbound,
    Outbound,
    Part,
    PermanentFailure,
    ProviderEvent,
    Quiet,
    TransientFailure,
    WebhookAnswer,
    WebhookRequest,
    Weight,
)
from gateway.registry import Guarded
from gateway.testkit import CANARY, outbound
from gateway.testkit.recorder import Recorder
from gateway.testkit.samples import NOW

CAPABILITIES = Capabilities(
    address_kind="pigeon",
    parts={"text": Part(kind="text")},
    timeout_s=2.0,
    receives=True,
    listens=True,
    reports=frozenset({EventType.DELIVERED}),
)
CALL = WebhookRequest(
    method="GET", url="https://gateway.example/hooks/pigeon", headers={}, query=(), body=b"", received_at=NOW
)
MESSAGE = outbound(CAPABILITIES, Address(kind="pigeon", value="loft-7"))


class Pigeon(Quiet):
    kind = "pigeon"
    api = API
    capabilities: ClassVar[Capabilities] = CAPABILITIES

    def weigh(self, message: Outbound) -> Weight:
        return _said(self.config)

    async def prepare(self, request: WebhookRequest) -> None:
        _said(self.config)

    async def answer(self, request: WebhookRequest) -> WebhookAnswer | None:
        return _said(self.config)

    async def listen(self, hear: Hear) -> None:
        await hear(_said(self.config))


def _said(told: Any) -> Any:
    if isinstance(told, BaseException):
        raise told
    return told


def guarded(told: Any, recorder: Recorder | None = None) -> Guarded:
    return Guarded(Pigeon(told, None), (recorder or Recorder()).log)  # type: ignore[arg-type]


def test_a_weight_is_the_channels_own() -> None:
    weight = Weight(units=3, unit="segment", encoding="UCS-2")
    assert guarded(weight).weigh(MESSAGE) == weight


def test_a_content_that_no_provider_could_take_is_a_permanent_failure_without_the_body() -> None:
    with pytest.raises(PermanentFailure) as refused:
        guarded(PermanentFailure("too-long", f"it says {CANARY}")).weigh(MESSAGE)
    assert refused.value.code == "too-long"


@pytest.mark.parametrize("told", [None, "heavy", KeyError("text"), SystemExit(1)])
def test_a_channel_that_cannot_weigh_weighs_one_message_and_says_so_in_the_log(told: Any) -> None:
    recorder = Recorder()
    assert guarded(told, recorder).weigh(MESSAGE) == Weight()
    assert "channel.adapter_bug" in recorder.names()


@pytest.mark.parametrize("told", [BadSignature(), KeyError("SigningCertURL"), SystemExit(1)])
async def test_a_call_for_which_nothing_can_be_prepared_is_refused(told: BaseException) -> None:
    with pytest.raises(BadSignature):
        await guarded(told).prepare(CALL)


async def test_a_call_for_which_nothing_can_be_fetched_now_is_not_refused_for_good() -> None:
    with pytest.raises(TransientFailure):
        await guarded(TransientFailure("sns-away", "not reached")).prepare(CALL)
    with pytest.raises(TransientFailure):
        await guarded(TransientFailure("sns-away", "not reached")).answer(CALL)


async def test_a_challenge_is_answered() -> None:
    assert await guarded(WebhookAnswer(body="1158201444")).answer(CALL) == WebhookAnswer(body="1158201444")


@pytest.mark.parametrize("told", [None, "1158201444", KeyError("hub.challenge")])
async def test_whatever_else_a_channel_answers_is_no_answer(told: Any) -> None:
    assert await guarded(told).answer(CALL) is None


async def test_what_a_channel_hears_arrives_fit_to_be_stored() -> None:
    heard: list[Heard] = []

    async def hear(told: Sequence[Heard]) -> None:
        heard.extend(told)

    said = (
        Inbound(event_id="m-1", sender="loft-7", text="Basta!\0 🕊️", at=NOW),
        ProviderEvent(type=EventType.DELIVERED, event_id="e-1", provider_id="p-1", detail="x" * 5000),
    )
    await guarded(said).listen(hear)
    [inbound, event] = heard
    assert isinstance(inbound, Inbound)
    assert inbound.text == "Basta! 🕊️"
    assert isinstance(event, ProviderEvent)
    assert event.detail is not None
    assert len(event.detail) < 1000


@pytest.mark.parametrize(
    "told",
    [
        ("not an event",),
        (Inbound(event_id="", sender="loft-7", text="hi"),),
        (Inbound(event_id="m-1", sender="", text="hi"),),
        (Inbound(event_id="m-1", sender="loft-7", text="hi", at=NOW.replace(tzinfo=None)),),
    ],
)
async def test_a_listener_that_talks_nonsense_has_failed(told: Any) -> None:
    async def hear(heard: Sequence[Heard]) -> None:
        pytest.fail("nothing of this can be stored")

    with pytest.raises(ChannelMisconfigured) as failed:
        await guarded(told).listen(hear)
    assert failed.value.code == "adapter-bug"


async def test_a_listener_that_is_stopped_stops() -> None:
    class Patient(Pigeon):
        async def listen(self, hear: Hear) -> None:
            listening.set()
            await asyncio.Event().wait()

    async def hear(heard: Sequence[Heard]) -> None:
        return None

    listening = asyncio.Event()
    task = asyncio.create_task(Guarded(Patient(None, None), Recorder().log).listen(hear))  # type: ignore[arg-type]
    await listening.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

"""Each of these HTTP channels has one defect, and the check that names it must find it; the sound one has none.

The sound one is the channel that `risveglio channel new` writes.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from gateway.contract import (
    Capabilities,
    ChannelMisconfigured,
    Inbound,
    Outbound,
    Outcome,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    RecipientGone,
    TransientFailure,
    WebhookRequest,
    Weight,
)
from gateway.testkit import Call, Case, Reply, Report, assert_conforms, check, standing
from gateway.testkit.scaffold.sample import SampleChannel
from gateway.testkit.scaffold.sample import kit as sample

UNANSWERED = "an_answer_that_never_comes_leaves_the_outcome_unknown"
NONSENSE = "nonsense_is_not_taken_for_a_refusal"
TROUBLE = "trouble_at_the_provider_fails_nobody_for_good"
CREDENTIALS = "refused_credentials_are_no_fault_of_the_message"
SLOW_DOWN = "a_request_to_slow_down_is_heeded"
GONE = "a_dead_address_is_told_apart_from_a_refusal"
IDS = "every_message_gets_an_id_of_its_own"
LOOP = "sending_leaves_the_loop_to_others"
WINDOWS = "two_windows_at_once_are_not_mixed_up"
LEAKS = "no_failure_or_log_leaks_a_person_a_body_or_a_secret"
TWICE = "the_same_message_twice_has_the_same_key"
WEIGHING = "weighing_a_message_does_nothing_else"
REPLIES = "what_people_write_back_is_read"


def variant(**members: Any) -> type:
    return type("Variant", (SampleChannel,), members)


def capabilities(**changes: Any) -> Capabilities:
    return msgspec.structs.replace(SampleChannel.capabilities, **changes)


def case(channel: type = SampleChannel, **changes: Any) -> Case:
    return msgspec.structs.replace(sample.case(channel), **changes)


def called(found: type[Exception], make: Callable[[Exception], Exception]) -> type:
    """The sound channel, which calls one failure by another name."""

    async def send_one(self: Any, message: Outbound) -> str | None:
        try:
            return await SampleChannel.send_one(self, message)
        except found as failure:
            raise make(failure) from None

    return variant(send_one=send_one)


def failed(report: Report) -> set[str]:
    return {finding.check for finding in report.failed}


def reason(report: Report, name: str) -> str:
    return next(finding.reason for finding in report.failed if finding.check == name)


async def test_the_sound_channel_has_no_defect_and_is_complete() -> None:
    report = await assert_conforms(case())
    assert standing(report).level.number == 4
    assert [finding.check for finding in report.findings if finding.verdict == "not tried"] == []


# --- failures by another name


@pytest.mark.parametrize("name", [TransientFailure, PermanentFailure, RecipientGone])
async def test_a_timeout_that_is_called_a_failure_is_found(name: type[TransientFailure]) -> None:
    report = await check(case(called(OutcomeUnknown, lambda failure: name("timeout"))))
    # Nonsense with status 200 is unknown for the same reason, and this channel has no other word for either.
    assert failed(report) == {UNANSWERED, NONSENSE}
    assert "the request had left" in reason(report, UNANSWERED)


async def test_a_timeout_that_is_called_accepted_is_found() -> None:
    async def send_one(self: Any, message: Outbound) -> str | None:
        try:
            return await SampleChannel.send_one(self, message)
        except OutcomeUnknown as unknown:
            if unknown.code == "no-answer":
                return f"perhaps-{message.id}"
            raise

    report = await check(case(variant(send_one=send_one)))
    assert failed(report) == {UNANSWERED}
    assert "although nobody had answered" in reason(report, UNANSWERED)


async def test_a_dead_address_that_is_called_a_refusal_is_found() -> None:
    report = await check(case(called(RecipientGone, lambda failure: PermanentFailure("http-410"))))
    assert failed(report) == {GONE}
    assert "say RecipientGone" in reason(report, GONE)


@pytest.mark.parametrize("name", [PermanentFailure, TransientFailure, OutcomeUnknown])
async def test_refused_credentials_that_are_called_anything_else_are_found(name: type[PermanentFailure]) -> None:
    report = await check(case(called(ChannelMisconfigured, lambda failure: name("http-401"))))
    assert CREDENTIALS in failed(report)
    assert "say ChannelMisconfigured" in reason(report, CREDENTIALS)
    assert failed(report) <= {CREDENTIALS}


async def test_a_request_to_slow_down_that_is_called_a_failure_is_found() -> None:
    report = await check(case(called(RateLimited, lambda failure: TransientFailure("http-429"))))
    assert failed(report) == {SLOW_DOWN}


async def test_a_wait_that_is_not_the_one_asked_for_is_found() -> None:
    report = await check(case(called(RateLimited, lambda failure: RateLimited(1.0))))
    assert failed(report) == {SLOW_DOWN}
    assert "asked for 7 s, and the channel says 1 s" in reason(report, SLOW_DOWN)


async def test_trouble_at_the_provider_that_is_called_a_refusal_is_found() -> None:
    async def send_one(self: Any, message: Outbound) -> str | None:
        try:
            return await SampleChannel.send_one(self, message)
        except TransientFailure as failure:
            if failure.code.startswith("http-"):
                raise PermanentFailure(failure.code) from None
            raise

    report = await check(case(variant(send_one=send_one)))
    assert failed(report) == {TROUBLE}


async def test_a_key_error_on_nonsense_is_found() -> None:
    async def send_one(self: Any, message: Outbound) -> str | None:
        try:
            return await SampleChannel.send_one(self, message)
        except OutcomeUnknown as unknown:
            if unknown.code == "unreadable-answer":
                raise KeyError("id") from None
            raise

    report = await check(case(variant(send_one=send_one)))
    assert {NONSENSE} <= failed(report) <= {NONSENSE, LEAKS}
    assert "KeyError in send_one" in reason(report, NONSENSE)


async def test_what_is_answered_with_nonsense_and_called_refused_is_found() -> None:
    async def send_one(self: Any, message: Outbound) -> str | None:
        try:
            return await SampleChannel.send_one(self, message)
        except OutcomeUnknown as unknown:
            if unknown.code == "unreadable-answer":
                raise TransientFailure(unknown.code) from None
            raise

    report = await check(case(variant(send_one=send_one)))
    assert failed(report) == {NONSENSE}


# --- what comes out


@pytest.mark.parametrize(
    "leak",
    [
        lambda self, message, body: self.config.token.reveal(),
        lambda self, message, body: f"POST {self.config.url}?to={message.address.value}",
        lambda self, message, body: body,
    ],
    ids=["token", "url", "the provider's own words"],
)
@pytest.mark.parametrize("at", [200, 401, 410, 429, 500])
async def test_a_leak_in_any_failure_is_found(leak: Callable[..., str], at: int) -> None:
    async def send_one(self: Any, message: Outbound) -> str | None:
        timeout = aiohttp.ClientTimeout(total=self.config.timeout_s)
        async with self.context.http.post(self.config.url, data=str(message.parts), timeout=timeout) as response:
            if response.status == at:
                raise OutcomeUnknown("odd", leak(self, message, await response.text()))
        return f"p-{message.id}"

    report = await check(case(variant(send_one=send_one), provider=lambda call: Reply(status=201)))
    assert LEAKS in failed(report)


async def test_one_id_for_all_is_found() -> None:
    async def send_one(self: Any, message: Outbound) -> str | None:
        await SampleChannel.send_one(self, message)
        return "p-1"

    report = await check(case(variant(send_one=send_one)))
    assert failed(report) == {IDS}


# --- the loop and its neighbours


async def test_a_channel_that_sleeps_in_the_loop_is_found() -> None:
    async def send_one(self: Any, message: Outbound) -> str | None:
        time.sleep(0.001)  # noqa: ASYNC251  # the defect
        return await SampleChannel.send_one(self, message)

    report = await check(case(variant(send_one=send_one)))
    assert failed(report) == {LOOP}
    assert "time.sleep" in reason(report, LOOP)


async def test_a_channel_that_sleeps_in_a_thread_is_sound() -> None:
    async def send_one(self: Any, message: Outbound) -> str | None:
        await asyncio.to_thread(time.sleep, 0.001)
        return await SampleChannel.send_one(self, message)

    await assert_conforms(case(variant(send_one=send_one)))


async def test_a_socket_that_blocks_is_found_and_holds_nobody_up() -> None:
    async def send_one(self: Any, message: Outbound) -> str | None:
        import urllib.request

        with urllib.request.urlopen(self.config.url, data=b"{}") as answer:  # noqa: ASYNC210  # the defect
            return str(answer.read())

    report = await check(case(variant(send_one=send_one)))
    assert LOOP in failed(report)
    assert "socket.connect" in reason(report, LOOP)


async def test_windows_that_share_their_outcomes_are_found() -> None:
    async def send(self: Any, batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        self.outcomes = []
        for message in batch:
            self.outcomes.append(Outcome.accepted(message, await self.send_one(message)))
        for outcome in self.outcomes:
            yield outcome

    report = await check(case(variant(send=send)))
    assert WINDOWS in failed(report)


# --- keys


async def test_a_promise_to_repeat_safely_without_a_key_is_found() -> None:
    async def send_one(self: Any, message: Outbound) -> str | None:
        anonymous = msgspec.structs.replace(message, id="m-1")
        return f"{await SampleChannel.send_one(self, anonymous)}-{message.id}"

    report = await check(case(variant(send_one=send_one, capabilities=capabilities(idempotent=True))))
    assert failed(report) == {TWICE}


async def test_a_key_that_is_new_each_time_is_found() -> None:
    numbers = iter(range(1_000_000))

    async def send_one(self: Any, message: Outbound) -> str | None:
        fresh = msgspec.structs.replace(message, id=f"m-{next(numbers)}")
        return f"{await SampleChannel.send_one(self, fresh)}-{message.id}"

    report = await check(case(variant(send_one=send_one, capabilities=capabilities(idempotent=True))))
    assert failed(report) == {TWICE}


async def test_a_key_made_of_the_message_s_id_is_sound() -> None:
    report = await assert_conforms(case(variant(capabilities=capabilities(idempotent=True))))
    assert TWICE in {finding.check for finding in report.findings if finding.verdict == "passed"}


# --- weights


@pytest.mark.parametrize(
    ("weigh", "told"),
    [
        (lambda self, message: Weight(units=len(message.parts["text"].split()[0])), "IndexError"),
        (lambda self, message: 1, "what cannot be shown"),
        (lambda self, message: Weight(units=time.perf_counter_ns()), "not pure"),
        (lambda self, message: Weight(units=len(Path("/etc/hostname").read_text())), "touches the outside"),
    ],
    ids=["stumbles", "talks nonsense", "differs", "reads a file"],
)
async def test_a_weight_that_cannot_be_relied_on_is_found(weigh: Any, told: str) -> None:
    report = await check(case(variant(weigh=weigh)))
    assert failed(report) == {WEIGHING}
    assert told in reason(report, WEIGHING)


async def test_a_weight_that_refuses_what_the_channel_takes_is_found() -> None:
    def weigh(self: Any, message: Outbound) -> Weight:
        raise PermanentFailure("too-long")

    report = await check(case(variant(weigh=weigh)))
    assert failed(report) == {WEIGHING}


# --- replies


def replies() -> list[WebhookRequest]:
    return [sample.signed({"from": "customer-1", "said": "Basta! ✋", "event": "i-1"})]


def reading(read: Callable[[dict[str, str]], Any]) -> type:
    def parse(self: Any, request: WebhookRequest) -> Any:
        try:
            told = msgspec.json.decode(request.body, type=dict[str, str])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ()
        return (read(told),) if "said" in told else SampleChannel.parse(self, request)

    return variant(parse=parse, capabilities=capabilities(receives=True))


def reply(told: dict[str, str], **changes: str) -> Inbound:
    return Inbound(
        **({"event_id": told.get("event", ""), "sender": told.get("from", ""), "text": told["said"]} | changes)
    )


async def test_a_channel_that_reads_what_people_write_is_sound() -> None:
    report = await assert_conforms(case(reading(reply), replies=replies))
    assert REPLIES in {finding.check for finding in report.findings if finding.verdict == "passed"}


async def test_a_reply_that_is_not_found_or_cannot_be_kept_is_found() -> None:
    for broken in (
        reading(lambda told: reply(told, sender="")),
        reading(lambda told: reply(told, event_id="\n")),
        variant(parse=lambda self, request: (), capabilities=capabilities(receives=True)),
    ):
        assert REPLIES in failed(await check(case(broken, replies=replies)))


async def test_a_promise_to_receive_without_a_sample_and_a_sample_without_the_promise_are_told() -> None:
    assert REPLIES in failed(await check(case(reading(reply))))
    assert REPLIES in failed(await check(case(variant(parse=reading(reply).parse), replies=replies)))  # type: ignore[attr-defined]


# --- what was tried, and how far that goes


async def test_without_a_provider_nothing_is_sent_and_the_level_says_so() -> None:
    report = await check(case(provider=None, url_key=None))
    assert report.conforms
    found = standing(report)
    assert (found.level.number, found.next.number if found.next else None) == (1, 2)
    assert "every_message_gets_exactly_one_outcome" in {finding.check for finding in found.missing}


async def test_a_failure_keeps_a_channel_from_the_level_that_needs_the_check() -> None:
    levels = {
        2: called(RecipientGone, lambda failure: PermanentFailure("x")),
        1: called(OutcomeUnknown, lambda failure: TransientFailure("x")),
        0: variant(api=2),
    }
    found = {number: standing(await check(case(channel))).level.number for number, channel in levels.items()}
    # The names of failures matter to the last level only: reports are well.
    assert found == {2: 3, 1: 1, 0: 0}


async def test_a_provider_that_is_asked_for_a_token_first_is_played_too() -> None:
    """One that logs in before each message: the kit's provider is asked for whatever the channel asks."""

    async def send_one(self: Any, message: Outbound) -> str | None:
        try:
            async with self.context.http.get(
                f"{self.config.url}/token", timeout=aiohttp.ClientTimeout(total=1)
            ) as told:
                if told.status in (401, 403):
                    raise ChannelMisconfigured("login")
        except aiohttp.ClientConnectorError:
            raise TransientFailure("no-connection") from None
        except (aiohttp.ClientError, TimeoutError):
            raise OutcomeUnknown("no-answer") from None
        return await SampleChannel.send_one(self, message)

    def provider(call: Call) -> Reply:
        return Reply(body="t-1") if call.path.endswith("/token") else sample.provider(call)

    report = await assert_conforms(case(variant(send_one=send_one), provider=provider))
    assert standing(report).level.number == 4

"""Checks of whether a channel calls each failure by its true name: the wrong one loses a message, or sends it twice."""

from collections.abc import Sequence
from typing import Final

from gateway.contract import (
    ChannelMisconfigured,
    Failure,
    Outcome,
    PermanentFailure,
    RateLimited,
    RecipientGone,
)
from gateway.testkit.case import Bench, Defect, NotApplicable, NotTried, Start, TooLate
from gateway.testkit.checks.sending import one_each, told
from gateway.testkit.peers import CUT, SILENCE, Reply

NONSENSE: Final[tuple[str | bytes, ...]] = (
    "",
    "{}",
    "[]",
    "null",
    "7",
    '"ok"',
    "ok",
    "<html><body>Please log in</body></html>",
    '{"id": 7, "message": {"id": []}, "messages": [null], "sid": {}, "data": 3}',
    '{"id": null, "message_id": "", "messages": [], "sid": null, "data": {}, "error": null}',
    '[{"id": "\\u0000"}]',
    '{"id": "' + "9" * 2000 + '"}',
    '{"id": "m-1"',
    b"\xff\xfe\x00\x00",
    "[" * 50_000,
)
"""What may come with status 200 from somebody in between, or from another version of the provider."""

_SLACK_S: Final = 1.0
_HASTY_S: Final = 0.3
_PATIENT_S: Final = 3.0


async def an_answer_that_never_comes_leaves_the_outcome_unknown(bench: Bench) -> None:
    _expect_unbatched(bench)
    for trouble in (bench.case.mute,) if bench.case.mute is not None else (SILENCE, CUT):
        wrong = await _certain_of(bench, trouble, _HASTY_S)
        # A machine that is busy with something else may not even connect so soon.
        if wrong and (wrong := await _certain_of(bench, trouble, _PATIENT_S)):
            raise Defect(wrong)


async def _certain_of(bench: Bench, trouble: Start | Reply, timeout_s: float) -> str:
    """What the channel claims to know of a message that nobody has answered; empty where it does not."""
    try:
        outcomes = await _outcomes(bench, trouble, most=1, timeout_s=timeout_s)
    except TooLate:
        return ""  # The gateway ends it, and takes what has no outcome as unknown.
    for outcome in outcomes:
        if outcome.failure is None:
            return f"{outcome.message_id}: accepted, although nobody had answered"
        if not outcome.failure.maybe_sent:
            return (
                f"{outcome.message_id}: {told(outcome.failure)}: the request had left, so it may have been taken; "
                "say OutcomeUnknown, or it goes out twice or not at all"
            )
    return ""


async def nonsense_is_not_taken_for_a_refusal(bench: Bench) -> None:
    _expect_unbatched(bench)
    for body in NONSENSE:
        for outcome in await _outcomes(bench, Reply(body=body), most=1):
            if _is_honest(outcome.failure, is_idempotent=bench.capabilities.idempotent):
                continue
            raise Defect(
                f"answered with status 200 and {body[:40]!r}, it says {told(outcome.failure)}: what is answered so "
                "may have been taken; say OutcomeUnknown"
            )


def _is_honest(failure: Failure | None, *, is_idempotent: bool) -> bool:
    """Whether it is safe to say so of a message that may have been taken."""
    if failure is None or failure.maybe_sent:
        return True
    return is_idempotent and not isinstance(failure, PermanentFailure | ChannelMisconfigured)


async def trouble_at_the_provider_fails_nobody_for_good(bench: Bench) -> None:
    _expect_unbatched(bench)
    for trouble in _in_trouble(bench):
        for outcome in await _outcomes(bench, trouble):
            match outcome.failure:
                case None:
                    raise Defect(f"{outcome.message_id}: accepted, although the provider was in trouble")
                case PermanentFailure() | ChannelMisconfigured():
                    raise Defect(f"{told(outcome.failure)}: the provider was in trouble, which passes")


def _in_trouble(bench: Bench) -> tuple[Start | Reply, ...]:
    failing = bench.case.failing
    if failing is None:
        raise NotApplicable("the provider never says so")
    return (failing, Reply(status=502), Reply(status=503)) if isinstance(failing, Reply) else (failing,)


async def refused_credentials_are_no_fault_of_the_message(bench: Bench) -> None:
    _expect_unbatched(bench)
    if bench.case.denied is None:
        raise NotApplicable("the provider asks for no credentials")
    for outcome in await _outcomes(bench, bench.case.denied):
        if not isinstance(outcome.failure, ChannelMisconfigured):
            raise Defect(
                f"{outcome.message_id}: {told(outcome.failure)}: our credentials were refused, which no message can "
                "help; say ChannelMisconfigured, and the channel is paused before all of them fail"
            )


async def a_request_to_slow_down_is_heeded(bench: Bench) -> None:
    _expect_unbatched(bench)
    if bench.case.throttled is None:
        raise NotApplicable("the provider never asks for it")
    asked_s = bench.case.throttled_s
    waits_s = []
    for outcome in await _outcomes(bench, bench.case.throttled):
        if not isinstance(outcome.failure, RateLimited):
            raise Defect(f"{told(outcome.failure)}: the provider asked to slow down; say RateLimited")
        waits_s.append(outcome.failure.retry_after_s)
    if not any(abs(wait_s - asked_s) <= _SLACK_S for wait_s in waits_s):
        raise Defect(f"the provider asked for {asked_s:g} s, and the channel says {min(waits_s):g} s: read Retry-After")


async def a_dead_address_is_told_apart_from_a_refusal(bench: Bench) -> None:
    _expect_unbatched(bench)
    tried = 0
    if bench.case.gone_as is not None:
        _expect_gone(await _outcomes(bench, bench.case.gone_as))
        tried += 1
    if bench.case.peer is not None or bench.case.provider is not None:
        async with bench.connected() as (channel, peer):
            if peer.gone:
                _expect_gone(list(one_each(await bench.sent(channel, peer.gone), peer.gone).values()))
                tried += 1
    if not tried:
        raise NotTried("the case names neither `gone` messages nor `gone_as`")


def _expect_gone(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if not isinstance(outcome.failure, RecipientGone):
            raise Defect(
                f"{outcome.message_id}: {told(outcome.failure)}: the address is dead; say RecipientGone, or it is "
                "written to for ever"
            )


def _expect_unbatched(bench: Bench) -> None:
    if bench.capabilities.batched:
        raise NotApplicable("the channel is batched")


async def _outcomes(
    bench: Bench, trouble: Start | Reply, *, most: int | None = None, timeout_s: float | None = None
) -> list[Outcome]:
    """What becomes of so many messages. A failure that `open` or `send` raises is that of each of them."""
    async with bench.troubled(trouble) as peer:
        batch = peer.messages[:most]
        try:
            async with bench.opened(bench.hasty(peer, timeout_s) if timeout_s else peer.config) as channel:
                return list(one_each(await bench.sent(channel, batch), batch).values())
        except Failure as failure:
            return [Outcome.failed(message, failure) for message in batch]

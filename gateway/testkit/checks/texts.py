"""Checks of what a channel says when something goes wrong."""

from collections.abc import Iterator, Sequence
from typing import Any

from gateway.contract import Failure, Outbound, Outcome
from gateway.testkit.case import Bench, Defect, NotApplicable
from gateway.testkit.checks.sending import sent_to_nobody
from gateway.testkit.samples import CANARY


async def no_failure_or_log_leaks_a_person_a_body_or_a_secret(bench: Bench) -> None:
    if bench.case.peer is None:
        raise NotApplicable("the case names no `peer`")
    yielded, messages = await sent_to_nobody(bench)
    _look_through(bench, yielded, messages)
    async with bench.connected() as (channel, peer):
        batch = [*peer.refused, *peer.messages]
        _look_through(bench, await bench.sent(channel, batch), batch)


def _look_through(bench: Bench, yielded: Sequence[Any], batch: Sequence[Outbound]) -> None:
    failures = [outcome.failure for outcome in yielded if isinstance(outcome, Outcome)]
    said = [_text(failure) for failure in failures if isinstance(failure, Failure)]
    for what, canary in _canaries(bench, batch):
        if any(canary in text for text in said):
            raise Defect(f"a failure's text holds {what}; it is stored and shown")
        if any(canary in repr(entry) for entry in bench.recorder.entries):
            raise Defect(f"the log holds {what}")


def _text(failure: Failure) -> str:
    return f"{failure!r} {failure} {failure.code} {failure.detail}"


def _canaries(bench: Bench, batch: Sequence[Outbound]) -> Iterator[tuple[str, str]]:
    yield "a word of a message's body", CANARY
    for secret in bench.secrets():
        if len(secret) >= 4:
            yield "a secret of the config", secret
    for message in batch:
        yield "a recipient's address", message.address.value
        if len(message.name) >= 4:
            yield "a recipient's name", message.name
        if message.coupon is not None:
            yield "a coupon's code", message.coupon.code
        if message.unsubscribe_url is not None:
            yield "an unsubscribe link", message.unsubscribe_url

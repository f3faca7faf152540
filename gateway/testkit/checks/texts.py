"""Checks of what a channel says when something goes wrong."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from gateway.contract import Failure, Outbound, Outcome
from gateway.testkit.case import Bench, Defect
from gateway.testkit.checks.sending import sent_to_nobody
from gateway.testkit.peers import Reply
from gateway.testkit.samples import CANARY

STATUSES: Final = (200, 202, 302, 400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503)
"""What a provider may answer and repeat our whole call in, as error pages do."""


async def no_failure_or_log_leaks_a_person_a_body_or_a_secret(bench: Bench) -> None:
    yielded, messages = await sent_to_nobody(bench)
    _look_through(bench, yielded, messages)
    async with bench.connected() as (channel, peer):
        batch = [*peer.refused, *peer.gone, *peer.messages]
        _look_through(bench, await bench.sent(channel, batch), batch)
    if not bench.speaks_http:
        return  # What else it could say cannot be heard without a provider that says it.
    for status in STATUSES:
        await _look_at_answer(bench, status)


async def _look_at_answer(bench: Bench, status: int) -> None:
    """A provider that answers with all that it was told."""
    async with bench.facing(lambda call: Reply(status=status, body=str(call))) as (peer, _):
        try:
            async with bench.opened(peer.config) as channel:
                yielded = await bench.sent(channel, peer.messages)
        except Failure as failure:
            yielded = [Outcome.failed(message, failure) for message in peer.messages]
    _look_through(bench, yielded, peer.messages)


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
        if len(message.address.value) >= 4:
            yield "a recipient's address", message.address.value
        if len(message.name) >= 4:
            yield "a recipient's name", message.name
        if message.coupon is not None:
            yield "a coupon's code", message.coupon.code
        if message.unsubscribe_url is not None:
            yield "an unsubscribe link", message.unsubscribe_url

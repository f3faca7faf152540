"""Test messages: handed to the channel at once, for the eyes of whoever writes them.

Nothing of them is on the ledger: no send, no slot of a cap, no coupon, no event. What is kept is that there was one.
"""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from math import ceil
from typing import Any, Final

import msgspec
from msgspec import Struct

from gateway.contract import CouponView, Outbound, Outcome, OutcomeUnknown
from gateway.domain.ids import new_id
from gateway.domain.job import TemplateUse
from gateway.domain.specimen import TestSendInput
from gateway.domain.templates import ChannelContent, CheckedContent, check_content
from gateway.registry import Guarded
from gateway.rendering import RenderBatch, Rendered, RenderFailure, RenderPool
from gateway.services import resolve, specimen
from gateway.services.addressees import Letter, Tried, letters_of
from gateway.services.installation import Installation
from gateway.services.problems import Conflict, Invalid, Problem
from gateway.services.resolve import Said, Wording
from gateway.storage import audit, channels, clock, contents, idempotency, locks
from gateway.storage.database import Transaction

ROUTE: Final = "POST /v1/test-sends"
MOST_PER_HOUR: Final = 100
_HOUR: Final = timedelta(hours=1)


class TestedTooOften(Exception):
    """A client has sent as many test messages as an hour allows; `wait_s` says when there is room again."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"at most {MOST_PER_HOUR} test messages go out for a client in an hour")
        self.wait_s = wait_s


class TestSend(Struct, frozen=True, kw_only=True):
    """A test: what was said in it, and what became of each message, in the order in which they were asked for."""

    id: str
    channel: str
    template: TemplateUse | None
    outcomes: tuple[Tried, ...]


class Prepared(Struct, frozen=True, kw_only=True):
    """A sound request. Of its messages some are refused already."""

    id: str
    wanted: TestSendInput
    wording: Wording
    content: ChannelContent
    coupon: CouponView | None
    letters: tuple[Letter | Tried, ...]


class Ready(Struct, frozen=True, kw_only=True):
    """A rendered test. Each message by what the request names its recipient, in the order of the request."""

    prepared: Prepared
    messages: tuple[tuple[str, Outbound] | Tried, ...]

    def told(self, outcomes: Mapping[str, Outcome]) -> TestSend:
        """The test with what became of each message, by its id; of those that have no outcome nobody can tell."""
        told = [
            each if isinstance(each, Tried) else _tried(each[0], outcomes.get(each[1].id)) for each in self.messages
        ]
        prepared = self.prepared
        return TestSend(
            id=prepared.id,
            channel=prepared.wanted.channel,
            template=prepared.wording.template,
            outcomes=tuple(told),
        )


def prepare(tx: Transaction, installation: Installation, wanted: TestSendInput) -> Prepared:
    """Everything that the messages are made of. Reads only. Raises Invalid, and Conflict where a person has paused
    the channel."""
    _expect_channel(tx, installation, wanted)
    wording, checked = _examined(tx, installation, wanted)
    kind = installation.channels[wanted.channel].address_kind
    as_if = None
    if wanted.recipient is not None:
        as_if = specimen.person_of(tx, installation, kind, wanted.recipient)
    letters = letters_of(tx, installation, wanted, as_if)
    return Prepared(
        id=new_id("test"),
        wanted=wanted,
        wording=wording,
        content=ChannelContent(
            variants=wording.variants,
            parts=installation.channels[wanted.channel].parts,
            default_locale=wording.default_locale,
        ),
        coupon=specimen.coupon_of(tx, installation, wanted.channel, wanted, checked, clock.now(tx).business),
        letters=letters,
    )


def _expect_channel(tx: Transaction, installation: Installation, wanted: TestSendInput) -> None:
    problems = list(_channel_problems(installation, wanted))
    if problems:
        raise Invalid(problems)
    row = channels.get(tx, wanted.channel)
    if row is not None and row.paused_at is not None and row.held_by == "person":
        raise Conflict(f"the channel {wanted.channel} is paused: {row.reason}; resume it first")


def _channel_problems(installation: Installation, wanted: TestSendInput) -> Iterator[Problem]:
    capabilities = installation.channels.get(wanted.channel)
    if capabilities is None:
        known = ", ".join(sorted(installation.channels)) or "none"
        yield Problem(pointer="/channel", detail=f"no channel {wanted.channel} is ready; there is {known}")
    elif capabilities.batched:
        yield Problem(pointer="/channel", detail="is on paper, which goes out in batches only: look at a preview")
    brands = installation.brands.get(wanted.channel, frozenset())
    if wanted.brand is not None and wanted.brand not in brands:
        told = ", ".join(sorted(brands)) or "none"
        yield Problem(pointer="/brand", detail=f"channel {wanted.channel} has no brand {wanted.brand}; it has {told}")
    purposes = installation.policies.purposes
    if wanted.purpose is not None and wanted.purpose not in purposes:
        told = f"no purpose {wanted.purpose} in the policies; there is {', '.join(sorted(purposes))}"
        yield Problem(pointer="/purpose", detail=told)


def _examined(tx: Transaction, installation: Installation, wanted: TestSendInput) -> tuple[Wording, CheckedContent]:
    said = Said("/content", wanted.channel, wanted.content, wanted.default_locale)
    [found] = resolve.resolve(tx, [said], approval=None)
    if not isinstance(found, Wording):
        raise Invalid(found)
    parts = installation.channels[wanted.channel].parts
    checked = check_content(found.variants, parts, found.default_locale)
    if isinstance(checked, list):
        raise Invalid([Problem(pointer=f"/content{each.pointer}", detail=each.told()) for each in checked])
    return found, checked


def note(tx: Transaction, actor: str, prepared: Prepared) -> None:
    """Let the audit log know that it was sent, to how many, and what."""
    use = prepared.wording.template
    subject = f"template:{use.template}" if use else f"channel:{prepared.wanted.channel}"
    detail = {
        "channel": prepared.wanted.channel,
        "version": use and use.version,
        "content": contents.hash_of(prepared.wording.variants),
        "messages": len(prepared.letters),
    }
    audit.add(tx, actor, "test.sent", subject, detail)


class _Counted(Struct):
    outcomes: list[Any]


def expect_room(tx: Transaction, client: str, messages: int) -> None:
    """Raises TestedTooOften where these would be more than a client's hour allows, counted by the answers it got."""
    locks.lock_name(tx, f"{ROUTE}\0{client}")
    now = clock.now(tx).machine
    kept = idempotency.since(tx, client, ROUTE, now - _HOUR)
    sent = sum(len(msgspec.json.decode(bytes(row.body), type=_Counted).outcomes) for row in kept)
    if kept and sent + messages > MOST_PER_HOUR:
        raise TestedTooOften(max(ceil((kept[0].created_at + _HOUR - now).total_seconds()), 1))


async def render(pool: RenderPool, installation: Installation, prepared: Prepared) -> Ready:
    """Make the messages. One that cannot be made is refused, as the send of a job would fail.

    Raises RenderingUnavailable.
    """
    letters = [each for each in prepared.letters if isinstance(each, Letter)]
    default_locale = prepared.wording.default_locale
    contexts = [
        specimen.context_of(installation, prepared.wanted, each.person, prepared.coupon, default_locale)
        for each in letters
    ]
    rendered = await pool.render(RenderBatch(content=prepared.content, contexts=contexts)) if letters else []
    results = iter(rendered)
    messages = [
        _made(installation, prepared, each, next(results)) if isinstance(each, Letter) else each
        for each in prepared.letters
    ]
    return Ready(prepared=prepared, messages=tuple(messages))


def _made(
    installation: Installation, prepared: Prepared, letter: Letter, result: Rendered | RenderFailure
) -> tuple[str, Outbound] | Tried:
    if isinstance(result, RenderFailure):
        return Tried(to=letter.to, outcome="refused", code=result.told(), detail=result.detail)
    use = prepared.wording.template
    message = specimen.outbound(
        installation,
        prepared.wanted,
        letter.person,
        letter.address,
        result,
        id=new_id("test"),
        coupon=prepared.coupon,
        brand=prepared.wanted.brand or (use.brand if use else None),
    )
    return letter.to, message


async def hand_over(channel: Guarded, ready: Ready) -> TestSend:
    """Give the messages to the channel, and wait for what it says of each."""
    messages = [each[1] for each in ready.messages if not isinstance(each, Tried)]
    outcomes: dict[str, Outcome] = {}
    most = channel.capabilities.window
    for start in range(0, len(messages), most):
        async with contextlib.aclosing(channel.send(messages[start : start + most])) as answers:
            outcomes |= {outcome.message_id: outcome async for outcome in answers}
    return ready.told(outcomes)


def _tried(to: str, outcome: Outcome | None) -> Tried:
    if outcome is None:
        return Tried(to=to, outcome="unknown")
    failure = outcome.failure
    if failure is None:
        return Tried(to=to, outcome="accepted", provider_id=outcome.provider_id)
    return Tried(
        to=to,
        outcome="unknown" if isinstance(failure, OutcomeUnknown) else "failed",
        provider_id=outcome.provider_id,
        code=failure.code,
        detail=failure.detail or None,
    )

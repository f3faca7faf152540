"""Providers are asked what became of messages that may have gone out."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import structlog

from gateway.contract import Doubtful, Failure, Outbound
from gateway.domain.words import SendKey
from gateway.rendering import RenderBatch, Rendered
from gateway.services import compose, doubt
from gateway.services.doubt import Asking, Trace
from gateway.workers.crew import Crew

log: Any = structlog.get_logger()

Messages = Mapping[str, tuple[SendKey, int, Outbound]]
"""By its id, each message with its send and the internal id of its address."""


async def ask_providers(crew: Crew, kinds: Collection[str]) -> int:
    """Ask what it is time to ask, for those of this process's channels that can. Returns how many were settled."""
    settled = 0
    for kind in kinds:
        reconciles = crew.installation.channels[kind].reconciles
        if reconciles and await crew.db.read(doubt.is_time_to_ask, kind):
            settled += await _ask(crew, kind)
    return settled


async def _ask(crew: Crew, kind: str) -> int:
    asking = await crew.db.write(doubt.to_ask, kind, crew.installation.channels[kind].window)
    messages = await _made_again(crew, kind, asking)
    since = {each.key: each.since for each in asking}
    doubtful = [Doubtful(message=message, since=since[key]) for key, _, message in messages.values()]
    try:
        told = await crew.registry.ready[kind].channel.look_up(doubtful)
    except Failure as failure:
        log.warning("doubt.not_asked", channel=kind, failure=type(failure).__name__, code=failure.code)
        return 0
    traces = [Trace(*messages[id][:2], provider_ids) for id, provider_ids in told.items()]
    settled = await crew.db.write(doubt.learn, crew.installation, kind, traces)
    log.info("doubt.asked", channel=kind, asked=len(asking), settled=len(settled))
    return len(settled)


async def _made_again(crew: Crew, kind: str, asking: Sequence[Asking]) -> Messages:
    """The messages as they were handed over, as far as they can still be made."""
    drafts = await crew.db.read(compose.drafts_of, crew.installation, kind, [each.key for each in asking])
    made: dict[str, tuple[SendKey, int, Outbound]] = {}
    for digest, content in drafts.contents.items():
        group = [draft for draft in drafts.drafts if draft.content_hash == digest and draft.addresses]
        batch = RenderBatch(content=content, contexts=[draft.context for draft in group])
        for draft, result in zip(group, await crew.pool.render(batch), strict=True):
            if isinstance(result, Rendered):
                outbounds = compose.outbounds(crew.installation, kind, draft, result.locale, result.parts)
                for (address_id, _), message in zip(draft.addresses, outbounds, strict=True):
                    made[message.id] = (draft.key, address_id, message)
    return made

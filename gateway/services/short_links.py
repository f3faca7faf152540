"""Short links: on channels that pay by the character a code stands for the long token of a tracked link."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.short_code import is_code, new_code
from gateway.domain.tokens import MessageRef
from gateway.domain.words import SendKey
from gateway.services.installation import Installation
from gateway.services.rules import purpose_of
from gateway.storage import clock, short_links
from gateway.storage.database import Transaction
from gateway.storage.jobs import Job
from gateway.storage.short_links import Link

KEPT: Final = timedelta(days=400)
"""So long a code leads somewhere: longer than any offer that one would put into a text message."""


def are_used(installation: Installation, channel: str) -> bool:
    return installation.short_url is not None and installation.channels[channel].short_links


def assign(
    tx: Transaction,
    installation: Installation,
    channel: str,
    keys: Sequence[SendKey],
    job_of: Mapping[int, Job],
    now: datetime,
) -> None:
    """Give each link of these sends its code, once. A send that is tried again keeps those that it has."""
    if not are_used(installation, channel):
        return
    links = [Link(key, number) for key in keys for number in range(_tracked(installation, job_of[key.job_id], key))]
    short_links.add(tx, {link: new_code() for link in links}, now)


def _tracked(installation: Installation, job: Job, key: SendKey) -> int:
    """How many tracked links the content has, in all its languages; none where clicks are never noticed."""
    if purpose_of(installation, job.spec).tracking.clicks == "never":
        return 0
    return len(job.spec.steps[key.step].links.get(key.channel, ()))


def urls(
    tx: Transaction, installation: Installation, channel: str, keys: Sequence[SendKey]
) -> Mapping[SendKey, Mapping[int, str]]:
    """By send and number of the link, the short URLs of those that have one."""
    if not are_used(installation, channel):
        return {}
    found = short_links.of_sends(tx, keys)
    return {
        key: {number: f"{installation.short_url}/{code}" for number, code in codes.items()}
        for key, codes in found.items()
    }


def ref_of(tx: Transaction, code: str) -> MessageRef | None:
    """The link that a code stands for; None where it never did, or does so no more."""
    found = short_links.find(tx, code) if is_code(code) else None
    return None if found is None else MessageRef(*found.key, 0, found.number)


def forget(tx: Transaction) -> int:
    """Drop codes that are too old to be followed. Returns how many."""
    return short_links.forget(tx, clock.now(tx).business - KEPT)

"""How a channel says that a message did not go out, and what the gateway makes of it.

| failure              | was it sent? | the gateway                                          |
|----------------------|--------------|------------------------------------------------------|
| PermanentFailure     | no           | failed                                               |
| RecipientGone        | no           | failed, address suppressed                           |
| TransientFailure     | no           | back to queued with backoff; spends an attempt       |
| RateLimited          | no           | back to queued, channel paced; spends no attempt     |
| ChannelMisconfigured | no           | channel paused, its sends stay queued                |
| OutcomeUnknown       | maybe        | idempotent channel: retried; otherwise `in_doubt`    |

Any other exception counts as OutcomeUnknown with the code `adapter-bug`.
Texts must not hold addresses, bodies or secrets: they are stored and shown.
"""

from typing import Final


class Failure(Exception):
    """A message that was not, or perhaps not, handed over.

    `code` is short and stable, for tables and counts (`smtp-550`, `21610`); `detail` is
    one sentence for a person. `provider_id` is the provider's id where it gave one.
    """

    maybe_sent = False

    def __init__(self, code: str, detail: str = "", *, provider_id: str | None = None) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.provider_id = provider_id


class PermanentFailure(Failure):
    """This message will never be accepted; the address may still be good."""


class RecipientGone(PermanentFailure):
    """The address is dead or refuses us for good: it is suppressed from now on."""


class TransientFailure(Failure):
    """Not accepted now; a later try may succeed."""


UNREACHABLE: Final = frozenset({"no-connection", "no-answer"})
"""Codes of a TransientFailure that say no connection was made: not the message is the cause, but the channel is ill.

Several in a row, of these or of unknown outcomes, and the channel rests for a while.
"""


class RateLimited(Failure):
    """The provider asks us to slow down. `retry_after_s` is what it named, else our guess."""

    def __init__(self, retry_after_s: float, code: str = "rate-limited", detail: str = "") -> None:
        super().__init__(code, detail)
        self.retry_after_s = retry_after_s


class ChannelMisconfigured(Failure):
    """Credentials, sender or set-up are wrong: nothing sent through this channel can succeed."""


class OutcomeUnknown(Failure):
    """The provider may have taken the message: the answer was lost after it left us."""

    maybe_sent = True

"""How a channel says that a message did not go out, and what the gateway makes of it.

| failure              | was it sent? | the gateway                                          |
|----------------------|--------------|------------------------------------------------------|
| PermanentFailure     | no           | failed                                               |
| RecipientGone        | no           | failed, address suppressed                           |
| OptedOut             | no           | failed, consent for channel and purpose withdrawn    |
| TransientFailure     | no           | back to queued with backoff; spends an attempt       |
| RateLimited          | no           | back to queued, channel paced; spends no attempt     |
| … `scope="message"`  | no           | back to queued, this message alone; spends no attempt|
| ChannelMisconfigured | no           | channel paused, its sends stay queued                |
| OutcomeUnknown       | maybe        | idempotent channel: retried; otherwise `in_doubt`    |

Any other exception counts as OutcomeUnknown with the code `adapter-bug`.
Texts must not hold addresses, bodies or secrets: they are stored and shown.
"""

from typing import Final, Literal


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


class OptedOut(PermanentFailure):
    """The provider knows that this person wants no more messages from us. The address is good, and may agree again."""


class TransientFailure(Failure):
    """Not accepted now; a later try may succeed."""


UNREACHABLE: Final = frozenset({"no-connection", "no-answer"})
"""Codes of a TransientFailure that say no connection was made: not the message is the cause, but the channel is ill.

Several in a row, of these or of unknown outcomes, and the channel rests for a while.
"""


class RateLimited(Failure):
    """The provider asks us to slow down. `retry_after_s` is what it named, else our guess.

    `scope` says whom that is about: the whole `channel`, or this `message` alone, because only its destination
    (a mail domain, a carrier) gets too much.
    """

    def __init__(
        self,
        retry_after_s: float,
        code: str = "rate-limited",
        detail: str = "",
        *,
        scope: Literal["channel", "message"] = "channel",
    ) -> None:
        super().__init__(code, detail)
        self.retry_after_s = retry_after_s
        self.scope = scope

    @property
    def paces_channel(self) -> bool:
        """Whether the channel's other messages had better wait too."""
        return self.scope != "message"


class ChannelMisconfigured(Failure):
    """Credentials, sender or set-up are wrong: nothing sent through this channel can succeed."""


class OutcomeUnknown(Failure):
    """The provider may have taken the message: the answer was lost after it left us."""

    maybe_sent = True

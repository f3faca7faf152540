"""What the channel does alike with both providers: whom it writes as, at what pace, and with which template."""

from collections.abc import Mapping
from typing import Any, ClassVar

from gateway.contract import (
    API,
    Capabilities,
    ChannelMisconfigured,
    Context,
    EventType,
    Outbound,
    OutcomeUnknown,
    Pace,
    PermanentFailure,
    SideBySide,
    TransientFailure,
    Weight,
)

from .template import PARTS, Approved, WrongLink, filled


class WhatsApp(SideBySide):
    """Neither provider knows an idempotency key: a call whose answer was lost is never repeated."""

    kind: ClassVar[str] = "whatsapp"
    api: ClassVar[int] = API
    capabilities: ClassVar[Capabilities] = Capabilities(
        address_kind="phone",
        parts=PARTS,
        window=50,
        timeout_s=30.0,
        receives=True,
        reports=frozenset(
            {
                EventType.ACCEPTED,
                EventType.DELIVERED,
                EventType.OPENED,
                EventType.FAILED,
                EventType.BOUNCED,
                EventType.BLOCKED,
                EventType.UNSUBSCRIBED,
            }
        ),
    )

    def __init__(self, config: Any, context: Context) -> None:
        super().__init__(config, context, concurrency=config.concurrency, call_s=config.timeout_s)
        self._paces = {sender: Pace(config.per_second) for sender in (self.own_sender, *config.brands.values())}

    @property
    def own_sender(self) -> str:
        """As the provider knows the sender of messages without a brand."""
        raise NotImplementedError

    @property
    def templates(self) -> Mapping[str, Approved]:
        templates: Mapping[str, Approved] = self.config.templates
        return templates

    @property
    def brands(self) -> frozenset[str]:
        return frozenset(self.config.brands)

    def sender_of(self, message: Outbound) -> str:
        """As the provider knows the sender. Raises PermanentFailure where the brand is not known."""
        if message.brand is None:
            return self.own_sender
        sender: str | None = self.config.brands.get(message.brand)
        if sender is None:
            raise PermanentFailure("no-such-brand", "[channels.whatsapp] brands does not know the message's brand")
        return sender

    def weigh(self, message: Outbound) -> Weight:
        self.sender_of(message)
        try:
            filled(self.templates, message)
        except WrongLink as wrong:
            return Weight(warnings=(wrong.detail,))
        return Weight()

    async def await_turn(self, message: Outbound, begin_by_s: float) -> None:
        await self._paces[self.sender_of(message)].turn(begin_by_s)

    async def check(self) -> None:
        try:
            await self.look()
        except OutcomeUnknown as unknown:
            raise TransientFailure(unknown.code, unknown.detail) from None
        except PermanentFailure as refused:
            raise ChannelMisconfigured(refused.code, refused.detail) from None

    async def look(self) -> None:
        """Ask for the account or sender. Raises a Failure."""
        raise NotImplementedError

    def asks(self, message: Outbound) -> bool:
        """Whether we may note that this person has read the message."""
        return message.open_url is not None

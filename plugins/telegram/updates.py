"""What the Bot API tells: what people write to the bot, and that they have blocked it.

Source: https://core.telegram.org/bots/api#getting-updates
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from gateway.contract import Inbound, Intent

TYPES: Final = ("message", "my_chat_member")
"""The updates that are asked for."""

_COMMAND: Final = re.compile(r"/(start|stop|help)(?:@\w+)?(?=\s|$)", re.ASCII | re.IGNORECASE)

Number = Annotated[int, Meta(ge=-(2**53), le=2**53)]
UnixTime = Annotated[int, Meta(ge=0, le=2**33)]


class Chat(Struct, frozen=True, kw_only=True):
    id: Number
    type: str

    @property
    def is_private(self) -> bool:
        return self.type == "private" and self.id > 0


class Sender(Struct, frozen=True, kw_only=True):
    is_bot: bool = False


class Message(Struct, frozen=True, kw_only=True):
    """What somebody wrote; a picture has a caption, or no words at all."""

    message_id: Number
    date: UnixTime
    chat: Chat
    sender: Sender = msgspec.field(name="from", default=Sender())
    text: str = ""
    caption: str = ""


class Member(Struct, frozen=True, kw_only=True):
    status: str


class Membership(Struct, frozen=True, kw_only=True):
    """What the bot has become in a chat: `kicked` in a private one says that the person has blocked it."""

    chat: Chat
    date: UnixTime
    new_chat_member: Member


class Update(Struct, frozen=True, kw_only=True):
    """One of them. Its id may come again after a quiet week, so that an event's id has the time as well."""

    update_id: Number
    message: Message | None = None
    my_chat_member: Membership | None = None


def heard(update: Update) -> Iterator[Inbound]:
    """What an update says of a person in their own chat with the bot; nothing for groups and channels."""
    message, membership = update.message, update.my_chat_member
    if message is not None and message.chat.is_private and not message.sender.is_bot:
        yield _written(update.update_id, message)
    if membership is not None and membership.chat.is_private and membership.new_chat_member.status == "kicked":
        yield Inbound(
            event_id=f"{update.update_id}:{membership.date}",
            sender=str(membership.chat.id),
            # The provider's own words: the person wrote none.
            text="my_chat_member: kicked",
            at=datetime.fromtimestamp(membership.date, UTC),
            intent=Intent.STOP,
        )


def _written(update_id: int, message: Message) -> Inbound:
    text = message.text or message.caption
    command = _COMMAND.match(text)
    return Inbound(
        event_id=f"{update_id}:{message.date}",
        sender=str(message.chat.id),
        text=text,
        at=datetime.fromtimestamp(message.date, UTC),
        provider_id=str(message.message_id),
        intent=Intent(command[1].lower()) if command else None,
    )

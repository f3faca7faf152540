"""What `risveglio channel check` needs to try the channel: a Bot API that is none, and people who know the bot."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import msgspec

from gateway.contract import Address, WebhookRequest
from gateway.testkit import NOW, Call, Case, Reply, outbound, outbounds

BOT = "123456789:AAEkitkitkitkitkitkitkitkitkitkitki"
SIGNED_WITH = "a-secret-of-the-kit"
BLOCKED, TOO_FORMAL = "400403", "400400"
"""Somebody who has blocked the bot, and a message that Telegram finds fault with."""


def case(channel: Any) -> Case:
    """The case for the channel's class."""
    told = channel.capabilities
    chats = [Address(kind=told.address_kind, value=value) for value in ("100200301", "5100200302", "100200303")]
    refused, gone = (Address(kind=told.address_kind, value=value) for value in (TOO_FORMAL, BLOCKED))
    return Case(
        channel=channel,
        config={
            "token": BOT,
            "username": "ExampleShopBot",
            "receive": "webhook",
            "webhook_secret": SIGNED_WITH,
            "base_url": "https://api.telegram.org",
        },
        url_key="base_url",
        provider=BotApi(),
        messages=outbounds(told, chats),
        refused=[outbound(told, refused, number=8)],
        gone=[outbound(told, gone, number=9)],
        denied=error(401, "Unauthorized"),
        throttled=error(429, "Too Many Requests: retry after 7", retry_after=7),
        failing=error(500, "Internal Server Error: restart"),
        replies=replies,
    )


class BotApi:
    """Answers as https://core.telegram.org/bots/api says, and in the words of the errors that are known."""

    def __init__(self) -> None:
        self._ids = count(1001)

    def __call__(self, call: Call) -> Reply:
        _, bot, method = call.path.split("/")
        if bot != f"bot{BOT}":
            return error(401, "Unauthorized")
        if method == "getMe":
            return result({"id": 123456789, "is_bot": True, "first_name": "Example", "username": "ExampleShopBot"})
        if method != "sendMessage":
            return error(404, "Not Found")
        return self._send(msgspec.json.decode(call.body))

    def _send(self, message: dict[str, Any]) -> Reply:
        chat = message["chat_id"]
        if str(chat) == BLOCKED:
            return error(403, "Forbidden: bot was blocked by the user")
        if str(chat) == TOO_FORMAL or not 0 < len(message["text"]) <= 4096:
            return error(400, "Bad Request: BUTTON_URL_INVALID")
        private = {"id": chat, "type": "private"}
        return result({"message_id": next(self._ids), "date": 1772443800, "chat": private, "text": message["text"]})


def result(content: Any) -> Reply:
    body = msgspec.json.encode({"ok": True, "result": content})
    return Reply(body=body, headers={"Content-Type": "application/json"})


def error(status: int, description: str, **parameters: Any) -> Reply:
    told = {"ok": False, "error_code": status, "description": description}
    body = msgspec.json.encode(told | ({"parameters": parameters} if parameters else {}))
    return Reply(status=status, body=body, headers={"Content-Type": "application/json"})


def replies() -> Sequence[WebhookRequest]:
    """What somebody writes, and that they have blocked the bot."""
    chat, person = {"id": 100200301, "type": "private"}, {"id": 100200301, "is_bot": False, "first_name": "Мила"}
    wrote = {"message_id": 7, "date": 1772443800, "chat": chat, "from": person, "text": "/stop спасибо"}
    blocked = {
        "chat": chat,
        "from": person,
        "date": 1772443900,
        "old_chat_member": {"user": {"id": 123456789, "is_bot": True}, "status": "member"},
        "new_chat_member": {"user": {"id": 123456789, "is_bot": True}, "status": "kicked", "until_date": 0},
    }
    return [called({"update_id": 10001, "message": wrote}), called({"update_id": 10002, "my_chat_member": blocked})]


def called(update: Any, secret: str = SIGNED_WITH) -> WebhookRequest:
    return WebhookRequest(
        method="POST",
        url="https://gateway.example/hooks/telegram",
        headers={"x-telegram-bot-api-secret-token": secret, "content-type": "application/json"},
        query=[],
        body=update if isinstance(update, bytes) else msgspec.json.encode(update),
        received_at=NOW,
    )

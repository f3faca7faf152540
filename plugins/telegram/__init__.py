"""Telegram, through a bot of yours: one call of the Bot API a message, to people who have started the bot.

    [channels.telegram]
    token = "${TELEGRAM_TOKEN}"                          # from @BotFather: 123456789:AA...
    username = "ExampleShopBot"                          # gives people a link by which to start it
    receive = "webhook"                                  # at https://GATEWAY/hooks/telegram; or "polling"
    webhook_secret = "${TELEGRAM_WEBHOOK_SECRET}"        # for "webhook": 16 or more of A-Z a-z 0-9 _ -

A recipient's address is of the kind `telegram`: the id of their private chat with the bot, such as `123456789`. Whoever
follows `https://t.me/ExampleShopBot?start=CRM-4711` and presses Start sends `/start CRM-4711`, which is among the
replies: your own systems know by it whose chat that is. `/stop`, and blocking the bot, withdraw consent.

The text goes out as plain text: Telegram's markup refuses a whole message for one stray character. `button` and
`button_url` together make a button below it. A text of more than 4096 characters is refused.

`risveglio listen` (or `serve`) fetches what people write, or tells Telegram the address of the hook, and has to run
for either. One process may poll; a second one is turned away and tries again later.
Source: https://core.telegram.org/bots/api and https://core.telegram.org/bots/faq#broadcasting-to-users
"""

from .channel import TelegramChannel

__all__ = ["TelegramChannel"]

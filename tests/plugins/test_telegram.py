"""The Telegram plugin before a Bot API on this machine that answers as its documentation says."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from gateway.contract import (
    Address,
    BadSignature,
    BadWebhook,
    ChannelMisconfigured,
    Inbound,
    Intent,
    Outbound,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    RecipientGone,
    TransientFailure,
)
from gateway.registry.configuration import ConfigFault, decode
from gateway.testkit import Call, Reply, always, assert_conforms, http_peer, outbound, standing
from tests.plugins.dropped_in import documented, kit_of, loaded, opened, sent

plugin = loaded("telegram")
kit = kit_of(plugin)
Channel: Any = plugin.TelegramChannel
CHAT = 100200301


def table(**changes: Any) -> dict[str, Any]:
    given = {"token": kit.BOT, "receive": "webhook", "webhook_secret": kit.SIGNED_WITH, **changes}
    return {key: value for key, value in given.items() if value is not None}


def polling(**changes: Any) -> dict[str, Any]:
    return table(receive="polling", webhook_secret=None, **changes)


def to(chat: str = str(CHAT), *, number: int = 1, **parts: str | None) -> Outbound:
    given = {"text": "Мила, ждём вас 🎁", "button": "Купон", "button_url": "https://gateway.example/c/abc", **parts}
    content = {name: text for name, text in given.items() if text is not None}
    return outbound(Channel.capabilities, Address(kind="telegram", value=chat), number=number, parts=content)


def body_of(call: Call) -> Any:
    return msgspec.json.decode(call.body)


async def test_it_keeps_the_contract():
    report = await assert_conforms(kit.case(Channel))

    assert standing(report).level.number == 4, str(report)


def test_the_table_in_its_documentation_is_taken():
    [channels] = documented(plugin, {"TELEGRAM_TOKEN": kit.BOT, "TELEGRAM_WEBHOOK_SECRET": kit.SIGNED_WITH})

    config = decode("telegram", channels["telegram"], Channel.config_type)

    assert (config.username, config.receive) == ("ExampleShopBot", "webhook")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"token": "canary"}, "token"),
        ({"token": "123456789:AAEkitkitkitkitkitkitkit/../canary"}, "token"),
        ({"webhook_secret": None}, "webhook_secret"),
        ({"webhook_secret": "canary"}, "webhook_secret"),
        ({"receive": "polling"}, "webhook_secret"),
        ({"receive": "pigeon"}, "receive"),
        ({"username": "@ExampleShopBot"}, "username"),
        ({"base_url": "http://api.telegram.org"}, "base_url"),
        ({"base_url": "https://api.telegram.org/?a=b"}, "base_url"),
        ({"per_second": 0}, "per_second"),
    ],
)
def test_a_fault_in_the_table_is_named(changes, named):
    with pytest.raises(ConfigFault, match=named) as refused:
        decode("telegram", table(**changes), Channel.config_type)

    assert "canary" not in str(refused.value)


# --- what goes out


async def test_the_message_goes_to_the_chat_as_plain_text_with_its_button(tmp_path):
    async with http_peer(kit.BotApi()) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        [outcome] = await sent(channel, to())

    [call] = peer.calls
    assert (outcome.failure, outcome.provider_id) == (None, "1001")
    assert call.path == f"/bot{kit.BOT}/sendMessage"
    assert body_of(call) == {
        "chat_id": CHAT,
        "text": "Мила, ждём вас 🎁",
        "reply_markup": {"inline_keyboard": [[{"text": "Купон", "url": "https://gateway.example/c/abc"}]]},
        "link_preview_options": {"is_disabled": True},
        "disable_notification": False,
    }


async def test_a_message_without_a_button_has_no_keyboard(tmp_path):
    async with http_peer(kit.BotApi()) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        await sent(channel, to(button=None, button_url=None, text="<b>5 < 7</b> *_[`"))

    [call] = peer.calls
    assert "reply_markup" not in body_of(call)
    assert "parse_mode" not in body_of(call)
    assert body_of(call)["text"] == "<b>5 < 7</b> *_[`"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (to(text=" \n"), "no-text"),
        (to(text="ё" * 4097), "too-long"),
        (to(button=None), "half-a-button"),
        (to(button_url=None), "half-a-button"),
        (to("-100200300"), "no-chat"),
        (to("@someone"), "no-chat"),
        (to("1/../../getMe"), "no-chat"),
    ],
)
async def test_what_telegram_could_never_take_is_refused_before_the_call(tmp_path, message, code):
    async with http_peer(kit.BotApi()) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        [outcome] = await sent(channel, message)

    assert (type(outcome.failure), outcome.failure.code, peer.calls) == (PermanentFailure, code, [])


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (kit.error(400, "Bad Request: chat not found"), RecipientGone),
        (kit.error(400, "Bad Request: PEER_ID_INVALID"), RecipientGone),
        (kit.error(403, "Forbidden: bot was blocked by the user"), RecipientGone),
        (kit.error(403, "Forbidden: user is deactivated"), RecipientGone),
        (kit.error(403, "Forbidden: bot can't initiate conversation with a user"), PermanentFailure),
        (kit.error(403, "Forbidden: bot can't send messages to the user"), PermanentFailure),
        (kit.error(400, "Bad Request: BUTTON_URL_INVALID"), PermanentFailure),
        (kit.error(413, "Request Entity Too Large"), PermanentFailure),
        (kit.error(401, "Unauthorized"), ChannelMisconfigured),
        (kit.error(404, "Not Found"), ChannelMisconfigured),
        (Reply(status=302, headers={"Location": "https://elsewhere.example/"}), ChannelMisconfigured),
        (kit.error(500, "Internal Server Error: restart"), OutcomeUnknown),
        (Reply(status=502, body="<html>"), OutcomeUnknown),
        (Reply(status=200, body="<html>"), OutcomeUnknown),
        (kit.result({}), OutcomeUnknown),
        (Reply(is_cut=True), OutcomeUnknown),
    ],
)
async def test_an_answer_is_the_failure_it_stands_for(tmp_path, reply, expected):
    async with http_peer(always(reply)) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        [outcome] = await sent(channel, to())

    assert type(outcome.failure) is expected
    assert kit.BOT not in f"{outcome.failure!r} {outcome.failure.detail}"
    assert len(peer.calls) == 1


@pytest.mark.parametrize(
    ("reply", "wait_s"),
    [
        (kit.error(429, "Too Many Requests: retry after 5", retry_after=5), 5),
        (Reply(status=429, headers={"Retry-After": "9"}), 9),
        (Reply(status=429), 30),
    ],
)
async def test_the_whole_channel_waits_as_long_as_telegram_asks(tmp_path, reply, wait_s):
    async with http_peer(always(reply)) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        [outcome] = await sent(channel, to())

    assert isinstance(outcome.failure, RateLimited)
    assert (outcome.failure.retry_after_s, outcome.failure.scope) == (wait_s, "channel")


async def test_one_chat_gets_one_message_a_second_and_the_others_need_not_wait(tmp_path):
    async with opened(Channel, table(per_second=1000), tmp_path) as channel:
        by_s = asyncio.get_running_loop().time() + 0.9
        await channel.await_turn(to("1001"), by_s)
        await channel.await_turn(to("1002"), by_s)
        with pytest.raises(RateLimited) as busy:
            await channel.await_turn(to("1001"), by_s)

    assert busy.value.scope == "message"


async def test_all_chats_together_keep_the_pace_of_the_bot(tmp_path):
    async with opened(Channel, table(per_second=1), tmp_path) as channel:
        by_s = asyncio.get_running_loop().time() + 0.9
        await channel.await_turn(to("1001"), by_s)
        with pytest.raises(RateLimited):
            await channel.await_turn(to("1002"), by_s)


async def test_a_check_asks_whose_token_it_is(tmp_path):
    async with http_peer(kit.BotApi()) as peer:
        async with opened(Channel, table(base_url=peer.url, username="exampleshopbot"), tmp_path) as channel:
            await channel.check()
        async with opened(Channel, table(base_url=peer.url, username="AnotherShopBot"), tmp_path) as channel:
            with pytest.raises(ChannelMisconfigured, match="username"):
                await channel.check()

    assert {call.path for call in peer.calls} == {f"/bot{kit.BOT}/getMe"}


async def test_anybody_may_know_where_to_start_the_bot(tmp_path):
    async with opened(Channel, table(username="ExampleShopBot"), tmp_path) as channel:
        assert channel.published == {"start_url": "https://t.me/ExampleShopBot"}


# --- what comes in


def wrote(text: str | None, update: int = 1, **changes: Any) -> dict[str, Any]:
    message = {"message_id": 7, "date": 1772443800, "chat": {"id": CHAT, "type": "private"}, **changes}
    return {"update_id": update, "message": message | ({} if text is None else {"text": text})}


def became(status: str, kind: str = "private") -> dict[str, Any]:
    change = {"chat": {"id": CHAT, "type": kind}, "date": 1772443800, "new_chat_member": {"status": status}}
    return {"update_id": 2, "my_chat_member": change}


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("/start", Intent.START),
        ("/start CRM-4711", Intent.START),
        ("/stop", Intent.STOP),
        ("/STOP@ExampleShopBot спасибо", Intent.STOP),
        ("/help", Intent.HELP),
        ("/stopwatch", None),
        ("Basta!", None),
        ("", None),
    ],
)
async def test_what_somebody_writes_is_a_reply_and_commands_are_understood(tmp_path, text, intent):
    async with opened(Channel, table(), tmp_path) as channel:
        [reply] = channel.parse(kit.called(wrote(text)))

    assert (reply.sender, reply.text, reply.intent) == (str(CHAT), text, intent)
    assert reply.at is not None
    assert str(CHAT) not in reply.event_id


async def test_the_words_below_a_picture_count(tmp_path):
    async with opened(Channel, table(), tmp_path) as channel:
        [reply] = channel.parse(kit.called(wrote(None, caption="/stop")))

    assert reply.intent is Intent.STOP


async def test_who_blocks_the_bot_says_stop(tmp_path):
    async with opened(Channel, table(), tmp_path) as channel:
        [reply] = channel.parse(kit.called(became("kicked")))

    assert (reply.sender, reply.intent) == (str(CHAT), Intent.STOP)


@pytest.mark.parametrize(
    "update",
    [
        became("member"),
        became("kicked", "supergroup"),
        wrote("/stop", chat={"id": -100200300, "type": "group"}),
        wrote("/stop", **{"from": {"id": 1, "is_bot": True}}),
        {"update_id": 3, "edited_message": {"text": "/stop"}},
    ],
)
async def test_nobody_speaks_in_groups_for_robots_or_by_coming_back(tmp_path, update):
    async with opened(Channel, table(), tmp_path) as channel:
        assert list(channel.parse(kit.called(update))) == []


async def test_a_call_without_the_secret_is_nobodys(tmp_path):
    async with opened(Channel, table(), tmp_path) as channel:
        channel.verify(kit.called(wrote("Ciao")))
        for stranger in (kit.called(wrote("Ciao"), "another-secret-1"), kit.called(wrote("Ciao"), "é\udcff")):
            with pytest.raises(BadSignature):
                channel.verify(stranger)
        with pytest.raises(BadSignature):
            channel.verify(kit.called(b"[1]"))
        with pytest.raises(BadWebhook):
            channel.parse(kit.called(b"[1]"))


async def test_where_no_hook_was_asked_for_no_call_is_taken(tmp_path):
    async with opened(Channel, polling(), tmp_path) as channel:
        for secret in (kit.SIGNED_WITH, ""):
            with pytest.raises(BadSignature):
                channel.verify(kit.called(wrote("Ciao"), secret))


# --- listening


class Queue:
    """The updates of a bot: kept until they are confirmed by an offset beyond them, and nobody is asked twice."""

    def __init__(self, *updates: Any) -> None:
        self.updates = list(updates)
        self.methods: list[str] = []
        self.offsets: list[int | None] = []
        self.is_waiting = asyncio.Event()

    def __call__(self, call: Call) -> Reply:
        method, body = call.path.rpartition("/")[2], body_of(call)
        self.methods.append(method)
        if method != "getUpdates":
            return kit.result(True)
        assert set(body["allowed_updates"]) == {"message", "my_chat_member"}
        self.offsets.append(body.get("offset"))
        self.updates = [each for each in self.updates if each["update_id"] >= body.get("offset", 0)]
        if self.updates:
            return kit.result(self.updates)
        self.is_waiting.set()
        return Reply(is_silent=True)


class Record:
    """Where what was heard is put on record, unless it cannot be."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.heard: list[Inbound] = []
        self.is_away = is_away

    async def hear(self, heard: Sequence[Any]) -> None:
        if self.is_away:
            raise TransientFailure("not-on-record")
        self.heard += heard


async def listened(channel: Any, record: Record, until: asyncio.Event) -> None:
    """Let the channel listen until this happens."""
    listening = asyncio.create_task(channel.listen(record.hear))
    happening = asyncio.create_task(until.wait())
    async with asyncio.timeout(10):
        await asyncio.wait([listening, happening], return_when=asyncio.FIRST_COMPLETED)
    happening.cancel()
    listening.cancel()
    try:
        await listening
    except asyncio.CancelledError:
        return


async def test_updates_are_fetched_heard_and_then_confirmed_once(tmp_path):
    queue, record = Queue(wrote("/start A", 10), wrote("Ciao", 11)), Record()
    async with http_peer(queue) as peer, opened(Channel, polling(base_url=peer.url), tmp_path) as channel:
        await listened(channel, record, queue.is_waiting)

    assert [each.text for each in record.heard] == ["/start A", "Ciao"]
    assert queue.methods[:2] == ["deleteWebhook", "getUpdates"]
    assert queue.offsets == [None, 12]


async def test_what_is_not_on_record_is_not_confirmed(tmp_path):
    queue, record = Queue(wrote("/stop", 10)), Record(is_away=True)
    async with http_peer(queue) as peer, opened(Channel, polling(base_url=peer.url), tmp_path) as channel:
        with pytest.raises(TransientFailure):
            await listened(channel, record, queue.is_waiting)
        record.is_away = False
        await listened(channel, record, queue.is_waiting)

    assert [each.intent for each in record.heard] == [Intent.STOP]
    assert queue.offsets == [None, None, 11]


async def test_an_update_that_cannot_be_read_does_not_come_for_ever(tmp_path):
    queue, record = Queue({"update_id": 10, "message": {"date": "never"}}, wrote("Ciao", 11)), Record()
    async with http_peer(queue) as peer, opened(Channel, polling(base_url=peer.url), tmp_path) as channel:
        await listened(channel, record, queue.is_waiting)

    assert [each.text for each in record.heard] == ["Ciao"]
    assert queue.offsets == [None, 12]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (kit.error(409, "Conflict: terminated by other getUpdates request"), TransientFailure),
        (kit.error(500, "Internal Server Error"), TransientFailure),
        (kit.result([{"message": {}}]), TransientFailure),
        (kit.error(401, "Unauthorized"), ChannelMisconfigured),
    ],
)
async def test_a_bot_that_cannot_listen_says_why(tmp_path, reply, expected):
    async with http_peer(always(reply)) as peer, opened(Channel, polling(base_url=peer.url), tmp_path) as channel:
        with pytest.raises(expected) as failed:
            await listened(channel, Record(), asyncio.Event())

    assert kit.BOT not in str(failed.value)


async def test_with_a_hook_telegram_is_told_its_address_and_secret(tmp_path):
    told = asyncio.Event()

    def bot_api(call: Call) -> Reply:
        told.set()
        return kit.result(True)

    async with http_peer(bot_api) as peer, opened(Channel, table(base_url=peer.url), tmp_path) as channel:
        await listened(channel, Record(), told)

    assert peer.calls[0].path == f"/bot{kit.BOT}/setWebhook"
    assert body_of(peer.calls[0]) == {
        "url": "https://gateway.example/hooks/telegram",
        "secret_token": kit.SIGNED_WITH,
        "allowed_updates": ["message", "my_chat_member"],
    }

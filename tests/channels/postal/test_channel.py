"""The door: nothing is sent one by one, and a sender that cannot be printed is told so."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from aiohttp import ClientSession

from channels.postal import PostalChannel
from gateway.contract import ChannelMisconfigured, Context, PermanentFailure, Piece


@pytest.fixture
async def channel(tmp_path: Path, config):
    async with ClientSession() as http:
        context = Context(
            http=http,
            now=lambda: datetime(2027, 2, 1, tzinfo=UTC),
            log=structlog.get_logger(),
            files=tmp_path,
            hook_url="https://gateway.example/hooks/postal",
        )
        yield lambda **changes: PostalChannel(config(**changes), context)


async def test_every_message_sent_one_by_one_is_refused_for_good(channel, message):
    batch = [message(1), message(2)]
    outcomes = [outcome async for outcome in channel().send(batch)]
    assert [outcome.message_id for outcome in outcomes] == ["m-1", "m-2"]
    assert all(type(outcome.failure) is PermanentFailure for outcome in outcomes)
    assert {outcome.failure.code for outcome in outcomes} == {"postal-is-batched"}


async def test_a_good_configuration_passes_the_check(channel):
    await channel().check()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sender_name": "珈琲店"}, "missing-glyph"),
        ({"sender_address": ["Via Esempio 9 ☎️", "Roma"]}, "missing-glyph"),
        ({"sender_name": "W" * 80}, "sender-too-long"),
        (
            {"sender_address": ["Via Lunghissima dell'Esempio Infinito 99/bis, interno 12", "00100 Roma RM"]},
            "sender-too-long",
        ),
    ],
    ids=["cjk", "emoji", "name", "address"],
)
async def test_a_sender_that_cannot_be_printed_is_a_fault_of_the_configuration(
    channel, message, tmp_path, ticket, changes, code
):
    with pytest.raises(ChannelMisconfigured) as fault:
        await channel(**changes).check()
    assert fault.value.code == code
    with pytest.raises(ChannelMisconfigured):
        channel(**changes).export(ticket(1), [Piece(sequence=1, message=message())], tmp_path / "out")


async def test_the_footer_with_the_right_to_object_is_required(channel):
    assert channel().capabilities.parts["footer"].required
    assert channel().capabilities.batched


async def test_the_channel_exports_a_batch(channel, message, ticket, tmp_path):
    files = channel().export(ticket(1), [Piece(sequence=1, message=message())], tmp_path / "out")
    assert [file.path.name for file in files] == [
        "B0427_part0001.pdf",
        "B0427_manifest.csv",
        "B0427_jobticket.json",
        "B0427_SHA256SUMS",
    ]

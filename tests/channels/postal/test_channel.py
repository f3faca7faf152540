"""The door: nothing is sent one by one, and a sender that cannot be printed is told so."""

import asyncio
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from aiohttp import ClientSession
from PIL import Image

from channels.postal import PostalChannel
from gateway.contract import ChannelMisconfigured, Context, PermanentFailure, Piece, PiecesRefused


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
        channel(**changes).write_part(ticket(), 1, [Piece(sequence=1, message=message())], tmp_path / "out")
    assert not (tmp_path / "out").exists()


async def test_the_footer_with_the_right_to_object_is_required(channel):
    assert channel().capabilities.parts["footer"].required
    assert channel().capabilities.batched


async def test_a_colour_profile_that_is_not_there_is_a_fault_of_the_configuration(channel, tmp_path):
    order = {"icc_profile": tmp_path / "none.icc", "output_condition": "FOGRA51"}
    with pytest.raises(ChannelMisconfigured, match=r"icc-profile: order\.icc_profile: none\.icc cannot be read"):
        await channel(order=order).check()


async def test_a_part_has_at_most_as_many_pieces_as_the_configuration_says(channel):
    assert channel(records_per_part=250).part_size == 250


async def test_a_picture_shows_all_sides_of_a_piece(channel, message):
    card, postcard = (channel(design=design).picture(message()) for design in ("card-a5", "postcard-a6"))
    assert card.startswith(b"\x89PNG")
    (card_w, card_h), (postcard_w, postcard_h) = (Image.open(io.BytesIO(each)).size for each in (card, postcard))
    assert card_w < card_h
    assert postcard_w > 2.5 * postcard_h


async def test_a_picture_of_what_cannot_be_printed_is_refused(channel, message):
    with pytest.raises(PiecesRefused, match="missing-glyph"):
        channel().picture(message(1, name="山田 太郎"))


async def test_two_pictures_and_a_part_at_once_are_not_mixed_up(channel, message, ticket, tmp_path):
    here, pieces = channel(), [Piece(sequence=number, message=message(number)) for number in range(1, 120)]
    alone = [here.picture(message(1)), here.picture(message(2))]
    alone_part = here.write_part(ticket(), 1, pieces, tmp_path / "alone")
    one, other, part = await asyncio.gather(
        asyncio.to_thread(here.picture, message(1)),
        asyncio.to_thread(here.picture, message(2)),
        asyncio.to_thread(here.write_part, ticket(), 1, pieces, tmp_path / "together"),
    )
    assert [one, other] == alone
    assert [file.sha256 for file in part] == [file.sha256 for file in alone_part]

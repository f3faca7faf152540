"""Several key pairs: each subscription is reached with the one it was made with."""

import msgspec
import pytest

from channels.webpush import new_vapid_keys
from gateway.contract import PermanentFailure, RecipientGone

OLDEST, FORMER, CURRENT, FOREIGN = (new_vapid_keys() for _ in range(4))
RING = {
    "vapid_private_key": CURRENT.private_key.reveal(),
    "former_keys": [FORMER.private_key.reveal(), OLDEST.private_key.reveal()],
}


def made_with(address, keys):
    return msgspec.structs.replace(address, data={**address.data, "key": keys.public_key})


@pytest.mark.parametrize("keys", [CURRENT, FORMER, OLDEST], ids=["current", "former", "oldest"])
async def test_a_subscription_is_reached_with_the_key_that_it_was_made_with(opened, service, outbound, outcomes, keys):
    async with opened(**RING) as channel:
        [outcome] = (await outcomes(channel, outbound(made_with(service.subscribe(), keys)))).values()

    assert outcome.failure is None
    assert service.received[0].public_key == keys.public_key


async def test_a_subscription_that_names_no_key_belongs_to_the_oldest(opened, service, outbound, outcomes):
    async with opened(**RING) as channel:
        await outcomes(channel, outbound(service.subscribe()))

    assert service.received[0].public_key == OLDEST.public_key


async def test_a_lost_key_fails_the_message_and_leaves_the_address_for_the_key_to_come_back(
    opened, service, outbound, outcomes
):
    async with opened(**RING) as channel:
        message = outbound(made_with(service.subscribe(), FOREIGN))
        [outcome] = (await outcomes(channel, message)).values()

    assert outcome.failure.code == "key-lost"
    assert type(outcome.failure) is PermanentFailure is not RecipientGone
    assert service.posts == 0


async def test_pages_are_told_the_current_key(opened):
    async with opened(**RING) as channel:
        assert channel.published == {"application_server_key": CURRENT.public_key}


async def test_each_key_has_a_header_of_its_own_for_one_push_service(opened, service, outbound, outcomes):
    async with opened(**RING) as channel:
        for keys in (CURRENT, FORMER, CURRENT, FORMER):
            await outcomes(channel, outbound(made_with(service.subscribe(), keys)))

    assert len({received.headers["Authorization"] for received in service.received}) == 2


@pytest.mark.parametrize(
    ("former", "named"),
    [
        (["canary"], r"former_keys\[0\]"),
        ([FORMER.private_key.reveal(), FORMER.private_key.reveal()], r"former_keys\[1\]"),
        ([CURRENT.private_key.reveal()], r"former_keys\[0\]"),
    ],
)
def test_a_former_key_that_is_none_or_is_there_already_is_refused_by_its_place(config, former, named):
    with pytest.raises(msgspec.ValidationError, match=named) as refused:
        config(**RING | {"former_keys": former})

    assert "canary" not in str(refused.value)


def test_a_printed_configuration_shows_no_former_key(config):
    printed = repr(config(**RING))

    assert not any(key in printed for key in [RING["vapid_private_key"], *RING["former_keys"]])


async def test_a_sound_subscription_passes_the_examination(opened, service):
    async with opened(**RING) as channel:
        channel.examine(made_with(service.subscribe(), FORMER))


async def test_what_could_never_be_written_to_is_refused_before_it_is_kept(opened, service):
    good = service.subscribe()
    replace = msgspec.structs.replace
    async with opened(**RING) as channel:
        for code, address in {
            "endpoint-not-allowed": replace(good, value="https://internal.example.com/admin"),
            "bad-subscription-keys": replace(good, data={**good.data, "auth": "short"}),
            "key-lost": made_with(good, FOREIGN),
        }.items():
            with pytest.raises(PermanentFailure, match=code):
                channel.examine(address)
        # 65 bytes, and yet no point of the curve.
        with pytest.raises(PermanentFailure, match="bad-subscription-keys"):
            channel.examine(replace(good, data={**good.data, "p256dh": "BA" + "A" * 85}))
    assert service.posts == 0

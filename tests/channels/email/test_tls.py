"""Nothing secret, and no mail, leaves before the connection is safe."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from channels.email import EmailChannel
from gateway.contract import ChannelMisconfigured, Outbound, Outcome, TransientFailure

Opened = Callable[..., AbstractAsyncContextManager[EmailChannel]]
Outcomes = Callable[..., Coroutine[Any, Any, dict[str, Outcome]]]
Message = Callable[..., Outbound]

ELENI = "eleni@example.com"
STARTTLS = "250-mx.example\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN"


@pytest.fixture
def safely(opened: Opened, certificates: Any, password: str) -> Opened:
    """A channel with credentials that demands STARTTLS of a certificate it can check."""

    def open_channel(server: Any, **changes: Any) -> AbstractAsyncContextManager[EmailChannel]:
        table = {
            "tls": "required",
            "ca_file": str(certificates.ca_file),
            "username": "risveglio",
            "password": password,
        }
        return opened(server, **(table | changes))

    return open_channel


async def test_mail_goes_over_starttls_with_a_login(
    secure_mailroom: Any, safely: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with safely(secure_mailroom) as channel:
        await channel.check()
        told = await outcomes(channel, *(outbound(f"p{number}@example.com") for number in range(10)))
    assert all(outcome.failure is None for outcome in told.values())
    assert len(secure_mailroom.envelopes) == 10


async def test_mail_goes_over_tls_from_the_first_byte(
    implicit_mailroom: Any, opened: Opened, certificates: Any, outbound: Message, outcomes: Outcomes
) -> None:
    async with opened(implicit_mailroom, tls="implicit", ca_file=str(certificates.ca_file)) as channel:
        told = await outcomes(channel, outbound(ELENI))
    assert told[ELENI].failure is None


async def test_a_wrong_password_pauses_the_channel_after_one_attempt(
    scripted: Any, safely: Opened, certificates: Any, outbound: Message, outcomes: Outcomes
) -> None:
    async with (
        scripted(tls=certificates.server(), EHLO=STARTTLS, AUTH="535 5.7.8 no") as server,
        safely(server, connections=1) as channel,
    ):
        failure = (await outcomes(channel, outbound(ELENI)))[ELENI].failure
        assert isinstance(failure, ChannelMisconfigured)
        assert failure.code == "5.7.8"
        assert server.verbs().count("AUTH") == 1
        with pytest.raises(ChannelMisconfigured):
            await channel.check()


async def test_a_real_server_refuses_a_wrong_password(secure_mailroom: Any, safely: Opened) -> None:
    async with safely(secure_mailroom, password="wrong-horse") as channel:
        with pytest.raises(ChannelMisconfigured) as refused:
            await channel.check()
    assert "wrong-horse" not in str(refused.value)


async def test_a_mechanism_that_is_offered_but_unknown_gives_way_to_the_next(
    scripted: Any, safely: Opened, certificates: Any, outbound: Message, outcomes: Outcomes
) -> None:
    answers = ["504 5.5.4 not that one", "334 UGFzc3dvcmQ6"]
    async with (
        scripted(tls=certificates.server(), EHLO=STARTTLS, AUTH=answers, otherwise="235 ok") as server,
        safely(server) as channel,
    ):
        assert (await outcomes(channel, outbound(ELENI)))[ELENI].failure is None
        assert [line.split(" ")[1] for line in server.heard if line.startswith("AUTH")] == ["PLAIN", "LOGIN"]


async def test_a_stripped_starttls_gets_neither_password_nor_mail(
    scripted: Any, safely: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted(EHLO="250-mx.example\r\n250 AUTH PLAIN LOGIN") as server, safely(server) as channel:
        failure = (await outcomes(channel, outbound(ELENI)))[ELENI].failure
        assert isinstance(failure, ChannelMisconfigured)
        assert failure.code == "tls-not-offered"
        with pytest.raises(ChannelMisconfigured):
            await channel.check()
        assert set(server.verbs()) == {"EHLO"}


@pytest.mark.parametrize(
    ("reply", "meaning"), [("454 4.3.0 not now", TransientFailure), ("502 never", ChannelMisconfigured)]
)
async def test_a_refused_starttls_gets_neither_password_nor_mail(
    scripted: Any, safely: Opened, outbound: Message, outcomes: Outcomes, reply: str, meaning: type[Exception]
) -> None:
    async with scripted(EHLO=STARTTLS, STARTTLS=reply) as server, safely(server) as channel:
        assert type((await outcomes(channel, outbound(ELENI)))[ELENI].failure) is meaning
        assert set(server.verbs()) == {"EHLO", "STARTTLS"}


@pytest.mark.parametrize("fault", [{"expired": True}, {"host": "mx.example"}])
async def test_a_certificate_that_is_expired_or_anothers_gets_neither_password_nor_mail(
    scripted: Any, safely: Opened, certificates: Any, outbound: Message, outcomes: Outcomes, fault: dict[str, Any]
) -> None:
    async with scripted(tls=certificates.server(**fault), EHLO=STARTTLS) as server, safely(server) as channel:
        failure = (await outcomes(channel, outbound(ELENI)))[ELENI].failure
        assert isinstance(failure, ChannelMisconfigured)
        assert failure.code == "tls-certificate"
        assert set(server.verbs()) == {"EHLO", "STARTTLS"}


async def test_a_certificate_of_an_authority_that_nobody_knows_is_refused(
    implicit_mailroom: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with opened(implicit_mailroom, tls="implicit") as channel:
        failure = (await outcomes(channel, outbound(ELENI)))[ELENI].failure
    assert isinstance(failure, ChannelMisconfigured)
    assert failure.code == "tls-certificate"


async def test_an_operator_may_do_without_the_check(
    implicit_mailroom: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with opened(implicit_mailroom, tls="implicit", verify_certificates=False) as channel:
        assert (await outcomes(channel, outbound(ELENI)))[ELENI].failure is None


async def test_a_server_that_speaks_no_tls_on_a_tls_port_is_a_fault_of_set_up(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted() as server, opened(server, tls="implicit") as channel:
        failure = (await outcomes(channel, outbound(ELENI)))[ELENI].failure
        assert isinstance(failure, ChannelMisconfigured)
        assert failure.code == "tls-handshake"


async def test_a_login_that_is_not_offered_is_a_fault_of_set_up(
    scripted: Any, opened: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with scripted() as server, opened(server, username="risveglio", password="secret") as channel:
        failure = (await outcomes(channel, outbound(ELENI)))[ELENI].failure
        assert isinstance(failure, ChannelMisconfigured)
        assert failure.code == "auth-not-offered"


async def test_plain_text_injected_behind_the_starttls_reply_is_thrown_away(
    scripted: Any, safely: Opened, certificates: Any, outbound: Message, outcomes: Outcomes
) -> None:
    injected = "220 2.0.0 go ahead\r\n250-evil.example\r\n250 AUTH LOGIN"
    secure = "250-mx.example\r\n250 AUTH PLAIN"
    async with (
        scripted(tls=certificates.server(), EHLO=[STARTTLS, secure], STARTTLS=injected, AUTH="235 ok") as server,
        safely(server, connections=1) as channel,
    ):
        assert (await outcomes(channel, outbound(ELENI)))[ELENI].failure is None
        assert server.heard[3].startswith("AUTH PLAIN ")


async def test_an_unreadable_ca_file_is_told_when_the_channel_is_opened(
    opened: Opened, mailroom: Any, tmp_path: Path
) -> None:
    empty = tmp_path / "ca.pem"
    empty.write_text("")
    for ca_file in (empty, tmp_path / "missing.pem"):
        with pytest.raises(ChannelMisconfigured, match="ca_file"):
            async with opened(mailroom, tls="required", ca_file=str(ca_file)):
                pass


async def test_several_connections_over_tls_end_cleanly(
    secure_mailroom: Any, safely: Opened, outbound: Message, outcomes: Outcomes
) -> None:
    async with safely(secure_mailroom, connections=4) as channel:
        windows = [
            outcomes(channel, *(outbound(f"w{window}p{number}@example.com") for number in range(12)))
            for window in range(2)
        ]
        told = await asyncio.gather(*windows)
    assert all(outcome.failure is None for window in told for outcome in window.values())

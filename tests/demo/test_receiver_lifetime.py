"""How receivers start and end: the same for all three."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import pytest

from gateway.demo.receivers.processes import Receiver, ReceiverFailed

Start = Callable[..., Awaitable[Receiver]]

NAMES = ["smtp", "twilio", "push"]


async def exit_code(receiver: Receiver) -> int:
    return await asyncio.wait_for(receiver.process.wait(), timeout=20)


@pytest.mark.parametrize("name", NAMES)
async def test_a_receiver_ends_in_peace_at_sigterm(start: Start, name: str) -> None:
    receiver = await start(name)

    receiver.process.send_signal(signal.SIGTERM)

    assert await exit_code(receiver) == 0


@pytest.mark.parametrize("name", NAMES)
async def test_a_receiver_ends_with_whoever_started_it(start: Start, name: str) -> None:
    receiver = await start(name)
    assert receiver.process.stdin is not None

    receiver.process.stdin.close()

    assert await exit_code(receiver) == 0


@pytest.mark.parametrize("name", NAMES)
async def test_nothing_but_the_port_is_said_on_stdout(start: Start, name: str) -> None:
    receiver = await start(name)
    assert receiver.process.stdout is not None

    receiver.process.terminate()

    assert await receiver.process.stdout.read() == b""
    assert 0 < receiver.port < 65_536


async def test_a_receiver_that_cannot_start_says_so(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ReceiverFailed, match="smtp: did not name its port"):
        await start("smtp", "--no-such-option")

    assert "--no-such-option" in capfd.readouterr().err

"""Workers against real receivers: a mail server and an SMS provider, each a process of its own."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

from gateway.demo.receivers.journal import RECEIVED, REFUSED, read
from gateway.demo.receivers.processes import Receiver, running
from gateway.demo.receivers.smtp import ReceivedMail, RefusedRecipient
from gateway.demo.receivers.twilio import ACCOUNT_SID, AUTH_TOKEN, ReceivedMessage
from gateway.storage import attempts
from gateway.workers import expander
from tests.builders import World, job, step
from tests.workers.floor import Floor, floor_for

CONTENT = {
    "name": "one",
    "channels": ["email"],
    "content": {
        "email": {
            "en": {
                "subject": "Hi {{ recipient.name }}",
                "text": "{{ track('https://shop.example.com/') }} {{ unsubscribe_url }}",
            }
        }
    },
}


def mail_to(receiver: Receiver, **more: Any) -> dict[str, dict[str, object]]:
    return {
        "email": {"host": "127.0.0.1", "port": receiver.port, "tls": "none", "from_address": "shop@example.com", **more}
    }


async def expand(floor: Floor, *ids: str) -> int:
    """A job of one mail to these people, expanded by the worker."""
    floor.world.people(*ids, name="Žofia Иван 🎈")
    job_id = floor.world.accept(job(CONTENT))
    while await expander.expand_jobs(floor.crew):
        pass
    return job_id


async def test_every_recipient_gets_one_mail(world: World, tmp_path: Path) -> None:
    async with (
        running("smtp", tmp_path / "smtp") as receiver,
        floor_for(world, tmp_path, tables=mail_to(receiver)) as floor,
    ):
        job_id = await expand(floor, *(f"c-{n}" for n in range(200)))
        async with floor.delivering("email"):
            await floor.until_states(job_id, {("accepted", None): 200})
        mails = read(receiver.folder / RECEIVED, ReceivedMail)
    assert len(mails) == 200
    assert len({mail.message_id for mail in mails}) == 200
    assert len({mail.rcpt_tos[0] for mail in mails}) == 200
    assert all(mail.one_click for mail in mails)
    assert {mail.subject for mail in mails} == {"Hi Žofia Иван 🎈"}


async def test_a_refused_recipient_stops_no_other_and_a_busy_one_waits(small_world: World, tmp_path: Path) -> None:
    async with (
        running("smtp", tmp_path / "smtp") as receiver,
        floor_for(small_world, tmp_path, tables=mail_to(receiver)) as floor,
    ):
        job_id = await expand(floor, "bounce-1", "busy-1", "c-1", "c-2")
        async with floor.delivering("email"):
            await floor.until(lambda: sum(floor.states(job_id).values()) == 4 and not _under_way(floor, job_id))
            states = floor.states(job_id)
            assert states[("accepted", None)] == 2
            [(retried, count)] = [item for item in states.items() if item[0][0] == "queued"]
            assert ((retried[1] or "").partition(":")[0], count) == ("retry", 1)

            floor.world.later(hours=1)
            await floor.until(lambda: floor.states(job_id).get(("accepted", None)) == 3)
        refused = read(receiver.folder / REFUSED, RefusedRecipient)
        taken = [mail.rcpt_tos[0] for mail in read(receiver.folder / RECEIVED, ReceivedMail)]
    assert sorted(each.rcpt_to for each in refused) == ["bounce-1@example.com", "busy-1@example.com"]
    assert sorted(taken) == ["busy-1@example.com", "c-1@example.com", "c-2@example.com"]
    assert floor.world.state(job_id, "bounce-1")[0] == "failed"


def _under_way(floor: Floor, job_id: int) -> int:
    states = floor.states(job_id)
    return sum(states.get((state, None), 0) for state in ("queued", "claimed", "sending"))


async def test_mails_whose_answer_was_lost_are_in_doubt_and_never_repeated(small_world: World, tmp_path: Path) -> None:
    async with (
        running("smtp", tmp_path / "smtp", "--disconnect-after-dot", "4") as receiver,
        floor_for(small_world, tmp_path, tables=mail_to(receiver, connections=1)) as floor,
    ):
        job_id = await expand(floor, *(f"c-{n}" for n in range(8)))
        async with floor.delivering("email"):
            await floor.until(lambda: not _under_way(floor, job_id) and sum(floor.states(job_id).values()) == 8)
        states = {state: count for (state, _), count in floor.states(job_id).items()}
        mails = read(receiver.folder / RECEIVED, ReceivedMail)
    assert states == {"accepted": 6, "in_doubt": 2}
    assert len(mails) == len({mail.rcpt_tos[0] for mail in mails}) == 8


async def test_a_mail_server_that_is_down_loses_nobody(small_world: World, tmp_path: Path) -> None:
    async with running("smtp", tmp_path / "smtp") as receiver:
        port = receiver.port
    down = {
        "email": {"host": "127.0.0.1", "port": port, "tls": "none", "from_address": "shop@example.com", "timeout_s": 2}
    }
    async with floor_for(small_world, tmp_path, tables=down) as floor:
        job_id = await expand(floor, "c-1", "c-2")
        async with floor.delivering("email"):
            await floor.until(lambda: all(reason for _, reason in floor.states(job_id)))
            assert {state for state, _ in floor.states(job_id)} == {"queued"}

            async with running("smtp", tmp_path / "smtp", port=port) as receiver:
                floor.world.later(hours=1)
                await floor.until_states(job_id, {("accepted", None): 2})
                mails = read(receiver.folder / RECEIVED, ReceivedMail)
    assert sorted(mail.rcpt_tos[0] for mail in mails) == ["c-1@example.com", "c-2@example.com"]


async def test_two_crews_share_the_work_and_nobody_is_written_to_twice(world: World, tmp_path: Path) -> None:
    async with (
        running("smtp", tmp_path / "smtp") as receiver,
        floor_for(world, tmp_path, tables=mail_to(receiver)) as floor,
        floor_for(world, tmp_path, tables=mail_to(receiver), name="w-2") as other,
    ):
        job_id = await expand(floor, *(f"c-{n}" for n in range(60)))
        async with floor.delivering("email"), other.delivering("email"):
            await floor.until_states(job_id, {("accepted", None): 60})
        mails = read(receiver.folder / RECEIVED, ReceivedMail)
    assert sorted(mail.rcpt_tos[0] for mail in mails) == sorted(f"c-{n}@example.com" for n in range(60))


async def test_text_messages_reach_the_provider_and_its_ids_the_ledger(small_world: World, tmp_path: Path) -> None:
    async with running("twilio", tmp_path / "twilio") as receiver:
        table = {
            "account_sid": ACCOUNT_SID,
            "auth_tokens": [AUTH_TOKEN],
            "sender": "+12025550100",
            "base_url": receiver.url,
        }
        loopback = ip_network("127.0.0.0/8")
        async with floor_for(small_world, tmp_path, tables={"sms": table}, allow=[loopback]) as floor:
            phone = [{"kind": "phone", "value": "+39 312 345 6789"}]
            floor.world.people("c-1", grants=["sms"], name="Łucja", addresses=phone)
            job_id = floor.world.run(step(channels=["sms"], text="Ciao {{ recipient.name }}"))
            async with floor.delivering("sms"):
                await floor.until_states(job_id, {("accepted", None): 1})
        [message] = read(receiver.folder / RECEIVED, ReceivedMessage)
    assert (message.to, message.body) == ("+393123456789", "Ciao Łucja")
    with small_world.db.snapshot() as tx:
        assert attempts.by_provider_id(tx, "sms", message.sid) is not None

"""Why a person gets a job's messages, or does not, from the command line."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from gateway.app.composition import open_installation
from gateway.cli.options import config_option, database, settings_in
from gateway.services import explain as service
from gateway.services.explain import DecisionTold, Explained, SendTold, WayTold
from gateway.services.problems import NotFound
from gateway.settings import Settings


@click.command()
@click.argument("job")
@click.argument("recipient")
@click.option("--json", "as_json", is_flag=True, help="The answer of GET /v1/jobs/{id}/explain/{recipient}.")
@config_option
def explain(job: str, recipient: str, as_json: bool, folder: Path) -> None:
    """Tell why RECIPIENT gets the messages of JOB, or does not.

    \b
    First what is on record: the sends of this person, waiting, sent or skipped, with every try. Then the
    decision asked once more as of now, question by question, with the facts that were seen.

    \b
    Example:  risveglio explain job_k3vq2 c-1042
    """
    settings = settings_in(folder)
    try:
        found = asyncio.run(_explained(settings, job, recipient))
    except NotFound as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    for line in _lines(found):
        click.echo(line)


async def _explained(settings: Settings, job: str, recipient: str) -> Explained:
    with database(settings) as db:
        async with open_installation(settings) as installation:
            return await db.read(service.explain, installation, job, recipient)


def _lines(found: Explained) -> Iterator[str]:
    yield f"{found.recipient} in {found.job}: {found.told}"
    if found.entered_at is not None:
        ended = f", ended {found.ended_at:%Y-%m-%d %H:%M} ({found.ended})" if found.ended and found.ended_at else ""
        yield f"  entered {found.entered_at:%Y-%m-%d %H:%M} UTC, arm {found.arm}{ended}"
    if found.audience:
        yield "Audience"
        for condition in found.audience:
            yield f"  {'yes' if condition.holds else 'no ':3}  {condition.op:18} {condition.path}"
    if found.sends:
        yield "On record"
        for send in found.sends:
            yield from _send(send)
    if found.decision is not None:
        yield from _decision(found.decision)


def _send(send: SendTold) -> Iterator[str]:
    yield f"  {send.changed_at:%Y-%m-%d %H:%M}  {send.step} on {send.channel}: {send.state}, {send.told}"
    if send.rejected:
        yield f"      before that: {', '.join(send.rejected)}"
    for each in send.tries:
        code = f" {each.code}" if each.code else ""
        yield f"      {each.at:%Y-%m-%d %H:%M:%S}  tried: {each.outcome}{code}"


def _decision(decision: DecisionTold) -> Iterator[str]:
    yield f"Asked as of {decision.at:%Y-%m-%d %H:%M} UTC, step {decision.step}: {decision.told}"
    for way in decision.ways:
        yield f"  {way.channel}"
        yield from _way(way)


def _way(way: WayTold) -> Iterator[str]:
    for asked in way.asked:
        seen = ", ".join(f"{name} {_short(value)}" for name, value in asked.seen.items())
        yield f"    {'no ' if asked.objects else 'ok '} {asked.question:12} {asked.answer:14} [{seen}]"
    for wait in way.waits:
        rule = f" ({wait.rule})" if wait.rule else ""
        yield f"    ... {wait.reason}{rule} until {wait.until:%Y-%m-%d %H:%M:%S} UTC"


def _short(value: object) -> str:
    return msgspec.json.encode(value).decode() if not isinstance(value, str) else value

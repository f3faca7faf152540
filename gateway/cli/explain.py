"""Why a person gets a job's messages, or does not, from the command line."""

import asyncio
import shutil
import textwrap
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from gateway.app.composition import open_installation
from gateway.cli.options import config_option, database, settings_in
from gateway.services import explain as service
from gateway.services.explain import DecisionTold, Explained, SendTold, WayTold
from gateway.services.problems import NotFound
from gateway.settings import Settings

_QUESTION: Final = 4
_THIRD: Final = 20
"""Where the lines of the questions begin, and the facts in them."""


@click.command()
@click.argument("job")
@click.argument("recipient")
@click.option("--json", "as_json", is_flag=True, help="The answer of GET /v1/jobs/{id}/explain/{recipient}.")
@config_option
def explain(job: str, recipient: str, as_json: bool, folder: Path) -> None:
    """Tell why RECIPIENT gets the messages of JOB, or does not.

    First what is on record: the sends of this person, waiting, sent or skipped, with every try. Then the
    decision asked once more as of now, question by question, with the facts that were seen.

    \b
    Example:  risveglio explain job_k3vq2 c-1042
    """
    settings = settings_in(folder, asks_channels=True)
    try:
        found = asyncio.run(_explained(settings, job, recipient))
    except NotFound as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    width = shutil.get_terminal_size().columns
    for line in _lines(found):
        click.echo(_wrapped(line, width))


async def _explained(settings: Settings, job: str, recipient: str) -> Explained:
    with database(settings) as db:
        async with open_installation(settings) as installation:
            return await db.read(service.explain, installation, job, recipient)


def _lines(found: Explained) -> Iterator[str]:
    yield f"{found.recipient} in {found.job}: {found.told}"
    if found.entered_at is not None:
        ended = f", ended {found.ended_at:%Y-%m-%d %H:%M} ({found.ended})" if found.ended and found.ended_at else ""
        yield f"  entered {found.entered_at:%Y-%m-%d %H:%M} UTC, arm {found.arm}{ended}"
    if found.segment or found.offer:
        yield f"  segment {found.segment or 'of all others'}, offer {found.offer or 'none'}"
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
    yield f"Asked again, as of {decision.at:%Y-%m-%d %H:%M} UTC, step {decision.step}: {decision.told}"
    for way in decision.ways:
        yield f"  {way.channel}"
        yield from _way(way)


def _way(way: WayTold) -> Iterator[str]:
    for asked in way.asked:
        seen = "; ".join(f"{name} {_plain(value)}" for name, value in asked.seen.items())
        mark, told = ("NO", f"{asked.answer}: {seen}") if asked.objects else ("ok", seen)
        yield f"    {mark}  {asked.question:12}{told}"
    for wait in way.waits:
        rule = f" ({wait.rule})" if wait.rule else ""
        yield f"    ..  waits       {wait.reason}{rule}, until {wait.until:%Y-%m-%d %H:%M:%S} UTC"


def _plain(value: Any) -> str:
    """A fact as people write it."""
    match value:
        case None | [] | ():
            return "none"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S} UTC"
        case str() | int() | float():
            return str(value)
        case list() | tuple():
            return ", ".join(_plain(each) for each in value)
    facts = msgspec.to_builtins(value)
    if not isinstance(facts, dict):
        return _plain(facts)
    return f"({', '.join(f'{name} {_plain(each)}' for name, each in facts.items() if each is not None)})"


def _wrapped(line: str, width: int) -> str:
    """Goes on below its own text: where the third column of the questions begins, or two characters in."""
    indent = len(line) - len(line.lstrip())
    below = " " * (_THIRD if indent == _QUESTION else indent + 2)
    return textwrap.fill(line, width, subsequent_indent=below, break_long_words=False, break_on_hyphens=False)

"""What is in doubt, from the command line."""

from pathlib import Path
from typing import Final, get_args

import click
from rich.table import Table

from gateway.app.opening import installation_without_channels
from gateway.cli.options import config_option, database, settings_in
from gateway.cli.tables import show
from gateway.domain.tokens import BadToken
from gateway.domain.words import SendKey
from gateway.services import compose, doubt
from gateway.services.doubt import Verdict
from gateway.services.installation import Installation
from gateway.services.problems import Conflict, NotFound
from gateway.storage import doubts as storage
from gateway.storage import jobs
from gateway.storage.database import Database, Transaction

_ACTOR: Final = "cli"
_VERDICTS: Final[dict[str, Verdict]] = {verdict.replace("_", "-"): verdict for verdict in get_args(Verdict)}


@click.group()
def doubts() -> None:
    """List messages that may have gone out, and say what became of them."""


@doubts.command(name="list")
@click.option("--job", help="Only those of this job.")
@click.option("--channel", help="Only those on this channel.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="The most to list.")
@config_option
def list_(job: str | None, channel: str | None, limit: int, folder: Path) -> None:
    """List what is in doubt, the oldest first."""
    settings = settings_in(folder)
    installation = installation_without_channels(settings)
    table = Table("since", "job", "channel", "recipient", "purpose", "why", "send")
    with database(settings) as db, db.snapshot() as tx:
        job_id = None if job is None else _job(tx, job)
        rows = storage.page(tx, None, limit, job_id=job_id, channel=channel)
        job_of = jobs.by_ids(tx, {row.job_id for row in rows})
        for row in rows:
            send = compose.send_id(installation, SendKey(*row[:5]))
            since, name = f"{row.since:%Y-%m-%d %H:%M}", job_of[row.job_id].public_id
            table.add_row(since, name, row.channel, row.external_id, row.purpose, row.reason or "", send)
    show(table)


@doubts.command()
@click.argument("words", nargs=-1, metavar="[SEND] VERDICT")
@click.option("--job", help="Instead of SEND: all of this job that are in doubt, with --channel.")
@click.option("--channel", help="The channel of those.")
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@config_option
def settle(words: tuple[str, ...], job: str | None, channel: str | None, yes: bool, folder: Path) -> None:
    """Say what became of a message, or of all messages of a job on a channel. VERDICT is one of:

    \b
    sent       it went out
    not-sent   it did not: the next channel of its step is tried, if there is one
    retry      hand it over once more, on the risk that it arrives twice
    """
    *sends, verdict = words or ("",)
    if verdict not in _VERDICTS:
        raise click.UsageError(f"the last word says what became of it: {', '.join(_VERDICTS)}")
    settings = settings_in(folder)
    with database(settings) as db:
        match sends, job, channel:
            case [send], None, None:
                _settle_one(db, installation_without_channels(settings), send, _VERDICTS[verdict])
                click.echo("settled")
            case [], str(), str():
                click.echo(f"settled {_settle_all(db, job, channel, verdict, yes)}")
            case _:
                raise click.UsageError("name either one SEND, or --job and --channel")


def _settle_one(db: Database, installation: Installation, send: str, verdict: Verdict) -> None:
    try:
        key = installation.keys.open_ref("send", send).key
        with db.transaction() as tx:
            doubt.settle(tx, key, verdict, actor=_ACTOR, name=send)
    except (BadToken, NotFound):
        raise click.ClickException(f"there is no send {send}; `risveglio doubts list` names those in doubt") from None
    except Conflict as error:
        raise click.ClickException(str(error)) from None


def _settle_all(db: Database, job: str, channel: str, verdict: str, yes: bool) -> int:
    with db.snapshot() as tx:
        job_id = _job(tx, job)
        count = storage.count(tx, job_id, channel)
    if count and not yes:
        click.confirm(f"{count} messages of {job} on {channel}: take them as {verdict}?", abort=True)
    settled, page = 0, 1
    while page:
        with db.transaction() as tx:
            page = doubt.settle_many(tx, _VERDICTS[verdict], actor=_ACTOR, job_id=job_id, job=job, channel=channel)
        settled += page
    return settled


def _job(tx: Transaction, public_id: str) -> int:
    job = jobs.get(tx, public_id)
    if job is None:
        raise click.ClickException(f"there is no job {public_id}")
    return job.id

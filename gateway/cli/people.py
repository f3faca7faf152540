"""One person: what is known of them, forgetting them, and two records that are one."""

from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from gateway.app.opening import installation_without_channels
from gateway.cli.options import config_option, database, settings_in
from gateway.domain.ids import new_id
from gateway.services import merge as merging
from gateway.services import privacy
from gateway.services.problems import Conflict, Invalid, NotFound

_ACTOR = "cli"


@click.group()
def person() -> None:
    """Export everything about a person, forget a person, or make one of two records."""


@person.command()
@click.argument("recipient_id")
@click.argument("file", type=click.File("wb", lazy=True), default="-")
@config_option
def export(recipient_id: str, file: BinaryIO, folder: Path) -> None:
    """Write everything that is kept about RECIPIENT_ID to FILE (- is the standard output), as JSON.

    For the person to have (GDPR art. 15 and 20). Noted in the audit log.
    """
    with database(settings_in(folder)) as db, db.transaction() as tx:
        try:
            found = privacy.export(tx, recipient_id, _ACTOR)
        except NotFound as error:
            raise click.ClickException(str(error)) from None
    file.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")


@person.command()
@click.argument("recipient_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
def erase(recipient_id: str, yes: bool, folder: Path) -> None:
    """Forget RECIPIENT_ID for good (GDPR art. 17).

    Stops what is pending, suppresses the addresses as keyed hashes, and takes out everything that
    tells who it was. What counts stays: reports are the same before and after.
    """
    settings = settings_in(folder)
    if not yes:
        click.confirm(f"Forget {recipient_id}? Nothing brings the person back.", abort=True, err=True)
    with database(settings) as db, db.transaction() as tx:
        try:
            done = privacy.erase(tx, installation_without_channels(settings), recipient_id, new_id("erased"), _ACTOR)
        except NotFound as error:
            raise click.ClickException(str(error)) from None
    click.echo(f"forgotten; {done.tombstone} stands in their place")
    click.echo(f"{done.addresses_suppressed} addresses suppressed, {done.cancelled} messages cancelled")
    for send in done.sending:
        click.echo(f"with the provider at this moment, and not to be called back: {send}")
    for batch in done.letters:
        click.echo(f"the print files of {batch} hold a letter to the person: delete them when they are done with")
    click.echo(f"answers kept for Idempotency-Keys may quote the id until {done.answers_kept_until:%Y-%m-%d %H:%M} UTC")


@person.command()
@click.argument("recipient_id")
@click.argument("into")
@config_option
def merge(recipient_id: str, into: str, folder: Path) -> None:
    """Make one person of RECIPIENT_ID and INTO, who stays.

    Everything moves: addresses, consents (the latest word holds), preferences (the stricter ones),
    messages and their caps, coupons, purchases. RECIPIENT_ID leads to INTO from then on.
    """
    settings = settings_in(folder)
    with database(settings) as db, db.transaction() as tx:
        try:
            done = merging.merge(
                tx, installation_without_channels(settings), recipient_id, into, new_id("merged"), _ACTOR
            )
        except (NotFound, Invalid, Conflict) as error:
            raise click.ClickException(str(error)) from None
    moved = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in done.moved.items()) or "nothing"
    click.echo(f"{recipient_id} is {done.recipient} from now on; moved: {moved}")
    click.echo(f"{done.ended} entries ended that both had in one job, {done.cancelled} messages cancelled")

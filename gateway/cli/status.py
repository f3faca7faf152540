"""How the gateway is, from the command line."""

from datetime import UTC, datetime
from pathlib import Path

import click
from rich.table import Table

from gateway.cli.options import config_option, database, settings_in
from gateway.cli.tables import prose, show
from gateway.domain.reputation import OWN
from gateway.services.status import ChannelStatus, SenderStatus, Status
from gateway.services.status import status as read_status


@click.command()
@config_option
def status(folder: Path) -> None:
    """Show the processes, the channels, and what waits for them."""
    settings = settings_in(folder)
    with database(settings) as db, db.snapshot() as tx:
        found = read_status(tx, list(settings.channels))
    click.echo(f"{found.database}, schema {found.schema}, business time {_when(found.business_at)}")
    show(_processes(found))
    show(_channels(found))
    for each in found.senders:
        click.echo(_sender(each))
    waiting = {
        **{f"jobs {state}": count for state, count in found.jobs.items()},
        "next steps due": found.entries_due,
        "reports without their send": found.parked_events,
        "print batches not confirmed as mailed": found.batches_unconfirmed,
        "outgoing events due": found.notices_due,
        **{f"endpoints {state}": count for state, count in found.endpoints.items()},
    }
    click.echo(", ".join(f"{name}: {count}" for name, count in waiting.items()))


def _processes(found: Status) -> Table:
    table = Table("process", prose("does"), "version", "since (UTC)", "last seen")
    for each in found.processes:
        does = ", ".join(each.parts) + (" (leads)" if each.name == found.leader else "")
        seen = f"{max((found.machine_at - each.seen_at).total_seconds(), 0):.0f} s ago"
        seen = seen if each.is_alive else f"LOST, {seen}"
        table.add_row(each.name, does, each.version, f"{each.started_at:%m-%d %H:%M}", seen)
    return table


def _channels(found: Status) -> Table:
    table = Table("channel", "state", "longest due", "claims", "in doubt", prose("why"))
    for each in found.channels:
        waits = max((queue.waiting_s for queue in found.queues if queue.channel == each.channel), default=0.0)
        table.add_row(each.channel, each.state, f"{waits:.0f} s", str(each.claims), str(each.in_doubt), _why(each))
    return table


def _why(channel: ChannelStatus) -> str:
    told = [f"held by {channel.held_by}"] if channel.held_by else []
    told += [channel.reason] if channel.reason else []
    told += [f"until {_when(channel.paced_until)}"] if channel.paced_until else []
    return "; ".join(told)


def _sender(sender: SenderStatus) -> str:
    name = f"sender {sender.channel}/{sender.brand or OWN}"
    if sender.held_at is not None:
        return f"{name} is HELD since {_when(sender.held_at)}, for {sender.held_for}: see `risveglio senders`"
    return f"{name} has too many {', '.join(sender.alerts)}: see `risveglio senders`"


def _when(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

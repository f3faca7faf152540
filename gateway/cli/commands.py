"""`risveglio` and its commands; each says with --help what it is for and how to use it."""

import importlib
from typing import Any, Final, NamedTuple

import click

from gateway import __version__


class Entry(NamedTuple):
    """A command in the list: the module of this folder that it is in, its name there, and what it does in a line."""

    module: str
    name: str
    told: str


_SECTIONS: Final[dict[str, dict[str, Entry]]] = {
    "Set up and run": {
        "init": Entry("installing", "init", "Write a starting configuration, with keys of its own."),
        "serve": Entry("serving", "serve", "Run everything in one process."),
        "api": Entry("serving", "api", "Answer HTTP requests, and nothing else."),
        "worker": Entry("serving", "worker", "Expand jobs and deliver messages."),
        "listen": Entry("serving", "listen", "Hear bounces and replies that come by mail or by polling."),
        "clock": Entry("serving", "clock", "See to the duties that one process at a time has."),
        "migrate": Entry("installing", "migrate", "Bring the database to this version of the program."),
        "key": Entry("keys", "key", "Make, list and revoke API keys."),
        "dkim-key": Entry("signing", "dkim_key", "Make a key that signs e-mails (DKIM)."),
    },
    "Look, and put right": {
        "status": Entry("status", "status", "Show processes, channels, and what waits."),
        "jobs": Entry("jobs", "jobs", "List jobs, pause, resume and cancel them."),
        "templates": Entry("templates", "templates", "Push, compare, approve and preview templates."),
        "test-send": Entry("template_trials", "test_send", "Send a template as a test to a few addresses."),
        "explain": Entry("explain", "explain", "Tell why a person gets a job's messages, or not."),
        "channel": Entry("channels", "channel", "List channels, write, check, pause, resume them."),
        "senders": Entry("senders", "senders", "Show complaints, bounces and blocks of each sender."),
        "sender": Entry("senders", "sender", "Release a sender that is held."),
        "doubts": Entry("doubts", "doubts", "List and settle messages that may have gone out."),
        "replies": Entry("replies", "replies", "Read what people wrote back, and what may be a stop."),
        "webhooks": Entry("webhooks", "webhooks", "Tell other systems what happens."),
        "audit": Entry("audit", "audit", "Show who changed what."),
    },
    "People and paper": {
        "import": Entry("imports", "import_", "Import recipients, consents, activities, suppressions."),
        "export": Entry("exports", "export", "Export recipients and consents."),
        "postal": Entry("postal", "postal", "Print what is gathered for the post, and follow it."),
        "person": Entry("people", "person", "Export, forget or merge a person."),
        "registers": Entry("registers", "registers", "Screen addresses against opposition registers."),
        "offer": Entry("offers", "offer", "Make offers, and bring in partners' codes."),
        "till": Entry("tills", "till", "Let tills redeem coupons without a network."),
        "bounces": Entry("bounces", "bounces", "Read bounces and complaints out of mail files."),
    },
    "Keep": {
        "backup": Entry("backup", "backup", "Write the whole database into a file."),
        "restore": Entry("backup", "restore_", "Put a backup back, into an empty database."),
        "presume-sent": Entry("backup", "presume_sent", "After a restore: take what was due for sent."),
    },
    "Try": {
        "demo": Entry("demo", "demo", "Wake up 2,357 customers on this machine."),
        "bench": Entry("demo", "bench", "Measure how fast it is on this machine."),
    },
}


class Commands(click.Group):
    """Loads a command when it is called, and turns expected faults into one clear message and exit code 1.

    All of them together take longer to import than most of them to run.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for section in _SECTIONS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for section in _SECTIONS.values():
            if entry := section.get(cmd_name):
                command: click.Command = getattr(importlib.import_module(f"gateway.cli.{entry.module}"), entry.name)
                return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, section in _SECTIONS.items():
            with formatter.section(title):
                width = max(map(len, self.list_commands(ctx)))
                formatter.write_dl([(name.ljust(width), entry.told) for name, entry in section.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except _expected_faults() as error:
            raise click.ClickException(_told(error)) from None


def _expected_faults() -> tuple[type[Exception], ...]:
    """Asked for when something was raised: importing them is a good part of what an import of a command costs."""
    from gateway.app.opening import CannotRun
    from gateway.settings import SettingsError
    from gateway.storage.database import Unavailable

    return SettingsError, CannotRun, Unavailable


def _told(error: Exception) -> str:
    from gateway.settings import SettingsError
    from gateway.storage.database import OutOfRoom, Unavailable

    match error:
        case SettingsError():
            return f"the settings cannot be used:\n{error}"
        case OutOfRoom():
            return f"the database has no room left: {error}"
        case Unavailable():
            return f"the database does not answer: {error}"
        case _:
            return str(error)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="risveglio")
def main() -> None:
    """Wake up sleeping customers: by e-mail, SMS, web push and printed coupons.

    \b
    A first look:     risveglio demo
    A gateway:        risveglio init config
                      risveglio key create shop --scope admin
                      risveglio serve

    Settings are three TOML files in one folder: --config, or RISVEGLIO_CONFIG, or ./config.
    `risveglio COMMAND --help` tells more of each.
    """

"""`risveglio` and its commands; each says with --help what it is for and how to use it."""

from typing import Any, Final

import click

from gateway import __version__
from gateway.app import CannotListen, CannotShow
from gateway.app.composition import NoDatabase, SchemaOutdated
from gateway.cli import (
    audit,
    backup,
    channels,
    data,
    demo,
    doubts,
    explain,
    keys,
    people,
    registers,
    serving,
    status,
    webhooks,
)
from gateway.settings import SettingsError
from gateway.storage.database import OutOfRoom, Unavailable


class Commands(click.Group):
    """Turns expected faults into one clear message and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            raise click.ClickException(f"the settings cannot be used:\n{error}") from None
        except (SchemaOutdated, NoDatabase, CannotShow) as error:
            raise click.ClickException(str(error)) from None
        except CannotListen as error:
            raise click.ClickException(f"{error}; see [server] in gateway.toml") from None
        except Unavailable as error:
            raise click.ClickException(f"{_of_the_database(error)}: {error}") from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _of_the_database(error: Unavailable) -> str:
    return "the database has no room left" if isinstance(error, OutOfRoom) else "the database does not answer"


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
    """


_COMMANDS: Final[tuple[click.Command, ...]] = (
    serving.init,
    serving.serve,
    serving.api,
    serving.worker,
    serving.clock,
    serving.migrate,
    status.status,
    backup.backup,
    backup.restore_,
    backup.presume_sent,
    keys.key,
    explain.explain,
    channels.channels,
    doubts.doubts,
    webhooks.webhooks,
    demo.demo,
    demo.bench,
    data.import_,
    data.export,
    people.person,
    registers.registers,
    audit.audit,
)
for _command in _COMMANDS:
    main.add_command(_command)

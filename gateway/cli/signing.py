"""Keys that sign e-mails, from the command line."""

import os
from pathlib import Path
from typing import Any

import click
import msgspec

from channels.email.routing import DomainName
from channels.email.signing_keys import Algorithm, Selector, dns_record, new_key, read_key, zone_line

_ALGORITHMS: dict[str, Algorithm] = {"rsa": "rsa-sha256", "ed25519": "ed25519-sha256"}


@click.command(name="dkim-key")
@click.argument("domain")
@click.argument("selector")
@click.option(
    "--algorithm",
    type=click.Choice(list(_ALGORITHMS)),
    default="rsa",
    show_default=True,
    help="Ed25519 only beside an RSA key: few verifiers know it.",
)
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where the private key goes, readable by you alone; an existing file is left as it is.",
)
def dkim_key(domain: str, selector: str, algorithm: str, path: Path) -> None:
    """Make a key that signs e-mails (DKIM).

    Prints the DNS record to publish for DOMAIN under SELECTOR, a name of your choice such as s2026a, and the lines
    for channels.toml. Put the record in place first, and give a key that follows another a `from_at` a day later.
    """
    _refuse(domain, DomainName, "a domain is written in small letters, such as shop.example.com")
    _refuse(selector, Selector, "a selector is written with a-z 0-9 and -, such as s2026a")
    pem = new_key(_ALGORITHMS[algorithm])
    _write(path, pem)
    click.echo("; to be published in the DNS")
    click.echo(zone_line(*dns_record(domain, selector, read_key(pem))))
    click.echo("\n# for channels.toml")
    click.echo(f'[[channels.email.dkim]]\ndomain = "{domain}"\nselector = "{selector}"\nkey = "file:{path.resolve()}"')


def _refuse(value: str, shape: Any, told: str) -> None:
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError:
        raise click.ClickException(f"{value}: {told}") from None


def _write(path: Path, pem: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise click.ClickException(f"{path} is there already; name another file") from None
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(pem)

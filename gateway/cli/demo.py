"""The demonstration and the benchmark."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/demo"),
    show_default=True,
    help="Where everything is written. What an earlier demonstration left there is removed.",
)
def demo(folder: Path) -> None:
    """Wake up 2,357 customers on this machine: real purchases, made-up people, real protocols.

    Starts a gateway and three receivers (mail, SMS, push), runs one win-back job through all
    channels while three days of business time pass, and ends with a report.
    """
    try:
        from gateway.demo.run import DemoFailed, run_demo
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is not installed; get it with: pip install risveglio[demo]") from None
    try:
        run_demo(folder)
    except DemoFailed as error:
        raise click.ClickException(str(error)) from None


@click.command()
@click.option(
    "--recipients",
    type=click.IntRange(100, 1_000_000),
    default=20_000,
    show_default=True,
    help="How many people the measured job has.",
)
@click.option("--database", "url", help="A PostgreSQL URL to measure as well, beside SQLite.")
def bench(recipients: int, url: str | None) -> None:
    """Measure on this machine: expansion, e-mail end to end, redemptions, bytes per send.

    The figures depend on the machine and on what else it does: compare them within one run.
    """
    from gateway.demo.bench import run_bench

    run_bench(recipients, url)

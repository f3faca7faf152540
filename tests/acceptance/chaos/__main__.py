"""`make chaos`: runs for people to watch, as many and as long as they like."""

import asyncio
import shutil
import sys
import time
from pathlib import Path
from random import SystemRandom

import click
from rich.console import Console

from tests.acceptance.chaos.checks import findings
from tests.acceptance.chaos.plan import Database, Plan, plan
from tests.acceptance.chaos.report import show
from tests.acceptance.chaos.run import Unfinished, run


@click.command()
@click.option("--databases", type=click.Choice(["sqlite", "postgres"]), multiple=True, help="Both, if not given.")
@click.option("--seed", type=int, help="Of the first run; the plan of faults follows from it. Drawn, if not given.")
@click.option("--runs", type=click.IntRange(1), default=1, show_default=True, help="On each database, seed by seed.")
@click.option("--minutes", type=click.IntRange(1, 1000), default=1, show_default=True, help="Of faults, in each run.")
@click.option("--kills", type=click.IntRange(0), help="In each run. 24 a minute, if not given.")
@click.option("--people", type=click.IntRange(100), default=5000, show_default=True, help="For each minute's jobs.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("local/chaos"), show_default=True)
def main(
    databases: tuple[Database, ...],
    seed: int | None,
    runs: int,
    minutes: int,
    kills: int | None,
    people: int,
    folder: Path,
) -> None:
    """Kill processes of the gateway at random while it works, and ask afterwards whether it kept its promises.

    The folder of a run that did not is kept. Each option can be given as a variable, too, such as CHAOS_SEED.
    """
    first = seed if seed is not None else SystemRandom().randrange(10_000)
    console = Console()
    kept = []
    for number in range(first, first + runs):
        for database in databases or ("sqlite", "postgres"):
            planned = plan(
                number, database, people=people, waves=minutes, kills=24 * minutes if kills is None else kills
            )
            place = folder.absolute() / f"{database}-{number}"
            if _held(console, planned, place):
                shutil.rmtree(place)
            else:
                kept.append(f"{place}; again with: make chaos {_words(planned)}")
    for words in kept:
        console.print(f"BROKEN: see {words}", soft_wrap=True)
    sys.exit(1 if kept else 0)


def _words(planned: Plan) -> str:
    return (
        f"CHAOS_SEED={planned.seed} CHAOS_DATABASES={planned.database} CHAOS_MINUTES={planned.waves}"
        f" CHAOS_KILLS={planned.kills} CHAOS_PEOPLE={planned.people}"
    )


def _held(console: Console, planned: Plan, place: Path) -> bool:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    began_s = time.monotonic()
    console.rule(_words(planned))

    def tell(text: str) -> None:
        console.print(f"{time.monotonic() - began_s:6.1f}  {text}", markup=False, soft_wrap=True)

    try:
        evidence = asyncio.run(run(planned, place, tell))
    except Unfinished as unfinished:
        console.print(str(unfinished), markup=False)
        return False
    found = findings(evidence)
    show(planned, evidence, found, console)
    return not any(found.values())


if __name__ == "__main__":
    main(auto_envvar_prefix="CHAOS")

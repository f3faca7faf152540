"""A run told in two tables: what happened, and which promises held."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from rich.console import Console, Group
from rich.table import Table

from tests.acceptance.chaos.evidence import Evidence, Handed
from tests.acceptance.chaos.plan import Plan

_SHOWN = 5


def show(plan: Plan, run: Evidence, found: Mapping[str, Sequence[str]], console: Console) -> None:
    console.print(Group(_story(plan, run), _outcomes(run), _promises(found)))


def _story(plan: Plan, run: Evidence) -> Table:
    table = Table("", f"seed {plan.seed} on {plan.database}", title="The run")
    for name, value in _facts(plan, run):
        table.add_row(name, value)
    return table


def _facts(plan: Plan, run: Evidence) -> Iterator[tuple[str, str]]:
    damage, told, ledger = run.damage, run.told, run.ledger
    yield "people, jobs", f"{plan.people * plan.waves}, {len(told.jobs)}"
    yield "killed", f"{sum(damage.kills.values())} ({_listed(damage.kills)})"
    yield "database restarts", str(damage.restarts)
    if damage.ended:
        yield "ended by itself", _listed(damage.ended)
    arrivals = Counter(arrival.key for arrival in run.arrivals)
    dropped = sum(not arrival.answered for arrival in run.arrivals)
    yield "mails arrived", f"{len(run.arrivals)}, twice: {sum(count > 1 for count in arrivals.values())}"
    yield "dropped after the dot", str(dropped)
    yield "in doubt", f"{len(run.doubts)} ({_listed(Counter(send.reason or '' for send in run.doubts))})"
    yield "settled by hand", _listed(told.settled)
    yield "sent twice by choice", str(sum(told.retried.values()))
    yield "coupons, redeemed", f"{len(ledger.coupons)}, {len(ledger.redemptions)}"
    yield "left by the way out", str(sum(each.answered_at is not None for each in told.leavings))
    yield "requests repeated", str(told.repeats)
    yield "urgent mail, seconds", _latencies(run)


def _latencies(run: Evidence) -> str:
    came = {arrival.key.job: arrival.at for arrival in run.arrivals}
    took_s = [(came[job.name] - job.at).total_seconds() for job in run.told.jobs if _is_urgent(job, came)]
    return f"median {median(took_s):.1f}, longest {max(took_s):.1f}" if took_s else "none"


def _is_urgent(job: Handed, came: Mapping[str, object]) -> bool:
    return not job.counts and job.name in came


def _outcomes(run: Evidence) -> Table:
    table = Table("job", "step", "state", "reason", "sends", title="The ledger")
    kinds = {job.name: "urgent" if not job.counts else job.name for job in run.told.jobs}
    rows = Counter((kinds[s.key.job], s.key.step, s.state, s.reason or "") for s in run.ledger.sends)
    for (job, step, state, reason), count in sorted(rows.items()):
        table.add_row(job, str(step), state, reason, str(count))
    return table


def _promises(found: Mapping[str, Sequence[str]]) -> Table:
    table = Table("promise", "", title="The promises")
    for promise, against in found.items():
        if not against:
            table.add_row(promise, "holds")
            continue
        more = [f"and {len(against) - _SHOWN} more"] if len(against) > _SHOWN else []
        table.add_row(promise, "\n".join([f"BROKEN {len(against)} times", *against[:_SHOWN], *more]))
    return table


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{slot} {count}" for slot, count in sorted(counts.items()))

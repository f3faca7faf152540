"""Runs the checks on a channel and says what they found."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from gateway.registry import wording
from gateway.registry.patience import within
from gateway.testkit.case import Case, Defect, NotApplicable, NotTried, bench
from gateway.testkit.checks import REST, SHAPE, Check

CHECKS: Final = tuple(each.__name__ for each in (SHAPE, *REST))
"""The names of all checks, in their order."""


Verdict = Literal["passed", "failed", "not applicable", "not tried"]
"""`not applicable`: the channel promises no such thing. `not tried`: the case lacks what it takes."""

MARKS: Final[Mapping[Verdict, str]] = {"passed": "ok", "failed": "FAILED", "not applicable": "-", "not tried": "?"}


class Finding(Struct, frozen=True, kw_only=True):
    """What one check found. `reason` is empty where it passed."""

    check: str
    verdict: Verdict
    reason: str = ""

    @property
    def sentence(self) -> str:
        """The promise that was checked."""
        return self.check.replace("_", " ")

    @property
    def holds(self) -> bool:
        """Whether the promise is kept, or none was made."""
        return self.verdict in ("passed", "not applicable")

    @property
    def mark(self) -> str:
        return MARKS[self.verdict]

    def __str__(self) -> str:
        mark, sentence = self.mark, self.sentence
        return f"{mark:>6}  {sentence}: {self.reason}" if self.reason else f"{mark:>6}  {sentence}"


class Report(Struct, frozen=True, kw_only=True):
    """What all checks found on one channel. Printed, it is a table for people."""

    channel: str
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.verdict == "failed")

    @property
    def conforms(self) -> bool:
        return not self.failed

    def __str__(self) -> str:
        return "\n".join([self.channel, *map(str, self.findings)])


async def assert_conforms(case: Case) -> Report:
    """For a test: raises AssertionError with the whole report where a check failed."""
    report = await check(case)
    if not report.conforms:
        raise AssertionError(f"{len(report.failed)} checks failed\n{report}")
    return report


async def check(case: Case) -> Report:
    """Try a channel with all checks, one after the other, each with a channel of its own.

    Never raises for what the channel does. Where the class has not the shape of a channel,
    nothing else is tried.
    """
    findings = [await _tried(SHAPE, case)]
    for each in REST:
        findings.append(
            await _tried(each, case)
            if findings[0].verdict == "passed"
            else _finding(each, "not tried", "the class does not have the shape of a channel")
        )
    return Report(channel=getattr(case.channel, "__qualname__", repr(case.channel)), findings=tuple(findings))


async def _tried(each: Check, case: Case) -> Finding:
    try:
        await within(case.limit_s, _run(each, case))
    except Defect as defect:
        return _finding(each, "failed", str(defect))
    except NotTried as lacking:
        waived = case.waived.get(each.__name__)
        return _finding(each, "not applicable", waived) if waived else _finding(each, "not tried", str(lacking))
    except NotApplicable as reason:
        return _finding(each, "not applicable", str(reason))
    except TimeoutError:
        return _finding(each, "failed", f"it did not end within {case.limit_s:g} s")
    return _finding(each, "passed", "")


async def _run(each: Check, case: Case) -> None:
    """Runs in a task of its own, which no SystemExit of a channel may leave."""
    with tempfile.TemporaryDirectory(prefix="risveglio-") as folder:
        async with bench(case, Path(folder)) as ready:
            try:
                await each(ready)
            except (Defect, NotApplicable):
                raise
            except (Exception, SystemExit, KeyboardInterrupt) as error:
                raise Defect(f"{wording.where(error)}") from error


def _finding(each: Check, verdict: Verdict, reason: str) -> Finding:
    return Finding(check=each.__name__, verdict=verdict, reason=reason)

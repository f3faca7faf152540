"""How far a channel can be trusted, measured: each level rests on checks that have to hold."""

from typing import Final

from msgspec import Struct

from gateway.testkit.checks import REST, SHAPE
from gateway.testkit.conformance import Finding, Report


class Level(Struct, frozen=True, kw_only=True):
    """A level and what it promises. `checks` are those that it needs besides those of the levels below."""

    number: int
    name: str
    promise: str
    checks: tuple[str, ...]


class Standing(Struct, frozen=True, kw_only=True):
    """The level that a channel has reached, and what keeps it from the next."""

    level: Level
    next: Level | None
    missing: tuple[Finding, ...]


_BROKEN: Final = Level(number=0, name="broken", promise="the gateway cannot use it", checks=())
_UNTRIED: Final = Level(number=0, name="untried", promise="it could not even be built, for want of a config", checks=())
_LOADS: Final = Level(
    number=1,
    name="loads",
    promise="it is examined, configured, built and closed without harm",
    checks=(
        "it_has_the_shape_of_a_channel",
        "its_capabilities_make_sense",
        "its_config_refuses_unknown_keys",
        "its_config_shows_no_secret",
        "building_it_does_no_io",
        "closing_it_twice_or_unopened_does_no_harm",
    ),
)
_SENDS: Final = Level(
    number=2,
    name="sends safely",
    promise="whatever the provider does, nothing goes out twice, waits for nobody, or lets a person or a secret out",
    checks=(
        "every_message_gets_exactly_one_outcome",
        "every_message_gets_an_id_of_its_own",
        "a_refused_message_does_not_stop_the_others",
        "two_windows_at_once_are_not_mixed_up",
        "sending_leaves_the_loop_to_others",
        "a_cancelled_send_ends_promptly",
        "an_unreachable_provider_gives_outcomes_and_no_exception",
        "an_answer_that_never_comes_leaves_the_outcome_unknown",
        "nonsense_is_not_taken_for_a_refusal",
        "trouble_at_the_provider_fails_nobody_for_good",
        "the_same_message_twice_has_the_same_key",
        "no_failure_or_log_leaks_a_person_a_body_or_a_secret",
        "a_batch_is_made_again_byte_for_byte",
        "a_part_holds_its_pieces_and_no_others",
        "a_part_keeps_the_numbers_of_its_pieces",
        "a_refused_piece_leaves_nothing_of_its_part",
        "the_papers_add_up",
    ),
)
_REPORTS: Final = Level(
    number=3,
    name="reports",
    promise="what the provider says is heard, and calls of strangers are not",
    checks=(
        "an_unsigned_call_is_refused",
        "a_genuine_call_is_accepted_and_an_altered_one_refused",
        "rubbish_is_told_as_bad_webhook_or_yields_nothing",
        "its_events_are_among_those_it_announced",
        "what_people_write_back_is_read",
    ),
)
_BELOW: Final = frozenset({*_LOADS.checks, *_SENDS.checks, *_REPORTS.checks})
_COMPLETE: Final = Level(
    number=4,
    name="complete",
    promise="each failure has its true name, and everything that it promises was tried",
    checks=tuple(name for name in (each.__name__ for each in (SHAPE, *REST)) if name not in _BELOW),
)

LEVELS: Final = (_BROKEN, _LOADS, _SENDS, _REPORTS, _COMPLETE)


def standing(report: Report) -> Standing:
    """The highest level below which every check holds: it passed, or the channel promises no such thing."""
    found = {finding.check: finding for finding in report.findings}
    reached = _BROKEN
    for level in LEVELS[1:]:
        missing = tuple(found[name] for name in level.checks if not found[name].holds)
        if missing:
            is_untried = reached is _BROKEN and all(finding.verdict == "not tried" for finding in missing)
            return Standing(level=_UNTRIED if is_untried else reached, next=level, missing=missing)
        reached = level
    return Standing(level=reached, next=None, missing=())

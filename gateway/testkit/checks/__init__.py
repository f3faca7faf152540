"""The checks. Each takes a bench and returns, or raises Defect or NotApplicable; its name is its promise."""

from collections.abc import Awaitable, Callable
from typing import Final

from gateway.testkit.case import Bench
from gateway.testkit.checks import hooks, paper, sending, shape, texts

Check = Callable[[Bench], Awaitable[None]]

SHAPE: Final[Check] = shape.it_has_the_shape_of_a_channel
"""Where this one fails, the others cannot be tried."""

REST: Final[tuple[Check, ...]] = (
    shape.its_capabilities_make_sense,
    shape.its_config_refuses_unknown_keys,
    shape.its_config_shows_no_secret,
    shape.building_it_does_no_io,
    shape.closing_it_twice_or_unopened_does_no_harm,
    sending.every_message_gets_exactly_one_outcome,
    sending.a_refused_message_does_not_stop_the_others,
    sending.an_unreachable_provider_gives_outcomes_and_no_exception,
    sending.a_cancelled_send_ends_promptly,
    sending.what_it_took_is_found_again,
    sending.nobody_is_called_missing_while_the_provider_is_away,
    texts.no_failure_or_log_leaks_a_person_a_body_or_a_secret,
    hooks.an_unsigned_call_is_refused,
    hooks.a_genuine_call_is_accepted_and_an_altered_one_refused,
    hooks.rubbish_is_told_as_bad_webhook_or_yields_nothing,
    hooks.its_events_are_among_those_it_announced,
    paper.an_export_is_deterministic,
    paper.an_export_counts_its_records,
)

"""The checks. Each takes a bench and returns, or raises Defect or NotApplicable; its name is its promise."""

from collections.abc import Awaitable, Callable
from typing import Final

from gateway.testkit.case import Bench
from gateway.testkit.checks import contents, failures, hooks, paper, sending, shape, texts

Check = Callable[[Bench], Awaitable[None]]

SHAPE: Final[Check] = shape.it_has_the_shape_of_a_channel
"""Where this one fails, the others cannot be tried."""

REST: Final[tuple[Check, ...]] = (
    shape.its_capabilities_make_sense,
    shape.its_config_refuses_unknown_keys,
    shape.its_config_shows_no_secret,
    shape.building_it_does_no_io,
    shape.closing_it_twice_or_unopened_does_no_harm,
    contents.weighing_a_message_does_nothing_else,
    sending.every_message_gets_exactly_one_outcome,
    sending.every_message_gets_an_id_of_its_own,
    sending.a_refused_message_does_not_stop_the_others,
    sending.two_windows_at_once_are_not_mixed_up,
    sending.sending_leaves_the_loop_to_others,
    sending.a_cancelled_send_ends_promptly,
    sending.an_unreachable_provider_gives_outcomes_and_no_exception,
    failures.an_answer_that_never_comes_leaves_the_outcome_unknown,
    failures.nonsense_is_not_taken_for_a_refusal,
    failures.trouble_at_the_provider_fails_nobody_for_good,
    failures.refused_credentials_are_no_fault_of_the_message,
    failures.a_request_to_slow_down_is_heeded,
    failures.a_dead_address_is_told_apart_from_a_refusal,
    sending.the_same_message_twice_has_the_same_key,
    sending.what_it_took_is_found_again,
    sending.nobody_is_called_missing_while_the_provider_is_away,
    texts.no_failure_or_log_leaks_a_person_a_body_or_a_secret,
    hooks.an_unsigned_call_is_refused,
    hooks.a_genuine_call_is_accepted_and_an_altered_one_refused,
    hooks.rubbish_is_told_as_bad_webhook_or_yields_nothing,
    hooks.its_events_are_among_those_it_announced,
    hooks.what_people_write_back_is_read,
    paper.a_batch_is_made_again_byte_for_byte,
    paper.a_part_holds_its_pieces_and_no_others,
    paper.a_part_keeps_the_numbers_of_its_pieces,
    paper.a_refused_piece_leaves_nothing_of_its_part,
    paper.the_papers_add_up,
    paper.a_proof_and_a_picture_can_be_looked_at,
)

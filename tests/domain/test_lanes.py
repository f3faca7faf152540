"""The order of the lanes."""

from collections import Counter

import pytest

from gateway.domain.lanes import ALL_BULK, LANES, URGENT, in_turn, lane_of


@pytest.mark.parametrize("lanes", [LANES, (URGENT, 2, 3), (1, 4), (3,), (URGENT,), ()])
def test_what_is_urgent_comes_first_and_the_others_are_first_among_themselves_equally_often(
    lanes: tuple[int, ...],
) -> None:
    bulk = [lane for lane in lanes if lane != URGENT]
    firsts: Counter[int] = Counter()
    for turn in range(60):
        order = in_turn(lanes, turn)
        assert order[URGENT] == 0
        assert sorted(order.values()) == list(range(len(order)))
        firsts.update(min(bulk, key=order.__getitem__) for _ in bulk[:1])
    assert firsts == dict.fromkeys(bulk, 60 // max(len(bulk), 1))


def test_big_jobs_are_dealt_out_over_the_bulk_lanes() -> None:
    assert {lane_of(1, job_id) for job_id in range(20)} == set(ALL_BULK)
    assert {lane_of(URGENT, job_id) for job_id in range(20)} == {URGENT}

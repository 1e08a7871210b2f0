"""A model's counts: whole numbers whose times add up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.telemetry.counts import Duration, Statistics

PART_S = st.floats(0, 100)


@given(st.lists(st.tuples(PART_S, PART_S, PART_S, PART_S), min_size=1, max_size=9))
def test_the_parts_of_requests_add_up_to_all_of_them(requests):
    counted = Statistics()
    for queue_s, travel_s, compute_s, rest_s in requests:
        batch_s = travel_s + compute_s
        counted.request_answered(3, queue_s + batch_s + rest_s, queue_s, batch_s, compute_s)
    answered = counted.answered
    parts = [answered.queue, answered.compute_input, answered.compute_infer, answered.compute_output]
    assert counted.sequences == 3 * len(requests)
    assert {part.count for part in parts} == {answered.success.count} == {len(requests)}
    assert abs(sum(part.ns for part in parts) - answered.success.ns) <= 1000


def test_a_failed_request_has_a_time_and_no_parts():
    counted = Statistics()
    counted.request_failed(0.25)
    assert counted.fail == Duration(1, 250_000_000)
    assert counted == Statistics(failed=1, failed_s=0.25)


def test_batches_are_counted_by_their_rows():
    counted = Statistics()
    for rows in (4, 1, 4):
        counted.batch_ran(rows, batch_s=0.5, compute_s=0.375, hand_out_s=0.0625)
    assert counted.batches == 3
    assert sorted(counted.by_rows) == [1, 4]
    assert counted.by_rows[4].compute_input == Duration(2, 250_000_000)
    assert counted.by_rows[4].compute_infer == Duration(2, 750_000_000)
    assert counted.by_rows[4].compute_output == Duration(2, 125_000_000)

"""The portable engine's course through a plan, without a clock."""

from plans import MS, closed, every, open_plan_of, opened, plan_of

from loadgen.engine.portable.course import BLOCK_DRAWS, Course
from loadgen.records import Phase


def test_a_count_ends_the_course() -> None:
    course = Course(plan_of(3))
    dues = [course.next_due(at * MS) for at in range(5)]
    assert [due and (due.index, due.planned_at_ns) for due in dues] == [(0, 0), (1, MS), (2, 2 * MS), None, None]
    assert course.is_counted_out


def test_a_pause_is_added_to_the_instant_at_which_the_slot_became_free() -> None:
    course = Course(plan_of(None, draw=closed([1, 20, 300])))
    assert [course.next_due(5000).planned_at_ns for _ in range(4)] == [5001, 5020, 5300, 5300]  # type: ignore[union-attr]


def test_nothing_is_planned_at_or_after_the_windows_end() -> None:
    course = Course(plan_of(None, duration_ns=10 * MS, warmup_ns=5 * MS))
    assert course.next_due(15 * MS) is None
    due = course.next_due(15 * MS - 1)
    assert due is not None
    assert (due.index, due.phase) == (0, Phase.MEASURE)


def test_the_window_begins_with_the_first_request_after_the_warm_up() -> None:
    course = Course(plan_of(2, warmup_requests=2, duration_ns=50 * MS))
    phases = []
    for at in range(2):
        assert course.window_from_ns is None
        phases.append(course.next_due(at * MS).phase)  # type: ignore[union-attr]
    assert course.window_end_ns is None
    phases += [course.next_due(at * MS).phase for at in (7, 8)]  # type: ignore[union-attr]
    assert phases == [Phase.WARMUP, Phase.WARMUP, Phase.MEASURE, Phase.MEASURE]
    assert (course.window_from_ns, course.window_end_ns) == (7 * MS, 57 * MS)
    assert course.next_due(9 * MS) is None


def test_a_count_leaves_out_a_warm_up_by_time() -> None:
    course = Course(plan_of(2, warmup_ns=10 * MS))
    phases = [due.phase for at in (0, 5, 10, 15, 20) if (due := course.next_due(at * MS)) is not None]
    assert phases == [Phase.WARMUP, Phase.WARMUP, Phase.MEASURE, Phase.MEASURE]


def test_a_schedule_that_ends_ends_the_course() -> None:
    course = Course(open_plan_of([3, 4]))
    assert [course.next_due(0), course.next_due(0), course.next_due(0)][2] is None
    assert not course.is_counted_out


def test_draws_are_taken_in_blocks_and_never_twice() -> None:
    asked: list[tuple[int, int]] = []
    inner = every(MS)

    def draw(first: int, count: int):  # type: ignore[no-untyped-def]
        asked.append((first, count))
        return inner(first, count)

    course = Course(open_plan_of([], draw=draw))
    instants = [course.next_due(0).planned_at_ns for _ in range(2 * BLOCK_DRAWS + 1)]  # type: ignore[union-attr]
    assert instants == [MS * (index + 1) for index in range(2 * BLOCK_DRAWS + 1)]
    assert asked == [(0, BLOCK_DRAWS), (BLOCK_DRAWS, BLOCK_DRAWS), (2 * BLOCK_DRAWS, BLOCK_DRAWS)]


def test_a_schedule_that_ends_at_a_blocks_end_ends() -> None:
    course = Course(open_plan_of([], draw=opened([0] * BLOCK_DRAWS)))
    dues = [course.next_due(0) for _ in range(BLOCK_DRAWS + 1)]
    assert dues[-2] is not None
    assert dues[-1] is None

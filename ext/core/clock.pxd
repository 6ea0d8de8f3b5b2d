"""The run's clock, and how the kernel's wall-clock stamps are laid onto it.

All instants of a run are ns on CLOCK_MONOTONIC since its origin. Receive stamps are on CLOCK_REALTIME; the distance of the two
clocks is sampled at the start and every second, so that slewing is followed and a step is noticed.
"""
from libc.stdint cimport int64_t
from linux.clock cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, timespec

cdef enum:
    NS_PER_S = 1000000000
    STEP_NS = 1000000       # the kernel slews at most 0.5 ms a second: a larger change is a step
    SURE_NS = 100000        # a sample that may be off by more is not taken
    RESAMPLE_NS = 1000000000
    AHEAD_NS = 50000        # a stamp so far ahead of its own read: the wall clock was set since the last sample

cdef struct RunClock:
    int64_t origin_ns       # CLOCK_MONOTONIC of the run's instant 0
    int64_t wall_offset_ns  # CLOCK_REALTIME - run clock
    int64_t sampled_at_ns   # run clock
    int64_t n_steps         # of the wall clock, noticed so far

cdef inline int64_t clock_ns(int clock) noexcept nogil:
    cdef timespec now
    clock_gettime(clock, &now)
    return now.tv_sec * <int64_t>NS_PER_S + now.tv_nsec

cdef inline int64_t run_now_ns(const RunClock* clock) noexcept nogil:
    return clock_ns(CLOCK_MONOTONIC) - clock.origin_ns

cdef inline int64_t _wall_offset_ns(const RunClock* clock, int64_t* error_ns) noexcept nogil:
    """The best of three brackets: the narrower the two monotonic readings lie, the surer the middle. error_ns: by how much it may be off."""
    cdef int64_t before, wall, after, best_ns = 0, narrowest_ns = NS_PER_S
    cdef int i
    for i in range(3):
        before = run_now_ns(clock)
        wall = clock_ns(CLOCK_REALTIME)
        after = run_now_ns(clock)
        if after - before < narrowest_ns:
            narrowest_ns = after - before
            best_ns = wall - (before + after) // 2
    error_ns[0] = (narrowest_ns + 1) // 2
    return best_ns

cdef inline void clock_begin(RunClock* clock, int64_t origin_ns) noexcept nogil:
    cdef int64_t error_ns
    clock.origin_ns = origin_ns
    clock.wall_offset_ns = _wall_offset_ns(clock, &error_ns)
    clock.sampled_at_ns = run_now_ns(clock)
    clock.n_steps = 0

cdef inline void clock_resample(RunClock* clock, int64_t now_ns) noexcept nogil:
    """Follow the wall clock. A sample in whose every bracket the thread lost the CPU says nothing: the next one will."""
    cdef int64_t error_ns
    cdef int64_t offset_ns = _wall_offset_ns(clock, &error_ns)
    cdef int64_t change_ns = offset_ns - clock.wall_offset_ns
    if error_ns > SURE_NS:
        clock.sampled_at_ns = now_ns
        return
    if change_ns > STEP_NS or change_ns < -STEP_NS:
        clock.n_steps += 1
    clock.wall_offset_ns = offset_ns
    clock.sampled_at_ns = now_ns

cdef inline int64_t clock_arrival_ns(RunClock* clock, int64_t stamp_ns, int64_t read_at_ns) noexcept nogil:
    """The run's instant of a kernel stamp. Never later than the read that brought it."""
    cdef int64_t at_ns = stamp_ns - clock.wall_offset_ns
    if at_ns > read_at_ns + AHEAD_NS:
        clock_resample(clock, read_at_ns)
        at_ns = stamp_ns - clock.wall_offset_ns
    return at_ns if at_ns < read_at_ns else read_at_ns

"""What is due next: a heap with four children a node, 16 bytes an entry, so that a node's children share a cache line.

A heap and not a wheel: tokens leave in the order and at the instant they are due, with no grain. An entry whose
generation is no longer its connection's is stale; it is dropped when it comes up, so nothing is ever searched for.
"""
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport abort, realloc

cdef struct Timer:
    int64_t due_ns          # CLOCK_MONOTONIC
    uint32_t fd
    uint32_t generation

cdef struct Timers:
    Timer* heap
    size_t n
    size_t n_room


cdef inline void timers_push(Timers* timers, Timer timer) noexcept nogil:
    """A timer that is not earlier than the first never takes its place: the loop relies on it."""
    cdef size_t at = timers.n, parent
    if timers.n == timers.n_room:
        timers.n_room = timers.n_room * 2 if timers.n_room else 16384
        timers.heap = <Timer*>realloc(timers.heap, timers.n_room * sizeof(Timer))
        if timers.heap == NULL:
            abort()
    timers.n += 1
    while at > 0:
        parent = (at - 1) >> 2
        if timers.heap[parent].due_ns <= timer.due_ns:
            break
        timers.heap[at] = timers.heap[parent]
        at = parent
    timers.heap[at] = timer


cdef inline void timers_replace_first(Timers* timers, Timer timer) noexcept nogil:
    cdef size_t at = 0, child, end, least
    cdef Timer* heap = timers.heap
    while True:
        child = 4 * at + 1
        if child >= timers.n:
            break
        end = child + 4 if child + 4 < timers.n else timers.n
        least = child
        child += 1
        while child < end:
            if heap[child].due_ns < heap[least].due_ns:
                least = child
            child += 1
        if timer.due_ns <= heap[least].due_ns:
            break
        heap[at] = heap[least]
        at = least
    heap[at] = timer


cdef inline void timers_drop_first(Timers* timers) noexcept nogil:
    timers.n -= 1
    if timers.n > 0:
        timers_replace_first(timers, timers.heap[timers.n])

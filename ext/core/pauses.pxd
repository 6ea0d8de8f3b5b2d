"""Slots that wait until their next planned instant: a binary heap, one place a connection."""
from libc.stdint cimport int32_t, int64_t

cdef struct Pause:
    int64_t until_ns
    int32_t connection
    int32_t unused

cdef struct Pauses:
    Pause* heap
    int32_t n

cdef inline void _swap(Pause* a, Pause* b) noexcept nogil:
    cdef Pause kept = a[0]
    a[0] = b[0]
    b[0] = kept

cdef inline void pauses_put(Pauses* pauses, int64_t until_ns, int32_t connection) noexcept nogil:
    cdef int32_t child = pauses.n, parent
    pauses.heap[child].until_ns = until_ns
    pauses.heap[child].connection = connection
    pauses.n += 1
    while child > 0:
        parent = (child - 1) // 2
        if pauses.heap[parent].until_ns <= pauses.heap[child].until_ns:
            return
        _swap(&pauses.heap[parent], &pauses.heap[child])
        child = parent

cdef inline Pause pauses_take(Pauses* pauses) noexcept nogil:
    """The earliest. The caller knows that there is one."""
    cdef Pause earliest = pauses.heap[0]
    cdef int32_t parent = 0, child
    pauses.n -= 1
    pauses.heap[0] = pauses.heap[pauses.n]
    while True:
        child = 2 * parent + 1
        if child >= pauses.n:
            return earliest
        if child + 1 < pauses.n and pauses.heap[child + 1].until_ns < pauses.heap[child].until_ns:
            child += 1
        if pauses.heap[parent].until_ns <= pauses.heap[child].until_ns:
            return earliest
        _swap(&pauses.heap[parent], &pauses.heap[child])
        parent = child

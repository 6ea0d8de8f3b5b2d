"""A ring between two threads: one puts, one takes, neither waits."""
from libc.stdint cimport int64_t
from linux.atomics cimport atomic_load, atomic_store

cdef enum:
    RING_PLACES = 128        # a power of two, more than there are blocks

cdef struct Ring:
    int64_t n_taken
    int64_t[7] apart         # the two counters on cache lines of their own
    int64_t n_put
    int64_t[7] apart_too
    int64_t[128] values

cdef inline int64_t ring_length(const Ring* ring) noexcept nogil:
    return atomic_load(&ring.n_put) - atomic_load(&ring.n_taken)

cdef inline void ring_put(Ring* ring, int64_t value) noexcept nogil:
    """The caller knows that there is room."""
    ring.values[ring.n_put & (RING_PLACES - 1)] = value
    atomic_store(&ring.n_put, ring.n_put + 1)

cdef inline int64_t ring_take(Ring* ring) noexcept nogil:
    """-1: nothing there."""
    cdef int64_t value
    if atomic_load(&ring.n_put) == ring.n_taken:
        return -1
    value = ring.values[ring.n_taken & (RING_PLACES - 1)]
    atomic_store(&ring.n_taken, ring.n_taken + 1)
    return value

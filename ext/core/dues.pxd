"""The plan's draws on their way into the loop: which payload, when (open loop) or after which pause (closed loop), and with which values."""
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memcpy, memset
from core.payload cimport MAX_VALUES
from linux.atomics cimport atomic_load, atomic_store

cdef enum:
    DUE_PLACES = 65536       # a power of two

cdef struct Due:
    int64_t when_ns
    int32_t[4] values        # MAX_VALUES
    uint32_t payload
    uint32_t unused

cdef struct Dues:
    int64_t n_taken
    int64_t[7] apart
    int64_t n_put
    int64_t is_ended         # nothing more will be put
    int64_t[6] apart_too
    Due[65536] dues

cdef inline int64_t dues_room(const Dues* dues) noexcept nogil:
    return DUE_PLACES - (dues.n_put - atomic_load(&dues.n_taken))

cdef inline void dues_put(
    Dues* dues, const int64_t* when_ns, const uint32_t* payload, const int32_t* values, int64_t n
) noexcept nogil:
    """values: MAX_VALUES for each, or NULL. The caller knows that there is room."""
    cdef int64_t i
    cdef Due* due
    for i in range(n):
        due = &dues.dues[(dues.n_put + i) & (DUE_PLACES - 1)]
        due.when_ns = when_ns[i]
        due.payload = payload[i]
        if values != NULL:
            memcpy(due.values, values + i * MAX_VALUES, sizeof(due.values))
    atomic_store(&dues.n_put, dues.n_put + n)

cdef inline Due* dues_peek(Dues* dues) noexcept nogil:
    """The next due, or NULL: none there yet, or none any more (dues_are_over tells)."""
    if atomic_load(&dues.n_put) == dues.n_taken:
        return NULL
    return &dues.dues[dues.n_taken & (DUE_PLACES - 1)]

cdef inline void dues_drop(Dues* dues) noexcept nogil:
    atomic_store(&dues.n_taken, dues.n_taken + 1)

cdef inline bint dues_are_over(Dues* dues) noexcept nogil:
    return atomic_load(&dues.is_ended) and atomic_load(&dues.n_put) == dues.n_taken

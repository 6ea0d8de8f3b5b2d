"""Token instants of the requests in flight: pages of a fixed region, chained per request.

The region is reserved, not filled: a page costs memory when it is first used, and the last one given back is the next one taken.
"""
from libc.stdint cimport int32_t, int64_t

cdef enum:
    PAGE_INSTANTS = 62
    NO_PAGE = -1

cdef struct Page:
    int32_t next             # NO_PAGE: the last
    int32_t n_instants
    int64_t[62] at_ns
    int64_t unused           # 512 bytes in all

cdef struct Arena:
    Page* pages
    int32_t n_pages
    int32_t n_touched        # pages from here on were never used
    int32_t free             # head of the pages given back

cdef struct Instants:        # those of one request
    int32_t first
    int32_t last
    int32_t n_kept

cdef inline void instants_clear(Instants* instants) noexcept nogil:
    instants.first = NO_PAGE
    instants.last = NO_PAGE
    instants.n_kept = 0

cdef inline int32_t _arena_take(Arena* arena) noexcept nogil:
    cdef int32_t page = arena.free
    if page != NO_PAGE:
        arena.free = arena.pages[page].next
    elif arena.n_touched < arena.n_pages:
        page = arena.n_touched
        arena.n_touched += 1
    else:
        return NO_PAGE
    arena.pages[page].next = NO_PAGE
    arena.pages[page].n_instants = 0
    return page

cdef inline void arena_keep(Arena* arena, Instants* instants, int64_t at_ns) noexcept nogil:
    """Append one instant. A full arena keeps no more: the request's n_gaps then stays below n_events - 1."""
    cdef int32_t page
    if instants.last == NO_PAGE or arena.pages[instants.last].n_instants == PAGE_INSTANTS:
        page = _arena_take(arena)
        if page == NO_PAGE:
            return
        if instants.last == NO_PAGE:
            instants.first = page
        else:
            arena.pages[instants.last].next = page
        instants.last = page
    arena.pages[instants.last].at_ns[arena.pages[instants.last].n_instants] = at_ns
    arena.pages[instants.last].n_instants += 1
    instants.n_kept += 1

cdef inline int32_t arena_gaps(Arena* arena, Instants* instants, int64_t* gaps_ns, int64_t room) noexcept nogil:
    """Write the gaps between consecutive instants, at most `room` of them, and give the pages back. Return how many."""
    cdef int32_t page = instants.first, i, n_gaps = 0
    cdef int64_t earlier_ns = 0
    cdef bint is_first = True
    while page != NO_PAGE:
        for i in range(arena.pages[page].n_instants):
            if not is_first and n_gaps < room:
                gaps_ns[n_gaps] = arena.pages[page].at_ns[i] - earlier_ns
                n_gaps += 1
            is_first = False
            earlier_ns = arena.pages[page].at_ns[i]
        page = arena.pages[page].next
    if instants.first != NO_PAGE:
        arena.pages[instants.last].next = arena.free
        arena.free = instants.first
    instants_clear(instants)
    return n_gaps

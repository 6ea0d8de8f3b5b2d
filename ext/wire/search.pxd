"""How often a word stands in a text, wherever the text is cut. No socket, clock or malloc.

Source: Knuth, Morris and Pratt, Fast Pattern Matching in Strings (1977).
"""
from libc.stdint cimport int32_t, uint8_t
from libc.string cimport memchr

cdef enum:
    NEEDLE_BYTES_MAX = 255
    FOUND_MAX = 2147483647

cdef struct Search:
    const uint8_t* needle    # the caller's; it has to outlive the search
    int32_t n_found          # occurrences that do not overlap; FOUND_MAX and more is FOUND_MAX
    uint8_t n_bytes          # of the needle
    uint8_t n_matched        # bytes of the needle that the text now ends in
    uint8_t[255] shorter     # by bytes matched - 1: of the next shorter beginning of the needle in which they end

cdef inline void search_reset(Search* search, const uint8_t* needle, size_t n_bytes) noexcept nogil:
    """A new text begins. needle: at most NEEDLE_BYTES_MAX bytes; an empty one is found nowhere."""
    cdef uint8_t n_matched = 0
    cdef size_t i
    search.needle = needle
    search.n_bytes = <uint8_t> min(n_bytes, <size_t> NEEDLE_BYTES_MAX)
    search.n_matched = 0
    search.n_found = 0
    search.shorter[0] = 0
    for i in range(1, search.n_bytes):
        n_matched = _longest(search, n_matched, needle[i])
        search.shorter[i] = n_matched

cdef inline uint8_t _longest(const Search* search, uint8_t n_matched, uint8_t byte) noexcept nogil:
    """Bytes of the needle that are matched once that byte has come, too."""
    while n_matched and search.needle[n_matched] != byte:
        n_matched = search.shorter[n_matched - 1]
    return n_matched + (search.needle[n_matched] == byte)

cdef inline void search_feed(Search* search, const uint8_t* data, size_t n_bytes) noexcept nogil:
    """Some of the text."""
    cdef const uint8_t* at = data
    cdef const uint8_t* end = data + n_bytes
    if search.n_bytes == 0:
        return
    while at < end:
        if search.n_matched == 0:
            at = <const uint8_t*> memchr(at, search.needle[0], end - at)
            if at == NULL:
                return
        search.n_matched = _longest(search, search.n_matched, at[0])
        at += 1
        if search.n_matched == search.n_bytes:
            search.n_matched = 0
            search.n_found += search.n_found < FOUND_MAX

"""The first line of what a server says went wrong, and whether it says that the context was too long.

Kept valid UTF-8 however the bytes come: white space becomes one blank, what is no UTF-8 a question mark, and the end is
cut between two characters. Texts are ranked, so that an error's message wins over its code in whatever order they come.
"""
from libc.stdint cimport uint8_t
from libc.string cimport memcmp, memmove, memset

cdef enum:
    ERROR_TEXT_BYTES = 108   # as ERROR_BYTES in core/record.pxd, which wire may not import
    RECENT_BYTES = 20        # the longest phrase searched for

cdef struct ErrorText:
    char[108] text           # UTF-8, padded with NUL where it is shorter
    uint8_t[20] recent       # the last bytes in lower case, for the search
    uint8_t[4] partial       # a character whose bytes have not all come
    uint8_t n_bytes
    uint8_t limit            # bytes of it that are kept; ERROR_TEXT_BYTES unless set lower
    uint8_t n_partial
    uint8_t n_expected       # bytes of the partial character
    uint8_t rank             # of the text kept; 0: the body as it came
    uint8_t keeps            # 1 while the text now coming is to be kept
    uint8_t has_blank        # a blank is owed before the next character
    uint8_t is_full
    uint8_t names_context_length

cdef inline void error_text_reset(ErrorText* error) noexcept nogil:
    memset(error, 0, sizeof(ErrorText))
    error.limit = ERROR_TEXT_BYTES

cdef inline void error_text_start(ErrorText* error, uint8_t rank) noexcept nogil:
    """A text of that rank begins. It replaces the one kept unless that one ranks higher.

    Once a better one is known, nothing counts of the body as it came: how much of it was seen depends on the reads.
    """
    if error.rank == 0:
        error.names_context_length = 0
    memset(error.recent, 0, RECENT_BYTES)
    error.n_partial = 0
    error.keeps = rank >= error.rank
    if error.keeps:
        memset(error.text, 0, ERROR_TEXT_BYTES)
        error.rank = rank
        error.n_bytes = 0
        error.has_blank = 0
        error.is_full = 0

cdef inline void error_text_feed(ErrorText* error, const uint8_t* at, size_t n_bytes) noexcept nogil:
    cdef size_t i
    for i in range(n_bytes):
        _search(error, at[i])
        if error.keeps and not error.is_full:
            _decode(error, at[i])

cdef inline void error_text_keep(ErrorText* error, const uint8_t* at, size_t n_bytes) noexcept nogil:
    """As error_text_feed(), without the search: for what is no language model's."""
    cdef size_t i
    for i in range(n_bytes):
        if not error.keeps or error.is_full:
            return
        _decode(error, at[i])

cdef inline void _search(ErrorText* error, uint8_t byte) noexcept nogil:
    """Look for the phrases with which servers say that the prompt does not fit. Letter case does not count."""
    if byte >= c"A" and byte <= c"Z":
        byte += 32
    memmove(error.recent, error.recent + 1, RECENT_BYTES - 1)
    error.recent[RECENT_BYTES - 1] = byte
    if byte == c"h":
        if _ends_in_context(error, b"length", 6) or memcmp(error.recent, b"maximum model length", 20) == 0:
            error.names_context_length = 1
    elif byte == c"w":
        if _ends_in_context(error, b"window", 6):
            error.names_context_length = 1
    elif byte == c"e":
        if _ends_in_context(error, b"size", 4):
            error.names_context_length = 1

cdef inline bint _ends_in_context(ErrorText* error, const char* word, size_t n_bytes) noexcept nogil:
    """Whether the last bytes are "context", one byte between (blank, underscore), and the word."""
    cdef const uint8_t* at = error.recent + RECENT_BYTES - n_bytes
    return memcmp(at, word, n_bytes) == 0 and memcmp(at - 8, b"context", 7) == 0

cdef inline void _decode(ErrorText* error, uint8_t byte) noexcept nogil:
    if error.n_partial:
        if _continues(error, byte):
            error.partial[error.n_partial] = byte
            error.n_partial += 1
            if error.n_partial == error.n_expected:
                error.n_partial = 0
                _keep(error, error.partial, error.n_expected)
            return
        error.n_partial = 0
        _keep(error, <const uint8_t*> b"?", 1)
    if byte <= c" " or byte == 0x7F:
        error.has_blank = error.n_bytes > 0
    elif byte < 0x80:
        _keep(error, &byte, 1)
    elif byte < 0xC2 or byte > 0xF4:
        _keep(error, <const uint8_t*> b"?", 1)
    else:
        error.partial[0] = byte
        error.n_partial = 1
        error.n_expected = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4

cdef inline bint _continues(ErrorText* error, uint8_t byte) noexcept nogil:
    """Whether the byte may follow the partial character (Unicode, table 3-7: no overlong form, no surrogate)."""
    cdef uint8_t lead = error.partial[0]
    cdef uint8_t low = 0x80
    cdef uint8_t high = 0xBF
    if error.n_partial == 1:
        if lead == 0xE0:
            low = 0xA0
        elif lead == 0xED:
            high = 0x9F
        elif lead == 0xF0:
            low = 0x90
        elif lead == 0xF4:
            high = 0x8F
    return low <= byte <= high

cdef inline void _keep(ErrorText* error, const uint8_t* character, uint8_t n_bytes) noexcept nogil:
    cdef uint8_t i
    if error.is_full:
        return
    if error.n_bytes + error.has_blank + n_bytes > error.limit:
        error.is_full = 1
        return
    if error.has_blank:
        error.text[error.n_bytes] = c" "
        error.n_bytes += 1
        error.has_blank = 0
    for i in range(n_bytes):
        error.text[error.n_bytes] = <char> character[i]
        error.n_bytes += 1

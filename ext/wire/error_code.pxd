"""The code by which a server names an error, beside its text. No socket, clock or malloc.

Kept and ranked as texts are, see wire/error_text.pxd.
"""
from libc.stdint cimport uint8_t

from wire.error_text cimport ErrorText, error_text_keep, error_text_reset, error_text_start

cdef enum:
    ERROR_CODE_TEXT_BYTES = 23   # as ERROR_CODE_BYTES in core/record.pxd, which wire may not import

cdef struct ErrorCode:
    ErrorText kept           # at most ERROR_CODE_TEXT_BYTES; its rank is 0 where there is none
    uint8_t coming           # rank of the code whose first byte has not come; 0: it has, or nothing comes
    uint8_t has_ended        # the line's first word has

cdef inline void error_code_reset(ErrorCode* code) noexcept nogil:
    error_text_reset(&code.kept)
    code.kept.limit = ERROR_CODE_TEXT_BYTES
    code.coming = code.has_ended = 0

cdef inline void error_code_start(ErrorCode* code, uint8_t rank) noexcept nogil:
    """A code of that rank begins; with rank 0 what is none. An empty one replaces nothing."""
    code.coming = rank
    code.kept.keeps = 0

cdef inline void error_code_feed(ErrorCode* code, const uint8_t* at, size_t n_bytes) noexcept nogil:
    """Some bytes of the code that comes."""
    if code.coming and n_bytes:
        error_text_start(&code.kept, code.coming)
        code.coming = 0
    error_text_keep(&code.kept, at, n_bytes)

cdef inline void error_code_feed_word(ErrorCode* code, const uint8_t* at, size_t n_bytes) noexcept nogil:
    """Some bytes of a line whose first word is the code."""
    cdef size_t n_word = 0
    while n_word < n_bytes and at[n_word] != c" ":
        n_word += 1
    if not code.has_ended:
        error_code_feed(code, at, n_word)
    code.has_ended |= n_word < n_bytes

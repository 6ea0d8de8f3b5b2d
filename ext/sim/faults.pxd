"""Misbehaviour on demand: its names (header X-Simulate, setting `faults`) and its kinds."""
from libc.stdint cimport uint8_t
from libc.string cimport memcmp

cdef enum Fault:
    FAULT_NONE = 0
    # Answered at once in the place of an answer: their order is that of the refusals that Python hands over.
    FAULT_400
    FAULT_401
    FAULT_404
    FAULT_429
    FAULT_500
    FAULT_503
    FAULT_CONTEXT_LENGTH
    FAULT_HTML
    FAULT_BAD_BODY
    N_REFUSALS
    # In the midst of an answer.
    FAULT_STALL = 16        # half of it, then silence
    FAULT_RESET             # half of it, then RST
    FAULT_TRUNCATED         # half of it, then closed within a chunk
    FAULT_ERROR_EVENT       # half of it, then an error in the stream
    FAULT_NOT_JSON          # whole, with an event in its middle that is not JSON
    FAULT_NO_DONE           # whole, without its last message
    FAULT_ROLE_ONLY         # no content
    FAULT_SLOW_HEAD         # the head in pieces of 16 bytes, 1 ms apart
    FAULT_CLOSE             # whole, then closed
    N_FAULTS


cdef inline const char* stream_fault_name(int fault) noexcept nogil:
    if fault == FAULT_STALL:
        return b"stall"
    if fault == FAULT_RESET:
        return b"reset"
    if fault == FAULT_TRUNCATED:
        return b"truncated"
    if fault == FAULT_ERROR_EVENT:
        return b"error_event"
    if fault == FAULT_NOT_JSON:
        return b"not_json"
    if fault == FAULT_NO_DONE:
        return b"no_done"
    if fault == FAULT_ROLE_ONLY:
        return b"role_only"
    if fault == FAULT_SLOW_HEAD:
        return b"slow_head"
    if fault == FAULT_CLOSE:
        return b"close"
    return b""


cdef inline const char* fault_name(int fault) noexcept nogil:
    if fault == FAULT_400:
        return b"400"
    if fault == FAULT_401:
        return b"401"
    if fault == FAULT_404:
        return b"404"
    if fault == FAULT_429:
        return b"429"
    if fault == FAULT_500:
        return b"500"
    if fault == FAULT_503:
        return b"503"
    if fault == FAULT_CONTEXT_LENGTH:
        return b"context_length"
    if fault == FAULT_HTML:
        return b"html"
    if fault == FAULT_BAD_BODY:
        return b"bad_body"
    return stream_fault_name(fault)


cdef inline int fault_of_name(const uint8_t* name, int n) noexcept nogil:
    """FAULT_NONE for a name that is none."""
    cdef int fault, n_name
    cdef const char* known
    for fault in range(1, N_FAULTS):
        known = fault_name(fault)
        n_name = 0
        while known[n_name] != 0:
            n_name += 1
        if n_name == n and n > 0 and memcmp(known, name, n) == 0:
            return fault
    return FAULT_NONE

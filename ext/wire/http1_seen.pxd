"""A head that was read before: servers send the same one again and again, and the same bytes mean the same.

Comparing costs a hundredth of reading. No socket, clock or malloc.
"""
from libc.stdint cimport uint8_t
from libc.string cimport memcmp, memcpy

from wire.codes cimport WIRE_HEAD, Span
from wire.http1 cimport HTTP1_STATUS_LINE, Http1Parser, http1_feed

cdef enum:
    SEEN_BYTES = 512         # a longer head is always read

cdef struct SeenHead:        # zeros: none was seen
    Http1Parser after        # as it was when the head had been read
    size_t n_bytes
    uint8_t[512] bytes       # SEEN_BYTES

cdef inline int http1_feed_seen(
    Http1Parser* parser, SeenHead* seen, const uint8_t* data, size_t n_bytes, size_t* n_used, Span* body,
) noexcept nogil:
    """As http1_feed(). seen: of the heads that came last, on this connection or another."""
    cdef bint is_new = (
        parser.state == HTTP1_STATUS_LINE and parser.status_line_at == 0 and parser.fields.head_bytes == 0
    )
    cdef int code
    if is_new and _is_seen(parser, seen, data, n_bytes):
        parser[0] = seen.after
        n_used[0] = seen.n_bytes
        return WIRE_HEAD
    code = http1_feed(parser, data, n_bytes, n_used, body)
    if is_new and code == WIRE_HEAD and n_used[0] <= SEEN_BYTES:
        seen.after = parser[0]
        seen.n_bytes = n_used[0]
        memcpy(seen.bytes, data, n_used[0])
    return code

cdef inline bint _is_seen(
    const Http1Parser* parser, const SeenHead* seen, const uint8_t* data, size_t n_bytes,
) noexcept nogil:
    return (
        0 < seen.n_bytes <= n_bytes
        and seen.after.expects_no_body == parser.expects_no_body
        and memcmp(seen.bytes, data, seen.n_bytes) == 0
    )

"""Newline-delimited JSON, cut into lines. No socket, clock or malloc.

Source: ndjson-spec section 3. A carriage return before the line feed is white space to JSON and stays with the line.
"""
from libc.stdint cimport uint8_t
from libc.string cimport memchr

from wire.codes cimport WIRE_BODY, WIRE_ERROR, WIRE_EVENT, WIRE_MORE, Span

cdef enum:
    NDJSON_LINE_BYTES_MAX = 16777216

cdef struct NdjsonParser:
    size_t line_bytes    # of the unfinished line

cdef inline void ndjson_reset(NdjsonParser* parser) noexcept nogil:
    parser.line_bytes = 0

cdef inline int ndjson_feed(
    NdjsonParser* parser, const uint8_t* data, size_t n_bytes, size_t* n_used, Span* piece,
) noexcept nogil:
    """Eat up to the next line end. Return WIRE_BODY (piece: some of the line), WIRE_EVENT (the line has ended; it may
    be empty), WIRE_MORE, or WIRE_ERROR where a line is too long."""
    cdef const uint8_t* feed
    n_used[0] = 0
    piece.at = data
    piece.n_bytes = 0
    if n_bytes == 0:
        return WIRE_MORE
    if data[0] == c"\n":
        n_used[0] = 1
        parser.line_bytes = 0
        return WIRE_EVENT
    feed = <const uint8_t*> memchr(data, c"\n", n_bytes)
    piece.n_bytes = feed - data if feed else n_bytes
    parser.line_bytes += piece.n_bytes
    n_used[0] = piece.n_bytes
    return WIRE_ERROR if parser.line_bytes > NDJSON_LINE_BYTES_MAX else WIRE_BODY

"""The chunked transfer coding, up to the last chunk; http1_field reads the trailers. No socket, clock or malloc.

Extensions are checked and mean nothing. Source: RFC 9112 section 7.1.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t

from wire.codes cimport (REASON_BARE_CR, REASON_CHUNK_END, REASON_CHUNK_EXTENSION, REASON_CHUNK_SIZE, REASON_NONE,
                         WIRE_BODY, WIRE_DONE, WIRE_ERROR, WIRE_MORE, Span)

cdef enum:
    CHUNK_LINE_BYTES_MAX = 4096   # of a chunk's size and extensions
    CHUNK_BYTES_MAX = 9223372036854775807

cdef enum ChunkState:
    CHUNK_FIRST_DIGIT
    CHUNK_SIZE
    CHUNK_BLANKS             # after the size: an extension or the line's end must come
    CHUNK_EXTENSION
    CHUNK_QUOTED             # inside a quoted string of an extension
    CHUNK_QUOTED_PAIR        # after a backslash in it
    CHUNK_LINE_FEED          # after a carriage return at the end of the size's line
    CHUNK_BYTES
    CHUNK_END                # the line end after the chunk's bytes: a bare line feed only where the size's line had one
    CHUNK_END_LINE_FEED

cdef struct ChunkedParser:
    int64_t n_left           # bytes of the chunk that have not come
    uint16_t line_bytes
    uint8_t state            # ChunkState
    uint8_t has_bare_feed    # the size's line ended with a line feed alone
    uint8_t error            # WireReason

cdef inline void chunked_reset(ChunkedParser* parser) noexcept nogil:
    parser.n_left = 0
    parser.line_bytes = 0
    parser.has_bare_feed = 0
    parser.state = CHUNK_FIRST_DIGIT
    parser.error = REASON_NONE

cdef inline int chunked_feed(
    ChunkedParser* parser, const uint8_t* data, size_t n_bytes, size_t* n_used, Span* body,
) noexcept nogil:
    """Return WIRE_BODY (a span of the body), WIRE_DONE (after the last chunk's size line), WIRE_MORE or WIRE_ERROR."""
    cdef const uint8_t* at = data
    cdef const uint8_t* end = data + n_bytes
    cdef int code = WIRE_MORE
    while at < end and code == WIRE_MORE:
        if parser.state == CHUNK_BYTES:
            body.at = at
            body.n_bytes = <size_t> min(<int64_t> (end - at), parser.n_left)
            at += body.n_bytes
            parser.n_left -= <int64_t> body.n_bytes
            if parser.n_left == 0:
                parser.state = CHUNK_END
            code = WIRE_BODY
        else:
            code = _between(parser, at[0])
            at += 1
    n_used[0] = at - data
    return code

cdef inline int _fail(ChunkedParser* parser, uint8_t reason) noexcept nogil:
    parser.error = reason
    return WIRE_ERROR

cdef inline int _between(ChunkedParser* parser, uint8_t byte) noexcept nogil:
    """A byte that is none of the body's."""
    if parser.state == CHUNK_END:
        if byte != c"\r" and not (byte == c"\n" and parser.has_bare_feed):
            return _fail(parser, REASON_CHUNK_END)
        parser.state = CHUNK_END_LINE_FEED if byte == c"\r" else CHUNK_FIRST_DIGIT
        return WIRE_MORE
    if parser.state == CHUNK_END_LINE_FEED:
        parser.state = CHUNK_FIRST_DIGIT
        return WIRE_MORE if byte == c"\n" else _fail(parser, REASON_BARE_CR)
    if parser.state == CHUNK_LINE_FEED:
        return _line_ends(parser, False) if byte == c"\n" else _fail(parser, REASON_BARE_CR)
    parser.line_bytes += 1
    if parser.line_bytes > CHUNK_LINE_BYTES_MAX:
        return _fail(parser, REASON_CHUNK_EXTENSION)
    if parser.state <= CHUNK_SIZE:
        return _size(parser, byte)
    return _extension(parser, byte)

cdef inline int _size(ChunkedParser* parser, uint8_t byte) noexcept nogil:
    cdef int64_t digit
    if c"0" <= byte <= c"9":
        digit = byte - c"0"
    elif c"a" <= (byte | 32) <= c"f":
        digit = (byte | 32) - c"a" + 10
    elif parser.state == CHUNK_FIRST_DIGIT:
        return _fail(parser, REASON_CHUNK_SIZE)
    else:
        parser.state = CHUNK_BLANKS
        return _extension(parser, byte)
    if parser.n_left > CHUNK_BYTES_MAX >> 4:
        return _fail(parser, REASON_CHUNK_SIZE)
    parser.n_left = parser.n_left << 4 | digit
    parser.state = CHUNK_SIZE
    return WIRE_MORE

cdef inline int _extension(ChunkedParser* parser, uint8_t byte) noexcept nogil:
    """After the size, up to the line's end. A quoted string may hold what would end an extension, but no line end."""
    if byte < 0x20 and byte != c"\t" and byte != c"\r" and byte != c"\n" or byte == 0x7F:
        return _fail(parser, REASON_CHUNK_EXTENSION)
    if parser.state == CHUNK_QUOTED or parser.state == CHUNK_QUOTED_PAIR:
        if byte == c"\r" or byte == c"\n":
            return _fail(parser, REASON_CHUNK_EXTENSION)
        if parser.state == CHUNK_QUOTED_PAIR:
            parser.state = CHUNK_QUOTED
        elif byte == c"\\":
            parser.state = CHUNK_QUOTED_PAIR
        elif byte == c'"':
            parser.state = CHUNK_EXTENSION
        return WIRE_MORE
    if byte == c"\n":
        return _line_ends(parser, True)
    if byte == c"\r":
        parser.state = CHUNK_LINE_FEED
    elif byte == c";":
        parser.state = CHUNK_EXTENSION
    elif byte == c'"' and parser.state == CHUNK_EXTENSION:
        parser.state = CHUNK_QUOTED
    elif parser.state == CHUNK_BLANKS and byte != c" " and byte != c"\t":
        return _fail(parser, REASON_CHUNK_SIZE)
    return WIRE_MORE

cdef inline int _line_ends(ChunkedParser* parser, bint has_bare_feed) noexcept nogil:
    parser.has_bare_feed = has_bare_feed
    parser.line_bytes = 0
    parser.state = CHUNK_BYTES
    return WIRE_MORE if parser.n_left else WIRE_DONE

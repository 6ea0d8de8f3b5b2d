"""Server-sent events, cut into the data of each. No socket, clock or malloc.

Source: WHATWG HTML, section 9.2.6 (interpreting an event stream). Of the fields only data and event are read.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp

from wire.codes cimport (REASON_NONE, REASON_SSE_EVENT_TOO_LONG, REASON_SSE_LINE_TOO_LONG, WIRE_BODY, WIRE_ERROR,
                         WIRE_EVENT, WIRE_MORE, Span)
from wire.lines cimport line_stop

cdef enum:
    SSE_LINE_BYTES_MAX = 16777216
    SSE_EVENT_BYTES_MAX = 16777216   # of one event's data

cdef enum SseState:
    SSE_BOM          # at the stream's start
    SSE_LINE         # at a line's start
    SSE_NAME
    SSE_COLON        # after the colon: one blank may come
    SSE_VALUE
    SSE_SKIP         # up to the line's end
    SSE_FAILED

cdef enum SseField:
    SSE_FIELD_DATA
    SSE_FIELD_EVENT

cdef struct SseParser:
    uint32_t line_bytes       # of the unfinished line
    uint32_t event_bytes      # of the data of the unfinished event
    uint8_t state             # SseState
    uint8_t field             # SseField
    uint8_t n_matched         # bytes of the byte order mark, the field's name or the word "error" that have come
    uint8_t after_cr          # a line feed now belongs to the line that has ended
    uint8_t has_data          # the unfinished event has data
    uint8_t type_is_error     # the unfinished event has `event: error`
    uint8_t event_is_error    # the last complete event had it
    uint8_t error             # WireReason

cdef inline void sse_reset(SseParser* parser) noexcept nogil:
    parser.line_bytes = parser.event_bytes = 0
    parser.state = SSE_BOM
    parser.n_matched = 0
    parser.after_cr = parser.has_data = 0
    parser.type_is_error = parser.event_is_error = 0
    parser.error = REASON_NONE

cdef inline int sse_feed(
    SseParser* parser, const uint8_t* data, size_t n_bytes, size_t* n_used, Span* piece,
) noexcept nogil:
    """Eat up to the next piece or event.

    Return WIRE_BODY (piece: some of the unfinished event's data, or the line feed between two lines of it), WIRE_EVENT
    (an event that had data is complete), WIRE_MORE or WIRE_ERROR. At the stream's end an unfinished event counts for
    nothing; has_data says that there is one.
    """
    cdef const uint8_t* at = data
    cdef const uint8_t* end = data + n_bytes
    cdef int code = WIRE_MORE
    piece.at = data
    piece.n_bytes = 0
    while at < end and code == WIRE_MORE:
        if parser.after_cr:
            parser.after_cr = 0
            if at[0] == c"\n":
                at += 1
                continue
        if parser.state == SSE_LINE and end - at > 6 and memcmp(at, b"data: ", 6) == 0:
            at = _data_line(parser, at, piece, &code)
        elif parser.state == SSE_VALUE or parser.state == SSE_SKIP:
            at = _inside(parser, at, end, piece, &code)
        elif at[0] == c"\n" or at[0] == c"\r":
            at = _line_ends(parser, at, piece, &code)
        else:
            at = _before_value(parser, at, piece, &code)
    n_used[0] = at - data
    if parser.line_bytes > SSE_LINE_BYTES_MAX:
        parser.error = REASON_SSE_LINE_TOO_LONG
    elif parser.event_bytes > SSE_EVENT_BYTES_MAX:
        parser.error = REASON_SSE_EVENT_TOO_LONG
    return WIRE_ERROR if parser.error else code

cdef inline const uint8_t* _data_line(SseParser* parser, const uint8_t* at, Span* piece, int* code) noexcept nogil:
    """Eat the start of a line of data whole, as it most often comes."""
    parser.state = SSE_VALUE
    parser.field = SSE_FIELD_DATA
    parser.line_bytes = 6
    _value_begins(parser, piece, code)
    return at + 6

cdef inline const uint8_t* _inside(
    SseParser* parser, const uint8_t* at, const uint8_t* end, Span* piece, int* code,
) noexcept nogil:
    """Eat a value or what is skipped, up to the line's end."""
    cdef const uint8_t* stop = line_stop(at, end)
    if stop == at:
        return _line_ends(parser, at, piece, code)
    parser.line_bytes += <uint32_t> min(<size_t> (stop - at), <size_t> SSE_LINE_BYTES_MAX + 1)
    if parser.state == SSE_VALUE and parser.field == SSE_FIELD_DATA:
        parser.event_bytes += <uint32_t> min(<size_t> (stop - at), <size_t> SSE_EVENT_BYTES_MAX + 1)
        piece.at = at
        piece.n_bytes = stop - at
        code[0] = WIRE_BODY
    elif parser.state == SSE_VALUE:
        _match_error(parser, at, stop)
    return stop

cdef inline const uint8_t* _before_value(SseParser* parser, const uint8_t* at, Span* piece, int* code) noexcept nogil:
    """Eat a byte of the byte order mark, of a field's name, or between it and the value."""
    cdef const char* mark = b"\xEF\xBB\xBF"
    if parser.state == SSE_BOM:
        if at[0] == <uint8_t> mark[parser.n_matched]:
            parser.n_matched += 1
            if parser.n_matched == 3:
                parser.state = SSE_LINE
            return at + 1
        parser.state = SSE_SKIP if parser.n_matched else SSE_LINE
        return at
    if parser.state == SSE_COLON:
        parser.state = SSE_VALUE
        if at[0] != c" ":
            return at
        parser.line_bytes += 1
        return at + 1
    parser.line_bytes += 1
    if parser.state == SSE_LINE:
        parser.field = SSE_FIELD_DATA if at[0] == c"d" else SSE_FIELD_EVENT
        parser.n_matched = 0
        parser.state = SSE_NAME
    _name(parser, at[0], piece, code)
    return at + 1

cdef inline void _name(SseParser* parser, uint8_t byte, Span* piece, int* code) noexcept nogil:
    cdef const char* name = b"data" if parser.field == SSE_FIELD_DATA else b"event"
    if name[parser.n_matched] == 0:
        if byte == c":":
            parser.state = SSE_COLON
            _value_begins(parser, piece, code)
        else:
            parser.state = SSE_SKIP
    elif byte == <uint8_t> name[parser.n_matched]:
        parser.n_matched += 1
    else:
        parser.state = SSE_SKIP

cdef inline void _value_begins(SseParser* parser, Span* piece, int* code) noexcept nogil:
    """The field is known. A further line of data is set off by a line feed."""
    parser.n_matched = 0
    if parser.field == SSE_FIELD_EVENT:
        parser.type_is_error = 0
        return
    if parser.has_data:
        parser.event_bytes += 1
        piece.at = <const uint8_t*> b"\n"
        piece.n_bytes = 1
        code[0] = WIRE_BODY
    parser.has_data = 1

cdef inline void _match_error(SseParser* parser, const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Compare the event's type with "error"; n_matched beyond its length: it is another."""
    cdef const char* word = b"error"
    while at < end:
        if parser.n_matched < 5 and at[0] == <uint8_t> word[parser.n_matched]:
            parser.n_matched += 1
        else:
            parser.n_matched = 6
            return
        at += 1

cdef inline const uint8_t* _line_ends(SseParser* parser, const uint8_t* at, Span* piece, int* code) noexcept nogil:
    cdef const char* name = b"data" if parser.field == SSE_FIELD_DATA else b"event"
    parser.after_cr = at[0] == c"\r"
    parser.line_bytes = 0
    if parser.state == SSE_LINE or parser.state == SSE_BOM and parser.n_matched == 0:
        _event_ends(parser, code)
    elif parser.state == SSE_NAME and name[parser.n_matched] == 0:
        _value_begins(parser, piece, code)
    elif parser.state == SSE_VALUE and parser.field == SSE_FIELD_EVENT:
        parser.type_is_error = parser.n_matched == 5
    parser.state = SSE_LINE
    return at + 1

cdef inline void _event_ends(SseParser* parser, int* code) noexcept nogil:
    if parser.has_data:
        code[0] = WIRE_EVENT
        parser.event_is_error = parser.type_is_error
    parser.has_data = 0
    parser.type_is_error = 0
    parser.event_bytes = 0

"""One HTTP/1 response as a client meets it: interim heads, head, body, trailers. No socket, clock or malloc.

Bodies are handed on as they come and never kept. Source: RFC 9112 sections 4, 6, 7, 8 and 9.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memcmp

from wire.chunked cimport ChunkedParser, chunked_feed, chunked_reset
from wire.codes cimport (REASON_BARE_CR, REASON_CONTENT_CODING, REASON_CUT_BODY, REASON_CUT_HEAD, REASON_NONE,
                         REASON_STATUS_LINE, REASON_TRANSFER_CODING, REASON_UPGRADE, WIRE_BODY, WIRE_DONE, WIRE_ERROR,
                         WIRE_HEAD, WIRE_MORE, Span)
from wire.http1_field cimport NO_LENGTH, FieldReader, field_count, field_feed, field_next_head, field_reset

cdef enum Http1State:
    HTTP1_STATUS_LINE
    HTTP1_FIELDS
    HTTP1_LENGTH             # a body of known length, or none
    HTTP1_CHUNKED
    HTTP1_TRAILERS
    HTTP1_UNTIL_CLOSE
    HTTP1_COMPLETE
    HTTP1_FAILED

cdef enum:
    STATUS_DIGITS_AT = 9     # in "HTTP/1.1 200 OK"
    STATUS_REASON_AT = 12
    STATUS_LINE_FEED = 255   # after the carriage return

cdef struct Http1Parser:
    FieldReader fields
    ChunkedParser chunked
    int64_t n_left           # HTTP1_LENGTH: bytes of the body that have not come
    int32_t retry_after_s    # -1: not given, or given as a date
    uint16_t status          # of the final head
    uint8_t state            # Http1State
    uint8_t status_line_at   # of the status line: bytes that have come, at most STATUS_REASON_AT + 1
    uint8_t minor_version    # of HTTP/1
    uint8_t expects_no_body  # the request was HEAD
    uint8_t content_kind     # ContentKind
    uint8_t keep_alive       # the connection may be used again once the response is complete
    uint8_t error            # WireReason

cdef inline void http1_reset(Http1Parser* parser, bint expects_no_body) noexcept nogil:
    """A new response begins. expects_no_body: its request was HEAD."""
    field_reset(&parser.fields)
    chunked_reset(&parser.chunked)
    parser.n_left = 0
    parser.retry_after_s = NO_LENGTH
    parser.status = 0
    parser.state = HTTP1_STATUS_LINE
    parser.status_line_at = 0
    parser.minor_version = 0
    parser.expects_no_body = expects_no_body
    parser.content_kind = 0
    parser.keep_alive = 0
    parser.error = REASON_NONE

cdef inline int http1_feed(
    Http1Parser* parser, const uint8_t* data, size_t n_bytes, size_t* n_used, Span* body,
) noexcept nogil:
    """Eat up to the next thing worth knowing. Feed the rest, even no bytes, until neither HEAD nor BODY comes.

    Return WIRE_HEAD (the final head is complete: status, content_kind, keep_alive and retry_after_s hold), WIRE_BODY
    (body: decoded bytes), WIRE_DONE (complete; what is left is no part of it), WIRE_MORE or WIRE_ERROR (see error).
    """
    cdef size_t n_eaten
    cdef int code = WIRE_MORE
    n_used[0] = 0
    while code == WIRE_MORE:
        if parser.state >= HTTP1_COMPLETE:
            return WIRE_DONE if parser.state == HTTP1_COMPLETE else WIRE_ERROR
        if parser.state == HTTP1_LENGTH and parser.n_left == 0:
            parser.state = HTTP1_COMPLETE
            return WIRE_DONE
        if n_used[0] == n_bytes:
            return WIRE_MORE
        code = _feed_state(parser, data + n_used[0], n_bytes - n_used[0], &n_eaten, body)
        n_used[0] += n_eaten
    return code

cdef inline int http1_eof(Http1Parser* parser) noexcept nogil:
    """The server has closed the connection. Return WIRE_DONE if the response is complete, else WIRE_ERROR."""
    if parser.state == HTTP1_UNTIL_CLOSE or parser.state == HTTP1_LENGTH and parser.n_left == 0:
        parser.state = HTTP1_COMPLETE
    if parser.state == HTTP1_COMPLETE:
        return WIRE_DONE
    if parser.state == HTTP1_FAILED:
        return WIRE_ERROR
    return _fail(parser, REASON_CUT_HEAD if parser.state <= HTTP1_FIELDS else REASON_CUT_BODY)

cdef inline int _fail(Http1Parser* parser, uint8_t reason) noexcept nogil:
    parser.state = HTTP1_FAILED
    parser.error = reason
    parser.keep_alive = 0
    return WIRE_ERROR

cdef inline int _feed_state(
    Http1Parser* parser, const uint8_t* data, size_t n_bytes, size_t* n_used, Span* body,
) noexcept nogil:
    if parser.state == HTTP1_CHUNKED:
        return _feed_chunked(parser, data, n_bytes, n_used, body)
    if parser.state == HTTP1_LENGTH or parser.state == HTTP1_UNTIL_CLOSE:
        body.at = data
        body.n_bytes = n_bytes
        if parser.state == HTTP1_LENGTH:
            body.n_bytes = <size_t> min(<int64_t> n_bytes, parser.n_left)
            parser.n_left -= <int64_t> body.n_bytes
        n_used[0] = body.n_bytes
        return WIRE_BODY
    if parser.state == HTTP1_STATUS_LINE:
        return _feed_status_line(parser, data, n_bytes, n_used)
    return _feed_fields(parser, data, n_bytes, n_used)

cdef inline int _feed_chunked(
    Http1Parser* parser, const uint8_t* data, size_t n_bytes, size_t* n_used, Span* body,
) noexcept nogil:
    cdef int code = chunked_feed(&parser.chunked, data, n_bytes, n_used, body)
    if code == WIRE_ERROR:
        return _fail(parser, parser.chunked.error)
    if code != WIRE_DONE:
        return code
    parser.fields.is_trailer = 1
    parser.fields.state = 0
    parser.fields.line_bytes = 0
    parser.state = HTTP1_TRAILERS
    return WIRE_MORE

cdef inline int _feed_fields(Http1Parser* parser, const uint8_t* data, size_t n_bytes, size_t* n_used) noexcept nogil:
    """Header lines or trailers."""
    cdef int code = field_feed(&parser.fields, data, n_bytes, n_used)
    if code == WIRE_ERROR:
        return _fail(parser, parser.fields.error)
    if code == WIRE_MORE:
        return WIRE_MORE
    if parser.state == HTTP1_TRAILERS:
        parser.state = HTTP1_COMPLETE
        return WIRE_DONE
    if parser.status < 200:
        return _interim(parser)
    return _head_ends(parser)

cdef inline int _interim(Http1Parser* parser) noexcept nogil:
    """A 1xx head: the final one is still to come. 101 was not asked for."""
    if parser.status == 101:
        return _fail(parser, REASON_UPGRADE)
    field_next_head(&parser.fields)
    parser.state = HTTP1_STATUS_LINE
    parser.status_line_at = 0
    parser.status = 0
    return WIRE_MORE

cdef inline int _head_ends(Http1Parser* parser) noexcept nogil:
    cdef FieldReader* fields = &parser.fields
    parser.content_kind = fields.content_kind
    parser.retry_after_s = fields.retry_after_s
    parser.keep_alive = not fields.says_close and (parser.minor_version >= 1 or fields.says_keep_alive)
    parser.state = HTTP1_LENGTH
    parser.n_left = 0
    if parser.expects_no_body or parser.status == 204 or parser.status == 304:
        return WIRE_HEAD
    if fields.has_transfer_coding:
        if fields.n_chunked != 1 or fields.has_other_coding:
            return _fail(parser, REASON_TRANSFER_CODING)
        # RFC 9112 section 6.3: both framings at once, or chunks from HTTP/1.0, may be an attempt to be read in two ways
        if fields.content_length != NO_LENGTH or parser.minor_version == 0:
            parser.keep_alive = 0
        parser.state = HTTP1_CHUNKED
    elif fields.content_length != NO_LENGTH:
        parser.n_left = fields.content_length
    else:
        parser.state = HTTP1_UNTIL_CLOSE
        parser.keep_alive = 0
    if fields.is_compressed and (parser.state != HTTP1_LENGTH or parser.n_left):
        return _fail(parser, REASON_CONTENT_CODING)
    return WIRE_HEAD

cdef inline int _feed_status_line(
    Http1Parser* parser, const uint8_t* data, size_t n_bytes, size_t* n_used,
) noexcept nogil:
    cdef size_t i = _usual_status_line(parser, data, n_bytes)
    cdef int code = WIRE_MORE
    while i < n_bytes and code == WIRE_MORE and parser.state == HTTP1_STATUS_LINE:
        code = _status_byte(parser, data[i])
        if code == WIRE_MORE and field_count(&parser.fields, 1) == WIRE_ERROR:
            code = _fail(parser, parser.fields.error)
        i += 1
    if parser.state == HTTP1_FIELDS:
        parser.fields.line_bytes = 0
    n_used[0] = i
    return code

cdef inline size_t _usual_status_line(Http1Parser* parser, const uint8_t* data, size_t n_bytes) noexcept nogil:
    """Eat the line that nearly every response begins with, if it is here whole. Return its bytes, or 0."""
    if parser.status_line_at != 0 or parser.fields.head_bytes != 0 or n_bytes < 17:
        return 0
    if memcmp(data, b"HTTP/1.1 200 OK\r\n", 17) != 0:
        return 0
    parser.minor_version = 1
    parser.status = 200
    parser.fields.head_bytes = 17
    _fields_begin(parser)
    return 17

cdef inline int _status_byte(Http1Parser* parser, uint8_t byte) noexcept nogil:
    """HTTP/1.x SP three digits, then a blank and any text, or nothing."""
    cdef const char* start = b"HTTP/1."
    cdef uint8_t at = parser.status_line_at
    if at == STATUS_LINE_FEED:
        return _fields_begin(parser) if byte == c"\n" else _fail(parser, REASON_BARE_CR)
    if at >= STATUS_REASON_AT:
        return _status_reason_byte(parser, byte)
    if at < 7:
        if byte != <uint8_t> start[at]:
            return _fail(parser, REASON_STATUS_LINE)
    elif at == 8:
        if byte != c" ":
            return _fail(parser, REASON_STATUS_LINE)
    elif not c"0" <= byte <= c"9" or at == STATUS_DIGITS_AT and byte == c"0":
        return _fail(parser, REASON_STATUS_LINE)
    elif at == 7:
        parser.minor_version = byte - c"0"
    else:
        parser.status = parser.status * 10 + (byte - c"0")
    parser.status_line_at += 1
    return WIRE_MORE

cdef inline int _status_reason_byte(Http1Parser* parser, uint8_t byte) noexcept nogil:
    if byte == c"\n":
        return _fields_begin(parser)
    if byte == c"\r":
        parser.status_line_at = STATUS_LINE_FEED
        return WIRE_MORE
    if parser.status_line_at == STATUS_REASON_AT and byte != c" " or byte < 0x20 and byte != c"\t" or byte == 0x7F:
        return _fail(parser, REASON_STATUS_LINE)
    parser.status_line_at = STATUS_REASON_AT + 1
    return WIRE_MORE

cdef inline int _fields_begin(Http1Parser* parser) noexcept nogil:
    parser.state = HTTP1_FIELDS
    return WIRE_MORE

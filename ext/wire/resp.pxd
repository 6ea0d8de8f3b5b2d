"""Replies of Redis, one after the other. No socket, clock or malloc.

Strings are handed on as they come and never kept; pushes and attributes are passed over. Source: the RESP2 and RESP3
specifications of the Redis documentation; its streamed strings and aggregates, which no server sends, are refused.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from wire.codes cimport (REASON_NONE, REASON_RESP_DEPTH, REASON_RESP_LINE, REASON_RESP_LINE_TOO_LONG,
                         REASON_RESP_NUMBER, REASON_RESP_STRING_END, REASON_RESP_STRING_TOO_LONG,
                         REASON_RESP_TOO_MANY, REASON_RESP_TYPE, WIRE_BODY, WIRE_DONE, WIRE_ERROR, WIRE_MORE, Span)
from wire.error_code cimport ERROR_CODE_TEXT_BYTES, ErrorCode, error_code_feed_word, error_code_reset, error_code_start
from wire.error_text cimport ERROR_TEXT_BYTES, ErrorText, error_text_keep, error_text_reset, error_text_start
from wire.lines cimport line_stop

cdef enum:
    RESP_LINE_BYTES_MAX = 65536
    RESP_STRING_BYTES_MAX = 536870912
    RESP_ITEMS_MAX = 1073741823   # twice as many fit 32 bits
    RESP_INTEGER_MAX = 9223372036854775807
    RESP_DEPTH = 32
    RESP_NO_ITEMS = -1
    RESP_VERBATIM_BYTES = 4       # "txt:" before a verbatim string's text

cdef enum RespState:
    RESP_TYPE                # a value's first byte must come
    RESP_NUMBER              # a number or a length, up to its line's end
    RESP_TEXT                # any other line
    RESP_LINE_FEED           # after a line's carriage return
    RESP_STRING
    RESP_STRING_RETURN       # the carriage return after a string
    RESP_STRING_FEED
    RESP_FAILED

cdef struct RespParser:
    ErrorText text
    int64_t integer          # of a top-level integer; 0 or 1 of a boolean
    uint64_t number          # the digits so far of the number that is being read
    uint32_t[32] n_lacking   # values that each open aggregate lacks
    uint32_t is_aside        # a bit a level: an attribute or a push
    uint32_t n_left          # bytes of the string that have not come
    uint32_t line_bytes      # of the unfinished line
    int32_t n_items          # of a top-level aggregate, keys and values each; RESP_NO_ITEMS: it is none
    uint8_t state            # RespState
    uint8_t depth
    uint8_t type             # first byte of the value that is being read
    uint8_t n_prefix         # bytes of a verbatim string's prefix that have not come
    uint8_t is_negative      # the number that is being read
    uint8_t has_digits
    uint8_t has_ended        # the next byte begins another reply
    uint8_t kind             # first byte of the reply
    uint8_t is_null
    uint8_t is_error
    uint8_t error_reason     # WireReason, after WIRE_ERROR
    char[108] error          # where is_error: the line or string, UTF-8, padded with NUL where it is shorter
    ErrorCode code
    char[23] error_code      # its first word, likewise

cdef inline void resp_reset(RespParser* parser) noexcept nogil:
    """A new connection's first reply begins."""
    parser.state = RESP_TYPE
    parser.depth = 0
    parser.is_aside = 0
    parser.error_reason = REASON_NONE
    _reply_begins(parser)

cdef inline int resp_feed(
    RespParser* parser, const uint8_t* data, size_t n_bytes, size_t* n_used, Span* body,
) noexcept nogil:
    """Eat up to the end of a reply. Feed the rest until WIRE_MORE or WIRE_ERROR comes.

    Return WIRE_BODY (body: some bytes of a reply that is a string), WIRE_DONE (a reply is complete; its fields hold
    until a byte of the next one is fed), WIRE_MORE or WIRE_ERROR (see error_reason).
    """
    cdef const uint8_t* at = data
    cdef const uint8_t* end = data + n_bytes
    cdef int code = WIRE_MORE
    while at < end and code == WIRE_MORE:
        if parser.state == RESP_TYPE:
            _type(parser, at[0], &code)
            at += 1
        elif parser.state == RESP_NUMBER:
            at = _number(parser, at, end, &code)
        elif parser.state == RESP_TEXT:
            at = _text(parser, at, end, &code)
        elif parser.state == RESP_STRING:
            at = _string(parser, at, end, body, &code)
        elif parser.state == RESP_FAILED:
            code = WIRE_ERROR
        else:
            _line_end_byte(parser, at[0], &code)
            at += 1
    n_used[0] = at - data
    return code

cdef inline void _fail(RespParser* parser, uint8_t reason, int* code) noexcept nogil:
    parser.state = RESP_FAILED
    parser.error_reason = reason
    code[0] = WIRE_ERROR

cdef inline void _reply_begins(RespParser* parser) noexcept nogil:
    parser.kind = 0
    parser.integer = 0
    parser.n_items = RESP_NO_ITEMS
    parser.is_null = parser.is_error = 0
    parser.has_ended = 0

cdef inline void _type(RespParser* parser, uint8_t byte, int* code) noexcept nogil:
    if parser.has_ended:
        _reply_begins(parser)
    parser.type = byte
    parser.line_bytes = 0
    if parser.depth == 0 and byte != c">" and byte != c"|":
        parser.kind = byte
    if byte == c"+" or byte == c"," or byte == c"(" or byte == c"#" or byte == c"_":
        parser.state = RESP_TEXT
    elif byte == c"-":
        parser.state = RESP_TEXT
        _error_begins(parser)
    elif (byte == c"$" or byte == c":" or byte == c"*" or byte == c"%" or byte == c"~" or byte == c"!" or byte == c"="
          or byte == c">" or byte == c"|"):
        parser.state = RESP_NUMBER
        parser.number = 0
        parser.is_negative = parser.has_digits = 0
    else:
        _fail(parser, REASON_RESP_TYPE, code)

cdef inline void _error_begins(RespParser* parser) noexcept nogil:
    """Only an error that is the reply itself counts: one among others in an aggregate does not fail the request."""
    if parser.depth == 0:
        parser.is_error = 1
        error_text_reset(&parser.text)
        error_text_start(&parser.text, 0)
        error_code_reset(&parser.code)
        error_code_start(&parser.code, 1)

cdef inline void _error_bytes(RespParser* parser, const uint8_t* at, size_t n_bytes) noexcept nogil:
    if parser.depth == 0:
        error_text_keep(&parser.text, at, n_bytes)
        error_code_feed_word(&parser.code, at, n_bytes)

cdef inline bint _line_grows(RespParser* parser, size_t n_bytes, int* code) noexcept nogil:
    """Count bytes of the line. False: it is too long."""
    parser.line_bytes += <uint32_t> min(n_bytes, <size_t> RESP_LINE_BYTES_MAX + 1)
    if parser.line_bytes > RESP_LINE_BYTES_MAX:
        _fail(parser, REASON_RESP_LINE_TOO_LONG, code)
        return False
    return True

cdef inline const uint8_t* _number(
    RespParser* parser, const uint8_t* at, const uint8_t* end, int* code,
) noexcept nogil:
    """Eat a sign and digits, and the line's end."""
    cdef const uint8_t* start = at
    if parser.line_bytes == 0 and (at[0] == c"-" or at[0] == c"+" and parser.type == c":"):
        parser.is_negative = at[0] == c"-"
        at += 1
    while at < end and c"0" <= at[0] <= c"9":
        if parser.number <= <uint64_t> RESP_INTEGER_MAX // 10:
            parser.number = parser.number * 10 + (at[0] - c"0")
        else:
            parser.number = ~<uint64_t> 0   # stands for every number that is too large
        parser.has_digits = 1
        at += 1
    if not _line_grows(parser, at - start, code) or at == end:
        return at
    if at[0] != c"\r":
        _fail(parser, REASON_RESP_NUMBER, code)
        return at
    return _line_return(parser, at + 1, end, code)

cdef inline const uint8_t* _text(RespParser* parser, const uint8_t* at, const uint8_t* end, int* code) noexcept nogil:
    """Eat a line that is no number, and its end."""
    cdef const uint8_t* stop = line_stop(at, end)
    if parser.type == c"-":
        _error_bytes(parser, at, stop - at)
    elif parser.type == c"#" and parser.line_bytes == 0 and stop > at:
        parser.number = at[0]
    if not _line_grows(parser, stop - at, code) or stop == end:
        return stop
    if stop[0] == c"\n":
        _fail(parser, REASON_RESP_LINE, code)
        return stop
    return _line_return(parser, stop + 1, end, code)

cdef inline const uint8_t* _line_return(
    RespParser* parser, const uint8_t* at, const uint8_t* end, int* code,
) noexcept nogil:
    """The line's carriage return has come: eat the line feed if it is there."""
    parser.state = RESP_LINE_FEED
    if at == end:
        return at
    _line_end_byte(parser, at[0], code)
    return at + 1

cdef inline void _line_end_byte(RespParser* parser, uint8_t byte, int* code) noexcept nogil:
    """A byte that must be the line feed after a line, or the carriage return or the line feed after a string."""
    if parser.state == RESP_LINE_FEED:
        if byte == c"\n":
            _line_ends(parser, code)
        else:
            _fail(parser, REASON_RESP_LINE, code)
    elif parser.state == RESP_STRING_RETURN and byte == c"\r":
        parser.state = RESP_STRING_FEED
    elif parser.state == RESP_STRING_FEED and byte == c"\n":
        _value_ends(parser, code)
    else:
        _fail(parser, REASON_RESP_STRING_END, code)

cdef inline void _line_ends(RespParser* parser, int* code) noexcept nogil:
    cdef uint8_t type = parser.type
    if type == c"#" or type == c"_":
        if not _is_word_of(parser):
            _fail(parser, REASON_RESP_NUMBER, code)
            return
    elif type == c":":
        if not parser.has_digits or parser.number > <uint64_t> RESP_INTEGER_MAX + parser.is_negative:
            _fail(parser, REASON_RESP_NUMBER, code)
            return
        if parser.depth == 0:
            parser.integer = <int64_t> (0 - parser.number if parser.is_negative else parser.number)
    elif type == c"$" or type == c"!" or type == c"=":
        _string_begins(parser, code)
        return
    elif type != c"+" and type != c"-" and type != c"," and type != c"(":
        _aggregate_begins(parser, code)
        return
    _value_ends(parser, code)

cdef inline bint _is_word_of(RespParser* parser) noexcept nogil:
    """Whether a boolean is t or f, and a null empty; take it."""
    if parser.type == c"_":
        parser.is_null |= parser.depth == 0
        return parser.line_bytes == 0
    if parser.depth == 0:
        parser.integer = parser.number == c"t"
    return parser.line_bytes == 1 and (parser.number == c"t" or parser.number == c"f")

cdef inline bint _is_null(RespParser* parser) noexcept nogil:
    """Whether the length is RESP2's -1."""
    return parser.is_negative and parser.number == 1 and (parser.type == c"$" or parser.type == c"*")

cdef inline void _string_begins(RespParser* parser, int* code) noexcept nogil:
    """Its length has come."""
    if _is_null(parser):
        parser.is_null |= parser.depth == 0
        _value_ends(parser, code)
    elif parser.is_negative or not parser.has_digits or parser.type == c"=" and parser.number < RESP_VERBATIM_BYTES:
        _fail(parser, REASON_RESP_NUMBER, code)
    elif parser.number > RESP_STRING_BYTES_MAX:
        _fail(parser, REASON_RESP_STRING_TOO_LONG, code)
    else:
        parser.n_left = <uint32_t> parser.number
        parser.n_prefix = RESP_VERBATIM_BYTES if parser.type == c"=" else 0
        parser.state = RESP_STRING if parser.n_left else RESP_STRING_RETURN
        if parser.type == c"!":
            _error_begins(parser)

cdef inline const uint8_t* _string(
    RespParser* parser, const uint8_t* at, const uint8_t* end, Span* body, int* code,
) noexcept nogil:
    cdef size_t n_bytes = min(<size_t> (end - at), <size_t> parser.n_left)
    if parser.n_prefix:
        n_bytes = min(n_bytes, <size_t> parser.n_prefix)
        parser.n_prefix -= <uint8_t> n_bytes
    elif parser.type == c"!":
        _error_bytes(parser, at, n_bytes)
    elif parser.depth == 0:
        body.at = at
        body.n_bytes = n_bytes
        code[0] = WIRE_BODY
    parser.n_left -= <uint32_t> n_bytes
    if parser.n_left == 0:
        parser.state = RESP_STRING_RETURN
    return at + n_bytes

cdef inline void _aggregate_begins(RespParser* parser, int* code) noexcept nogil:
    """Its length has come."""
    cdef bint is_aside = parser.type == c"|" or parser.type == c">" and parser.depth == 0
    cdef bint has_pairs = parser.type == c"%" or parser.type == c"|"
    if _is_null(parser):
        parser.is_null |= parser.depth == 0
        _value_ends(parser, code)
        return
    if parser.is_negative or not parser.has_digits:
        _fail(parser, REASON_RESP_NUMBER, code)
        return
    if parser.number > RESP_ITEMS_MAX:
        _fail(parser, REASON_RESP_TOO_MANY, code)
        return
    parser.number <<= has_pairs
    if parser.depth == 0 and not is_aside:
        parser.n_items = <int32_t> parser.number
    if parser.number:
        _open(parser, is_aside, code)
    elif is_aside:
        parser.state = RESP_TYPE
    else:
        _value_ends(parser, code)

cdef inline void _open(RespParser* parser, bint is_aside, int* code) noexcept nogil:
    if parser.depth == RESP_DEPTH:
        _fail(parser, REASON_RESP_DEPTH, code)
        return
    parser.n_lacking[parser.depth] = <uint32_t> parser.number
    parser.is_aside &= ~(<uint32_t> 1 << parser.depth)
    parser.is_aside |= <uint32_t> is_aside << parser.depth
    parser.depth += 1
    parser.state = RESP_TYPE

cdef inline void _value_ends(RespParser* parser, int* code) noexcept nogil:
    """And with it every aggregate whose last value it is. An attribute or a push is no value."""
    parser.state = RESP_TYPE
    while parser.depth:
        parser.n_lacking[parser.depth - 1] -= 1
        if parser.n_lacking[parser.depth - 1]:
            return
        parser.depth -= 1
        if parser.is_aside >> parser.depth & 1:
            return
    if parser.is_error:
        memcpy(parser.error, parser.text.text, ERROR_TEXT_BYTES)
        memcpy(parser.error_code, parser.code.kept.text, ERROR_CODE_TEXT_BYTES)
    parser.has_ended = 1
    code[0] = WIRE_DONE

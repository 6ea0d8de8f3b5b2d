"""What a PostgreSQL server answers to a query, up to ReadyForQuery. No socket, clock or malloc.

Of rows only the first column is looked at. Source: the PostgreSQL documentation, chapter "Frontend/Backend Protocol",
version 3. What only a login brings (authentication, keys, negotiation) is not known here.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy

from wire.codes cimport (REASON_NONE, REASON_PG_COPY, REASON_PG_LENGTH, REASON_PG_ROW, REASON_PG_STATUS,
                         REASON_PG_TOO_LONG, REASON_PG_TYPE, WIRE_BODY, WIRE_DONE, WIRE_ERROR, WIRE_EVENT, WIRE_MORE,
                         Span)
from wire.error_code cimport ERROR_CODE_TEXT_BYTES, ErrorCode, error_code_feed, error_code_reset, error_code_start
from wire.error_text cimport ERROR_TEXT_BYTES, ErrorText, error_text_keep, error_text_reset, error_text_start

cdef enum:
    PG_MESSAGE_BYTES_MAX = 1073741824   # by its own length field
    PG_HEADER_BYTES = 5                 # type and length
    PG_NULL = -1                        # a column's length
    PG_NO_ID = -1
    PG_ID_DIGITS = 19                   # more do not fit 64 bits
    PG_NUMBER_MAX = 9223372036854775807
    PG_WORD_BYTES = 5                   # of FATAL and PANIC

cdef enum PgNumber:
    PG_NO_NUMBER
    PG_DIGITS
    PG_NO_DIGIT_YET

cdef enum PgState:
    PG_TYPE                  # a message's type must come
    PG_LENGTH                # its length
    PG_SKIP                  # the rest of the message does not matter
    PG_COLUMNS               # of a row: how many
    PG_COLUMN_LENGTH         # of the first one
    PG_COLUMN
    PG_TAG                   # of a command that is complete
    PG_FIELD                 # of an error: a field's type must come
    PG_FIELD_TEXT
    PG_STATUS                # of the transaction
    PG_FAILED

cdef struct PgParser:
    ErrorText text
    int64_t n_rows           # since pg_reset()
    int64_t n_affected       # the numbers at the ends of the commands' tags, added up
    int64_t row_id           # of the last row: its first column as a decimal number; PG_NO_ID: it is none
    uint64_t number          # the digits so far
    uint32_t n_left          # bytes of the message that have not come
    uint32_t n_column        # bytes of the first column that have not come
    uint32_t gathered        # of a number of two or four bytes
    uint8_t n_gathered
    uint8_t state            # PgState
    uint8_t type             # of the message
    uint8_t is_number        # PgNumber
    uint8_t field            # type of the error's field
    uint8_t n_word           # bytes of the field that have come; PG_WORD_BYTES + 1: more than a word's
    uint8_t[5] word          # the first of them
    uint8_t has_severity     # this error's field V, which is never translated, has come
    uint8_t is_worst         # this error's severity is FATAL or PANIC
    uint8_t has_error
    uint8_t is_fatal         # the server closes the connection
    uint8_t has_null         # the first row has no first column, or it is NULL
    uint8_t transaction      # of the last ReadyForQuery: I, T or E; 0: there was none
    uint8_t error_reason     # WireReason, after WIRE_ERROR
    char[108] error          # where has_error: the first one's message, UTF-8, padded with NUL where it is shorter
    ErrorCode code
    char[23] error_code      # its SQLSTATE, likewise

cdef inline void pg_reset(PgParser* parser) noexcept nogil:
    """A new request's answer begins."""
    parser.state = PG_TYPE
    parser.n_rows = parser.n_affected = 0
    parser.row_id = PG_NO_ID
    parser.has_error = parser.is_fatal = parser.has_null = 0
    parser.transaction = 0
    parser.error_reason = REASON_NONE

cdef inline int pg_feed(
    PgParser* parser, const uint8_t* data, size_t n_bytes, size_t* n_used, Span* body,
) noexcept nogil:
    """Eat up to the next thing worth knowing. Feed the rest, even no bytes, until WIRE_MORE or WIRE_ERROR comes.

    Return WIRE_BODY (body: some bytes of the first row's first column), WIRE_EVENT (a row is complete, see row_id),
    WIRE_DONE (ReadyForQuery; feeding on reads the answer to the request's next step), WIRE_MORE or WIRE_ERROR (see
    error_reason). A fatal error is followed by the connection's end: is_fatal then says why no WIRE_DONE comes.
    """
    cdef const uint8_t* at = data
    cdef const uint8_t* end = data + n_bytes
    cdef int code = WIRE_MORE
    while code == WIRE_MORE:
        if PG_SKIP <= parser.state < PG_FAILED and parser.n_left == 0:
            _message_ends(parser, &code)
        elif at == end:
            break
        elif parser.state == PG_TYPE:
            at = _type(parser, at, end, &code)
        elif parser.state == PG_LENGTH:
            at = _length(parser, at, end, &code)
        elif parser.state == PG_FAILED:
            code = WIRE_ERROR
        else:
            at = _message(parser, at, end, body, &code)
    n_used[0] = at - data
    return code

cdef inline void _fail(PgParser* parser, uint8_t reason, int* code) noexcept nogil:
    parser.state = PG_FAILED
    parser.error_reason = reason
    code[0] = WIRE_ERROR

cdef inline uint32_t _number_at(const uint8_t* at) noexcept nogil:
    """Four bytes, the highest first."""
    return <uint32_t> at[0] << 24 | <uint32_t> at[1] << 16 | <uint32_t> at[2] << 8 | at[3]

cdef inline const uint8_t* _gather(
    PgParser* parser, const uint8_t* at, const uint8_t* end, uint8_t n_wanted,
) noexcept nogil:
    """Eat bytes of a number until n_gathered are n_wanted."""
    while at < end and parser.n_gathered < n_wanted:
        parser.gathered = parser.gathered << 8 | at[0]
        parser.n_gathered += 1
        at += 1
    return at

cdef inline void _number_begins(PgParser* parser, uint8_t state) noexcept nogil:
    parser.state = state
    parser.gathered = 0
    parser.n_gathered = 0

cdef inline const uint8_t* _type(PgParser* parser, const uint8_t* at, const uint8_t* end, int* code) noexcept nogil:
    """Eat the message's type, and its length if all of it is here."""
    parser.type = at[0]
    if end - at < PG_HEADER_BYTES:
        _number_begins(parser, PG_LENGTH)
        return at + 1
    parser.gathered = _number_at(at + 1)
    _message_begins(parser, code)
    return at + PG_HEADER_BYTES

cdef inline const uint8_t* _length(PgParser* parser, const uint8_t* at, const uint8_t* end, int* code) noexcept nogil:
    at = _gather(parser, at, end, 4)
    if parser.n_gathered == 4:
        _message_begins(parser, code)
    return at

cdef inline void _message_begins(PgParser* parser, int* code) noexcept nogil:
    cdef uint8_t type = parser.type
    parser.n_left = parser.gathered - 4
    if not _is_passed_over(type) and type != c"D" and type != c"C" and type != c"E" and type != c"Z":
        _fail(parser, REASON_PG_COPY if _is_copy(type) else REASON_PG_TYPE, code)
    elif parser.gathered > PG_MESSAGE_BYTES_MAX:
        _fail(parser, REASON_PG_TOO_LONG, code)
    elif parser.gathered < 4 or type == c"Z" and parser.n_left != 1:
        _fail(parser, REASON_PG_LENGTH, code)
    elif type == c"D":
        _number_begins(parser, PG_COLUMNS)
        parser.row_id = PG_NO_ID
    elif type == c"C":
        parser.state = PG_TAG
        parser.number = 0
        parser.is_number = 0
    elif type == c"E":
        _error_begins(parser)
    elif type == c"Z":
        parser.state = PG_STATUS
    else:
        parser.state = PG_SKIP

cdef inline bint _is_passed_over(uint8_t type) noexcept nogil:
    """Descriptions of rows and parameters, notices, notifications, settings, and what only says that a step is done."""
    return (type == c"T" or type == c"1" or type == c"2" or type == c"3" or type == c"n" or type == c"t" or type == c"S"
            or type == c"N" or type == c"A" or type == c"s" or type == c"I")

cdef inline bint _is_copy(uint8_t type) noexcept nogil:
    return type == c"G" or type == c"H" or type == c"W" or type == c"d" or type == c"c"

cdef inline const uint8_t* _message(
    PgParser* parser, const uint8_t* at, const uint8_t* end, Span* body, int* code,
) noexcept nogil:
    """Eat some of a message, of which at least one byte has not come."""
    cdef const uint8_t* start = at
    if <size_t> (end - at) > parser.n_left:
        end = at + parser.n_left
    if parser.state == PG_SKIP:
        at = end
    elif parser.state == PG_COLUMN:
        at = _column(parser, at, end, body, code)
    elif parser.type == c"D":
        at = _row(parser, at, end, code)
    elif parser.state == PG_TAG:
        at = _tag(parser, at, end)
    elif parser.state == PG_STATUS:
        at = _status(parser, at, code)
    else:
        at = _field(parser, at, end)
    parser.n_left -= <uint32_t> (at - start)
    return at

cdef inline void _message_ends(PgParser* parser, int* code) noexcept nogil:
    cdef uint8_t state = parser.state
    parser.state = PG_TYPE
    if parser.type == c"D":
        if state != PG_SKIP:
            _fail(parser, REASON_PG_ROW, code)
            return
        parser.n_rows += 1
        code[0] = WIRE_EVENT
    elif parser.type == c"C":
        if parser.is_number == PG_DIGITS:
            parser.n_affected += <int64_t> min(parser.number, <uint64_t> (PG_NUMBER_MAX - parser.n_affected))
    elif parser.type == c"E":
        _error_ends(parser)
    elif parser.type == c"Z":
        code[0] = WIRE_DONE

cdef inline const uint8_t* _row(PgParser* parser, const uint8_t* at, const uint8_t* end, int* code) noexcept nogil:
    """Eat the number of columns and the length of the first one."""
    cdef const uint8_t* start = at
    if parser.state == PG_COLUMNS and parser.n_gathered == 0 and end - at >= 6 and (at[0] or at[1]):
        parser.gathered = _number_at(at + 2)
        at += 6
        _column_begins(parser, parser.n_left - 6, code)
        return at
    if parser.state == PG_COLUMNS:
        at = _gather(parser, at, end, 2)
        if parser.n_gathered == 2 and parser.gathered == 0:
            parser.state = PG_SKIP
            parser.has_null |= parser.n_rows == 0
        elif parser.n_gathered == 2:
            _number_begins(parser, PG_COLUMN_LENGTH)
        return at
    at = _gather(parser, at, end, 4)
    if parser.n_gathered == 4:
        _column_begins(parser, parser.n_left - <uint32_t> (at - start), code)
    return at

cdef inline void _column_begins(PgParser* parser, uint32_t n_left, int* code) noexcept nogil:
    """The first column's length has come. n_left: bytes of the message behind it."""
    parser.n_column = parser.gathered
    parser.state = PG_SKIP
    if <int32_t> parser.gathered == PG_NULL:
        parser.has_null |= parser.n_rows == 0
    elif parser.n_column > n_left:
        _fail(parser, REASON_PG_ROW, code)
    elif parser.n_column:
        parser.state = PG_COLUMN
        parser.number = 0
        parser.is_number = PG_DIGITS if parser.n_column <= PG_ID_DIGITS else PG_NO_NUMBER

cdef inline const uint8_t* _column(
    PgParser* parser, const uint8_t* at, const uint8_t* end, Span* body, int* code,
) noexcept nogil:
    cdef const uint8_t* stop = at + min(<size_t> parser.n_column, <size_t> (end - at))
    if parser.n_rows == 0:
        body.at = at
        body.n_bytes = stop - at
        code[0] = WIRE_BODY
    parser.n_column -= <uint32_t> (stop - at)
    while at < stop and parser.is_number:
        _digit(parser, at[0])
        at += 1
    if parser.n_column == 0:
        parser.state = PG_SKIP
        if parser.is_number and parser.number <= <uint64_t> PG_NUMBER_MAX:
            parser.row_id = <int64_t> parser.number
    return stop

cdef inline void _digit(PgParser* parser, uint8_t byte) noexcept nogil:
    if not c"0" <= byte <= c"9":
        parser.is_number = PG_NO_NUMBER
        return
    parser.is_number = PG_DIGITS
    if parser.number <= <uint64_t> PG_NUMBER_MAX // 10:
        parser.number = parser.number * 10 + (byte - c"0")
    else:
        parser.number = ~<uint64_t> 0   # stands for every number that is too large

cdef inline const uint8_t* _tag(PgParser* parser, const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Eat a command's tag: "INSERT 0 5", "SELECT 3", "BEGIN". Its last word counts if it is a number."""
    while at < end and at[0]:
        if at[0] == c" ":
            parser.number = 0
            parser.is_number = PG_NO_DIGIT_YET
        elif parser.is_number:
            _digit(parser, at[0])
        at += 1
    if at < end:
        parser.state = PG_SKIP
    return end if at < end else at

cdef inline const uint8_t* _status(PgParser* parser, const uint8_t* at, int* code) noexcept nogil:
    parser.transaction = at[0]
    if at[0] != c"I" and at[0] != c"T" and at[0] != c"E":
        _fail(parser, REASON_PG_STATUS, code)
    return at + 1

cdef inline void _error_begins(PgParser* parser) noexcept nogil:
    parser.state = PG_FIELD
    parser.has_severity = parser.is_worst = 0
    if not parser.has_error:
        error_text_reset(&parser.text)
        error_code_reset(&parser.code)

cdef inline void _error_ends(PgParser* parser) noexcept nogil:
    """Only the first error is kept: later ones follow from it."""
    if not parser.has_error:
        memcpy(parser.error, parser.text.text, ERROR_TEXT_BYTES)
        memcpy(parser.error_code, parser.code.kept.text, ERROR_CODE_TEXT_BYTES)
    parser.has_error = 1
    parser.is_fatal |= parser.is_worst

cdef inline const uint8_t* _field(PgParser* parser, const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Eat a field's type, or its text and the NUL behind it. A field of type NUL is the last."""
    cdef const uint8_t* stop
    if parser.state == PG_FIELD:
        _field_begins(parser, at[0])
        return at + 1
    stop = <const uint8_t*> memchr(at, 0, end - at)
    _field_bytes(parser, at, (stop if stop else end) - at)
    if stop == NULL:
        return end
    _field_ends(parser)
    return stop + 1

cdef inline void _field_begins(PgParser* parser, uint8_t type) noexcept nogil:
    parser.state = PG_FIELD_TEXT if type else PG_SKIP
    parser.field = type
    parser.n_word = 0
    if parser.has_error:
        return
    if type == c"M":
        error_text_start(&parser.text, 0)
    elif type == c"C":
        error_code_start(&parser.code, 1)

cdef inline void _field_bytes(PgParser* parser, const uint8_t* at, size_t n_bytes) noexcept nogil:
    cdef size_t i
    if parser.field == c"S" or parser.field == c"V":
        for i in range(n_bytes):
            if parser.n_word < PG_WORD_BYTES:
                parser.word[parser.n_word] = at[i]
            parser.n_word = min(parser.n_word + 1, PG_WORD_BYTES + 1)
    elif parser.has_error:
        return
    elif parser.field == c"M":
        error_text_keep(&parser.text, at, n_bytes)
    elif parser.field == c"C":
        error_code_feed(&parser.code, at, n_bytes)

cdef inline void _field_ends(PgParser* parser) noexcept nogil:
    """Servers before 9.6 give only S, which is translated where the server speaks another language."""
    parser.state = PG_FIELD
    if parser.field == c"V" or parser.field == c"S" and not parser.has_severity:
        parser.has_severity = parser.field == c"V"
        parser.is_worst = parser.n_word == PG_WORD_BYTES and (
            memcmp(parser.word, b"FATAL", PG_WORD_BYTES) == 0 or memcmp(parser.word, b"PANIC", PG_WORD_BYTES) == 0)

"""Answers over PostgreSQL's protocol: a request's steps one by one, each up to ReadyForQuery."""
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy, memcmp
from core.connection cimport connection_close
from core.exchange cimport exchange_end, exchange_fail, exchange_send
from core.judging cimport judge_begin, judge_body, judge_feed, judge_id, judge_missing, payload_of
from core.payload cimport CHECK_IDS, CHECK_READ
from core.record cimport *
from core.sending cimport sending_next_step
from core.state cimport *
from linux.socket cimport MSG_NOSIGNAL, send
from wire.codes cimport WIRE_BODY, WIRE_DONE, WIRE_ERROR, WIRE_EVENT, WIRE_MORE, Span, wire_reason
from wire.pgwire cimport pg_feed, pg_reset

cdef enum:
    ROLLBACK_BYTES = 14

cdef inline uint8_t _verdict_of_error(const char* code) noexcept nogil:
    """Whose fault the SQLSTATE's class says it is. Source: PostgreSQL's documentation, appendix A."""
    cdef const char* classes = b"084053555758XX"
    cdef int i
    for i in range(0, 14, 2):
        if memcmp(code, classes + i, 2) == 0:
            return OUTCOME_SERVER_ERROR
    return OUTCOME_SERVER_ERROR if memcmp(code, b"25P03", 5) == 0 else OUTCOME_CLIENT_ERROR

cdef inline uint8_t _verdict(Loop* loop, Connection* connection) noexcept nogil:
    cdef Record* record = &connection.record
    cdef uint8_t check = payload_of(loop, connection).check
    if connection.pg.has_error:
        memcpy(record.error, connection.pg.error, ERROR_BYTES)
        memcpy(record.error_code, connection.pg.error_code, ERROR_CODE_BYTES)
        return _verdict_of_error(record.error_code)
    if check != CHECK_IDS:
        record.n_items = <int32_t>min(connection.pg.n_rows or connection.pg.n_affected, <int64_t>0x7FFFFFFF)
    if check == CHECK_READ and (connection.pg.n_rows == 0 or connection.pg.has_null):
        return judge_missing(loop, connection, OUTCOME_OK)
    return judge_body(loop, connection)

cdef inline void _roll_back(Loop* loop, Connection* connection) noexcept nogil:
    """An error has left a transaction open: end it before the connection carries anything else. So few bytes the kernel takes at once."""
    pg_reset(&connection.pg)
    connection.is_cleaning = True
    if send(connection.fd, b"Q\0\0\0\x0dROLLBACK\0", ROLLBACK_BYTES, MSG_NOSIGNAL) != ROLLBACK_BYTES:
        exchange_fail(loop, connection, OUTCOME_RESET, "the connection broke while its transaction was rolled back")

cdef inline void _end(Loop* loop, Connection* connection, int64_t at_ns, bint is_reusable) noexcept nogil:
    """The connection is free. What the server says of its own accord behind an answer may be cut: another connection is opened then."""
    connection.state = IDLE
    if not is_reusable:
        connection_close(connection, True)
    exchange_end(loop, connection, at_ns)

cdef inline void _ready(Loop* loop, Connection* connection, int64_t at_ns, bint is_reusable) noexcept nogil:
    """ReadyForQuery: the next step, or the end."""
    if connection.is_cleaning:
        _end(loop, connection, at_ns, is_reusable)
        return
    if not connection.pg.has_error and sending_next_step(loop, connection):
        exchange_send(loop, connection)
        return
    connection.record.done_at_ns = at_ns
    connection.record.outcome = _verdict(loop, connection)
    connection.n_answers += 1
    if connection.pg.has_error and connection.pg.transaction != c"I":
        _roll_back(loop, connection)
        return
    _end(loop, connection, at_ns, is_reusable)

cdef inline void _fatal(Loop* loop, Connection* connection) noexcept nogil:
    """The server ends the session, and says why."""
    cdef Record* record = &connection.record
    memcpy(record.error, connection.pg.error, ERROR_BYTES)
    memcpy(record.error_code, connection.pg.error_code, ERROR_CODE_BYTES)
    exchange_fail(loop, connection, _verdict_of_error(record.error_code), "")

cdef inline void _take_event(Loop* loop, Connection* connection) noexcept nogil:
    if payload_of(loop, connection).check == CHECK_IDS and connection.pg.row_id >= 0:
        judge_id(loop, connection, connection.pg.row_id)

cdef inline void postgresql_take(Loop* loop, Connection* connection, size_t n_bytes, int64_t at_ns) noexcept nogil:
    """Parse what was read until the server is ready for the next thing."""
    cdef const uint8_t* at = loop.buffer
    cdef size_t n_used
    cdef Span body
    cdef int code
    if not connection.is_framed:
        connection.is_framed = True
        judge_begin(loop, connection)
    while True:
        code = pg_feed(&connection.pg, at, n_bytes, &n_used, &body)
        at += n_used
        n_bytes -= n_used
        if code == WIRE_BODY:
            judge_feed(loop, connection, body.at, body.n_bytes)
        elif code == WIRE_EVENT:
            _take_event(loop, connection)
        elif code == WIRE_ERROR:
            exchange_fail(loop, connection, OUTCOME_PROTOCOL_ERROR, wire_reason(connection.pg.error_reason))
            return
        elif code == WIRE_DONE:
            _ready(loop, connection, at_ns, n_bytes == 0)
            return
        else:
            break
    if connection.pg.is_fatal and not connection.is_cleaning:
        _fatal(loop, connection)
